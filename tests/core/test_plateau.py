"""Whether further experiments are worth it."""

from __future__ import annotations

import pytest
from autoresearch.core.budget import outlook
from hypothesis import given
from hypothesis import strategies as st


def look(keeps, gains=(), *, alpha=0.02, min_effect=0.0):
    return outlook(keeps, gains, alpha=alpha, min_effect=min_effect)


def test_before_the_first_experiment_the_prior_speaks():
    """Breaks if the prior of one keep in ten changes."""
    first = look([])
    assert first.next_keep == pytest.approx(0.1)
    assert first.next_real == pytest.approx(0.08)
    assert (first.expected_gain, first.stop, first.reason) == (None, False, "")


def test_newer_experiments_weigh_more():
    """Breaks if the order of experiments is read backwards."""
    # a = .5 + 1 (newest kept) = 1.5, b = 4.5 + .95 = 5.45
    assert look([False, True], [0.1]).next_keep == pytest.approx(1.5 / 6.95)
    # a = .5 + .95, b = 4.5 + 1
    assert look([True, False], [0.1]).next_keep == pytest.approx(1.45 / 6.95)


def test_chance_of_a_keep_soon():
    """Breaks if the next ten are counted as nine or eleven, or as independent."""
    # no keep in 10 = prod (4.5 + j) / (5 + j), j = 0..9
    #   = 4.5/5 * 5.5/6 * ... * 13.5/14 = .580...
    none = 1.0
    for top in (4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5, 12.5, 13.5):
        none *= top / (top + 0.5)
    assert look([]).keep_soon == pytest.approx(1 - none)


def test_twenty_discards_advise_to_stop():
    """Breaks if a dead session goes on, or a young one is stopped."""
    assert look([False] * 19).stop is False
    tired = look([False] * 20)
    # b = 4.5 + (1 - .95^20) / .05 = 17.33: no keep in 10 has a chance of .79
    assert tired.stop is True
    assert tired.reason == "a keep in the next 10 experiments has a chance of 21%"


def test_gains_below_min_effect_advise_to_stop():
    """Breaks if many tiny keeps count as progress; only the last five gains speak."""
    keeps = [True, False] * 10
    gains = [0.5] * 5 + [0.002] * 5
    stop = look(keeps, gains, min_effect=0.01)
    assert stop.reason == "the gain to expect from one experiment is below min_effect"
    assert stop.expected_gain == pytest.approx(0.002 * stop.next_keep)
    assert look(keeps, gains[::-1], min_effect=0.01).stop is False
    assert look(keeps, gains, min_effect=0.0).stop is False


@given(st.lists(st.booleans(), max_size=60))
def test_chances_are_chances_and_a_keep_raises_them(keeps):
    """Breaks if a probability leaves 0..1 or a keep lowers hope."""
    kept, lost = look([*keeps, True], [0.1]), look([*keeps, False])
    for one in (kept, lost):
        assert 0 <= one.next_real <= one.next_keep <= one.keep_soon <= 1
    assert kept.next_keep > lost.next_keep
