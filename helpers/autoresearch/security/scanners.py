"""`security import`: other scanners' reports as leads, to be confirmed or dismissed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA
from autoresearch.core.security.leads import hints
from autoresearch.core.security.ledger import Lead
from autoresearch.core.text import clean_line
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import read_bytes_limited

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.security.books import Books

MAX_REPORT_BYTES = 64 << 20


class Imported(NamedTuple):
    """What a report held: leads that are new, and how many were known."""

    fresh: tuple[Lead, ...]
    known: int


def take_in(books: Books, path: Path) -> Imported:
    """Record the leads of a scanner's report that are not known yet.

    Raises:
        AutoresearchError: `report` for a format that is not read; or as the disk says.
    """
    try:
        found = hints(json.loads(read_bytes_limited(path, MAX_REPORT_BYTES)))
    except (ValueError, RecursionError) as error:
        raise AutoresearchError(
            f"{clean_line(str(path), 200)} is no report that is read here: {error}",
            code="report",
            hint="Read are SARIF and the JSON of bandit, semgrep, pip-audit, npm audit and "
            "detect-secrets.",
        ) from error
    known = {lead.key for lead in books.ledger.leads.values()}
    new = [hint for hint in found if hint.key not in known]
    first = max(books.ledger.leads, default=0) + 1
    fresh = tuple(
        Lead(
            schema=SCHEMA,
            at=now_utc(),
            number=number,
            tool=hint.tool,
            rule=hint.rule,
            message=hint.message,
            level=hint.level,
            path=_in_tree(books, hint.path),
            line=hint.line,
            cwe=hint.cwe,
            key=hint.key,
        )
        for number, hint in enumerate(new, first)
    )
    books.write_all(fresh)
    return Imported(fresh, len(found) - len(fresh))


def _in_tree(books: Books, path: str) -> str:
    """A scanner's absolute path as one of the repository, where it is one."""
    root = f"{books.repo.toplevel}/"
    return path.removeprefix(root)
