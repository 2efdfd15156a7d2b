"""Noise belongs to a program: what an earlier incumbent did says nothing of a calmer one."""

from __future__ import annotations

import pytest
from autoresearch.core.decision import Rule
from autoresearch.core.race import judge
from msgspec.structs import replace
from support.pairs import lower, paired

LOUD, CALM = 0.013, 0.0005
SMALL = paired([100.0, 100.03, 99.98], [98.7, 98.75, 98.66])
"""Three pairs of a training that agree on -1.3 % to within a tenth of a per cent."""


def kept(pool, fresh, pairs=SMALL):
    decision = judge(pairs, replace(lower(3), fresh=fresh), pool)
    return decision.keep, decision.rule


def test_noise_of_a_superseded_incumbent_is_aged_out():
    """A quiet training whose gains drown in the noise of the program before it."""
    pool = [LOUD] * 20 + [CALM] * 2
    assert kept(pool, None) == (False, Rule.END)
    assert kept(pool, 2) == (True, Rule.POOL)


def test_old_noise_counts_until_the_new_is_known():
    """Two runs that happened to agree taken for a quiet program."""
    wild = paired([100.0, 100.0], [98.8, 98.8])
    assert judge(wild, replace(lower(2), fresh=0), [LOUD] * 20).keep is False
    assert judge(wild, replace(lower(2), fresh=4), [LOUD] * 20 + [CALM] * 4).keep is True


def test_its_own_noise_forbids_what_it_may_have_done():
    """A calmer past that lets a noisy program through."""
    assert kept([CALM] * 20 + [LOUD * 2] * 5, 5) == (False, Rule.END)


@pytest.mark.parametrize("planned", [3, 20])
def test_under_rule_1_all_differences_are_alike(planned):
    """An old record that is judged otherwise."""
    policy = lower(planned, rule=1)
    for pool in ([LOUD] * 10, [CALM] * 10):
        assert judge(SMALL, policy, pool) == judge(SMALL, replace(policy, hope=0.9), pool)


def test_a_landslide_is_beyond_the_new_noise():
    """A landslide that the noise of an earlier program hides for the rest of the session."""
    pairs = paired([100.0, 100.1, 100.0, 100.1], [98.7, 98.8, 98.7, 98.8])
    pool = [LOUD * 2] * 20 + [CALM] * 7
    assert judge(pairs, lower(20), pool).ended is False
    assert judge(pairs, replace(lower(20), fresh=7), pool).rule is Rule.LANDSLIDE
