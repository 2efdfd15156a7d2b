"""The tables of keys in docs/contract.md, from their declarations: `make docs` writes them."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.core.contract import keys
from autoresearch.core.contract.keys import Contract, Metric, Secondary, terms_of
from autoresearch.core.contract.scalars import percentage
from msgspec import NODEFAULT
from msgspec.structs import fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.core.contract.keys import Term
    from msgspec import Struct

DOCUMENT = Path(__file__).parents[2] / "docs" / "contract.md"
HEAD = "| key | type | default | meaning |\n|---|---|---|---|\n"
SEPARATE = ("metric", "secondary")
"""Sections with a table of their own."""


def with_tables(text: str) -> str:
    """The document with its two tables as the keys are declared now."""
    metrics = dict.fromkeys((*_rows(Metric), *_rows(Secondary)))
    tables = iter(("".join(_rows(Contract)), "".join(metrics)))
    pattern = rf"{re.escape(HEAD)}(?:\|.*\n)+"
    return re.sub(pattern, lambda _: HEAD + next(tables), text)


def _rows(section: type[Struct], before: str = "") -> Iterator[str]:
    """A row for each key that is explained, those of its section below it."""
    defaults = {one.encode_name: one.default for one in fields(section)}
    relative = {one.name: one.default for one in fields(section)}
    for name, term in terms_of(section).items():
        meaning = _meaning(section, term.field)
        is_share = relative.get(f"{term.field}_relative") and isinstance(defaults[name], float)
        default = percentage(defaults[name]) if is_share else _default(term, defaults[name])
        if meaning:
            yield f"| `{before}{name}` | {_form(term)} | {default} | {meaning} |\n"
        if term.section is not None and name not in SEPARATE:
            yield from _rows(term.section, f"{name}.")


def _meaning(section: type[Struct], name: str) -> str:
    """The text below a field, in its own class or the one it comes from."""
    for kind in section.__mro__:
        if kind.__module__ == keys.__name__:
            (tree,) = ast.parse(inspect.getsource(kind)).body
            assert isinstance(tree, ast.ClassDef)
            for field, text in zip(tree.body, tree.body[1:], strict=False):
                is_it = isinstance(field, ast.AnnAssign) and ast.unparse(field.target) == name
                if is_it and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                    return " ".join(str(text.value.value).split())
    return ""


def _form(term: Term) -> str:
    bounds, form = term.bounds, term.kind.form
    if term.name == "env":
        form = "mapping of name to text"
    elif term.section is not None:
        form = "list of mappings, see below" if term.is_list else "mapping, see below"
    elif term.is_list:
        form = f"list of {form}s"
    elif bounds.pattern is not None:
        form = f"`{bounds.pattern[1:-1]}`"
    elif bounds.max_length is not None:
        form += f", up to {bounds.max_length} characters"
    elif bounds.ge is not None:
        form = f"{_grouped(term, bounds.ge)} to {_grouped(term, bounds.le)}"
    elif bounds.gt is not None and form == "number":
        form = f"above {bounds.gt}, up to {_grouped(term, bounds.le)}"
    return form


def _grouped(term: Term, bound: float | None) -> str:
    return f"{bound:,}" if isinstance(bound, int) and bound > 1 else term.kind.show(bound)


def _default(term: Term, default: object) -> str:
    if default is NODEFAULT:
        return "required"
    if default in (None, ""):
        return "none"
    if default == ():
        return "`{}`" if term.name == "env" else "`[]`"
    return term.kind.show(default)


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text("utf-8")), "utf-8")
