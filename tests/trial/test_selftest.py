"""The self-test's statistics."""

from __future__ import annotations

import math

import pytest
from autoresearch.trial.selftest import SelfTest, interval, spread
from msgspec.structs import replace

PLAIN = SelfTest(
    races=300, false_keeps=3, low=0.002, high=0.029, alpha=0.02, runs_per_race=9.0,
    wall_noise=0.05, cpu_noise=0.04, metric_noise=0.05, smallest_gain=0.05, overhead_s=0.2,
    seconds=100.0,
)  # fmt: skip


def test_interval_of_no_hit_is_the_closed_form():
    """Bounds that are not those of Clopper and Pearson: 1 - 0.025^(1/n) for no hit."""
    low, high = interval(0, 40)
    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / 40), abs=1e-9)
    assert interval(40, 40) == pytest.approx((0.025 ** (1 / 40), 1.0), abs=1e-9)


def test_interval_of_some_hits():
    """Bounds that are not those of the published table: 2 of 10 is 2.52 % to 55.61 %."""
    assert interval(2, 10) == pytest.approx((0.0252, 0.5561), abs=1e-4)


def test_spread_is_one_standard_deviation_of_a_run():
    """A difference of two runs taken for the spread of one."""
    differences = [(0.1, 0.1), (0.1,)]
    assert spread(differences) == pytest.approx(1.48 * 0.1 / math.sqrt(2))
    assert spread([()]) == 0.0


def test_claim_needs_a_narrow_interval():
    """A rate of 2 % claimed from an interval that reaches to 9 %."""
    assert PLAIN.carries_claim
    assert not replace(PLAIN, high=0.088).carries_claim
