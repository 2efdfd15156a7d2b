"""pi's `autoresearch.jsonl` and `.auto/log.jsonl` in all versions, and codex-autoresearch's.

pi reads an unknown status as a keep, a metric that is no number as 0, and skips damaged lines in
silence. Here each of them is an oddity, and nothing is made up.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from autoresearch.core.model import Direction
from autoresearch.importing.foreign import (
    Entry,
    ForeignExperiment,
    ForeignStatus,
    Odd,
    Oddity,
    Remark,
    Segment,
    commit_in,
    status_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OURS = {"segment": Segment, "experiment": ForeignExperiment, "remark": Remark, "oddity": Oddity}
"""Kinds of lines of a file that `import` wrote."""


def entries(lines: Iterable[tuple[int, str]]) -> Iterator[Entry]:
    """What the numbered lines of a log hold."""
    number = 0
    segment = Segment(line=0, number=0)
    for line, text in lines:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            what = Odd.NOT_JSON if text.strip() else Odd.BLANK
            yield Oddity(line=line, what=what, detail=str(error)[:80], lost=True)
            continue
        if isinstance(value, dict) and value.get("kind") in OURS and "line" in value:
            entry = _of_ours(line, value)
            if isinstance(entry, ForeignExperiment):
                number += 1
            yield entry
        elif isinstance(value, dict) and value.get("type") == "config":
            following = segment.number + (number > 0)
            segment = _segment(line, value, segment, following)
            yield segment
            if value.get("bestDirection") not in {"lower", "higher"}:
                yield Oddity(line=line, what=Odd.NO_DIRECTION)
        elif isinstance(value, dict) and value.get("type") == "hook":
            yield Remark(
                line=line, text=f"hook {value.get('stage')}: exit {value.get('exit_code')}"
            )
        elif isinstance(value, dict) and ("run" in value or {"metric", "status"} <= value.keys()):
            number += 1
            whole = _exported(line, value, number, segment.number)
            yield from _run(line, value, number, segment.number) if whole is None else [whole]
        else:
            yield Oddity(line=line, what=Odd.NOT_KNOWN, detail=text[:80], lost=True)


def _of_ours(line: int, value: dict[str, Any]) -> Entry:
    try:
        entry: Entry = msgspec.convert(value, OURS[value["kind"]])
    except msgspec.ValidationError as error:
        return Oddity(line=line, what=Odd.NOT_KNOWN, detail=str(error)[:120], lost=True)
    return entry


def _exported(
    line: int, value: dict[str, Any], number: int, segment: int
) -> ForeignExperiment | None:
    """The experiment that `export` put beside pi's own keys, as long as these still agree."""
    kept = value.get("x_")
    if not isinstance(kept, dict) or kept.get("kind") != "experiment":
        return None
    found = _of_ours(line, kept)
    if not isinstance(found, ForeignExperiment):
        return None
    agrees = (found.metric or 0, found.description) == (
        value.get("metric"),
        value.get("description"),
    ) and found.commit.startswith(str(value.get("commit")))
    return replace(found, number=number, segment=segment) if agrees else None


def _segment(line: int, value: dict[str, Any], before: Segment, number: int) -> Segment:
    def text(key: str, otherwise: str) -> str:
        found = value.get(key)
        return found if isinstance(found, str) else otherwise

    higher = value.get("bestDirection") == "higher"
    return Segment(
        line=line,
        number=number,
        goal=text("name", before.goal),
        metric=text("metricName", before.metric),
        unit=text("metricUnit", before.unit),
        direction=Direction.HIGHER if higher else Direction.LOWER,
        told_by="the log's header",
        x_=value,
    )


def _run(line: int, value: dict[str, Any], number: int, segment: int) -> Iterator[Entry]:
    status = status_in(value.get("status"))
    metric = _finite(value.get("metric"))
    told = value.get("metric")
    if status is ForeignStatus.CRASH and metric is not None:
        yield Oddity(line=line, what=Odd.CRASH_AS_ZERO, detail=f"{metric:g}")
        metric = None
    if isinstance(told, float) and metric is None and status is not ForeignStatus.CRASH:
        yield Oddity(line=line, what=Odd.NOT_FINITE, detail=str(told))
    notes = value.get("asi")
    others = value.get("metrics")
    pairs = ((str(k), _finite(v)) for k, v in (others.items() if isinstance(others, dict) else ()))
    yield ForeignExperiment(
        line=line,
        number=number,
        segment=segment,
        commit=commit_in(value.get("commit")),
        status=status,
        metric=metric,
        secondary={name: one for name, one in pairs if one is not None},
        description=_text(value.get("description")),
        hypothesis=_text(notes.get("hypothesis")) if isinstance(notes, dict) else "",
        at=from_milliseconds(value.get("timestamp")),
        x_=value,
    )


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if number - number == 0 else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def from_milliseconds(value: object) -> str | None:
    """UTC, to the second; None for 0, which pi writes for nothing, and for no time."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value:
        return None
    try:
        found = datetime.fromtimestamp(value / 1000, tz=timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")
