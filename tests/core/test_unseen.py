"""The holdout: what it proves, what is carried, and both curves."""

from __future__ import annotations

import pytest
from autoresearch.core.contract import Holdout, Metric
from autoresearch.core.limits import (
    HoldoutCheck,
    Point,
    advisory,
    bound_on,
    carried_after,
    curves,
    is_due,
    judge_holdout,
    table,
)
from autoresearch.core.model import Direction, Scale
from msgspec.structs import replace
from support.pairs import lower, paired
from support.records import effect, make


def holdout(**values):
    """A holdout that may cost 1 %."""
    plain = {"command": "./h", "every": 1, "limit": 0.01, "limit_relative": True}
    return make(Holdout, **{**plain, **values})


def bound(limit=0.01):
    """Its bound on a metric that should fall."""
    return bound_on(make(Metric, name="ms", direction=Direction.LOWER), holdout(limit=limit))


def check(experiment, estimate, *, passed=True, epoch=0, change=0.0, own=None, scale=Scale.RATIO):
    """A check with this loss."""
    return make(
        HoldoutCheck,
        experiment=experiment,
        epoch=epoch,
        estimate=estimate,
        passed=passed,
        effect=effect(change, scale),
        metric=None if own is None else effect(own, scale),
    )


def test_exact_values_decide_after_two_pairs():
    """A repeatable holdout that is run for ever, or decided by a single run."""
    policy = lower(20)
    assert judge_holdout(paired([100], [100]), bound(), policy, carried=0.0).passed is None
    same = paired([100, 100], [100, 100])
    assert judge_holdout(same, bound(), policy, carried=0.0) == (True, 0.0)
    worse = judge_holdout(paired([100, 100], [102, 102]), bound(), policy, carried=0.0)
    assert (worse.passed, round(worse.estimate, 9)) == (False, 0.02)
    assert judge_holdout(same, bound(), policy, carried=0.02).passed is False


def test_noise_is_proven_or_fails():
    """A loss within the noise that passes because it could not be told."""
    policy = lower(12)
    values = [100 + n % 3 for n in range(12)]
    gained = paired(values, [value * 0.9 for value in values])
    states = [judge_holdout(gained[:n], bound(), policy, carried=0.0).passed for n in range(1, 13)]
    assert states[0] is None
    assert True in states
    assert False not in states
    unclear = paired(values, [value * (1.1 if n % 2 else 0.95) for n, value in enumerate(values)])
    assert judge_holdout(unclear[:3], bound(), policy, carried=0.0).passed is None
    assert judge_holdout(unclear, bound(), policy, carried=0.0).passed is False


def test_losses_add_up_and_gains_pay_back():
    """Small losses that add up unseen, or a gain that is saved up to be lost later."""
    checks = [check(1, -0.3), check(2, 0.005), check(3, 0.004), check(4, 0.5, passed=False)]
    assert carried_after(checks, 0, bound()) == pytest.approx(0.00902)
    assert carried_after([*checks, check(5, -0.004)], 0, bound()) == pytest.approx(0.00498392)
    assert carried_after([*checks, check(6, float("inf"))], 0, bound()) == pytest.approx(0.00902)
    assert carried_after(checks, 1, bound()) == 0.0
    absolute = replace(bound(), relative=False)
    assert carried_after(checks, 0, absolute) == pytest.approx(0.009)


def test_every_kth_keep():
    """A holdout asked too early, or never."""
    assert [is_due(kept, 1) for kept in range(3)] == [True, True, True]
    assert [is_due(kept, 3) for kept in range(6)] == [False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        ((), "its command does not name a file outside the repository"),
        (("/work/r/h.py",), "h.py lies inside the repository"),
        (("/srv/h", "/work/r"), ". lies inside the repository"),
        (("/work/r2/h.py",), ""),
    ],
)
def test_advisory(paths, why):
    """A holdout that any agent can run, taken for a secret one."""
    assert advisory(holdout(paths=paths), "/work/r/") == why


def test_curves_show_overfitting():
    """A metric that falls while the holdout stands still, drawn as one."""
    checks = [
        check(2, 0.0, change=-0.1, own=-0.1),
        check(3, 0.2, change=0.2, own=-0.5, passed=False),
        check(5, 0.0, change=0.0, own=-0.5),
    ]
    moves = [(1, effect(-0.2)), (2, effect(-0.1)), (5, effect(-0.5))]
    found = curves(checks, moves)
    assert [point.experiment for point in found] == [2, 3, 5]
    assert [round(point.metric, 6) for point in found] == [-0.28, -0.64, -0.64]
    assert [round(point.holdout, 6) for point in found] == [-0.1, 0.08, -0.1]
    lines = table(found, Scale.RATIO).splitlines()
    assert lines[-3:] == [
        "| 2 | -28.0% | -10.0% | passed |",
        "| 3 | -64.0% | +8.0% | failed |",
        "| 5 | -64.0% | -10.0% | passed |",
    ]


def test_curves_that_cannot_be_joined():
    """Changes of two scales added up, or an unknown one counted as none."""
    checks = [check(1, 0.0, change=-3.0, own=-3.0, scale=Scale.DIFFERENCE)]
    moves = [(1, effect(-3.0, Scale.DIFFERENCE))]
    assert curves(checks, moves) == [Point(1, -3.0, -3.0, passed=True)]
    mixed = [*checks, check(2, 0.0, change=-0.1, own=-0.1)]
    assert curves(mixed, [*moves, (2, effect(-0.1))])[1][1:3] == (None, None)
    assert "| 2 | ? | ? | passed |" in table([Point(2, None, None, passed=True)], Scale.RATIO)
    assert "| 1 | -3 | -3 | passed |" in table(curves(checks, moves), Scale.DIFFERENCE)
