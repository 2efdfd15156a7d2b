"""The label-swap test, its estimate and its interval."""

from __future__ import annotations

import math
from itertools import product
from random import Random

import pytest
from autoresearch.core import stats
from autoresearch.core.model import Direction, Scale
from hypothesis import given
from hypothesis import strategies as st
from support.pairs import noisy, paired

SCORES = st.lists(st.integers(-20, 20), min_size=1, max_size=7)
VALUES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=9)


def test_ties_share_their_mean_rank():
    """Breaks if ties get the ranks of their positions, which would favour one arm."""
    # ranks 1, 4, 2.5, 2.5, doubled
    assert stats.doubled_ranks([10.0, 30.0, 20.0, 20.0]) == [2, 8, 5, 5]


def test_scores_are_joint_rank_differences():
    """Breaks if ranks are taken within pairs or arms instead of over all values."""
    # values 3 1 4 2 have ranks 3 1 4 2: both differences are 2, reduced to 1
    assert stats.swap_scores(paired([3, 4], [1, 2]), Direction.LOWER) == [1, 1]
    assert stats.swap_scores(paired([3, 4], [1, 2]), Direction.HIGHER) == [-1, -1]
    # values 1 1 9 2: doubled ranks 3 3 8 6, differences 0 and 2
    assert stats.swap_scores(paired([1, 9], [1, 2]), Direction.LOWER) == [0, 1]


def test_all_tied_is_no_evidence():
    """Breaks if ties count for either side or divide by zero."""
    scores = stats.swap_scores(paired([5, 5], [5, 5]), Direction.LOWER)
    assert scores == [0, 0]
    assert stats.tail_probability(scores) == 1.0
    assert stats.standardised(scores) == 0.0


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([3, 1, 2], 1 / 8),  # only the observed labels reach 6
        ([3, -1, 2], 2 / 8),  # 4 is reached by 3 + 1 + 2 and 3 - 1 + 2
        ([-1], 1.0),
        ([0, 2], 2 / 4),  # the tied pair's labels do not matter
    ],
)
def test_tail_is_counted_exactly(scores, expected):
    """Breaks if swaps as good as the observed one are left out, or the sign is turned."""
    assert stats.tail_probability(scores) == expected


@given(SCORES)
def test_tail_equals_brute_force(scores):
    """Breaks if the packed polynomial loses or doubles a label swap."""
    swaps = product((1, -1), repeat=len(scores))
    sums = [sum(s * abs(v) for s, v in zip(signs, scores, strict=True)) for signs in swaps]
    expected = sum(total >= sum(scores) for total in sums) / 2 ** len(scores)
    assert stats.tail_probability(scores) == expected


@given(SCORES, st.floats(0, 1))
def test_largest_tail_is_attained_and_affordable(scores, budget):
    """Breaks if a look spends more than its budget, or less than it could."""
    swaps = product((1, -1), repeat=len(scores))
    sums = [sum(s * abs(v) for s, v in zip(signs, scores, strict=True)) for signs in swaps]
    tails = {sum(other >= total for other in sums) / len(sums) for total in set(sums)}
    affordable = [tail for tail in tails if tail <= budget]
    assert stats.largest_tail(scores, budget) == max(affordable, default=0.0)


def test_largest_tail_literals():
    """Breaks if the budget itself is not affordable, or rounding goes up."""
    # sums of 1, 2, 4 are eight different ones: tails 1/8, 2/8, ...
    assert stats.largest_tail([1, 2, 4], 0.25) == 0.25
    assert stats.largest_tail([1, 2, 4], 0.2) == 0.125
    assert stats.largest_tail([1, 2, 4], 0.1) == 0.0
    assert stats.largest_tail([1, 2, 4], 1.0) == 1.0


def test_hundred_pairs_are_counted_to_the_last_swap():
    """Breaks if slots overflow or floats creep into counts of 2^100."""
    assert stats.tail_probability([1] * 100) == 2.0**-100
    assert stats.tail_probability([1] * 99 + [-1]) == 101 * 2.0**-100


def test_standardised_is_sum_over_root_of_squares():
    """Breaks if the variance is taken around the mean, which the null does not have."""
    assert stats.standardised([3, 4]) == 7 / 5


def test_estimate_is_the_median_of_all_differences():
    """Breaks if only differences within pairs are used."""
    # 11 - 10, 15 - 10, 11 - 12, 15 - 12 = 1 5 -1 3
    assert stats.estimate_change(paired([10, 12], [11, 15]), Scale.DIFFERENCE) == 2


def test_estimate_on_ratio_is_a_fraction():
    """Breaks if a logarithm leaks out."""
    assert stats.estimate_change(paired([100, 100], [50, 50]), Scale.RATIO) == pytest.approx(-0.5)


@given(VALUES, st.integers(-50, 50))
def test_estimate_moves_with_the_candidate(values, shift):
    """Breaks if the estimate is not shift-equivariant."""
    before, after = zip(*values, strict=True)
    base = stats.effect_of(paired(before, after), Scale.DIFFERENCE)
    moved = stats.effect_of(paired(before, [b + shift for b in after]), Scale.DIFFERENCE)
    assert moved.change == pytest.approx(base.change + shift)
    assert moved.low == pytest.approx(base.low + shift)
    assert moved.high == pytest.approx(base.high + shift)


