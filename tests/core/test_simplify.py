"""Simpler code at next to no loss."""

from __future__ import annotations

from random import Random

import pytest
from autoresearch.core.decision import Rule
from autoresearch.core.limits import judge_simplify, loss_bound
from autoresearch.core.model import Direction, Effect, Reason, Scale
from support.pairs import climbing, lower, noisy, paired


def judged(pairs, *, carried=0.0, allowed=0.01, **policy):
    return judge_simplify(pairs, lower(20, rule=1, **policy), [], carried=carried, allowed=allowed)


def test_equal_speed_is_kept():
    """Breaks if simpler code must be faster."""
    decision = judged(climbing([0.0] * 8))
    assert (decision.keep, decision.rule, decision.pairs) == (True, Rule.LOOK, 8)
    assert decision.effect.change == 0
    assert decision.detail == "simpler, and proven to cost less than --simplify allows"


def test_loss_beyond_the_allowance_is_dropped():
    """Breaks if simplicity may cost more than the contract says."""
    decision = judged(climbing([0.02] * 8))
    assert (decision.keep, decision.pairs, decision.reason) == (False, 4, Reason.UNDECIDED)
    assert decision.detail == "not shown to cost less than --simplify allows"


def test_plain_loss_is_called_worse():
    """Breaks if the agent is told to try a clearly slower simplification again."""
    pairs = paired([100, 100], [110, 110])
    decision = judge_simplify(pairs, lower(11, rule=1), [0.001] * 2, carried=0.0, allowed=0.01)
    assert (decision.reason, decision.detail) == (
        Reason.WORSE,
        "loses more than --simplify allows",
    )
    assert decision.effect.change == pytest.approx(0.1)


def test_earlier_simplifications_use_up_the_allowance():
    """Breaks if each simplification gets the whole allowance."""
    assert judged(climbing([0.004] * 8)).keep is True
    assert judged(climbing([0.004] * 8), carried=0.008).keep is False
    spent = judged([], carried=0.01)
    assert (spent.ended, spent.keep, spent.reason) == (True, False, Reason.LIMITS)
    assert (spent.effect, spent.detail) == (
        None,
        "earlier simplifications have used up the allowed loss",
    )


def test_undecided_race_goes_on():
    """Breaks if a simplification is decided before a look is due."""
    assert judged(climbing([0.0] * 3)).ended is False


def test_min_effect_does_not_apply():
    """Breaks if simplifications must gain what other keeps must."""
    assert judged(climbing([0.0] * 8), min_effect=0.05).keep is True


def test_higher_is_better():
    """Breaks if the allowance is given to the wrong arm."""
    policy = {"direction": Direction.HIGHER}
    assert judged(climbing([-0.004] * 8), **policy).keep is True
    assert judged(climbing([-0.02] * 8), **policy).keep is False
    assert judged(climbing([-0.5] * 8), allowed=7.0, **policy).keep is True


@pytest.mark.parametrize("direction", list(Direction))
def test_differences_use_the_metrics_unit(direction):
    """Breaks if a score around zero gets no allowance, or the wrong sign of it."""
    sign = 1 if direction is Direction.LOWER else -1
    base = [-3.0, 5.0, -7.0, 9.0] * 2
    policy = {"scale": Scale.DIFFERENCE, "direction": direction, "allowed": 1.0}
    assert judged(paired(base, [a + sign * 0.5 for a in base]), **policy).keep is True
    assert judged(paired(base, [a + sign * 1.5 for a in base]), **policy).keep is False


def test_fraction_becomes_units_where_a_value_is_zero():
    """Breaks if 1 % is taken as 0.01 units once a value reaches 0."""
    # the incumbent's median is 100: 1 % is one unit
    incumbent = [100.0] * 8
    assert judged(paired(incumbent, [100.5] * 7 + [0.0])).keep is True
    assert judged(paired(incumbent, [101.5] * 7 + [0.0])).keep is False


@pytest.mark.parametrize(
    ("direction", "low", "high", "expected"),
    [
        (Direction.LOWER, -0.01, 0.02, 0.02),
        (Direction.HIGHER, -0.01, 0.02, 0.01),
        (Direction.LOWER, -0.03, -0.01, 0.0),
        (Direction.HIGHER, 0.01, 0.03, 0.0),
    ],
)
def test_loss_bound(direction, low, high, expected):
    """Breaks if a simplification that was faster pays for later losses."""
    effect = Effect(scale=Scale.RATIO, change=low, low=low, high=high, level=0.95)
    assert loss_bound(effect, direction) == expected


def test_losing_twice_the_allowance_rarely_passes():
    """Breaks if the non-inferiority race lets more than alpha through."""
    rng = Random(9)
    passed = sum(judged(noisy(rng, 20, gain=-0.01, spread=0.01)).keep for _ in range(200))
    assert passed <= 9  # at the very limit 2 % may pass: 4, standard deviation 2
