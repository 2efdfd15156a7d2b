"""`try`: one experiment, from the edited tree to the line in the log.

Each step is journaled before it is taken. What the verdict rests on are the frozen contract and
the bytes that were captured; nothing the caller says takes part in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import budget, phrases
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.history import MAX_REWORKS
from autoresearch.core.model import SCHEMA, Kind, Reason, Verdict
from autoresearch.core.records import Experiment, Refusal
from autoresearch.core.similarity import changed_lines
from autoresearch.core.snapshot import CandidatePlan, plan_candidate
from autoresearch.core.steps import Begun, Candidate, Changed, Decided, Settled
from autoresearch.core.text import clean_line
from autoresearch.edges import gitdiff, gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.gitwrite import commit_changes, commit_tree, index_of, write_blobs
from autoresearch.edges.worktree import take_snapshot
from autoresearch.loop import memory, settle
from autoresearch.loop.referee import Referee, Ruling
from autoresearch.loop.session import require_on_branch

if TYPE_CHECKING:
    from autoresearch.core.history import Near, Progress, Tried
    from autoresearch.core.snapshot import Snapshot
    from autoresearch.loop.measure import Randomness, Standing
    from autoresearch.loop.session import Session

MESSAGE_LIMIT = 2000
NEAR_SHARE = 0.5
"""From this share of common changed lines on, a candidate is called a near duplicate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the agent asks for.

    Attributes:
        message: what and why; stored, never interpreted.
        hypothesis: what is expected and by what mechanism, or None.
        idea: the number of the idea it tries, or None.
        kind: plain, rework, simplify or again.
    """

    message: str
    hypothesis: str | None
    idea: int | None
    kind: Kind


class Result(NamedTuple):
    """What became of it: an experiment or a refusal, and what to tell beside.

    Attributes:
        outside: untracked files outside the scope, no part of the candidate.
        left: paths that were changed meanwhile and so left alone.
        near: an earlier experiment with mostly the same changed lines, or None.
    """

    record: Experiment | Refusal
    outside: tuple[str, ...]
    left: tuple[str, ...]
    warnings: tuple[str, ...]
    near: Near | None


class Prepared(NamedTuple):
    """A candidate that is a commit under its own ref.

    Attributes:
        begun: what was asked for.
        plan: its changes.
        candidate: its commit.
        lines: added and removed.
        retest: how many times this very tree was raced before in this epoch.
        near: an earlier experiment with mostly the same changed lines, or None.
    """

    begun: Begun
    plan: CandidatePlan
    candidate: Candidate
    lines: gitdiff.Lines
    retest: int
    near: Near | None


def try_experiment(
    session: Session,
    request: Request,
    randomness: Randomness,
    watch: Callable[[Standing], None],
    say: Callable[[str], None],
) -> Result:
    """Measure the edited tree against the incumbent and settle the verdict.

    Raises:
        AutoresearchError: not on the session's branch, no budget, nothing to rework.
        SessionBroken: the incumbent itself fails.
    """
    started = time.monotonic()
    require_on_branch(session)
    _require_budget(session)
    progress = session.progress
    begun = _begin(progress, request)
    snapshot = _snapshot(session, progress)
    plan = plan_candidate(snapshot, session.tree(progress.incumbent_commit), session.scope.covers)
    if not isinstance(plan, CandidatePlan):
        return _refuse(session, begun, plan.reason, plan.paths, plan.detail)
    prepared = _prepare(session, begun, plan)
    if isinstance(prepared, Result):
        return prepared
    session.journal.add(prepared.candidate)
    referee = Referee(session, randomness, watch, say)
    ruling = referee.judge(prepared)
    return _conclude(session, prepared, ruling, started)


def _require_budget(session: Session) -> None:
    halt = budget.halt(session.index.history(), session.contract)
    if halt is None:
        return
    way_on = "Report and stop." if halt.ends_session else "`autoresearch run N` opens another run."
    raise AutoresearchError(f"DONE: {halt.text}", code=f"done_{halt.rule.value}", hint=way_on)


def _begin(progress: Progress, request: Request) -> Begun:
    pending = progress.pending_rework
    attempt, related = 0, None
    if request.kind is Kind.REWORK:
        if pending is None:
            raise AutoresearchError(
                "there is no experiment to rework: the last one did not end in `rework`, "
                f"or was reworked {MAX_REWORKS} times",
                code="no_rework",
                hint="Leave --rework out to try the tree as a new experiment.",
            )
        attempt, related = pending.attempt + 1, pending.number
    return Begun(
        number=progress.last_number + 1,
        message=request.message[:MESSAGE_LIMIT],
        kind=request.kind,
        hypothesis=request.hypothesis,
        idea=request.idea,
        related=related,
        attempt=attempt,
        parent=progress.incumbent_commit,
        at=now_utc(),
        run=None if progress.run is None else progress.run.number,
    )


def _snapshot(session: Session, progress: Progress) -> Snapshot:
    incumbent = progress.incumbent_commit
    return take_snapshot(
        session.walk(),
        session.repo,
        session.tree(incumbent),
        tree_oid=session.repo.tree_of(incumbent),
        covers=session.scope.covers,
        overrides=session.overrides,
        indexes=session.indexes,
    )


def _refuse(
    session: Session,
    begun: Begun,
    reason: Reason,
    paths: tuple[str, ...],
    detail: str,
    *,
    related: int | None = None,
    outside: tuple[str, ...] = (),
) -> Result:
    refusal = Refusal(
        schema=SCHEMA,
        at=now_utc(),
        run=begun.run,
        message=begun.message,
        reason=reason,
        paths=paths,
        related=related,
        detail=clean_line(detail),
    )
    memory.record(session, refusal)
    memory.publish(session)
    return Result(refusal, outside, (), (), None)


def _prepare(session: Session, begun: Begun, plan: CandidatePlan) -> Prepared | Result:
    """Build the candidate's commit and ref, unless it was tried before."""
    repo, parent = session.repo, begun.parent
    contents = [c.content for c in plan.changes if c.content is not None]
    write_blobs(repo, contents)
    commit = commit_changes(
        repo,
        parents=[parent],
        index=index_of(repo, repo.tree_of(parent), session.indexes),
        changes=plan.entries,
        message=commit_message(begun, session.name),
    )
    patch = gitdiff.patch_id(repo, parent, commit.oid)
    lines = gitdiff.numstat(repo, parent, commit.oid)
    if begun.kind is Kind.SIMPLIFY and lines.removed <= lines.added:
        raise AutoresearchError(
            f"--simplify is for smaller code: lines +{lines.added} -{lines.removed}",
            code="not_simpler",
            hint="Leave --simplify out, or remove more than you add.",
        )
    earlier = _earlier(session, commit.tree, patch)
    if earlier is not None and begun.kind is not Kind.AGAIN:
        words = phrases.verdict(earlier.verdict, earlier.reason)
        detail = f"tried before as experiment {earlier.number} ({words})"
        return _refuse(
            session,
            begun,
            Reason.DUPLICATE,
            (),
            detail,
            related=earlier.number,
            outside=plan.outside,
        )
    if earlier is not None and begun.related is None:
        begun = replace(begun, related=earlier.number)
    candidate = Candidate(
        commit=commit.oid,
        tree=commit.tree,
        patch_id=patch,
        changes=tuple(
            Changed(
                status=c.status.value,
                path=c.path,
                mode=c.new.mode if c.new else None,
                oid=c.new.oid if c.new else None,
            )
            for c in plan.changes
        ),
    )
    session.journal.begin(begun)
    _point_ref(session, begun.number, commit.oid)
    hashes = changed_lines(gitdiff.diff(repo, parent, commit.oid))
    near = session.index.near(hashes) if begun.kind is Kind.PLAIN else None
    near = near if near is not None and near.share >= NEAR_SHARE else None
    session.index.remember_lines(begun.number, hashes)
    return Prepared(begun, plan, candidate, lines, _retests(session, commit.tree), near)


