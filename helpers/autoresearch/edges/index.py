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
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct, structs

from autoresearch import share
from autoresearch.core import history, wire
from autoresearch.core.errors import AutoresearchError, CorruptLogError
from autoresearch.core.history import History, Notes, Progress, Spending, Tally, Tried
from autoresearch.core.model import Kind, NoteKind, Reason, Verdict
from autoresearch.core.records import FIRST_PREV, Experiment, Note, Record, Refusal, Undo
from autoresearch.core.snapshot import sample
from autoresearch.edges.files import file_error
from autoresearch.edges.log import Log, LogEntry, Position

T = TypeVar("T")

VERSION = 8
"""Of these tables and of what is stored in them; another version is rebuilt, never migrated."""

SAME_LINE_KEPT = 64
"""Experiments remembered for one changed line, newest first: a line that everybody touches
says little, and reading its every experiment would make answers slower as the log grows."""

_PATHS_ASKED = 20
_SAME_TREE_SHOWN = 50
_FULL = "database or disk is full"


class Search(Struct, frozen=True, kw_only=True):
    """Which experiments are asked for; None means any.

    Attributes:
        first, last: range of numbers, both included.
        text: part of message, hypothesis or detail; case of ASCII letters does not matter.
        path: a changed file, or a folder above it.
        limit: at most so many.
        newest_first: the order, also when the limit cuts.
    """

    verdict: Verdict | None = None
    reason: Reason | None = None
    first: int | None = None
    last: int | None = None
    text: str | None = None
    path: str | None = None
    limit: int | None = None
    newest_first: bool = True


class Near(NamedTuple):
    """An earlier experiment that shares changed lines, and the share in (0, 1]."""

    number: int
    share: float


