"""Every pattern that the package compiles reads a text in time linear in its length."""

from __future__ import annotations

import re
import time

import pytest
from support.patterns import TAILS, Use, runs, uses

SIZES = (125, 500, 2000, 8000)
"""Each four times the one before: a linear pattern takes 4 times as long, a quadratic one 16."""

GROWTH = 8.0
LEAST_S = 0.004
"""What is faster is not looked at: the clock tells little of it."""

ALL = uses()


def seconds(use: Use, text: str, repeats: int = 1) -> float:
    """Processor time of this thread, which a busy machine does not change; the least of some."""
    took = []
    for _ in range(repeats):
        start = time.thread_time()
        use.apply(text)
        took.append(time.thread_time() - start)
    return min(took)


def growth(use: Use, head: str, unit: str, tail: str) -> float:
    """How much longer four times the text takes, where it takes long enough to tell; else 0."""
    before = 0.0
    for left, size in enumerate(SIZES, 1 - len(SIZES)):
        text = head + unit * size + tail
        now = seconds(use, text)
        if now > LEAST_S and before and now / before > GROWTH:
            short = head + unit * (size // 4) + tail
            ratio = seconds(use, text, 3) / max(seconds(use, short, 5), 1e-9)
            if ratio > GROWTH:
                return ratio
        if now * 2 * 16**-left < LEAST_S:  # quadratic, it would still be too fast to tell
            return 0.0
        before = now
    return 0.0


def worst(use: Use) -> tuple[float, str, str, str] | None:
    """The first run that the pattern takes too long for."""
    for head, unit in runs(use.pattern):
        for tail in TAILS:
            ratio = growth(use, head, unit, tail)
            if ratio:
                return ratio, head, unit, tail
    return None


@pytest.mark.parametrize("use", ALL, ids=lambda use: use.where)
def test_pattern_is_linear(use: Use) -> None:
    """A manifest of 24 KB of `[` that costs a scan 17 s of processor time."""
    found = worst(use)
    assert found is None, (
        f"{use.pattern.pattern!r} takes {found[0]:.0f} times as long for {found[1:]}"
    )


def test_patterns_are_found_wherever_they_stand() -> None:
    """A search that has gone blind finds every pattern linear."""
    places = {use.where for use in ALL}
    assert len(ALL) > 100
    assert "autoresearch.planning.scanning.outline._TARGET" in places
    assert any(place.startswith("autoresearch.planning.scanning.tables.tables") for place in places)
    assert any(".py:" in place for place in places)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\s*\[+\s*([^\]]+?)\s*\]+\s*(?:[#;].*)?$",
        r"x[^y\n]*y",
        r"\s+$",
        r"(a|b)*c",
        r"def \w+\([^)]*z",
    ],
)
def test_a_careless_pattern_is_noticed(pattern: str) -> None:
    """The pattern of the outline as it was, and others of its kind."""
    assert worst(Use("", re.compile(pattern, re.MULTILINE), anchored=False)) is not None
