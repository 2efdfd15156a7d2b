"""A session's log, or an imported one, in the formats of other tools.

Each writer says what its format has no place for. What another tool's reader ignores (pi's extra
keys, CSV's columns) carries the whole, so that reading it here again loses nothing.
"""

from __future__ import annotations

import csv
import io
import json
import statistics
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from autoresearch.core import wire
from autoresearch.core.model import Direction, Verdict
from autoresearch.core.records import Epoch, Experiment
from autoresearch.importing.foreign import COLUMNS, KEPT, ForeignExperiment, ForeignStatus, Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from autoresearch.core.contract import Metric
    from autoresearch.core.records import Record

AS_STATUS = {
    Verdict.KEEP: ForeignStatus.KEEP,
    Verdict.DISCARD: ForeignStatus.DISCARD,
    Verdict.REWORK: ForeignStatus.CHECKS_FAILED,
    Verdict.VIOLATION: ForeignStatus.DISCARD,
    Verdict.CRASH: ForeignStatus.CRASH,
}


def of_session(
    records: Iterable[Record], goal: str, metric: Metric
) -> Iterator[Segment | ForeignExperiment]:
    """A session's log as other tools would have written it: baseline first, a segment an epoch."""
    number = 0
    for line, record in enumerate(records, 1):
        if isinstance(record, Epoch) and record.restarts_measuring:
            yield Segment(
                line=line, number=record.number, goal=goal, metric=metric.name, unit=metric.unit,
                direction=metric.direction, told_by="the contract",
            )  # fmt: skip
            number += 1
            yield ForeignExperiment(
                line=line, number=number, segment=record.number, commit=record.commit,
                status=ForeignStatus.BASELINE, metric=_median(record.values),
                secondary={n: statistics.median(v) for n, v in record.secondary if v},
                repeats=record.values, description="baseline", at=record.at,
                x_=_whole(record),
            )  # fmt: skip
        elif isinstance(record, Experiment):
            number += 1
            yield _of_experiment(line, number, record)


def _of_experiment(line: int, number: int, record: Experiment) -> ForeignExperiment:
    race = record.race
    own = () if race is None else _of_candidate(race.order, race.values)
    beside = {} if race is None else {n: _of_candidate(race.order, v) for n, v in race.secondary}
    return ForeignExperiment(
        line=line,
        number=number,
        segment=record.epoch,
        commit=record.commit,
        status=AS_STATUS[record.verdict],
        metric=_median(own),
        secondary={name: statistics.median(values) for name, values in beside.items() if values},
        repeats=own,
        description=record.message,
        hypothesis=record.hypothesis or "",
        at=record.at,
        x_=_whole(record),
    )


def _of_candidate(order: str, values: Iterable[float]) -> tuple[float, ...]:
    return tuple(value for arm, value in zip(order, values, strict=False) if arm == "b")


def _median(values: tuple[float, ...]) -> float | None:
    return statistics.median(values) if values else None


def _whole(record: Record) -> dict[str, Any]:
    return {"autoresearch": wire.to_object(record)}


Rows = list[Segment | ForeignExperiment]


def pi(rows: Rows) -> tuple[str, list[str]]:
    """Pi's JSONL; keys of ours stand beside pi's own, which its reader ignores."""
    lines = []
    for row in rows:
        if isinstance(row, Segment):
            value: dict[str, Any] = {
                "type": "config", "name": row.goal, "metricName": row.metric,
                "metricUnit": row.unit, "bestDirection": _way(row).value,
            }  # fmt: skip
        else:
            value = {
                "run": row.number,
                "commit": row.commit[:7],
                "metric": row.metric or 0,
                "metrics": row.secondary,
                "status": _pi_status(row.status),
                "description": row.description,
                "timestamp": _milliseconds(row.at),
                "segment": row.segment,
                "confidence": None,
                "asi": {"hypothesis": row.hypothesis} if row.hypothesis else {},
                "x_": msgspec.to_builtins(row),
            }
        lines.append(json.dumps(value, ensure_ascii=False))
    lost = ["a missing metric is 0, as pi reads it"] if _without_metric(rows) else []
    return "\n".join(lines) + "\n", lost


def _pi_status(status: ForeignStatus) -> str:
    return (
        "keep" if status in KEPT else "discard" if status is ForeignStatus.UNKNOWN else status.value
    )


