"""A decision reached again from its record."""

from __future__ import annotations

import pytest
from autoresearch.core.decision import Rule
from autoresearch.core.exact import deterministic_step
from autoresearch.core.limits import (
    Bound,
    judge_limit,
    judge_simplify,
    limits_again,
    recompute,
    watched,
)
from autoresearch.core.model import Direction, RaceRecord, Scale
from autoresearch.core.race import judge, runs_of
from msgspec.structs import replace
from support.pairs import climbing, lower, paired
from support.records import make

PAIRS = climbing([-0.01] * 12)
POOL = (0.01, 0.02)


def record(order, values, **changes):
    base = RaceRecord(
        alpha=0.01,
        pairs_planned=20,
        direction=Direction.LOWER,
        scale=Scale.RATIO,
        min_effect=0.0,
        recorded=None,
        carried=None,
        allowed=None,
        deterministic=False,
        order=order,
        values=tuple(values),
        wall_s=(),
        cpu_s=(),
        secondary=(),
        seeds=(),
        pool=POOL,
        machine="test",
        void=0,
        p_value=None,
        smallest_visible=None,
        rule=1,
    )
    return replace(base, **changes)


def test_watched_metrics_move_on_the_same_pairs():
    """A developer who asked for a time and is left with the number of another metric."""
    order, values = "abba", (10.0, 8.0, 9.0, 12.0)
    secondary = (("ms", values), ("share", (50.0, 40.0, 40.0, 50.0)), ("n", (7.0, 7.0, 7.0, 7.0)))
    record = make(RaceRecord, order=order, secondary=secondary, deterministic=False)
    (ms, moved), (share, points), (n, none) = watched(record, {"share": "%"})
    assert (ms, share, n) == ("ms", "share", "n")
    assert (moved.scale, moved.low, moved.high) == (
        Scale.RATIO,
        pytest.approx(-0.25),
        pytest.approx(-0.2),
    )
    assert (points.scale, points.change, points.level) == (Scale.DIFFERENCE, -10.0, 1.0)
    assert (none.change, none.level) == (0, 1.0)
    exact = make(RaceRecord, order="bba", secondary=(("n", (5.0, 5.0, 10.0)),), deterministic=True)
    assert watched(exact, {})[0][1].change == pytest.approx(-0.5)
    early = make(RaceRecord, order="b", secondary=(("n", (5.0,)),), deterministic=True)
    assert watched(early, {}) == ()
    lone = make(RaceRecord, order="a", secondary=(("n", (5.0,)),), deterministic=False)
    assert watched(lone, {}) == ()


def test_race_is_decided_again():
    """Breaks if a record lacks what its decision rests on."""
    decision = judge(PAIRS, lower(20, rule=1, alpha=0.01), POOL)
    assert decision.ended is True
    assert recompute(record(*runs_of(PAIRS))) == decision


def test_race_prolonged_by_its_limits_is_decided_again():
    """Breaks if pairs run for a limit change the decision on the metric, whatever they hold."""
    later = climbing([0.05] * 8)
    decision = judge(PAIRS, lower(20, rule=1, alpha=0.01), POOL)
    assert decision.keep is True
    assert recompute(record(*runs_of([*PAIRS, *later]))) == decision


def test_landslide_is_decided_again():
    """Breaks if what a race borrowed is not in its record."""
    pairs = paired([100, 101] * 2, [90, 91] * 2)
    pool = (0.01,) * 7
    decision = judge(pairs, lower(20, rule=1, alpha=0.01), pool)
    assert decision.rule is Rule.LANDSLIDE
    assert recompute(record(*runs_of(pairs), pool=pool)) == decision
    assert recompute(record(*runs_of(pairs), pool=())).ended is False


def test_simplification_is_decided_again():
    """Breaks if a kept simplification is recomputed as a discard."""
    pairs = climbing([0.001] * 12)
    decision = judge_simplify(
        pairs, lower(20, rule=1, alpha=0.01), POOL, carried=0.002, allowed=0.01
    )
    assert decision.keep is True
    assert recompute(record(*runs_of(pairs), carried=0.002, allowed=0.01)) == decision


@pytest.mark.parametrize("values", [(90,), (101,), (90, 90, 100), (90, 90, 100, 99, 98, 97, 96)])
def test_deterministic_race_is_decided_again(values):
    """Breaks if pairs that were run for a limit confuse the exact decision."""
    one = record("bbaabba"[: len(values)], values, deterministic=True, recorded=100.0)
    step = deterministic_step(100.0, values[:3], lower(20), loss_allowed=None)
    if step.decision is None:
        with pytest.raises(ValueError, match="'b' does not end in a decision"):
            recompute(one)
    else:
        assert recompute(one) == step.decision


def test_deterministic_simplification_is_decided_again():
    """Breaks if the loss that was allowed is forgotten."""
    one = record(
        "bba", (101, 101, 100), deterministic=True, recorded=100.0, carried=0.005, allowed=0.02
    )
    assert recompute(one).keep is True
    assert recompute(replace(one, carried=0.03)).keep is False


def test_exact_race_without_its_recorded_value_is_refused():
    """Breaks if an incomplete record is decided by guesswork."""
    with pytest.raises(ValueError, match="recorded value of the incumbent: none"):
        recompute(record("b", (90,), deterministic=True))


def limited(name="mb"):
    return Bound(name=name, direction=Direction.LOWER, limit=0.05, relative=True)


def test_limits_are_judged_again():
    """Breaks if a record lacks what its limits rest on: losses carried, runs after a keep."""
    memory = climbing([0.02] * 12)
    order, values = runs_of(memory)
    race = record(order, values, secondary=(("mb", tuple(values)),))
    result = judge_limit(memory, limited(), lower(20, rule=1, alpha=0.01), carried=0.01).result
    assert (result.held, result.carried) == (True, 0.01)
    assert limits_again(race, [result]) == (result,)
    assert limits_again(race, [replace(result, carried=0.04)]) != (result,)
    assert limits_again(race, [replace(result, worst=0.0)]) == (result,)


@pytest.mark.parametrize(
    ("values", "loss"), [((101, 101, 100), 0.01), ((101, 101, 100, 103, 100, 100, 103), 0.03)]
)
def test_limits_of_an_exact_race_are_judged_on_their_own_runs(values, loss):
    """Breaks if an exact race is taken for pairs, or what was run for the limits is left out."""
    race = record("bbabaab"[: len(values)], values, deterministic=True, secondary=(("mb", values),))
    plain = judge_limit(climbing([0.0] * 2), limited(), lower(20), carried=0.0).result
    (found,) = limits_again(race, [plain])
    assert found.estimate == pytest.approx(loss)


def test_limit_without_samples_is_refused():
    """Breaks if a limit that was never measured is taken for held."""
    plain = judge_limit(climbing([0.0] * 2), limited("kb"), lower(20), carried=0.0).result
    with pytest.raises(ValueError, match="no samples of 'kb'"):
        limits_again(record("ab", (1.0, 2.0)), [plain])
