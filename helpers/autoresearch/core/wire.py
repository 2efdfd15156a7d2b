"""The one strict reader and writer of values that leave the process, on msgspec.

A file's text becomes plain values (`loads`), plain values become typed ones (`convert`). A missing
key, another type, a number out of bounds or not finite is an error that names the key and the
value. Unknown keys are ignored, so that fields can be added; a Struct with
`forbid_unknown_fields=True` refuses them and says which known key comes closest.

`json` reads the text, for file names may hold lone surrogates, which msgspec's own reader refuses
(0.22); its `convert` lets them pass.
"""

from __future__ import annotations

import json
import re
import sys
import types
import typing
from collections.abc import Iterable
from enum import Enum
from typing import Annotated, Any, NamedTuple, NoReturn, TypeVar, cast

import msgspec

JsonObject = dict[str, Any]
"""What `json` makes of an object; lives only between this module and the files."""

T = TypeVar("T")

Finite = Annotated[float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
"""A float in a file: msgspec takes infinity for a `float`, but for one with bounds."""

_PATH = re.compile(
    r"^(?P<text>.*?)(?: - at (?P<in_key>`key` in )?`\$(?P<path>[^`]*)`)?$", re.DOTALL
)
_KEY = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_EXPECTED = re.compile(r"Expected `([^`]*)`(.*?)(?:, got .*)?", re.DOTALL)
_BACKQUOTED = re.compile(r"`(.*)`")

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
_BOUNDS = {
    "": "of",
    ">=": "of at least",
    "<=": "of at most",
    ">": "above",
    "<": "below",
}


class MismatchError(ValueError):
    """Raised when a value does not fit its type; the message names the key and the value.

    Attributes:
        path: keys and list positions that lead to the value, outermost first.
        problem: the message without the path.
        value: what stands there.
        wanted: what belongs there, in words; empty where that is not the trouble.
        missing, unknown: the key in question, else empty.
        near: the known key that `unknown` comes closest to, else empty.
    """

    def __init__(
        self,
        path: tuple[str | int, ...],
        problem: str,
        value: object,
        *,
        wanted: str = "",
        missing: str = "",
        unknown: str = "",
        near: str = "",
    ) -> None:
        self.path = path
        self.problem = problem
        self.value = value
        self.wanted = wanted
        self.missing = missing
        self.unknown = unknown
        self.near = near
        super().__init__(f"key '{self.where}' {problem}" if path else problem)

    @property
    def where(self) -> str:
        """The path as text, as in `race.values[3]`."""
        parts = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path]
        return "".join(parts).removeprefix(".")


class _Spot(NamedTuple):
    """Where an error happened: the path, the value there and its type."""

    path: tuple[str | int, ...]
    value: Any
    hint: Any


