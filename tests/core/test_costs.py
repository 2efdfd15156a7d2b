"""The agent's cost in words."""

from __future__ import annotations

from autoresearch.core.budget import blind_spot, cost_line, per_keep, spent_words
from autoresearch.core.contract import Budget
from autoresearch.core.model import Spent, Verdict
from support.histories import history
from support.records import experiment, make


def spent(tokens, usd):
    return Spent(tokens=tokens, output=1, usd=usd)


KEPT = experiment(1, Verdict.KEEP, spent=spent(48_000, 0.25))
LOST = experiment(2, spent=spent(52_000, 0.15))
UNPRICED = experiment(3, spent=spent(1_000_000, None))


def test_cost_of_the_session_and_of_each_keep():
    """A cost per kept change that leaves out what the failures cost."""
    assert cost_line(history()) == ""
    assert cost_line(history(experiment(1))) == ""
    assert cost_line(history(KEPT)) == (
        "cost: 48 k tokens, $0.25 for 1 experiment; $0.25 for each kept change"
    )
    assert cost_line(history(KEPT, LOST)) == (
        "cost: 100 k tokens, $0.40 for 2 experiments; $0.40 for each kept change"
    )
    assert per_keep(history(experiment(1, spent=spent(5, 0.1)))) is None


def test_unknown_dollars_are_said_and_not_counted_as_none():
    """A total that looks complete though a model's price is unknown."""
    assert cost_line(history(KEPT, LOST, UNPRICED)) == (
        "cost: 1.1 M tokens, $0.40 and 1 unknown for 3 experiments; "
        "1.1 M tokens for each kept change"
    )
    alone = experiment(1, spent=spent(700, None))
    assert cost_line(history(alone)) == "cost: 700 tokens, dollars unknown for 1 experiment"
    assert cost_line(history(KEPT, experiment(2))) == (
        "cost: 48 k tokens, $0.25 for 1 of 2 experiments"
    )


def test_one_experiment_in_words():
    """Tokens shown as dollars."""
    assert spent_words(spent(850, 0.0042)) == "850 tokens, $0.0042"
    assert spent_words(spent(1, None)) == "1 token, dollars unknown"
    assert spent_words(spent(2_000_000, 1234.5)) == "2 M tokens, $1,234"


def test_budget_that_cannot_stop_the_run_is_named():
    """A human who sleeps because of a bound that nothing enforces."""
    money, both = make(Budget, usd=1.0), make(Budget, usd=1.0, tokens=5)
    assert blind_spot(history(KEPT), money, readable=True) == ""
    assert blind_spot(history(), make(Budget, hours=1.0), readable=False) == ""
    assert "budget.usd and budget.tokens cannot stop" in blind_spot(history(), both, readable=False)
    words = blind_spot(history(KEPT, LOST, UNPRICED), money, readable=True)
    assert words.startswith("budget.usd leaves out 1 experiment whose model has no known price")
    assert blind_spot(history(KEPT, LOST, UNPRICED), make(Budget, tokens=5), readable=True) == ""
