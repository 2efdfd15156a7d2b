"""`demo`: the real loop on a small real project, with a scripted proposer in the agent's place.

Nothing is pre-recorded: every verdict is measured here and now, by the same code that referees
an agent.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import Arm, Kind, NoteKind, Verdict
from autoresearch.core.question import Caller, watch_nothing
from autoresearch.core.records import Experiment, Refusal, Validation
from autoresearch.loop.candidate import Request
from autoresearch.loop.experiment import try_experiment
from autoresearch.loop.logbook import add_note
from autoresearch.loop.session import Session, loaded
from autoresearch.loop.undo import drop
from autoresearch.loop.validate import validate
from autoresearch.planning.init import initialise
from autoresearch.trial.story import STORY, Proposal, copy_project

CONTRACT = """\
session: demo
goal: Make the digest of an access log faster without changing what it says
metric: {{name: digest_ms, unit: ms, direction: lower}}
verify: {python} bench.py
guard: {python} -m unittest -q
scope: ["src/**/*.py"]
secondary:
  - {{name: peak_kb, unit: kB, direction: lower, limit: +25%}}
race: {{max_runs: 24}}
simplify_loss: 15%
"""

NOBODY = Caller(random.SystemRandom(), watch_nothing, watch_nothing)
"""Has something measured without looking on."""


class DemoStep(NamedTuple):
    """One proposal and what became of it; no record where its edit did not fit any more."""

    proposal: Proposal
    record: Experiment | Refusal | None
    note: str


class Demo(Struct, frozen=True, kw_only=True):
    """A demo that ran.

    Attributes:
        root: the project's folder.
        state: the session's state folder.
        baseline: metric of the untouched project.
        steps: in the order tried.
        validation: first commit against last; None when nothing was kept.
        seconds: how long all of it took.
    """

    root: Path
    state: Path
    baseline: float
    steps: tuple[DemoStep, ...]
    validation: Validation | None
    seconds: float


def run_demo(environ: Mapping[str, str], caller: Caller) -> Demo:
    """Run the whole story in a new temporary folder, which stays."""
    started = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="autoresearch-demo-")).resolve() / "logdigest"
    copy_project(root)
    make_repository(root, environ)
    draft = root.parent / "draft.yaml"
    draft.write_text(CONTRACT.format(python=_quoted(sys.executable)), "utf-8")
    caller.say("init: rehearsing the contract")
    opened = initialise(draft, root, environ, caller.randomness, watch_nothing, worktree=None)
    baseline = statistics.median(sample.value for sample in opened.rehearsal.samples)
    steps = tuple(_step(root, environ, proposal, caller) for proposal in STORY)
    caller.say("validate: the first commit against the last")
    with loaded(root, environ, command="validate", write=True) as session:
        kept = session.history.kept_count
        proof = validate(session, caller._replace(say=watch_nothing)) if kept else None
        state = session.places.state
    return Demo(
        root=root,
        state=state,
        baseline=baseline,
        steps=steps,
        validation=proof,
        seconds=time.monotonic() - started,
    )


def make_repository(root: Path, environ: Mapping[str, str]) -> None:
    """Make a repository of a folder, with one commit of all its files.

    Raises:
        AutoresearchError: git cannot do it.
    """
    identity = ["-c", "user.name=autoresearch", "-c", "user.email=autoresearch@localhost"]
    for args in (
        ["init", "-q"],
        ["add", "."],
        [*identity, "commit", "-q", "-m", "the project as it was"],
    ):
        done = subprocess.run(
            ["git", *args],
            cwd=root,
            env={n: v for n, v in environ.items() if not n.startswith("GIT_")},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AutoresearchError(
                f"git {args[0]} failed in {root}: {done.stderr.strip()}",
                code="git",
                hint="Install git 2.25 or newer and try again.",
            )


def _step(root: Path, environ: Mapping[str, str], proposal: Proposal, caller: Caller) -> DemoStep:
    caller.say(f"{proposal.title}: {proposal.message}")
    with loaded(root, environ, command="try", write=True) as session:
        if session.history.pending_rework is not None and proposal.kind is not Kind.REWORK:
            drop(session, outside=False)
        misfit = proposal.apply(root)
        if misfit is not None:
            return DemoStep(proposal, None, misfit)
        kind = proposal.kind
        if kind is Kind.REWORK and session.history.pending_rework is None:
            kind = Kind.PLAIN
        request = Request(
            message=proposal.message, hypothesis=proposal.hypothesis, idea=None, kind=kind
        )
        result = try_experiment(session, caller._replace(say=watch_nothing), request)
        record = result.record
        if isinstance(record, Refusal):
            _tidy(session)
        else:
            _learn(session, proposal, record)
        return DemoStep(proposal, record, "")


def _tidy(session: Session) -> None:
    """A refused edit is still in the tree; the proposer gives it up."""
    for outside in (True, False):
        drop(session, outside=outside)


def _learn(session: Session, proposal: Proposal, record: Experiment) -> None:
    if record.verdict in {Verdict.KEEP, Verdict.REWORK}:
        return
    add_note(
        session, NoteKind.LESSON, f"{proposal.message}: {record.verdict.value}, {record.detail}"
    )


def values_of(record: Experiment, arm: Arm) -> float | None:
    """Median of one side's samples, or None when it was not measured."""
    if record.race is None:
        return None
    pairs = zip(record.race.order, record.race.values, strict=True)
    values = [value for letter, value in pairs if letter == arm.value]
    return statistics.median(values) if values else None


def _quoted(path: str) -> str:
    return (
        path
        if all(c.isalnum() or c in "/._-+" for c in path)
        else "'" + path.replace("'", "'\\''") + "'"
    )
