"""Tables: Karpathy's `results.tsv` in its dialects, those of uditgoenka's commands, CSV.

Columns are known by their names. Rows are split at the header's delimiter and by nothing else:
these files hold quotes as text.
"""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from autoresearch.core.model import Direction
from autoresearch.importing.foreign import (
    COLUMNS,
    STATUSES,
    Entry,
    ForeignExperiment,
    ForeignStatus,
    Odd,
    Oddity,
    Remark,
    Segment,
    commit_in,
    direction_by_name,
    number_in,
    status_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ROLES = {
    **dict.fromkeys(("commit", "hash", "sha", "git_commit", "commit_hash"), "commit"),
    **dict.fromkeys(("status", "decision", "verdict", "outcome", "kept"), "status"),
    **dict.fromkeys(
        ("description", "desc", "notes", "note", "idea", "change", "error_fixed", "comment"),
        "description",
    ),
    "hypothesis": "hypothesis",
    **dict.fromkeys(("timestamp", "time", "date", "datetime"), "at"),
    **dict.fromkeys(("iteration", "iter", "round", "run", "exp", "experiment", "#"), "iteration"),
    **dict.fromkeys(("delta", "change_pct", "improvement"), "delta"),
    "guard": "guard",
}
"""Name of a column, in lower case -> what it is for."""

ASIDE = re.compile(
    r"memory|vram|_gb$|_mb$|guard|baseline|^params|^num_|steps|duration|seconds$|tokens|mfu|_line$"
    r"|severity|evidence|technique|owasp|stride|finding|axis|dimension|tier|classification|type$"
)
"""Columns that are measured beside the metric, or are none."""

KARPATHY = ("commit", "val_bpb", "memory_gb", "status", "description")
DIRECTIONS = {"lower": Direction.LOWER, "higher": Direction.HIGHER}
_DIRECTED = re.compile(r"#\s*metric_direction:\s*(lower|higher)_is_better", re.ASCII)
_GOAL = re.compile(r"#\s*goal:\s*(.*)")
LONGEST_STATUS = 24
LONGEST = 4000
"""Characters of a description that are kept; the rest of a pasted program is not."""


class Columns(NamedTuple):
    """What stands where in a row.

    Attributes:
        names: of the columns, as in the header.
        roles: column by what it is for.
        metric: the column that decides; None without any.
        many: other columns that could be it.
    """

    names: tuple[str, ...]
    roles: dict[str, int]
    metric: int | None
    many: tuple[str, ...]


def columns_of(cells: list[str], wanted: str = "") -> Columns | None:
    """The columns of a header, or None where the cells are none.

    Args:
        cells: of the line.
        wanted: the column that is the metric, by the caller's choice.
    """
    names = tuple(cell.strip() for cell in cells)
    lower = [name.lower() for name in names]
    roles: dict[str, int] = {}
    for place, name in enumerate(lower):
        role = ROLES.get(name)
        if role is not None:
            roles.setdefault(role, place)
    if len(names) == 1 or not roles or any(number_in(name) is not None for name in names):
        return None
    if not ({"status", "description", "commit"} & roles.keys()):
        return None
    free = [p for p, name in enumerate(lower) if p not in roles.values() and not ASIDE.search(name)]
    named = [p for p in range(len(names)) if wanted and names[p] == wanted]
    exact = [p for p in free if lower[p] == "metric"]
    # Karpathy's stand before the status, and so do those of whoever renamed them.
    before = [p for p in free if p < roles.get("status", len(names))]
    found = named or exact or before or free
    many = tuple(names[p] for p in before[1:]) if not named and not exact else ()
    return Columns(names, roles, found[0] if found else None, many)


def entries(lines: Iterable[tuple[int, str]], wanted: str = "") -> Iterator[Entry]:
    """What the numbered lines of a table hold."""
    table = _TableReader(wanted)
    for line, text in lines:
        yield from table.line(line, text)
    yield from table.finished()


class _TableReader:
    """A table that is being read; a row waits for the lines that go on with its description."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.columns: Columns | None = None
        self.delimiter = "\t"
        self.direction: Direction | None = None
        self.goal = ""
        self.number = 0
        self.segment = -1
        self.width = 0
        self.waiting: ForeignExperiment | None = None

    def finished(self) -> Iterator[Entry]:
        if self.waiting is not None:
            yield self.waiting
        self.waiting = None

    def line(self, line: int, text: str) -> Iterator[Entry]:
        if not text.strip():
            yield Oddity(line=line, what=Odd.BLANK, lost=True)
            return
        if self.columns is None and text.lstrip().startswith("#"):
            yield self._comment(line, text.strip())
            return
        header = self._header(text)
        if header is not None:
            yield from self._begin(line, header)
            return
        if self.columns is None:
            header = columns_of(list(KARPATHY), self.wanted)
            assert header is not None  # noqa: S101 - the constant is a header
            self.delimiter = "\t" if "\t" in text else ","
            yield from self._begin(line, header)
            yield Oddity(line=line, what=Odd.NO_HEADER)
        yield from self._row(line, text)

    def _comment(self, line: int, text: str) -> Remark:
        directed, goal = _DIRECTED.search(text), _GOAL.match(text)
        if directed:
            self.direction = DIRECTIONS[directed[1]]
        if goal:
            self.goal = goal[1].strip()
        return Remark(line=line, text=text[:LONGEST])

    def _header(self, text: str) -> Columns | None:
        for delimiter in ("\t", "|", ",") if self.columns is None else (self.delimiter,):
            found = columns_of(split(text, delimiter), self.wanted)
            if found is not None:
                self.delimiter = delimiter
                return found
        return None

    def _begin(self, line: int, columns: Columns) -> Iterator[Entry]:
        yield from self.finished()
        again = self.columns is not None
        self.columns, self.width = columns, len(columns.names)
        self.segment += 1
        name = "metric" if columns.metric is None else columns.names[columns.metric]
        direction, told_by = self.direction, "the log's first line"
        if direction is None:
            direction, told_by = direction_by_name(name), "the metric's name"
        yield Segment(
            line=line,
            number=self.segment,
            goal=self.goal,
            metric=name,
            direction=direction,
            told_by=told_by if direction else "",
            x_={"columns": list(columns.names)},
        )
        if again:
            yield Oddity(line=line, what=Odd.NEW_COLUMNS, detail=", ".join(columns.names)[:120])
        if columns.many:
            detail = f"{name} is taken, not {', '.join(columns.many)}"
            yield Oddity(line=line, what=Odd.MANY_METRICS, detail=detail)
        if "status" not in columns.roles:
            yield Oddity(line=line, what=Odd.NO_STATUS)

    def _row(self, line: int, text: str) -> Iterator[Entry]:
        columns = self.columns
        assert columns is not None  # noqa: S101 - set before the first row
        cells = split(text, self.delimiter)
        place = self._status_place(cells, columns)
        metric = (
            cells[columns.metric]
            if columns.metric is not None and columns.metric < len(cells)
            else ""
        )
        if not _is_row(cells, columns, place, metric):
            yield from self._rest(line, text)
            return
        yield from self.finished()
        if len(cells) != self.width:
            detail = f"{len(cells)} instead of {self.width}"
            yield Oddity(line=line, what=Odd.CELLS, detail=detail)
            self.width = len(cells)
        self.number += 1
        yield from self._experiment(line, cells, columns, place)

    def _status_place(self, cells: list[str], columns: Columns) -> int | None:
        """Where the status stands; in a row of other width it is looked for."""
        told = columns.roles.get("status")
        if told is None or (told < len(cells) and cells[told].strip().lower() in STATUSES):
            return told
        if len(cells) != len(columns.names):
            known = [p for p, cell in enumerate(cells) if cell.strip().lower() in STATUSES]
            if known:
                return known[0]
        return told

    def _rest(self, line: int, text: str) -> Iterator[Entry]:
        """A line that goes on with the description above it, as pasted programs do."""
        if self.waiting is not None and len(self.waiting.description) < LONGEST:
            joined = f"{self.waiting.description}\n{text}"[:LONGEST]
            self.waiting = replace(self.waiting, description=joined)
        yield Oddity(line=line, what=Odd.NO_ROW, detail=text.strip()[:60], lost=True)

    def _experiment(
        self, line: int, cells: list[str], columns: Columns, place: int | None
    ) -> Iterator[Entry]:
        told = dict(zip(columns.names, cells, strict=False))
        rest = cells[len(columns.names) :]
        shifted = place is not None and place != columns.roles.get("status")

        def cell(role: str) -> str:
            if role == "status":
                return cells[place].strip() if place is not None and place < len(cells) else ""
            if shifted and role == "description":
                return cells[-1].strip()
            at = columns.roles.get(role)
            if at is None or at >= len(cells):
                return ""
            whole = at == len(columns.names) - 1 and not shifted
            return self.delimiter.join(cells[at:]).strip() if whole else cells[at].strip()

        status = status_in(cell("status"))
        text = "" if columns.metric is None else cells[columns.metric].strip()
        metric = number_in(text)
        if status is ForeignStatus.CRASH and metric is not None:
            yield Oddity(line=line, what=Odd.CRASH_AS_ZERO, detail=text)
            metric = None
        elif metric is None and text.lower() in {"nan", "inf", "-inf", "+inf", "infinity"}:
            yield Oddity(line=line, what=Odd.NOT_FINITE, detail=text)
        elif metric is None and re.search(r"\d", text):
            yield Oddity(line=line, what=Odd.COMPOSITE, detail=text[:60])
        taken = {*columns.roles.values(), columns.metric}
        others = {
            columns.names[p]: number_in(cells[p])
            for p in range(min(len(cells), len(columns.names)))
            if p not in taken and not (shifted and place is not None and p >= place)
        }
        description = cell("description")
        if "\\n" in description:
            yield Oddity(line=line, what=Odd.SQUEEZED)
        self.waiting = ForeignExperiment(
            line=line,
            number=self.number,
            segment=self.segment,
            commit=commit_in(cell("commit")),
            status=status,
            metric=metric,
            secondary={name: value for name, value in others.items() if value is not None},
            description=description[:LONGEST],
            hypothesis=cell("hypothesis")[:LONGEST],
            at=time_in(cell("at")),
            x_={
                **told,
                **({"status": cell("status")} if place is not None else {}),
                **({"delta": cell("delta")} if "delta" in columns.roles else {}),
                **({"commit": cell("commit")} if "commit" in columns.roles else {}),
                **({"cells": rest} if rest else {}),
            },
        )


def _is_row(cells: list[str], columns: Columns, place: int | None, metric: str) -> bool:
    """Whether it is an experiment: its metric or its status can be one, and not too much lacks."""
    if len(cells) == 1 or (columns.metric is not None and columns.metric >= len(cells)):
        return False
    status = "" if place is None or place >= len(cells) else cells[place].strip()
    if place is not None and not status and number_in(metric) is None:
        return False
    known = status.lower() in STATUSES or (place is not None and len(status.split()) == 1)
    plausible = number_in(metric) is not None or metric.strip() in {"", "-", "nan", "inf"}
    if place is None:
        return number_in(metric) is not None
    return (status.lower() in STATUSES and (plausible or len(metric.split()) <= 1)) or (
        known and plausible and len(status) <= LONGEST_STATUS
    )


def split(text: str, delimiter: str) -> list[str]:
    """The cells of a line; only commas are quoted."""
    if delimiter == ",":
        return next(csv.reader([text]), [])
    cells = text.split(delimiter)
    if delimiter == "|":
        cells = cells[1 if not cells[0].strip() else 0 : -1 if not cells[-1].strip() else None]
    return cells


def time_in(text: str) -> str | None:
    """UTC to the second of an ISO time, or None."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=timezone.utc)
    return found.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def exported(path: Path) -> Iterator[Entry]:
    """A CSV that `export` wrote: every field, lists and objects as JSON."""
    yield Segment(line=1, number=0)
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        for number, cells in enumerate(csv.DictReader(file), 1):
            try:
                value = {n: _cell(n, cells[n] or "") for n in COLUMNS}
                yield msgspec.convert(
                    {"kind": "experiment", **value}, ForeignExperiment, strict=False
                )
            except (ValueError, KeyError) as error:  # noqa: PERF203 - one bad row is one oddity
                yield Oddity(line=number + 1, what=Odd.NO_ROW, detail=str(error)[:80], lost=True)


def _cell(name: str, text: str) -> object:
    if name in {"secondary", "repeats", "x_"}:
        return json.loads(text)
    return None if text == "" and name in {"metric", "at"} else text
