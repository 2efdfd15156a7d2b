"""What is left, and what stops a session."""

from __future__ import annotations

import pytest
from autoresearch.core.budget import (
    Halt,
    Remaining,
    StopRule,
    halt,
    is_target_met,
    outlook_of,
    remaining,
)
from autoresearch.core.contract import Budget, Metric
from autoresearch.core.model import Direction, Spent, Verdict
from autoresearch.core.records import Run, Stop
from support.histories import contract, history
from support.records import effect, experiment, make, race, refusal

BUDGET = Budget(experiments=3, hours=1.0, usd=None, tokens=None)


def run(experiments):
    return make(Run, number=1, experiments=experiments, host_session="h")


def plan(**values):
    return contract(budget=BUDGET, **values)


def metric(target, direction=Direction.LOWER):
    return make(Metric, name="m", unit="ms", direction=direction, target=target)


def test_remaining_counts_experiments_hours_and_run():
    """A budget that counts refused candidates, or never ends."""
    left = remaining(history(run(5), experiment(1, run=1, duration_s=1800.0), refusal()), BUDGET)
    assert left == make(Remaining, experiments=2, hours=0.5, run_used=1, run_total=5)
    assert left.described() == "run 1 of 5 used; session: 2 experiments and 30 min left"


def test_remaining_without_bounds():
    """A missing bound taken for zero."""
    left = remaining(history(), make(Budget))
    assert left == make(Remaining)
    assert left.described() == "no limit"
    half = make(Remaining, run_used=7, run_total=5)
    assert half.described() == "run 7 of 5 used"


@pytest.mark.parametrize(
    ("value", "target", "direction", "met"),
    [
        (40.0, 40.0, Direction.LOWER, True),
        (40.1, 40.0, Direction.LOWER, False),
        (40.0, 40.0, Direction.HIGHER, True),
        (39.9, 40.0, Direction.HIGHER, False),
        (None, 40.0, Direction.LOWER, False),
        (1.0, None, Direction.LOWER, False),
    ],
)
def test_target(value, target, direction, met):
    """A target met from the wrong side."""
    assert is_target_met(value, metric(target, direction)) is met


def test_nothing_stops_a_fresh_session():
    """A session that ends before it begins."""
    assert halt(history(), plan()) is None


def test_target_stops_the_session():
    """Experiments after the goal is reached."""
    kept = experiment(1, Verdict.KEEP, race=race("ab", (50.0, 39.0)))
    assert halt(history(kept), plan(metric=metric(40.0))) == Halt(
        StopRule.TARGET, ends_session=True, text="target met: 39 ms, asked for 40 ms"
    )
    assert halt(history(kept), plan(metric=metric(30.0))) is None


def test_experiments_stop_the_session():
    """One experiment more than the budget allows."""
    two = history(experiment(1), experiment(2))
    assert halt(two, plan()) is None
    three = history(experiment(1), experiment(2), experiment(3))
    found = halt(three, plan())
    assert found is not None
    assert found.text == "all 3 experiments of the budget are used"


def test_hours_stop_the_session():
    """A night that goes on into the morning."""
    found = halt(history(experiment(1, duration_s=3601.0)), plan())
    assert found is not None
    assert (found.rule, found.ends_session, found.text) == (
        StopRule.HOURS,
        True,
        "all 1 h of the budget are used",
    )


def spent(tokens, usd):
    return Spent(tokens=tokens, output=1, usd=usd)


def test_dollars_and_tokens_stop_the_session():
    """A night that costs more than was allowed, or one that ends because nobody knows the cost."""
    costly = [experiment(1, spent=spent(600, 1.5)), experiment(2, spent=spent(500, 1.0))]
    money = contract(budget=make(Budget, usd=2.5, tokens=9000))
    left = remaining(history(costly[0]), money.budget)
    assert (left.usd, left.tokens) == (1.0, 8400)
    assert left.described() == "session: $1.00 and 8 k tokens left"
    assert halt(history(costly[0]), money) is None
    assert halt(history(*costly), money) == Halt(
        StopRule.USD, ends_session=True, text="all $2.50 of the budget are spent"
    )
    words = contract(budget=make(Budget, tokens=1100))
    assert halt(history(*costly), words) == Halt(
        StopRule.TOKENS, ends_session=True, text="all 1 k tokens are used"
    )
    unknown = history(experiment(1, spent=spent(600, None)), experiment(2))
    assert halt(unknown, money) is None
    assert remaining(unknown, money.budget).usd == 2.5


