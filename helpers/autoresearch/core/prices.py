"""What tokens cost: a table with its date and source, and the user's own prices before it.

A model that is not in it has no price: its dollars are unknown, never 0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoresearch.core.usage import Turn

AS_OF = "2026-11"
SOURCE = (
    "platform.claude.com/docs/en/about-claude/pricing; the same table is in Claude Code 2.1.330"
)

_MILLION = 1e6
_US_ONLY = 1.1
"""Factor of requests that must be answered in the United States."""
_WEB_SEARCH_USD = 0.01


class Price(NamedTuple):
    """Dollars for a million tokens of each kind.

    Attributes:
        cache_write: of entries that live five minutes; `cache_write_1h` of those that live an hour.
        longer: price of a request whose prompt is longer than `above` tokens; None: the same.
    """

    input: float
    output: float
    cache_write: float
    cache_write_1h: float
    cache_read: float
    above: int = 0
    longer: tuple[float, float, float, float, float] | None = None


_HAIKU_55 = Price(0.1, 0.5, 0.125, 0.2, 0.01, 100_000, (0.5, 2.5, 0.625, 1.0, 0.05))
_SONNET = Price(3.0, 15.0, 3.75, 6.0, 0.3)
_OPUS_4 = Price(15.0, 75.0, 18.75, 30.0, 1.5)
_OPUS_45 = Price(5.0, 25.0, 6.25, 10.0, 0.5)
_FABLE_5 = Price(10.0, 50.0, 12.5, 20.0, 1.0)
_FABLE_51 = Price(10.0, 50.0, 12.5, 20.0, 0.25)
_FABLE_52 = Price(8.0, 40.0, 10.0, 16.0, 0.2)

TABLE: Mapping[str, Price] = {
    "claude-3-5-haiku": Price(0.8, 4.0, 1.0, 1.6, 0.08),
    "claude-haiku-4-5": Price(1.0, 5.0, 1.25, 2.0, 0.1),
    "claude-haiku-5-5": _HAIKU_55,
    "claude-3-5-sonnet": _SONNET,
    "claude-3-7-sonnet": _SONNET,
    "claude-sonnet-4": _SONNET,
    "claude-sonnet-4-5": _SONNET,
    "claude-sonnet-4-6": _SONNET,
    "claude-sonnet-5": Price(2.0, 10.0, 2.5, 4.0, 0.2),
    "claude-sonnet-5-5": Price(2.0, 10.0, 2.5, 4.0, 0.1),
    "claude-opus-4": _OPUS_4,
    "claude-opus-4-1": _OPUS_4,
    "claude-opus-4-5": _OPUS_45,
    "claude-opus-4-6": _OPUS_45,
    "claude-opus-4-7": _OPUS_45,
    "claude-opus-4-8": _OPUS_45,
    "claude-opus-5": _OPUS_45,
    "claude-opus-5-5": Price(4.0, 20.0, 5.0, 8.0, 0.2),
    "claude-fable-5": _FABLE_5,
    "claude-fable-5-1": _FABLE_51,
    "claude-fable-5-2": _FABLE_52,
    "claude-mythos-5": _FABLE_5,
    "claude-mythos-5-1": _FABLE_51,
    "claude-mythos-5-2": _FABLE_52,
}
"""By the model's name without provider, date and variant, see `plain_name`."""

_DRESS = re.compile(r"^(?:[a-z0-9-]+[./])*|(?:-v\d+(?::\d+)?|@?-?\d{8}|\[[^]]*\]|-0)+$")


def plain_name(model: str) -> str:
    """A model's name without provider, date and variant.

    `us.anthropic.claude-sonnet-4-5-20250929-v1:0` and `claude-sonnet-4-5[1m]` are the same model.
    """
    return _DRESS.sub("", model.lower())


def price_of(model: str, own: Mapping[str, Price]) -> Price | None:
    """The price of a model, or None when nobody knows it.

    Args:
        model: as the host names it.
        own: the user's prices, by a model's whole or plain name.
    """
    plain = plain_name(model)
    return own.get(model) or own.get(plain) or TABLE.get(plain)


def dollars(turn: Turn, own: Mapping[str, Price]) -> float | None:
    """What one answer of a model cost; None when its price is unknown, as in a faster mode."""
    price = price_of(turn.model, own)
    if price is None or turn.speed not in {"", "standard"}:
        return None
    prompt = turn.input + turn.cache_write + turn.cache_read
    rates: tuple[float, ...] = price[:5]
    if price.longer is not None and prompt > price.above:
        rates = price.longer
    hour = min(turn.cache_write_1h, turn.cache_write)
    amounts = (turn.input, turn.output, turn.cache_write - hour, hour, turn.cache_read)
    tokens = sum(rate * amount for rate, amount in zip(rates, amounts, strict=True)) / _MILLION
    factor = _US_ONLY if turn.geography == "us" else 1.0
    return tokens * factor + turn.web_searches * _WEB_SEARCH_USD


def parse_prices(value: object) -> dict[str, Price]:
    """The user's prices: model -> dollars for a million tokens of each kind.

    Args:
        value: JSON, as in `{"my-model": {"input": 1, "output": 5, "cache_read": 0.1}}`. What is
            left out of a model costs what Anthropic's usual factors make of its input: 1.25 times
            for a cache write, twice for one of an hour, a tenth for a cache read.

    Raises:
        ValueError: something in it is no price; the message names it.
    """
    if not isinstance(value, dict):
        raise ValueError("the file holds no object of models")  # noqa: TRY004  (one class for all that is malformed)
    return {str(model): _own_price(str(model), entry) for model, entry in value.items()}


def _own_price(model: str, entry: object) -> Price:
    known = ("input", "output", "cache_write", "cache_write_1h", "cache_read")
    if not isinstance(entry, dict) or not {"input", "output"} <= set(entry) <= set(known):
        raise ValueError(f"{model} needs `input` and `output`, and may have {', '.join(known[2:])}")
    for kind, rate in entry.items():
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < _MILLION:
            raise ValueError(f"{model}: `{kind}` is {rate!r}, not dollars for a million tokens")
    fresh = float(entry["input"])
    return Price(
        input=fresh,
        output=float(entry["output"]),
        cache_write=float(entry.get("cache_write", 1.25 * fresh)),
        cache_write_1h=float(entry.get("cache_write_1h", 2 * fresh)),
        cache_read=float(entry.get("cache_read", 0.1 * fresh)),
    )