def karpathy(rows: Rows) -> tuple[str, list[str]]:
    """Karpathy's `results.tsv`: five columns, seven characters of a hash."""
    name = next((row.metric for row in rows if isinstance(row, Segment)), "metric")
    memory = next(
        (n for r in rows if isinstance(r, ForeignExperiment) for n in r.secondary if "mem" in n), ""
    )
    table = [["commit", name, "memory_gb", "status", "description"]]
    for row in rows:
        if isinstance(row, ForeignExperiment):
            status = (
                row.status.value
                if row.status in {ForeignStatus.DISCARD, ForeignStatus.CRASH}
                else "keep"
            )
            status = (
                "discard"
                if row.status in {ForeignStatus.CHECKS_FAILED, ForeignStatus.UNKNOWN}
                else status
            )
            table.append(
                [row.commit[:7] or "-", f"{row.metric or 0:.6f}",
                 f"{row.secondary.get(memory, 0.0):.1f}", status, _one_line(row.description)]
            )  # fmt: skip
    lost = [
        "hypotheses, times, all but one secondary metric, single samples",
        "metrics are rounded to six places, hashes to seven characters",
        "failed checks are discards, as the format knows only keep, discard and crash",
    ]
    segments = sum(isinstance(row, Segment) for row in rows)
    return _tsv(table), lost + ([f"{segments} segments are one table"] if segments > 1 else [])


def udit(rows: Rows) -> tuple[str, list[str]]:
    """The table of uditgoenka's commands, as of version 2.1."""
    first = next((row for row in rows if isinstance(row, Segment)), None)
    way = Direction.LOWER if first is None else _way(first)
    lines = [f"# metric_direction: {way.value}_is_better"]
    if first is not None and first.goal:
        lines.append(f"# goal: {_one_line(first.goal)}")
    header = "iteration timestamp commit metric delta guard guard-metric status description"
    table = [header.split()]
    before: float | None = None
    place = 0
    for row in rows:
        if not isinstance(row, ForeignExperiment):
            continue
        passed = row.status in KEPT
        delta = 0.0 if before is None or row.metric is None else row.metric - before
        failed = row.status is ForeignStatus.CHECKS_FAILED
        table.append(
            [str(place), row.at or "-", row.commit[:10] or "-" if passed else "-",
             "-" if row.metric is None else repr(row.metric), f"{delta:+.10g}",
             "fail" if failed else "pass" if passed else "-", "-", _udit_status(row.status),
             _one_line(row.description)]
        )  # fmt: skip
        place += 1
        if passed and row.metric is not None:
            before = row.metric
    lost = ["hypotheses, secondary metrics, single samples, hashes of what was not kept"]
    return "\n".join(lines) + "\n" + _tsv(table), lost


def _udit_status(status: ForeignStatus) -> str:
    return {ForeignStatus.CHECKS_FAILED: "discard", ForeignStatus.UNKNOWN: "no-op"}.get(
        status, status.value
    )


def comma(rows: Rows) -> tuple[str, list[str]]:
    """CSV with every field; lists and objects are JSON in their cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        if isinstance(row, ForeignExperiment):
            value = msgspec.to_builtins(row)
            cells = (value[name] for name in COLUMNS)
            writer.writerow(
                ""
                if cell is None
                else cell
                if isinstance(cell, (str, int, float))
                else json.dumps(cell)
                for cell in cells
            )
    return out.getvalue(), ["what a segment is called and which way is better"]


def jsonl(rows: Rows) -> tuple[str, list[str]]:
    """What `import` writes: everything, a line each."""
    return "".join(json.dumps(msgspec.to_builtins(row)) + "\n" for row in rows), []


WRITERS: dict[str, Callable[[Rows], tuple[str, list[str]]]] = {
    "pi": pi, "karpathy": karpathy, "udit": udit, "csv": comma, "jsonl": jsonl,
}  # fmt: skip


def parquet(rows: Rows) -> bytes:
    """The columns of the CSV, typed; needs pyarrow, of the extra `[parquet]`."""
    import pyarrow as pa  # noqa: PLC0415 - of an extra
    from pyarrow import parquet as files  # noqa: PLC0415

    kept = [msgspec.to_builtins(row) for row in rows if isinstance(row, ForeignExperiment)]
    columns = {
        name: [json.dumps(one[name]) if name in {"secondary", "x_"} else one[name] for one in kept]
        for name in COLUMNS
    }
    sink = pa.BufferOutputStream()
    files.write_table(pa.table(columns), sink)
    whole: bytes = sink.getvalue().to_pybytes()
    return whole


def _way(segment: Segment) -> Direction:
    return segment.direction or Direction.LOWER


def _without_metric(rows: Rows) -> bool:
    return any(isinstance(row, ForeignExperiment) and row.metric is None for row in rows)


def _milliseconds(at: str | None) -> int:
    return (
        0
        if at is None
        else int(datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() * 1000)
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _tsv(table: list[list[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in table)