def loads(content: str | bytes) -> JsonObject:
    """The object that one JSON text holds.

    Raises ValueError when it is not JSON, not an object, holds nan or inf, or a key twice.
    """
    try:
        value = json.loads(content, parse_constant=_no_constant, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004  (one class for all that is malformed)
    return value


def dumps(value: object) -> str:
    """JSON in ASCII on one line; ValueError for nan and inf.

    Escaping everything else keeps U+2028 and its kind from splitting a line in other readers.
    """
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def to_object(record: object) -> JsonObject:
    """The JSON object of a record, keys in the order of its fields."""
    return cast("JsonObject", msgspec.to_builtins(record))


def convert(value: object, kind: type[T]) -> T:
    """Plain values, as `loads` or a YAML reader gives them, as a `kind`.

    That is a Struct, a union of tagged ones (cast to `type`), or any type msgspec knows.
    MismatchError names the key, the value and what belongs there.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _explained(error, value, kind) from error


def read(content: str | bytes, kind: type[T]) -> T:
    """The record that one JSON text holds; raises as `loads` and `convert`."""
    return convert(loads(content), kind)


def text(record: object) -> str:
    """The JSON object of a record; ValueError as `dumps`."""
    return dumps(to_object(record))


def line(record: object) -> bytes:
    """The same as a line of a file, newline included."""
    return text(record).encode("ascii") + b"\n"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that somebody who wrote `word` most likely meant, or empty."""
    import difflib  # noqa: PLC0415  (only for a message)

    return next(iter(difflib.get_close_matches(word, list(known), 1)), "")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _explained(error: msgspec.ValidationError, value: object, kind: object) -> MismatchError:
    """The complaint of msgspec in our words: its own shows neither the value nor the choices."""
    found = cast("re.Match[str]", _PATH.fullmatch(str(error)))
    text, spot = found["text"], _spot(found["path"] or "", value, kind)
    if error.__cause__ is not None:  # the class itself refused
        return MismatchError(spot.path, f"is refused: {text}", spot.value)
    key = _BACKQUOTED.search(text)
    if key and text.startswith("Object missing"):
        return MismatchError(spot.path, f"lacks the key '{key[1]}'", spot.value, missing=key[1])
    if key and text.startswith("Object contains unknown"):
        near = nearest(key[1], _encoded(spot.hint))
        problem = f"has the unknown key '{key[1]}'" + (f"; did you mean '{near}'?" if near else "")
        return MismatchError(spot.path, problem, spot.value, unknown=key[1], near=near)
    if found["in_key"]:
        odd = next(key for key in spot.value if not isinstance(key, str))
        problem = f"has the key {odd!r:.60} where text belongs"
        return MismatchError(spot.path, problem, odd, wanted="text")
    wanted = _choices(spot.hint) or _wanted(text)
    problem = f"holds {repr(spot.value)[:60]} where {wanted} belongs"
    return MismatchError(spot.path, problem, spot.value, wanted=wanted)


def _spot(path: str, value: object, hint: object) -> _Spot:
    spot = _Spot((), value, _chosen(hint, value))
    for key, index in _KEY.findall(path):
        spot = _below(spot, key, index)
    return spot


def _below(spot: _Spot, key: str, index: str) -> _Spot:
    arguments = typing.get_args(spot.hint)
    at: str | int
    if key:  # a key without a type is the tag that tells which of several Structs it is
        at, inner = key, _encoded(spot.hint).get(key, str)
    elif index == "...":  # msgspec does not say below which key of a mapping
        inner = arguments[1]
        at = next(key for key, held in spot.value.items() if not _fits(held, inner))
    else:
        at = int(index)
        fixed = typing.get_origin(spot.hint) is tuple and arguments[1:] != (...,)
        inner = arguments[at if fixed else 0]
    held = spot.value[at]
    return _Spot((*spot.path, at), held, _chosen(inner, held))


def _chosen(hint: object, value: object) -> Any:  # noqa: ANN401  (a type hint has no narrower type)
    """The type without bounds, and of several the one that `value` was measured against."""
    if typing.get_origin(hint) is Annotated:
        return _chosen(typing.get_args(hint)[0], value)
    if typing.get_origin(hint) not in {typing.Union, types.UnionType}:
        return hint
    options = [_chosen(one, value) for one in typing.get_args(hint) if one is not type(None)]
    return next((one for one in options if _is_tagged(one, value)), options[0])


def _is_tagged(hint: object, value: object) -> bool:
    config: Any = getattr(hint, "__struct_config__", None)
    if config is None or config.tag is None or not isinstance(value, dict):
        return False
    return bool(value.get(config.tag_field) == config.tag)


def _encoded(record: Any) -> dict[str, Any]:  # noqa: ANN401  (as above)
    """The keys of a Struct in a file, and their types."""
    hints = typing.get_type_hints(record, include_extras=True)
    pairs = zip(record.__struct_encode_fields__, record.__struct_fields__, strict=True)
    return {key: hints[name] for key, name in pairs}


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401  (as above)
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    return True


def _choices(hint: object) -> str:
    """The members of a closed set as words; empty for any other type."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(str(member.value) for member in hint)}"
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    return ""


def _wanted(text: str) -> str:
    """What msgspec expected, in words."""
    if str(sys.float_info.max) in text or text.startswith("Number out of range"):
        return "a finite number"
    found = _EXPECTED.fullmatch(text)
    if found is None:  # the tag that tells which of several Structs it is
        return "a known one"
    kinds = [_WORDS.get(kind, kind) for kind in found[1].split(" | ") if kind != "null"]
    return " or ".join(kinds) + _bound(found[1], found[2].strip())


def _bound(kind: str, bound: str) -> str:
    """What msgspec says behind the type: `>= 1`, `of length <= 3`, `matching regex '…'`."""
    if bound.startswith("matching regex "):  # which may hold blanks itself
        return f" that matches {bound.removeprefix('matching regex ')}"
    word, _, limit = bound.removeprefix("of length ").rpartition(" ")
    if not limit:
        return ""
    unit = " characters" if kind.startswith("str") else " items" * bool(word)
    return f" {_BOUNDS[word]} {limit}" + unit * bound.startswith("of length")
