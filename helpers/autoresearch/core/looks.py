"""When a race looks at its pairs, and how much of its allowance each look may spend.

The figures beside the constants come from benchmarks/decision.py (results/decision.md).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

FEW_PAIRS = 6
"""Below this many pairs 2^-n alone cannot reach the default alpha: same-code differences help."""

PATIENT_PAIRS = 12
"""From here on samples are not slow: hope is given up late, and never before the fourth pair."""

LONG_PAIRS = 60
"""From here on looks for a keep are farther apart, and patience no longer grows with N."""

_KEEP_LOOKS = (8, 12, 16, 20, 24, 32, 40)
_LONG_KEEP_LOOKS = (12, 20, 32, 48, 72)

_SLOPE, _LONG_SLOPE = 2.0, 2.3
_HEAD_START, _LONG_HEAD_START = 0.5, 0.35
_LONGEST_PAIRS = 100
"""The patient line is z < slope sqrt(n/N) - head start / sqrt(n/N), straight in the sum of the
scores as in Wald's sequential test (1945). From N = 60 to 100 it tightens from the first constants
to the second, which keeps a worthless candidate below 40 runs.

Chosen among 14 lines for N = 12 to 60 (400 to 800 races a cell; bell-shaped noise of 5 % a run,
bursts, recorded CPU time). At N = 20 and bell-shaped noise this one finds a gain of 5 % 63 times in
100, at 15 runs for a worthless candidate; no early end at all finds it 66 times at 40 runs, and the
frugal line, which used to stand up to N = 59, 52 times at 9. A head start of 0.65 finds one more,
at two runs more. The constants for N = 100 were chosen with the looks for a keep among 60 lines."""

_EVERY_SECOND_UNTIL = 40
_THEN_EVERY = 8
_PATIENT_FIRST = 4

_LANDSLIDE_PAIRS = 4
_LANDSLIDE_DIFFERENCES = 7
"""What 8 calibration runs hold. With fewer known no landslide is looked for."""

_COUNTED, _OF = 2, 3
"""Share of the same-code differences that count against two and more pairs. A load in step with
the pairs may hit each of them and spare the gaps between, for as long as the race lasts; the
differences of other races were hit by chance. Counting all let up to 4.9 % of worthless candidates
through under a load of 4 runs (N = 3 to 5), three quarters 3.0 %, two thirds 2.2 %, half 0.8 %; a
gain of 10 % at heavy-tailed noise (N = 3) was found 85, 78, 73 and 61 times in 100."""


class Landslide(NamedTuple):
    """A keep after a few pairs that all gained more than any known same-code runs differed."""

    pairs: int
    differences: int
    level: float


def level_of_beating(pairs: int, differences: int, above: int = 0) -> float:
    """Return how often `pairs` changes of a worthless candidate stand out of the differences.

    All must be positive (2^-n), and at most `above` of the m differences may be as large as the
    smallest of them: C(n + k, k) of the C(n + m, n) orders of exchangeable magnitudes.
    """
    orders = math.comb(differences + pairs, pairs)
    return 2.0**-pairs * math.comb(pairs + above, above) / orders


def may_be_above(pairs: int, level: float, known: int) -> int | None:
    """Return how many of the known differences the smallest of `pairs` gains need not exceed.

    Args:
        pairs: n >= 1.
        level: above 0; how often a worthless candidate may get through.
        known: how many same-code differences there are.

    Returns:
        The largest number that keeps within `level`; None where even exceeding all is too weak.
    """
    if 2.0**-pairs <= level:
        return known
    counted = known if pairs == 1 else known * _COUNTED // _OF
    fitting = (
        k for k in range(counted - 1, -1, -1) if level_of_beating(pairs, counted, k) <= level
    )
    return next(fitting, None)


def landslide(alpha: float, planned: int) -> Landslide | None:
    """Return the landslide look of a race of `planned` pairs, or None where alpha affords none.

    Every known difference must be exceeded, so the level, that of the fewest, is an upper bound.
    Holding the gains against only as many as the race itself contains let 4.1 % of worthless
    candidates through under a load in step with the pairs (N = 20); against all it is 0.7 %.
    """
    level = level_of_beating(_LANDSLIDE_PAIRS, _LANDSLIDE_DIFFERENCES)
    if level > allowance(alpha, _LANDSLIDE_PAIRS, planned):
        return None
    return Landslide(_LANDSLIDE_PAIRS, _LANDSLIDE_DIFFERENCES, level)


def allowance(alpha: float, pairs: int, planned: int) -> float:
    """Return the share of alpha that looks up to `pairs` may have spent together.

    Linear in time (Lan & DeMets 1983); the union bound over looks keeps the sum within alpha.
    """
    return alpha * pairs / planned


@lru_cache
def keep_looks(planned: int) -> frozenset[int]:
    """Return the numbers of pairs at which a race of `planned` pairs may be kept."""
    looks = _LONG_KEEP_LOOKS if planned >= LONG_PAIRS else _KEEP_LOOKS
    return frozenset({*(pairs for pairs in looks if pairs < planned), planned})


def needs_differences(alpha: float, planned: int) -> bool:
    """Return whether `planned` pairs cannot reach alpha by their order alone."""
    first = landslide(alpha, planned)
    return planned < FEW_PAIRS or 2.0**-planned > alpha - (first.level if first else 0.0)


def is_futility_look(pairs: int, planned: int) -> bool:
    """Return whether hope is examined after `pairs` pairs."""
    if pairs >= planned or pairs % 2:
        return False
    if planned < PATIENT_PAIRS:
        return True
    if pairs <= _EVERY_SECOND_UNTIL:
        return pairs >= _PATIENT_FIRST
    return pairs % _THEN_EVERY == 0


def futility_line(pairs: int, planned: int) -> float:
    """Return the standardised sum of scores below which a race is given up.

    Giving up can only lower the number of worthless keeps, so the line is free to be chosen for
    speed and power.

    Args:
        pairs: even, 2 <= pairs < planned.
        planned: N of the race, >= 6.
    """
    if planned >= PATIENT_PAIRS:
        elapsed = math.sqrt(pairs / planned)
        tightened = min(1.0, max(0.0, (planned - LONG_PAIRS) / (_LONGEST_PAIRS - LONG_PAIRS)))
        slope = _SLOPE + tightened * (_LONG_SLOPE - _SLOPE)
        head_start = _HEAD_START + tightened * (_LONG_HEAD_START - _HEAD_START)
        return slope * elapsed - head_start / elapsed
    return 2 * math.log2(pairs / 2) / math.log2(planned / 2)
