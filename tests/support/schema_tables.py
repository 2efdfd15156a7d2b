"""The tables of fields in docs/schema.md, from the records: `make docs` writes them.

Order and type come from the fields, the meaning from the `Attributes` of the record's docstring. A
field that needs no word in the source has its meaning on the page, where it stays.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any

from autoresearch.core import records
from autoresearch.core.model import CommandResult, Effect, LimitResult, Meter, RaceRecord, Spent
from autoresearch.core.records import Shipped

DOCUMENT = Path(__file__).parents[2] / "docs" / "schema.md"
HEAD = "| field | type | meaning |\n|---|---|---|\n"
OBJECTS: dict[str, type] = {
    "effect": Effect,
    "race": RaceRecord,
    "limit result": LimitResult,
    "command result": CommandResult,
    "spent": Spent,
    "meter": Meter,
    "shipped": Shipped,
    "claimed": records.Claimed,
}
"""Objects within records by their titles on the page."""

_PLAIN = {int: "integer", float: "number", str: "text", bool: "boolean"}
_JSON = {"None": "null", "True": "true", "False": "false"}
_ROW = re.compile(r"^\| `([a-z0-9_]+)` \| [^|]* \| (.*) \|$", re.MULTILINE)


def with_tables(text: str) -> str:
    """The page with a row for each field of each record, as they are declared now."""
    for title, record in {**records.SESSION.kinds, **OBJECTS}.items():
        pattern = rf"(?<=# {title}\n)((?:(?!#).*\n)*?{re.escape(HEAD)})((?:\|.*\n)*)"

        def table(found: re.Match[str], record: type = record) -> str:
            return found[1] + _rows(record, dict(_ROW.findall(found[2])))

        text, places = re.subn(pattern, table, text)
        assert places == 1, f"docs/schema.md needs a heading `{title}` with a table below it"
    return text


def _rows(record: Any, page: dict[str, str]) -> str:
    hints = typing.get_type_hints(record)
    told = {**page, **_attributes(record)}
    pairs = zip(record.__struct_encode_fields__, record.__struct_fields__, strict=True)
    return "".join(
        f"| `{key}` | {_type(hints[name])}{_unit(name, hints[name])} | {told.get(key, '')} |\n"
        for key, name in pairs
        if key not in {"schema", "at"}
    )


def _attributes(record: type) -> dict[str, str]:
    """The meaning of each field that the docstring explains, in words of the page."""
    _, _, listed = inspect.getdoc(record).partition("Attributes:\n")  # type: ignore[union-attr]  # each has one
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?= {4}\S)", f"\n{listed}")[1:]:
        names, _, meaning = " ".join(entry.split()).partition(": ")
        said = re.sub(r"\b(None|True|False)\b", lambda word: _JSON[word[0]], meaning)
        found |= {name: said.rstrip(".") for name in names.split(", ")}
    return found


def _type(hint: Any) -> str:
    """The type as a reader of JSON calls it."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        kinds = [_type(one) for one in arguments if one is not types.NoneType]
        return f"{', '.join(kinds)}, null"
    if typing.get_origin(hint) is tuple and arguments[-1] is not Ellipsis:
        return f"[{', '.join(map(_type, arguments))}]"
    if typing.get_origin(hint) is tuple:
        inner = _type(arguments[0])
        many = {"number": "numbers", "integer": "integers", "limit result": "list of limit results"}
        return many.get(inner, f"list of {inner}")
    if issubclass(hint, Enum):
        return "text"
    titles = {kind: title for title, kind in OBJECTS.items()}
    return titles.get(hint) or _PLAIN[hint]


def _unit(name: str, hint: Any) -> str:
    shown = _type(hint)
    if not name.endswith("_s") or "number" not in shown:
        return ""
    return "; s" if "," in shown else ", s"


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text("utf-8")), "utf-8")
