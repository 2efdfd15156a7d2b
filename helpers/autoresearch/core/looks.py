"""When a race looks at its pairs, and how much of its allowance each look may spend.

The figures beside the constants come from benchmarks/decision.py (results/decision.md).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

FEW_PAIRS = 6
"""Below this many pairs 2^-n alone cannot reach the default alpha: same-code differences help."""

PATIENT_PAIRS = 60
"""From here on a race is patient: samples are cheap, so hope is given up late."""

_KEEP_LOOKS = (8, 12, 16, 20, 24, 32, 40)
_PATIENT_KEEP_LOOKS = (12, 20, 32, 48, 72)

_PATIENT_SLOPE = 2.3
_PATIENT_HEAD_START = 0.35
"""The patient line is z < slope sqrt(n/N) - head start / sqrt(n/N), straight in the sum of the
scores as in Wald's sequential test (1945).

Chosen with the patient keep looks on simulated bell-shaped noise of 5 % a run, among 60 lines, 8
sets of looks, 3 ways of spending and 3 paces of futility; the best differ by two points. On fresh
noise, N = 100: a 3 % gain is kept 80 times in 100 (2,000 races), a worthless candidate takes 37
runs and is kept 1.3 times in 100 (3,000 races). The frugal line lowered by 0.8 found the same gain
66 times at 31 runs, with looks for a keep at 8, 12, 16, 24, ... 80."""

_EVERY_SECOND_UNTIL = 40
_THEN_EVERY = 8
_PATIENT_FIRST = 4


class Landslide(NamedTuple):
    """A keep after a few pairs that all gained more than so many same-code runs differed."""

    pairs: int
    differences: int
    level: float


def level_of_beating(pairs: int, differences: int) -> float:
    """Return how often `pairs` changes of a worthless candidate all exceed same-code differences.

    All must be positive (2^-n), and the n largest of n + m exchangeable magnitudes.
    """
    return 2.0**-pairs / math.comb(differences + pairs, pairs)


def differences_needed(pairs: int, level: float, known: int) -> int | None:
    """Return how few same-code differences bring the chance of beating them down to `level`.

    Args:
        pairs: n >= 1.
        level: above 0.
        known: how many there are.

    Returns:
        None where more than `known` would be needed.
    """
    enough = (m for m in range(known + 1) if level_of_beating(pairs, m) <= level)
    return next(enough, None)


def landslide(alpha: float, planned: int) -> Landslide | None:
    """Return the landslide look of a race of `planned` pairs, or None where alpha affords none.

    n pairs are held against n - 1 differences: as many as A B B A A B B A ... contains.
    """
    for pairs in (4, 6):
        level = level_of_beating(pairs, pairs - 1)
        if level <= allowance(alpha, pairs, planned):
            return Landslide(pairs, pairs - 1, level)
    return None


def allowance(alpha: float, pairs: int, planned: int) -> float:
    """Return the share of alpha that looks up to `pairs` may have spent together.

    Linear in time (Lan & DeMets 1983); the union bound over looks keeps the sum within alpha.
    """
    return alpha * pairs / planned


@lru_cache
def keep_looks(planned: int) -> frozenset[int]:
    """Return the numbers of pairs at which a race of `planned` pairs may be kept."""
    looks = _PATIENT_KEEP_LOOKS if planned >= PATIENT_PAIRS else _KEEP_LOOKS
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
        return _PATIENT_SLOPE * elapsed - _PATIENT_HEAD_START / elapsed
    return 2 * math.log2(pairs / 2) / math.log2(planned / 2)
