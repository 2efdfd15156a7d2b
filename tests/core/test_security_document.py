"""docs/security-ledger.md against the records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from autoresearch.core.security.ledger import (
    LEDGER,
    Asset,
    Boundary,
    Element,
    ElementKind,
    Quote,
    Severity,
    State,
)
from autoresearch.share.proving import ProofResult

TEXT = (Path(__file__).parents[2] / "docs" / "security-ledger.md").read_text(encoding="utf-8")
OBJECTS = {"quote": Quote, "element": Element, "boundary": Boundary, "asset": Asset}


@pytest.mark.parametrize(("title", "record"), sorted({**LEDGER.kinds, **OBJECTS}.items()))
def test_every_field_is_documented_in_its_order(title, record):
    """A field that only the source explains, or one that is gone."""
    body = re.split(r"^##", TEXT.partition(f"### {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    documented = re.findall(r"^\| `([a-z0-9_]+)` \|", body, flags=re.MULTILINE)
    fields = record.__struct_encode_fields__
    assert documented == [name for name in fields if name not in {"schema", "at"}]


@pytest.mark.parametrize("member", [*ProofResult, *State, *Severity, *ElementKind])
def test_every_closed_set_is_documented(member):
    """A state or a kind that a reader of the ledger has never heard of."""
    assert f"`{member.value}`" in TEXT
