"""The security ledger: its words, its lines, and what they add up to.

docs/security-ledger.md says what each field of a line means.

STRIDE per element is Shostack's table (Threat Modeling: Designing for Security, Wiley 2014, chapter
3; first in Hernan, Lambert, Ostwald, Shostack, MSDN Magazine, November 2006): repudiation is asked
of a data store only where it is the record of who did what.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, TypeAlias

from msgspec import Struct, field

from autoresearch.core.records import Codec
from autoresearch.share.proving import ProofResult


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
    REGEX = "regular expression"
    STRETCH = "stretch of a long file"


class Severity(str, Enum):
    """CVSS 4.0's qualitative rating, mildest first."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for none up to 4 for critical."""
        return list(Severity).index(self)


class State(str, Enum):
    """What is to be done about a finding."""

    OPEN = "open"
    FIXED = "fixed"
    ACCEPTED = "accepted"
    FALSE_POSITIVE = "false-positive"


class Quote(Struct, frozen=True, kw_only=True):
    """Lines of a file, as the helper read them at the record's commit; redacted."""

    path: str
    first: int
    last: int
    text: str
    blob: str
    note: str


class Element(Struct, frozen=True, kw_only=True, rename={"kind": "element_kind"}):
    """A part of the system as a data flow diagram has it; a flow has a source and a target."""

    name: str
    kind: ElementKind
    files: tuple[str, ...]
    description: str
    source: str
    target: str


class Boundary(Struct, frozen=True, kw_only=True):
    """A line across which trust changes: the elements inside it, and what holds there."""

    name: str
    inside: tuple[str, ...]
    description: str


class Asset(Struct, frozen=True, kw_only=True):
    """What an attacker is after: where it is kept, and what its loss would mean."""

    name: str
    where: tuple[str, ...]
    description: str


class Model(Struct, frozen=True, kw_only=True):
    """The threat model from here on; the latest one counts."""

    schema: int
    at: str
    commit: str
    drafted: bool
    elements: tuple[Element, ...]
    boundaries: tuple[Boundary, ...]
    assets: tuple[Asset, ...]


class Sweep(Struct, frozen=True, kw_only=True):
    """A bounded stretch of examining: so many cells, of files in scope or reached from `base`.

    `focus` and `depth` are words of `hypotheses.yaml`; empty in older ledgers.
    """

    schema: int
    at: str
    number: int
    host_session: str
    commit: str
    iterations: int
    scope: tuple[str, ...]
    base: str | None
    paths: tuple[str, ...]
    focus: str = ""
    depth: str = ""


class Examined(Struct, frozen=True, kw_only=True):
    """A cell that was looked at and holds: the places read, and why.

    `check` is the id in `hypotheses.yaml` that it answers; empty for none.
    """

    schema: int
    at: str
    number: int
    sweep: int | None
    commit: str
    element: str
    stride: Stride
    persona: Persona
    hypothesis: str
    reason: str
    evidence: tuple[Quote, ...]
    lead: int | None
    check: str = ""


class Finding(Struct, frozen=True, kw_only=True):
    """A flaw with its evidence, its own lines first; score and severity come from the vector."""

    schema: int
    at: str
    number: int
    sweep: int | None
    commit: str
    title: str
    element: str
    stride: Stride
    persona: Persona
    hypothesis: str
    cwe: tuple[int, ...]
    lists: tuple[str, ...]
    vector: str
    score: float
    severity: Severity
    fingerprint: str
    evidence: tuple[Quote, ...]
    flow: tuple[Quote, ...]
    scenario: str
    reproduction: str
    remedy: str
    lead: int | None
    check: str = ""


class Runs(str, Enum):
    """Whether a proof runs the lines that its finding quotes first."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "not known"


class Proof(Struct, frozen=True, kw_only=True):
    """One run of a finding's proof of concept, by the helper, in a clean checkout.

    `runs` says whether it ran the lines that the finding quotes; older ledgers do not know.
    """

    schema: int
    at: str
    finding: int
    commit: str
    script: str
    script_sha256: str
    link: tuple[str, ...]
    result: ProofResult
    exit_code: int
    duration_s: float
    sandbox: str
    runs: Runs = Runs.UNKNOWN


class Opinion(str, Enum):
    """What a second mind says of a finding."""

    CONFIRMED = "confirmed"
    CONTESTED = "contested"


class SecondLook(Struct, frozen=True, kw_only=True):
    """A second mind's try to show that a finding is false, with its evidence; the latest counts."""

    schema: int
    at: str
    finding: int
    commit: str
    host_session: str
    verdict: Opinion
    reason: str
    evidence: tuple[Quote, ...]


