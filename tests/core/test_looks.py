"""When a race looks, and what it spends."""

from __future__ import annotations

import pytest
from autoresearch.core import looks
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("alpha", "planned", "expected"),
    [
        (0.02, 20, looks.Landslide(4, 3, 1 / 560)),  # 2^-4 / C(7, 4) = 1/16/35
        (0.02, 44, looks.Landslide(4, 3, 1 / 560)),  # .02 * 4 / 44 = .00182 > .00179
        (0.02, 45, looks.Landslide(6, 5, 1 / 29568)),  # 2^-6 / C(11, 6) = 1/64/462
        (0.01, 23, looks.Landslide(6, 5, 1 / 29568)),  # half the level, half the pairs
        (0.0001, 100, None),  # .0001 * 6 / 100 = 6e-6 < 3.4e-5
    ],
)
def test_landslide_is_looked_for_where_it_is_affordable(alpha, planned, expected):
    """Breaks if a landslide is given away, or spends more than the look's share."""
    assert looks.landslide(alpha, planned) == expected


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
    assert looks.keep_looks(planned) == expected


@pytest.mark.parametrize(
    ("pairs", "level", "known", "expected"),
    [
        (2, 0.02, 30, 4),  # N = 2: .25 / C(6, 2) = .0167; C(5, 2) would give .025
        (2, 0.01, 30, 6),  # N = 3, second pair: .25 / C(8, 2) = .0089
        (3, 0.01, 30, 3),  # N = 3, third pair: .125 / C(6, 3) = .00625
        (1, 0.02, 30, 24),  # one pair: .5 / 25 = .02
        (1, 0.02, 24, 24),
        (1, 0.02, 23, None),
    ],
)
def test_differences_needed(pairs, level, known, expected):
    """Breaks if a short race borrows too few same-code differences, or asks for too many."""
    assert looks.differences_needed(pairs, level, known) == expected


@pytest.mark.parametrize(
    ("alpha", "planned", "expected"),
    [
        (0.02, 5, True),
        (0.02, 6, False),  # 1/64 = .0156 <= .02 - .0018
        (0.05, 5, True),  # by the letter of the rule, though 1/32 < .05
        (0.016, 6, True),  # .0156 <= .016, but the landslide takes .0018 of it
        (0.01, 6, True),  # a retest: .0156 > .01
        (0.01, 7, False),  # 1/128 = .0078 <= .01 - .0018
        (0.0001, 14, False),  # no landslide affordable; 2^-14 = .00006
    ],
)
def test_short_races_borrow_differences(alpha, planned, expected):
    """Breaks if a race is planned that no result could win."""
    assert looks.needs_differences(alpha, planned) is expected


@given(st.sampled_from([0.005, 0.01, 0.02, 0.05]), st.integers(6, 300))
def test_looks_never_spend_more_than_alpha(alpha, planned):
    """Breaks if the union bound over all looks exceeds alpha."""
    first = looks.landslide(alpha, planned)
    spent = first.level if first else 0.0
    for pairs in sorted(looks.keep_looks(planned)):
        budget = looks.allowance(alpha, pairs, planned) - spent
        assert pairs == planned or budget >= -1e-15 or first
        spent += max(0.0, budget)
    assert spent <= alpha + 1e-12


def test_frugal_line_rises_as_written():
    """Breaks if the line's shape changes: 0, .6, .95, 1.2, 1.39 for N = 20."""
    line = [round(looks.futility_line(pairs, 20), 2) for pairs in (2, 4, 6, 8, 10)]
    assert line == [0.0, 0.6, 0.95, 1.2, 1.4]


def test_patient_line_is_straight_in_the_sum():
    """Breaks if the patient constants change without a new benchmark."""
    # sqrt(4/100) = .2: 2.3 * .2 - .35 / .2; sqrt(64/100) = .8: 2.3 * .8 - .35 / .8
    assert looks.futility_line(4, 100) == pytest.approx(-1.29)
    assert looks.futility_line(64, 100) == pytest.approx(1.4025)


@pytest.mark.parametrize(
    ("planned", "expected"),
    [
        (8, [2, 4, 6]),
        (60, [*range(4, 41, 2), 48, 56]),
        (100, [*range(4, 41, 2), 48, 56, 64, 72, 80, 88, 96]),
    ],
)
def test_futility_looks(planned, expected):
    """Breaks if hope is given up at another pace, or at N itself."""
    due = [pairs for pairs in range(1, planned + 1) if looks.is_futility_look(pairs, planned)]
    assert due == expected
