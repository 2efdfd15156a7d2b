"""What is remembered of a session: bounded values, whatever the length of its log.

`Progress` is a fold over the log (see `progress.advance`); `History` adds the notes. The full
records stay in the log and are read back one at a time.
"""

from __future__ import annotations

import statistics
from typing import NamedTuple

from msgspec import Struct, structs

from autoresearch.core.model import (
    Direction,
    Effect,
    Flag,
    Kind,
    Meter,
    Reason,
    Scale,
    Spent,
    Verdict,
)
from autoresearch.core.records import Epoch, Opened, Recovery  # noqa: TC001  (the codec reads these types)
from autoresearch.core.wire import Finite  # noqa: TC001  (msgspec reads these types)

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


class Tried(Struct, frozen=True, kw_only=True, rename={"kind": "tried_kind"}):
    """An experiment without its samples.

    Attributes:
        message, hypothesis, detail: cut to 400 characters.
        paths: the first 8 changed paths; `path_count` counts all.
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


class Kept(Struct, frozen=True, kw_only=True, rename={"kind": "kept_kind"}):
    """A kept experiment; `undone` once it was taken back."""

    number: int
    at: str
    message: str
    kind: Kind
    flags: tuple[Flag, ...]
    effect: Effect | None
    commit: str
    lines_added: int
    lines_removed: int
    undone: bool
    suspicions: tuple[str, ...]


class Failed(Struct, frozen=True, kw_only=True):
    """An experiment that was not kept, in few words, so that nobody tries it again."""

    number: int
    message: str
    verdict: Verdict
    reason: Reason | None
    change: Finite | None
    scale: Scale | None
    smallest_visible: Finite | None


class Remembered(Struct, frozen=True, kw_only=True):
    """An open idea, a lesson or a dead end."""

    number: int
    at: str
    text: str
    experiment: int


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
    used: int


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


class SimplifyLoss(Struct, frozen=True, kw_only=True):
    """What `--simplify` keeps may have cost since the epoch began, one sum a scale.

    Attributes:
        rise: sum of the upper bounds of the metric's increase; the loss when lower is better.
        fall: sum of the upper bounds of its decrease; the loss when higher is better.
    """

    scale: Scale
    rise: Finite
    fall: Finite


class SecondaryLoss(Struct, frozen=True, kw_only=True):
    """Sum of a secondary metric's estimated losses over this epoch's keeps, scale of its limit."""

    name: str
    loss: Finite


class Tally(Struct, frozen=True, kw_only=True):
    """How many experiments (or refusals) ended so."""

    verdict: Verdict
    reason: Reason | None
    count: int


class Progress(Struct, frozen=True, kw_only=True):
    """Where a session stands after a log line; lists are newest first unless said otherwise.

    Attributes:
        epoch: the latest that measures anew; None before the baseline.
        epoch_number: of the latest, measuring anew or not.
        contract_sha256: of the contract in force; None before the baseline.
        incumbent_commit: tip of the session's branch.
        incumbent_number: the experiment it came from, 0 for the baseline.
        incumbent_value: median of the metric when last measured, for orientation and the target
            only; None when unknown, as after an undo.
        deterministic: whether the deterministic path still holds in this epoch.
        last_number, last_note: highest numbers given.
        last_at: time of the latest record.
        kept, kept_count: the 50 newest keeps, and how many there are.
        recent: the 20 newest experiments.
        failed: the 40 newest that were not kept.
        outcomes: `1` for a keep, `0` for anything else, the 500 newest.
        refusals_in_row, violations_in_row: since the last experiment that was none, or the run.
        run: in progress, or None.
        undone: numbers taken back, the 100 newest.
        stopped: the reason given, or None.
        measuring_s: sum of the experiments' durations.
        active_s: measuring plus at most 15 minutes before each record: what `hours` limits, so
            that a night with the machine off costs nothing.
        meter: the latest reading of the agent's usage; None when there was none.
        spent_tokens, spent_usd: by the agent on all experiments for which they are known.
        unpriced, unmetered: how many experiments' dollars, or even tokens, are not known.
        simplify, secondary: losses carried since the epoch began.
        guard_tests: how many tests the guard ran on the incumbent, None where it does not say.
        walls: elapsed seconds of the incumbent's 20 newest samples; none before the baseline.
        machine: where the pools were measured, see `RaceRecord`.
        pool_ratio, pool_difference: same-code differences of this epoch's races, oldest first.
        recovery: the latest interrupted step.
        rebuilt: when the state was made again from refs, the last time; None for never.
    """

    opened: Opened
    epoch: Epoch | None
    epoch_number: int
    contract_sha256: str | None
    incumbent_commit: str
    incumbent_number: int
    incumbent_value: Finite | None
    deterministic: bool
    last_number: int
    last_note: int
    last_run: int
    last_at: str
    tallies: tuple[Tally, ...]
    kept: tuple[Kept, ...]
    kept_count: int
    recent: tuple[Tried, ...]
    failed: tuple[Failed, ...]
    outcomes: str
    refusals_in_row: int
    violations_in_row: int
    run: OpenRun | None
    validation: Validated | None
    undone: tuple[int, ...]
    stopped: str | None
    measuring_s: Finite
    active_s: Finite
    meter: Meter | None
    spent_tokens: int
    spent_usd: Finite
    unpriced: int
    unmetered: int
    simplify: tuple[SimplifyLoss, ...]
    secondary: tuple[SecondaryLoss, ...]
    machine: str
    pool_ratio: tuple[Finite, ...]
    pool_difference: tuple[Finite, ...]
    recovery: Recovery | None
    rebuilt: str | None = None
    guard_tests: int | None
    walls: tuple[Finite, ...]

    @property
    def sample_s(self) -> float:
        """Elapsed seconds that a sample of the incumbent takes lately; asked after the baseline."""
        return statistics.median(self.walls)

    @property
    def suspicious(self) -> tuple[Kept, ...]:
        """The keeps that a human is to review, newest first; none that was undone."""
        return tuple(k for k in self.kept if Flag.SUSPICIOUS in k.flags and not k.undone)

    @property
    def keeps(self) -> tuple[bool, ...]:
        """Whether each of the 500 newest experiments was kept, newest first."""
        return tuple(outcome == "1" for outcome in self.outcomes)

    @property
    def pending_rework(self) -> Tried | None:
        """The experiment whose guard failed and that may still be mended, or None."""
        last = self.recent[0] if self.recent else None
        if last is None or last.verdict is not Verdict.REWORK or last.attempt >= MAX_REWORKS:
            return None
        return last

    def pool(self, scale: Scale) -> tuple[float, ...]:
        """The same-code differences on `scale`, oldest first."""
        return self.pool_ratio if scale is Scale.RATIO else self.pool_difference

    def count(self, verdict: Verdict) -> int:
        """How many experiments, or refusals, had this verdict."""
        return sum(tally.count for tally in self.tallies if tally.verdict is verdict)

    def simplify_loss(self, direction: Direction, scale: Scale) -> float:
        """The loss that `--simplify` keeps of this epoch carry already, on `scale`; >= 0."""
        for carried in self.simplify:
            if carried.scale is scale:
                return carried.rise if direction is Direction.LOWER else carried.fall
        return 0.0

    def secondary_loss(self, name: str) -> float:
        """Sum of the estimated losses of a secondary metric over this epoch's keeps."""
        return sum(carried.loss for carried in self.secondary if carried.name == name)