def _point_ref(session: Session, number: int, commit: str) -> None:
    """Point the experiment's ref at its candidate; what an interrupted try left there is kept."""
    ref = session.ref(number)
    there = gitrefs.refs(session.repo, ref).get(ref)
    if there is not None and there.oid != commit:
        aside = f"refs/autoresearch/{session.name}/interrupted/{number:04d}-{there.oid[:12]}"
        if aside not in gitrefs.refs(session.repo, aside):
            gitrefs.update_ref(session.repo, aside, there.oid, None)
        gitrefs.update_ref(session.repo, ref, commit, there.oid)
    elif there is None:
        gitrefs.update_ref(session.repo, ref, commit, None)


def _earlier(session: Session, tree: str, patch: str) -> Tried | None:
    """The newest experiment of this epoch with this tree, else with this very change."""
    epoch = session.progress.epoch
    since = 0 if epoch is None else epoch.number
    found = (*session.index.by_tree(tree), *session.index.by_patch(patch))
    return next((tried for tried in found if tried.epoch >= since), None)


def _retests(session: Session, tree: str) -> int:
    epoch = session.progress.epoch
    since = 0 if epoch is None else epoch.number
    found = session.index.by_tree(tree)
    return sum(1 for tried in found if tried.epoch >= since and tried.samples)


