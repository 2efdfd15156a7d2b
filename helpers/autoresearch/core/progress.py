"""A session's progress as a fold over its log: `advance` takes one record at a time."""

from __future__ import annotations

import statistics
from functools import singledispatch

from msgspec.structs import replace

from autoresearch.core.costs import metered
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.formatting import seconds_between
from autoresearch.core.history import (
    FAILED_SHOWN,
    KEPT_SHOWN,
    OUTCOMES_SHOWN,
    RECENT_SHOWN,
    SHARERS_SHOWN,
    TEXT_LIMIT,
    UNDONE_SHOWN,
    Failed,
    OpenRun,
    Progress,
    SecondaryLoss,
    SimplifyLoss,
    Tally,
    Validated,
)
from autoresearch.core.limits import loss_bound
from autoresearch.core.measured import pooled, raced, timed, walls_at
from autoresearch.core.model import Arm, Direction, Kind, NoteKind, RaceRecord, Scale, Verdict
from autoresearch.core.records import (
    Ablation,
    Epoch,
    Experiment,
    Note,
    Opened,
    Pruned,
    Record,
    Recovery,
    Refusal,
    Run,
    RunEnd,
    Stop,
    Undo,
    Validation,
)
from autoresearch.core.summary import failed_of, kept_of, summary_of

REBUILT = "rebuilt"
"""Action of the line that says that what stands before was brought back from refs."""

THINKING_S = 900.0
"""Most seconds between two records that count as work on the session."""


def begin(opened: Opened) -> Progress:
    """The progress of a log that holds its first line only."""
    return Progress(
        opened=opened,
        epoch=None,
        epoch_number=0,
        contract_sha256=None,
        incumbent_commit=opened.base,
        incumbent_number=0,
        incumbent_value=None,
        deterministic=False,
        last_number=0,
        last_note=0,
        last_run=0,
        last_at=opened.at,
        tallies=(),
        kept=(),
        kept_count=0,
        recent=(),
        failed=(),
        outcomes="",
        refusals_in_row=0,
        violations_in_row=0,
        run=None,
        validation=None,
        undone=(),
        stopped=None,
        measuring_s=0.0,
        active_s=0.0,
        meter=None,
        spent_tokens=0,
        spent_usd=0.0,
        unpriced=0,
        unmetered=0,
        simplify=(),
        secondary=(),
        machine="",
        pool_ratio=(),
        pool_difference=(),
        recovery=None,
        guard_tests=None,
        walls=(),
    )


def advance(
    progress: Progress | None, record: Record, *, undone: Experiment | None = None
) -> Progress:
    """The progress after one more record.

    Args:
        progress: None before the first record, which must be `Opened`.
        record: the next line of the log.
        undone: the full record of the experiment that an `Undo` takes back, so that the losses
            it carried are given back with it.

    Raises:
        CorruptLogError: when the record cannot follow: a second `Opened`, an experiment whose
            number is taken or leaves a gap.
    """
    if progress is None:
        if not isinstance(record, Opened):
            raise CorruptLogError(
                f"the log begins with {type(record).__name__.lower()}, not with opened"
            )
        return begin(record)
    spent = record.duration_s if isinstance(record, Experiment) else 0.0
    gap = max(0.0, seconds_between(progress.last_at, record.at))
    timed = replace(
        progress,
        last_at=record.at,
        active_s=progress.active_s + max(spent, min(gap, spent + THINKING_S)),
    )
    if isinstance(record, Undo):
        return _undo(timed, record, undone)
    return _step(record, timed)


@singledispatch
def _step(record: Record, progress: Progress) -> Progress:
    """Dispatched on the record's class."""
    kind = type(record).__name__.lower()
    raise CorruptLogError(f"{kind} cannot follow the line of {progress.last_at}")


@_step.register
def _opened(record: Opened, progress: Progress) -> Progress:
    raise CorruptLogError(
        f"session {record.session!r} is opened twice, first at {progress.opened.at}"
    )


