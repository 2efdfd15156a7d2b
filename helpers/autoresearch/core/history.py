"""Where a session stands: what its log adds up to, in values of bounded size.

`Progress` is what only a walk over the log tells, one record at a time (`advance`). `History` adds
what the index finds by asking: the newest experiments and notes, counts and sums. The full records
stay in the log and are read back one at a time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core.errors import CorruptLogError
from autoresearch.core.formatting import seconds_between
from autoresearch.core.limits import loss_bound
from autoresearch.core.model import (
    Arm,
    Direction,
    Effect,
    Flag,
    Interventions,
    Kind,
    Meter,
    NoteKind,
    RaceRecord,
    Reason,
    Scale,
    Spent,
    Verdict,
    compounded,
    taken_back,
)
from autoresearch.core.noise import KnownNoise
from autoresearch.core.race import FEW_PAIRS
from autoresearch.core.records import (
    GIVEN_UP,
    REBUILT,
    Ablation,
    Claimed,
    Epoch,
    Experiment,
    Note,
    Opened,
    Pruned,
    Record,
    Recovery,
    Refusal,
    Review,
    Run,
    RunEnd,
    Shipment,
    Stop,
    Transfer,
    Undo,
    Validation,
    interventions_after,
)
from autoresearch.core.wire import Finite

KEPT_SHOWN = 50
RECENT_SHOWN = 20
FAILED_SHOWN = 40
NOTES_SHOWN = 30
OUTCOMES_SHOWN = 500
UNDONE_SHOWN = 100
PATHS_SHOWN = 8
SHARERS_SHOWN = 20
WALLS_SHOWN = 20
TEXT_LIMIT = 400
MAX_REWORKS = 2

THINKING_S = 900.0
"""Most seconds between two records that count as work on the session."""


class Tried(Struct, frozen=True, kw_only=True, rename={"kind": "tried_kind"}):
    """An experiment without its samples.

    Attributes:
        message, hypothesis, detail: cut to 400 characters.
        paths: the first 8 changed paths; `path_count` counts all.
        smallest_visible: as in `RaceRecord`; None without a race.
        undone: whether it was kept and taken back.
    """

    number: int
    at: str
    epoch: int
    run: int | None
    message: str
    hypothesis: str | None
    idea: int | None
    kind: Kind
    attempt: int
    retest: int
    related: int | None
    parent: str
    commit: str
    tree: str
    paths: tuple[str, ...]
    path_count: int
    lines_added: int
    lines_removed: int
    verdict: Verdict
    reason: Reason | None
    flags: tuple[Flag, ...]
    detail: str
    effect: Effect | None
    samples: int
    sandbox: str
    duration_s: Finite
    spent: Spent | None
    suspicions: tuple[str, ...]
    smallest_visible: Finite | None
    undone: bool = False


_DERIVED = {"paths", "path_count", "samples", "smallest_visible", "undone"}
_CUT = {"message", "hypothesis", "detail"}


def tried_of(record: Experiment) -> Tried:
    """An experiment without its samples, its texts cut."""
    same: dict[str, Any] = {
        name: getattr(record, name) for name in Tried.__struct_fields__ if name not in _DERIVED
    }
    cut = {name: same[name] and same[name][:TEXT_LIMIT] for name in _CUT}
    return Tried(
        **{**same, **cut},
        paths=tuple(path for _, path in record.paths[:PATHS_SHOWN]),
        path_count=len(record.paths),
        samples=0 if record.race is None else len(record.race.order),
        smallest_visible=None if record.race is None else record.race.smallest_visible,
    )


class OpenRun(Struct, frozen=True, kw_only=True):
    """The run in progress and how much of it is used.

    Attributes:
        host_session: the agent session whose it is now.
        shared_by: all agent sessions that had it, oldest first: each hears that it is done.
    """

    number: int
    at: str
    host_session: str
    shared_by: tuple[str, ...]
    experiments: int
    after: int
    used: int = 0


class Validated(Struct, frozen=True, kw_only=True):
    """The latest validation, without its samples.

    Attributes:
        final_guard: whether it passed; None without one.
    """

    at: str
    epoch: int
    first: str
    last: str
    after: int
    effect: Effect
    proven: bool
    final_guard: bool | None = None
    claimed: Claimed | None = None


class SimplifyLoss(Struct, frozen=True):
    """What `--simplify` keeps may have cost since the epoch began, on one scale.

    Attributes:
        rise: sum of the upper bounds of the metric's increase; the loss when lower is better.
        fall: sum of the upper bounds of its decrease; the loss when higher is better.
    """

    rise: Finite = 0.0
    fall: Finite = 0.0


class Tally(NamedTuple):
    """How many experiments (or refusals) ended so."""

    verdict: Verdict
    reason: Reason | None
    amount: int


class Spending(NamedTuple):
    """What the agent used on all experiments for which it is known.

    Attributes:
        unpriced, unmetered: how many experiments' dollars, or even tokens, are not known.
    """

    tokens: int
    usd: float
    unpriced: int
    unmetered: int


class Progress(Struct, frozen=True, kw_only=True):
    """Where a session stands after a log line, as far as only a walk over the log tells.

    Attributes:
        epoch: the latest that measures anew; None before the baseline.
        epoch_number: of the latest, measuring anew or not.
        contract_sha256: of the contract in force; None before the baseline.
        incumbent_commit: tip of the session's branch.
        incumbent_value: median of the metric when last measured, for orientation and the target
            only; None when unknown, as after an undo.
        deterministic: whether the deterministic path still holds in this epoch.
        last_number, last_note, last_run: highest numbers given.
        last_at: time of the latest record.
        refusals_in_row, violations_in_row: since the last experiment that was none, or the run.
        run: in progress, or None.
        stopped: the reason given, or None.
        active_s: measuring plus at most 15 minutes before each record: what `hours` limits, so
            that a night with the machine off costs nothing.
        meter: the latest reading of the agent's usage; None when there was none.
        simplify, secondary: losses carried since the epoch began, by scale and by metric.
        machine: where the noise was measured, see `RaceRecord`.
        noise: of this epoch's races.
        thoughts: seconds between experiments, measuring apart, up to `settled_s` of `active_s`.
        rebuilt: when the state was made again from refs, the last time; None for never.
        guard_tests: how many tests the guard ran on the incumbent, None where it does not say.
        walls: elapsed seconds of the incumbent's 20 newest samples; none before the baseline.
        accepted: keeps that a human reviewed and accepted.
        given_up: the latest experiment that awaited its rework and was dropped; 0 for none.
        interventions: amendments, experiments undone, logs accepted as they lay there.
    """

    opened: Opened
    incumbent_commit: str
    last_at: str
    epoch: Epoch | None = None
    epoch_number: int = 0
    contract_sha256: str | None = None
    incumbent_value: Finite | None = None
    deterministic: bool = False
    last_number: int = 0
    last_note: int = 0
    last_run: int = 0
    refusals_in_row: int = 0
    violations_in_row: int = 0
    run: OpenRun | None = None
    validation: Validated | None = None
    stopped: str | None = None
    active_s: Finite = 0.0
    meter: Meter | None = None
    simplify: dict[Scale, SimplifyLoss] = {}
    secondary: dict[str, Finite] = {}
    machine: str = ""
    noise: KnownNoise = KnownNoise()
    thoughts: tuple[Finite, ...] = ()
    settled_s: Finite = 0.0
    rebuilt: str | None = None
    guard_tests: int | None = None
    walls: tuple[Finite, ...] = ()
    accepted: tuple[int, ...] = ()
    given_up: int = 0
    interventions: Interventions = Interventions()

    @property
    def sample_s(self) -> float:
        """Elapsed seconds that a sample of the incumbent takes lately; asked after the baseline."""
        return statistics.median(self.walls)

    def pool(self, scale: Scale) -> tuple[float, ...]:
        """The same-code differences on `scale`, oldest first."""
        return self.noise.ratio if scale is Scale.RATIO else self.noise.difference

    def simplify_loss(self, direction: Direction, scale: Scale) -> float:
        """The loss that `--simplify` keeps of this epoch carry already, on `scale`; >= 0."""
        carried = self.simplify.get(scale, SimplifyLoss())
        return carried.rise if direction is Direction.LOWER else carried.fall

    def secondary_loss(self, name: str) -> float:
        """The estimated loss of a secondary metric over this epoch's keeps, together."""
        return self.secondary.get(name, 0.0)


