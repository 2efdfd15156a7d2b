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

_CONFIDENT = 100.0


def with_oddities(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, each experiment followed by what is odd about it."""
    look = _Look()
    for entry in entries:
        yield entry
        if isinstance(entry, Segment):
            yield from look.segment(entry)
        elif isinstance(entry, ForeignExperiment):
            for what, detail in look.experiment(entry):
                yield Oddity(line=entry.line, what=what, detail=detail)


class _Look:
    """What has been seen so far."""

    def __init__(self) -> None:
        self.header = 0
        self.fresh = True
        self.runs: set[int] = set()
        self.run = 0
        self.kept: dict[str, int] = {}
        self.at = ""
        self.metrics: dict[str, float] = {}

    def segment(self, found: Segment) -> Iterator[Oddity]:
        if self.header and self.fresh:
            detail = f"the last one is on line {self.header}"
            yield Oddity(line=found.line, what=Odd.REPEATED_HEADER, detail=detail)
        self.header, self.fresh, self.metrics = found.line, True, {}

    def experiment(self, found: ForeignExperiment) -> Iterator[tuple[Odd, str]]:
        yield from self._metric(found)
        yield from self._stored(found)
        yield from self._commit(found)
        if found.at is not None:
            if found.at < self.at:
                yield Odd.TIME_ORDER, f"{found.at} after {self.at}"
            self.at = found.at
        self.fresh = False

    def _metric(self, found: ForeignExperiment) -> Iterator[tuple[Odd, str]]:
        value, first = found.metric, self.fresh
        if found.status is ForeignStatus.UNKNOWN:
            word = found.x_.get("status")
            if word is not None:
                yield Odd.UNKNOWN_STATUS, repr(word)[:60]
        if value is None:
            if found.status in KEPT:
                yield Odd.NO_METRIC, ""
            return
        if abs(value) >= SENTINEL:
            yield Odd.SENTINEL, f"{value:g}"
        if value < 0:
            yield Odd.NEGATIVE, f"{value:g}"
        if first and value == 0:
            yield Odd.ZERO_BASE, ""
        yield from self._delta(found, value)

    def _delta(self, found: ForeignExperiment, value: float) -> Iterator[tuple[Odd, str]]:
        """Udit's delta is against the line before or the last kept one; rounded, at that."""
        told = found.x_.get("delta")
        if isinstance(told, str) and self.metrics:
            try:
                delta = float(told)
            except ValueError:
                delta = None
            if delta is not None:
                room = 0.051 + 1e-6 * abs(value)
                if all(
                    abs(abs(value - before) - abs(delta)) > room for before in self.metrics.values()
                ):
                    yield Odd.DELTA, f"{told} for {value:g}"
        self.metrics["last"] = value
        self.metrics.setdefault("first", value)
        if found.status in KEPT:
            self.metrics["kept"] = value

    def _stored(self, found: ForeignExperiment) -> Iterator[tuple[Odd, str]]:
        run, segment, confidence = (found.x_.get(k) for k in ("run", "segment", "confidence"))
        if isinstance(run, int):
            if run in self.runs:
                yield Odd.STORED_RUN, f"run {run}"
            elif run < self.run:
                yield Odd.RUN_ORDER, f"run {run} after {self.run}"
            self.runs.add(run)
            self.run = run
        if isinstance(segment, int) and segment != found.segment:
            yield Odd.STORED_SEGMENT, f"{segment}, counted {found.segment}"
        if isinstance(confidence, (int, float)) and confidence > _CONFIDENT:
            yield Odd.CONFIDENCE, f"{confidence:g}"

    def _commit(self, found: ForeignExperiment) -> Iterator[tuple[Odd, str]]:
        told = found.x_.get("commit")
        if not found.commit:
            if isinstance(told, str) and told.strip() not in {"", "-"}:
                yield Odd.NO_COMMIT, repr(told)[:60]
            return
        if len(found.commit) < SHORTEST_HASH:
            yield Odd.SHORT_COMMIT, found.commit
        if found.status in KEPT:
            before = self.kept.setdefault(found.commit, found.line)
            if before != found.line:
                yield Odd.SAME_COMMIT, f"line {before}"
