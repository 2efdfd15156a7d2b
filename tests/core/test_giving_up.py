"""When a race is given up, and what patience costs."""

from __future__ import annotations

from random import Random

import pytest
from autoresearch.core.contract import parse
from autoresearch.core.contract.keys import Patience
from autoresearch.core.decision import Rule
from autoresearch.core.model import Reason
from autoresearch.core.question import policy_of
from autoresearch.core.race import judge
from msgspec.structs import replace
from support.pairs import climbing, lower, noisy

CONTRACT = parse(
    "session: s\ngoal: faster\nmetric: {name: ms, direction: lower}\nverify: ./v\nscope: [a.py]\n"
)


def given_up(policy, shifts):
    """After how many pairs, and why; None where the race goes on."""
    decision = judge(climbing(shifts), policy, [])
    return decision.pairs if decision.rule is Rule.FUTILITY else None


@pytest.mark.parametrize(
    ("planned", "patient", "expected"),
    [(6, 0, 2), (20, 0, 5), (33, 0, 9), (100, 0, 25), (20, 12, 12), (100, 12, 25)],
)
def test_no_race_is_given_up_before_its_time(planned, patient, expected):
    """Two lost pairs that end a race of a hundred after two seconds."""
    policy = replace(lower(planned), patient=patient)
    losses = [0.01 + 0.001 * n for n in range(planned)]
    assert given_up(policy, losses) == expected
    assert judge(climbing(losses[: expected - 1]), policy, []).ended is False


def test_what_was_given_up_is_not_better_and_no_finding():
    """`+33 %, undecided` for a small gain: an estimate of a few pairs that reads as a result."""
    even = [0.01, -0.01] * 10
    new, old = (judge(climbing(even), lower(20, rule=rule), []) for rule in (2, 1))
    assert (new.reason, old.reason) == (Reason.NOT_BETTER, Reason.UNDECIDED)
    assert new.detail.startswith("stopped after ")
    ended = judge(climbing(even), replace(lower(20), hope=0.0), [])
    assert (ended.rule, ended.reason) == (Rule.END, Reason.UNDECIDED)


def test_a_race_without_hope_left_goes_on_where_the_contract_says_so():
    """`patience: full` that gives up."""
    policy = replace(lower(20), hope=0.0)
    decision = judge(climbing([0.01] * 20), policy, [])
    assert (decision.pairs, decision.rule, decision.reason) == (20, Rule.END, Reason.WORSE)


def test_more_hope_gives_up_sooner():
    """Words of patience in the wrong order."""
    even = [0.01, -0.01] * 50
    ends = [given_up(replace(lower(100), hope=hope), even) for hope in (0.25, 0.1, 0.03, 0.0)]
    assert ends == [*sorted(ends[:3]), None]
    assert 25 <= ends[0] < ends[2] < 100


@pytest.mark.parametrize(
    ("sample_s", "pairs", "expected"),
    [(0.1, 100, 12), (0.625, 100, 12), (0.7, 40, 10), (5.0, 20, 1), (0.1, 8, 8), (30.0, 8, 0)],
)
def test_patience_is_fifteen_seconds_or_twelve_pairs(sample_s, pairs, expected):
    """A fast race that ends in a blink, or a slow one that must run on."""
    assert policy_of(CONTRACT, pairs=pairs, alpha=0.02, sample_s=sample_s).patient == expected


def test_the_contract_chooses_the_patience():
    """A key that no race asks for."""
    hopes = [
        policy_of(
            replace(CONTRACT, race=replace(CONTRACT.race, patience=it)), pairs=20, alpha=0.02
        ).hope
        for it in Patience
    ]
    assert hopes == [0.25, 0.1, 0.03, 0.0]
    assert CONTRACT.race.patience is Patience.NORMAL


def test_rule_2_finds_more_than_rule_1():
    """Looks that pay one by one for what they nearly share: 4 % at 5 % noise, 33 pairs."""
    rng = Random(12)
    races = [noisy(rng, 33, gain=0.04, spread=0.05) for _ in range(60)]
    old, new = (
        sum(
            judge(one, replace(lower(33, rule=rule), seed=n), []).keep
            for n, one in enumerate(races)
        )
        for rule in (1, 2)
    )
    assert new >= old + 5
