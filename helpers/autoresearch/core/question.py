"""What a race is asked, and what its pairs answer; and who asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple, Protocol

from msgspec import Struct

from autoresearch.core.contract import Contract
from autoresearch.core.contract.keys import Patience
from autoresearch.core.decision import Decision, Policy
from autoresearch.core.history import Progress
from autoresearch.core.limits import Bound, judge_simplify
from autoresearch.core.model import Arm, Pair, Sample, Scale
from autoresearch.core.noise import pairs_allowed, pairs_within
from autoresearch.core.race import judge
from autoresearch.core.wire import Finite


class Randomness(Protocol):
    """Where coins and seeds come from: the system's, or a fixed one in tests."""

    def getrandbits(self, bits: int, /) -> int:
        """A number of so many random bits."""


class RaceStanding(NamedTuple):
    """A race in progress, for whoever watches.

    Attributes:
        runs: samples taken, warm-up left out.
        pairs, planned: complete pairs, and the most there can be.
        change: median change so far as a fraction, None before the first pair or without ratio.
        left_s: seconds until the end at the latest.
    """

    runs: int
    pairs: int
    planned: int
    change: float | None
    left_s: float


class Caller(NamedTuple):
    """Who has something measured.

    Attributes:
        randomness: of coins and seeds.
        say: told which step begins.
        watch: told after every sample of a race where it stands.
    """

    randomness: Randomness
    say: Callable[[str], None]
    watch: Callable[[RaceStanding], None]


def watch_nothing(_: object) -> None:
    """Nobody looks."""


class Round(NamedTuple):
    """One run of either program under the same seed, and whose came first."""

    incumbent: Sample
    candidate: Sample
    first: Arm

    @classmethod
    def of(cls, one: Sample, other: Sample) -> Round:
        """The round of two samples, one of each arm, in the order run."""
        incumbent, candidate = (one, other) if one.arm is Arm.INCUMBENT else (other, one)
        return cls(incumbent, candidate, one.arm)

    @property
    def pair(self) -> Pair:
        """Its values of the metric."""
        return Pair(
            incumbent=self.incumbent.value, candidate=self.candidate.value, first=self.first
        )

    def secondary(self, name: str) -> Pair:
        """Its values of a secondary metric."""
        incumbent, candidate = dict(self.incumbent.secondary), dict(self.candidate.secondary)
        return Pair(incumbent=incumbent[name], candidate=candidate[name], first=self.first)


class Question(Struct, frozen=True, kw_only=True):
    """What a race is to decide.

    Attributes:
        policy: level, pairs, direction, scale, smallest gain.
        pool: same-code differences of earlier races on the policy's scale, oldest first.
        bounds: secondary metrics with a limit, each with the loss carried since the baseline.
        recorded: the incumbent's exact value while the metric is deterministic, else None.
        simplify: (loss carried, loss allowed) of a simplification, else None.
    """

    policy: Policy
    pool: tuple[Finite, ...]
    bounds: tuple[tuple[Bound, Finite], ...] = ()
    recorded: Finite | None = None
    simplify: tuple[Finite, Finite] | None = None

    @property
    def loss_allowed(self) -> float | None:
        """What a simplification may lose; None for any other candidate."""
        if self.simplify is None:
            return None
        carried, allowed = self.simplify
        return max(0.0, allowed - carried)

    def answer(self, pairs: Sequence[Pair]) -> Decision:
        """Return the decision after these pairs, the limits of other metrics aside."""
        if self.simplify is None:
            return judge(pairs, self.policy, self.pool)
        carried, allowed = self.simplify
        return judge_simplify(pairs, self.policy, self.pool, carried=carried, allowed=allowed)


HOPE = {
    Patience.SHORT: 0.25,
    Patience.NORMAL: 0.1,
    Patience.LONG: 0.03,
    Patience.FULL: 0.0,
}
"""The least chance of a keep that is worth going on for."""

_PATIENT_S = 15.0
_PATIENT_PAIRS = 12
"""No race is given up before 15 s or 12 pairs, whichever is less: a thought takes minutes."""


def patient_pairs(sample_s: float, pairs: int) -> int:
    """Return before how many pairs no race of `pairs` pairs is given up."""
    return min(pairs_within(_PATIENT_S, sample_s), _PATIENT_PAIRS, pairs)


def policy_of(contract: Contract, *, pairs: int, alpha: float, sample_s: float = 0.0) -> Policy:
    """Return the rules of a race under this contract, where a sample takes so long."""
    metric = contract.metric
    in_points = metric.min_effect_relative and metric.scale is Scale.DIFFERENCE
    return Policy(
        alpha=alpha,
        pairs=pairs,
        direction=metric.direction,
        scale=metric.scale,
        min_effect=metric.min_effect * (100 if in_points else 1),
        hope=HOPE[contract.race.patience],
        patient=patient_pairs(sample_s, pairs),
    )


_THOUGHT_S = 60.0
"""What a race may take under `auto` before it is known how long the agent thinks."""

_LEAST_S = 30.0
_ROUGHLY_ENOUGH = 8
_SLOW_S = 30.0
"""Eight pairs fit, whatever else, unless a sample takes longer than this."""


def race_seconds(contract: Contract, sample_s: float, progress: Progress | None = None) -> float:
    """Return how long a race may take, for samples of so many seconds.

    Under `auto` that is what an experiment costs anyway: the median of the agent's thoughts between
    experiments, within what the budget of hours leaves for each that is still to come.
    """
    if contract.race.seconds:
        return contract.race.seconds
    seconds, budget = _THOUGHT_S, contract.budget
    if progress is not None and progress.thoughts:
        seconds = max(_LEAST_S, median(progress.thoughts))
    if progress is not None and budget.hours is not None:
        left_s = max(0.0, budget.hours * 3600 - progress.active_s)
        to_come = (budget.experiments or 0) - progress.last_number
        seconds = min(seconds, left_s / max(1, to_come))
    if sample_s <= _SLOW_S:
        seconds = max(seconds, 2 * _ROUGHLY_ENOUGH * sample_s)
    return seconds


def pairs_for(contract: Contract, sample_s: float, progress: Progress | None = None) -> int:
    """Return how many pairs a race under this contract may take where a sample takes so long."""
    rule, seconds = contract.race, race_seconds(contract, sample_s, progress)
    return pairs_allowed(sample_s, seconds=seconds, max_runs=rule.max_runs, pairs=rule.pairs)


def bounds_of(contract: Contract) -> tuple[Bound, ...]:
    """Return the limits of those secondary metrics that have one."""
    return tuple(
        Bound(
            name=one.name,
            direction=one.direction,
            limit=one.limit,
            relative=one.limit_relative,
        )
        for one in contract.secondary
        if one.limit is not None
    )
