"""How many runs a candidate is worth, before the first of them."""

from __future__ import annotations

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
    if sample_s * 2 * _MOST_PAIRS <= seconds:
        return _MOST_PAIRS
    return max(_FEWEST_PAIRS, int(seconds / 2 / sample_s))


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
