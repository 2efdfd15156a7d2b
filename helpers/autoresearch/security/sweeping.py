"""`security init`, `model`, `sweep`, `next`, `examined`: the model, then cell after cell."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from msgspec import structs

from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.scope import Scope, compile_scope
from autoresearch.core.security import inventory as code
from autoresearch.core.security import ledger
from autoresearch.core.security.catalog import (
    Check,
    checks,
    depths,
    focuses,
    is_idle,
    kinds_of,
    scanners,
    threats,
)
from autoresearch.core.security.catalog import endings as group_of_endings
from autoresearch.core.security.forms import CellForm, Claim, read_examined, read_model
from autoresearch.core.security.inventory import draft_boundaries, draft_elements
from autoresearch.core.security.overview import Cell, Coverage, files_of, next_cell
from autoresearch.core.security.quotes import redact
from autoresearch.edges.files import atomic_write
from autoresearch.edges.gitdiff import changed_paths
from autoresearch.edges.hostfiles import host_session
from autoresearch.security.books import Books


class Drafted(NamedTuple):
    """What `init` found: the model, in a file to complete too, places by kind, scanners.

    Attributes:
        scanners: program -> call, of those that are installed.
        missing: the same, of those that fit the files and are not.
    """

    model: ledger.Model
    kept: bool
    draft: str
    counts: Mapping[str, int]
    scanners: Mapping[str, str]
    missing: Mapping[str, str]


def begin(books: Books) -> Drafted:
    """Look at the code and write a first model, unless there is one already."""
    sites = books.sites
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
    fitting = _fitting(books.tree.entries)
    draft = books.state / "model.yaml"
    kinds = [kind.value for kind in ledger.PlaceKind for site in sites if site.kind is kind]
    atomic_write(draft, _as_form(books.require_model()).encode("utf-8"), mode=0o600, sync=False)
    return Drafted(
        model=books.require_model(),
        kept=kept,
        draft=str(draft),
        counts=dict(Counter(kinds).most_common()),
        scanners={name: call for name, call in fitting.items() if shutil.which(name)},
        missing={name: call for name, call in fitting.items() if not shutil.which(name)},
    )


def _fitting(paths: Iterable[str]) -> dict[str, str]:
    """Program -> call of the scanners that read what the project is written in."""
    names = {path.rpartition("/")[2] for path in paths}
    ends = {name.rpartition(".")[2].lower() for name in names}
    return {
        one.call.split()[0]: one.call
        for one in scanners().values()
        if any(each in names or ends & group_of_endings(each) for each in one.fits)
    }


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

    Attributes:
        looks: names of the records that answered this cell before.
        sites: those that no quote touches first.
        untouched: how many of them no quote touches.
        checks: what to ask of this kind of code, what nobody answered first.
    """

    progress: SweepState
    element: ledger.Element
    stride: ledger.Stride
    persona: ledger.Persona
    looks: tuple[str, ...]
    files: tuple[str, ...]
    sites: tuple[code.Site, ...]
    untouched: int
    checks: tuple[Check, ...]
    leads: tuple[ledger.Lead, ...]

    @property
    def hypothesis(self) -> str:
        """What to test, in a sentence."""
        asked = f"one can {threats()[self.stride].question}"
        if self.checks:
            asked = f"one can show that {self.checks[0].ask}"
        return f"acting as {self.persona.value}, {asked}"


