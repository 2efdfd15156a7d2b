"""What the ledger's lines add up to: findings with their states, leads, the sweep in progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.security.records import (
    Decision,
    Examined,
    Finding,
    Lead,
    Line,
    Model,
    Proof,
    State,
    Sweep,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


class Standing(NamedTuple):
    """A finding as it stands.

    Attributes:
        decision: the latest; None for one that was never decided on: open.
        proof: the latest run of its proof of concept; None without one.
    """

    finding: Finding
    decision: Decision | None
    proof: Proof | None

    def state(self, today: str) -> State:
        """Its state on a day (`2026-12-31`): an acceptance that ran out is open again."""
        if self.decision is None:
            return State.OPEN
        if self.decision.state is State.ACCEPTED and (self.decision.until or "") < today:
            return State.OPEN
        return self.decision.state


@dataclass
class Ledger:
    """The ledger, read.

    Attributes:
        model: the latest; None before `init`.
        sweep: the latest; None before the first.
        examined, findings, leads: by number, oldest first.
        answered: lead -> True when confirmed by a finding, False when dismissed.
    """

    model: Model | None = None
    sweep: Sweep | None = None
    examined: dict[int, Examined] = field(default_factory=dict)
    findings: dict[int, Finding] = field(default_factory=dict)
    leads: dict[int, Lead] = field(default_factory=dict)
    answered: dict[int, bool] = field(default_factory=dict)
    decisions: dict[int, Decision] = field(default_factory=dict)
    proofs: dict[int, Proof] = field(default_factory=dict)

    def take(self, line: Line) -> None:
        """Take in the next line."""
        if isinstance(line, Model):
            self.model = line
        elif isinstance(line, Sweep):
            self.sweep = line
        elif isinstance(line, Examined):
            self.examined[line.number] = line
            self._answer(line.lead, confirmed=False)
        elif isinstance(line, Finding):
            self.findings[line.number] = line
            self._answer(line.lead, confirmed=True)
        elif isinstance(line, Lead):
            self.leads[line.number] = line
        elif isinstance(line, Decision):
            self.decisions[line.finding] = line
        else:
            self.proofs[line.finding] = line

    def _answer(self, lead: int | None, *, confirmed: bool) -> None:
        if lead is not None:
            self.answered[lead] = confirmed

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Every finding as it stands, by number."""
        return tuple(self.standing(number) for number in sorted(self.findings))

    def standing(self, number: int) -> Standing:
        """One finding; KeyError when there is none of that number."""
        return Standing(self.findings[number], self.decisions.get(number), self.proofs.get(number))

    @property
    def open_leads(self) -> tuple[Lead, ...]:
        """Leads that nobody confirmed or dismissed, by number."""
        return tuple(
            self.leads[number] for number in sorted(self.leads) if number not in self.answered
        )

    def used(self, sweep: int) -> int:
        """How many cells were answered in a sweep."""
        records: tuple[Examined | Finding, ...] = (
            *self.examined.values(),
            *self.findings.values(),
        )
        return sum(record.sweep == sweep for record in records)


def read(lines: Iterable[Line]) -> Ledger:
    """The ledger that lines add up to, oldest first."""
    ledger = Ledger()
    for line in lines:
        ledger.take(line)
    return ledger
