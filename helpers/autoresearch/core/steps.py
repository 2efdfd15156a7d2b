"""The steps of a change to a session, as the journal keeps them until the change is complete."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from msgspec import Struct

from autoresearch.core import wire
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.model import Kind
from autoresearch.core.records import Experiment

T = TypeVar("T")


class _Step(Struct, frozen=True, tag_field="step", tag=str.lower):
    """One of `Step`, told by the key `step`."""


class Begun(_Step, frozen=True, kw_only=True, rename={"kind": "begun_kind"}):
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


class Changed(Struct, frozen=True, kw_only=True):
    """A path of the candidate.

    Attributes:
        status: A, M, D or T.
        mode, oid: git's, of the candidate; None when it deletes the path.
    """

    status: str
    path: str
    mode: str | None
    oid: str | None


class CandidateMade(_Step, frozen=True, kw_only=True, tag="candidate"):
    """The candidate is a commit under its own ref; branch and working tree are as they were."""

    commit: str
    tree: str
    patch_id: str
    changes: tuple[Changed, ...]


class Decided(_Step, frozen=True, kw_only=True):
    """The verdict is known, and with it the record that will be logged."""

    experiment: Experiment


class Settled(_Step, frozen=True, kw_only=True):
    """Branch and working tree are as the verdict wants them; only the log line is missing.

    Attributes:
        head: the branch's commit as it was read back.
    """

    head: str


class Action(_Step, frozen=True, kw_only=True):
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

    def record(self, kind: type[T], name: str = "record") -> T:
        """The record that is kept under this name."""
        try:
            return wire.read(self.value(name) or "{}", kind)
        except ValueError as error:
            raise CorruptLogError(
                f"the journal holds no {name} of `{self.command}` that can be finished: {error}"
            ) from error


Step = Begun | CandidateMade | Decided | Settled | Action


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
    def candidate(self) -> CandidateMade | None:
        """The candidate, when it was made."""
        return next((step for step in self.steps if isinstance(step, CandidateMade)), None)

    @property
    def decided(self) -> Decided | None:
        """The decision, when it was reached."""
        return next((step for step in self.steps if isinstance(step, Decided)), None)

    @property
    def action(self) -> Action | None:
        """The latest step of a command other than `try`."""
        found = [step for step in self.steps if isinstance(step, Action)]
        return found[-1] if found else None
