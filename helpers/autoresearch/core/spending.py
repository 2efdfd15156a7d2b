"""Alpha spent look by look and added up: how limits are proven, and how rule 1 decided races.

The figures beside the constants come from benchmarks/decision.py as it stood under rule 1.
"""

from __future__ import annotations

import math
from functools import lru_cache

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
