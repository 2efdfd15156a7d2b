"""What is odd about experiments, told the same way for every format, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.importing.foreign import (
    KEPT,
    SENTINEL,
    SHORTEST_HASH,
    Entry,
    ForeignExperiment,
    ForeignStatus,
    Odd,
    Oddity,
    Segment,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_CONFIDENT = 100.0
ROUNDING = 0.051
"""A delta in a table may be rounded to one place."""


def with_oddities(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, each followed by what is odd about it."""
    look = _OddityCheck()
    for entry in entries:
        yield entry
        if isinstance(entry, Segment):
            yield from look.segment(entry)
        elif isinstance(entry, ForeignExperiment):
            for what, detail in look.experiment(entry):
                yield Oddity(line=entry.line, what=what, detail=detail)


class _OddityCheck:
    """What has been seen so far; `bars` are the metrics that a delta may be against."""

    def __init__(self) -> None:
        self.header, self.run, self.at = 0, 0, ""
        self.runs: set[int] = set()
        self.kept: dict[str, int] = {}
        self.bars: dict[str, float] = {}
        self.fresh = True

    def segment(self, found: Segment) -> Iterator[Oddity]:
        if self.header and self.fresh:
            detail = f"the last one is on line {self.header}"
            yield Oddity(line=found.line, what=Odd.REPEATED_HEADER, detail=detail)
        self.header, self.fresh, self.bars = found.line, True, {}

    def experiment(self, found: ForeignExperiment) -> Iterator[tuple[Odd, str]]:
        told, value, kept = found.x_.get, found.metric, found.status in KEPT
        if found.status is ForeignStatus.UNKNOWN and told("status") is not None:
            yield Odd.UNKNOWN_STATUS, repr(told("status"))[:60]
        if value is None and kept:
            yield Odd.NO_METRIC, ""
        if value is not None:
            yield from self._metric(value, told("delta"), kept=kept)
        yield from self._stored(told("run"), told("segment"), told("confidence"), found.segment)
        if not found.commit and str(told("commit") or "-").strip() not in {"", "-"}:
            yield Odd.NO_COMMIT, repr(told("commit"))[:60]
        elif found.commit and len(found.commit) < SHORTEST_HASH:
            yield Odd.SHORT_COMMIT, found.commit
        if kept and found.commit and self.kept.setdefault(found.commit, found.line) != found.line:
            yield Odd.SAME_COMMIT, f"line {self.kept[found.commit]}"
        if found.at is not None and found.at < self.at:
            yield Odd.TIME_ORDER, f"{found.at} after {self.at}"
        self.at, self.fresh = found.at or self.at, False

    def _metric(self, value: float, delta: object, *, kept: bool) -> Iterator[tuple[Odd, str]]:
        if abs(value) >= SENTINEL:
            yield Odd.SENTINEL, f"{value:g}"
        if value < 0:
            yield Odd.NEGATIVE, f"{value:g}"
        if self.fresh and value == 0:
            yield Odd.ZERO_BASE, ""
        if isinstance(delta, str) and self.bars and not self._follows(value, delta):
            yield Odd.DELTA, f"{delta} for {value:g}"
        self.bars |= {"last": value, "first": self.bars.get("first", value)}
        if kept:
            self.bars["kept"] = value

    def _follows(self, value: float, delta: str) -> bool:
        """Whether it is the distance to the line before, the last kept or the first one."""
        try:
            told = abs(float(delta))
        except ValueError:
            return True
        room = ROUNDING + 1e-6 * abs(value)
        return any(abs(abs(value - bar) - told) <= room for bar in self.bars.values())

    def _stored(
        self, run: object, segment: object, confidence: object, counted: int
    ) -> Iterator[tuple[Odd, str]]:
        if isinstance(run, int):
            if run in self.runs:
                yield Odd.STORED_RUN, f"run {run}"
            elif run < self.run:
                yield Odd.RUN_ORDER, f"run {run} after {self.run}"
            self.runs.add(run)
            self.run = run
        if isinstance(segment, int) and segment != counted:
            yield Odd.STORED_SEGMENT, f"{segment}, counted {counted}"
        if isinstance(confidence, (int, float)) and confidence > MOST_CONFIDENT:
            yield Odd.CONFIDENCE, f"{confidence:g}"