class Resolution(Struct, frozen=True, kw_only=True):
    """A finding's state from here on.

    `checked` is what the helper saw for itself: `proof`, `commit` (the quoted lines are nowhere any
    more, and somebody says that the commit `by` mends it), `gone` (the same by older rules), or
    `word` (somebody's word only).
    """

    schema: int
    at: str
    finding: int
    commit: str
    state: State
    reason: str
    until: str | None
    checked: str
    by: str = ""


class Lead(Struct, frozen=True, kw_only=True):
    """What a scanner said, a hint and never a finding; line 0 for a whole file."""

    schema: int
    at: str
    number: int
    tool: str
    rule: str
    message: str
    level: str
    path: str
    line: int
    cwe: tuple[int, ...]
    key: str


Line: TypeAlias = Model | Sweep | Examined | Finding | Proof | Resolution | Lead | SecondLook

LEDGER: Codec[Line] = Codec(
    (Model, Sweep, Examined, Finding, Proof, Lead), decision=Resolution, review=SecondLook
)
"""The form of `security.jsonl`."""


class FindingStatus(NamedTuple):
    """A finding as it stands: open when never decided on; the latest run of its proof, if any."""

    finding: Finding
    decision: Resolution | None
    proof: Proof | None

    @property
    def is_proven(self) -> bool:
        """Whether a proof that runs the quoted lines succeeded when it ran last."""
        proof = self.proof
        return (
            proof is not None and proof.result is ProofResult.EXPLOITED and proof.runs is Runs.YES
        )

    def state(self, today: str) -> State:
        """Its state on a day (`2026-12-31`): an acceptance that ran out is open again."""
        if self.decision is None:
            return State.OPEN
        if self.decision.state is State.ACCEPTED and (self.decision.until or "") < today:
            return State.OPEN
        return self.decision.state


class Ledger(Struct):
    """The ledger, read.

    Attributes:
        model: the latest; None before `init`.
        sweep: the latest; None before the first.
        sweeps: every one by number.
        examined, findings, leads: by number, oldest first.
        answered: lead -> True when confirmed by a finding, False when dismissed.
    """

    model: Model | None = None
    sweep: Sweep | None = None
    sweeps: dict[int, Sweep] = field(default_factory=dict)
    examined: dict[int, Examined] = field(default_factory=dict)
    findings: dict[int, Finding] = field(default_factory=dict)
    leads: dict[int, Lead] = field(default_factory=dict)
    answered: dict[int, bool] = field(default_factory=dict)
    decisions: dict[int, Resolution] = field(default_factory=dict)
    proofs: dict[int, Proof] = field(default_factory=dict)
    reviews: dict[int, SecondLook] = field(default_factory=dict)

    def take(self, line: Line) -> None:
        """Take in the next line."""
        if isinstance(line, (Examined, Finding)) and line.lead is not None:
            self.answered[line.lead] = isinstance(line, Finding)
        if isinstance(line, Model):
            self.model = line
        elif isinstance(line, Sweep):
            self.sweep = self.sweeps[line.number] = line
        elif isinstance(line, Examined):
            self.examined[line.number] = line
        elif isinstance(line, Finding):
            self.findings[line.number] = line
        elif isinstance(line, Lead):
            self.leads[line.number] = line
        elif isinstance(line, Resolution):
            self.decisions[line.finding] = line
        elif isinstance(line, SecondLook):
            self.reviews[line.finding] = line
        else:
            self.proofs[line.finding] = line

    @property
    def standings(self) -> tuple[FindingStatus, ...]:
        """Every finding as it stands, by number."""
        return tuple(self.standing(number) for number in sorted(self.findings))

    def standing(self, number: int) -> FindingStatus:
        """One finding; KeyError when there is none of that number."""
        return FindingStatus(
            self.findings[number], self.decisions.get(number), self.proofs.get(number)
        )

    @property
    def open_leads(self) -> tuple[Lead, ...]:
        """Leads that nobody confirmed or dismissed, by number."""
        return tuple(
            self.leads[number] for number in sorted(self.leads) if number not in self.answered
        )

    @property
    def records(self) -> tuple[tuple[str, Examined | Finding], ...]:
        """Whatever answers a cell, by label: `E1`, `E2`, `F1`."""
        return (
            *((f"E{number}", self.examined[number]) for number in sorted(self.examined)),
            *((f"F{number}", self.findings[number]) for number in sorted(self.findings)),
        )

    def used(self, sweep: int) -> int:
        """How many cells were answered in a sweep."""
        return len(self.answers(sweep))

    def answers(self, sweep: int) -> tuple[Examined | Finding, ...]:
        """The records of a sweep, oldest first."""
        own = [record for _, record in self.records if record.sweep == sweep]
        return tuple(sorted(own, key=lambda record: record.at))

    @property
    def closed(self) -> Examined | Finding | None:
        """The last record of the latest sweep that used all its iterations; None without one."""
        for number in sorted(self.sweeps, reverse=True):
            own = self.answers(number)
            if own and len(own) >= self.sweeps[number].iterations:
                return own[-1]
        return None