@given(VALUES, st.sampled_from([0.001, 0.5, 3.0, 1e6]))
def test_ratio_ignores_the_unit(values, unit):
    """Breaks if milliseconds and seconds give different effects."""
    before, after = zip(*values, strict=True)
    base = stats.effect_of(paired(before, after), Scale.RATIO)
    scaled = stats.effect_of(
        paired([a * unit for a in before], [b * unit for b in after]), Scale.RATIO
    )
    for name in ("change", "low", "high", "level"):
        assert getattr(scaled, name) == pytest.approx(getattr(base, name), abs=1e-9)


@given(VALUES, st.randoms())
def test_order_of_pairs_does_not_matter(values, rng):
    """Breaks if the estimate depends on when a pair ran."""
    shuffled = list(values)
    rng.shuffle(shuffled)
    first = stats.effect_of(paired(*zip(*values, strict=True)), Scale.DIFFERENCE)
    second = stats.effect_of(paired(*zip(*shuffled, strict=True)), Scale.DIFFERENCE)
    assert first == second


@given(VALUES)
def test_swapping_the_arms_mirrors_the_effect(values):
    """Breaks if one bound is computed by another rule than the other."""
    before, after = zip(*values, strict=True)
    there = stats.effect_of(paired(before, after), Scale.DIFFERENCE)
    back = stats.effect_of(paired(after, before), Scale.DIFFERENCE)
    assert (back.change, back.low, back.high) == (-there.change, -there.high, -there.low)


def test_single_pair_has_no_confidence():
    """Breaks if one pair claims an interval."""
    effect = stats.effect_of(paired([100], [97]), Scale.DIFFERENCE)
    assert (effect.change, effect.low, effect.high, effect.level) == (-3, -3, -3, 0.0)


@pytest.mark.parametrize(("pairs", "level"), [(2, 0.5), (3, 0.75), (5, 0.9375)])
def test_few_pairs_carry_their_range_and_honest_level(pairs, level):
    """Breaks if too few pairs are sold as 95 %."""
    before = [100 * n for n in range(1, pairs + 1)]
    after = [value + step for step, value in enumerate(before, start=1)]
    effect = stats.effect_of(paired(before, after), Scale.DIFFERENCE)
    assert (effect.low, effect.high, effect.level) == (1, pairs, level)


def test_six_pairs_reach_95_percent():
    """Breaks if the inversion stops a step early or late."""
    # Changes 1 .. 6. Beyond 6 all six scores agree: p = 1/64 <= .025, rejected. Between 5 and 6
    # one score of six equal ones turns: p = 7/64, not rejected. So the bound is 6, by symmetry 1.
    before = [100, 200, 300, 400, 500, 600]
    effect = stats.effect_of(
        paired(before, [value + step for step, value in enumerate(before, start=1)]),
        Scale.DIFFERENCE,
    )
    assert (effect.low, effect.high, effect.level) == (1, 6, 0.95)


def test_equal_values_have_an_interval_of_nothing():
    """Breaks if the search for a bound needs two different shifts."""
    effect = stats.effect_of(paired([7] * 8, [7] * 8), Scale.DIFFERENCE)
    assert (effect.change, effect.low, effect.high) == (0, 0, 0)


def test_value_that_is_not_positive_turns_to_differences():
    """Breaks if a zero is forced into a logarithm."""
    effect = stats.effect_of(paired([2, 2], [0, 1]), Scale.RATIO)
    assert (effect.scale, effect.change) == (Scale.DIFFERENCE, -1.5)


def test_extreme_values_stay_finite():
    """Breaks if a difference of huge values overflows into an invalid effect."""
    assert stats.effect_of(paired([-1.5e308], [1.5e308]), Scale.DIFFERENCE).change == 1.7e308
    assert math.isfinite(stats.effect_of(paired([1e-300], [1e300]), Scale.RATIO).high)


def test_normal_approximation_agrees_with_the_exact_bound(monkeypatch):
    """Breaks if the approximation above 30 pairs is turned or scaled wrongly."""
    pairs = noisy(Random(5), 40, gain=0.03, spread=0.05)
    near = stats.effect_of(pairs, Scale.RATIO)
    monkeypatch.setattr(stats, "EXACT_PAIRS", 100)
    exact = stats.effect_of(pairs, Scale.RATIO)
    assert near.low == pytest.approx(exact.low, abs=0.001)
    assert near.high == pytest.approx(exact.high, abs=0.001)


def test_bounds_hold_as_often_as_they_say():
    """Breaks if the interval is much too narrow or too wide: 300 of 300 would be too wide."""
    rng = Random(11)
    held = 0
    for _ in range(300):
        effect = stats.effect_of(noisy(rng, 12, gain=0.03, spread=0.05), Scale.RATIO)
        held += effect.low <= -0.03 <= effect.high
    assert 275 <= held <= 297  # 95 % of 300 is 285, standard deviation 3.8