def open_sweep(
    books: Books,
    iterations: int | None,
    scope: tuple[str, ...],
    diff: str | None,
    *,
    since_last: bool = False,
    focus: str = "",
    depth: str = "",
) -> SweepState | None:
    """Open a sweep, or go on with the one in progress; None where no relevant file changed.

    A call that asks for the same is another tick of it; a finished sweep is not opened again by
    its own ticks. `since_last` looks at what changed since the last look, as `diff` does.
    """
    books.require_model()
    for word, known in ((focus, focuses()), (depth, depths())):
        if word and word not in known:
            raise AutoresearchError(
                f"{clean_line(word, 40)} is none of {', '.join(known)}", code="scope", hint=""
            )
    host = host_session(books.environ)
    base = None if diff is None else resolved(books, diff)
    current = books.ledger.sweep
    if current is not None and current.host_session == host:
        terms = (current.scope, current.base, current.focus, current.depth)
        asked = (scope, current.base if since_last else base, focus, depth)
        same = asked in {((), None, "", ""), terms} and since_last <= (current.base is not None)
        if same and iterations in {None, current.iterations}:
            return _state(books, current)
    base = _last_look(books) if since_last else base
    require_scope(scope)
    sweep = ledger.Sweep(
        number=1 if current is None else current.number + 1,
        host_session=host,
        iterations=iterations or DEFAULT_ITERATIONS,
        scope=scope,
        base=base,
        paths=() if base is None else reached(books, base),
        focus=focus,
        depth=depth,
        **books.stamp(),
    )
    cells = books.covered(sweep).cells
    if not cells and base is not None:
        return None
    if not cells:
        raise AutoresearchError(
            "no element of the model has a file in this scope",
            code="nothing_audited",
            hint="Widen the scope, or complete the model with `autoresearch security model`.",
        )
    if iterations is None and depth:
        number = max(1, round(cells * depths()[depth].per_cell))
        sweep = structs.replace(sweep, iterations=number)
    books.write(sweep)
    return _state(books, sweep, opened=True)


def _last_look(books: Books) -> str:
    """The commit of the newest record; raises AutoresearchError `no_sweep` without one."""
    looked = books.ledger.closed
    every = [record for _, record in books.ledger.records]
    last = looked or max(every, key=lambda record: record.at, default=None)
    if last is None:
        raise AutoresearchError(
            "nobody has looked yet", code="no_sweep", hint="`autoresearch security sweep N`."
        )
    return resolved(books, last.commit)


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


def reached(books: Books, base: str) -> tuple[str, ...]:
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
    leads = books.ledger.open_leads
    focus, depth = focuses().get(sweep.focus), depths()[sweep.depth or "standard"]
    weight: dict[Cell, float] = {}
    kinds: dict[str, tuple[str, ...]] = {}
    rows = []
    for row in state.coverage.rows:
        own = set(books.audited(row.element, sweep))
        sites = [site for site in books.sites if site.path in own]
        kinds[row.element.name] = kinds_of(site.kind for site in sites)
        seen = code.weights([site for site in sites if site not in books.touched], own)
        led = sum(lead.path in own for lead in leads)
        weight.update((Cell(row.element.name, threat), seen[threat] + led) for threat in row.looks)
        if focus is None or focus.kinds & set(kinds[row.element.name]):
            looks = {t: each for t, each in row.looks.items() if not focus or t in focus.strides}
            rows.append(row._replace(looks=looks))
    found = next_cell(Coverage(tuple(rows)), weight) or next_cell(state.coverage, weight)
    if state.done or found is None:
        return state
    cell, persona = found
    row = next(row for row in state.coverage.rows if row.element.name == cell.element)
    files = books.audited(row.element, sweep)
    own = set(files)
    shows_in = threats()[cell.stride].shows_in
    shown = [site for site in books.sites if site.path in own and site.kind in shows_in]
    shown.sort(key=lambda site: site in books.touched)
    answered = [r.check for _, r in books.ledger.records if r.element == cell.element]
    asked = [
        check
        for check in checks().values()
        if check.stride is cell.stride and check.kind in kinds[cell.element]
    ]
    asked.sort(key=lambda check: (answered.count(check.id), kinds[cell.element].index(check.kind)))
    return Task(
        progress=state,
        element=row.element,
        stride=cell.stride,
        persona=persona,
        looks=tuple(look.label for look in row.looks[cell.stride]),
        files=files,
        sites=tuple(shown),
        untouched=sum(site not in books.touched for site in shown),
        checks=tuple(asked[: depth.checks]),
        leads=tuple(lead for lead in leads if lead.path in own),
    )


