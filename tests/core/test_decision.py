"""Policies and what an interval proves."""

from __future__ import annotations

import pytest
from autoresearch.core.decision import amount, gain_of, is_proven_better, is_proven_worse
from autoresearch.core.model import Direction, Effect, Scale
from support.pairs import lower


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"alpha": 0.0}, "alpha must lie between 0 and 1, got 0.0"),
        ({"alpha": 1.0}, "alpha must lie"),
        ({"pairs": 0}, "pairs must be at least 1, got 0"),
        ({"min_effect": -0.1}, "min_effect must be finite and not negative, got -0.1"),
        ({"min_effect": float("nan")}, "min_effect must be finite"),
    ],
)
def test_impossible_policy_is_refused(wrong, message):
    """Breaks if a race can be run under rules that mean nothing."""
    with pytest.raises(ValueError, match=message):
        lower(**{"pairs": 20, **wrong})


def effect(low, high, level):
    return Effect(scale=Scale.RATIO, change=low, low=low, high=high, level=level)


@pytest.mark.parametrize(
    ("low", "high", "level", "better", "worse"),
    [
        (-0.02, -0.01, 0.95, True, False),
        (0.01, 0.02, 0.95, False, True),
        (-0.01, 0.01, 0.95, False, False),
        (-0.01, 0.0, 0.95, False, False),
        (0.0, 0.01, 0.95, False, False),
        (0.01, 0.02, 0.9375, False, False),
        (-0.02, -0.01, 0.5, False, False),
    ],
)
def test_only_a_95_percent_interval_proves(low, high, level, better, worse):
    """Breaks if two pairs that happen to agree are called proof, or touching zero is."""
    one = effect(low, high, level)
    assert is_proven_better(one, Direction.LOWER) is better
    assert is_proven_worse(one, Direction.LOWER) is worse
    assert is_proven_better(one, Direction.HIGHER) is worse
    assert is_proven_worse(one, Direction.HIGHER) is better


def test_gain_is_positive_where_better():
    """Breaks if effects and gains are mixed up."""
    assert gain_of(effect(-0.02, 0, 0.95), Direction.LOWER) == 0.02
    assert gain_of(effect(-0.02, 0, 0.95), Direction.HIGHER) == -0.02


def test_amounts_in_words():
    """Breaks if a unit is shown as per cent."""
    assert amount(0.0234, Scale.RATIO) == "2.3 %"
    assert amount(0.0234, Scale.DIFFERENCE) == "0.023"
