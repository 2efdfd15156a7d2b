"""Which kept commits the last one could do without."""

from __future__ import annotations

import pytest
from autoresearch.core.model import Arm, Direction, Pair
from autoresearch.core.suspicion import worth_of


def raced(*values):
    """Pairs of the tip against the tip without one commit."""
    return [Pair(incumbent=tip, candidate=without, first=Arm.CANDIDATE) for tip, without in values]


@pytest.mark.parametrize("direction", Direction)
def test_commit_that_helps_is_needed_in_either_direction(direction):
    """A needed commit suggested for removal because the sign or the arms were turned."""
    better, worse = (1.0, 2.0) if direction is Direction.LOWER else (2.0, 1.0)
    worth = worth_of(raced(*[(better, worse)] * 4), direction)
    assert worth == (1 / 16, False)
    worth = worth_of(raced(*[(worse, better)] * 4), direction)
    assert worth == (1.0, True)


def test_commit_that_changes_nothing_is_doubtful():
    """A commit that does nothing passed as needed: ties carry no evidence."""
    assert worth_of(raced(*[(1.0, 1.0)] * 12), Direction.LOWER) == (1.0, True)


def test_line_lies_at_thirty_per_cent():
    """A stricter line, which throws small real gains away: one pair of two is 0.5, two are 0.25."""
    assert worth_of(raced((1.0, 2.0)), Direction.LOWER) == (0.5, True)
    assert worth_of(raced((1.0, 2.0), (1.0, 2.0)), Direction.LOWER) == (0.25, False)
