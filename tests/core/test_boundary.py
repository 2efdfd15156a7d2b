"""The boundary that a race must cross: exact over all its looks, blind to labels, repeatable."""

from __future__ import annotations

from hashlib import shake_256
from random import Random

import pytest
from autoresearch.core import boundary
from autoresearch.core.model import Arm
from hypothesis import given, settings
from hypothesis import strategies as st


def drawn(rng, pairs):
    """Who opens so many pairs."""
    firsts = []
    for _ in range(pairs):
        firsts.append(boundary.opener(rng.getrandbits(1), firsts, pairs))
    return firsts


def raced(scores, firsts, *, alpha=0.1, seed=1, every=2):
    """The boundary at every second look of a race, the last one included."""
    found, last = [], boundary.start(boundary.draws(alpha))
    for pairs in range(4, len(scores) + 1, every):
        last = boundary.look(
            last, scores[:pairs], firsts[:pairs], planned=len(scores), alpha=alpha, seed=seed
        )
        found.append(last)
    return found


def ranked(rng, firsts, *, slower_first=0.0, gain=0.0):
    """Scores of pairs whose first run is slower by so much; a gain makes the candidate better."""
    scores = []
    for first in firsts:
        lead = rng.gauss(gain, 1) + (slower_first if first is Arm.INCUMBENT else -slower_first)
        scores.append(round(100 * lead))
    return scores


@pytest.fixture
def coarse(monkeypatch):
    """A boundary from few orders: as exact, and quick."""
    monkeypatch.setattr(boundary, "_DRAWS", 256)
    monkeypatch.setattr(boundary, "_WANTED", 1)


@pytest.mark.parametrize("slower_first", [0.0, 3.0])
def test_worthless_candidates_cross_as_often_as_alpha(coarse, slower_first):
    """A level that adds up over the looks, or a run's place in its pair that counts as a gain."""
    rng, crossed = Random(7), 0
    for number in range(1000):
        firsts = drawn(rng, 10)
        scores = ranked(rng, firsts, slower_first=slower_first)
        crossed += any(it.own for it in raced(scores, firsts, seed=number))
    assert 0.07 < crossed / 1000 < 0.13


def test_gain_crosses(coarse):
    """A boundary that nobody reaches is as exact, and of no use."""
    rng, crossed = Random(8), 0
    for number in range(200):
        firsts = drawn(rng, 20)
        scores = ranked(rng, firsts, gain=1.2)
        crossed += any(it.own for it in raced(scores, firsts, seed=number))
    assert crossed > 190


def test_no_more_cross_than_alpha_affords():
    """An order that crosses at two looks and is counted twice, or ties that cross together."""
    rng = Random(9)
    firsts = drawn(rng, 24)
    number = boundary.draws(0.1)
    looks = raced([10] * 24, firsts) + raced(ranked(rng, firsts), firsts)
    assert all(it.crossed <= 0.1 * number for it in looks)
    assert looks[-1].crossed > 0.09 * number


@given(st.lists(st.integers(-50, 50), min_size=6, max_size=16), st.integers(0, 99))
@settings(max_examples=40)
def test_own_order_crosses_where_its_share_is_small_enough(scores, seed):
    """A p-value and a limit in the answer that say the opposite of the verdict."""
    firsts = drawn(Random(seed), len(scores))
    for found in raced(scores, firsts, alpha=0.3, seed=seed):
        if found.own:
            assert found.p_value <= found.needed
        assert 0 < found.p_value <= 1


def test_nothing_is_affordable_at_an_early_look():
    """A share below one order that lets one through."""
    firsts = drawn(Random(3), 100)
    first = boundary.look(
        boundary.start(8192), [9] * 4, firsts[:4], planned=100, alpha=0.02, seed=3
    )
    assert (first.own, first.needed, first.crossed) == (False, 0.0, 0)


def test_swapped_labels_change_only_the_own_lead():
    """A boundary that sees which program is which."""
    rng = Random(4)
    firsts = drawn(rng, 12)
    scores = ranked(rng, firsts)
    swapped = raced([-it for it in scores], [it.other for it in firsts])
    for one, two in zip(raced(scores, firsts), swapped, strict=True):
        assert one.crossed - one.own == pytest.approx(two.crossed - two.own, abs=1)


def test_made_up_orders_are_drawn_as_the_races_own():
    """Orders that the race itself could not have had, or another chance for each."""
    number = 64
    columns = [boundary._values(column, number) for column in boundary._orders(5, 30, number)]
    drawn = shake_256(b"autoresearch orders 5").digest(30 * (number - 1))
    coins = [drawn[63 * pair : 63 * (pair + 1)] for pair in range(30)]
    for lane in range(number - 1):
        firsts = []
        for pair in range(30):
            firsts.append(boundary.opener(coins[pair][lane] & 1, firsts, 30))
        opened = [int(first is Arm.CANDIDATE) for first in firsts]
        assert [column[lane + 1] for column in columns] == opened
    assert all(column[0] == 0 for column in columns)


def test_stick_ends_a_run_of_equal_coins():
    """Eight coins that all fall the same way."""
    firsts = []
    for _ in range(8):
        firsts.append(boundary.opener(1, firsts, 12))
    assert firsts[:4] == [Arm.CANDIDATE] * 3 + [Arm.INCUMBENT]
    ahead = [sum(1 if it is Arm.CANDIDATE else -1 for it in firsts[:n]) for n in range(9)]
    assert max(ahead) == boundary.STICK
    firsts = []
    for _ in range(8):
        firsts.append(boundary.opener(0, firsts, 12))
    assert firsts[3] is Arm.CANDIDATE


def test_stricter_races_draw_more_orders():
    """A level of one in a thousand that rests on eight orders."""
    assert [boundary.draws(it) for it in (0.05, 0.02, 0.01, 0.001, 1e-9)] == [
        8192, 8192, 16384, 65536, 65536,
    ]  # fmt: skip