class Notes(NamedTuple):
    """The 30 newest notes of one kind, newest first, and how many there are; only open ideas."""

    newest: tuple[Note, ...]
    total: int


class History(Progress, frozen=True, kw_only=True):
    """All that brief, document, status and budget read; lists are newest first.

    Attributes:
        incumbent_number: the experiment that the incumbent came from, 0 for the baseline.
        kept: the 50 newest keeps.
        recent: the 20 newest experiments.
        failed: the 40 newest that were not kept, nor mended or kept later.
        keeps: whether each of the 500 newest experiments was kept.
        undone: numbers taken back, the 100 newest.
    """

    incumbent_number: int
    kept: tuple[Tried, ...]
    recent: tuple[Tried, ...]
    failed: tuple[Tried, ...]
    keeps: tuple[bool, ...]
    undone: tuple[int, ...]
    tallies: tuple[Tally, ...]
    spending: Spending
    ideas: Notes
    lessons: Notes
    dead_ends: Notes

    @property
    def kept_count(self) -> int:
        """How many experiments were kept, undone or not."""
        return self.count(Verdict.KEEP)

    @property
    def suspicious(self) -> tuple[Tried, ...]:
        """The keeps that a human is to review, newest first; none that was undone or accepted."""
        doubtful = (k for k in self.kept if Flag.SUSPICIOUS in k.flags and not k.undone)
        return tuple(kept for kept in doubtful if kept.number not in self.accepted)

    @property
    def pending_rework(self) -> Tried | None:
        """The experiment whose guard failed and that may still be mended, or None."""
        last = self.recent[0] if self.recent else None
        if last is None or last.verdict is not Verdict.REWORK or last.attempt >= MAX_REWORKS:
            return None
        return None if last.number == self.given_up else last

    def count(self, verdict: Verdict) -> int:
        """How many experiments, or refusals, had this verdict."""
        return sum(tally.amount for tally in self.tallies if tally.verdict is verdict)


