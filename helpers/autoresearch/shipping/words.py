"""The texts of a shipment: commit messages, and the bodies of pull requests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from string import Template
from typing import NamedTuple

from autoresearch import share
from autoresearch.core import formatting, wire
from autoresearch.core.decision import is_proven_better, is_proven_worse
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Effect, Flag, RaceRecord, Reason
from autoresearch.core.records import Experiment, Shipment, Shipped
from autoresearch.core.snapshot import TreeMap, differing_paths
from autoresearch.edges.clock import machine_id, machine_words
from autoresearch.edges.gitdiff import Difference
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.loop.referee import GuardAnswer
from autoresearch.loop.session import Session
from autoresearch.shipping import review
from autoresearch.shipping.ground import Ground
from autoresearch.shipping.stacks import Unit

SLUG = 40
SUBJECT = 72
FILES_SHOWN = 3
_BRANCHING = re.compile(
    r"\b(?:if|elif|for|while|case|match|catch|except|when|and|or)\b|&&|\|\||\?\?"
)
"""What makes a reader follow two ways, in most languages."""

NOT_VALIDATED = (
    "NOT VALIDATED: the session's first and last commit were never raced against each other"
)


class Said(NamedTuple):
    """What a commit's message is about; without a race of its own the session's is told."""

    units: tuple[Unit, ...]
    below: str
    base: str
    effect: Effect | None
    race: RaceRecord | None


class BranchFacts(NamedTuple):
    """What a pull request's body tells beside its branch.

    Attributes:
        experiments: the records that it ships.
        change: against its own base.
        files: changed lines of each file, most first.
        stack, stacks: its stack's number, and how many there are.
        effect: of its own race, or of the session's where it was not raced again.
    """

    title: str
    experiments: tuple[Experiment, ...]
    change: Difference
    files: tuple[tuple[str, int], ...]
    stack: int
    stacks: int
    effect: Effect | None


def short(ref: str) -> str:
    """A branch as people call it."""
    return ref.removeprefix("refs/heads/")


def start_of(session: Session) -> str:
    """The branch, or commit, that the session was started on."""
    opened = session.progress.opened
    return short(opened.start_branch or opened.base[:12])


def slug(units: tuple[Unit, ...]) -> str:
    """A name for a branch, from what its first change says."""
    text = re.sub(r"[^a-z0-9]+", "-", units[0].title.lower()).strip("-")[:SLUG].rstrip("-")
    return text or "change"


def key_of(repo: GitRepo, ground: Ground, before: TreeMap, after: TreeMap) -> str:
    """A name for the race of two trees, the same whenever it is asked for."""
    base = ground.tree
    facts = [
        repo.tree_of(ground.base),
        *((path, before.get(path)) for path in differing_paths(base, before)),
        *((path, after.get(path)) for path in differing_paths(before, after)),
    ]
    return f"ship-{hashlib.sha256(repr(facts).encode('utf-8', 'surrogateescape')).hexdigest()[:24]}"


def failed_answer(error: AutoresearchError) -> GuardAnswer:
    """The answer for a tree that does not even build."""
    return GuardAnswer(None, None, Reason.GUARD, f"it does not build: {error.message}")


def digest_of(race: RaceRecord) -> str:
    """The SHA-256 by which a commit's message names its race."""
    return hashlib.sha256(wire.text(race).encode("ascii")).hexdigest()


# --- the commit's message -----------------------------------------------------------------------


def message(session: Session, ground: Ground, said: Said) -> str:
    """What, why, effect with interval, experiments, how to race again; then trailers."""
    records = [r for u in said.units if u.number and (r := session.index.record(u.number))]
    unit = session.contract.metric.unit
    parts = [clean_line(said.units[0].title, SUBJECT), ""]
    for record in records:
        why = [*_why(record)]
        parts += [*why, ""] if why else []
    effect = _effect_of(said.effect, records)
    if records:
        parts += [_effect_line(session, effect, said.race), _tried_line(session, records)]
    else:
        parts.append("Adopted by a human during the session, or left by what was taken back.")
    if ground.validation is None:
        parts.append(f"{NOT_VALIDATED}.")
    parts += ["", _again(session, said), "", f"Autoresearch-Session: {session.name}"]
    parts += [f"Autoresearch-Experiment: {record.number}" for record in records]
    if effect is not None:
        parts.append(f"Autoresearch-Effect: {formatting.effect(effect, unit)}")
    parts.append(f"Autoresearch-Log: {session.index.position.sha256}")
    if said.race is not None:
        parts.append(f"Autoresearch-Race: {digest_of(said.race)}")
    return "\n".join(parts) + "\n"


