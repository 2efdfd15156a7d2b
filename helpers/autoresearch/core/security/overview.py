"""The ledger held against the code as it is: the matrix, findings in their places, the gate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from autoresearch.core.scope import compile_scope
from autoresearch.core.security.catalog import categories, checks, every_category, threats
from autoresearch.core.security.ledger import (
    APPLIES,
    Element,
    Examined,
    Finding,
    FindingStatus,
    Lead,
    Ledger,
    Model,
    Persona,
    PlaceKind,
    Quote,
    SecondLook,
    Severity,
    State,
    Stride,
)


class Standing(NamedTuple):
    """Where quoted lines stand, from 1."""

    path: str
    first: int
    last: int


class Cell(NamedTuple):
    """One threat asked of one element."""

    element: str
    stride: Stride


class Look(NamedTuple):
    """A record that answers a cell with evidence that stands: `E3` or `F2`, and whose eyes."""

    label: str
    persona: Persona


class Row(NamedTuple):
    """An element with what its cells were answered by; no entry: does not apply."""

    element: Element
    looks: Mapping[Stride, tuple[Look, ...]]


class Coverage(NamedTuple):
    """The matrix, in the model's order."""

    rows: tuple[Row, ...]

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return sum(len(row.looks) for row in self.rows)

    @property
    def covered(self) -> int:
        """How many were answered at least once."""
        return sum(bool(looks) for row in self.rows for looks in row.looks.values())

    @property
    def share(self) -> float:
        """Covered cells of all, 0 to 1; 0 without cells."""
        return self.covered / self.cells if self.cells else 0.0


MOST_LOOKS = 3
"""At a cell for the sake of places that no quote touches, before the others get a second one."""


class PlaceCount(NamedTuple):
    """Of the places of one kind, how many stand in a quote that still stands."""

    kind: PlaceKind
    touched: int
    places: int


def share_of(places: Iterable[PlaceCount]) -> float | None:
    """PlaceCount places of all, 0 to 1; None without places."""
    counted = tuple(places)
    every = sum(one.places for one in counted)
    return sum(one.touched for one in counted) / every if every else None


def files_of(element: Element, paths: Iterable[str]) -> tuple[str, ...]:
    """Those of the paths that belong to an element."""
    covers = compile_scope(element.files, ()).covers
    return tuple(path for path in paths if covers(path))


def coverage(
    ledger: Ledger,
    place: Callable[[Quote, str], Standing | None],
    audited: Callable[[Element], bool],
) -> Coverage:
    """The matrix of the model in force, of the elements that are `audited`; empty without one.

    A record counts for its cell when one of its quotes still stands, wherever it moved, in the
    element's own files; `place` says where lines of a commit stand now. A record of an element
    that the model no longer has counts for nothing.
    """
    model = ledger.model
    elements = [element for element in (model.elements if model else ()) if audited(element)]
    looks: dict[Cell, list[Look]] = {
        Cell(element.name, threat): [] for element in elements for threat in APPLIES[element.kind]
    }
    covers = {element.name: compile_scope(element.files, ()).covers for element in elements}
    for label, record in ledger.records:
        cell = Cell(record.element, record.stride)
        now = (place(quote, record.commit) for quote in record.evidence if cell in looks)
        if any(found is not None and covers[cell.element](found.path) for found in now):
            looks[cell].append(Look(label, record.persona))
    rows = [
        Row(one, {t: tuple(looks[Cell(one.name, t)]) for t in APPLIES[one.kind]})
        for one in elements
    ]
    return Coverage(tuple(rows))


def next_cell(found: Coverage, weight: Mapping[Cell, float]) -> tuple[Cell, Persona] | None:
    """The cell to look at now, and in whose place; None without cells.

    Cells that nobody looked at come first. Then those with places that no quote touches come back
    (`weight`), up to three times; of equals the heaviest, of those the model's first. A second look
    takes the next persona.
    """
    order = []
    for number, row in enumerate(found.rows):
        for threat, looks in row.looks.items():
            heavy = weight.get(Cell(row.element.name, threat), 0.0)
            seen = 1 if heavy and 0 < len(looks) <= MOST_LOOKS else len(looks)
            order.append((seen, -heavy, len(looks), number, threat))
    if not order:
        return None
    *_, number, threat = min(order, key=lambda item: (*item[:4], list(Stride).index(item[4])))
    row = found.rows[number]
    return Cell(row.element.name, threat), _persona(threat, row.looks[threat])


def _persona(threat: Stride, looks: Sequence[Look]) -> Persona:
    """The one who was in this cell least often, in the order of the table."""
    seen = [look.persona for look in looks]
    return min(threats()[threat].personas, key=seen.count)


def isolation(sandbox: str) -> str:
    """What confined a proof, in words."""
    return "not isolated" if sandbox == "none" else f"sandbox: {sandbox}"


class Located(NamedTuple):
    """Quoted lines where they stand now, or stood when they are gone.

    Attributes:
        changed: whether the file that they were quoted from is another one now.
        was: the path that they moved away from; empty when they did not.
    """

    path: str
    first: int
    last: int
    text: str
    note: str
    stands: bool
    changed: bool = False
    was: str = ""

    @property
    def fate(self) -> str:
        """What became of them, in brackets behind the place; empty where nothing did."""
        if not self.stands:
            return " (no longer there)"
        if self.was:
            return f" (moved from {self.was})"
        return " (the file changed since)" if self.changed else ""