@_step.register
def _epoch(record: Epoch, progress: Progress) -> Progress:
    moved = replace(
        progress,
        epoch_number=record.number,
        contract_sha256=record.contract_sha256,
        incumbent_commit=record.commit,
        violations_in_row=0,
    )
    if progress.epoch is not None and not record.restarts_measuring:
        return moved
    order = Arm.INCUMBENT.value * len(record.values)
    fresh = replace(moved, pool_ratio=(), pool_difference=())
    return replace(
        pooled(fresh, order, record.values),
        epoch=record,
        machine=record.machine,
        deterministic=record.deterministic,
        incumbent_value=statistics.median(record.values) if record.values else None,
        simplify=(),
        secondary=(),
        guard_tests=record.guard_tests,
        walls=walls_at(record),
    )


@_step.register
def _experiment(record: Experiment, progress: Progress) -> Progress:
    if record.number != progress.last_number + 1:
        raise CorruptLogError(
            f"experiment {record.number} follows experiment {progress.last_number} in the log"
        )
    keep = record.verdict is Verdict.KEEP
    failed = _superseded(progress, record) if keep else (failed_of(record), *progress.failed)
    violated = record.verdict is Verdict.VIOLATION
    run = progress.run
    if run is not None and record.run == run.number:
        run = replace(run, used=run.used + 1)
    counted = replace(
        progress,
        last_number=record.number,
        run=run,
        recent=(summary_of(record), *progress.recent)[:RECENT_SHOWN],
        failed=failed[:FAILED_SHOWN],
        outcomes=(("1" if keep else "0") + progress.outcomes)[:OUTCOMES_SHOWN],
        tallies=_tallied(progress.tallies, record),
        refusals_in_row=0,
        violations_in_row=progress.violations_in_row + 1 if violated else 0,
        measuring_s=progress.measuring_s + record.duration_s,
    )
    told = timed(raced(metered(counted, record), record.race), record)
    return _kept(told, record) if keep else told


def _superseded(progress: Progress, kept: Experiment) -> tuple[Failed, ...]:
    """What failed, without earlier races of the tree that is kept now, or what it mended."""
    gone = {tried.number for tried in progress.recent if tried.tree == kept.tree}
    if kept.kind in {Kind.AGAIN, Kind.REWORK} and kept.related is not None:
        gone.add(kept.related)
    return tuple(failed for failed in progress.failed if failed.number not in gone)


@_step.register
def _refusal(record: Refusal, progress: Progress) -> Progress:
    return replace(
        progress,
        refusals_in_row=progress.refusals_in_row + 1,
        tallies=_tallied(progress.tallies, record),
    )


@_step.register
def _note(record: Note, progress: Progress) -> Progress:
    if record.kind is NoteKind.RETIRE:
        return progress
    return replace(progress, last_note=max(progress.last_note, record.number))


@_step.register
def _run(record: Run, progress: Progress) -> Progress:
    host = record.host_session
    if progress.run is not None and progress.run.number == record.number:
        others = tuple(one for one in progress.run.shared_by if one != host)
        shared_by = (*others, host)[-SHARERS_SHOWN:]
        handed = replace(progress.run, host_session=host, shared_by=shared_by)
        return replace(progress, run=handed, meter=record.meter or progress.meter)
    opened = OpenRun(
        number=record.number,
        at=record.at,
        host_session=host,
        shared_by=(host,),
        experiments=record.experiments,
        after=record.after,
        used=0,
    )
    return replace(
        progress,
        run=opened,
        last_run=record.number,
        refusals_in_row=0,
        violations_in_row=0,
        meter=record.meter or progress.meter,
    )


@_step.register
def _run_end(record: RunEnd, progress: Progress) -> Progress:
    ended = progress.run is not None and progress.run.number == record.number
    return replace(progress, run=None) if ended else progress


@_step.register
def _validation(record: Validation, progress: Progress) -> Progress:
    validated = Validated(
        at=record.at,
        epoch=record.epoch,
        first=record.first,
        last=record.last,
        after=record.after,
        effect=record.effect,
        proven=record.proven,
        final_guard=None if record.final_guard is None else record.final_guard.passed,
    )
    return replace(progress, validation=validated)


