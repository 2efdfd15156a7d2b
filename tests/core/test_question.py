"""What a race is asked, and what its rounds say."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from autoresearch.core.contract import parse
from autoresearch.core.history import advance
from autoresearch.core.limits import Bound, judge_simplify
from autoresearch.core.model import Arm, Direction, Pair, Sample, Scale
from autoresearch.core.question import (
    Question,
    Round,
    bounds_of,
    pairs_for,
    policy_of,
    race_seconds,
    watch_nothing,
)
from autoresearch.core.race import judge
from autoresearch.core.records import Note
from support.pairs import climbing, lower
from support.records import epoch, experiment, make, opened

PAIRS = climbing([-0.01] * 12)
POOL = (0.01, 0.02)
CONTRACT = """\
session: s
goal: g
metric: {{name: ms, direction: lower, {metric}}}
verify: v
scope: [a]
secondary:
  - {{name: mb, direction: lower, limit: +5%}}
  - {{name: kb, direction: lower}}
"""


def sample(arm, value, mb):
    return Sample(arm=arm, value=value, wall_s=1.0, cpu_s=1.0, secondary=(("mb", mb),))


@pytest.mark.parametrize("first", list(Arm))
def test_a_round_knows_whose_sample_is_whose(first):
    """Breaks if the sample that was taken first is taken for the incumbent's."""
    samples = [sample(first, 1.0, 10.0), sample(first.other, 2.0, 20.0)]
    found = Round.of(*samples)
    one, two = (1.0, 2.0) if first is Arm.INCUMBENT else (2.0, 1.0)
    assert found.pair == Pair(incumbent=one, candidate=two, first=first)
    assert found.secondary("mb") == Pair(incumbent=10 * one, candidate=10 * two, first=first)


def test_a_plain_question_is_the_race_itself():
    """Breaks if a candidate that should gain is judged as one that may lose."""
    policy = lower(20, alpha=0.01)
    question = Question(policy=policy, pool=POOL)
    assert question.loss_allowed is None
    assert question.answer(PAIRS) == judge(PAIRS, policy, POOL)


def test_a_simplification_may_lose_what_is_left():
    """Breaks if losses of earlier simplifications are forgotten, or a debt counts as a gain."""
    policy = lower(20, alpha=0.01)
    question = Question(policy=policy, pool=POOL, simplify=(0.25, 0.75))
    assert question.loss_allowed == 0.5
    expected = judge_simplify(PAIRS, policy, POOL, carried=0.25, allowed=0.75)
    assert question.answer(PAIRS) == expected
    assert Question(policy=policy, pool=(), simplify=(0.75, 0.25)).loss_allowed == 0.0


@pytest.mark.parametrize(
    ("metric", "scale", "least"),
    [
        ("unit: ms, min_effect: 2%", Scale.RATIO, 0.02),
        ("unit: ms, min_effect: 0.5", Scale.DIFFERENCE, 0.5),
        ('unit: "%", min_effect: 2%', Scale.DIFFERENCE, 2.0),
    ],
)
def test_the_policy_is_the_contracts(metric, scale, least):
    """Breaks if a smallest gain in per cent of a percentage is taken for a fraction."""
    policy = policy_of(parse(CONTRACT.format(metric=metric)), pairs=7, alpha=0.01)
    assert (policy.pairs, policy.alpha, policy.direction) == (7, 0.01, Direction.LOWER)
    assert (policy.scale, policy.min_effect) == (scale, least)


def test_only_limited_metrics_bound_a_keep():
    """Breaks if a metric that is only watched can end a race."""
    contract = parse(CONTRACT.format(metric="unit: ms"))
    limited = Bound(name="mb", direction=Direction.LOWER, limit=0.05, relative=True)
    assert bounds_of(contract) == (limited,)


def test_nobody_has_to_watch():
    """Breaks if a caller that does not look on ends the race."""
    watch_nothing("anything")


def test_pairs_are_those_that_the_contract_allows():
    """Breaks if a race takes more runs than its contract says, or ignores how long one takes."""
    text = CONTRACT.format(metric="unit: ms")
    assert pairs_for(parse(text + "race: {seconds: 60}\n"), 1.5) == 20
    assert pairs_for(parse(text + "race: {seconds: 60, max_runs: 12}\n"), 1.5) == 6


def after(thoughts, *, took=5.0, notes=0):
    """Progress after experiments of `took` seconds, with so long a thought before each."""
    progress, clock = advance(advance(None, opened(at=at(0))), epoch(at=at(0))), 0.0
    for number, thought in enumerate(thoughts, 1):
        clock += thought / 2
        for _ in range(notes):
            progress = advance(progress, make(Note, number=number, at=at(clock)))
        clock += thought / 2 + took
        tried = experiment(number, at=at(clock), duration_s=took)
        progress = advance(progress, tried)
    return progress


def at(seconds):
    return (datetime(2026, 1, 2, tzinfo=timezone.utc) + timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )


AUTO = parse(CONTRACT.format(metric="unit: ms"))


def test_a_race_may_take_as_long_as_the_agent_thinks():
    """A race of three pairs of a slow training, while the agent thought for minutes."""
    assert race_seconds(AUTO, 0.1) == 60.0
    assert race_seconds(AUTO, 0.1, after([])) == 60.0
    assert race_seconds(AUTO, 0.1, after([900])) == 60.0  # planning is no thought between two
    assert race_seconds(AUTO, 0.1, after([900, 100, 300, 200])) == 200.0
    assert race_seconds(AUTO, 0.1, after([900, 100, 300, 200], notes=1)) == 200.0
    assert race_seconds(AUTO, 0.1, after([900, 2, 4])) == 30.0
    assert pairs_for(AUTO, 2.0, after([9, 200])) == 50
    asked = parse(CONTRACT.format(metric="unit: ms") + "race: {seconds: 45}\n")
    assert race_seconds(asked, 0.1, after([9, 200])) == 45.0


@pytest.mark.parametrize(("sample_s", "pairs"), [(10.0, 8), (30.0, 8), (31.0, 3), (300.0, 3)])
def test_eight_pairs_fit_unless_samples_are_slow(sample_s, pairs):
    """A better optimiser that is put back after three pairs of ten seconds."""
    assert pairs_for(AUTO, sample_s, after([9, 60])) == pairs


def test_hours_limit_what_a_race_may_take():
    """A night that ends before its experiments."""
    text = CONTRACT.format(metric="unit: ms")
    rare = parse(text + "budget: {hours: 0.5, experiments: 12}\n")
    progress = after([100, 700, 700])  # 1,515 of 1,800 s are used, nine are to come
    assert race_seconds(rare, 0.1, progress) == pytest.approx(285 / 9)
    assert race_seconds(parse(text + "budget: {hours: 0.5}\n"), 0.1, progress) == 285.0
    assert race_seconds(parse(text + "budget: {hours: 9}\n"), 0.1, progress) == 700.0
