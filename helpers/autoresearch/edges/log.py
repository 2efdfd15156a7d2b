"""The log: a file to which whole lines are added and of which nothing is ever changed.

Every line holds the hash of the line before, so an edit in the middle shows. The hash of the
last line is held by whoever has read it (the index), so an edit at the end shows there.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Generic, NamedTuple, TypeVar

from msgspec import Struct

from autoresearch.core import records
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.records import Record
from autoresearch.edges.files import append_once, file_error, named_errors
from autoresearch.edges.stored import set_aside

R = TypeVar("R")

_BLOCK = 1 << 16
_REMEDY = (
    "`autoresearch recover --from-refs` takes the log from the state ref and keeps this one "
    "aside; or restore it from a backup and run `autoresearch recover --accept-log`."
)


class Position(NamedTuple):
    """A place between two lines.

    Attributes:
        offset: bytes from the start of the file.
        sha256: hash of the line that ends there; `FIRST_PREV` at the start.
    """

    offset: int
    sha256: str


START = Position(0, records.FIRST_PREV)


class LogEntry(Struct, Generic[R], frozen=True):
    """A record, where its line starts, and the position behind it."""

    record: R
    offset: int
    end: Position


class Torn(NamedTuple):
    """The rest of a line whose writing was interrupted, moved out of the log."""

    moved_to: Path
    size: int


class Chain(Generic[R]):
    """A log of any kind of records.

    Writing needs its owner's lock; reading needs nothing, for a line that is being written is
    not yet seen.

    Args:
        path: the file.
        form: how its records become lines.
        remedy: what to do about damage.
    """

    def __init__(self, path: Path, form: records.Codec[R], remedy: str) -> None:
        self.path = path
        self.form = form
        self.remedy = remedy

    def tail(self) -> Position:
        """The position behind the last whole line, found by reading that line only."""
        with self._open() as file:
            return _tail(file)

    def repair(self) -> Torn | None:
        """Move a torn last line to `log.torn-<n>` beside the log; None when there is none.

        The record in it was never reported as written: whoever wrote it does so again.
        """
        with self._open() as file:
            end = _tail(file).offset
            file.seek(end)
            rest = file.read()
        if not rest:
            return None
        aside = set_aside(self.path, self.path.with_name(f"{self.path.stem}.torn"), rest)
        with named_errors(self.path), self.path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())
        return Torn(aside, len(rest))

    def append(self, record: R) -> LogEntry[R]:
        """Add one line, in one write, and see it on the disk.

        Raises CorruptLogError when a torn line stands at the end (see `repair`), ValueError when
        the record cannot be logged, and as the disk refuses; the log is then as before.
        """
        with self._open() as file:
            start = _tail(file)
            self._require(
                _size(file) == start.offset, "ends in half a line; `autoresearch recover` moves it"
            )
        line = self.form.to_line(record, start.sha256) + b"\n"
        append_once(self.path, line)
        end = Position(start.offset + len(line), records.line_hash(line[:-1]))
        return LogEntry(record, start.offset, end)

    def records(self, start: Position = START) -> Iterator[LogEntry[R]]:
        """Every record behind `start`, oldest first; a torn last line is left out.

        Raises CorruptLogError when `start` lies beyond the end, a line is no record, or a line's
        `prev` is not the hash of the line before.
        """
        with self._open() as file:
            self._require(start.offset <= _size(file), f"ends before byte {start.offset}")
            file.seek(start.offset)
            position = start
            for line in file:
                if not line.endswith(b"\n"):
                    return  # another process is writing it; what follows would be its other half
                record, prev = self._from_line(line, position.offset)
                self._require(
                    prev == position.sha256,
                    f"was changed: its hash chain breaks at byte {position.offset}",
                )
                end = Position(position.offset + len(line), records.line_hash(line[:-1]))
                yield LogEntry(record, position.offset, end)
                position = end

    def read(self, offset: int, sha256: str) -> R:
        """The record whose line starts at `offset`; CorruptLogError when it has another hash."""
        with self._open() as file:
            file.seek(offset)
            line = file.readline()
        self._require(
            records.line_hash(line[:-1]) == sha256,
            f"has a different line at byte {offset} than the one written",
        )
        return self._from_line(line, offset)[0]

    def verify_chain(self, expected: Position | None = None) -> Position:
        """Read every line; the position behind the last one.

        Only by the end as somebody else remembers it (`expected`) is a change of the last line
        seen.
        """
        position = START
        seen = expected is None or expected == START
        for entry in self.records():
            position = entry.end
            seen = seen or position == expected
        self._require(seen, "does not hold the last line that was read from it")
        return position

    def require_tail(self, expected: Position) -> None:
        """Raise CorruptLogError unless the line that ends at `expected` is the one read before."""
        with self._open() as file:
            self._require(expected.offset <= _size(file), f"ends before byte {expected.offset}")
            found = _tail(file, expected.offset)
        self._require(found == expected, f"was replaced before byte {expected.offset}")

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except FileNotFoundError:
            return io.BytesIO()  # an absent log is an empty one
        except OSError as error:
            raise file_error(error, self.path) from error

    def _from_line(self, line: bytes, offset: int) -> tuple[R, str]:
        try:
            return self.form.from_line(line)
        except CorruptLogError as error:
            raise CorruptLogError(
                f"log {self.path}, byte {offset}: {error.message}", hint=error.hint or self.remedy
            ) from error

    def _require(self, holds: bool, complaint: str) -> None:
        if not holds:
            raise CorruptLogError(f"log {self.path} {complaint}", hint=self.remedy)


class Log(Chain[Record]):
    """One session's log."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, records.SESSION, _REMEDY)


def _size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _tail(file: BinaryIO, before: int | None = None) -> Position:
    """The position behind the last whole line that ends at or before `before` (the end)."""
    limit = _size(file) if before is None else before
    newline = _last_newline(file, limit)
    if newline is None:
        return START
    previous = _last_newline(file, newline)
    first = 0 if previous is None else previous + 1
    file.seek(first)
    return Position(newline + 1, records.line_hash(file.read(newline - first)))


def _last_newline(file: BinaryIO, limit: int) -> int | None:
    """Where the last newline before `limit` stands, read backwards in blocks."""
    while limit > 0:
        start = max(0, limit - _BLOCK)
        file.seek(start)
        found = file.read(limit - start).rfind(b"\n")
        if found >= 0:
            return start + found
        limit = start
    return None
