"""Differences between neighbouring runs of the same code: what noise alone can do, for free."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING

from autoresearch.core.model import Direction, Scale
from autoresearch.core.stats import as_change, change_between

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = 30
"""How many of the latest differences are remembered."""

_MEDIAN_TO_SD = 1.48
"""Standard deviation of a bell curve over the median of its magnitudes."""

_MEAN_TO_SD = 1.25
"""The same over their mean: used where coarse values make the median 0."""

_VISIBLE = 3.2
"""A gain of so many standard errors is kept about every second time (49 % measured for N = 20;
N = 100 lies between 46 % and 79 %: benchmarks/results/decision.md)."""


def same_code_differences(order: str, values: Sequence[float], scale: Scale) -> tuple[float, ...]:
    """Return the sizes of the differences between neighbouring runs of one arm, oldest first.

    Args:
        order: one letter a run, `a` incumbent, `b` candidate, in the order run.
        values: the metric of each run.
        scale: of the answer: |log ratio| on RATIO, the metric's unit on DIFFERENCE.

    Returns:
        Nothing where RATIO is asked for and a value is not positive: such runs have no ratio.
    """
    if scale is Scale.RATIO and any(value <= 0 for value in values):
        return ()
    runs = zip(order, values, strict=True)
    return tuple(
        abs(change_between(before, after, scale))
        for (arm, before), (next_arm, after) in pairwise(runs)
        if arm == next_arm
    )


def extended(pool: Sequence[float], differences: Sequence[float]) -> tuple[float, ...]:
    """Return the pool with a race's differences added, cut to the latest `SIZE`, oldest first."""
    return (*pool, *differences)[-SIZE:]


def smallest_visible(
    pool: Sequence[float], pairs: int, scale: Scale, direction: Direction
) -> float | None:
    """Return the gain that a race of `pairs` pairs finds about every second time, None if unknown.

    3.2 sd / sqrt(n), where sd is that of a pair's change. On RATIO a fraction of the incumbent,
    else in the metric's unit; never negative.
    """
    if not pool:
        return None
    spread = _MEDIAN_TO_SD * median(pool) or _MEAN_TO_SD * fmean(pool)
    shift = _VISIBLE * spread / math.sqrt(pairs)
    return abs(as_change(-shift if direction is Direction.LOWER else shift, scale))