def advance(
    progress: Progress | None, record: Record, *, undone: Experiment | None = None
) -> Progress:
    """The progress after one more record; None is that before the first, which must be `Opened`.

    With an `Undo` comes the full record of the experiment `undone`, whose losses are given back.

    Raises CorruptLogError where the record cannot follow: a second `Opened`, an experiment whose
    number is taken or leaves a gap.
    """
    kind = type(record).__name__.lower()
    if progress is None:
        if not isinstance(record, Opened):
            raise CorruptLogError(f"the log begins with {kind}, not with opened")
        return Progress(opened=record, incumbent_commit=record.base, last_at=record.at)
    step = _STEPS.get(type(record))
    if step is None and not isinstance(record, _TELLING):
        raise CorruptLogError(f"{kind} cannot follow the line of {progress.last_at}")
    spent = record.duration_s if isinstance(record, Experiment) else 0.0
    gap = max(0.0, seconds_between(progress.last_at, record.at))
    active_s = progress.active_s + max(spent, min(gap, spent + THINKING_S))
    progress = _given_back(progress, undone) if isinstance(record, Undo) else progress
    steered = interventions_after(progress.interventions, record)
    told = replace(progress, last_at=record.at, active_s=active_s, interventions=steered)
    if isinstance(record, Experiment):
        known = (*progress.thoughts, active_s - spent - progress.settled_s)[-RECENT_SHOWN:]
        told = replace(told, settled_s=active_s, thoughts=known if progress.last_number else ())
    return told if step is None else step(told, record)


def _opened(progress: Progress, record: Opened) -> Progress:
    raise CorruptLogError(
        f"session {record.session!r} is opened twice, first at {progress.opened.at}"
    )


