"""When a race looks, and what it spends."""

from __future__ import annotations

import pytest
from autoresearch.core import race, spending
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("alpha", "planned", "expected"),
    [
        (0.02, 20, race.Landslide(4, 7, 1 / 5280)),  # 2^-4 / C(11, 4) = 1/16/330
        (0.02, 422, race.Landslide(4, 7, 1 / 5280)),  # .02 * 4 / 422 = .0001896 > .0001894
        (0.02, 423, None),
        (0.01, 211, race.Landslide(4, 7, 1 / 5280)),  # half the level, half the pairs
        (0.0001, 100, None),
    ],
)
def test_landslide_is_looked_for_where_it_is_affordable(alpha, planned, expected):
    """Breaks if a landslide is given away, or spends more than the look's share."""
    assert race.landslide(alpha, planned) == expected


@pytest.mark.parametrize(
    ("planned", "expected"),
    [
        (6, {6}),
        (20, {8, 12, 16, 20}),
        (21, {8, 12, 16, 20, 21}),
        (59, {8, 12, 16, 20, 24, 32, 40, 59}),
        (60, {12, 20, 32, 48, 60}),
        (100, {12, 20, 32, 48, 72, 100}),
    ],
)
def test_keep_looks(planned, expected):
    """Breaks if a look is added, lost, or N itself is none."""
    assert spending.keep_looks(planned) == expected


@pytest.mark.parametrize(
    ("pairs", "level", "known", "expected"),
    [
        # two thirds of 5, 6, 8, 9 count: 3, 4, 5, 6
        (2, 0.02, 5, None),  # .25 / C(5, 2) = .025
        (2, 0.02, 6, 0),  # N = 2: .25 / C(6, 2) = .0167
        (2, 0.01, 8, None),  # .25 / C(7, 2) = .0119
        (2, 0.01, 9, 0),  # N = 3, second pair: .25 / C(8, 2) = .0089
        (2, 0.01, 30, 2),  # 20 count: .25 * C(4, 2) / C(22, 2) = .0065; C(5, 2) gives .0108
        (3, 0.01, 4, None),  # 2 count: .125 / C(5, 3) = .0125
        (3, 0.01, 5, 0),  # N = 3, third pair: .125 / C(6, 3) = .00625
        (3, 0.01, 30, 7),  # .125 * C(10, 3) / C(23, 3) = .0085; C(11, 3) gives .0116
        (1, 0.02, 24, 0),  # one pair, where all count: .5 / 25 = .02
        (1, 0.02, 23, None),
        (6, 0.02, 9, 9),  # 1/64 needs no help
    ],
)
def test_differences_that_a_gain_need_not_exceed(pairs, level, known, expected):
    """Breaks if a short race asks for too little, or one spike of the noise forbids every keep."""
    assert race.may_be_above(pairs, level, known) == expected


@given(st.integers(1, 5), st.sampled_from([0.004, 0.01, 0.02, 0.05]), st.integers(0, 40))
def test_fewer_known_differences_never_ask_for_less(pairs, level, known):
    """Breaks if knowing less makes a keep easier: fail closed."""
    fewer, more = (race.may_be_above(pairs, level, some) for some in (known, known + 1))
    must_exceed = known - fewer if fewer is not None else None
    if more is None:
        assert fewer is None
    elif must_exceed is not None:
        # the share of known differences to exceed does not grow by more than the one added
        assert known + 1 - more <= must_exceed + 1


def test_chance_of_standing_out_counts_the_orders():
    """Breaks if the probability of a landslide is not that of the orders it has."""
    # of 2 gains and 3 differences: C(5, 2) = 10 orders; with one above at most, 3 have the gains
    # first and second, first and third, or second and third
    assert race.level_of_beating(2, 3) == 0.25 / 10
    assert race.level_of_beating(2, 3, 1) == 0.25 * 3 / 10
    assert race.level_of_beating(2, 3, 3) == 0.25


@pytest.mark.parametrize(
    ("alpha", "planned", "expected"),
    [
        (0.02, 5, True),
        (0.02, 6, False),  # 1/64 = .0156 <= .02 - .0018
        (0.05, 5, True),  # by the letter of the rule, though 1/32 < .05
        (0.0157, 6, True),  # .0156 <= .0157, but the landslide takes .0002 of it
        (0.016, 6, False),
        (0.01, 6, True),  # a retest: .0156 > .01
        (0.01, 7, False),  # 1/128 = .0078 <= .01 - .0018
        (0.0001, 14, False),  # no landslide affordable; 2^-14 = .00006
    ],
)
def test_short_races_borrow_differences(alpha, planned, expected):
    """Breaks if a race is planned that no result could win."""
    assert race.needs_differences(alpha, planned) is expected


@given(st.sampled_from([0.005, 0.01, 0.02, 0.05]), st.integers(6, 300))
def test_looks_never_spend_more_than_alpha(alpha, planned):
    """Breaks if the union bound over all looks exceeds alpha."""
    first = race.landslide(alpha, planned)
    spent = first.level if first else 0.0
    for pairs in sorted(spending.keep_looks(planned)):
        budget = spending.allowance(alpha, pairs, planned) - spent
        assert pairs == planned or budget >= -1e-15 or first
        spent += max(0.0, budget)
    assert spent <= alpha + 1e-12


def test_frugal_line_rises_as_written():
    """Breaks if the line's shape changes: 2 log2(n / 2) / log2(4) for N = 8."""
    line = [round(spending.futility_line(pairs, 8), 2) for pairs in (2, 4, 6)]
    assert line == [0.0, 1.0, 1.58]


def test_patient_line_is_straight_in_the_sum():
    """Breaks if the patient constants change without a new benchmark."""
    # sqrt(4/100) = .2: 2.3 * .2 - .35 / .2; sqrt(64/100) = .8: 2.3 * .8 - .35 / .8
    assert spending.futility_line(4, 100) == pytest.approx(-1.29)
    assert spending.futility_line(64, 100) == pytest.approx(1.4025)
    # N = 16, sqrt(4/16) = .5: 2 * .5 - .5 / .5; sqrt(9/16) = .75: 2 * .75 - .5 / .75
    assert spending.futility_line(4, 16) == pytest.approx(0.0)
    assert spending.futility_line(9, 16) == pytest.approx(5 / 6)


def test_patient_line_tightens_between_60_and_100_pairs():
    """Breaks if a worthless candidate costs more than 40 runs, or N = 60 sees less than N = 59."""
    # half way, at n = N / 4: 2.15 * .5 - .425 / .5
    assert spending.futility_line(20, 80) == pytest.approx(0.225)
    assert spending.futility_line(15, 60) == pytest.approx(0.0)
    assert spending.futility_line(100, 400) == spending.futility_line(25, 100)


@pytest.mark.parametrize(
    ("planned", "expected"),
    [
        (8, [2, 4, 6]),
        (11, [2, 4, 6, 8, 10]),
        (12, [4, 6, 8, 10]),
        (60, [*range(4, 41, 2), 48, 56]),
        (100, [*range(4, 41, 2), 48, 56, 64, 72, 80, 88, 96]),
    ],
)
def test_futility_looks(planned, expected):
    """Breaks if hope is given up at another pace, or at N itself."""
    due = [pairs for pairs in range(1, planned + 1) if spending.is_futility_look(pairs, planned)]
    assert due == expected