def commit_message(begun: Begun, session: str) -> str:
    """The candidate's message: the agent's words, and trailers of ours."""
    lines = [clean_line(line, MESSAGE_LIMIT) for line in begun.message.splitlines()]
    subject, *body = lines or ["(no message)"]
    text = "\n".join([subject, "", *body]).rstrip() if body else subject
    if begun.hypothesis:
        text += f"\n\nHypothesis: {clean_line(begun.hypothesis, MESSAGE_LIMIT)}"
    trailers = f"Autoresearch-Session: {session}\nAutoresearch-Experiment: {begun.number}"
    return f"{text}\n\n{trailers}\n"


def _conclude(session: Session, prepared: Prepared, ruling: Ruling, started: float) -> Result:
    """Write down the verdict, make it true, and log it."""
    begun, candidate = prepared.begun, prepared.candidate
    commit = candidate.commit
    if ruling.verdict is Verdict.KEEP:
        commit = _with_evidence(session, prepared, ruling)
    record = _record(
        session, prepared, ruling, commit=commit, duration_s=time.monotonic() - started
    )
    session.journal.add(Decided(experiment=record))
    settled = finish(session, record)
    left = tuple(f"{path} {why}" for path, why in settled.left)
    del begun
    return Result(record, prepared.plan.outside, left, settled.warnings, prepared.near)


def finish(session: Session, record: Experiment) -> settle.Settlement:
    """Settle and log a decided experiment; repeating it after an interruption is harmless."""
    changes = settle.changes_between(
        session, session.tree(record.parent), session.tree(record.commit)
    )
    settled = settle.Settlement((), ())
    if record.verdict is Verdict.KEEP:
        _move_ref(session, record)
        settled = settle.keep(session, parent=record.parent, commit=record.commit, changes=changes)
    elif record.verdict is not Verdict.REWORK:
        settled = settle.put_back(session, changes)
    head = gitrefs.head(session.repo)
    session.journal.add(Settled(head=head.commit or ""))
    if session.progress.last_number < record.number:
        memory.record(session, record)
    memory.publish(session)
    session.journal.clear()
    return settled


def _move_ref(session: Session, record: Experiment) -> None:
    """Let the experiment's ref name the commit that carries the evidence."""
    ref = session.ref(record.number)
    there = gitrefs.refs(session.repo, ref).get(ref)
    if there is None or there.oid != record.commit:
        gitrefs.update_ref(session.repo, ref, record.commit, None if there is None else there.oid)


def _with_evidence(session: Session, prepared: Prepared, ruling: Ruling) -> str:
    """The candidate's commit again, with the measured effect among its trailers."""
    message = commit_message(prepared.begun, session.name).rstrip("\n")
    unit = session.contract.metric.unit
    if ruling.effect is not None:
        message += f"\nAutoresearch-Effect: {phrases.effect(ruling.effect, unit)}"
    if ruling.flags:
        message += f"\nAutoresearch-Flags: {', '.join(flag.value for flag in ruling.flags)}"
    tree, parent = prepared.candidate.tree, prepared.begun.parent
    return commit_tree(session.repo, tree, [parent], message + "\n")


def _record(
    session: Session, prepared: Prepared, ruling: Ruling, *, commit: str, duration_s: float
) -> Experiment:
    begun, candidate = prepared.begun, prepared.candidate
    verdict, reason, flags = ruling.verdict, ruling.reason, ruling.flags
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
        flags=flags,
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
    )