def _epoch(progress: Progress, record: Epoch) -> Progress:
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
    return replace(
        moved,
        noise=KnownNoise().after(order, record.values),
        epoch=record,
        machine=record.machine,
        deterministic=record.deterministic,
        incumbent_value=statistics.median(record.values) if record.values else None,
        simplify={},
        secondary={},
        guard_tests=record.guard_tests,
        walls=_walls_at(record),
    )


def _experiment(progress: Progress, record: Experiment) -> Progress:
    if record.number != progress.last_number + 1:
        raise CorruptLogError(
            f"experiment {record.number} follows experiment {progress.last_number} in the log"
        )
    run = progress.run
    if run is not None and record.run == run.number:
        run = replace(run, used=run.used + 1)
    violated = record.verdict is Verdict.VIOLATION
    counted = replace(
        progress,
        last_number=record.number,
        run=run,
        refusals_in_row=0,
        violations_in_row=progress.violations_in_row + 1 if violated else 0,
        meter=record.meter or progress.meter,
    )
    # A race that stands in the log twice is measured once.
    kept = record.verdict is Verdict.KEEP
    told = counted if record.raced_in else _timed(_raced(counted, record.race, kept), record)
    if record.verdict is not Verdict.KEEP:
        return told
    order = "" if record.race is None or record.raced_in else record.race.order
    return replace(
        _carried(told, record, sign=1.0),
        noise=replace(told.noise, fresh=max(0, order.count(Arm.CANDIDATE.value) - 1)),
        incumbent_commit=record.commit,
        incumbent_value=_candidate_value(record.race),
        guard_tests=progress.guard_tests if record.guard_tests is None else record.guard_tests,
    )


def _refusal(progress: Progress, record: Refusal) -> Progress:
    del record
    return replace(progress, refusals_in_row=progress.refusals_in_row + 1)


def _note(progress: Progress, record: Note) -> Progress:
    if record.kind is NoteKind.RETIRE:
        return progress
    return replace(progress, last_note=max(progress.last_note, record.number))


def _run(progress: Progress, record: Run) -> Progress:
    host, meter = record.host_session, record.meter or progress.meter
    if progress.run is not None and progress.run.number == record.number:
        others = tuple(one for one in progress.run.shared_by if one != host)
        shared_by = (*others, host)[-SHARERS_SHOWN:]
        handed = replace(progress.run, host_session=host, shared_by=shared_by)
        return replace(progress, run=handed, meter=meter)
    opened = OpenRun(
        number=record.number,
        at=record.at,
        host_session=host,
        shared_by=(host,),
        experiments=record.experiments,
        after=record.after,
    )
    return replace(
        progress,
        run=opened,
        last_run=record.number,
        refusals_in_row=0,
        violations_in_row=0,
        meter=meter,
    )


def _run_end(progress: Progress, record: RunEnd) -> Progress:
    ended = progress.run is not None and progress.run.number == record.number
    return replace(progress, run=None) if ended else progress


def _undo(progress: Progress, record: Undo) -> Progress:
    return replace(
        progress,
        incumbent_commit=record.commit,
        incumbent_value=record.value,
        walls=progress.walls if progress.epoch is None else _walls_at(progress.epoch),
        noise=replace(progress.noise, fresh=0),
    )


def _validation(progress: Progress, record: Validation) -> Progress:
    guard = None if record.final_guard is None else record.final_guard.passed
    names = (name for name in Validated.__struct_fields__ if name != "final_guard")
    same: dict[str, Any] = {name: getattr(record, name) for name in names}
    return replace(progress, validation=Validated(**same, final_guard=guard))


def _stop(progress: Progress, record: Stop) -> Progress:
    return replace(progress, stopped=record.reason[:TEXT_LIMIT], run=None)


def _recovery(progress: Progress, record: Recovery) -> Progress:
    rebuilt = record.at if record.action == REBUILT else progress.rebuilt
    given_up = progress.last_number if record.action == GIVEN_UP else progress.given_up
    epoch, found = progress.epoch, record.environment_sha256
    if epoch is not None and found:
        epoch = replace(epoch, environment_sha256=found)
    return replace(progress, rebuilt=rebuilt, epoch=epoch, given_up=given_up)


