"""STRIDE per element: which of the six threats is asked of which kind of element, and by whom.

The table is Shostack's (Threat Modeling: Designing for Security, Wiley 2014, chapter 3; first in
Hernan, Lambert, Ostwald, Shostack, MSDN Magazine, November 2006): repudiation is asked of a data
store only where it is the record of who did what.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stride(str, Enum):
    """The six threats; each violates one property."""

    SPOOFING = "spoofing"
    TAMPERING = "tampering"
    REPUDIATION = "repudiation"
    DISCLOSURE = "information-disclosure"
    DENIAL = "denial-of-service"
    ELEVATION = "elevation-of-privilege"


class ElementKind(str, Enum):
    """What a data flow diagram is made of; a log is the store that shows who did what."""

    EXTERNAL = "external"
    PROCESS = "process"
    STORE = "store"
    LOG = "log"
    FLOW = "flow"


_STORE = (Stride.TAMPERING, Stride.DISCLOSURE, Stride.DENIAL)

APPLIES: Mapping[ElementKind, tuple[Stride, ...]] = {
    ElementKind.EXTERNAL: (Stride.SPOOFING, Stride.REPUDIATION),
    ElementKind.PROCESS: tuple(Stride),
    ElementKind.STORE: _STORE,
    ElementKind.LOG: (Stride.TAMPERING, Stride.REPUDIATION, Stride.DISCLOSURE, Stride.DENIAL),
    ElementKind.FLOW: _STORE,
}
"""Kind of element -> the threats that apply to it."""

LETTERS: Mapping[Stride, str] = {threat: threat.value[0].upper() for threat in Stride}
"""S, T, R, I, D, E."""


class Persona(str, Enum):
    """In whose place the agent looks at a cell."""

    ANONYMOUS = "anonymous caller"
    CUSTOMER = "customer who wants another customer's data"
    INSIDER = "employee with ordinary rights"
    SUPPLIER = "author of a dependency or of a pull request"
    NEIGHBOUR = "other process or user on the same machine or network"
    CLUMSY = "honest user on a bad day: huge, empty, repeated, malformed input"


PERSONAS: Mapping[Stride, tuple[Persona, ...]] = {
    Stride.SPOOFING: (Persona.ANONYMOUS, Persona.CUSTOMER, Persona.NEIGHBOUR),
    Stride.TAMPERING: (Persona.CUSTOMER, Persona.ANONYMOUS, Persona.SUPPLIER, Persona.NEIGHBOUR),
    Stride.REPUDIATION: (Persona.INSIDER, Persona.CUSTOMER),
    Stride.DISCLOSURE: (Persona.CUSTOMER, Persona.ANONYMOUS, Persona.NEIGHBOUR, Persona.INSIDER),
    Stride.DENIAL: (Persona.ANONYMOUS, Persona.CLUMSY, Persona.CUSTOMER),
    Stride.ELEVATION: (Persona.CUSTOMER, Persona.ANONYMOUS, Persona.INSIDER, Persona.SUPPLIER),
}
"""Threat -> who is asked about it, in turn."""

QUESTIONS: Mapping[Stride, str] = {
    Stride.SPOOFING: "act as somebody else, because who calls is claimed and not proven",
    Stride.TAMPERING: "change data, code or a query that is not theirs to change",
    Stride.REPUDIATION: "do something and deny it, because no trustworthy record says who did it",
    Stride.DISCLOSURE: "read what is not theirs: data, secrets, files, internals in messages",
    Stride.DENIAL: "make it stop or crawl with little effort: no limit on size, time or number",
    Stride.ELEVATION: "get rights they were not given, up to running code of their own",
}
"""The hypothesis of a cell, to be completed by "can …"."""
