"""The records of a session: immutable, validated where they are made.

Everything that crosses a module or reaches the log is one of these. Units stand in the
names; a missing value is None, never 0. `nan` and `inf` cannot enter.
"""

from __future__ import annotations

import math
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core.wire import Finite

SCHEMA = 1
"""Version of every persisted record. History: 1 (2026-11) first release."""

RULE = 2
"""Version of the decision rule and of its constants; raised when a recorded race would be decided
otherwise. 1: docs/decision.md as of release 0.1.0."""


class Direction(str, Enum):
    """Which way the metric improves."""

    LOWER = "lower"
    HIGHER = "higher"


class Source(str, Enum):
    """Where a sample's value comes from: what verify prints, or what the helper measured itself."""

    OUTPUT = "output"
    CPU = "cpu"
    WALL = "wall"


class Arm(str, Enum):
    """The two sides of a race."""

    INCUMBENT = "a"
    CANDIDATE = "b"

    @property
    def other(self) -> Arm:
        """The opposite side."""
        return Arm.CANDIDATE if self is Arm.INCUMBENT else Arm.INCUMBENT


class Verdict(str, Enum):
    """The six answers to an experiment."""

    KEEP = "keep"
    DISCARD = "discard"
    REWORK = "rework"
    CRASH = "crash"
    VIOLATION = "violation"
    REFUSED = "refused"


class Reason(str, Enum):
    """Why a verdict that is not a plain keep was reached."""

    WORSE = "worse"
    NOT_BETTER = "not_better"
    UNDECIDED = "undecided"
    LIMITS = "limits"
    SAME = "same"
    HOLDOUT = "holdout"
    GUARD = "guard"
    BUILD = "build"
    VERIFY = "verify"
    METRIC = "metric"
    TIMEOUT = "timeout"
    TOUCHED = "touched"
    UNCHANGED = "unchanged"
    OUTSIDE = "outside"
    DUPLICATE = "duplicate"
    SAME_PROGRAM = "same_program"
    ENVIRONMENT = "environment_changed"


class Flag(str, Enum):
    """A mark on a keep."""

    PROVISIONAL = "provisional"
    SUSPICIOUS = "suspicious"


class Kind(str, Enum):
    """How an experiment was asked for."""

    PLAIN = "plain"
    REWORK = "rework"
    SIMPLIFY = "simplify"
    AGAIN = "again"


class Agreed(str, Enum):
    """How a person's agreement to what changes a session was seen."""

    TERMINAL = "terminal"
    HOST = "host"
    FLAG = "flag"


class Scale(str, Enum):
    """How two values of the metric are compared."""

    RATIO = "ratio"
    DIFFERENCE = "difference"


class NoteKind(str, Enum):
    """What `note` records."""

    IDEA = "idea"
    LESSON = "lesson"
    DEAD_END = "dead_end"
    RETIRE = "retire"


class Interventions(Struct, frozen=True, kw_only=True):
    """What changed a session beside its experiments, and how often nobody was seen to agree."""

    amendments: int = 0
    undone: int = 0
    accepted: int = 0
    unseen: int = 0

    def more(self, what: str, agreed: Agreed | None) -> Interventions:
        """One more of them."""
        unseen = self.unseen + (agreed not in {Agreed.TERMINAL, Agreed.HOST})
        return replace(self, **{what: getattr(self, what) + 1, "unseen": unseen})


