"""Same-code differences: found, kept, and turned into the smallest visible gain."""

from __future__ import annotations

import math

import pytest
from autoresearch.core.model import Arm, Direction, Scale
from autoresearch.core.noise import extended, same_code_differences, smallest_visible


def test_neighbours_of_one_arm_are_compared():
    """Breaks if the two arms are compared, or runs that are no neighbours."""
    # A B B A A B: 20 -> 22 (b), 13 -> 10 (a)
    values = [10, 20, 22, 13, 10, 30]
    assert same_code_differences("abbaab", values, Scale.DIFFERENCE) == (2, 3)


def test_ratio_differences_are_logarithms():
    """Breaks if the pool of a ratio metric depends on its unit."""
    assert same_code_differences("aaa", [1, 2, 1], Scale.RATIO) == pytest.approx(
        [math.log(2), math.log(2)]
    )


def test_values_without_a_ratio_give_no_differences():
    """Breaks if a zero is fed to a logarithm."""
    assert same_code_differences("aa", [1, 0], Scale.RATIO) == ()


def test_pool_keeps_the_latest_thirty():
    """Breaks if the oldest noise is kept instead of the newest."""
    assert extended(range(20), range(100, 115)) == (*range(5, 20), *range(100, 115))


def test_smallest_visible_shrinks_with_the_root_of_pairs():
    """Breaks if the formula 3 * 1.48 * median / sqrt(N) changes."""
    # 3 * 1.48 * 2 / sqrt(16) = 2.22
    assert smallest_visible([1, 2, 3], 16, Scale.DIFFERENCE, Direction.LOWER) == pytest.approx(2.22)


def test_smallest_visible_is_a_fraction_of_the_incumbent():
    """Breaks if a logarithm is shown as a share: nothing can fall by 118 %."""
    # shift 3 * 1.48 * 1 / 4 = 1.11: e^-1.11 = .3296, e^1.11 = 3.0344
    assert smallest_visible([1.0], 16, Scale.RATIO, Direction.LOWER) == pytest.approx(
        0.670, abs=0.001
    )
    assert smallest_visible([1.0], 16, Scale.RATIO, Direction.HIGHER) == pytest.approx(
        2.034, abs=0.001
    )


def test_coarse_values_do_not_promise_to_see_everything():
    """Breaks if a median of 0 (quantised values) claims that any gain is visible."""
    # mean .25: 3 * 1.25 * .25 / 2
    assert smallest_visible([0, 0, 0, 1], 4, Scale.DIFFERENCE, Direction.LOWER) == 0.46875


def test_unknown_noise_is_none():
    """Breaks if an empty pool is taken for no noise."""
    assert smallest_visible([], 4, Scale.RATIO, Direction.LOWER) is None


def test_a_race_that_spreads_more_than_the_pool_sees_less():
    """Breaks if a race among bursts claims what calibration promised, or a gain is noise."""
    # deviations from the median 5: 4, 0, 4: 3 * 1.48 * 4 / 2
    for pool in ((), (1, 1, 1)):
        assert smallest_visible(
            pool, 4, Scale.DIFFERENCE, Direction.LOWER, gains=[1, 5, 9]
        ) == pytest.approx(8.88)
    quieter = smallest_visible([1], 4, Scale.DIFFERENCE, Direction.LOWER, gains=[7, 7, 7])
    assert quieter == pytest.approx(2.22)


def test_a_single_pair_has_no_spread():
    """Breaks if one pair is taken for a race without noise."""
    assert smallest_visible([], 4, Scale.RATIO, Direction.LOWER, gains=[0.1]) is None


def test_runs_of_one_arm_are_compared_across_the_other():
    """A race of three pairs that knows hardly a difference of its own."""
    found = same_code_differences(
        "abbaab", [10, 20, 22, 13, 10, 30], Scale.DIFFERENCE, arms=tuple(Arm)
    )
    assert found == (3, 3, 2, 8)  # a: 10, 13, 10; then b: 20, 22, 30
