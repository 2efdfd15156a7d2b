"""How many runs a candidate is worth."""

from __future__ import annotations

import pytest
from autoresearch.core.noise import calibration_runs, most_seconds, pairs_allowed, retest_alpha


@pytest.mark.parametrize(
    ("sample_s", "expected"),
    [(0.0, 100), (0.2, 100), (0.3, 100), (0.5, 60), (1.5, 20), (9.0, 3), (400.0, 3)],
)
def test_pairs_fit_into_the_seconds(sample_s, expected):
    """Breaks if N is not floor(60 / 2 / t) between 3 and 100."""
    assert pairs_allowed(sample_s, seconds=60, max_runs=None, pairs=None) == expected


@pytest.mark.parametrize(
    ("max_runs", "pairs", "expected"),
    [(40, None, 20), (41, None, 20), (1, None, 1), (40, 1, 1), (None, 7, 7), (None, 0, 1)],
)
def test_counts_of_the_contract_come_before_seconds(max_runs, pairs, expected):
    """Breaks if a human's own count of runs or pairs is overruled by the clock."""
    assert pairs_allowed(0.2, seconds=60, max_runs=max_runs, pairs=pairs) == expected


@pytest.mark.parametrize(
    ("sample_s", "expected"), [(0.0, 8), (30.0, 8), (31.0, 7), (60.0, 4), (121.0, 2), (900.0, 2)]
)
def test_calibration_fits_into_four_races(sample_s, expected):
    """Breaks if a slow metric is calibrated for longer than four races, or hardly at all."""
    assert calibration_runs(sample_s, seconds=60) == expected


def test_most_seconds_counts_both_arms_and_the_warm_up():
    """Breaks if the forecast forgets an arm."""
    assert most_seconds(0.5, 20) == 20.5


def test_each_retest_halves_the_level():
    """Breaks if handing a change in again is free."""
    assert [retest_alpha(0.02, k) for k in (0, 1, 2)] == [0.02, 0.01, 0.005]
    assert retest_alpha(0.02, 2000) == 0.0
