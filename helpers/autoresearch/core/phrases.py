"""Numbers, times and effects in words: one form of each, shared by everything that is shown."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

from autoresearch.core.model import Direction, Scale, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.model import Effect, Flag, Reason

_DIGITS = 4
_LARGE = 1e7
_SMALL = 1e-4
_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86400
_SHORT_HASH = 8
_CENT_USD = 0.01
_PLAIN_USD = 100
"""From so many dollars on nobody counts cents."""
_THOUSAND = 1_000


USUAL_LEVEL = 0.95
"""Coverage of an interval about which nothing needs to be said."""


def number(value: float) -> str:
    """A value with four significant digits: `41.7`, `1204`, `1.2e+09`."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if not _SMALL <= abs(value) < _LARGE:
        return f"{value:.{_DIGITS - 1}g}"
    decimals = max(0, _DIGITS - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_unit(value: float, unit: str) -> str:
    """A value and its unit, if it has one: `41.7 ms`."""
    return f"{number(value)} {unit}" if unit else number(value)


def percent(fraction: float) -> str:
    """A signed fraction as per cent: 0.031 -> `+3.1%`, 0.00042 -> `+0.042%`."""
    hundredths = fraction * 100 + 0.0  # -0.0 becomes 0.0
    if hundredths == 0 or abs(hundredths) >= 1:
        return f"{hundredths:+.1f}%"
    return f"{hundredths:+.2g}%"


def change(value: float, scale: Scale, unit: str = "") -> str:
    """A change of the metric on its scale, signed as the metric moved."""
    if scale is Scale.RATIO:
        return percent(value)
    sign = "+" if value >= 0 else "-"
    return f"{sign}{with_unit(abs(value), unit)}"


def effect(value: Effect, unit: str = "") -> str:
    """An effect and its interval: `-3.1% [-4.0%, -2.2%]`, an exact one without: `-3.1%`.

    An interval of less than 95 % says so, for a few pairs carry no more: `… (50% interval)`.
    """
    moved = change(value.change, value.scale, unit)
    if value.level == 1.0:
        return moved
    low, high = (change(bound, value.scale, unit) for bound in (value.low, value.high))
    level = "" if value.level >= USUAL_LEVEL else f" ({value.level:.0%} interval)"
    return f"{moved} [{low}, {high}]{level}"


def magnitude(value: float, scale: Scale, unit: str = "") -> str:
    """A size without sign: `1.2%` or `3 ms`."""
    return change(abs(value), scale, unit).removeprefix("+")


def duration(seconds: float) -> str:
    """Seconds as people say them: `0.4 s`, `12 s`, `3 min`, `2.5 h`, `3.1 days`."""
    seconds = max(0.0, seconds)
    if seconds < 10:  # noqa: PLR2004  (below, a tenth is worth showing)
        return f"{number(round(seconds, 1))} s"
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    if seconds < 2 * _DAY_S:
        return f"{number(round(seconds / _HOUR_S, 1))} h"
    return f"{number(round(seconds / _DAY_S, 1))} days"


def dollars(usd: float) -> str:
    """An amount of money: `$3.40`, `$0.0042`, `$120`."""
    if usd >= _PLAIN_USD:
        return f"${usd:,.0f}"
    return f"${usd:.2f}" if usd >= _CENT_USD or usd == 0 else f"${number(usd)}"


def tokens(amount: int) -> str:
    """A number of tokens: `850 tokens`, `12 k tokens`, `3.4 M tokens`."""
    if amount < _THOUSAND:
        return count(amount, "token")
    if amount < _THOUSAND**2:
        return f"{amount / _THOUSAND:.0f} k tokens"
    return f"{number(round(amount / _THOUSAND**2, 1))} M tokens"


def size(amount: int) -> str:
    """Bytes as people say them: `850 B`, `12 kB`, `3.4 MB`."""
    if amount < _THOUSAND:
        return f"{amount} B"
    if amount < _THOUSAND**2:
        return f"{amount / _THOUSAND:.0f} kB"
    return f"{number(round(amount / _THOUSAND**2, 1))} MB"


def listed(parts: Sequence[str]) -> str:
    """Parts as people list them: `a`, `a and b`, `a, b and c`."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one time of the log to another; negative when the clock went back."""
    first, last = (datetime.fromisoformat(text.removesuffix("Z")) for text in (earlier, later))
    return (last - first).total_seconds()


def verdict(value: Verdict, reason: Reason | None, flags: Sequence[Flag] = ()) -> str:
    """A verdict in words: `discard (undecided)`, `keep (provisional)`."""
    marks = [flag.value for flag in flags] if reason is None else [reason.value]
    return f"{value.value} ({', '.join(marks)})" if marks else value.value


def better(direction: Direction) -> str:
    """Which way is better, in words."""
    return "lower is better" if direction is Direction.LOWER else "higher is better"


def short_hash(commit: str) -> str:
    """The first eight digits of a commit: enough to name it to git in one repository."""
    return commit[:_SHORT_HASH]


def numbers(values: Sequence[int], shown: int = 12) -> str:
    """Experiment numbers, newest first as given: `17, 12, 9 and 4 more`."""
    named = ", ".join(str(value) for value in values[:shown])
    return f"{named} and {len(values) - shown} more" if len(values) > shown else named


def count(amount: int, noun: str) -> str:
    """An amount and its noun in the right number: `1 experiment`, `3 experiments`."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"
