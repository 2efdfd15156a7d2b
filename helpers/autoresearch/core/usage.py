"""What an agent session used, from the lines of its host's transcript.

The format is the host's own and undocumented: whatever does not look as expected is left out.
Claude Code writes a line for each block of an answer, and each repeats the usage of the whole
answer; the last line of an answer counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from autoresearch.core.model import Meter, Spent

_MILLION = 1e6
_US_ONLY = 1.1
"""Factor of requests that must be answered in the United States."""
_WEB_SEARCH_USD = 0.01


Rate = Annotated[float, Meta(ge=0, lt=_MILLION)]


class Price(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Dollars for a million tokens of each kind.

    Attributes:
        cache_write: of entries that live five minutes; `cache_write_1h` of those that live an hour.
            Where the prices of a cache are not told, they are 1.25, 2 and 0.1 times that of input.
        longer: price of a request whose prompt is longer than `above` tokens; None: the same.
    """

    input: Rate
    output: Rate
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    cache_read: Rate | None = None
    above: int = 0
    longer: Price | None = None

    @property
    def rates(self) -> tuple[float, float, float, float, float]:
        """Input, output, write for five minutes and for an hour, read."""
        write, hour, read = (
            factor * self.input if told is None else told
            for told, factor in (
                (self.cache_write, 1.25),
                (self.cache_write_1h, 2),
                (self.cache_read, 0.1),
            )
        )
        return self.input, self.output, write, hour, read


class Prices(Struct, frozen=True, kw_only=True):
    """Ours, as of when, and where they are published."""

    as_of: str
    source: str
    dollars_for_a_million_tokens: dict[str, Price]


_DRESS = re.compile(r"^(?:[a-z0-9-]+[./])*|(?:-v\d+(?::\d+)?|@?-?\d{8}|\[[^][]{0,40}\]|-0){1,9}$")


def plain_name(model: str) -> str:
    """A model's name without provider, date and variant.

    `us.anthropic.claude-sonnet-4-5-20250929-v1:0` and `claude-sonnet-4-5[1m]` are the same model.
    """
    return _DRESS.sub("", model.lower())


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model, or None when nobody knows it."""
    return prices.get(model) or prices.get(plain_name(model))


def dollars(turn: Turn, prices: Mapping[str, Price]) -> float | None:
    """What one answer of a model cost; None when its price is unknown, as in a faster mode."""
    price = price_of(turn.model, prices)
    if price is None or turn.speed not in {"", "standard"}:
        return None
    if price.longer and turn.input + turn.cache_write + turn.cache_read > price.above:
        price = price.longer
    hour = min(turn.cache_write_1h, turn.cache_write)
    amounts = (turn.input, turn.output, turn.cache_write - hour, hour, turn.cache_read)
    tokens = sum(rate * amount for rate, amount in zip(price.rates, amounts, strict=True))
    factor = _US_ONLY if turn.geography == "us" else 1.0
    return tokens / _MILLION * factor + turn.web_searches * _WEB_SEARCH_USD


RECENT = 64
"""Answers whose usage is remembered because another of their lines may follow."""

_OURS = b'"assistant"'


class Turn(NamedTuple):
    """One answer of a model, in tokens.

    Attributes:
        key: tells it from every other answer.
        model: as the host names it.
        cache_write: all of it; `cache_write_1h` is the part that lives an hour.
        speed, geography: as the host reports them; empty for nothing special.
        web_searches: how many it made.
    """

    key: str
    model: str
    input: int
    output: int
    cache_write: int
    cache_write_1h: int
    cache_read: int
    speed: str
    geography: str
    web_searches: int

    @property
    def tokens(self) -> int:
        """All tokens, those read from a cache included."""
        return self.input + self.output + self.cache_write + self.cache_read


class Sum(NamedTuple):
    """What several answers used.

    Attributes:
        usd: dollars of the answers whose price is known.
        unpriced: tokens of all others.
    """

    input: int = 0
    output: int = 0
    cache_write: int = 0
    cache_read: int = 0
    usd: float = 0.0
    unpriced: int = 0

    def plus(self, turn: Turn, prices: Mapping[str, Price], *, times: int = 1) -> Sum:
        """With one more answer, or with `times` -1 without it."""
        usd = dollars(turn, prices)
        return Sum(
            input=self.input + times * turn.input,
            output=self.output + times * turn.output,
            cache_write=self.cache_write + times * turn.cache_write,
            cache_read=self.cache_read + times * turn.cache_read,
            usd=self.usd + times * (usd or 0.0),
            unpriced=self.unpriced + (0 if usd is not None else times * turn.tokens),
        )


class ReadSoFar(NamedTuple):
    """How far a transcript was read.

    Attributes:
        total: of all answers so far.
        recent: the newest answers, oldest first.
    """

    total: Sum = Sum()
    recent: tuple[Turn, ...] = ()


def read_on(before: ReadSoFar, lines: Iterable[bytes], prices: Mapping[str, Price]) -> ReadSoFar:
    """The reading after some more lines."""
    total, recent = before.total, {turn.key: turn for turn in before.recent}
    for line in lines:
        turn = turn_of(line)
        if turn is None:
            continue
        earlier = recent.pop(turn.key, None)
        if earlier is not None:
            total = total.plus(earlier, prices, times=-1)
        total = total.plus(turn, prices)
        recent[turn.key] = turn
    return ReadSoFar(total, tuple(recent.values())[-RECENT:])


def turn_of(line: bytes) -> Turn | None:
    """The answer that a line of a transcript tells of; None for any other line."""
    if _OURS not in line:
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    message = _object(entry).get("message")
    usage = _object(_object(message).get("usage"))
    key = _object(message).get("id")
    if _object(entry).get("type") != "assistant" or not usage or not isinstance(key, str):
        return None
    return Turn(
        key=key,
        model=str(_object(message).get("model", "")),
        input=_count(usage.get("input_tokens")),
        output=_count(usage.get("output_tokens")),
        cache_write=_count(usage.get("cache_creation_input_tokens")),
        cache_write_1h=_count(
            _object(usage.get("cache_creation")).get("ephemeral_1h_input_tokens")
        ),
        cache_read=_count(usage.get("cache_read_input_tokens")),
        speed=str(usage.get("speed") or ""),
        geography=str(usage.get("inference_geo") or ""),
        web_searches=_count(_object(usage.get("server_tool_use")).get("web_search_requests")),
    )


def meter_of(host_session: str, sums: Iterable[Sum]) -> Meter:
    """What an agent session used in all, over its transcript and those of its sub-agents."""
    totals = list(sums)
    return Meter(
        host_session=host_session,
        input=sum(one.input for one in totals),
        output=sum(one.output for one in totals),
        cache_write=sum(one.cache_write for one in totals),
        cache_read=sum(one.cache_read for one in totals),
        usd=max(0.0, round(sum(one.usd for one in totals), 6)),
        unpriced=sum(one.unpriced for one in totals),
    )


def spent_between(earlier: Meter | None, later: Meter | None) -> Spent | None:
    """What was used from one reading to the next; None when they cannot be compared."""
    if earlier is None or later is None or earlier.host_session != later.host_session:
        return None
    if later.tokens < earlier.tokens:  # another transcript by the same name
        return None
    priced = later.unpriced == earlier.unpriced
    return Spent(
        tokens=later.tokens - earlier.tokens,
        output=max(0, later.output - earlier.output),
        usd=max(0.0, round(later.usd - earlier.usd, 6)) if priced else None,
    )


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return max(0, value)
