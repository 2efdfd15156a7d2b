"""The index: answers about a long log without reading it.

Everything here is derived from the log, which alone counts; a missing, broken or outdated index
is built again. Only the hashes of changed lines are its own: after a rebuild, near duplicates of
earlier experiments go unnoticed until their lines are remembered again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from autoresearch.core import codec, wire
from autoresearch.core.errors import AutoresearchError, CorruptLogError
from autoresearch.core.history import (
    NOTES_SHOWN,
    History,
    Near,
    Notes,
    Progress,
    Remembered,
    Tried,
    history_of,
)
from autoresearch.core.model import NoteKind
from autoresearch.core.progress import advance
from autoresearch.core.records import Experiment, Note, Record, Undo
from autoresearch.core.snapshot import sample
from autoresearch.core.summary import summary_of
from autoresearch.edges.files import file_error
from autoresearch.edges.log import Entry, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from autoresearch.core.history import Search
    from autoresearch.core.records import Record
    from autoresearch.edges.log import Entry, Log


VERSION = 5
"""Of these tables and of the summaries in them; another version is rebuilt, never migrated."""

SAME_LINE_KEPT = 64
"""Experiments remembered for one changed line, newest first: a line that everybody touches
says little, and reading its every experiment would make answers slower as the log grows."""

TABLES = """
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    offset INTEGER NOT NULL, sha256 TEXT NOT NULL, progress TEXT
);
CREATE TABLE experiments (
    number INTEGER PRIMARY KEY,
    offset INTEGER NOT NULL, sha256 TEXT NOT NULL,
    verdict TEXT NOT NULL, reason TEXT, tree TEXT NOT NULL, patch_id TEXT NOT NULL,
    words TEXT NOT NULL, summary TEXT NOT NULL
);
CREATE INDEX experiments_by_verdict ON experiments (verdict, number);
CREATE INDEX experiments_by_tree ON experiments (tree, number);
CREATE INDEX experiments_by_patch ON experiments (patch_id, number);
CREATE TABLE paths (
    path BLOB NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (path, number)
) WITHOUT ROWID;
CREATE TABLE lines (
    hash INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (hash, number)
) WITHOUT ROWID;
CREATE TABLE notes (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, open INTEGER NOT NULL, note TEXT NOT NULL
);
CREATE INDEX notes_by_kind ON notes (kind, open, number);
CREATE TABLE note_counts (kind TEXT PRIMARY KEY, open INTEGER NOT NULL);
INSERT INTO note_counts VALUES ('idea', 0), ('lesson', 0), ('dead_end', 0);
CREATE TABLE events (offset INTEGER PRIMARY KEY, kind TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE INDEX events_by_kind ON events (kind, offset);
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty database an empty index."""
    for statement in TABLES.split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO state VALUES (1, 0, ?, NULL)", (codec.FIRST_PREV,))
    connection.execute(f"PRAGMA user_version = {VERSION}")


def add_row(connection: sqlite3.Connection, entry: Entry[Record]) -> None:
    """Write what the tables need of one log line."""
    record = entry.record
    if isinstance(record, Experiment):
        _add_experiment(connection, record, entry)
        return
    kind = type(record).__name__.lower()
    connection.execute(
        "INSERT INTO events VALUES (?, ?, ?)", (entry.offset, kind, entry.end.sha256)
    )
    if isinstance(record, Note):
        _add_note(connection, record)


def add_lines(connection: sqlite3.Connection, number: int, hashes: frozenset[int]) -> None:
    """Remember which lines an experiment changed."""
    connection.executemany(
        "INSERT OR IGNORE INTO lines VALUES (?, ?)", [(value, number) for value in hashes]
    )
    connection.executemany(
        "DELETE FROM lines WHERE hash = ? AND number <= ("
        "SELECT number FROM lines WHERE hash = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
        [(value, value, SAME_LINE_KEPT) for value in hashes],
    )


def words_of(text: str) -> str:
    """Text as SQLite takes it: without lone surrogates, which only file names should hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def path_key(path: str) -> bytes:
    """The bytes of a path, whatever its encoding."""
    return path.encode("utf-8", "surrogateescape")


def _add_experiment(
    connection: sqlite3.Connection, record: Experiment, entry: Entry[Record]
) -> None:
    texts = (record.message, record.hypothesis or "", record.detail)
    connection.execute(
        "INSERT INTO experiments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.number,
            entry.offset,
            entry.end.sha256,
            record.verdict.value,
            None if record.reason is None else record.reason.value,
            record.tree,
            record.patch_id,
            words_of("\n".join(texts)),
            wire.text(summary_of(record)),
        ),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO paths VALUES (?, ?)",
        [(path_key(path), record.number) for _, path in record.paths],
    )


