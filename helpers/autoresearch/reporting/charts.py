"""The charts: Vega-Lite specifications of `share/report`, filled with a night and drawn."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from autoresearch import share
from autoresearch.core import formatting
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import Tried
from autoresearch.core.model import Direction, Scale, Verdict
from autoresearch.reporting.chapters import moved
from autoresearch.reporting.night import Night, Traced

FOLDER = share.FOLDER / "report"
NO_EXTRA = AutoresearchError(
    "charts and the page need jinja2 and vl-convert-python, which are not installed",
    code="no_report_extra",
    hint="`pip install 'autoresearch[report]'`; `report --format md` needs nothing.",
)
_BASE = "https://vega.github.io/vega-datasets/"
"""What vl-convert puts before a link that names no host."""

MOST_POINTS = 1_500
MOST_NOISE = 400
LABELS = 24
_APART = 60
"""Labels are at least this part of the chart's width apart."""

LABEL_CHARS = 34
_LATE = 0.75
"""Labels behind this share of the chart stand before their points: there is no room behind."""

_WORST = 0.9
"""Share of the worse candidates that the chart has room for; the others stand at its edge."""


class Box(NamedTuple):
    """What the axes span: experiments, and the metric."""

    first: int
    last: int
    low: float
    high: float


def palette(theme: str) -> dict[str, str]:
    """The colours of a theme by name."""
    found: dict[str, dict[str, str]] = json.loads((FOLDER / "palette.json").read_text("utf-8"))
    return found[theme]


def progress(night: Night) -> dict[str, Any]:
    """Kept and other experiments with their intervals, and the running estimate as a step."""
    spec = _spec("progress")
    pairs = [
        (one, seen)
        for one, seen in zip(night.experiments, night.seen, strict=True)
        if seen.best is not None
    ]
    box = _box(night, pairs)
    told = [(one, seen) for one, seen in pairs if one.verdict is not Verdict.DISCARD]
    few = len(pairs) <= MOST_POINTS
    labels = _labels(pairs, night)
    shown = pairs if few else _spread(told, MOST_POINTS)
    spec["datasets"] = {
        "marks": [_mark(one, seen, night) for one, seen in shown],
        "cells": [] if few else _cells(pairs, box),
        "steps": _steps(night, box),
        "turns": [{"x": turn.after, "what": turn.what} for turn in night.turns if turn.after],
        "labels": [label for label in labels if label["x"] <= _LATE * box.last],
        "late": [label for label in labels if label["x"] > _LATE * box.last],
        "validated": _validated(night),
    }
    axes, metric = spec["encoding"], night.contract.metric
    axes["x"]["scale"]["domain"] = [box.first, box.last]
    axes["y"]["scale"]["domain"] = [box.low, box.high]
    unit = f" in {night.unit}" if night.unit else ""
    axes["y"]["title"] = f"{metric.name}{unit}, estimated ({formatting.better(metric.direction)})"
    return spec


def noise(night: Night) -> dict[str, Any] | None:
    """The noise of every race, by machine; None where no metric varied."""
    factor = 100 if night.contract.metric.scale is Scale.RATIO else 1
    found = [seen for seen in night.seen if seen.noise is not None]
    if not found:
        return None
    spec = _spec("noise")
    spec["datasets"] = {
        "noise": [
            {
                "x": seen.number,
                "y": (seen.noise or 0.0) * factor,
                "machine": f"{min(seen.machine, 5)}" + ("+" if seen.machine > len("12345") else ""),
                "told": f"experiment {seen.number}, machine {seen.machine}",
            }
            for seen in _spread(found, MOST_NOISE)
        ]
    }
    unit = "%" if factor > 1 else night.unit
    spec["encoding"]["y"]["title"] = "noise, " + unit if unit else "noise"
    return spec


def drawn_svg(spec: Mapping[str, Any], *, inline: bool = False) -> str:
    """The chart as SVG; `inline` leaves its colours to the page's style and names no address."""
    text = str(_library().vegalite_to_svg(_coloured(spec) if not inline else dict(spec)))
    text = text.replace(f'xlink:href="{_BASE}', 'xlink:href="')
    return re.sub(r'^<svg xmlns="[^"]*" xmlns:xlink="[^"]*"', "<svg", text) if inline else text


def drawn_png(spec: Mapping[str, Any]) -> bytes:
    """The chart as PNG, in the light theme, at twice its size."""
    return bytes(_library().vegalite_to_png(_coloured(spec), scale=2))


def _library() -> ModuleType:
    try:
        import vl_convert  # noqa: PLC0415 - an extra, only where something is drawn
    except ImportError as error:
        raise NO_EXTRA from error
    return vl_convert


