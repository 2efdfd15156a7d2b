"""The demo's proposer: a night's worth of ideas, in the order an agent might have them.

Only the edits are scripted. Every verdict is measured on the spot, so `expected` is for tests
and never reaches a decision.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from msgspec import Struct

from autoresearch import share
from autoresearch.core.model import Kind, Reason, Verdict
from autoresearch.edges.files import atomic_write, named_errors
from autoresearch.trial.edit import merge

_DEMO = share.FOLDER / "demo"


class Proposal(Struct, frozen=True, kw_only=True):
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
    kind: Kind
    expected: Verdict
    reason: Reason | None
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


_HARMFUL = Proposal(
    title="a harmful change",
    message="match a line by four small expressions instead of a large one",
    hypothesis="small expressions backtrack less, and a broken line fails at the first",
    kind=Kind.PLAIN,
    expected=Verdict.DISCARD,
    reason=Reason.WORSE,
    path="src/logdigest/entry.py",
    source="small-expressions.py.txt",
)

STORY: tuple[Proposal, ...] = (
    Proposal(
        title="a large gain",
        message="count in a dict instead of scanning a list for every key",
        hypothesis="most time goes into looking for the key: linear instead of quadratic",
        kind=Kind.PLAIN,
        expected=Verdict.KEEP,
        reason=None,
        path="src/logdigest/tally.py",
        source="count-with-dict.py.txt",
    ),
    Proposal(
        title="a worthless change",
        message="render with f-strings instead of str.format",
        hypothesis="f-strings skip the method call and the parsing of the format",
        kind=Kind.PLAIN,
        expected=Verdict.DISCARD,
        reason=None,
        path="src/logdigest/render.py",
        source="render-with-f-strings.py.txt",
    ),
    Proposal(
        title="an edit of the benchmark",
        message="benchmark fewer lines in fewer rounds",
        hypothesis="a shorter log is digested sooner",
        kind=Kind.PLAIN,
        expected=Verdict.REFUSED,
        reason=Reason.OUTSIDE,
        path="bench.py",
        source="fewer-rounds.py.txt",
    ),
    Proposal(
        title="a small gain",
        message="read the groups of a match by position instead of by name",
        hypothesis="no dict is built and thrown away for every line",
        kind=Kind.PLAIN,
        expected=Verdict.KEEP,
        reason=None,
        path="src/logdigest/entry.py",
        source="groups-by-position.py.txt",
    ),
    _HARMFUL,
    Proposal(
        title="a duplicate",
        message="take the expression apart",
        hypothesis="the same once more, in other words",
        kind=Kind.PLAIN,
        expected=Verdict.REFUSED,
        reason=Reason.DUPLICATE,
        path=_HARMFUL.path,
        source=_HARMFUL.source,
    ),
    Proposal(
        title="a crash",
        message="convert sizes without a special case",
        hypothesis="a size is always a number",
        kind=Kind.PLAIN,
        expected=Verdict.CRASH,
        reason=Reason.VERIFY,
        path="src/logdigest/entry.py",
        source="plain-sizes.py.txt",
    ),
    Proposal(
        title="fast, but breaks the tests",
        message="split lines at spaces instead of matching a regular expression",
        hypothesis="str.split is several times faster than the expression",
        kind=Kind.PLAIN,
        expected=Verdict.REWORK,
        reason=Reason.GUARD,
        path="src/logdigest/entry.py",
        source="split-lines.py.txt",
    ),
    Proposal(
        title="the same, reworked",
        message="split usual lines only, and leave the rest to the regular expression",
        hypothesis="nearly all lines are usual, so nearly all of the gain remains",
        kind=Kind.REWORK,
        expected=Verdict.KEEP,
        reason=None,
        path="src/logdigest/entry.py",
        source="split-lines-checked.py.txt",
    ),
    Proposal(
        title="a simplification",
        message="group the answers in one pass; dicts keep their order",
        hypothesis="eight lines less at the same speed",
        kind=Kind.SIMPLIFY,
        expected=Verdict.KEEP,
        reason=None,
        path="src/logdigest/tally.py",
        source="group-in-one-pass.py.txt",
    ),
)
"""Every verdict but `violation` once at least."""
