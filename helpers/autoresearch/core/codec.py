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
from datetime import datetime
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from autoresearch.core import wire
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.model import SCHEMA
from autoresearch.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

FIRST_PREV = "0" * 64
"""`prev` of the first line, which has no line before it."""

_HASH = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


R = TypeVar("R")


class Line(NamedTuple):
    """A log line, read: its record and the hash of the line before it."""

    record: Record
    prev: str


class Codec(Generic[R]):
    """How the records of one kind of log become lines and back.

    Attributes:
        kinds: every kind of line and the class that it holds.
    """

    def __init__(self, kinds: Iterable[type[R]], **named: type[R]) -> None:
        """A kind is called like its class, but for those that are `named` otherwise."""
        self.kinds = {**{kind.__name__.lower(): kind for kind in kinds}, **named}
        self._names = {kind: name for name, kind in self.kinds.items()}

    def encode(self, record: R, prev: str) -> wire.JsonObject:
        """The JSON object of a line.

        Raises:
            ValueError: when the record would not be read back as it is (a nan, a list where a
                tuple belongs, a malformed time): better no line than one that nobody can read.
        """
        kind = self._names[type(record)]
        fields = wire.to_object(record)
        value = {"schema": fields.pop("schema"), "kind": kind, **fields, "prev": prev}
        try:
            same = self.decode(wire.loads(wire.dumps(value)))[0] == record
        except CorruptLogError as error:
            raise ValueError(f"the {kind} record cannot be logged: {error.message}") from error
        if not same:
            raise ValueError(f"the {kind} record would change in the log")
        return value

    def decode(self, value: wire.JsonObject) -> tuple[R, str]:
        """The record and `prev` of a line's object.

        Raises:
            CorruptLogError: when the line was not written by this schema; names kind and key.
        """
        kind = _kind_of(value, self.kinds)
        prev, at = value.get("prev"), value.get("at")
        if not isinstance(prev, str) or not _HASH.fullmatch(prev):
            raise CorruptLogError(f"{kind}: key 'prev' holds {str(prev)[:80]!r}, not a SHA-256")
        if not _is_time(at):
            raise CorruptLogError(f"{kind}: key 'at' holds {str(at)[:60]!r}, not a time")
        try:
            return wire.convert(value, self.kinds[kind]), prev
        except ValueError as error:
            raise CorruptLogError(f"{kind}: {error}") from error

    def from_line(self, line: bytes) -> tuple[R, str]:
        """The record and `prev` of one line.

        Raises:
            CorruptLogError: when it is not JSON or not a record of this schema.
        """
        try:
            value = wire.loads(line)
        except ValueError as error:
            raise CorruptLogError(f"the line is not JSON: {error}") from error
        return self.decode(value)


SESSION: Codec[Record] = Codec(typing.get_args(Record))
"""Of a session's log."""


def line_hash(line: bytes) -> str:
    """SHA-256 of a line without its newline, in hexadecimal: the next line's `prev`."""
    return hashlib.sha256(line).hexdigest()


def to_line(record: Record, prev: str) -> bytes:
    """The line of a session's log, without newline; raises as `Codec.encode`."""
    return wire.dumps(SESSION.encode(record, prev)).encode("ascii")


def from_line(line: bytes) -> Line:
    """The record and `prev` of one line of a session's log; raises as `Codec.from_line`."""
    return Line(*SESSION.from_line(line))


def _kind_of(value: wire.JsonObject, kinds: Collection[str]) -> str:
    schema, kind = value.get("schema"), value.get("kind")
    if not isinstance(schema, int) or schema < 1:
        raise CorruptLogError(f"key 'schema' holds {schema!r}, not a version")
    if schema > SCHEMA:
        raise CorruptLogError(
            f"the line has schema {schema}, this version reads up to {SCHEMA}",
            hint="Install the autoresearch version that wrote it, or a newer one.",
        )
    if not isinstance(kind, str) or kind not in kinds:
        raise CorruptLogError(f"key 'kind' holds {str(kind)[:60]!r}, which is not a kind of record")
    return kind


def _is_time(text: object) -> bool:
    """Whether it is UTC to the second, the only form in which the log holds a time."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text[:-1])
    except ValueError:
        return False
    return True