def _add_note(connection: sqlite3.Connection, record: Note) -> None:
    if record.kind is NoteKind.RETIRE:
        retired = connection.execute(
            "UPDATE notes SET open = 0 WHERE number = ? AND kind = 'idea' AND open = 1",
            (record.number,),
        )
        _count_notes(connection, NoteKind.IDEA, -retired.rowcount)
        return
    added = connection.execute(
        "INSERT OR IGNORE INTO notes VALUES (?, ?, 1, ?)",
        (record.number, record.kind.value, wire.text(record)),
    )
    _count_notes(connection, record.kind, added.rowcount)


def _count_notes(connection: sqlite3.Connection, kind: NoteKind, change: int) -> None:
    connection.execute(
        "UPDATE note_counts SET open = open + ? WHERE kind = ?", (change, kind.value)
    )


def conditions(search: Search) -> tuple[str, tuple[object, ...]]:
    """The WHERE clause of a search and its values."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    if search.verdict is not None:
        asked.append(("verdict = ?", (search.verdict.value,)))
    if search.reason is not None:
        asked.append(("reason = ?", (search.reason.value,)))
    if search.first is not None:
        asked.append(("number >= ?", (search.first,)))
    if search.last is not None:
        asked.append(("number <= ?", (search.last,)))
    if search.text is not None:
        asked.append(("words LIKE ? ESCAPE '\\'", (f"%{_literal(search.text)}%",)))
    if search.path is not None:
        path = path_key(search.path.rstrip("/"))
        # "0" is the character after "/": everything below the folder, and nothing else.
        asked.append(
            (
                "number IN (SELECT number FROM paths WHERE path = ? OR (path > ? AND path < ?))",
                (path, path + b"/", path + b"0"),
            )
        )
    if not asked:
        return "", ()
    return "WHERE " + " AND ".join(sql for sql, _ in asked), tuple(
        value for _, values in asked for value in values
    )


def _literal(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return words_of(text)


T = TypeVar("T")

_PATHS_ASKED = 20
_SAME_TREE_SHOWN = 50
_FULL = "database or disk is full"


class Location(NamedTuple):
    """Where an experiment's line starts in the log, and its hash."""

    offset: int
    sha256: str


class _State(NamedTuple):
    position: Position
    progress: Progress | None