@_step.register(Ablation)
@_step.register(Pruned)
def _told(record: Ablation | Pruned, progress: Progress) -> Progress:
    """A suggestion for people, or fewer refs: what was learned stays."""
    del record
    return progress


@_step.register
def _stop(record: Stop, progress: Progress) -> Progress:
    return replace(progress, stopped=record.reason[:TEXT_LIMIT], run=None)


@_step.register
def _recovery(record: Recovery, progress: Progress) -> Progress:
    rebuilt = record.at if record.action == REBUILT else progress.rebuilt
    epoch, found = progress.epoch, record.environment_sha256
    if epoch is not None and found:
        epoch = replace(epoch, environment_sha256=found)
    return replace(progress, recovery=record, rebuilt=rebuilt, epoch=epoch)


def _undo(progress: Progress, record: Undo, undone: Experiment | None) -> Progress:
    kept = tuple(
        replace(change, undone=True) if change.number == record.experiment else change
        for change in progress.kept
    )
    standing = next((change.number for change in kept if not change.undone), 0)
    given_back = progress
    if undone is not None and progress.epoch is not None and undone.epoch >= progress.epoch.number:
        given_back = _carried(progress, undone, sign=-1.0)
    return replace(
        given_back,
        incumbent_commit=record.commit,
        incumbent_number=standing,
        incumbent_value=record.value,
        walls=progress.walls if progress.epoch is None else walls_at(progress.epoch),
        kept=kept,
        undone=(record.experiment, *progress.undone)[:UNDONE_SHOWN],
    )


def _tallied(tallies: tuple[Tally, ...], record: Experiment | Refusal) -> tuple[Tally, ...]:
    verdict = record.verdict if isinstance(record, Experiment) else Verdict.REFUSED
    counts = {(tally.verdict, tally.reason): tally.count for tally in tallies}
    counts[verdict, record.reason] = counts.get((verdict, record.reason), 0) + 1
    return tuple(
        Tally(verdict=verdict, reason=reason, count=count)
        for (verdict, reason), count in sorted(
            counts.items(), key=lambda item: (item[0][0].value, item[0][1] or "")
        )
    )


def _kept(progress: Progress, record: Experiment) -> Progress:
    return replace(
        _carried(progress, record, sign=1.0),
        kept=(kept_of(record), *progress.kept)[:KEPT_SHOWN],
        kept_count=progress.kept_count + 1,
        incumbent_commit=record.commit,
        incumbent_number=record.number,
        incumbent_value=_candidate_value(record.race),
        guard_tests=progress.guard_tests if record.guard_tests is None else record.guard_tests,
    )


def _candidate_value(race: RaceRecord | None) -> float | None:
    if race is None:
        return None
    values = [
        value
        for arm, value in zip(race.order, race.values, strict=True)
        if arm == Arm.CANDIDATE.value
    ]
    return statistics.median(values) if values else None


def _carried(progress: Progress, record: Experiment, *, sign: float) -> Progress:
    """Add (or, with sign -1, give back) what a kept experiment cost."""
    losses = {carried.name: carried.loss for carried in progress.secondary}
    for limit in record.limits:
        losses[limit.name] = losses.get(limit.name, 0.0) + sign * limit.estimate
    return replace(
        progress,
        secondary=tuple(SecondaryLoss(name=name, loss=losses[name]) for name in sorted(losses)),
        simplify=_simplified(progress.simplify, record, sign),
    )


def _simplified(
    before: tuple[SimplifyLoss, ...], record: Experiment, sign: float
) -> tuple[SimplifyLoss, ...]:
    effect = record.effect
    if record.kind is not Kind.SIMPLIFY or effect is None:
        return before
    sums = {carried.scale: carried for carried in before}
    old = sums.get(effect.scale, SimplifyLoss(scale=effect.scale, rise=0.0, fall=0.0))
    sums[effect.scale] = replace(
        old,
        rise=max(0.0, old.rise + sign * loss_bound(effect, Direction.LOWER)),
        fall=max(0.0, old.fall + sign * loss_bound(effect, Direction.HIGHER)),
    )
    return tuple(sums[scale] for scale in Scale if scale in sums)
