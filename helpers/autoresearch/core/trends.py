"""How a session is going: keep rate, running gain, which words win, what a gain costs, advice."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from autoresearch.core import formatting
from autoresearch.core.budget import Outlook, outlook_of, per_keep
from autoresearch.core.contract import Contract
from autoresearch.core.decision import gain_of
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import History, Tried
from autoresearch.core.model import Direction, Scale, Verdict
from autoresearch.core.worth import SOON, came_true

EVERY = 10
"""Experiments that count as the latest."""

WORDS_SHOWN = 4
_FEWEST_USES = 3
_PRIOR = 4.0
"""A word begins with as many uses of the session's own keep rate."""

_STALLED = 10
_WORD = re.compile(r"[a-z][a-z_-]{3,24}")
_COMMON = (
    "with from that this into than then them they when were will would should could because "
    "instead each every only more less most least same other another once again also very make "
    "makes made using used uses does attempt experiment change changes"
)
_EMPTY = frozenset(_COMMON.split())


class WordRate(Struct, frozen=True):
    """A word of the agent's own hypotheses, and how its experiments ended."""

    word: str
    kept: int
    tried: int


class Trend(Struct, frozen=True, kw_only=True):
    """How a session is going.

    Attributes:
        latest: keeps among the ten newest.
        gain: joined estimates of the keeps that stand, better is positive; None where their
            scales differ or none has one. Never a claim.
        winning, losing: words, the clearest first.
        keep_s: seconds of measuring and thinking for each keep.
        held: (mean chance, share that came true, how many) of the session's own forecasts.
        advice: one sentence.
    """

    experiments: int
    kept: int
    latest: int
    gain: float | None
    scale: Scale
    winning: tuple[WordRate, ...]
    losing: tuple[WordRate, ...]
    keep_s: float | None
    cost: str
    outlook: Outlook
    held: tuple[float, float, int] | None
    advice: str

    @property
    def rate(self) -> float:
        """Share of the experiments that was kept."""
        return self.kept / self.experiments if self.experiments else 0.0


def trend_of(history: History, tried: Sequence[Tried], contract: Contract) -> Trend:
    """The trend of a session; `tried` are its newest experiments, newest first."""
    outlook = outlook_of(history, contract)
    words = rated(tried)
    kept = [one for one in tried if one.verdict is Verdict.KEEP]
    losing = sorted((word for word in words if not word.kept), key=lambda word: -word.tried)
    latest = sum(history.keeps[:EVERY])
    return Trend(
        experiments=history.last_number,
        kept=history.kept_count,
        latest=latest,
        gain=_gain(kept, contract),
        scale=contract.metric.scale,
        winning=tuple(word for word in words if word.kept)[:WORDS_SHOWN],
        losing=tuple(losing[:WORDS_SHOWN]),
        keep_s=history.active_s / history.kept_count if history.kept_count else None,
        cost=per_keep(history) or "",
        outlook=outlook,
        held=came_true(history.keeps[::-1]),
        advice=_advice(history, outlook, latest),
    )


def rated(tried: Sequence[Tried]) -> list[WordRate]:
    """Words of message and hypothesis that stand in several experiments, the best first."""
    uses, kept = Counter[str](), Counter[str]()
    for one in tried:
        text = f"{one.message} {one.hypothesis or ''}".lower()
        words = set(_WORD.findall(text)) - _EMPTY
        uses.update(words)
        kept.update(words if one.verdict is Verdict.KEEP else ())
    rate = sum(one.verdict is Verdict.KEEP for one in tried) / max(1, len(tried))
    found = [WordRate(word, kept[word], n) for word, n in uses.items() if n >= _FEWEST_USES]
    # A word that is in every experiment tells nothing.
    found = [word for word in found if word.tried < len(tried)]
    found.sort(key=lambda w: (-(w.kept + _PRIOR * rate) / (w.tried + _PRIOR), w.word))
    return found


def short_line(trend: Trend, unit: str) -> str:
    """The trend in one line, for the answer of every tenth `try`."""
    gain = "" if trend.gain is None else f", running gain {_shown(trend, unit)} (unvalidated)"
    return (
        f"trend at {trend.experiments}: {trend.latest} of the last "
        f"{min(EVERY, trend.experiments)} kept{gain}, chance of a keep in the next {SOON}: "
        f"{trend.outlook.keep_soon:.0%}; {trend.advice}"
    )


def trend_lines(trend: Trend, unit: str) -> Iterator[str]:
    """The trend as `status --trend` tells it."""
    if not trend.experiments:
        yield "trend: no experiment yet"
        return
    last = min(EVERY, trend.experiments)
    yield (f"keep rate: {trend.rate:.0%} of {trend.experiments}, {trend.latest} of the last {last}")
    if trend.gain is not None:
        yield f"running gain: {_shown(trend, unit)}, joined from single races: not validated"
    for title, words in (("ideas that win", trend.winning), ("ideas that lose", trend.losing)):
        if words:
            named = (f"{clean_line(w.word)} {w.kept} of {w.tried}" for w in words)
            yield f"{title}: {', '.join(named)}"
    if trend.keep_s is not None:
        spent = f", {trend.cost}" if trend.cost else ""
        yield f"each keep took: {formatting.duration(trend.keep_s)}{spent}"
    yield f"plateau: a keep in the next {SOON} has a chance of {trend.outlook.keep_soon:.0%}"
    if trend.held is not None:
        chance, came, count = trend.held
        yield (
            f"its forecasts so far: {chance:.0%} on average, {came:.0%} came true "
            f"({formatting.count(count, 'forecast')})"
        )
    yield f"advice: {trend.advice}"


def _shown(trend: Trend, unit: str) -> str:
    return formatting.change(trend.gain or 0.0, trend.scale, unit)


def _gain(kept: Sequence[Tried], contract: Contract) -> float | None:
    """The gains of the keeps that stand, joined; the metric is taken to be positive."""
    scale, direction = contract.metric.scale, contract.metric.direction
    effects = [one.effect for one in kept if one.effect is not None and not one.undone]
    if not effects or any(effect.scale is not scale for effect in effects):
        return None
    if scale is Scale.DIFFERENCE:
        return sum(gain_of(effect, direction) for effect in effects)
    level = math.prod(1 + effect.change for effect in effects)
    return 1 - level if direction is Direction.LOWER else level - 1


def _advice(history: History, outlook: Outlook, latest: int) -> str:
    if outlook.stop:
        return f"consider stopping: {outlook.reason}"
    if history.last_number >= _STALLED and latest == 0:
        ideas = history.ideas.total
        where = f"open ideas: {ideas}" if ideas else "write down ideas of another kind first"
        return f"nothing of the last {_STALLED} was kept: change the approach ({where})"
    return "go on"
