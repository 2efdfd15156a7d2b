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


class PlaceKind(str, Enum):
    """What a place in the code does."""

    ROUTE = "route"
    ENTRY = "entry point"
    PARSER = "parser"
    PROCESS = "subprocess"
    EVAL = "code evaluation"
    SQL = "SQL"
    DESERIALISE = "deserialisation"
    FILES = "file access"
    NETWORK = "outgoing request"
    AUTH = "authentication"
    SECRET = "secret handling"  # noqa: S105 - a name, no secret
    CRYPTO = "cryptography"
    TEMPLATE = "HTML output"
    LOGGING = "logging"
    LLM = "language model"
    DEPENDENCY = "dependencies"
    CI = "CI and containers"
