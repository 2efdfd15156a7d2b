"""Lines of a security ledger, filled with plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.security.ledger import (
    Element,
    ElementKind,
    Examined,
    Finding,
    Ledger,
    Model,
    Quote,
    Severity,
    State,
)
from autoresearch.core.security.overview import (
    Coverage,
    Located,
    Overview,
    Shown,
    Standing,
    coverage,
    ordered,
)

from support.records import make

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoresearch.core.security.ledger import Line

TODAY = "2026-06-01"
VECTOR = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:N/SC:N/SI:N/SA:N"


def read(lines: Iterable[Line]) -> Ledger:
    """The ledger that lines add up to, oldest first."""
    ledger = Ledger()
    for line in lines:
        ledger.take(line)
    return ledger


def quote(
    path: str = "app/db.py", first: int = 6, text: str = "query = a + b", **more: str
) -> Quote:
    """A quote of one line."""
    return make(Quote, path=path, first=first, last=first, text=text, blob="b" * 40, **more)


def element(name: str = "db", kind: ElementKind = ElementKind.PROCESS, *files: str) -> Element:
    """An element; its files are those of the folder `app` unless others are given."""
    return make(Element, name=name, kind=kind, files=files or ("app/**",), description="it works")


def model(*elements: Element) -> Model:
    """A model of these elements."""
    return make(Model, elements=elements, commit="c" * 40)


def finding(number: int = 1, **values: object) -> Finding:
    """A grave finding in the element `db`."""
    return make(
        Finding,
        **{
            "number": number,
            "title": f"flaw {number}",
            "element": "db",
            "cwe": (89,),
            "vector": VECTOR,
            "score": 9.3,
            "severity": Severity.CRITICAL,
            "fingerprint": f"{number:032x}",
            "evidence": (quote(),),
            "scenario": "somebody does it",
            "remedy": "bind it",
            **values,
        },
    )


def examined(number: int = 1, **values: object) -> Examined:
    """A cell of the element `db` that holds."""
    return make(
        Examined,
        **{
            "number": number,
            "element": "db",
            "reason": "it is bound",
            "evidence": (quote(),),
            **values,
        },
    )


def shown(ledger: Ledger, *, stands: bool = True) -> tuple[Shown, ...]:
    """The findings of a ledger, where they were quoted."""
    return ordered(
        [
            Shown(
                one,
                one.state(TODAY),
                tuple(_place(q, stands=stands) for q in one.finding.evidence),
                tuple(_place(q, stands=stands) for q in one.finding.flow),
            )
            for one in ledger.standings
        ]
    )


def _place(found: Quote, *, stands: bool) -> Located:
    return Located(found.path, found.first, found.last, found.text, found.note, stands)


def matrix(ledger: Ledger) -> Coverage:
    """The coverage of a ledger whose evidence all stands."""
    return coverage(ledger, lambda q, _: Standing(q.path, q.first, q.last), lambda _: True)


def overview(*lines: Line, stands: bool = True, name: str = "shop") -> Overview:
    """What a report of these lines is made of."""
    ledger = read(lines)
    return Overview(
        name=name,
        commit="c" * 40,
        today=TODAY,
        version="0.1.0",
        model=ledger.model,
        coverage=matrix(ledger),
        findings=shown(ledger, stands=stands),
        examined=tuple(ledger.examined.values()),
        leads=ledger.open_leads,
    )


__all__ = [
    "State",
    "element",
    "examined",
    "finding",
    "matrix",
    "model",
    "overview",
    "quote",
    "read",
]
