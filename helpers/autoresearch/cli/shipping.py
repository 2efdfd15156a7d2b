"""Commands from the night to the merge: review, finalize."""

from __future__ import annotations

import click

from autoresearch.cli.app import few, screen
from autoresearch.core import formatting, wire
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_line
from autoresearch.core.model import Effect
from autoresearch.core.records import Shipped
from autoresearch.edges.places import shown_path
from autoresearch.loop.recover import writing
from autoresearch.loop.session import Session, reading
from autoresearch.shipping import probing, review
from autoresearch.shipping.finalize import Finalized, Wishes, finalize
from autoresearch.shipping.words import NOT_VALIDATED, short

CONCERNS_SHOWN = 40
LINES = 200


@click.option("--probe", is_flag=True, help="First break what the keeps changed: who notices?")
@click.option("--accept", type=click.IntRange(min=1), metavar="N", help="Accept kept experiment N.")
@click.option("--reject", type=click.IntRange(min=1), metavar="N", help="Reject it.")
@click.option("--by", default="", metavar="NAME", help="Who decided; needed with both.")
@click.option("-m", "--message", default="", help="Why, in a sentence.")
def review_command(
    *, probe: bool, accept: int | None, reject: int | None, by: str, message: str
) -> Answer:
    """List what a human should look at before the merge, in order.

    First suspicious keeps, then those kept by a hair, those that changed many files, what --probe
    found untested, and what `validate --ablate` found superfluous. --accept and --reject are
    recorded in the log: `finalize` leaves out what is rejected, `finalize --reviewed` all that is
    not accepted.

    Example: autoresearch review --accept 7 --by "Ada"
    """
    if accept is not None and reject is not None:
        raise click.UsageError("--accept and --reject are said one at a time")
    number = accept if accept is not None else reject
    if probe:
        with writing("review") as session, screen() as shown:
            probing.probe(session, shown.caller)
            return _listed(session)
    if number is None:
        with reading("review") as session:
            return _listed(session)
    with writing("review") as session:
        said = review.say(session, number, accepted=accept is not None, by=by, reason=message)
        word = "accepted" if said.accepted else "rejected"
        return Answer(
            lines=(f"experiment {number} is {word} by {said.by}",),
            data={"record": wire.to_object(said)},
            next_step="`autoresearch review` lists the others; `autoresearch finalize --reviewed`",
        )


def _listed(session: Session) -> Answer:
    state = review.state_of(session)
    lines = [
        f"experiment {concern.experiment}: {concern.what}{_word(state, concern.experiment)}"
        for concern in state.concerns
    ]
    named = {concern.experiment for concern in state.concerns}
    quiet = [keep.number for keep in state.keeps if keep.number not in named]
    if quiet:
        lines.append(f"nothing stands out: {formatting.numbers(quiet)}")
    open_ones = [keep.number for keep in state.keeps if keep.number not in state.said]
    return Answer(
        lines=(*few(lines, CONCERNS_SHOWN, "… {} more"),) if lines else ("nothing is kept",),
        data={
            "concerns": [
                {"cause": c.cause.name.lower(), "experiment": c.experiment, "what": c.what}
                for c in state.concerns
            ],
            "accepted": sorted(state.accepted),
            "rejected": sorted(state.rejected),
            "open": open_ones,
        },
        next_step="`autoresearch show N` prints the change; then `autoresearch review --accept N "
        "--by NAME` or `--reject N`"
        if open_ones
        else "`autoresearch finalize`",
        max_lines=LINES,
        max_bytes=WIDE_BYTES,
    )


def _word(state: review.ReviewState, number: int) -> str:
    said = state.said.get(number)
    if said is None:
        return ""
    return f" ({'accepted' if said.accepted else 'rejected'} by {said.by})"