def _review(progress: Progress, record: Review) -> Progress:
    others = tuple(number for number in progress.accepted if number != record.experiment)
    return replace(progress, accepted=(*others, record.experiment) if record.accepted else others)


_TELLING = (Ablation, Pruned, Shipment, Transfer)  # for people, or of refs: what was learned stays

_STEPS: dict[type, Callable[[Progress, Any], Progress]] = {
    Opened: _opened,
    Epoch: _epoch,
    Experiment: _experiment,
    Refusal: _refusal,
    Note: _note,
    Run: _run,
    RunEnd: _run_end,
    Undo: _undo,
    Validation: _validation,
    Review: _review,
    Stop: _stop,
    Recovery: _recovery,
}


def _raced(progress: Progress, race: RaceRecord | None, kept: bool) -> Progress:
    """Pool a race's same-code differences: those of a candidate that was kept are the latest.

    Runs on the deterministic path are not pooled: they agree by definition. When it turns out
    not to hold, what was pooled before (zeros) says nothing about the noise and goes. So does the
    noise of another machine, or of this one before it was started anew.
    """
    if race is None or race.deterministic:
        return progress
    if race.machine != progress.machine or progress.deterministic:
        progress = replace(progress, machine=race.machine, deterministic=False, noise=KnownNoise())
    arms = tuple(Arm) if kept or race.pairs_planned < FEW_PAIRS else ()
    return replace(progress, noise=progress.noise.after(race.order, race.values, arms))


def _walls_at(epoch: Epoch) -> tuple[float, ...]:
    """Elapsed seconds of the baseline's samples."""
    return epoch.wall_s[-WALLS_SHOWN:] or (epoch.sample_s,)


def _timed(progress: Progress, record: Experiment) -> Progress:
    """Remember how long samples took of the program that the next race is against."""
    race, keep = record.race, record.verdict is Verdict.KEEP
    if race is None:
        return progress
    walls = _of(Arm.CANDIDATE if keep else Arm.INCUMBENT, race.order, race.wall_s)
    known = walls if keep else (*progress.walls, *walls)
    return replace(progress, walls=known[-WALLS_SHOWN:] or progress.walls)


def _candidate_value(race: RaceRecord | None) -> float | None:
    values = () if race is None else _of(Arm.CANDIDATE, race.order, race.values)
    return statistics.median(values) if values else None


def _of(arm: Arm, order: str, values: Sequence[float]) -> tuple[float, ...]:
    """What the runs of one arm gave."""
    runs = zip(order, values, strict=False)
    return tuple(value for letter, value in runs if letter == arm.value)


def _given_back(progress: Progress, undone: Experiment | None) -> Progress:
    """Give back what an experiment of this epoch carried."""
    if undone is None or progress.epoch is None or undone.epoch < progress.epoch.number:
        return progress
    return _carried(progress, undone, sign=-1.0)


def _carried(progress: Progress, record: Experiment, *, sign: float) -> Progress:
    """Add (or, with sign -1, give back) what a kept experiment cost."""
    losses = dict(progress.secondary)
    chain = compounded if sign > 0 else taken_back
    for limit in record.limits:
        before = losses.get(limit.name, 0.0)
        added = before + sign * limit.estimate
        chained = chain(before, limit.estimate, limit.direction)
        losses[limit.name] = chained if limit.compounds else added
    simplify, effect = dict(progress.simplify), record.effect
    if record.kind is Kind.SIMPLIFY and effect is not None:
        old, ratio = simplify.get(effect.scale, SimplifyLoss()), effect.scale is Scale.RATIO

        def after(loss: float, direction: Direction) -> float:
            more = loss_bound(effect, direction)
            return max(0.0, chain(loss, more, direction) if ratio else loss + sign * more)

        simplify[effect.scale] = SimplifyLoss(
            rise=after(old.rise, Direction.LOWER), fall=after(old.fall, Direction.HIGHER)
        )
    return replace(progress, secondary=losses, simplify=simplify)
