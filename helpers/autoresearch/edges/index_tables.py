"""The index's tables, and the one place that writes rows into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core import codec, jsonform
from autoresearch.core.model import NoteKind
from autoresearch.core.records import Experiment, Note, Record
from autoresearch.core.summary import summary_of

if TYPE_CHECKING:
    import sqlite3

    from autoresearch.edges.log import Entry

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
            jsonform.dumps(jsonform.to_object(summary_of(record))),
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
        (record.number, record.kind.value, jsonform.dumps(jsonform.to_object(record))),
    )
    _count_notes(connection, record.kind, added.rowcount)


def _count_notes(connection: sqlite3.Connection, kind: NoteKind, change: int) -> None:
    connection.execute(
        "UPDATE note_counts SET open = open + ? WHERE kind = ?", (change, kind.value)
    )