@click.option("--squash", is_flag=True, help="One commit, and one branch, a stack.")
@click.option("--one", is_flag=True, help="One stack of everything, in the session's order.")
@click.option(
    "--without", type=click.IntRange(min=1), multiple=True, metavar="N", help="Leave out keep N."
)
@click.option("--onto", metavar="REV", help="Rebuild on another base, such as a main that moved.")
@click.option("--no-race", is_flag=True, help="Keep the session's estimates, and say so.")
@click.option("--reviewed", is_flag=True, help="Only what `review --accept` accepted.")
@click.option("--contract", is_flag=True, help="Ship autoresearch.yaml too, as a branch.")
@click.option("--unvalidated", is_flag=True, help="Although never validated; every text says so.")
def finalize_command(
    *, no_race: bool, onto: str | None, **wishes: bool | tuple[int, ...]
) -> Answer:
    """Turn the kept commits into branches for review.

    Commits that need each other form a stack of branches, the others stand alone. Guard, `same` and
    a race against its own base are run on each. Nothing is pushed and no branch of yours moves; the
    text of each pull request is written to a file.

    Example: autoresearch finalize --without 7
    """
    if onto is not None and no_race:
        raise click.UsageError("--onto needs races: the session's estimates are of another base")
    asked = Wishes(onto=onto, race=not no_race, **wishes)  # type: ignore[arg-type]
    with writing("finalize") as session, screen() as shown:
        done = finalize(session, shown.caller, asked)
        return _shipped(session, done, asked)


def _shipped(session: Session, done: Finalized, asked: Wishes) -> Answer:
    shipment, unit = done.shipment, session.contract.metric.unit
    made = len(shipment.branches)
    lines = [
        f"{formatting.count(len(done.stacks), 'stack')} of "
        f"{'1 branch' if made == 1 else f'{made} branches'} on {shipment.base[:12]}"
    ]
    if not shipment.validated:
        lines.append(NOT_VALIDATED)
    for number, stack in enumerate(done.stacks, 1):
        lines += [_branch_line(number, branch, done.effects[branch.name], unit) for branch in stack]
    if not asked.race:
        lines.append("not raced again: the gains are the session's estimates, biased upward")
    if shipment.left_out:
        lines.append(f"left out: {formatting.numbers(shipment.left_out)}")
    if done.whole:
        rest = "" if asked.contract else ", without autoresearch.yaml (`--contract` ships it)"
        lines.append(f"together they are the session's tree, byte for byte{rest}")
    folder = next(iter(done.bodies.values())).parent
    lines.append(f"texts for the pull requests: {shown_path(folder)}/*.md")
    commands = list(_commands(done))
    lines += commands
    lines.append(
        "your hooks have not run on these commits: on each branch, `git rebase --exec 'git commit "
        f"--amend --no-edit' {shipment.base[:12]}` runs them and signs; --signoff signs them off"
    )
    return Answer(
        lines=tuple(lines),
        data={
            "base": shipment.base,
            "tip": shipment.tip,
            "together": shipment.together,
            "whole": done.whole,
            "validated": shipment.validated,
            "left_out": list(shipment.left_out),
            "stacks": [[short(branch.name) for branch in stack] for stack in done.stacks],
            "branches": [
                {
                    "name": short(branch.name),
                    "below": short(branch.below),
                    "base": branch.base,
                    "commit": branch.commit,
                    "experiments": list(branch.experiments),
                    "effect": None if branch.effect is None else wire.to_object(branch.effect),
                    "body": str(done.bodies[branch.name]),
                }
                for branch in shipment.branches
            ],
            "commands": commands,
        },
        next_step="read the texts, then push with the lines above; `autoresearch evidence` writes "
        "what reviewers can recompute",
        max_lines=LINES,
        max_bytes=4 * WIDE_BYTES,
    )


def _branch_line(number: int, branch: Shipped, effect: Effect | None, unit: str) -> str:
    moved = "" if effect is None else f": {formatting.effect(effect, unit)}"
    what = ", ".join(f"experiment {one}" for one in branch.experiments) or "adopted by a human"
    return clean_line(f"stack {number}  {short(branch.name)}  ({what}){moved}")


def _commands(done: Finalized) -> list[str]:
    """What a human runs to publish: nothing is pushed by itself."""
    stacks = [[short(branch.name) for branch in stack] for stack in done.stacks]
    lines = [f"gh stack init {' '.join(stack)}" for stack in stacks if len(stack) > 1]
    lines += [f"git push -u origin {' '.join(stack)}" for stack in stacks]
    return lines
