"""The ledger held against the code as it is: coverage, findings in their places, reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autoresearch import __version__
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.scope import compile_scope
from autoresearch.core.security.overview import (
    Coverage,
    Overview,
    Place,
    Shown,
    coverage,
    files_of,
    ordered,
)
from autoresearch.core.security.sarif import fingerprints
from autoresearch.edges.files import read_bytes_limited

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.core.security.ledger import Element, Quote, Standing, Sweep
    from autoresearch.security.books import Books

MAX_BASELINE_BYTES = 64 << 20


def overview(books: Books, sweep: Sweep | None = None) -> Overview:
    """All that a report shows.

    Args:
        books: open.
        sweep: look only at what it audits; everything when not given.
    """
    ledger = books.ledger
    return Overview(
        name=books.repo.toplevel.name,
        commit=books.tree.commit,
        today=books.today,
        version=__version__,
        model=ledger.model,
        coverage=covered(books, sweep),
        findings=ordered([shown(books, one) for one in ledger.standings]),
        examined=tuple(ledger.examined[number] for number in sorted(ledger.examined)),
        leads=ledger.open_leads,
    )


def covered(books: Books, sweep: Sweep | None = None) -> Coverage:
    """The matrix, from records whose evidence stands in the code as it is."""
    model = books.ledger.model
    if model is None:
        return Coverage(())
    return coverage(
        model, books.ledger, books.tree.stands, lambda e: bool(audited_files(books, e, sweep))
    )


def audited_files(books: Books, element: Element, sweep: Sweep | None) -> tuple[str, ...]:
    """The files of an element that a sweep looks at."""
    found = files_of(element, books.tree.entries)
    if sweep is not None and sweep.scope:
        covers = compile_scope(sweep.scope, ()).covers
        found = tuple(path for path in found if covers(path))
    if sweep is not None and sweep.base is not None:
        found = tuple(path for path in found if path in set(sweep.paths))
    return found


def shown(books: Books, standing: Standing) -> Shown:
    """A finding with its places in the code as it is."""
    finding = standing.finding
    return Shown(
        standing=standing,
        state=standing.state(books.today),
        evidence=tuple(_place(books, quote) for quote in finding.evidence),
        flow=tuple(_place(books, quote) for quote in finding.flow),
    )


def _place(books: Books, quote: Quote) -> Place:
    found = books.tree.place(quote)
    first, last = (quote.first, quote.last) if found is None else (found.first, found.last)
    return Place(quote.path, first, last, quote.text, quote.note, found is not None)


def baseline(path: Path | None) -> frozenset[str]:
    """The fingerprints of an earlier SARIF report; none without one.

    Raises:
        AutoresearchError: `baseline` when it is no report of ours; or as the disk says.
    """
    if path is None:
        return frozenset()
    try:
        return fingerprints(json.loads(read_bytes_limited(path, MAX_BASELINE_BYTES)))
    except ValueError as error:
        raise AutoresearchError(
            f"{path} is no baseline: {error}",
            code="baseline",
            hint="`autoresearch security report --sarif FILE` writes one.",
        ) from error
