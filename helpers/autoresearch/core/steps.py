"""The steps of a change to a session, as the journal keeps them until the change is complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from autoresearch.core.model import Kind  # noqa: TC001  (the codec reads these types)
from autoresearch.core.records import Experiment  # noqa: TC001  (the codec reads these types)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An experiment was asked for; nothing is changed yet."""

    number: int
    message: str
    kind: Kind
    hypothesis: str | None
    idea: int | None
    related: int | None
    attempt: int
    parent: str
    at: str
    run: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A path of the candidate.

    Attributes:
        status: A, M, D or T.
        mode, oid: git's, of the candidate; None when it deletes the path.
    """

    status: str
    path: str
    mode: str | None
    oid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The candidate is a commit under its own ref; branch and working tree are as they were."""

    commit: str
    tree: str
    patch_id: str
    changes: tuple[Changed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The verdict is known, and with it the record that will be logged."""

    experiment: Experiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Branch and working tree are as the verdict wants them; only the log line is missing.

    Attributes:
        head: the branch's commit as it was read back.
    """

    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A step of a command other than `try`.

    Attributes:
        command: `init`, `amend`, `undo`, `drop`, `apply`, `validate` or `gc`.
        stage: how far it got, a word of that command's own.
        values: (name, value) of all that is needed to finish it or roll it back.
    """

    command: str
    stage: str
    at: str
    values: tuple[tuple[str, str], ...]

    def value(self, name: str) -> str | None:
        """The value of this name, or None."""
        return dict(self.values).get(name)


Step = Begun | Candidate | Decided | Settled | Action

STEPS: tuple[type[Step], ...] = (Begun, Candidate, Decided, Settled, Action)


class Pending(NamedTuple):
    """An interrupted change: its steps, oldest first."""

    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        """How far it got."""
        return self.steps[-1]

    @property
    def begun(self) -> Begun | None:
        """The experiment that was asked for, when it is one."""
        return next((step for step in self.steps if isinstance(step, Begun)), None)

    @property
    def candidate(self) -> Candidate | None:
        """The candidate, when it was made."""
        return next((step for step in self.steps if isinstance(step, Candidate)), None)

    @property
    def decided(self) -> Decided | None:
        """The decision, when it was reached."""
        return next((step for step in self.steps if isinstance(step, Decided)), None)

    @property
    def action(self) -> Action | None:
        """The latest step of a command other than `try`."""
        found = [step for step in self.steps if isinstance(step, Action)]
        return found[-1] if found else None
