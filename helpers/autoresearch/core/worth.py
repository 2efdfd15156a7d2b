"""What one more experiment is worth: the chance of a real keep, its gain, and what it costs.

Keeps come at a rate that fades. Which rate, and how fast, is not known: `forecast` weighs a grid of
both by what the session has shown so far, beginning with what sessions are like (`_WEIGHTS`, fitted
to recorded logs of other tools and to simulated sessions). docs/decision.md says how well it holds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from autoresearch.core import formatting
from autoresearch.core.contract import Contract
from autoresearch.core.decision import gain_of
from autoresearch.core.history import History
from autoresearch.core.model import Scale

SOON = 10
"""Experiments that `keep_soon` looks ahead."""

_STARTS = (0.01, 0.04, 0.1, 0.2, 0.35, 0.55, 0.8)
"""Chances of a keep at a session's start."""

_FADES = (8.0, 25.0, 80.0, math.inf)
"""Experiments after which the chance is down to 37 %."""

_WEIGHTS = (
    4, 4, 6, 7, 8, 19, 31, 78, 21, 69, 28, 152, 55, 63, 12, 51, 41, 106, 61, 23, 2, 58, 7, 1, 55,
    23, 3, 9,
)  # fmt: skip
"""How usual each pair of the two is, fades within starts."""

_LEAST = 0.004
"""Even a spent session keeps something now and then."""

_LUCK, _SURE = 0.02, 0.945
"""Rates also change for reasons that no series shows: no forecast is certain. Chosen with the
weights, by the deciles of benchmarks/bench_worth.py."""

_KNOWN_GAIN = 0.02
_KNOWN_WEIGHT = 2.0
"""Before any keep a gain of 2 % is expected; it weighs as much as two keeps of this session."""

_GAINS_AVERAGED = 8
_TEACHES = 0.7
"""An experiment also tells about those after it, so it is paid below its price: chosen by
benchmarks/bench_worth.py."""

_HOUR_S = 3600.0


class KeepChances(NamedTuple):
    """Chances of keeps: of the next experiment, and of at least one in the next ten."""

    next_keep: float
    keep_soon: float


class Offer(NamedTuple):
    """What one more experiment promises, and costs.

    Attributes:
        chance: of a real keep: false ones, `alpha`, taken off.
        gain: to expect of a keep, as a fraction or in the metric's unit.
        tokens, usd: of one experiment so far; None where the host does not tell.
        value_usd, cost_usd: of one experiment; None where the contract does not say what a gain is
            worth, or the gain is no share.
    """

    chance: float
    gain: float
    scale: Scale
    seconds: float
    tokens: int | None
    usd: float | None
    value_usd: float | None
    cost_usd: float | None

    @property
    def is_worth_it(self) -> bool | None:
        """Whether to go on; None where nobody said what a gain is worth."""
        if self.value_usd is None or self.cost_usd is None:
            return None
        return self.value_usd >= _TEACHES * self.cost_usd

    def described(self, unit: str) -> str:
        """In words: `18 % to be a real keep, then about 3.1%; it costs about 4 min`."""
        gain = formatting.magnitude(self.gain, self.scale, unit)
        costs = [formatting.duration(self.seconds)]
        costs += [] if self.tokens is None else [formatting.tokens(self.tokens)]
        costs += [] if self.usd is None else [formatting.dollars(self.usd)]
        found = (
            f"chance of a real keep {self.chance:.0%}, then about {gain}; it costs about "
            f"{formatting.listed(costs)}"
        )
        if self.value_usd is None or self.cost_usd is None:
            return found
        verdict = "worth it" if self.is_worth_it else "not worth it"
        value, cost = formatting.dollars(self.value_usd), formatting.dollars(self.cost_usd)
        return f"{found}; {verdict}: {value} to expect against {cost}"


def forecast(keeps: Sequence[bool], before: int = 0) -> KeepChances:
    """Return the chances after a series of outcomes, oldest first, that `before` others precede."""
    return _forecast(tuple(keeps), before)


