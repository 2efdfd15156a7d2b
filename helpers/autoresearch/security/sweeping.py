"""`security init`, `model`, `sweep`, `next`, `examined`: the model, then cell after cell."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct, structs

from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.scope import Scope, compile_scope
from autoresearch.core.security import inventory as code
from autoresearch.core.security import ledger
from autoresearch.core.security.catalog import scanners, threats
from autoresearch.core.security.forms import CellForm, Claim, read_examined, read_model
from autoresearch.core.security.inventory import Site, draft_boundaries, draft_elements, sites_in
from autoresearch.core.security.overview import Cell, Coverage, files_of, next_cell
from autoresearch.core.security.quotes import redact
from autoresearch.edges.files import atomic_write
from autoresearch.edges.gitdiff import changed_paths
from autoresearch.edges.hostfiles import host_session
from autoresearch.edges.stored import Stored
from autoresearch.security.books import Books

CACHE_VERSION = 1
"""Of the table of places; another version is made anew."""


class KnownSites(Struct, frozen=True, kw_only=True):
    """The places of files that were read: by blob and path, kind and line."""

    version: int
    sites: dict[str, list[tuple[ledger.PlaceKind, int]]]


class Drafted(NamedTuple):
    """What `init` found: the model, in a file to complete too, places by kind, scanners."""

    model: ledger.Model
    kept: bool
    draft: str
    counts: Mapping[str, int]
    scanners: Mapping[str, str]


def begin(books: Books) -> Drafted:
    """Look at the code and write a first model, unless there is one already."""
    sites = inventory(books)
    elements = draft_elements(sites)
    if not elements:
        raise AutoresearchError(
            "no file of this commit looks like code that can be attacked",
            code="no_code",
            hint="Write a model by hand: `autoresearch security model --help`.",
        )
    kept = books.ledger.model is not None
    if not kept:
        lines = draft_boundaries(elements)
        drafted = ledger.Model(
            drafted=True, elements=elements, boundaries=lines, assets=(), **books.stamp()
        )
        books.write(drafted)
    draft = books.state / "model.yaml"
    kinds = [kind.value for kind in ledger.PlaceKind for site in sites if site.kind is kind]
    atomic_write(draft, _as_form(books.require_model()).encode("utf-8"), mode=0o600, sync=False)
    return Drafted(
        model=books.require_model(),
        kept=kept,
        draft=str(draft),
        counts=dict(Counter(kinds).most_common()),
        scanners={
            program: one.call
            for one in scanners().values()
            if one.call and shutil.which(program := one.call.split()[0])
        },
    )


def complete(books: Books, text: str) -> ledger.Model:
    """Take a completed model for the model from here on."""
    form = read_model(text)
    elements = tuple(ledger.Element(**structs.asdict(one)) for one in form.elements)
    for element in elements:
        if not files_of(element, books.tree.entries):
            raise AutoresearchError(
                f"the element '{element.name}' has no file at commit {books.tree.commit[:12]}",
                code="no_files",
                hint="Name files that implement it, or that meet it where it is external.",
            )
    model = ledger.Model(
        drafted=False,
        elements=elements,
        boundaries=tuple(ledger.Boundary(**structs.asdict(one)) for one in form.boundaries),
        assets=tuple(ledger.Asset(**structs.asdict(one)) for one in form.assets),
        **books.stamp(),
    )
    books.write(model)
    return model


def inventory(books: Books) -> tuple[Site, ...]:
    """The places of every file of the commit; files that were read before are not read again."""
    stored = Stored(books.state / "sites.json", KnownSites, sync=False)
    known = stored.load()
    table = known.sites if known is not None and known.version == CACHE_VERSION else {}
    keys = {f"{entry.oid} {path}": path for path, entry in books.tree.entries.items()}
    fresh: dict[str, list[str]] = {}  # two files may hold the same
    for key in keys.keys() - table.keys():
        fresh.setdefault(key.partition(" ")[0], []).append(key)
    for oid, content in books.repo.blobs(fresh):
        table.update((key, _found(keys[key], content)) for key in fresh[oid])
    if fresh:
        sites = {key: table.get(key, []) for key in keys}
        stored.save(KnownSites(version=CACHE_VERSION, sites=sites))
    return tuple(
        Site(kind, path, line) for key, path in keys.items() for kind, line in table.get(key, ())
    )


def _found(path: str, content: bytes) -> list[tuple[ledger.PlaceKind, int]]:
    return [(site.kind, site.line) for site in sites_in(path, content)]


def _as_form(model: ledger.Model) -> str:
    """The model as the file that `security model` reads: JSON, which is YAML."""
    elements = [
        {
            "name": element.name,
            "kind": element.kind.value,
            "files": element.files,
            "description": element.description,
            **({"from": element.source, "to": element.target} if element.source else {}),
        }
        for element in model.elements
    ]
    listed = {
        "elements": elements,
        "boundaries": [wire.to_object(one) for one in model.boundaries],
        "assets": [wire.to_object(one) for one in model.assets],
    }
    return json.dumps(listed, indent=1) + "\n"


DEFAULT_ITERATIONS = 10
"""Of a sweep for which nobody named a number."""


class SweepState(NamedTuple):
    """Where a sweep stands; `opened`: whether this call opened it."""

    sweep: ledger.Sweep
    used: int
    coverage: Coverage
    opened: bool

    @property
    def done(self) -> bool:
        """Whether every iteration was used, or there is nothing to look at."""
        return self.used >= self.sweep.iterations or not self.coverage.cells


class Task(NamedTuple):
    """What to look at now: its files within the sweep, places that look like the threat, leads.

    `looks` names the records that answered this cell before.
    """

    progress: SweepState
    element: ledger.Element
    stride: ledger.Stride
    persona: ledger.Persona
    looks: tuple[str, ...]
    files: tuple[str, ...]
    sites: tuple[code.Site, ...]
    leads: tuple[ledger.Lead, ...]


def open_sweep(
    books: Books, iterations: int | None, scope: tuple[str, ...], diff: str | None
) -> SweepState:
    """Open a sweep, or go on with the one in progress.

    A call that asks for the same is another tick of it; a finished sweep is not opened again by
    its own ticks.
    """
    books.require_model()
    host = host_session(books.environ)
    base = None if diff is None else resolved(books, diff)
    current = books.ledger.sweep
    if (
        current is not None
        and current.host_session == host
        and iterations in {None, current.iterations}
        and (scope, base) in {((), None), (current.scope, current.base)}
    ):
        return _state(books, current)
    require_scope(scope)
    sweep = ledger.Sweep(
        number=1 if current is None else current.number + 1,
        host_session=host,
        iterations=iterations or DEFAULT_ITERATIONS,
        scope=scope,
        base=base,
        paths=() if base is None else _reached(books, base),
        **books.stamp(),
    )
    if not books.covered(sweep).cells:
        raise AutoresearchError(
            "no element of the model has a file in this scope",
            code="nothing_audited",
            hint="Widen the scope, or complete the model with `autoresearch security model`.",
        )
    books.write(sweep)
    return _state(books, sweep, opened=True)


def require_scope(patterns: tuple[str, ...]) -> Scope:
    """The scope of patterns that somebody typed; raises AutoresearchError `scope`."""
    try:
        return compile_scope(patterns, ())
    except ValueError as error:
        raise AutoresearchError(
            f"a pattern of the scope {error}", code="scope", hint="See docs/contract.md."
        ) from error


def resolved(books: Books, rev: str) -> str:
    """The commit that somebody named; raises AutoresearchError `no_revision`."""
    found = None if rev.startswith("-") or "\n" in rev else books.repo.resolve(rev)
    if found is None:
        raise AutoresearchError(
            f"there is no commit {clean_line(rev, 80)} here",
            code="no_revision",
            hint="Check the name; in CI fetch the history (`fetch-depth: 0`).",
        )
    return found


def _reached(books: Books, base: str) -> tuple[str, ...]:
    """What changed since a commit, what that imports, and what imports it, sorted."""
    tree = books.tree
    changed = [path for _, path in changed_paths(books.repo, base, tree.commit)]
    known = code.module_names(tree.entries)
    graph = {
        path: code.imports(path, tree.content(path).decode("utf-8", "replace"), known)
        for path in tree.entries
        if code.is_source(path)
    }
    found = code.reaching(changed, graph) | code.reaching(changed, code.turned(graph))
    return tuple(sorted(path for path in found if path in tree.entries))


def _state(books: Books, sweep: ledger.Sweep, *, opened: bool = False) -> SweepState:
    return SweepState(sweep, books.ledger.used(sweep.number), books.covered(sweep), opened)


def next_task(books: Books) -> Task | SweepState:
    """The next cell, or the state of a sweep that is done."""
    sweep = books.ledger.sweep
    if sweep is None:
        raise AutoresearchError(
            "no sweep is open", code="no_sweep", hint="`autoresearch security sweep N` opens one."
        )
    state = _state(books, sweep)
    sites, leads = inventory(books), books.ledger.open_leads
    weight: dict[Cell, float] = {}
    for row in state.coverage.rows:
        own = set(books.audited(row.element, sweep))
        seen = code.weights(sites, own)
        led = sum(lead.path in own for lead in leads)
        weight.update((Cell(row.element.name, threat), seen[threat] + led) for threat in row.looks)
    found = next_cell(state.coverage, weight)
    if state.done or found is None:
        return state
    cell, persona = found
    row = next(row for row in state.coverage.rows if row.element.name == cell.element)
    files = books.audited(row.element, sweep)
    own = set(files)
    shows_in = threats()[cell.stride].shows_in
    return Task(
        progress=state,
        element=row.element,
        stride=cell.stride,
        persona=persona,
        looks=tuple(look.label for look in row.looks[cell.stride]),
        files=files,
        sites=tuple(site for site in sites if site.path in own and site.kind in shows_in),
        leads=tuple(lead for lead in leads if lead.path in own),
    )


def examine(books: Books, text: str) -> ledger.Examined:
    """Record a cell that holds; the form or a quote is refused otherwise."""
    form = read_examined(text)
    cell, _ = checked_cell(books, form)
    number = max(books.ledger.examined, default=0) + 1
    record = ledger.Examined(number=number, reason=redact(form.reason), **cell)
    for other in books.ledger.examined.values():
        if _looked(record) == _looked(other):
            raise AutoresearchError(
                f"the same lines were examined with the same eyes in E{other.number}",
                code="duplicate",
                hint="`autoresearch security next` names the next cell.",
            )
    books.write(record)
    return record


def _looked(cell: ledger.Examined) -> tuple[object, ...]:
    """Whose eyes saw which lines of a cell: the same ones see nothing new."""
    lines = {(quote.path, quote.text) for quote in cell.evidence}
    return cell.element, cell.stride, cell.persona, lines


def checked_cell(
    books: Books, cell: CellForm, flow: tuple[Claim, ...] = ()
) -> tuple[dict[str, Any], tuple[ledger.Quote, ...]]:
    """What a finding and an examination of a cell have in common, and a flow, once both hold.

    Raises:
        EvidenceError: a quote is not what the commit holds.
        AutoresearchError: `no_element`, `no_cell`, `elsewhere`, `no_lead`.
    """
    element = books.element(cell.element)
    if cell.stride not in ledger.APPLIES[element.kind]:
        asked = ", ".join(threat.value for threat in ledger.APPLIES[element.kind])
        raise AutoresearchError(
            f"{cell.stride.value} is not asked of a {element.kind.value} like '{element.name}'",
            code="no_cell",
            hint=f"STRIDE per element asks it of: {asked}.",
        )
    if cell.lead is not None and cell.lead not in {lead.number for lead in books.ledger.open_leads}:
        raise AutoresearchError(
            f"L{cell.lead} is no lead, or is answered already",
            code="no_lead",
            hint="`autoresearch security leads` lists them.",
        )
    every = books.tree.verified((*cell.evidence, *flow))
    evidence = every[: len(cell.evidence)]
    if not files_of(element, [evidence[0].path]):
        raise AutoresearchError(
            f"{clean_line(evidence[0].path, 200)} is no file of the element '{element.name}'",
            code="elsewhere",
            hint="Quote the element's own file first, or complete the model.",
        )
    sweep = books.ledger.sweep
    is_open = sweep is not None and books.ledger.used(sweep.number) < sweep.iterations
    facts = {
        **books.stamp(),
        "sweep": sweep.number if sweep is not None and is_open else None,
        "element": cell.element,
        "stride": cell.stride,
        "persona": cell.persona,
        "hypothesis": redact(cell.hypothesis),
        "evidence": evidence,
        "lead": cell.lead,
    }
    return facts, every[len(evidence) :]
