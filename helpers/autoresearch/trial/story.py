"""The demo's proposer: a night's worth of ideas, in the order an agent might have them.

Only the edits are scripted. Every verdict is measured on the spot, so `expected` is for tests
and never reaches a decision.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from autoresearch import share
from autoresearch.core.model import Kind, Reason, Verdict
from autoresearch.edges.files import atomic_write, named_errors
from autoresearch.trial.edit import merge

_DEMO = share.FOLDER / "demo"


class Proposal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One idea and its edit.

    Attributes:
        title: what the demo calls it.
        message: what and why, as handed to `try`.
        hypothesis: what the proposer believes will happen.
        kind: how it is asked for. A REWORK is one only where the proposal before it got that
            verdict; elsewhere it is a plain experiment.
        expected: the verdict on any machine with a fair chance of seeing the effect.
        reason: the reason that goes with it, or None where several would be right.
        path: the file it edits, below the project.
        source: the file below `proposals/` that holds the new definitions.
    """

    title: str
    message: str
    hypothesis: str
    kind: Kind = Kind.PLAIN
    expected: Verdict
    reason: Reason | None = None
    path: str
    source: str

    def apply(self, root: Path) -> str | None:
        """Edit the project at `root`; a note saying why it does not fit there, else None.

        Raises:
            AutoresearchError: when the disk refuses.
        """
        target = root / self.path
        fragment = _DEMO / "proposals" / self.source
        with named_errors(target):
            before = target.read_text("utf-8")
        with named_errors(fragment):
            pieces = fragment.read_text("utf-8")
        try:
            after = merge(before, pieces)
        except ValueError as error:
            return f"does not fit {self.path} as it is now: {error}"
        atomic_write(target, after.encode())
        return None


def copy_project(target: Path) -> None:
    """Write the demo's project into the new folder `target`; no repository is made."""
    with named_errors(target):
        shutil.copytree(_DEMO / "project", target, ignore=shutil.ignore_patterns("__pycache__"))


STORY: tuple[Proposal, ...] = msgspec.yaml.decode(
    (_DEMO / "story.yaml").read_bytes(), type=tuple[Proposal, ...]
)
"""Every verdict but `violation` once at least."""
