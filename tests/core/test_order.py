"""The order of runs, and the pairs in it."""

from __future__ import annotations

import pytest
from autoresearch.core.model import Arm, Pair
from autoresearch.core.race import pairs_of, runs_of
from hypothesis import given
from hypothesis import strategies as st


def test_pairs_put_values_to_their_arm():
    """Breaks if the second run of a pair is taken for the candidate."""
    assert pairs_of("abbaa", [1, 2, 3, 4, 5]) == (
        Pair(incumbent=1, candidate=2, first=Arm.INCUMBENT),
        Pair(incumbent=4, candidate=3, first=Arm.CANDIDATE),
    )


def test_pair_of_one_arm_is_refused():
    """Breaks if a damaged record is read as a race."""
    with pytest.raises(ValueError, match="runs 3 and 4 are both of arm 'b'"):
        pairs_of("abbb", [1, 2, 3, 4])


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.sampled_from(list(Arm)))))
def test_runs_and_pairs_are_inverse(rounds):
    """Breaks if a value changes places on the way to the record and back."""
    pairs = tuple(Pair(incumbent=a, candidate=b, first=first) for a, b, first in rounds)
    assert pairs_of(*runs_of(pairs)) == pairs
