"""What a set of interleaved pairs says about two programs, without a bell curve.

One test carries everything here. If candidate and incumbent are the same program, exchanging
the two values inside any pair changes nothing, so all 2^n label swaps are equally likely
(Fisher 1935). The score of a pair is the difference of its joint mid-ranks: blind to labels,
and deaf to how far away an outlier lies. Because a coin decides for each pair who runs first, the
test is exact whatever the machine does, a load in step with the runs included. It would be wrong to
use with a fixed order, or where a run changes the next one's conditions for its own arm only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from statistics import median

from autoresearch.core.model import Direction, Effect, Pair, Scale

EXACT_PAIRS = 30
"""Up to here an interval inverts the exact test; above, its normal approximation. Sums of
coin-flipped ranks have lighter tails than the bell curve, so the bounds err to the wide side."""

_SAME = 1e-12
"""Two shifts closer than this share of the largest value are one: rounding, not information."""

_MOST_LOG = 709.0
"""exp() of more than this is not a float."""

_MOST = 1.7e308
"""Differences of extreme values are cut here, so that they stay finite."""


def scale_for(pairs: Sequence[Pair], wanted: Scale) -> Scale:
    """Return RATIO where it was wanted and every value is positive, else DIFFERENCE."""
    positive = all(pair.incumbent > 0 and pair.candidate > 0 for pair in pairs)
    return wanted if positive else Scale.DIFFERENCE


def change_between(before: float, after: float, scale: Scale) -> float:
    """Return log(after / before) on RATIO (both > 0), after - before on DIFFERENCE."""
    if scale is Scale.RATIO:
        return math.log(after) - math.log(before)
    return clipped(after - before)


def as_change(shift: float, scale: Scale) -> float:
    """Return a shift of `change_between` as a change: a fraction on RATIO, else the same."""
    return math.expm1(min(shift, _MOST_LOG)) if scale is Scale.RATIO else shift


def clipped(difference: float) -> float:
    """Return the difference, kept finite."""
    return max(-_MOST, min(_MOST, difference))


def doubled_ranks(values: Sequence[float]) -> list[int]:
    """Return twice the mid-rank of each value, so that tied ranks stay integers.

    The smallest of distinct values gets 2; equal values share the mean of their ranks.
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0] * len(values)
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            ranks[index] = start + end + 1
        start = end
    return ranks


