"""`security sweep`, `next`, `examined`: one cell after the other, within a bounded stretch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA
from autoresearch.core.scope import compile_scope
from autoresearch.core.security.catalog import threats
from autoresearch.core.security.forms import CellClaim, read_examined
from autoresearch.core.security.inventory import (
    Site,
    imports,
    is_source,
    module_names,
    reaching,
    weights,
)
from autoresearch.core.security.ledger import Examined, Lead, Sweep
from autoresearch.core.security.overview import Cell, files_of, next_cell
from autoresearch.core.security.quotes import redact
from autoresearch.core.security.stride import APPLIES, Persona, Stride
from autoresearch.edges.clock import now_utc
from autoresearch.edges.gitdiff import changed_paths
from autoresearch.edges.hostfiles import host_session
from autoresearch.security.look import audited_files, covered
from autoresearch.security.modelling import element_of, inventory, require_model

if TYPE_CHECKING:
    from autoresearch.core.security.ledger import Element, Quote
    from autoresearch.core.security.overview import Coverage
    from autoresearch.security.books import Books

DEFAULT_ITERATIONS = 10
"""Of a sweep for which nobody named a number."""


class Progress(NamedTuple):
    """Where a sweep stands.

    Attributes:
        opened: whether this call opened it.
    """

    sweep: Sweep
    used: int
    coverage: Coverage
    opened: bool

    @property
    def done(self) -> bool:
        """Whether every iteration was used, or there is nothing to look at."""
        return self.used >= self.sweep.iterations or not self.coverage.cells


class Task(NamedTuple):
    """What to look at now.

    Attributes:
        looks: who answered this cell before.
        files: of the element, within the sweep.
        sites: places that look like the threat, by file and line.
        leads: of scanners, in these files.
    """

    progress: Progress
    element: Element
    stride: Stride
    persona: Persona
    looks: tuple[str, ...]
    files: tuple[str, ...]
    sites: tuple[Site, ...]
    leads: tuple[Lead, ...]


def open_sweep(
    books: Books, iterations: int | None, scope: tuple[str, ...], diff: str | None
) -> Progress:
    """Open a sweep, or go on with the one in progress.

    A call that asks for the same is another tick of it; a finished sweep is not opened again by
    its own ticks.
    """
    require_model(books)
    host = host_session(books.environ)
    base = None if diff is None else _base(books, diff)
    current = books.ledger.sweep
    if (
        current is not None
        and current.host_session == host
        and _asks_same(current, iterations, scope, base)
    ):
        return progress(books, current, opened=False)
    _require_patterns(scope)
    sweep = Sweep(
        schema=SCHEMA,
        at=now_utc(),
        number=1 if current is None else current.number + 1,
        host_session=host,
        commit=books.tree.commit,
        iterations=iterations or DEFAULT_ITERATIONS,
        scope=scope,
        base=base,
        paths=() if base is None else reached(books, base),
    )
    if not covered(books, sweep).cells:
        raise AutoresearchError(
            "no element of the model has a file in this scope",
            code="nothing_audited",
            hint="Widen the scope, or complete the model with `autoresearch security model`.",
        )
    books.write(sweep)
    return progress(books, sweep, opened=True)


def _asks_same(
    current: Sweep, iterations: int | None, scope: tuple[str, ...], base: str | None
) -> bool:
    same_number = iterations in {None, current.iterations}
    same_place = (scope, base) in {((), None), (current.scope, current.base)}
    return same_number and same_place


def _require_patterns(scope: tuple[str, ...]) -> None:
    try:
        compile_scope(scope, ())
    except ValueError as error:
        raise AutoresearchError(
            f"a pattern of the scope {error}", code="scope", hint="See docs/contract.md."
        ) from error


def _base(books: Books, rev: str) -> str:
    found = None if rev.startswith("-") or "\n" in rev else books.repo.resolve(rev)
    if found is None:
        raise AutoresearchError(
            f"there is no commit {clean_line(rev, 80)} here",
            code="no_revision",
            hint="Check the name; in CI fetch the history (`fetch-depth: 0`).",
        )
    return found


def reached(books: Books, base: str) -> tuple[str, ...]:
    """What changed since a commit, what that imports, and what imports it, sorted."""
    tree = books.tree
    changed = [path for _, path in changed_paths(books.repo, base, tree.commit)]
    sources = [path for path in tree.entries if is_source(path)]
    known = module_names(tree.entries)
    graph = {
        path: imports(path, tree.content(path).decode("utf-8", "replace"), known)
        for path in sources
    }
    backwards: dict[str, set[str]] = {}
    for path, targets in graph.items():
        for target in targets:
            backwards.setdefault(target, set()).add(path)
    importers = reaching(changed, graph)
    imported = reaching(changed, {path: frozenset(found) for path, found in backwards.items()})
    return tuple(sorted(path for path in importers | imported if path in tree.entries))


def progress(books: Books, sweep: Sweep, *, opened: bool = False) -> Progress:
    """Where a sweep stands."""
    return Progress(sweep, books.ledger.used(sweep.number), covered(books, sweep), opened)


def require_sweep(books: Books) -> Sweep:
    """The latest sweep; raises AutoresearchError `no_sweep` before the first."""
    if books.ledger.sweep is None:
        raise AutoresearchError(
            "no sweep is open", code="no_sweep", hint="`autoresearch security sweep N` opens one."
        )
    return books.ledger.sweep


def next_task(books: Books) -> Task | Progress:
    """The next cell, or the progress of a sweep that is done."""
    sweep = require_sweep(books)
    stand = progress(books, sweep)
    sites = inventory(books)
    leads = books.ledger.open_leads
    weight: dict[Cell, float] = {}
    for row in stand.coverage.rows:
        files = audited_files(books, row.element, sweep)
        seen = weights(sites, files)
        led = sum(lead.path in set(files) for lead in leads)
        weight.update((Cell(row.element.name, threat), seen[threat] + led) for threat in row.looks)
    found = next_cell(stand.coverage, weight)
    if stand.done or found is None:
        return stand
    cell, persona = found
    element = element_of(require_model(books), cell.element)
    files = audited_files(books, element, sweep)
    looks = next(row.looks for row in stand.coverage.rows if row.element.name == cell.element)
    own = set(files)
    return Task(
        progress=stand,
        element=element,
        stride=cell.stride,
        persona=persona,
        looks=tuple(look.label for look in looks[cell.stride]),
        files=files,
        sites=tuple(
            s for s in sites if s.path in own and s.kind in threats()[cell.stride].shows_in
        ),
        leads=tuple(lead for lead in leads if lead.path in own),
    )


def examine(books: Books, text: str) -> Examined:
    """Record a cell that holds.

    Raises:
        FormError, EvidenceError: it cannot be read, or a quote does not hold.
        AutoresearchError: the cell does not exist, or the evidence is from elsewhere.
    """
    form = read_examined(text)
    evidence = checked_cell(books, form.cell)
    _refuse_repeated(books, form.cell, evidence)
    record = Examined(
        schema=SCHEMA,
        at=now_utc(),
        number=max(books.ledger.examined, default=0) + 1,
        sweep=sweep_number(books),
        commit=books.tree.commit,
        element=form.cell.element,
        stride=form.cell.stride,
        persona=form.cell.persona,
        hypothesis=redact(form.cell.hypothesis),
        reason=redact(form.reason),
        evidence=evidence,
        lead=form.cell.lead,
    )
    books.write(record)
    return record


def _refuse_repeated(books: Books, cell: CellClaim, evidence: tuple[Quote, ...]) -> None:
    """The same eyes on the same lines see nothing new; a repeated command adds no line."""
    told = (cell.element, cell.stride, cell.persona, {(q.path, q.text) for q in evidence})
    for number, other in books.ledger.examined.items():
        if told == (
            other.element,
            other.stride,
            other.persona,
            {(q.path, q.text) for q in other.evidence},
        ):
            raise AutoresearchError(
                f"the same lines were examined with the same eyes in E{number}",
                code="duplicate",
                hint="`autoresearch security next` names the next cell.",
            )


def sweep_number(books: Books) -> int | None:
    """The sweep that a record belongs to: the latest, while it has iterations left."""
    sweep = books.ledger.sweep
    if sweep is None or books.ledger.used(sweep.number) >= sweep.iterations:
        return None
    return sweep.number


def checked_cell(books: Books, cell: CellClaim) -> tuple[Quote, ...]:
    """The evidence of a claim about a cell, once all of it holds.

    Raises:
        EvidenceError: a quote is not what the commit holds.
        AutoresearchError: `no_element`, `no_cell`, `elsewhere`, `no_lead`.
    """
    element = element_of(require_model(books), cell.element)
    if cell.stride not in APPLIES[element.kind]:
        threats = ", ".join(threat.value for threat in APPLIES[element.kind])
        raise AutoresearchError(
            f"{cell.stride.value} is not asked of a {element.kind.value} like '{element.name}'",
            code="no_cell",
            hint=f"STRIDE per element asks it of: {threats}.",
        )
    if cell.lead is not None and cell.lead not in {lead.number for lead in books.ledger.open_leads}:
        raise AutoresearchError(
            f"L{cell.lead} is no lead, or is answered already",
            code="no_lead",
            hint="`autoresearch security leads` lists them.",
        )
    evidence = books.tree.verified(cell.evidence)
    own = set(files_of(element, (quote.path for quote in evidence)))
    if evidence[0].path not in own:
        raise AutoresearchError(
            f"{clean_line(evidence[0].path, 200)} is no file of the element '{element.name}'",
            code="elsewhere",
            hint="Quote the element's own file first, or complete the model.",
        )
    return evidence