class Index:
    """One session's index, caught up with its log. Close it, or use it as a context manager.

    Appending needs the session's lock, everything else none.

    Args:
        path: the database; made when missing.
        log: the log it is derived from.

    Raises:
        CorruptLogError: when the log is not the one that was read before.
        AutoresearchError: code `index` when the database cannot be written.
    """

    def __init__(self, path: Path, log: Log) -> None:
        self.path = path
        self.log = log
        self._connection = self._connect()
        try:
            self._state = self._guarded(self._caught_up)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def append(self, record: Record) -> Entry[Record]:
        """Add a record to the log and then to the index.

        Raises:
            CorruptLogError: when the record cannot follow (see `progress.advance`); nothing is
                written.
            AutoresearchError: as `Log.append`.
        """
        self.catch_up()
        undone = self._guarded(lambda: self._undone(record))
        advance(self._state.progress, record, undone=undone)
        entry = self.log.append(record)
        self.catch_up()
        return entry

    def catch_up(self) -> None:
        """Read what was added to the log meanwhile, in one transaction."""
        self._state = self._guarded(self._caught_up)

    def rebuild(self) -> None:
        """Build the index again from the log as it is, checking the whole chain.

        Also the way to accept a log that was brought back from a copy.

        Raises:
            CorruptLogError: when the log's own chain is broken.
        """
        self._start_over(force=True)
        self._state = self._caught_up()

    @property
    def position(self) -> Position:
        """The end of the log as this index has read it."""
        return self._state.position

    def progress(self) -> Progress:
        """What the log adds up to.

        Raises:
            CorruptLogError: when the log is empty.
        """
        progress = self._state.progress
        if progress is None:
            raise CorruptLogError(
                f"log {self.log.path} is missing or empty",
                hint=self.log.remedy,
            )
        return progress

    def history(self) -> History:
        """All that brief, document, status and budget read; its size has a bound."""
        return history_of(
            self.progress(),
            ideas=self._notes(NoteKind.IDEA),
            lessons=self._notes(NoteKind.LESSON),
            dead_ends=self._notes(NoteKind.DEAD_END),
        )

    def experiment(self, number: int) -> Tried | None:
        """One experiment without its samples, or None when there is none of this number."""
        found = self._tried("WHERE number = ?", (number,))
        return found[0] if found else None

    def record(self, number: int) -> Experiment | None:
        """One experiment whole, read back from the log, or None.

        Raises:
            CorruptLogError: when its line is no longer what it was.
        """
        return self._guarded(lambda: self._read(number))

    def record_offset(self, number: int) -> Location | None:
        """Where an experiment's line starts in the log."""
        return self._guarded(lambda: self._locate(number))

    def records_of(self, kind: str, limit: int) -> tuple[Record, ...]:
        """The newest records of a kind other than `experiment`, newest first."""
        rows = self._rows(
            "SELECT offset, sha256 FROM events WHERE kind = ? ORDER BY offset DESC LIMIT ?",
            (kind, limit),
        )
        return tuple(self.log.read(offset, sha256) for offset, sha256 in rows)

    def experiments(self, search: Search) -> Iterator[Tried]:
        """The experiments that a search asks for."""
        where, values = conditions(search)
        order = "DESC" if search.newest_first else "ASC"
        limit = -1 if search.limit is None else search.limit
        sql = f"SELECT summary FROM experiments {where} ORDER BY number {order} LIMIT ?"  # noqa: S608  (only fixed words are put in)
        for (summary,) in self._rows(sql, (*values, limit)):
            yield _summary(summary)

    def by_tree(self, tree: str) -> tuple[Tried, ...]:
        """Experiments that tried this very tree, newest first, at most 50."""
        return self._tried("WHERE tree = ? ORDER BY number DESC LIMIT ?", (tree, _SAME_TREE_SHOWN))

    def by_patch(self, patch_id: str) -> tuple[Tried, ...]:
        """Experiments that made the same change to any incumbent, newest first, at most 50."""
        return self._tried(
            "WHERE patch_id = ? ORDER BY number DESC LIMIT ?", (patch_id, _SAME_TREE_SHOWN)
        )

    def touching(self, paths: Sequence[str], limit: int) -> tuple[Tried, ...]:
        """The newest experiments that changed any of the first 20 paths, newest first."""
        found = {
            number
            for path in paths[:_PATHS_ASKED]
            for (number,) in self._rows(
                "SELECT number FROM paths WHERE path = ? ORDER BY number DESC LIMIT ?",
                (path_key(path), limit),
            )
        }
        newest = sorted(found, reverse=True)[:limit]
        return tuple(tried for number in newest if (tried := self.experiment(number)) is not None)

    def near(self, hashes: Iterable[int]) -> Near | None:
        """The experiment that shares most of these changed lines, the newest of equals, or None."""
        asked = sample(hashes)
        if not asked:
            return None
        marks = ",".join("?" * len(asked))
        rows = self._rows(
            f"SELECT number, COUNT(*) FROM lines WHERE hash IN ({marks}) "  # noqa: S608  (marks only)
            "GROUP BY number ORDER BY COUNT(*) DESC, number DESC LIMIT 1",
            tuple(asked),
        )
        return Near(rows[0][0], rows[0][1] / len(asked)) if rows else None

    def remember_lines(self, number: int, hashes: Iterable[int]) -> None:
        """Remember which lines an experiment changed (see `similarity.changed_lines`)."""

        def add() -> None:
            with self._transaction():
                add_lines(self._connection, number, sample(hashes))

        self._guarded(add)

    def _notes(self, kind: NoteKind) -> Notes:
        rows = self._rows(
            "SELECT note FROM notes WHERE kind = ? AND open = 1 ORDER BY number DESC LIMIT ?",
            (kind.value, NOTES_SHOWN),
        )
        counted = self._rows("SELECT open FROM note_counts WHERE kind = ?", (kind.value,))
        return Notes(tuple(_remembered(note) for (note,) in rows), int(counted[0][0]))

    def _tried(self, where: str, values: tuple[object, ...]) -> tuple[Tried, ...]:
        rows = self._rows(f"SELECT summary FROM experiments {where}", values)  # noqa: S608  (fixed words)
        return tuple(_summary(summary) for (summary,) in rows)

    def _rows(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        return self._guarded(lambda: self._connection.execute(sql, values).fetchall())

    def _locate(self, number: int) -> Location | None:
        row = self._connection.execute(
            "SELECT offset, sha256 FROM experiments WHERE number = ?", (number,)
        ).fetchone()
        return None if row is None else Location(*row)

    def _read(self, number: int) -> Experiment | None:
        place = self._locate(number)
        if place is None:
            return None
        record = self.log.read(place.offset, place.sha256)
        return record if isinstance(record, Experiment) else None

    def _undone(self, record: Record) -> Experiment | None:
        return self._read(record.experiment) if isinstance(record, Undo) else None

    def _guarded(self, action: Callable[[], T]) -> T:
        """Run an action on the database; build it again, once, when it is broken."""
        try:
            return action()
        except sqlite3.OperationalError as error:
            raise self._unusable(error) from error
        except sqlite3.DatabaseError:
            self.rebuild()
            return action()

    def _caught_up(self) -> _State:
        """Add the log's new lines to the tables, and tell where that leads."""
        if not self._is_current():
            self._start_over(force=False)
        # Safe from corruption without a sync at each commit; what power loss takes is read again.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        state = self._load()
        self.log.require_tail(state.position)
        if self.log.tail() == state.position:
            return state
        with self._transaction():
            # Another process may have caught up since.
            position, progress = self._load()
            for entry in self.log.records(position):
                undone = self._undone(entry.record)
                progress = advance(progress, entry.record, undone=undone)
                add_row(self._connection, entry)
                position = entry.end
            folded = None if progress is None else wire.text(progress)
            self._connection.execute(
                "UPDATE state SET offset = ?, sha256 = ?, progress = ?", (*position, folded)
            )
        return _State(position, progress)

    def _load(self) -> _State:
        row = self._connection.execute("SELECT offset, sha256, progress FROM state").fetchone()
        try:
            progress = None if row[2] is None else wire.read(row[2], Progress)
        except (ValueError, TypeError) as error:
            raise sqlite3.DatabaseError("the summary is not readable") from error
        return _State(Position(row[0], row[1]), progress)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._inode = self.path.stat().st_ino
        except (sqlite3.OperationalError, OSError) as error:
            raise self._unusable(error) from error
        return connection

    def _is_current(self) -> bool:
        return bool(self._connection.execute("PRAGMA user_version").fetchone()[0] == VERSION)

    def _start_over(self, *, force: bool) -> None:
        """Replace the database by an empty one, unless another process just did.

        Args:
            force: replace it also when its version is this one.
        """
        before = self._inode
        self._connection.close()
        with _locked(self.path.with_suffix(".lock")):
            self._connection = self._connect()
            if self._inode != before or (not force and self._is_current()):
                return
            self._connection.close()
            for suffix in ("", "-wal", "-shm", "-journal"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            self._connection = self._connect()
            self._connection.execute("PRAGMA journal_mode = WAL")
            with self._transaction():
                create_tables(self._connection)

    def _unusable(self, error: Exception) -> AutoresearchError:
        if _FULL in str(error):
            return file_error(OSError(errno.ENOSPC, _FULL), self.path)
        return AutoresearchError(
            f"the index {self.path} cannot be used: {error}",
            code="index",
            hint="Free some space or make its folder writable; or delete the file, and it is "
            "built again from the log.",
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    guard = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
    finally:
        os.close(guard)


def _summary(text: str) -> Tried:
    return wire.read(text, Tried)


def _remembered(text: str) -> Remembered:
    note = wire.read(text, Note)
    return Remembered(number=note.number, at=note.at, text=note.text, experiment=note.experiment)
