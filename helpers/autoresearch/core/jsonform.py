"""Frozen dataclasses to JSON objects and back, driven by the types of their fields.

Strict where it reads: a missing key, another type, a number that is not finite is an error that
names the key. Keys that the class does not know are ignored, so that fields can be added.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from autoresearch.core.errors import CorruptLogError

if TYPE_CHECKING:
    from collections.abc import Callable

JsonObject = dict[str, Any]
"""What `json` makes of an object; lives only between this module and the files."""

T = TypeVar("T")


class _Field(NamedTuple):
    name: str
    key: str
    read: Callable[[object], Any]
    required: bool


class _MismatchError(Exception):
    """A value that does not fit its type; collects the keys that lead to it on the way out."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.keys: list[str] = []

    def located(self) -> str:
        """The message behind the keys, outermost first."""
        where = ".".join(reversed(self.keys))
        return f"key '{where}' {self.message}" if where else self.message


def _mismatch(wanted: str, value: object) -> NoReturn:
    shown = repr(value)
    raise _MismatchError(f"holds {shown[:60]} where {wanted} belongs")


def _read_str(value: object) -> str:
    if not isinstance(value, str):
        _mismatch("text", value)
    return value


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        _mismatch("true or false", value)
    return value


def _read_int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        _mismatch("a whole number", value)
    return value


def _read_float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _mismatch("a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        _mismatch("a finite number", value)
    return number


_READERS: dict[Any, Callable[[object], Any]] = {
    str: _read_str,
    bool: _read_bool,
    int: _read_int,
    float: _read_float,
}
"""How each type is read; grows with the types that are asked for."""

_FIELDS: dict[type, tuple[_Field, ...]] = {}
"""The fields of each class that was asked for: finding them again costs more than reading them."""


def _enum_reader(kind: type[Enum]) -> Callable[[object], Any]:
    members = {member.value: member for member in kind}

    def read(value: object) -> Enum:
        member = members.get(value) if isinstance(value, str) else None
        if member is None:
            _mismatch(f"one of {', '.join(map(str, members))}", value)
        return member

    return read


def _optional_reader(inner: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value is None else inner(value)


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        _mismatch("a list", value)
    return value


def _sequence_reader(inner: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: tuple([inner(item) for item in _items(value)])


def _fixed_reader(readers: tuple[Callable[[object], Any], ...]) -> Callable[[object], Any]:
    def read(value: object) -> tuple[Any, ...]:
        items = _items(value)
        if len(items) != len(readers):
            _mismatch(f"a list of {len(readers)}", value)
        return tuple([reader(item) for reader, item in zip(readers, items, strict=True)])

    return read


def _reader(hint: Any) -> Callable[[object], Any]:  # noqa: ANN401  (a type hint has no narrower type)
    """The function that reads a JSON value as `hint`."""
    found = _READERS.get(hint)
    if found is None:
        found = _READERS[hint] = _new_reader(hint)
    return found


def _new_reader(hint: Any) -> Callable[[object], Any]:  # noqa: ANN401  (as above)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_reader(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _object_reader(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _optional_reader(_reader(inner))
    if origin is tuple and arguments[1:] == (...,):
        return _sequence_reader(_reader(arguments[0]))
    if origin is tuple:
        return _fixed_reader(tuple(_reader(argument) for argument in arguments))
    raise TypeError(f"{hint!r} has no form in the log")


def key_of(record: type, field: str) -> str:
    """The JSON key of a field: its name, but for `kind`, which names the kind of a log line."""
    return f"{record.__name__.lower()}_kind" if field == "kind" else field


def _fields(record: type) -> tuple[_Field, ...]:
    found = _FIELDS.get(record)
    if found is None:
        hints = typing.get_type_hints(record)
        found = _FIELDS[record] = tuple(
            _Field(
                field.name,
                key_of(record, field.name),
                _reader(hints[field.name]),
                field.default is dataclasses.MISSING,
            )
            for field in dataclasses.fields(record)
        )
    return found


def _object_reader(record: type[T]) -> Callable[[object], T]:
    def read(value: object) -> T:
        if not isinstance(value, dict):
            _mismatch("an object", value)
        values: JsonObject = {}
        for name, key, reader, required in _fields(record):
            if key in value:
                try:
                    values[name] = reader(value[key])
                except _MismatchError as error:
                    error.keys.append(key)
                    raise
            elif required:
                raise _MismatchError(f"lacks the key '{key}'")
        try:
            return record(**values)
        except ValueError as error:
            raise _MismatchError(f"is refused: {error}") from error

    return read


def _plain(value: object) -> Any:  # noqa: ANN401  (JSON)
    """A field's value as JSON takes it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_object(value)
    return value


def to_object(value: object) -> JsonObject:
    """The JSON object of a frozen dataclass, keys in the order of its fields."""
    return {key: _plain(getattr(value, name)) for name, key, _, _ in _fields(type(value))}


def from_object(record: type[T], value: object) -> T:
    """The dataclass that a JSON object holds.

    Raises:
        CorruptLogError: for a missing key, a wrong type, a number that is not finite or a value
            the class refuses; the message names the key.
    """
    try:
        return typing.cast("T", _reader(record)(value))
    except _MismatchError as error:
        raise CorruptLogError(f"{record.__name__.lower()}: {error.located()}") from error


def dumps(value: object) -> str:
    """JSON in ASCII on one line; ValueError for nan and inf.

    Escaping everything else keeps U+2028 and its kind from splitting a line in other readers.
    """
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def loads(text: str | bytes) -> JsonObject:
    """The object that one line of JSON holds.

    Raises:
        ValueError: when it is not JSON, not an object, holds nan or inf, or a key twice.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004  (one class for all that is malformed)
    return value