class History(Progress, frozen=True, kw_only=True):
    """Progress and the notes: all that brief, document, status and budget read.

    Attributes:
        ideas: the 30 newest that are open, `idea_count` counts all of them.
        lessons, dead_ends: the 30 newest of either, and their counts.
    """

    ideas: tuple[Remembered, ...]
    idea_count: int
    lessons: tuple[Remembered, ...]
    lesson_count: int
    dead_ends: tuple[Remembered, ...]
    dead_end_count: int


class Search(Struct, frozen=True, kw_only=True):
    """Which experiments are asked for; None means any.

    Attributes:
        first, last: range of numbers, both included.
        text: part of message, hypothesis or detail; case of ASCII letters does not matter.
        path: a changed file, or a folder above it.
        limit: at most so many.
        newest_first: the order, also when the limit cuts.
    """

    verdict: Verdict | None = None
    reason: Reason | None = None
    first: int | None = None
    last: int | None = None
    text: str | None = None
    path: str | None = None
    limit: int | None = None
    newest_first: bool = True


class Near(NamedTuple):
    """An earlier experiment that shares changed lines, and the share in (0, 1]."""

    number: int
    share: float


class Notes(NamedTuple):
    """The newest notes of one kind, newest first, and how many there are."""

    newest: tuple[Remembered, ...]
    total: int


def history_of(progress: Progress, *, ideas: Notes, lessons: Notes, dead_ends: Notes) -> History:
    """A history of what was folded and what was noted."""
    return History(
        **structs.asdict(progress),
        ideas=ideas.newest,
        idea_count=ideas.total,
        lessons=lessons.newest,
        lesson_count=lessons.total,
        dead_ends=dead_ends.newest,
        dead_end_count=dead_ends.total,
    )