class _State(NamedTuple):
    position: Position
    progress: Progress | None


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty database an empty index."""
    for statement in (share.FOLDER / "index.sql").read_text("ascii").split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO state VALUES (1, 0, ?, NULL)", (FIRST_PREV,))
    connection.execute(f"PRAGMA user_version = {VERSION}")


def add_row(connection: sqlite3.Connection, entry: LogEntry[Record]) -> None:
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
    elif isinstance(record, Undo):
        connection.execute(
            "UPDATE experiments SET undone = 1, tried = json_set(tried, '$.undone', json('true')) "
            "WHERE number = ?",
            (record.experiment,),
        )
    elif isinstance(record, Refusal):
        _count(connection, Verdict.REFUSED, record.reason, (0, 0.0, 0, 0))


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
    connection: sqlite3.Connection, record: Experiment, entry: LogEntry[Record]
) -> None:
    if record.verdict is Verdict.KEEP:
        # Earlier races of the tree that is kept now, and what it mended, warn nobody any more.
        mended = record.related if record.kind in {Kind.AGAIN, Kind.REWORK} else None
        connection.execute(
            "UPDATE experiments SET failed = 0 WHERE number IN "
            "(SELECT number FROM experiments WHERE tree = ? UNION SELECT ?)",
            (record.tree, mended),
        )
    texts = (record.message, record.hypothesis or "", record.detail)
    connection.execute(
        "INSERT INTO experiments VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
        (
            record.number,
            entry.offset,
            entry.end.sha256,
            record.verdict.value,
            None if record.reason is None else record.reason.value,
            record.tree,
            record.patch_id,
            record.verdict is not Verdict.KEEP,
            words_of("\n".join(texts)),
            wire.text(history.tried_of(record)),
        ),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO paths VALUES (?, ?)",
        [(path_key(path), record.number) for _, path in record.paths],
    )
    spent = record.spent
    used = (
        (0, 0.0, 0, 1) if spent is None else (spent.tokens, spent.usd or 0.0, spent.usd is None, 0)
    )
    _count(connection, record.verdict, record.reason, used)


def _count(
    connection: sqlite3.Connection,
    verdict: Verdict,
    reason: Reason | None,
    used: tuple[int, float, int, int],
) -> None:
    connection.execute(
        "INSERT INTO tallies VALUES (?, ?, 1, ?, ?, ?, ?) ON CONFLICT (verdict, reason) DO UPDATE "
        "SET count = count + 1, tokens = tokens + excluded.tokens, usd = usd + excluded.usd, "
        "unpriced = unpriced + excluded.unpriced, unmetered = unmetered + excluded.unmetered",
        (verdict.value, "" if reason is None else reason.value, *used),
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
    path = path_key((search.path or "").rstrip("/"))
    # "0" is the character after "/": everything below the folder, and nothing else.
    below = "number IN (SELECT number FROM paths WHERE path = ? OR (path > ? AND path < ?))"
    possible = (
        (search.verdict, "verdict = ?", (search.verdict,)),
        (search.reason, "reason = ?", (search.reason,)),
        (search.first, "number >= ?", (search.first,)),
        (search.last, "number <= ?", (search.last,)),
        (search.text, "words LIKE ? ESCAPE '\\'", (f"%{_literal(search.text or '')}%",)),
        (search.path, below, (path, path + b"/", path + b"0")),
    )
    asked = [(sql, values) for given, sql, values in possible if given is not None]
    where = " AND ".join(sql for sql, _ in asked)
    return where and f"WHERE {where}", tuple(value for _, values in asked for value in values)


def _literal(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return words_of(text)


class Index(contextlib.AbstractContextManager["Index"]):
    """One session's index, caught up with its log. Close it, or use it as a context manager.

    Appending needs the session's lock, everything else none.

    Raises:
        CorruptLogError: when the log is not the one that was read before.
        AutoresearchError: code `index` when the database cannot be written.
    """

    def __init__(self, path: Path, log: Log) -> None:
        self.path = path
        self.log = log
        self._history: tuple[Position, History] | None = None
        self._connection = self._connect()
        try:
            self._state = self._guarded(self._caught_up)
        except BaseException:
            self.close()
            raise

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def append(self, record: Record) -> LogEntry[Record]:
        """Add a record to the log, which alone counts, and then to the index.

        Raises CorruptLogError when the record cannot follow (see `history.advance`), and as
        `Log.append`; nothing is written then.
        """
        self.catch_up()
        undone = self._guarded(lambda: self._undone(record))
        progress = history.advance(self._state.progress, record, undone=undone)
        entry = self.log.append(record)
        self._state = self._guarded(lambda: self._added(entry, progress))
        return entry

    def catch_up(self) -> None:
        """Read what was added to the log meanwhile, in one transaction."""
        self._state = self._guarded(self._caught_up)

    def rebuild(self) -> None:
        """Build the index again from the log as it is, checking the whole chain.

        Also the way to accept a log that was brought back from a copy.
        """
        self._start_over(force=True)
        self._state = self._caught_up()

    @property
    def position(self) -> Position:
        """The end of the log as this index has read it."""
        return self._state.position

    def progress(self) -> Progress:
        """What a walk over the log tells; CorruptLogError when it is empty."""
        if self._state.progress is None:
            message = f"log {self.log.path} is missing or empty"
            raise CorruptLogError(message, hint=self.log.remedy)
        return self._state.progress

    def history(self) -> History:
        """All that brief, document, status and budget read; its size has a bound."""
        if self._history is None or self._history[0] != self.position:
            self._history = self.position, self._asked(self.progress())
        return self._history[1]

    def experiment(self, number: int) -> Tried | None:
        """One experiment without its samples, or None when there is none of this number."""
        found = self._tried("WHERE number = ?", (number,))
        return found[0] if found else None

    def record(self, number: int) -> Experiment | None:
        """One experiment whole, read back from the log, or None; raises as `Log.read`."""
        return self._guarded(lambda: self._read(number))

    def records_of(self, kind: str, limit: int) -> tuple[Record, ...]:
        """The newest records of a kind other than `experiment`, newest first."""
        rows = self._rows(
            "SELECT offset, sha256 FROM events WHERE kind = ? ORDER BY offset DESC LIMIT ?",
            (kind, limit),
        )
        return tuple(self.log.read(offset, sha256) for offset, sha256 in rows)

    def experiments(self, search: Search) -> tuple[Tried, ...]:
        """The experiments that a search asks for."""
        where, values = conditions(search)
        order = "DESC" if search.newest_first else "ASC"
        limit = -1 if search.limit is None else search.limit
        return self._tried(f"{where} ORDER BY number {order} LIMIT ?", (*values, limit))

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
        """Remember which lines an experiment changed (see `snapshot.changed_lines`)."""

        def add() -> None:
            with self._transaction():
                add_lines(self._connection, number, sample(hashes))

        self._guarded(add)

    def _asked(self, progress: Progress) -> History:
        since = progress.last_number - history.OUTCOMES_SHOWN
        kept = "SELECT number FROM experiments WHERE verdict = 'keep'"
        kept_lately = {number for (number,) in self._rows(f"{kept} AND number > ?", (since,))}
        newest = self._rows(f"{kept} AND NOT undone ORDER BY number DESC LIMIT 1", ())
        undone = "SELECT number FROM experiments WHERE undone ORDER BY number DESC LIMIT ?"
        tallies = "SELECT verdict, reason, count FROM tallies ORDER BY verdict, reason"
        spending = (
            "SELECT TOTAL(tokens), TOTAL(usd), TOTAL(unpriced), TOTAL(unmetered) FROM tallies"
        )
        ((tokens, usd, unpriced, unmetered),) = self._rows(spending, ())
        return History(
            **structs.asdict(progress),
            incumbent_number=newest[0][0] if newest else 0,
            kept=self._newest("WHERE verdict = 'keep'", history.KEPT_SHOWN),
            recent=self._newest("", history.RECENT_SHOWN),
            failed=self._newest("WHERE failed", history.FAILED_SHOWN),
            keeps=tuple(n in kept_lately for n in range(progress.last_number, max(since, 0), -1)),
            undone=tuple(number for (number,) in self._rows(undone, (history.UNDONE_SHOWN,))),
            tallies=tuple(
                Tally(Verdict(verdict), Reason(reason) if reason else None, count)
                for verdict, reason, count in self._rows(tallies, ())
            ),
            spending=Spending(int(tokens), usd, int(unpriced), int(unmetered)),
            ideas=self._notes(NoteKind.IDEA),
            lessons=self._notes(NoteKind.LESSON),
            dead_ends=self._notes(NoteKind.DEAD_END),
        )

    def _notes(self, kind: NoteKind) -> Notes:
        counted = self._rows("SELECT open FROM note_counts WHERE kind = ?", (kind.value,))
        sql = "SELECT note FROM notes WHERE kind = ? AND open = 1 ORDER BY number DESC LIMIT ?"
        newest = self._stored(Note, sql, (kind.value, history.NOTES_SHOWN))
        return Notes(newest, int(counted[0][0]))

    def _newest(self, where: str, limit: int) -> tuple[Tried, ...]:
        return self._tried(f"{where} ORDER BY number DESC LIMIT ?", (limit,))

    def _tried(self, where: str, values: tuple[object, ...]) -> tuple[Tried, ...]:
        return self._stored(Tried, f"SELECT tried FROM experiments {where}", values)  # noqa: S608  (fixed words)

    def _stored(self, kind: type[T], sql: str, values: tuple[object, ...]) -> tuple[T, ...]:
        def ask() -> tuple[T, ...]:
            rows = self._connection.execute(sql, values)
            return tuple(_readable(kind, text) for (text,) in rows)

        return self._guarded(ask)

    def _rows(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        return self._guarded(lambda: self._connection.execute(sql, values).fetchall())

    def _read(self, number: int) -> Experiment | None:
        place = "SELECT offset, sha256 FROM experiments WHERE number = ?"
        row = self._connection.execute(place, (number,)).fetchone()
        record = None if row is None else self.log.read(*row)
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
                progress = history.advance(progress, entry.record, undone=undone)
                add_row(self._connection, entry)
                position = entry.end
            return self._save(position, progress)

    def _added(self, entry: LogEntry[Record], progress: Progress) -> _State:
        """Add the line that was just written, unless another process has read it already."""
        with self._transaction():
            if self._load().position.offset == entry.offset:
                add_row(self._connection, entry)
                return self._save(entry.end, progress)
        return self._caught_up()

    def _save(self, position: Position, progress: Progress | None) -> _State:
        folded = None if progress is None else wire.text(progress)
        self._connection.execute(
            "UPDATE state SET offset = ?, sha256 = ?, progress = ?", (*position, folded)
        )
        return _State(position, progress)

    def _load(self) -> _State:
        row = self._connection.execute("SELECT offset, sha256, progress FROM state").fetchone()
        progress = None if row[2] is None else _readable(Progress, row[2])
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
        """Replace the database by an empty one, unless another process just did, or by `force`."""
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


def _readable(kind: type[T], text: str) -> T:
    try:
        return wire.read(text, kind)
    except (ValueError, TypeError) as error:
        raise sqlite3.DatabaseError("what is stored is not readable") from error