def swap_scores(pairs: Sequence[Pair], direction: Direction) -> list[int]:
    """Return each pair's difference of joint mid-ranks; positive where the candidate is better.

    The common factor is divided out: it changes neither the test nor `standardised`.
    """
    ranks = doubled_ranks(_values(pairs))
    sign = 1 if direction is Direction.LOWER else -1
    scores = [sign * (a - b) for a, b in zip(ranks[::2], ranks[1::2], strict=True)]
    divisor = math.gcd(*scores) or 1
    return [score // divisor for score in scores]


def standardised(scores: Sequence[int]) -> float:
    """Return the sum of the scores over its standard deviation under the label swap.

    0 where every pair is tied.
    """
    spread = math.sqrt(sum(score * score for score in scores))
    return sum(scores) / spread if spread else 0.0


def tail_probability(scores: Sequence[int]) -> float:
    """Return the exact share of the 2^n label swaps whose sum is at least the observed one.

    Args:
        scores: one integer a pair, any n >= 1; ties are 0 and carry no evidence.
    """
    against = -sum(score for score in scores if score < 0)
    counts, width = _swap_counts(_sizes(scores))
    low = counts & ((1 << (against + 1) * width) - 1)
    return (low % ((1 << width) - 1)) / (1 << len(scores))


@lru_cache(maxsize=256)
def _largest_tail(sizes: tuple[int, ...], budget: float) -> float:
    counts, width = _swap_counts(sizes)
    step = width // 8
    table = counts.to_bytes((sum(sizes) + 1) * step, "little")
    affordable = budget * (1 << len(sizes))
    total = 0
    for start in range(0, len(table), step):
        grown = total + int.from_bytes(table[start : start + step], "little")
        if grown > affordable:
            break
        total = grown
    return total / (1 << len(sizes))


def largest_tail(scores: Sequence[int], budget: float) -> float:
    """Return the largest tail probability this test can attain within `budget`; 0 if none."""
    return _largest_tail(_sizes(scores), budget)


def estimate_change(pairs: Sequence[Pair], scale: Scale) -> float:
    """Return the median of all changes from an incumbent's value to a candidate's.

    The two-sample estimate of Hodges and Lehmann (1963). On RATIO it is a fraction
    (-0.03 = 3 % lower), on DIFFERENCE in the metric's unit.

    Args:
        pairs: n >= 1, any order.
        scale: RATIO only if all values are positive (see `scale_for`).
    """
    before, after = _arms(pairs, scale)
    return as_change(median(_shifts(before, after)), scale)


def upper_change(pairs: Sequence[Pair], scale: Scale, tail: float) -> float:
    """Return the upper confidence bound of the change, wrong with probability at most `tail`.

    It is the largest change that the one-sided label-swap test at level `tail` does not reject.
    With too few pairs for that level (2^-n > tail) it is the largest pair's change, which is
    exceeded by the true one with probability 2^-n.

    Args:
        pairs: n >= 1, any order.
        scale: RATIO only if all values are positive; the unit of the answer as `estimate_change`.
        tail: one-sided level, above 0.
    """
    before, after = _arms(pairs, scale)
    return as_change(_upper_shift(before, after, tail), scale)


def lower_change(pairs: Sequence[Pair], scale: Scale, tail: float) -> float:
    """Return the lower confidence bound of the change; the mirror of `upper_change`."""
    before, after = _arms(pairs, scale)
    return as_change(-_upper_shift(after, before, tail), scale)


def effect_of(pairs: Sequence[Pair], scale: Scale, level: float = 0.95) -> Effect:
    """Return the Hodges-Lehmann estimate with the interval that inverts the label-swap test.

    With too few pairs for `level` (fewer than 6 for 0.95) the interval is the range of the
    pairs' changes, and carries its own level 1 - 2^(1-n): 0 for a single pair.

    Args:
        pairs: n >= 1, any order.
        scale: the scale wanted; a value that is not positive turns RATIO into DIFFERENCE.
        level: two-sided coverage wanted.
    """
    scale = scale_for(pairs, scale)
    tail = max((1 - level) / 2, 2.0 ** -len(pairs))
    change = estimate_change(pairs, scale)
    return Effect(
        scale=scale,
        change=change,
        low=min(change, lower_change(pairs, scale, tail)),
        high=max(change, upper_change(pairs, scale, tail)),
        level=min(level, 1 - 2.0 ** (1 - len(pairs))),
    )


def _values(pairs: Sequence[Pair]) -> list[float]:
    return [value for pair in pairs for value in (pair.incumbent, pair.candidate)]


def _arms(pairs: Sequence[Pair], scale: Scale) -> tuple[list[float], list[float]]:
    before = [pair.incumbent for pair in pairs]
    after = [pair.candidate for pair in pairs]
    if scale is Scale.RATIO:
        return [math.log(value) for value in before], [math.log(value) for value in after]
    return before, after


def _shifts(before: Sequence[float], after: Sequence[float]) -> list[float]:
    return sorted(clipped(y - x) for x in before for y in after)


def _sizes(scores: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(abs(score) for score in scores))


@lru_cache(maxsize=64)
def _swap_counts(sizes: tuple[int, ...]) -> tuple[int, int]:
    """Return how many label swaps put the sum k against the candidate, for every k, in one integer.

    The counts are the coefficients of prod(1 + z^size), packed into slots of `width` bits
    (whole bytes, wide enough for 2^n): multiplying by a factor is a shift and an addition.
    """
    width = (len(sizes) + 8) // 8 * 8
    counts = 1
    for size in sizes:
        counts += counts << size * width
    return counts, width


def _tail_at(before: Sequence[float], after: Sequence[float], shift: float) -> float:
    """Return the p-value of `after - shift` being lower than `before`."""
    ranks = doubled_ranks([*before, *(value - shift for value in after)])
    scores = [a - b for a, b in zip(ranks, ranks[len(before) :], strict=False)]
    if len(scores) <= EXACT_PAIRS:
        return tail_probability(scores)
    return 0.5 * math.erfc(standardised(scores) / math.sqrt(2))


def _upper_shift(before: Sequence[float], after: Sequence[float], tail: float) -> float:
    """Return the largest shift not rejected at level `tail`.

    The p-value moves only at the n^2 shifts between single values, and falls (but for ripples of
    the changing scores) as the shift grows, so bisection over the gaps between them finds it.
    """
    if 2.0 ** -len(before) >= tail:
        return max(clipped(y - x) for x, y in zip(before, after, strict=True))
    resolution = _SAME * max(abs(value) for value in (*before, *after))
    shifts = _shifts(before, after)
    gaps = [(low, high) for low, high in pairwise(shifts) if high - low > resolution]
    first, last = 0, len(gaps)
    while first < last:
        middle = (first + last) // 2
        low, high = gaps[middle]
        if _tail_at(before, after, low / 2 + high / 2) <= tail:
            last = middle
        else:
            first = middle + 1
    return gaps[first][0] if first < len(gaps) else shifts[-1]
