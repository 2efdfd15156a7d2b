"""Whether gains on one workload are there on another: their ratio, and which keeps stay behind.

Each keep is left out in turn and the larger workload is run without it. All are held against the
same runs of the whole program, in rounds, and who is decided is asked no more: so ten keeps cost a
fifth of ten races.
"""

from __future__ import annotations

import math
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.model import Direction, Effect, Scale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoresearch.core.model import Pair

DECIDED_SE = 2.5
"""A keep whose gain is so many standard errors from the half way is asked no more."""

TIP_RUNS = 2
"""Runs of the whole program in each round; those without one keep are held against their mean."""


class Ratio(NamedTuple):
    """Gain at large over gain at small; the interval holds it if both gains lie in theirs."""

    value: float
    low: float
    high: float


def log_gain(change: float, direction: Direction) -> float:
    """Return a change of the metric as the logarithm of its gain, positive where better."""
    moved = math.log1p(max(change, -0.999_999))
    return -moved if direction is Direction.LOWER else moved


def ratio_of(large: Effect, small: Effect, direction: Direction) -> Ratio | None:
    """Return how much of a gain carries over; None where the small one is not proven."""
    if {large.scale, small.scale} != {Scale.RATIO}:
        return None
    at_large, at_small = (
        sorted(log_gain(change, direction) for change in (one.low, one.high))
        for one in (large, small)
    )
    if at_small[0] <= 0:
        return None
    value = log_gain(large.change, direction) / log_gain(small.change, direction)
    edges = [one / other for one in at_large for other in at_small]
    return Ratio(value, min(edges), max(edges))


def noise_of_a_run(pairs: Sequence[Pair]) -> float:
    """Return the standard deviation of a run as a logarithm, from pairs of a race, n >= 1."""
    moves = [math.log(pair.candidate / pair.incumbent) for pair in pairs]
    return pstdev(moves) / math.sqrt(2)


class CarriedKeep(NamedTuple):
    """What the rounds say of a keep.

    Attributes:
        gain: at large, as a logarithm.
        stays: whether it does not carry over: less than half of its gain at small is there.
        surely: whether it was decided before the runs were used up.
    """

    gain: float
    stays: bool
    surely: bool


def judged(without: Sequence[float], expected: float, noise: float) -> CarriedKeep:
    """Return what the rounds so far say of a keep.

    Args:
        without: of each round, how much worse it was without the keep, as a logarithm; n >= 1.
        expected: its gain at small, as a logarithm, above 0.
        noise: of a run, as a logarithm.
    """
    gain, half = fmean(without), expected / 2
    error = noise * math.sqrt((1 + 1 / TIP_RUNS) / len(without))
    return CarriedKeep(gain, gain < half, abs(gain - half) >= DECIDED_SE * error)


def next_round(
    known: Mapping[int, Sequence[float]], expected: Mapping[int, float], noise: float, runs: int
) -> tuple[int, ...]:
    """Return the keeps to be left out in the next round, the likeliest to stay behind first.

    Args:
        known: of each keep asked so far what `judged` takes.
        expected: of every keep, its gain at small as a logarithm.
        noise: of a run.
        runs: how many may still be made; the round's runs of the whole program count too.
    """
    open_ones = []
    for number, gain in expected.items():
        told = known.get(number, ())
        if not told:
            open_ones.append((gain, number))  # a small gain is the likeliest to be none
        elif not (found := judged(told, gain, noise)).surely:
            open_ones.append((found.gain - gain / 2, number))
    room = max(0, runs - TIP_RUNS)
    return tuple(number for _, number in sorted(open_ones)[:room])
