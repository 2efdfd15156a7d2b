"""Records to log lines and back.

One log line is one object in ASCII: `schema` and `kind` first, then the fields in the order of
their class, `prev` last. A record's own field `kind` is written as `<kind>_kind`, because `kind`
names the record. Keys that this version does not know are ignored within the same schema, so
that fields can be added; a newer schema is refused.
"""

from __future__ import annotations

import hashlib
import re
import typing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from autoresearch.core.errors import CorruptLogError
from autoresearch.core.jsonform import JsonObject, dumps, from_object, loads, to_object
from autoresearch.core.model import SCHEMA
from autoresearch.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_PREV = "0" * 64
"""`prev` of the first line, which has no line before it."""

KINDS: Mapping[str, type[Record]] = {
    record.__name__.lower(): record for record in typing.get_args(Record)
}
"""Every kind of log line and the class that it holds."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


R = TypeVar("R")


class Parsed(NamedTuple):
    """A line's JSON object, taken apart: its kind, and the hash of the line before it."""

    kind: str
    prev: str


class Line(NamedTuple):
    """A log line, read: its record and the hash of the line before it."""

    record: Record
    prev: str


@dataclass(frozen=True, slots=True)
class Codec(Generic[R]):
    """How the records of one kind of log become lines and back.

    Attributes:
        kinds: every kind of line and the class that it holds.
    """

    kinds: Mapping[str, type[R]]

    def encode(self, record: R, prev: str) -> JsonObject:
        """The JSON object of a line.

        Raises:
            ValueError: when the record would not be read back as it is (a nan, a list where a
                tuple belongs, a malformed time): better no line than one that nobody can read.
        """
        kind = type(record).__name__.lower()
        fields = to_object(record)
        value = {"schema": fields.pop("schema"), "kind": kind, **fields, "prev": prev}
        try:
            same = self.decode(loads(dumps(value)))[0] == record
        except CorruptLogError as error:
            raise ValueError(f"the {kind} record cannot be logged: {error.message}") from error
        if not same:
            raise ValueError(f"the {kind} record would change in the log")
        return value

    def decode(self, value: JsonObject) -> tuple[R, str]:
        """The record and `prev` of a line's object.

        Raises:
            CorruptLogError: when the line was not written by this schema; names kind and key.
        """
        parsed = _taken_apart(value, self.kinds)
        return from_object(self.kinds[parsed.kind], value), parsed.prev

    def from_line(self, line: bytes) -> tuple[R, str]:
        """The record and `prev` of one line.

        Raises:
            CorruptLogError: when it is not JSON or not a record of this schema.
        """
        try:
            value = loads(line)
        except ValueError as error:
            raise CorruptLogError(f"the line is not JSON: {error}") from error
        return self.decode(value)


SESSION: Codec[Record] = Codec(KINDS)
"""Of a session's log."""


def line_hash(line: bytes) -> str:
    """SHA-256 of a line without its newline, in hexadecimal: the next line's `prev`."""
    return hashlib.sha256(line).hexdigest()


def encode(record: Record, prev: str) -> JsonObject:
    """The JSON object of a line of a session's log; raises as `Codec.encode`."""
    return SESSION.encode(record, prev)


def _taken_apart(value: JsonObject, kinds: Mapping[str, type[object]]) -> Parsed:
    schema = value.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise CorruptLogError(f"key 'schema' holds {schema!r}, not a version")
    if schema > SCHEMA:
        raise CorruptLogError(
            f"the line has schema {schema}, this version reads up to {SCHEMA}",
            hint="Install the autoresearch version that wrote it, or a newer one.",
        )
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise CorruptLogError(f"key 'kind' holds {str(kind)[:60]!r}, which is not a kind of record")
    prev = value.get("prev")
    if not isinstance(prev, str) or not _is_hash(prev):
        raise CorruptLogError(f"{kind}: key 'prev' holds {str(prev)[:80]!r}, not a SHA-256")
    if not _is_time(value.get("at")):
        raise CorruptLogError(f"{kind}: key 'at' holds {str(value.get('at'))[:60]!r}, not a time")
    return Parsed(kind, prev)


def _is_hash(text: str) -> bool:
    return len(text) == len(FIRST_PREV) and set(text) <= set("0123456789abcdef")


def _is_time(text: object) -> bool:
    """Whether it is UTC to the second, the only form in which the log holds a time."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text[:-1])
    except ValueError:
        return False
    return True


def to_line(record: Record, prev: str) -> bytes:
    """The log line of a record, without newline."""
    return dumps(encode(record, prev)).encode("ascii")


def from_line(line: bytes) -> Line:
    """The record and `prev` of one line of a session's log; raises as `Codec.from_line`."""
    return Line(*SESSION.from_line(line))
