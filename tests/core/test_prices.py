"""What tokens cost."""

from __future__ import annotations

import pytest
from autoresearch.core import wire
from autoresearch.core.usage import Price, Turn, dollars, plain_name, price_of
from autoresearch.edges.hostfiles import our_prices

OURS = our_prices().dollars_for_a_million_tokens

MILLION = 1_000_000


def turn(model="claude-sonnet-4-5", **values):
    plain = dict.fromkeys(Turn._fields, 0) | {"key": "k", "speed": "", "geography": ""}
    return Turn(**{**plain, "model": model, **values})


@pytest.mark.parametrize(
    ("model", "plain"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5[1m]", "claude-sonnet-4-5"),
        ("claude-opus-4-20250514", "claude-opus-4"),
        ("claude-opus-4-0", "claude-opus-4"),
        ("claude-opus-4@20250514", "claude-opus-4"),
        ("anthropic/claude-haiku-5-5", "claude-haiku-5-5"),
        ("Claude-Opus-5", "claude-opus-5"),
        ("gpt-6", "gpt-6"),
    ],
)
def test_model_is_found_by_its_plain_name(model, plain):
    """A model without a price because its host adds provider, date or variant to its name."""
    assert plain_name(model) == plain
    assert (price_of(model, OURS) is None) is (plain == "gpt-6")


def test_table_keeps_the_usual_factors():
    """A digit lost in the table: writing costs more than reading, answers more than prompts."""
    for name, price in OURS.items():
        assert plain_name(name) == name
        fresh, answer, write, write_1h, read = price.rates
        assert read < fresh < write < write_1h
        assert answer == 5 * fresh, name
        assert (write, write_1h) == pytest.approx((1.25 * fresh, 2 * fresh)), name


def test_each_kind_of_token_has_its_price():
    """A cache read billed as fresh input, or a long-lived cache entry as a short one."""
    for kind, usd in (
        ({"input": MILLION}, 3.0),
        ({"output": MILLION}, 15.0),
        ({"cache_write": MILLION}, 3.75),
        ({"cache_write": MILLION, "cache_write_1h": MILLION}, 6.0),
        ({"cache_write": MILLION, "cache_write_1h": 2 * MILLION}, 6.0),
        ({"cache_read": MILLION}, 0.3),
        ({"input": MILLION, "geography": "us"}, 3.3),
        ({"input": MILLION, "geography": "global", "speed": "standard"}, 3.0),
        ({"web_searches": 3}, 0.03),
    ):
        assert dollars(turn(**kind), OURS) == pytest.approx(usd), kind


def test_long_prompts_cost_more_where_the_table_says_so():
    """A model whose price depends on the length of each prompt, billed at its lowest."""
    short = turn("claude-haiku-5-5", input=50_000, cache_read=50_000, output=1000)
    longer = turn("claude-haiku-5-5", input=50_001, cache_read=50_000, output=1000)
    assert dollars(short, OURS) == pytest.approx((50_000 * 0.1 + 50_000 * 0.01 + 1000 * 0.5) / 1e6)
    assert dollars(longer, OURS) == pytest.approx((50_001 * 0.5 + 50_000 * 0.05 + 1000 * 2.5) / 1e6)


def test_unknown_is_unknown_and_never_nothing():
    """A new model, or a faster mode at another price, that costs 0 dollars."""
    assert dollars(turn("brand-new-model", output=5), OURS) is None
    assert dollars(turn(output=5, speed="fast"), OURS) is None


def own(value):
    """The user's prices as they are read."""
    return wire.convert(value, dict[str, Price])


def test_own_prices_come_first():
    """A contract with the provider that nobody can enter."""
    known = OURS | own(
        {"claude-sonnet-4-5": {"input": 1, "output": 4}, "mine": {"input": 0, "output": 0}}
    )
    assert known["claude-sonnet-4-5"].rates == (1.0, 4.0, 1.25, 2.0, 0.1)
    assert dollars(turn("claude-sonnet-4-5-20250929", input=MILLION), known) == 1.0
    assert dollars(turn("mine", input=MILLION), known) == 0.0
    whole = {"input": 1, "output": 2, "cache_write": 3, "cache_write_1h": 4, "cache_read": 5}
    assert own({"m": whole})["m"].rates == (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "an object"),
        ({"m": 3}, "'m' "),
        ({"m": {"input": 3}}, "output"),
        ({"m": {"input": 3, "output": 1, "ouput": 2}}, "ouput"),
        ({"m": {"input": "3", "output": 1}}, "'m.input' holds '3'"),
        ({"m": {"input": True, "output": 1}}, "'m.input' holds True"),
        ({"m": {"input": -1, "output": 1}}, "'m.input' holds -1"),
        ({"m": {"input": float("nan"), "output": 1}}, "'m.input' holds nan"),
    ],
)
def test_own_prices_that_are_none_are_named(value, words):
    """A slip in the user's file that silently makes everything free."""
    with pytest.raises(wire.MismatchError) as caught:
        own(value)
    assert words in str(caught.value)
