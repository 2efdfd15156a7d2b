"""From the ruling to the line in the log: the verdict is made true and written down.

The decided experiment is journaled first. Every step after that can be repeated, so a command
that was killed anywhere in here is finished by the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core import formatting
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import MAX_REWORKS
from autoresearch.core.model import SCHEMA, Reason, Verdict
from autoresearch.core.records import Experiment
from autoresearch.core.snapshot import changed_lines
from autoresearch.core.steps import Decided, Settled
from autoresearch.core.usage import spent_between
from autoresearch.edges import gitdiff, gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import keep_newest
from autoresearch.edges.gitwrite import commit_tree
from autoresearch.edges.hostfiles import host_session
from autoresearch.edges.transcript import read_meter
from autoresearch.loop import memory, notes, settle
from autoresearch.loop.candidate import commit_message

if TYPE_CHECKING:
    from autoresearch.loop.candidate import Prepared
    from autoresearch.loop.referee import Ruling
    from autoresearch.loop.session import Session


def decide(
    session: Session, prepared: Prepared, ruling: Ruling, *, duration_s: float
) -> Experiment:
    """Journal the experiment with its verdict; from here on it will be finished.

    Args:
        session: open for writing.
        prepared: the candidate.
        ruling: what the referee says of it.
        duration_s: elapsed seconds since the command was called.
    """
    commit = prepared.candidate.commit
    if ruling.verdict is Verdict.KEEP:
        commit = _with_evidence(session, prepared, ruling)
    record = _record(session, prepared, ruling, commit=commit, duration_s=duration_s)
    session.journal.add(Decided(experiment=record))
    return record


def finish(
    session: Session, record: Experiment, hashes: frozenset[int] | None = None
) -> settle.Settlement:
    """Settle and log a decided experiment; repeating it after an interruption is harmless.

    Args:
        session: open for writing.
        record: from `decide`, or from the journal.
        hashes: its changed lines where they are known; read from git otherwise.

    Raises:
        SessionBroken: the branch was moved by somebody else.
    """
    changes = settle.changes_between(
        session, session.tree(record.parent), session.tree(record.commit)
    )
    settled = settle.Settlement((), ())
    if record.verdict is Verdict.KEEP:
        settled = settle.keep(
            session,
            parent=record.parent,
            commit=record.commit,
            changes=changes,
            ref=session.ref(record.number),
        )
    elif record.verdict is not Verdict.REWORK:
        settled = settle.put_back(session, changes)
    session.journal.add(Settled(head=gitrefs.at(session.repo, session.branch) or ""))
    if session.progress.last_number < record.number:
        memory.record(session, record)
    for tape in session.places.raw.glob(f"{record.tree}*.jsonl"):
        tape.unlink(missing_ok=True)
    if hashes is None:
        hashes = changed_lines(gitdiff.patch(session.repo, record.parent, record.commit))
    session.index.remember_lines(record.number, hashes)
    if record.verdict is Verdict.KEEP and record.idea is not None:
        notes.close_idea(session, record.idea, record.number)
    memory.publish(session)
    keep_newest(session.places.output)
    session.journal.clear()
    return settled


def _with_evidence(session: Session, prepared: Prepared, ruling: Ruling) -> str:
    """The candidate's commit again, with the measured effect among its trailers."""
    message = commit_message(prepared.begun, session.name).rstrip("\n")
    unit = session.contract.metric.unit
    if ruling.effect is not None:
        message += f"\nAutoresearch-Effect: {formatting.effect(ruling.effect, unit)}"
    if ruling.flags:
        message += f"\nAutoresearch-Flags: {', '.join(flag.value for flag in ruling.flags)}"
    tree, parent = prepared.candidate.tree, prepared.begun.parent
    return commit_tree(session.repo, tree, [parent], message + "\n")


def _record(
    session: Session, prepared: Prepared, ruling: Ruling, *, commit: str, duration_s: float
) -> Experiment:
    begun, candidate = prepared.begun, prepared.candidate
    meter = read_meter(session.environ, host_session(session.environ))
    verdict, reason = ruling.verdict, ruling.reason
    if verdict is Verdict.REWORK and begun.attempt >= MAX_REWORKS:
        verdict, reason = Verdict.DISCARD, Reason.GUARD
    epoch = session.progress.epoch
    related = begun.related
    if related is None and prepared.near is not None:
        related = prepared.near.number
    return Experiment(
        schema=SCHEMA,
        number=begun.number,
        epoch=0 if epoch is None else epoch.number,
        at=now_utc(),
        run=begun.run,
        message=begun.message,
        hypothesis=begun.hypothesis,
        idea=begun.idea,
        kind=begun.kind,
        attempt=begun.attempt,
        retest=prepared.retest,
        related=related,
        parent=begun.parent,
        commit=commit,
        tree=candidate.tree,
        patch_id=candidate.patch_id,
        paths=tuple((change.status, change.path) for change in candidate.changes),
        lines_added=prepared.lines.added,
        lines_removed=prepared.lines.removed,
        verdict=verdict,
        reason=reason,
        flags=ruling.flags,
        detail=clean_line(ruling.detail),
        effect=ruling.effect,
        race=ruling.race,
        limits=ruling.limits,
        guard=ruling.guard,
        same=ruling.same,
        touched=ruling.touched,
        meanwhile=ruling.meanwhile,
        sandbox=ruling.sandbox,
        duration_s=round(duration_s, 3),
        spent=spent_between(session.progress.meter, meter),
        meter=meter,
        holdout=ruling.holdout,
        suspicions=ruling.suspicions,
        first_race=ruling.first_race,
        guard_tests=ruling.guard_tests,
    )
