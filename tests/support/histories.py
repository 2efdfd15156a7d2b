"""Histories and contracts for tests of what is shown."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.core.contract import Budget, Contract, Metric, RaceRule
from autoresearch.core.history import History, Notes
from autoresearch.core.model import Direction
from autoresearch.edges.index import Index
from autoresearch.edges.log import Log
from msgspec.structs import replace

from .records import chain, epoch, make, note, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.records import Record


def history(
    *records: Record,
    ideas: Sequence[str] = (),
    lessons: Sequence[str] = (),
    dead_ends: Sequence[str] = (),
    first: Record | None = None,
) -> History:
    """The history of a session with a baseline and these records."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = Log(folder / "log.jsonl")
        log.path.write_bytes(chain((first or opened(), epoch(), *records)))
        with Index(folder / "index.db", log) as index:
            found = index.history()
    return replace(found, ideas=_notes(ideas), lessons=_notes(lessons), dead_ends=_notes(dead_ends))


def contract(**values: object) -> Contract:
    """A contract for milliseconds."""
    metric = make(Metric, name="parse_ms", unit="ms", direction=Direction.LOWER)
    plain: dict[str, object] = {
        "session": "speed",
        "goal": "go faster",
        "metric": metric,
        "verify": "./bench.sh",
        "scope": ("src/**/*.py",),
        "race": make(RaceRule, alpha=0.02, seconds=60.0),
        "budget": make(Budget),
    }
    return make(Contract, **{**plain, **values})


def _notes(texts: Sequence[str]) -> Notes:
    newest = [note(number, text) for number, text in enumerate(texts, start=1)]
    return Notes(tuple(reversed(newest))[:30], len(newest))


def estimate_tokens(text: str) -> int:
    """About how many tokens a text costs: English has about 4 bytes a token, hashes about 3."""
    return math.ceil(len(text.encode("utf-8", "replace")) / 3.5)
