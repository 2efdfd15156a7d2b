"""Differences between neighbouring runs of the same code: what noise alone can do, for free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from msgspec import Struct

from autoresearch.core.model import Arm, Direction, Scale
from autoresearch.core.stats import as_change, change_between
from autoresearch.core.wire import Finite

SIZE = 30
"""How many of the latest differences are remembered."""

_MEDIAN_TO_SD = 1.48
"""Standard deviation of a bell curve over the median of its magnitudes."""

_MEAN_TO_SD = 1.25
"""The same over their mean: used where coarse values make the median 0."""

VISIBLE = 3.0
"""A gain of so many standard errors is kept about every second time: 44 to 62 times in 100 for
N = 12 to 100 and five kinds of simulated noise, 35 to 57 times on recorded run times."""

_FEWEST_GAINS = 2
"""A single pair has no spread."""


def same_code_differences(
    order: str, values: Sequence[float], scale: Scale, *, arms: Sequence[Arm] = ()
) -> tuple[float, ...]:
    """Return the sizes of the differences between neighbouring runs of one arm, oldest first.

    Args:
        order: one letter a run, `a` incumbent, `b` candidate, in the order run.
        values: the metric of each run.
        scale: of the answer: |log ratio| on RATIO, the metric's unit on DIFFERENCE.
        arms: where given, each run is compared with the next one of its arm, one arm after the
            other, though runs of the other lie between: a race of few pairs has hardly a neighbour.

    Returns:
        Nothing where RATIO is asked for and a value is not positive: such runs have no ratio.
    """
    if scale is Scale.RATIO and any(value <= 0 for value in values):
        return ()
    runs = list(zip(order, values, strict=True))
    for arm in reversed(arms):
        runs.sort(key=lambda run, arm=arm: run[0] != arm.value)  # type: ignore[misc]
    return tuple(
        abs(change_between(before, after, scale))
        for (arm, before), (next_arm, after) in pairwise(runs)
        if arm == next_arm
    )


def extended(pool: Sequence[float], differences: Sequence[float]) -> tuple[float, ...]:
    """Return the pool with a race's differences added, cut to the latest `SIZE`, oldest first."""
    return (*pool, *differences)[-SIZE:]


class KnownNoise(Struct, frozen=True, kw_only=True):
    """The same-code differences known, oldest first: what races borrow.

    Attributes:
        ratio, difference: on either scale.
        fresh: how many of the latest are of this incumbent and its candidates; None: all.
    """

    ratio: tuple[Finite, ...] = ()
    difference: tuple[Finite, ...] = ()
    fresh: int | None = None

    def after(self, order: str, values: Sequence[float], arms: Sequence[Arm] = ()) -> KnownNoise:
        """Return what is known after these runs, see `same_code_differences`."""
        ratio, difference = (
            same_code_differences(order, values, scale, arms=arms)
            for scale in (Scale.RATIO, Scale.DIFFERENCE)
        )
        return KnownNoise(
            ratio=extended(self.ratio, ratio),
            difference=extended(self.difference, difference),
            fresh=None if self.fresh is None else self.fresh + len(difference),
        )


def smallest_visible(
    pool: Sequence[float],
    pairs: int,
    scale: Scale,
    direction: Direction,
    *,
    gains: Sequence[float] = (),
) -> float | None:
    """Return the gain that a race of `pairs` pairs finds about every second time, None if unknown.

    3 sd / sqrt(n), where sd is that of a pair's change: from the pool, or from the race's own
    pairs where these spread more, so that a noisy race claims no more than it saw.

    Args:
        pool: sizes of same-code differences.
        pairs: N of the race.
        scale: of pool and gains; on RATIO the answer is a fraction of the incumbent, else in the
            metric's unit. It is never negative.
        direction: which way the metric improves.
        gains: of the pairs run so far.
    """
    if not pool and len(gains) < _FEWEST_GAINS:
        return None
    middle = median(gains) if gains else 0.0
    spread = max(_spread(pool), _spread([abs(gain - middle) for gain in gains]))
    shift = VISIBLE * spread / math.sqrt(pairs)
    return abs(as_change(-shift if direction is Direction.LOWER else shift, scale))


def _spread(sizes: Sequence[float]) -> float:
    """Return the standard deviation that the magnitudes of deviations speak of, 0 for none."""
    if not sizes:
        return 0.0
    return _MEDIAN_TO_SD * median(sizes) or _MEAN_TO_SD * fmean(sizes)


_MOST_PAIRS = 100
_FEWEST_PAIRS = 3
_CALIBRATION_RUNS = 8
_CALIBRATION_SHARE = 4
"""Calibration, once an epoch, may take as long as four races."""


def pairs_allowed(
    sample_s: float, *, seconds: float, max_runs: int | None, pairs: int | None
) -> int:
    """Return N, the most pairs a race may take.

    Args:
        sample_s: elapsed seconds of one sample.
        seconds: how long a race may take; at most 100 and at least 3 pairs, however slow.
        max_runs: where given, the most runs of both arms together, whatever they take.
        pairs: where given, N itself.
    """
    if pairs is not None:
        return max(1, pairs)
    if max_runs is not None:
        return max(1, max_runs // 2)
    return max(_FEWEST_PAIRS, pairs_within(seconds, sample_s))


def pairs_within(seconds: float, sample_s: float) -> int:
    """Return how many pairs of so long samples fit into the seconds, 100 at most."""
    if sample_s * 2 * _MOST_PAIRS <= seconds:
        return _MOST_PAIRS
    return int(seconds / 2 / sample_s)


def calibration_runs(sample_s: float, *, seconds: float) -> int:
    """Return how many runs of the incumbent come before the first race: 2 to 8."""
    budget_s = _CALIBRATION_SHARE * seconds
    if sample_s * _CALIBRATION_RUNS <= budget_s:
        return _CALIBRATION_RUNS
    return max(2, int(budget_s / sample_s))


def most_seconds(sample_s: float, pairs: int) -> float:
    """Return the seconds that the samples of one candidate take at most, warm-up included."""
    return sample_s * (2 * pairs + 1)


def retest_alpha(alpha: float, retests: int) -> float:
    """Return the level of a race whose tree was raced `retests` times before: alpha / 2^k.

    All races of one tree together then stay within twice alpha, however often it is handed in.
    """
    return alpha * 0.5**retests