def _why(record: Experiment) -> Iterator[str]:
    if "\n" in record.message.strip() or len(record.message) > SUBJECT:
        yield clean_line(record.message, 400)
    if record.hypothesis:
        yield f"Why: {clean_line(record.hypothesis, 400)}"


def _effect_of(effect: Effect | None, records: list[Experiment]) -> Effect | None:
    """Of its own race; else of the session's, where that was about this change alone."""
    return effect or (records[0].effect if len(records) == 1 else None)


def _effect_line(session: Session, effect: Effect | None, race: RaceRecord | None) -> str:
    name = session.contract.metric.name
    if effect is None:
        return f"{name}: not raced again (--no-race), and several experiments in one commit"
    moved = f"{name}: {formatting.effect(effect, session.contract.metric.unit)}"
    if race is None:
        return f"{moved}, the session's estimate, biased upward: not raced again (--no-race)"
    pairs = formatting.count(len(race.order) // 2, "pair")
    return f"{moved} against its own base, {pairs} of a fresh race without an early end"


def _tried_line(session: Session, records: list[Experiment]) -> str:
    numbers = ", ".join(str(record.number) for record in records)
    what = "Experiment" if len(records) == 1 else "Experiments"
    return f"{what} {numbers} of {session.progress.last_number} in session {session.name}."


def _again(session: Session, said: Said) -> str:
    # The contract is no part of the branch: it is taken from the session's own.
    return (
        f"Race again: autoresearch compare {said.base[:12]} THIS-COMMIT "
        f"--contract {session.progress.incumbent_commit[:12]}"
    )


# --- the pull request's body --------------------------------------------------------------------


def facts(
    session: Session,
    ground: Ground,
    shipped: Shipped,
    units: tuple[Unit, ...],
    change: Difference,
    place: tuple[int, int],
) -> BranchFacts:
    """What the body of a branch needs beside the shipment."""
    del ground
    records = [r for u in units if u.number and (r := session.index.record(u.number))]
    counts: dict[str, int] = {}
    path = ""
    for line in change.patch.decode("utf-8", "replace").split("\n"):
        if line.startswith("diff --git "):
            path = line.rpartition(" b/")[2]
        elif line[:1] in "+-" and line[:3] not in {"+++", "---"} and line:
            counts[path] = counts.get(path, 0) + 1
    files = tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    effect = _effect_of(shipped.effect, records)
    return BranchFacts(units[0].title, tuple(records), change, files, *place, effect)


def body(session: Session, shipment: Shipment, branch: Shipped, known: BranchFacts) -> str:
    """The text of a branch's pull request, in Markdown."""
    template = Template((share.FOLDER / "shipping" / "pull_request.md").read_text("utf-8"))
    return template.substitute(
        title=f"# {_plain(known.title)}",
        summary="\n".join(_summary(session, shipment, branch, known)),
        warnings="".join(f"\n> **{_plain(text)}**\n" for text in _warnings(shipment, branch)),
        gain=_gain(session, branch, known),
        method=_method(session, branch),
        machine=_machine(session, shipment, branch),
        session=f"{_plain(session.name)}: {_plain(session.contract.goal)}",
        first="\n".join(f"{n}. {text}" for n, text in enumerate(_first(session, known), 1)),
        risks="\n".join(f"- {text}" for text in _risks(session, shipment, branch, known)),
        complexity="\n".join(f"- {text}" for text in _complexity(known)),
        check="\n".join(f"- {text}" for text in _check(session, branch)),
    )


def _plain(text: str) -> str:
    """Text of others in Markdown: it makes no link, no tag and no table."""
    return re.sub(r"([\\`*_\[\]<>|#!])", r"\\\1", clean_line(text, 400))


def _summary(
    session: Session, shipment: Shipment, branch: Shipped, known: BranchFacts
) -> Iterator[str]:
    for record in known.experiments:
        yield f"Experiment {record.number}: {_plain(record.message)}"
        if record.hypothesis:
            yield f"Why: {_plain(record.hypothesis)}"
    if not known.experiments:
        yield "What a human adopted while the session ran: it comes with no gain of its own."
    where = f"`{short(branch.below)}`" if branch.below else f"`{shipment.base[:12]}`"
    yield ""
    made = len(shipment.branches)
    branches = "1 branch" if made == 1 else f"{made} branches"
    yield (
        f"Stack {known.stack} of {known.stacks}; stands on {where}. One of {branches} made from "
        f"{formatting.count(session.progress.last_number, 'experiment')}."
    )


def _warnings(shipment: Shipment, branch: Shipped) -> Iterator[str]:
    if not shipment.validated:
        yield f"{NOT_VALIDATED}."
    if branch.race is None and branch.experiments:
        yield "Not raced again: the gain is the session's own estimate, which is biased upward."


def _gain(session: Session, branch: Shipped, known: BranchFacts) -> str:
    metric = session.contract.metric
    if known.effect is None:
        return "not measured by itself"
    moved = formatting.effect(known.effect, metric.unit)
    way = formatting.better(metric.direction)
    if branch.race is None:
        return f"{_plain(metric.name)} {moved} ({way}), session's estimate"
    verdict = "no change proven"
    if is_proven_better(known.effect, metric.direction):
        verdict = "proven"
    elif is_proven_worse(known.effect, metric.direction):
        verdict = "**a loss**"
    return f"{_plain(metric.name)} {moved} ({way}): {verdict}"


def _method(session: Session, branch: Shipped) -> str:
    guard = "guard passed" if branch.guard is not None else "no guard"
    same = ", `same` unchanged" if branch.same is not None else ""
    if branch.race is None:
        return f"{guard}{same} on this branch; not raced again"
    exact = branch.effect is not None and branch.effect.level == 1.0
    level = "exact" if exact or branch.effect is None else f"{branch.effect.level:.0%} interval"
    pairs = formatting.count(len(branch.race.order) // 2, "pair")
    return (
        f"paired race against its own base, order by coin, {pairs}, no early end, {level}; "
        f"{guard}{same}; `{clean_line(session.contract.verify, 80)}`".replace("|", "\\|")
    )


def _machine(session: Session, shipment: Shipment, branch: Shipped) -> str:
    known = branch.race.machine if branch.race is not None else session.progress.machine
    here = f"{machine_words()} ({known})" if known == machine_id() else known
    return f"{_plain(here)}, sandbox {_plain(shipment.sandbox)}, {shipment.at}"


def _first(session: Session, known: BranchFacts) -> list[str]:
    numbers = {record.number for record in known.experiments}
    found = [
        f"experiment {concern.experiment}: {_plain(concern.what)}"
        for concern in review.state_of(session).concerns
        if concern.experiment in numbers
    ]
    found += [
        f"`{clean_line(path, 120)}`: {formatting.count(lines, 'changed line')}"
        for path, lines in known.files[:FILES_SHOWN]
    ]
    return found or ["nothing stands out"]


def _risks(
    session: Session, shipment: Shipment, branch: Shipped, known: BranchFacts
) -> Iterator[str]:
    contract = session.contract
    suspicious = [r.number for r in known.experiments if Flag.SUSPICIOUS in r.flags]
    yield f"suspicious items: {formatting.numbers(suspicious) if suspicious else 'none'}"
    if branch.guard is None:
        yield "nothing but the metric was checked: the contract has no guard"
    elif contract.final_guard is None:
        yield "the guard may be a part of the tests: run all of them before the merge"
    if contract.holdout is None:
        yield "the gain was measured on the benchmark's inputs only; there is no holdout"
    if shipment.left_out:
        yield f"kept, but not shipped: {formatting.numbers(shipment.left_out)}"


def _complexity(known: BranchFacts) -> Iterator[str]:
    lines = known.change.lines
    yield (f"+{lines.added} -{lines.removed} lines in {formatting.count(len(known.files), 'file')}")
    added = removed = 0
    for line in known.change.patch.decode("utf-8", "replace").split("\n"):
        if line.startswith("+") and not line.startswith("+++"):
            added += len(_BRANCHING.findall(line))
        elif line.startswith("-") and not line.startswith("---"):
            removed += len(_BRANCHING.findall(line))
    yield f"{added - removed:+d} places where the code branches (+{added} -{removed})"


def _check(session: Session, branch: Shipped) -> Iterator[str]:
    tip = session.progress.incumbent_commit[:12]
    yield f"`autoresearch compare {branch.base[:12]} {branch.commit[:12]} --contract {tip}`"
    yield f"`autoresearch evidence {short(branch.name)}` writes the record; `evidence verify`"
    if session.contract.guard is not None:
        yield f"guard: `{clean_line(session.contract.guard, 120)}`"