def require_finite(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a finite number."""
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")


class Sample(Struct, frozen=True, kw_only=True):
    """One execution of verify that yielded a metric.

    Attributes:
        arm: whose code ran.
        wall_s: elapsed seconds, by the helper's clock.
        cpu_s: user + system seconds of the process and the children it waited for.
        secondary: (name, value) of every secondary metric of the contract, in its order.
        checksums: (name, value) of the lines `CHECKSUM name=value` that verify printed, by name.
        units: (name, unit) of what a pattern found: the unit behind it, empty for none.
        held_back: whether it ran at a lower priority than the helper, or on fewer processors.
    """

    arm: Arm
    value: Finite
    wall_s: Finite
    cpu_s: Finite
    secondary: tuple[tuple[str, Finite], ...] = ()
    checksums: tuple[tuple[str, str], ...] = ()
    units: tuple[tuple[str, str], ...] = ()
    held_back: bool = False

    def __post_init__(self) -> None:
        require_finite("value", self.value)
        for name, value in self.secondary:
            require_finite(name, value)


class Pair(Struct, frozen=True, kw_only=True):
    """One round of a race: a value of either arm, and who ran first."""

    incumbent: Finite
    candidate: Finite
    first: Arm

    def __post_init__(self) -> None:
        require_finite("incumbent", self.incumbent)
        require_finite("candidate", self.candidate)


class Effect(Struct, frozen=True, kw_only=True):
    """How much the metric moved from incumbent to candidate.

    Attributes:
        scale: `ratio`: candidate / incumbent - 1; `difference`: candidate - incumbent, in the
            metric's unit.
        change: Hodges-Lehmann estimate, signed as the metric moved; -0.03 is 3 % lower.
        low, high: the interval around it; low <= high.
        level: coverage of the interval; below 0.95 where too few pairs ran for more.
    """

    scale: Scale
    change: Finite
    low: Finite
    high: Finite
    level: Finite

    def __post_init__(self) -> None:
        for name in ("change", "low", "high", "level"):
            require_finite(name, getattr(self, name))


class RaceRecord(Struct, frozen=True, kw_only=True):
    """A race as it was run, complete enough to reach its decision again from the log.

    Attributes:
        alpha: level this race was allowed, the share of a retest already applied.
        pairs_planned: most pairs it could take: N of the decision rule.
        recorded: the incumbent's exact value; None unless the deterministic path decided.
        carried: of a simplification: loss spent before it; else None.
        allowed: of a simplification: most loss in all; else None.
        deterministic: whether the deterministic path decided.
        order: a letter a sample in the order run: `a` incumbent, `b` candidate; no warm-up.
        values: the metric of each sample, same order.
        seeds: `AUTORESEARCH_SEED` of each pair.
        pool: same-code differences that were borrowed, oldest first.
        machine: which machine, since its last start; noise of another one is not used.
        void: samples thrown away because the machine slept or its clock jumped.
        p_value: at the last look; None: none was taken.
        rule: version of the decision rule; `doctor` decides each race again by its own version.
        hope: the race was given up once a keep was less likely than this; absent under rule 1.
        patient: but not before so many pairs; absent under rule 1.
        fresh: how many at the end of `pool` are of this incumbent and its candidates; None: all.
    """

    alpha: Finite
    pairs_planned: int
    direction: Direction
    scale: Scale
    min_effect: Finite
    recorded: Finite | None
    carried: Finite | None
    allowed: Finite | None
    deterministic: bool
    order: str
    values: tuple[Finite, ...]
    wall_s: tuple[Finite, ...]
    cpu_s: tuple[Finite, ...]
    secondary: tuple[tuple[str, tuple[Finite, ...]], ...]
    seeds: tuple[int, ...]
    pool: tuple[Finite, ...]
    machine: str
    void: int
    p_value: Finite | None
    smallest_visible: Finite | None
    rule: int
    hope: Finite = 0.0
    patient: int = 0
    fresh: int | None = None


def compounded(loss: float, more: float, direction: Direction) -> float:
    """Return the loss that one loss and another one after it make together.

    Both are fractions of what each started from, positive where worse: 50 % and 20 % dearer is 80 %
    dearer, not 70 %.
    """
    sign = 1 if direction is Direction.LOWER else -1
    if sign * loss <= -1 or not math.isfinite(more):
        return loss + more
    return loss + more + sign * loss * more


def taken_back(loss: float, part: float, direction: Direction) -> float:
    """Return what a loss was without a part of it; undoes `compounded`."""
    sign = 1 if direction is Direction.LOWER else -1
    left = 1 + sign * part
    return (loss - part) / left if left > 0 else loss - part


class LimitResult(Struct, frozen=True, kw_only=True):
    """A secondary metric against its bound, relative to the epoch's baseline.

    Attributes:
        relative: whether `limit` is a fraction of the incumbent, else in the metric's unit.
        carried: estimated loss of the keeps since the baseline, before this candidate.
        worst: upper bound of the loss since the baseline; None: the samples carry none.
        estimate: this candidate's own loss against the incumbent; positive is worse.
        limit: the bound, a fraction or the metric's unit as the contract gives it.
        held: True only when proven.
        compounds: whether fractions were chained; older logs added them up.
    """

    name: str
    direction: Direction
    relative: bool
    carried: Finite
    worst: Finite | None
    estimate: Finite
    limit: Finite
    held: bool
    compounds: bool = False

    @property
    def since_baseline(self) -> float:
        """Point estimate of the loss since the epoch's baseline, this candidate included."""
        if self.compounds:
            return compounded(self.carried, self.estimate, self.direction)
        return self.carried + self.estimate

    @property
    def is_too_noisy(self) -> bool:
        """Whether it seems to lie within its bound and only could not be proven to."""
        return not self.held and self.since_baseline <= self.limit


class CommandResult(Struct, frozen=True, kw_only=True):
    """A guard, build, set-up or `same` run, as recorded.

    Attributes:
        exit_code: the command's own; 128 + n when killed by signal n.
        timed_out: whether the helper ended it.
        output: file of the captured output, below the state folder.
    """

    exit_code: int
    duration_s: Finite
    timed_out: bool
    output: str

    @property
    def passed(self) -> bool:
        """Whether the command ended by itself with status 0."""
        return self.exit_code == 0 and not self.timed_out


class Meter(Struct, frozen=True, kw_only=True):
    """What an agent session had used in all when a line was written, by its host's transcript.

    Attributes:
        input: tokens that were neither written to nor read from a cache.
        usd: dollars of all answers whose price is known.
        unpriced: tokens of the answers whose price is not.
    """

    host_session: str
    input: int
    output: int
    cache_write: int
    cache_read: int
    usd: Finite
    unpriced: int

    def __post_init__(self) -> None:
        require_finite("usd", self.usd)

    @property
    def tokens(self) -> int:
        """All tokens, those read from a cache included."""
        return self.input + self.output + self.cache_write + self.cache_read


class Spent(Struct, frozen=True, kw_only=True):
    """What the agent used on one experiment: thinking, editing, waiting.

    Attributes:
        tokens: of every kind, those read from a cache included.
        output: of these, the ones that the model wrote.
        usd: dollars; None when the price of any of them is unknown.
    """

    tokens: int
    output: int
    usd: Finite | None

    def __post_init__(self) -> None:
        if self.usd is not None:
            require_finite("usd", self.usd)