class Shown(NamedTuple):
    """A finding as it stands today: the flaw's own place first, the flow's source first."""

    standing: FindingStatus
    state: State
    evidence: tuple[Located, ...]
    flow: tuple[Located, ...]

    @property
    def finding(self) -> Finding:
        """The record."""
        return self.standing.finding

    @property
    def label(self) -> str:
        """`F12`."""
        return f"F{self.finding.number}"

    @property
    def where(self) -> Located:
        """The flaw's own place."""
        return self.evidence[0]


class Overview(NamedTuple):
    """All that a report is made of.

    Attributes:
        name: of the repository.
        commit: what everything was checked against.
        today: `2026-12-31`.
        origin: URL that the repository was cloned from, without credentials; empty for none.
        findings: the gravest first.
    """

    name: str
    commit: str
    today: str
    version: str
    model: Model | None
    coverage: Coverage
    findings: tuple[Shown, ...]
    examined: tuple[Examined, ...]
    leads: tuple[Lead, ...]
    places: tuple[PlaceCount, ...] = ()
    reviews: Mapping[int, SecondLook] = {}
    cuts: tuple[str, ...] = ()
    origin: str = ""

    def open(self) -> tuple[Shown, ...]:
        """Findings that are open, the gravest first."""
        return tuple(shown for shown in self.findings if shown.state is State.OPEN)


class Gate(NamedTuple):
    """Open findings at or above the limit.

    Attributes:
        failing: those that count.
        known: those that the baseline knows.
        unproven: those that do not count, where only proven ones do.
    """

    failing: tuple[Shown, ...]
    known: tuple[Shown, ...]
    unproven: tuple[Shown, ...]


def ordered(shown: Collection[Shown]) -> tuple[Shown, ...]:
    """Open before closed, grave before mild, then by number."""
    order = {state: number for number, state in enumerate(State)}
    keyed = [(order[one.state], -one.finding.score, one.finding.number, one) for one in shown]
    return tuple(one for *_, one in sorted(keyed, key=lambda item: item[:3]))


def same_lines(overview: Overview) -> tuple[int, int]:
    """How many covered cells rest on the very lines of another, of how many that hold."""
    resting: dict[frozenset[tuple[str, str]], set[Cell]] = {}
    for record in overview.examined:
        lines = frozenset((quote.path, quote.text) for quote in record.evidence)
        resting.setdefault(lines, set()).add(Cell(record.element, record.stride))
    shared = set().union(*(cells for cells in resting.values() if len(cells) > 1))
    return len(shared), len(set().union(*resting.values()))


def second_mind(overview: Overview, one: Shown) -> str:
    """`confirmed`, `contested`, or `unread`."""
    review = overview.reviews.get(one.finding.number)
    return "unread" if review is None else review.verdict.value


def cautions(overview: Overview) -> tuple[str, ...]:
    """What makes the coverage worth less than it says."""
    shared, every = same_lines(overview)
    found = [f"{shared} of {every} cells that hold rest on the same lines"] if shared else []
    return (*found, *overview.cuts)


def by_category(overview: Overview, edition: str = "2025") -> Mapping[str, tuple[int, int]]:
    """OWASP category -> findings, and cells that hold, recorded under its weaknesses."""
    found = [categories(one.finding.cwe) for one in overview.findings]
    held = [categories(checks()[e.check].cwe) for e in overview.examined if e.check in checks()]
    return {
        one.label: (sum(one in each for each in found), sum(one in each for each in held))
        for one in every_category()
        if one.edition == edition and one.cwes
    }


def counts(shown: Collection[Shown]) -> Mapping[Severity, int]:
    """How many findings there are of each severity, the gravest first; only those there are."""
    found = {
        severity: sum(one.finding.severity is severity for one in shown)
        for severity in reversed(Severity)
    }
    return {severity: number for severity, number in found.items() if number}


def tally(shown: Collection[Shown]) -> str:
    """The same in words: `1 critical, 3 high`; `none` without any."""
    return ", ".join(f"{number} {s.value}" for s, number in counts(shown).items()) or "none"


def judge(
    overview: Overview, limit: Severity, baseline: Collection[str], *, proven_only: bool = False
) -> Gate:
    """Which open findings are at or above the limit, known to the baseline or not."""
    grave = [one for one in overview.open() if one.finding.severity.rank >= limit.rank]
    fresh = [one for one in grave if one.finding.fingerprint not in baseline]
    passing = [one for one in fresh if proven_only and not one.standing.is_proven]
    return Gate(
        failing=tuple(one for one in fresh if one not in passing),
        known=tuple(one for one in grave if one.finding.fingerprint in baseline),
        unproven=tuple(passing),
    )


def badge(overview: Overview) -> Mapping[str, object]:
    """A summary of badge size, in the form of shields.io's endpoint (schemaVersion 1)."""
    found, covered = counts(overview.open()), overview.coverage
    message, colour = f"0 open, {covered.share:.0%} covered", "yellowgreen"
    if not covered.covered:
        message, colour = "not swept", "lightgrey"
    elif found:
        worst, number = next(iter(found.items()))
        message = f"{number} {worst.value}, {covered.share:.0%} covered"
        colour = "red" if worst.rank >= Severity.HIGH.rank else "orange"
    elif covered.share == 1:
        colour = "green"
    return {"schemaVersion": 1, "label": "security", "message": message, "color": colour}
