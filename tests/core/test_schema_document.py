"""docs/schema.md against the records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from autoresearch.core import records
from autoresearch.core.model import SCHEMA, Flag, Kind, NoteKind, Reason, Verdict
from support.schema_tables import OBJECTS, with_tables

TEXT = (Path(__file__).parents[2] / "docs" / "schema.md").read_text(encoding="utf-8")


def documented(title: str) -> list[str]:
    """The fields in the table below a heading."""
    body = re.split(r"^#+ ", TEXT.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^\| `([a-z0-9_]+)` \|", body, flags=re.MULTILINE)


@pytest.mark.parametrize(("title", "record"), sorted({**records.SESSION.kinds, **OBJECTS}.items()))
def test_every_field_is_documented_in_its_order(title, record):
    """A field that only the source explains, or one that is gone."""
    fields = record.__struct_encode_fields__
    assert documented(title) == [name for name in fields if name not in {"schema", "at"}]


def test_tables_are_those_that_the_records_make():
    """A field, a type or a meaning that changed in the source alone; `make docs` writes them."""
    assert with_tables(TEXT) == TEXT
    assert not re.findall(r"^\| `.*\|  \|$", TEXT, flags=re.MULTILINE)  # a meaning for each


def test_every_closed_set_is_documented():
    """A verdict or reason that a reader of the log has never heard of."""
    for member in (*Verdict, *Reason, *Flag, *Kind, *NoteKind):
        if member is not Verdict.REFUSED:
            assert f"`{member.value}`" in TEXT, member


def test_schema_version_is_the_current_one():
    """A document of another version."""
    assert f"schema of all of it is **{SCHEMA}**" in TEXT
