"""What one more experiment is worth, and when the session ends because it is not."""

from __future__ import annotations

import math
import random

import pytest
from autoresearch.core.budget import StopRule, halt, outlook_of, remaining
from autoresearch.core.contract import Metric, StopWhen, ValueOfGain
from autoresearch.core.model import Direction, Reason, Scale, Spent, Verdict
from autoresearch.core.views import Situation, brief
from autoresearch.core.worth import came_true, forecast, price_of
from hypothesis import given
from hypothesis import strategies as st
from support.histories import contract, history
from support.records import effect, experiment, make

RATIO = make(
    Metric, name="parse_ms", unit="ms", direction=Direction.LOWER, min_effect_relative=True
)


def session(*outcomes: float | None, **values: object):
    """A history of keeps with these changes, None for a discard."""
    return history(
        *(
            experiment(n, **values)
            if change is None
            else experiment(n, Verdict.KEEP, effect=effect(change), **values)
            for n, change in enumerate(outcomes, start=1)
        )
    )


def test_forecast_begins_with_what_sessions_are_like_and_learns():
    """A forecast that ignores what happened, or the order in which it did."""
    start = forecast([])
    assert 0.1 < start.next_keep < 0.35
    assert 0.5 < start.keep_soon < 0.85
    assert forecast([True] * 5).keep_soon > 0.9
    assert forecast([False] * 30).keep_soon < 0.25
    early, late = [True] * 4 + [False] * 16, [False] * 16 + [True] * 4
    assert forecast(early).next_keep < forecast(late).next_keep


@given(st.lists(st.booleans(), max_size=80), st.integers(0, 700))
def test_forecast_is_a_chance(keeps, before):
    """A chance outside 0..1, or ten experiments that keep less than one of them."""
    found = forecast(keeps, before)
    assert 0 < found.next_keep <= found.keep_soon < 1
    assert forecast([*keeps, True], before).next_keep > forecast([*keeps, False], before).next_keep


def test_forecasts_of_simulated_sessions_hold():
    """Odds that do not hold: of forecasts of some chance, another share comes true.

    Fixed seeds; benchmarks/bench_worth.py prints all deciles.
    """
    chance, made = random.Random(5), []
    for _ in range(1200):
        start, fade = chance.betavariate(1.2, 5), chance.choice([8, 15, 30, 60, 150])
        rates = [max(0.006, start * math.exp(-place / fade)) for place in range(60)]
        keeps = [chance.random() < rate for rate in rates]
        at = chance.randint(5, 50)
        made.append((forecast(keeps[:at]).keep_soon, any(keeps[at : at + 10])))
    made.sort()
    for part in (made[:400], made[400:800], made[800:]):
        told, came = (sum(values) / len(part) for values in zip(*part, strict=True))
        assert told == pytest.approx(came, abs=0.1)


def test_own_forecasts_are_counted():
    """A forecast that is held against what was known when it was made."""
    assert came_true([True] * 19) is None
    chance, came, count = came_true([True] * 20)
    assert (came, count) == (1.0, 1)
    assert chance == pytest.approx(forecast([True] * 10).keep_soon)
    assert came_true([True] * 10 + [False] * 20)[1:] == (0.0, 2)


def test_price_of_a_session():
    """A price before anything was tried, or one that forgets what this session gained or cost."""
    assert price_of(history(), contract()) is None
    spent = Spent(tokens=1000, output=10, usd=0.5)
    found = price_of(session(-0.1, None, spent=spent), contract(metric=RATIO))
    # two keeps of 2 % are expected before any; this session had one of 10 %
    assert found.gain == pytest.approx((2 * 0.02 + 0.1) / 3)
    assert (found.scale, found.tokens, found.usd) == (Scale.RATIO, 1000, 0.5)
    keep = forecast([True, False]).next_keep
    assert found.chance == pytest.approx(keep - 0.02 * (1 - keep))
    assert (found.value_usd, found.cost_usd, found.is_worth_it) == (None, None, None)
    assert "then about 4.7%; it costs about" in found.described("ms")
    assert "1 k tokens and $0.50" in found.described("ms")


def test_money_is_weighed_against_money():
    """A gain that is worth nothing, an hour that is free, or a session that stops while it pays."""
    spent = Spent(tokens=1000, output=10, usd=0.5)
    kept = session(-0.1, None, spent=spent)
    plan = contract(metric=RATIO, worth=ValueOfGain(percent=100.0, hour=3600.0))
    found = price_of(kept, plan)
    assert found.value_usd == pytest.approx(found.chance * found.gain * 100 * 100)
    assert found.cost_usd == pytest.approx(0.5 + found.seconds)
    assert found.is_worth_it is True
    poor = price_of(kept, contract(metric=RATIO, worth=ValueOfGain(percent=0.01, hour=3600.0)))
    assert poor.is_worth_it is False
    assert "not worth it: $" in poor.described("ms")
    assert "; worth it: $" in found.described("ms")
    unpriced = price_of(
        session(-0.1, spent=Spent(tokens=9, output=1, usd=None)),
        contract(metric=RATIO, worth=ValueOfGain(percent=1.0)),
    )
    assert (unpriced.usd, unpriced.cost_usd, unpriced.is_worth_it) == (None, 0.0, True)


def test_gains_in_the_metric_s_unit_are_shares_of_the_baseline():
    """An absolute gain that is taken for a share, so that a millisecond is worth 100 %."""
    metric = make(Metric, name="parse_ms", unit="ms", direction=Direction.LOWER)
    kept = history(experiment(1, Verdict.KEEP, effect=effect(-1.1, Scale.DIFFERENCE)))
    plan = contract(metric=metric, worth=ValueOfGain(percent=1.0))
    found = price_of(kept, plan)  # the baseline is at 11
    assert found.gain == pytest.approx((2 * 0.22 + 1.1) / 3)
    assert found.value_usd == pytest.approx(found.chance * found.gain / 11 * 100)
    assert found.tokens is None


def test_session_ends_where_it_no_longer_pays_if_the_contract_says_so():
    """A session that ends though nobody asked for it, or goes on though it was asked to end."""
    tired = session(*[None] * 40)
    worth = ValueOfGain(percent=0.001, hour=100.0)
    assert halt(tired, contract(metric=RATIO, worth=worth)) is None
    found = halt(tired, contract(metric=RATIO, worth=worth, stop_when=StopWhen.NOT_WORTH))
    assert (found.rule, found.ends_session) == (StopRule.NOT_WORTH, True)
    assert found.text.startswith("not worth it: chance of a real keep ")
    plan = contract(metric=RATIO, worth=ValueOfGain(percent=1e6), stop_when=StopWhen.NOT_WORTH)
    assert halt(tired, plan) is None
    assert halt(history(), plan) is None


def test_brief_names_the_price():
    """An agent that never hears what one more experiment is worth."""
    found, plan = session(-0.1, None), contract(metric=RATIO)
    seen = Situation(
        history=found,
        contract=plan,
        remaining=remaining(found, plan.budget),
        outlook=outlook_of(found, plan),
        halt=None,
        neighbours=(),
        forecast_s=None,
        smallest_gain=None,
        smallest_gain_scale=Scale.RATIO,
        interrupted="",
    )
    lines = brief(seen).splitlines()
    (line,) = [line for line in lines if line.startswith("one more experiment: ")]
    assert "chance of a real keep" in line


def test_crashes_are_no_keeps():
    """A rate that counts only what was raced."""
    crashed = history(experiment(1, Verdict.CRASH, reason=Reason.VERIFY))
    assert price_of(crashed, contract(metric=RATIO)).gain == pytest.approx(0.02)
