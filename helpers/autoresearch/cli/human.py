"""Commands for people: validate, undo, stop, recover, gc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from autoresearch.cli.app import Screen, few, picked, screen
from autoresearch.cli.verdicts import watched_data, watched_lines
from autoresearch.core import formatting, wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import MAX_BYTES, MAX_LINES, WIDE_BYTES, Answer, clean_line
from autoresearch.core.model import CommandResult
from autoresearch.core.pruning import ranges
from autoresearch.core.records import ACCEPTED, Ablation, Transfer, Validation
from autoresearch.core.views import interventions_line
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.loop import cleaning, logbook, surroundings
from autoresearch.loop import recover as recovery
from autoresearch.loop.cleaning import Removable
from autoresearch.loop.consent import seen
from autoresearch.loop.integrity import error_of, invariants
from autoresearch.loop.logbook import stop_session
from autoresearch.loop.recover import writing
from autoresearch.loop.session import Session, environment, find_session, loaded, reading
from autoresearch.loop.undo import undo
from autoresearch.loop.validate import ablate, expected_s, interrupted, validate
from autoresearch.planning.init import take_back_half_opened

RANGES_SHOWN = 12
CHECKOUTS_SHOWN = 8


@click.option(
    "--ablate", is_flag=True, help="Also race the last commit without each kept change in turn."
)
@click.option("--transfer", is_flag=True, help="Also name the keeps that do not carry over.")
def validate_command(*, ablate: bool, transfer: bool) -> Answer:
    """Race the first commit against the last: the gain to claim.

    20 fresh pairs without an early end, both under the latest evaluator; no other number may be
    claimed. --ablate adds 12 pairs for each kept commit and names those that may be worthless; it
    removes none. After an interruption it continues where it was. The workloads that the contract
    names under `transfer` are raced too; --transfer names the keeps that do not carry over to them.

    Example: autoresearch validate
    """
    with writing("validate") as session, screen() as shown:
        if not click.get_current_context().meta.get("json"):
            most = formatting.duration(expected_s(session))
            click.echo(f"20 pairs: at most {most}, and the final guard", err=True)
        found, left_out = _measured(session, shown, ablating=ablate)
        doubtful = [record.experiment for record in left_out if record.doubtful]
        elsewhere = _elsewhere(session, shown, found, keeps=transfer)
        contract, claimed = session.contract, found.claimed
        name, unit, effect = contract.metric.name, contract.metric.unit, found.effect
        decided = f"decided by {name}: {formatting.effect(effect, unit)}"
        proven = found.proven
        if claimed is not None:
            name, unit, effect, proven = claimed.name, claimed.unit, claimed.effect, claimed.proven
        moved = formatting.effect(effect, unit)
        claim = f"validated: {moved}" if proven else f"no proven improvement: {moved}"
        pairs, progress = len(found.race.order) // 2, session.progress
        return Answer(
            lines=(
                *_final_guard_lines(found),
                claim,
                f"{name}, {found.first[:12]} against {found.last[:12]}, "
                f"{formatting.count(pairs, 'pair')}, interval of {effect.level:.0%}",
                *((decided,) if claimed is not None else ()),
                *watched_lines(found.race, contract, but=name),
                *_by_chance(session, found),
                *([f"changed by people: {told}"] if (told := interventions_line(progress)) else []),
                *(_ablation_line(record, session.contract.metric.unit) for record in left_out),
                *(line for one in elsewhere for line in _transfer_lines(session, found, one)),
            ),
            data={
                "proven": found.proven,
                "record": wire.to_object(found),
                **picked(progress, "interventions"),
                **({"ablation": [wire.to_object(r) for r in left_out]} if ablate else {}),
                **({"transfer": [wire.to_object(r) for r in elsewhere]} if elsewhere else {}),
                "secondary": watched_data(found.race, contract),
            },
            next_step=_after_validation(doubtful, found.final_guard),
            max_bytes=WIDE_BYTES if ablate else MAX_BYTES,
            max_lines=len(left_out) + MAX_LINES,
        )


def _elsewhere(
    session: Session, shown: Screen, found: Validation, *, keeps: bool
) -> tuple[Transfer, ...]:
    """First against last on the other workloads of the contract."""
    if not session.contract.transfer:
        if keeps:
            raise AutoresearchError(
                "the contract names no other workload",
                code="no_transfer",
                hint="A human adds `transfer: {large: ./large.sh}` to it and runs `amend`.",
            )
        return ()
    from autoresearch.shipping.transfer import carried  # noqa: PLC0415 - few contracts have any

    return carried(session, shown.caller, found, keeps=keeps)


def _transfer_lines(session: Session, found: Validation, one: Transfer) -> Iterator[str]:
    """Gain there, gain here, their ratio, and what stays behind."""
    unit = session.contract.metric.unit
    here = formatting.effect(found.effect, unit)
    ratio = "cannot be told"
    if one.ratio is not None:
        value, low, high = one.ratio
        ratio = f"{value:.2f} [{low:.2f}, {high:.2f}]"
    there = formatting.effect(one.effect, unit)
    yield f"at {one.workload}: {there}, here: {here}; ratio of the gains: {ratio}"
    if one.runs:
        unsure = f"; not sure of {formatting.numbers(one.unsure)}" if one.unsure else ""
        staying = formatting.numbers(one.staying) if one.staying else "none"
        yield f"do not carry over to {one.workload}: {staying}{unsure} ({one.runs} runs)"


def _by_chance(session: Session, found: Validation) -> tuple[str, ...]:
    """How many keeps may be worthless; an exact metric keeps none by chance."""
    alpha, kept = session.contract.race.alpha, session.history.kept_count
    expected = min(kept, session.progress.last_number * alpha)
    if found.effect.level == 1.0 or not kept:
        return ()
    keeps = formatting.count(kept, "keep")
    return (f"{keeps}; {expected:.2g} of them may be worthless by chance (alpha {alpha:.2g})",)


def _measured(
    session: Session, shown: Screen, *, ablating: bool
) -> tuple[Validation, tuple[Ablation, ...]]:
    """The validation, and where asked for each kept commit left out; what was measured stays."""
    caller = shown.caller
    before = interrupted(session) if ablating else None
    if before is not None:
        session.news.append(
            f"continues what was interrupted: the validation is that of {before.validation.at}"
        )
        return before.validation, tuple(ablate(session, caller, before.answers))
    found = validate(session, caller)
    return found, tuple(ablate(session, caller)) if ablating else ()


def _ablation_line(record: Ablation, unit: str) -> str:
    if record.effect is None:
        return f"without {record.experiment}: not raced, {record.detail}"
    moved = formatting.effect(record.effect, unit)
    advice = "doubtful" if record.doubtful else "needed"
    return f"without {record.experiment}: {moved}, p {record.p_value:.2g}: {advice}"


def _final_guard_lines(found: Validation) -> tuple[str, ...]:
    """What the final guard said; its failure comes before the number."""
    guarded = found.final_guard
    if guarded is None:
        return ()
    if guarded.passed:
        return (f"final guard: passed in {formatting.duration(guarded.duration_s)}",)
    how = "timed out" if guarded.timed_out else f"exit code {guarded.exit_code}"
    return (
        f"the final guard FAILS on {found.last[:12]} ({how}); all of its output: {guarded.output}",
    )


def _after_validation(doubtful: list[int], guarded: CommandResult | None) -> str:
    if guarded is not None and not guarded.passed:
        return (
            "report first that the final guard fails; find the keep that broke it (`autoresearch "
            "show N`), `undo` it or mend it with another experiment, then validate again"
        )
    if doubtful:
        return (
            f"tell a human that {formatting.numbers(doubtful)} may be worthless: `autoresearch "
            "undo N` takes one back, then validate again"
        )
    whole = "run the whole test suite, because the guard may run only part of it; then "
    return ("" if guarded else whole) + "report this number and no other"


@click.argument("number", type=click.IntRange(min=1))
def undo_command(number: int) -> Answer:
    """Revert the kept experiment NUMBER, after guard and race.

    The branch gets a new commit without the change.

    Example: autoresearch undo 12
    """
    with writing("undo") as session, screen() as shown:
        found = undo(session, shown.caller, number, agreed=seen(session.environ, "undo"))
        return Answer(
            lines=(f"experiment {number} is undone by {found.commit[:12]}", found.detail),
            data={"record": wire.to_object(found)},
            next_step="`autoresearch validate` measures what remains",
        )


@click.option("-m", "--message", default="by hand", show_default=True, help="Why.")
def stop_command(message: str) -> Answer:
    """End the session; branch, log and refs stay.

    Example: autoresearch stop -m "fast enough"
    """
    with writing("stop") as session:
        stop_session(session, message)
        start = session.progress.opened.start_branch
        back = "" if start is None else f"`git switch {start.removeprefix('refs/heads/')}`"
        step = f"nothing was kept, so there is nothing to merge{back and ': '}{back}"
        if session.history.incumbent_number:
            step = "`autoresearch finalize` makes branches for review of what was kept"
        return Answer(
            lines=(f"session {session.name} is stopped",),
            data={"session": session.name},
            next_step=step,
        )


@click.option("--accept-log", is_flag=True, help="Trust the log that was brought back.")
@click.option("--from-refs", is_flag=True, help="Rebuild the state from refs/autoresearch/*.")
def recover_command(*, accept_log: bool, from_refs: bool) -> Answer:
    """Finish or roll back an interrupted step; restore what is lost.

    Every other command also finishes or rolls back the step. `recover` in addition renders edited
    copies anew, undoes an unfinished `init`, and moves the state along with a moved repository. If
    the state is lost, or on another machine, --from-refs rebuilds it. See docs/recovery.md.

    Example: autoresearch recover
    """
    moved: list[str] = []
    with GitRepo.open(Path.cwd()) as repo:
        if taken := take_back_half_opened(repo, environment()):
            back = [f"the `init` of {one} was interrupted and has been taken back" for one in taken]
            return Answer(
                lines=tuple(back),
                data={"done": back, "broken": []},
                next_step="repeat the `init`",
            )
        moved += recovery.bring_along(repo, environment())
        if from_refs:
            moved.append(recovery.rebuild(repo, environment()))
        if accept_log:
            recovery.accept_log(repo, find_session(repo, environment()))
    with loaded(Path.cwd(), environment(), command="recover", write=True) as session:
        session.news[:0] = moved
        recovery.recover(session, everything=True)
        if accept_log:
            how = seen(session.environ, "recover")
            detail = "the log was accepted as it lay there"
            logbook.record_recovery(session, "recover", ACCEPTED, detail, agreed=how)
            logbook.publish(session)
        if from_refs:
            surroundings.find_anew(session)
        if moved:
            logbook.publish(session, anew=True)
        done = list(session.news)
        bad = [found for found in invariants(session) if not found.fine]
        return Answer(
            lines=(
                *([] if done else ["nothing was interrupted"]),
                *(f"BAD {found.text}" for found in bad),
            ),
            data={"done": done, "broken": [found.text for found in bad], **error_of(bad)},
            next_step=bad[0].remedy if bad else "`autoresearch brief`",
            exit_code=1 if bad else 0,
        )


@click.option("--keep", type=click.IntRange(min=0), default=100, show_default=True, metavar="N")
@click.option("--prune", is_flag=True, help="Remove it; without this option nothing changes.")
def gc_command(*, keep: int, prune: bool) -> Answer:
    """Show what the session no longer needs; --prune removes it.

    That is: refs of candidates that were not kept and captured output, except for the N newest
    experiments; races that cannot continue; bench checkouts of finished sessions. Kept commits,
    dropped edits, the log, the 40 newest failures and everything that an open idea names stay.

    Example: autoresearch gc --keep 500
    """
    if prune:
        with writing("gc") as session:
            found = cleaning.prune(session, keep)
    else:
        with reading("gc") as session:
            found = cleaning.look(session, keep)
    then = "`git gc` frees what these refs held" if found.refs else "`autoresearch status`"
    if not prune:
        then = f"a human may remove it: `autoresearch gc --prune --keep {keep}`"
    return Answer(
        lines=tuple(_gc_lines(found, "removed" if prune else "can be removed")),
        data={
            "pruned": prune,
            "keep": keep,
            "experiments": list(ranges(found.experiments)),
            "interrupted": len(found.interrupted),
            "named": list(found.named),
            "files": len(found.files),
            "bytes": found.size,
            "checkouts": [
                {"session": c.places.session, "why": c.why, "bytes": c.size}
                for c in found.checkouts
            ],
        },
        next_step="`autoresearch status`" if found.is_empty else then,
    )


def _gc_lines(found: Removable, what: str) -> list[str]:
    """What was found, a line each; one that says so where there was nothing."""
    lines = []
    if found.refs:
        spans = [f"{a}-{b}" if a != b else str(a) for a, b in ranges(found.experiments)]
        shown = ", ".join(spans[:RANGES_SHOWN]) + (", …" if len(spans) > RANGES_SHOWN else "")
        refs = formatting.count(len(found.refs), "ref")
        lines.append(f"{what}: {refs} of candidates that were not kept ({shown})")
    if found.named:
        lines.append(f"stays because an open idea names it: {formatting.numbers(found.named)}")
    if found.interrupted:
        refs = formatting.count(len(found.interrupted), "ref")
        lines.append(f"{what}: {refs} of candidates that never got a verdict")
    if found.files:
        files = formatting.count(len(found.files), "file")
        lines.append(f"{what}: {files} of old output and races, {formatting.size(found.size)}")
    checkouts = (
        f"{what}: bench checkouts of session {clean_line(c.places.session, 60)} ({c.why}), "
        f"{formatting.size(c.size)}"
        for c in found.checkouts
    )
    lines += few(checkouts, CHECKOUTS_SHOWN, f"{what}: those of {{}} more")
    return lines if lines and not found.is_empty else [*lines, "nothing to clean up"]