def test_only_a_rework_goes_beyond_a_number_of_experiments():
    """A better change that cannot be mended because it was the run's last."""
    assert halt(history(run(1), experiment(1, run=1)), plan()).may_rework
    assert halt(history(experiment(1), experiment(2), experiment(3)), plan()).may_rework
    assert not halt(history(make(Stop, reason="enough")), plan()).may_rework


def test_plateau_stops_only_where_the_contract_says_so():
    """Advice taken for an order, or the other way round."""
    dull = history(*(experiment(number) for number in range(1, 61)))
    endless = make(Budget)
    assert halt(dull, contract(budget=endless)) is None
    found = halt(dull, contract(budget=endless, stop_on_plateau=True))
    assert found is not None
    assert found.rule is StopRule.PLATEAU
    assert halt(history(), contract(budget=endless, stop_on_plateau=True)) is None


def test_refusals_and_violations_end_the_run_only():
    """An agent that is refused all night, or a session that a human must open anew."""
    assert halt(history(*[refusal()] * 4), plan()) is None
    found = halt(history(*[refusal()] * 5), plan())
    assert found == Halt(
        StopRule.REFUSALS, ends_session=False, text="5 candidates in a row were refused"
    )
    bad = [experiment(number, Verdict.VIOLATION) for number in (1, 2, 3)]
    assert halt(history(*bad[:2]), contract()) is None
    found = halt(history(*bad), contract())
    assert found == Halt(StopRule.VIOLATIONS, ends_session=False, text="3 violations in a row")


def test_stop_and_run_budget():
    """A run that goes on after its last experiment, or a stopped session."""
    used = history(run(1), experiment(1, run=1))
    assert halt(used, plan()) == Halt(
        StopRule.RUN, ends_session=False, text="all 1 experiments of run 1 are used"
    )
    assert halt(history(run(2), experiment(1, run=1)), plan()) is None
    found = halt(history(make(Stop, reason="enough")), plan())
    assert found == Halt(StopRule.STOPPED, ends_session=True, text="stopped: enough")


def test_first_rule_in_order_is_named():
    """A target that was met reported as an empty budget."""
    kept = experiment(3, Verdict.KEEP, race=race("ab", (50.0, 39.0)))
    found = halt(history(experiment(1), experiment(2), kept), plan(metric=metric(40.0)))
    assert found is not None
    assert found.rule is StopRule.TARGET


def test_outlook_weighs_the_newest_most():
    """A streak of long ago that hides the plateau."""
    verdicts = [Verdict.KEEP] * 3 + [Verdict.DISCARD] * 20
    early, late = (
        outlook_of(
            history(*(experiment(number, v) for number, v in enumerate(order, start=1))),
            contract(),
        ).next_keep
        for order in (verdicts, verdicts[::-1])
    )
    assert early < 0.15 < late


def test_outlook_counts_gains_as_positive():
    """A gain read as a loss, so that every session is at its plateau."""
    keeps = [experiment(number, Verdict.KEEP, effect=effect(-0.1)) for number in (1, 2)]
    lower = outlook_of(history(*keeps), contract())
    assert lower.expected_gain == pytest.approx(lower.next_keep * 0.1)
    higher = contract(metric=metric(None, Direction.HIGHER))
    found = outlook_of(history(*keeps), higher).expected_gain
    assert found == pytest.approx(-lower.next_keep * 0.1)
    assert outlook_of(history(experiment(1, Verdict.KEEP)), contract()).expected_gain is None
