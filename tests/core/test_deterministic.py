"""Metrics that never vary."""

from __future__ import annotations

import pytest
from autoresearch.core.decision import Rule
from autoresearch.core.exact import deterministic_step
from autoresearch.core.model import Arm, Direction, Effect, Reason, Scale
from support.pairs import lower


def step(recorded, *values, loss_allowed=None, **policy):
    return deterministic_step(recorded, values, lower(20, **policy), loss_allowed=loss_allowed)


def test_candidate_runs_first():
    """Breaks if an incumbent run is wasted on a candidate that may be worse."""
    assert step(100).next_arm is Arm.CANDIDATE


@pytest.mark.parametrize(("value", "detail"), [(100, "exactly equal"), (103, "exactly 3 % worse")])
def test_one_run_discards(value, detail):
    """Breaks if a candidate that is no better costs a second run."""
    decision = step(100, value).decision
    assert (decision.keep, decision.reason, decision.detail) == (False, Reason.WORSE, detail)
    assert (decision.rule, decision.pairs) == (Rule.DETERMINISTIC, 0)


def test_better_candidate_repeats_then_the_incumbent():
    """Breaks if a keep is given before both programs repeated their value."""
    assert step(100, 90).next_arm is Arm.CANDIDATE
    assert step(100, 90, 90).next_arm is Arm.INCUMBENT


def test_three_runs_keep():
    """Breaks if an exact gain is not kept, or its effect is blurred."""
    decision = step(100, 90, 90, 100).decision
    exact = Effect(scale=Scale.RATIO, change=-0.1, low=-0.1, high=-0.1, level=1.0)
    assert (decision.ended, decision.keep, decision.reason) == (True, True, None)
    assert (decision.effect, decision.pairs) == (exact, 1)


@pytest.mark.parametrize("values", [(90, 91), (90, 90, 101)])
def test_any_variation_switches_the_path_off(values):
    """Breaks if a noisy metric is still taken for exact."""
    assert step(100, *values) == (None, None, True)


@pytest.mark.parametrize(("value", "keeps"), [(99, False), (98, True)])
def test_min_effect_must_be_exceeded(value, keeps):
    """Breaks if rounding of logarithms lets a gain of exactly min_effect through."""
    answer = step(100, value, min_effect=0.01)
    assert (answer.next_arm is Arm.CANDIDATE) is keeps
    if not keeps:
        assert answer.decision.detail == "exactly 1 % better, but not by more than min_effect"


def test_higher_is_better_turns_the_sign():
    """Breaks if a rising metric is judged as a falling one."""
    assert step(100, 101, direction=Direction.HIGHER).next_arm is Arm.CANDIDATE
    assert step(100, 99, direction=Direction.HIGHER).decision.reason is Reason.WORSE


def test_zero_is_compared_in_units():
    """Breaks if a count that reaches 0 is divided by."""
    decision = step(2, 0, 0, 2).decision
    assert decision.effect == Effect(scale=Scale.DIFFERENCE, change=-2, low=-2, high=-2, level=1.0)
    assert step(0, 3).decision.detail == "exactly 3 worse"


def test_relative_min_effect_cannot_judge_a_difference():
    """Breaks if 1 % is compared with 2 units."""
    assert step(2, 0, min_effect=0.01).decision.reason is Reason.WORSE


@pytest.mark.parametrize(("value", "keeps"), [(100, True), (101, True), (102, False)])
def test_simplification_may_lose_less_than_allowed(value, keeps):
    """Breaks if simpler code must be faster, or may lose all that is allowed and more."""
    assert (step(100, value, loss_allowed=0.02).decision is None) is keeps


def test_simplification_without_allowance_must_gain():
    """Breaks if used-up allowance still buys an equal candidate at a loss."""
    assert step(100, 100, loss_allowed=0.0).decision.detail == "exactly equal"
