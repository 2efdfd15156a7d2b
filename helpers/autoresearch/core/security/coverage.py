"""Which cells of the model were looked at: computed from records whose evidence still stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.scope import compile_scope
from autoresearch.core.security.catalog import threats
from autoresearch.core.security.stride import APPLIES, Persona, Stride

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from autoresearch.core.security.ledger import Element, Examined, Finding, Ledger, Model, Quote

    StillStands = Callable[[Quote], bool]
    """Whether a quote is still in its file."""


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


def files_of(element: Element, paths: Iterable[str]) -> tuple[str, ...]:
    """Those of the paths that belong to an element."""
    covers = compile_scope(element.files, ()).covers
    return tuple(path for path in paths if covers(path))


def coverage(
    model: Model, ledger: Ledger, stands: StillStands, audited: Callable[[Element], bool]
) -> Coverage:
    """The matrix of a model.

    A record counts for its cell when one of its quotes is from the element's own files and still
    stands there. A record of an element that the model no longer has counts for nothing.

    Args:
        model: the latest.
        ledger: all records.
        stands: whether a quote is still in its file.
        audited: whether an element is looked at in this sweep.
    """
    elements = [element for element in model.elements if audited(element)]
    looks: dict[Cell, list[Look]] = {
        Cell(element.name, threat): [] for element in elements for threat in APPLIES[element.kind]
    }
    covers = {element.name: compile_scope(element.files, ()).covers for element in elements}
    for label, record in _records(ledger):
        cell = Cell(record.element, record.stride)
        if cell in looks and any(
            covers[cell.element](quote.path) and stands(quote) for quote in record.evidence
        ):
            looks[cell].append(Look(label, record.persona))
    return Coverage(
        tuple(
            Row(
                element,
                {t: tuple(looks[Cell(element.name, t)]) for t in APPLIES[element.kind]},
            )
            for element in elements
        )
    )


def _records(ledger: Ledger) -> list[tuple[str, Examined | Finding]]:
    found: list[tuple[str, Examined | Finding]] = [
        (f"E{number}", record) for number, record in sorted(ledger.examined.items())
    ]
    found += [(f"F{number}", record) for number, record in sorted(ledger.findings.items())]
    return found


def next_cell(found: Coverage, weight: Mapping[Cell, float]) -> tuple[Cell, Persona] | None:
    """The cell to look at now, and in whose place; None without cells.

    The least looked at comes first, of equals the heaviest, of those the model's first. A second
    look takes the next persona.

    Args:
        found: the matrix.
        weight: how much there is to see in a cell; 0 where not given.
    """
    order = [
        (len(looks), -weight.get(Cell(row.element.name, threat), 0.0), number, threat)
        for number, row in enumerate(found.rows)
        for threat, looks in row.looks.items()
    ]
    if not order:
        return None
    _, _, number, threat = min(order, key=lambda item: (*item[:3], list(Stride).index(item[3])))
    row = found.rows[number]
    return Cell(row.element.name, threat), _persona(threat, row.looks[threat])


def _persona(threat: Stride, looks: Sequence[Look]) -> Persona:
    """The one who was in this cell least often, in the order of the table."""
    seen = [look.persona for look in looks]
    return min(threats()[threat].personas, key=seen.count)
