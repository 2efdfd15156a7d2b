"""What reports show: every finding as it stands now, and the sums over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.security.ledger import Severity, State

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from autoresearch.core.security.coverage import Coverage
    from autoresearch.core.security.ledger import Examined, Finding, Lead, Model, Standing


class Place(NamedTuple):
    """Quoted lines where they stand now, or stood when they are gone."""

    path: str
    first: int
    last: int
    text: str
    note: str
    stands: bool


class Shown(NamedTuple):
    """A finding as it stands today.

    Attributes:
        evidence: the flaw's own place first.
        flow: source first; may be empty.
    """

    standing: Standing
    state: State
    evidence: tuple[Place, ...]
    flow: tuple[Place, ...]

    @property
    def finding(self) -> Finding:
        """The record."""
        return self.standing.finding

    @property
    def label(self) -> str:
        """`F12`."""
        return f"F{self.finding.number}"

    @property
    def where(self) -> Place:
        """The flaw's own place."""
        return self.evidence[0]


class Overview(NamedTuple):
    """All that a report is made of.

    Attributes:
        name: of the repository.
        commit: what everything was checked against.
        today: `2026-12-31`.
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

    def open(self) -> tuple[Shown, ...]:
        """Findings that are open, the gravest first."""
        return tuple(shown for shown in self.findings if shown.state is State.OPEN)


class Gate(NamedTuple):
    """What the gate says.

    Attributes:
        failing: open findings at or above the limit that the baseline does not know.
        known: such findings that it does know.
    """

    failing: tuple[Shown, ...]
    known: tuple[Shown, ...]


def ordered(shown: Collection[Shown]) -> tuple[Shown, ...]:
    """Open before closed, grave before mild, then by number."""
    order = list(State)
    return tuple(
        sorted(
            shown,
            key=lambda one: (order.index(one.state), -one.finding.score, one.finding.number),
        )
    )


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


def judge(overview: Overview, limit: Severity, baseline: Collection[str]) -> Gate:
    """Which findings fail the gate.

    Args:
        overview: of the ledger.
        limit: the mildest severity that fails.
        baseline: fingerprints that were known before.
    """
    grave = [one for one in overview.open() if one.finding.severity.rank >= limit.rank]
    return Gate(
        failing=tuple(one for one in grave if one.finding.fingerprint not in baseline),
        known=tuple(one for one in grave if one.finding.fingerprint in baseline),
    )


def badge(overview: Overview) -> Mapping[str, object]:
    """A summary of badge size, in the form of shields.io's endpoint (schemaVersion 1)."""
    found = counts(overview.open())
    share = f"{overview.coverage.share:.0%} covered"
    if not overview.coverage.covered:
        return _badge("not swept", "lightgrey")
    if not found:
        return _badge(
            f"0 open, {share}", "green" if overview.coverage.share == 1 else "yellowgreen"
        )
    worst, number = next(iter(found.items()))
    colour = "red" if worst.rank >= Severity.HIGH.rank else "orange"
    return _badge(f"{number} {worst.value}, {share}", colour)


def _badge(message: str, colour: str) -> Mapping[str, object]:
    return {"schemaVersion": 1, "label": "security", "message": message, "color": colour}
