"""How a session is going, in one line and in several."""

from __future__ import annotations

import pytest
from autoresearch.core.contract import Metric
from autoresearch.core.history import tried_of
from autoresearch.core.model import Direction, Scale, Spent, Verdict
from autoresearch.core.trends import rated, short_line, trend_lines, trend_of
from support.histories import contract, history
from support.records import effect, experiment, make

RATIO = make(
    Metric, name="parse_ms", unit="ms", direction=Direction.LOWER, min_effect_relative=True
)


def made(*entries, metric=RATIO, ideas=()):
    """The trend of experiments: (message, change) for a keep, a message for a discard."""
    records = [
        experiment(n, message=entry)
        if isinstance(entry, str)
        else experiment(n, Verdict.KEEP, message=entry[0], effect=entry[1])
        for n, entry in enumerate(entries, start=1)
    ]
    tried = [tried_of(record) for record in reversed(records)]
    return trend_of(history(*records, ideas=ideas), tried, contract(metric=metric))


def test_nothing_yet():
    """A trend of nothing."""
    assert list(trend_lines(made(), "ms")) == ["trend: no experiment yet"]
    assert made().rate == 0.0


def test_gains_are_joined_and_signed_as_better():
    """A gain that is added where it is a share, or one that turns its sign."""
    half = effect(-0.5)
    assert made(("a", half), ("b", half)).gain == pytest.approx(0.75)
    higher = make(Metric, name="score", direction=Direction.HIGHER, min_effect_relative=True)
    assert made(("a", effect(1.0)), ("b", effect(0.5)), metric=higher).gain == pytest.approx(2.0)
    points = make(Metric, name="score", direction=Direction.HIGHER)
    by = effect(3.0, Scale.DIFFERENCE)
    assert made(("a", by), ("b", by), metric=points).gain == pytest.approx(6.0)
    assert made(("a", by)).gain is None  # of another scale than the metric's
    assert made("a").gain is None


def test_words_that_win_and_lose():
    """Words that everybody uses, or that were used once, taken for a lesson."""
    entries = [(f"cache the parser {n}", effect(-0.1)) for n in range(3)]
    entries += [f"inline the parser {n}" for n in range(4)] + ["vectorise the parser"]
    found = made(*entries)
    assert [(w.word, w.kept, w.tried) for w in found.winning] == [("cache", 3, 3)]
    assert [(w.word, w.kept, w.tried) for w in found.losing] == [("inline", 0, 4)]
    tried = [tried_of(experiment(1, message="aaaa bbbb", hypothesis="cccc"))] * 3
    assert rated([*tried, tried_of(experiment(2, message="xxxx"))])[0].word == "aaaa"
    lines = list(trend_lines(found, "ms"))
    assert "ideas that win: cache 3 of 3" in lines
    assert "ideas that lose: inline 0 of 4" in lines


def test_lines_and_advice():
    """A trend without its rate, its plateau or its advice, or one that advises against itself."""
    found = made(*["dull idea"] * 25)
    lines = list(trend_lines(found, "ms"))
    assert lines[0] == "keep rate: 0% of 25, 0 of the last 10"
    assert any(line.startswith("its forecasts so far: ") for line in lines)
    assert lines[-1].startswith("advice: consider stopping: a keep in the next 10")
    stalled = made(("good", effect(-0.1)), *[("good", effect(-0.1))] * 5, *["dull idea"] * 10)
    assert stalled.advice == (
        "nothing of the last 10 was kept: change the approach "
        "(write down ideas of another kind first)"
    )
    waiting = made(*[("good", effect(-0.1))] * 6, *["dull"] * 10, ideas=("x",))
    assert waiting.advice.endswith("change the approach (open ideas: 1)")
    going = made(("good", effect(-0.1)))
    assert going.advice == "go on"
    assert any(line.startswith("each keep took: ") for line in trend_lines(going, "ms"))


def test_one_line():
    """A line every ten experiments that says less than the question needs."""
    line = short_line(made(("a", effect(-0.5)), "b"), "ms")
    assert line.startswith("trend at 2: 1 of the last 2 kept, running gain +50.0% (unvalidated), ")
    assert line.endswith("; go on")
    assert "running gain" not in short_line(made("a"), "ms")


def test_cost_of_a_keep():
    """A cost that the lines forget."""
    records = [
        experiment(1, Verdict.KEEP, effect=effect(-0.1), spent=Spent(tokens=9, output=1, usd=0.5))
    ]
    tried = [tried_of(record) for record in records]
    found = trend_of(history(*records), tried, contract(metric=RATIO))
    assert found.cost == "$0.50"
    assert any(line.endswith(", $0.50") for line in trend_lines(found, "ms"))
