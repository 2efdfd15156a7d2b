"""`evidence`: bundles from which every verdict can be recomputed, and their verification."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli.app import screen
from autoresearch.core import formatting, wire
from autoresearch.core.errors import AutoresearchError, GateFailed
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_line
from autoresearch.edges import gitrefs
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.places import shown_path
from autoresearch.loop.session import environment, reading
from autoresearch.planning.workspace import CheckContext
from autoresearch.shipping import bundle, gate
from autoresearch.shipping.verification import Verified, bundle_of, verify
from autoresearch.shipping.words import short

if TYPE_CHECKING:
    from autoresearch.core.records import Shipment, Shipped
    from autoresearch.loop.session import Session
    from autoresearch.shipping.gate import Compared

LINES = 200


@click.argument("words", nargs=-1, metavar="[BRANCH]... | verify BUNDLE")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the bundles.")
@click.option("--directory", is_flag=True, help="A directory each, instead of one file.")
@click.option(
    "--repo", type=click.Path(path_type=Path), help="verify: compare trees with this one."
)
@click.option("--race", is_flag=True, help="verify: race again, in the repository.")
def evidence_command(
    words: tuple[str, ...], output: Path | None, repo: Path | None, *, directory: bool, race: bool
) -> Answer:
    """Write evidence for the branches of `finalize`, or verify a bundle.

    A bundle holds contract, evaluator, trees, samples, order of coins and log of one branch.
    `verify` recomputes every verdict from it and runs nothing; exit code 4 where something differs.

    Example: autoresearch evidence verify 01-faster.json --repo .
    """
    if words[:1] == ("verify",):
        if len(words) != 2 or output is not None or directory:  # noqa: PLR2004 - verify, bundle
            raise click.UsageError("`evidence verify` takes one BUNDLE, --repo and --race")
        return _verified(Path(words[1]), repo, racing=race)
    if repo is not None or race:
        raise click.UsageError("--repo and --race belong to `evidence verify BUNDLE`")
    with reading("evidence") as session:
        return _written(session, words, output, single=not directory)


def _written(
    session: Session, wanted: tuple[str, ...], output: Path | None, *, single: bool
) -> Answer:
    folder = output or session.places.state / "evidence"
    places = []
    for shipment, branch in _chosen(session, wanted):
        files = bundle.gathered(session, shipment, branch)
        made = bundle_of(files, shipment, branch)
        verify(made, None)
        name = short(branch.name).removeprefix("ship/").replace("/", "-")
        place = folder / (f"{name}.json" if single else name)
        if place.exists() and not single:
            raise AutoresearchError(
                f"{place} is there already",
                code="exists",
                hint="Remove it, or name another folder.",
            )
        bundle.write(made, place, single=single)
        places.append((branch, place))
    return Answer(
        lines=tuple(f"{short(branch.name)}: {shown_path(place)}" for branch, place in places),
        data={"bundles": [{"branch": short(b.name), "path": str(p)} for b, p in places]},
        next_step="attach them to the pull requests; anybody runs `autoresearch evidence verify`",
        max_lines=LINES,
        max_bytes=WIDE_BYTES,
    )


def _chosen(session: Session, wanted: tuple[str, ...]) -> list[tuple[Shipment, Shipped]]:
    """The branches asked for, else those of the latest shipment; all must still be there."""
    found = bundle.shipments(session)
    if not found:
        raise AutoresearchError(
            "no branch was made yet", code="nothing_shipped", hint="`autoresearch finalize` first."
        )
    latest = {short(branch.name): (one, branch) for one in found for branch in one.branches}
    names = [short(name) for name in wanted] or [short(b.name) for b in found[-1].branches]
    for name in names:
        if name not in latest:
            raise AutoresearchError(
                f"`finalize` made no branch {clean_line(name, 80)}",
                code="no_branch",
                hint=f"It made {', '.join(list(latest)[-5:])}.",
            )
        at = gitrefs.at(session.repo, latest[name][1].name)
        if at != latest[name][1].commit:
            session.news.append(
                f"{name} is {'gone' if at is None else 'elsewhere by now'}; the evidence is about "
                f"{latest[name][1].commit[:12]}"
            )
    return [latest[name] for name in names]


def _verified(place: Path, where: Path | None, *, racing: bool) -> Answer:
    made = bundle.read(place)
    if where is None and not racing:
        return _told(verify(made, None), None)
    with GitRepo.open(where or Path.cwd()) as repo:
        found = verify(made, repo)
        return _told(found, _raced(repo, found) if racing else None)


def _raced(repo: GitRepo, found: Verified) -> Compared:
    """The branch against its base once more, on this machine."""
    with screen() as shown, gate.gated():
        context = CheckContext(repo, environment(), random.SystemRandom(), shown.say)
        terms = gate.Terms(found.contract, repo.tree(found.tip), {})
        with gate.Track(context, shown.caller, terms).opened() as track:
            predicate = found.predicate
            return track.race(predicate.base, predicate.commit, gate.Tolerance(0.0))


def _told(found: Verified, again: Compared | None) -> Answer:
    predicate, unit = found.predicate, found.contract.metric.unit
    effect = predicate.shipped.effect
    moved = "not raced by itself" if effect is None else formatting.effect(effect, unit)
    lines = [
        f"verified: {short(predicate.branch)} at {predicate.commit[:12]}, {moved}",
        f"{formatting.count(found.decided, 'race')} of {len(predicate.verdicts)} experiments, "
        "validations and branches decided again, all the same",
        "the session was validated" if predicate.validated else "NOT VALIDATED as a whole",
        "trees compared with the repository"
        if found.trees_checked
        else "the commits are those of their ids; `--repo PATH` compares them with a repository",
    ]
    data: dict[str, object] = {
        "branch": short(predicate.branch),
        "commit": predicate.commit,
        "base": predicate.base,
        "decided": found.decided,
        "effect": None if effect is None else wire.to_object(effect),
        "validated": predicate.validated,
        "trees_checked": found.trees_checked,
        "raced": None if again is None else wire.to_object(again.effect),
    }
    if again is not None:
        lines.append(f"raced again here: {formatting.effect(again.effect, unit)}")
        apart = effect is not None and (
            effect.scale is not again.effect.scale
            or again.effect.low > effect.high
            or again.effect.high < effect.low
        )
        if apart:
            raise GateFailed(
                f"raced again, {formatting.effect(again.effect, unit)} does not meet {moved}",
                code="raced_otherwise",
                hint="The record is sound, and this machine or its load is another: repeat it.",
            )
    return Answer(
        lines=tuple(lines),
        data=data,
        next_step=f"see that the pull request is at {predicate.commit[:12]}: the evidence is about "
        "that commit and no other",
    )
