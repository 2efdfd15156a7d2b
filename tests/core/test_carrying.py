"""Whether gains carry over to a larger workload."""

from __future__ import annotations

import math
from random import Random

import pytest
from autoresearch.core.carrying import (
    TIP_RUNS,
    judged,
    log_gain,
    next_round,
    noise_of_a_run,
    ratio_of,
)
from autoresearch.core.model import Arm, Direction, Effect, Pair, Scale


def effect(change, low, high, scale=Scale.RATIO):
    return Effect(scale=scale, change=change, low=low, high=high, level=0.95)


def test_ratio_holds_every_pair_of_gains_within_their_intervals():
    """A ratio without its doubt, or one over a gain that may be none."""
    small, large = effect(-0.10, -0.12, -0.08), effect(-0.05, -0.06, -0.04)
    found = ratio_of(large, small, Direction.LOWER)
    assert found.value == pytest.approx(math.log(0.95) / math.log(0.90))
    assert found.low == pytest.approx(math.log(0.96) / math.log(0.88))
    assert found.high == pytest.approx(math.log(0.94) / math.log(0.92))
    higher = ratio_of(effect(0.05, 0.04, 0.06), effect(0.1, 0.08, 0.12), Direction.HIGHER)
    assert higher.low < higher.value < higher.high
    assert ratio_of(large, effect(-0.1, -0.2, 0.01), Direction.LOWER) is None
    assert ratio_of(effect(-5, -6, -4, Scale.DIFFERENCE), small, Direction.LOWER) is None


def test_a_metric_brought_to_nothing_has_a_finite_gain():
    """A logarithm of zero."""
    assert math.isfinite(log_gain(-1.0, Direction.LOWER))


def test_noise_of_a_run_is_that_of_a_pair_over_the_root_of_two():
    """A noise that is another's, so that keeps are decided too early."""
    pairs = [Pair(incumbent=100.0, candidate=value, first=Arm.INCUMBENT) for value in (98, 102)]
    assert noise_of_a_run(pairs) == pytest.approx(math.log(102 / 98) / 2 / math.sqrt(2))


def test_who_is_decided_is_asked_no_more_and_the_likeliest_come_first():
    """Runs that are spent on what is known, or on the keeps that surely carry over."""
    expected = {1: 0.10, 2: 0.05, 3: 0.08}
    assert next_round({}, expected, 0.01, 20) == (2, 3, 1)
    assert next_round({}, expected, 0.01, TIP_RUNS + 1) == (2,)
    assert next_round({}, expected, 0.01, 1) == ()
    known = {1: [0.1], 2: [0.02], 3: [0.0]}
    assert judged([0.0], 0.08, 0.01).stays
    assert not judged([0.1], 0.10, 0.01).stays
    assert next_round(known, expected, 0.01, 20) == (2,)


def named(seed, noise=0.02, keeps=10, staying=(2, 5, 6, 9), gain=0.05):
    """How many of ten planted keeps are named right within a fifth of the runs of ten races."""
    rng = Random(seed)
    expected = {number: -math.log1p(-gain) for number in range(1, keeps + 1)}
    known, runs = {}, keeps * 24 // 5
    while chosen := next_round(known, expected, noise, runs):
        tip = sum(rng.gauss(0, noise) for _ in range(TIP_RUNS)) / TIP_RUNS
        for number in chosen:
            truth = 0.0 if number in staying else expected[number]
            known.setdefault(number, []).append(truth + rng.gauss(0, noise) - tip)
        runs -= TIP_RUNS + len(chosen)
    answers = {
        number: judged(told, expected[number], noise).stays for number, told in known.items()
    }
    return sum(answers[number] is (number in staying) for number in expected)


def test_planted_keeps_are_named_right_at_a_fifth_of_the_cost():
    """Keeps that carry over named as those that do not, or the other way round."""
    found = [named(seed) for seed in range(40)]
    assert sum(right >= 9 for right in found) >= 38