def _spec(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads((FOLDER / f"{name}.vl.json").read_text("utf-8"))
    return spec


def _coloured(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The specification with the light theme's colours for the page's variables."""
    plain = {key: value for key, value in spec.items() if key != "datasets"}
    text = json.dumps(plain)
    for name, colour in palette("light").items():
        text = text.replace(f"var(--{name})", colour)
    return {**json.loads(text), "datasets": spec.get("datasets", {})}


def _kind(one: Tried) -> str:
    return one.verdict.value


def _mark(one: Tried, seen: Traced, night: Night) -> dict[str, Any]:
    level = seen.best if seen.level is None else seen.level
    words = formatting.verdict(one.verdict, one.reason, one.flags)
    told = (
        f"experiment {one.number}: {words} {moved(one, night.unit)}, epoch {one.epoch}, "
        f"machine {seen.machine or 'none'}: {clean_line(one.message, 80)}"
    )
    return {
        "x": one.number,
        "y": level,
        "low": level if seen.low is None else seen.low,
        "high": level if seen.high is None else seen.high,
        "kind": _kind(one),
        "href": f"#e{one.number}",
        "told": told,
    }


def _box(night: Night, pairs: Sequence[tuple[Tried, Traced]]) -> Box:
    """Room for every level that the incumbent had, for its intervals, and for most of the rest."""
    lower = night.contract.metric.direction is Direction.LOWER
    levels = [turn.level for turn in night.turns if turn.level is not None]
    levels += [seen.best for _, seen in pairs if seen.best is not None]
    for one, seen in pairs:
        if one.verdict is Verdict.KEEP and seen.low is not None and seen.high is not None:
            levels += [seen.low, seen.high]
    levels += [point[name] for point in _validated(night) for name in ("low", "high")]
    rest = sorted(seen.level for _, seen in pairs if seen.level is not None)
    if rest:
        levels.append(rest[int((len(rest) - 1) * (_WORST if lower else 1 - _WORST))])
    low, high = (min(levels), max(levels)) if levels else (0.0, 1.0)
    margin = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    last = max(1, len(night.experiments))
    # Labels near the end reach towards what is better, below or above the step.
    late = 3 * margin if any(one.number > _LATE * last for one in night.kept) else margin
    return Box(0, last, low - (late if lower else margin), high + (margin if lower else late))


def _cells(
    pairs: Iterable[tuple[Tried, Traced]], box: Box, across: int = 60, up: int = 30
) -> list[Any]:
    """The cloud of discards as a grid of counts."""
    wide, tall = (box.last - box.first) / across, (box.high - box.low) / up
    counted = Counter(
        (
            min(across - 1, int((one.number - box.first) / wide)),
            max(0, min(up - 1, int((seen.level - box.low) / tall))),
        )
        for one, seen in pairs
        if one.verdict is Verdict.DISCARD and seen.level is not None
    )
    most = max(counted.values(), default=1)
    return [
        {
            "x": box.first + x * wide,
            "x2": box.first + (x + 1) * wide,
            "y": box.low + y * tall,
            "y2": box.low + (y + 1) * tall,
            "share": amount / most,
        }
        for (x, y), amount in counted.items()
    ]


def _steps(night: Night, box: Box) -> list[dict[str, Any]]:
    """Where the running estimate stood; a new epoch begins a line of its own."""
    moves = [(turn.after, 0, turn.level, turn.what.startswith("epoch")) for turn in night.turns]
    kept = {one.number for one in night.kept}
    moves += [(s.number, 1, s.best, False) for s in night.seen if s.number in kept]
    part, steps, best = 0, list[dict[str, Any]](), None
    for x, _, level, anew in sorted(moves, key=lambda move: move[:2]):
        if level is None:
            continue
        if anew and best is not None and level != best:
            steps.append({"x": x, "y": best, "part": part})
            part += 1
        steps.append({"x": x, "y": level, "part": part})
        best = level
    return [*steps, *([] if best is None else [{"x": box.last, "y": best, "part": part}])]


def _labels(pairs: Iterable[tuple[Tried, Traced]], night: Night) -> list[dict[str, Any]]:
    """The largest keeps by name."""
    kept = [
        (abs(one.effect.change) if one.effect is not None else 0.0, one, seen)
        for one, seen in pairs
        if one.verdict is Verdict.KEEP
    ]
    kept.sort(key=lambda found: (-found[0], found[1].number))
    apart = len(night.experiments) / _APART
    chosen: list[tuple[Tried, Traced]] = []
    for _, one, seen in kept:
        if len(chosen) < LABELS and all(abs(one.number - o.number) >= apart for o, _ in chosen):
            chosen.append((one, seen))
    angle = -35 if night.contract.metric.direction is Direction.LOWER else 35
    return [
        {
            "x": one.number,
            "y": seen.best,
            "label": clean_line(one.message, LABEL_CHARS),
            "angle": angle,
        }
        for one, seen in chosen
    ]


def _validated(night: Night) -> list[dict[str, Any]]:
    """The validated gain, from the first commit's samples in its own race."""
    found = night.validation
    if found is None:
        return []
    runs = zip(found.race.order, found.race.values, strict=False)
    own = [value for letter, value in runs if letter == "a"]
    if not own:
        return []
    base, effect = statistics.median(own), found.effect
    by_ratio = effect.scale is Scale.RATIO
    y, low, high = (
        base * (1 + change) if by_ratio else base + change
        for change in (effect.change, effect.low, effect.high)
    )
    proof = "validated" if found.proven else "validation, no proven improvement"
    told = f"{proof}: {formatting.effect(effect, night.unit)}"
    return [{"x": found.after, "y": y, "low": low, "high": high, "told": told}]


def _spread(found: Sequence[Any], most: int) -> Sequence[Any]:
    """At most so many of them, evenly."""
    return found if len(found) <= most else found[:: -(-len(found) // most)]