def examine(books: Books, text: str) -> ledger.Examined:
    """Record a cell that holds; the form or a quote is refused otherwise."""
    form = read_examined(text)
    cell, _ = checked_cell(books, form)
    number = max(books.ledger.examined, default=0) + 1
    record = ledger.Examined(number=number, reason=redact(form.reason), **cell)
    require_substance(books, record.evidence, record.reason)
    _require_concrete(form.hypothesis)
    for other in books.ledger.examined.values():
        if _looked(record) == _looked(other):
            raise AutoresearchError(
                f"the same lines were examined with the same eyes in E{other.number}",
                code="duplicate",
                hint="`autoresearch security next` names the next cell.",
            )
        cells = {(one.element, one.stride) for one in (other, record)}
        same = len(cells) > 1 and other.evidence == record.evidence
        if same and _words(other.reason) == _words(record.reason):
            raise AutoresearchError(
                f"E{other.number} has the same quote and the same reason for another cell",
                code="duplicate",
                hint="Say what in these lines stops this threat, or quote what does.",
            )
    books.write(record)
    return record


_IN_CODE_FORM = re.compile(
    r"`([A-Za-z_][\w.:]{0,99})(?:\(\))?`|\b([A-Za-z_][\w.]{0,99})\("
    r"|\b([A-Za-z][A-Za-z0-9]{0,60}(?:_[A-Za-z0-9]{1,60}){1,20})\b"
)
"""Names in a text that mean code: in backticks, called, or with an underline."""


def require_substance(books: Books, evidence: tuple[ledger.Quote, ...], reason: str) -> None:
    """Refuse evidence that shows nothing, and a reason that names what is nowhere.

    Raises:
        AutoresearchError: `idle` for imports, comments and blank lines alone, `no_such_name`.
    """
    if all(is_idle(line) for quote in evidence for line in quote.text.split("\n")):
        raise AutoresearchError(
            "imports, comments and blank lines alone show nothing",
            code="idle",
            hint="Quote the lines that stop the attack.",
        )
    quoted = "\n".join(quote.text for quote in evidence)
    for found in _IN_CODE_FORM.finditer(reason):
        name = next(filter(None, found.groups())).rstrip(".:")
        last = re.split(r"[.:]+", name)[-1]
        if last not in quoted and not books.tree.holds(last) and name not in books.tree.entries:
            raise AutoresearchError(
                f"the reason names {clean_line(name, 60)}, which stands in no file",
                code="no_such_name",
                hint="Name what is there; say in words what is not.",
            )


def _require_concrete(hypothesis: str) -> None:
    """Refuse what `next` asks of every project, repeated word for word."""
    said = " ".join(hypothesis.lower().split()).rstrip(".")
    generic = [threat.question for threat in threats().values()]
    generic += [check.ask for check in checks().values()]
    if any(said.endswith(" ".join(one.lower().split())) for one in generic):
        raise AutoresearchError(
            "the hypothesis is the general one of `next`",
            code="hypothesis",
            hint="Make it concrete: this input, at this line, does that.",
        )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _looked(cell: ledger.Examined) -> tuple[object, ...]:
    """Whose eyes saw which lines of a cell: the same ones see nothing new."""
    lines = {(quote.path, quote.text) for quote in cell.evidence}
    return cell.element, cell.stride, cell.persona, lines


CHECKPOINT = 3
"""Records of a sweep between two looks back."""


def checkpoint(books: Books) -> str:
    """What a sweep brought so far, at every third record; empty at others and without a sweep."""
    sweep = books.ledger.sweep
    own = () if sweep is None else books.ledger.answers(sweep.number)
    if sweep is None or not own or len(own) % CHECKPOINT:
        return ""
    found = sum(isinstance(record, ledger.Finding) for record in own)
    late = sum(isinstance(record, ledger.Finding) for record in own[-CHECKPOINT:])
    return (
        f"checkpoint {len(own)} of {sweep.iterations}: {found / len(own):.2f} findings per "
        f"iteration, {late / CHECKPOINT:.2f} in the last {CHECKPOINT}"
    )


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
        "check": cell.check,
    }
    return facts, every[len(evidence) :]