@lru_cache(maxsize=8)
def _forecast(keeps: tuple[bool, ...], before: int) -> KeepChances:
    """Asked several times by one command."""
    scores = [
        math.log(weight)
        + sum(table.lost[before : before + len(keeps)])
        + sum(table.kept[before + at] for at, keep in enumerate(keeps) if keep)
        for weight, table in zip(_WEIGHTS, _tables(before + len(keeps)), strict=True)
    ]
    most = max(scores)
    weights = [math.exp(score - most) for score in scores]
    total, now = sum(weights), before + len(keeps)
    next_keep = keep_soon = 0.0
    for weight, (start, fade) in zip(weights, _grid(), strict=True):
        coming = [_chance(start, fade, now + step) for step in range(SOON)]
        next_keep += weight / total * coming[0]
        keep_soon += weight / total * (1 - math.prod(1 - chance for chance in coming))
    return KeepChances(next_keep, _LUCK + _SURE * keep_soon)


def forecast_of(history: History) -> KeepChances:
    """The chances of a session, from its 500 newest experiments."""
    keeps = history.keeps[::-1]
    return forecast(keeps, history.last_number - len(keeps))


def price_of(history: History, contract: Contract) -> Offer | None:
    """What one more experiment is worth; None before the first one."""
    count = history.last_number
    if count == 0 or history.epoch is None:
        return None
    used, worth, scale = history.spending, contract.worth, contract.metric.scale
    metered = count - used.unmetered
    usd = used.usd / metered if metered and not used.unpriced else None
    seconds = history.active_s / count
    values = sorted(abs(value) for value in history.epoch.values)
    level = values[len(values) // 2] if values else 0.0
    unit_gain = level if scale is Scale.DIFFERENCE else 1.0
    known = _KNOWN_GAIN * (unit_gain or 1.0)
    gains = [
        max(0.0, gain_of(kept.effect, contract.metric.direction))
        for kept in history.kept[:_GAINS_AVERAGED]
        if kept.effect is not None and kept.effect.scale is scale
    ]
    gain = (_KNOWN_WEIGHT * known + sum(gains)) / (_KNOWN_WEIGHT + len(gains))
    next_keep = forecast_of(history).next_keep
    alpha = contract.race.alpha
    chance = max(0.0, next_keep - alpha * (1 - next_keep))
    value = None
    if worth.percent is not None and unit_gain:
        value = chance * gain / unit_gain * 100 * worth.percent
    return Offer(
        chance=chance,
        gain=gain,
        scale=scale,
        seconds=seconds,
        tokens=round(used.tokens / metered) if metered else None,
        usd=usd,
        value_usd=value,
        cost_usd=None if value is None else (usd or 0.0) + seconds / _HOUR_S * worth.hour,
    )


def came_true(keeps: Sequence[bool]) -> tuple[float, float, int] | None:
    """Return how the forecasts of a session itself held: mean chance, share that came, how many.

    Made anew after every tenth of its outcomes, oldest first, on those before; None without one.
    """
    made = range(SOON, len(keeps) - SOON + 1, SOON)
    if not made:
        return None
    chances = [forecast(keeps[:at]).keep_soon for at in made]
    came = [any(keeps[at : at + SOON]) for at in made]
    return statistics.fmean(chances), statistics.fmean(came), len(chances)


class _Table(NamedTuple):
    """Logarithms for each place in a session: of no keep, and what a keep adds to that."""

    lost: tuple[float, ...]
    kept: tuple[float, ...]


def _grid() -> list[tuple[float, float]]:
    return [(start, fade) for start in _STARTS for fade in _FADES]


def _chance(start: float, fade: float, place: int) -> float:
    return max(_LEAST, start * math.exp(-place / fade))


def _tables(length: int) -> list[_Table]:
    """The tables, long enough; in steps, so that they are rarely made anew."""
    return _made(-(-length // 64) * 64 + 64)


@cache
def _made(length: int) -> list[_Table]:
    found = []
    for start, fade in _grid():
        chances = [_chance(start, fade, place) for place in range(length)]
        lost = tuple(math.log1p(-chance) for chance in chances)
        kept = tuple(math.log(chance) - none for chance, none in zip(chances, lost, strict=True))
        found.append(_Table(lost, kept))
    return found
