"""`try`: one experiment, from the edited tree to the line in the log.

Each step is journaled before it is taken. What the verdict rests on are the frozen contract and
the bytes that were captured; nothing the caller says takes part in it.
"""

from __future__ import annotations

import re
import statistics
import time
from typing import NamedTuple

from msgspec import structs

from autoresearch.core import budget, formatting
from autoresearch.core.contract import Secondary
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import MAX_REWORKS
from autoresearch.core.model import (
    SCHEMA,
    Arm,
    CommandResult,
    Direction,
    Kind,
    Reason,
    Verdict,
)
from autoresearch.core.question import Caller
from autoresearch.core.records import Experiment, Refusal
from autoresearch.core.snapshot import CandidatePlan, TreeMap, changed_lines, plan_candidate
from autoresearch.core.steps import Begun, Decided, Settled
from autoresearch.core.usage import spent_between
from autoresearch.edges import gitdiff, gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import keep_newest
from autoresearch.edges.gitrepo import ended_by, under_way, unmerged
from autoresearch.edges.gitwrite import commit_tree
from autoresearch.edges.hostfiles import host_session, read_meter
from autoresearch.edges.index import Near
from autoresearch.edges.lock import turn_to_measure
from autoresearch.loop import integrity, logbook, settle, surroundings
from autoresearch.loop.bench import Bench, CandidateFailed, ProtectedTouched
from autoresearch.loop.candidate import (
    Prepared,
    Refused,
    Request,
    begin,
    commit_message,
    prepare,
    snapshot_of,
)
from autoresearch.loop.measure import SEED_BITS
from autoresearch.loop.referee import Judgement, Referee, run_checks
from autoresearch.loop.session import Session, require_on_branch


def record_decision(
    session: Session, prepared: Prepared, ruling: Judgement, *, duration_s: float
) -> Experiment:
    """Journal the experiment with its verdict; from here on it will be finished."""
    commit = prepared.candidate.commit
    if ruling.verdict is Verdict.KEEP:
        commit = _with_evidence(session, prepared, ruling)
    record = _record(session, prepared, ruling, commit=commit, duration_s=duration_s)
    session.journal.add(Decided(experiment=record))
    return record


def finish(
    session: Session, record: Experiment, hashes: frozenset[int] | None = None
) -> settle.Settlement:
    """Settle and log a decided experiment; repeating it after an interruption is harmless."""
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
        logbook.record(session, record)
    if record.reason is not Reason.GUARD:  # else the race stands, should the guard be asked again
        for tape in session.places.raw.glob(f"{record.tree}*.jsonl"):
            tape.unlink(missing_ok=True)
    if hashes is None:
        hashes = changed_lines(gitdiff.difference(session.repo, record.parent, record.commit).patch)
    session.index.remember_lines(record.number, hashes)
    if record.verdict is Verdict.KEEP and record.idea is not None:
        logbook.close_idea(session, record.idea, record.number)
    logbook.publish(session)
    keep_newest(session.places.output)
    session.journal.clear()
    return settled


def _with_evidence(session: Session, prepared: Prepared, ruling: Judgement) -> str:
    """The candidate's commit again, with the measured effect among its trailers."""
    message = commit_message(prepared.begun, session.name).rstrip("\n")
    unit = session.contract.metric.unit
    if ruling.effect is not None:
        message += f"\nAutoresearch-Effect: {formatting.effect(ruling.effect, unit)}"
    if ruling.flags:
        message += f"\nAutoresearch-Flags: {', '.join(flag.value for flag in ruling.flags)}"
    tree, parent = prepared.candidate.tree, prepared.begun.parent
    return commit_tree(session.repo, tree, [parent], message + "\n", sign=True)


def _record(
    session: Session, prepared: Prepared, ruling: Judgement, *, commit: str, duration_s: float
) -> Experiment:
    begun, candidate, near = prepared.begun, prepared.candidate, prepared.near
    if ruling.verdict is Verdict.REWORK and begun.attempt >= MAX_REWORKS:
        ruling = structs.replace(ruling, verdict=Verdict.DISCARD, reason=Reason.GUARD)
    proven = None if ruling.raced_in is None else prepared.proven
    retest = prepared.retest if proven is None else proven.retest
    related = near.number if begun.related is None and near is not None else begun.related
    # Every field of Begun (message, hypothesis, idea, ...) and of Judgement, by its own name.
    facts = structs.asdict(begun) | structs.asdict(ruling)
    facts |= {"at": now_utc(), "related": related, "detail": clean_line(ruling.detail)}
    del facts["output"]
    meter = read_meter(session.environ, host_session(session.environ))
    return Experiment(
        schema=SCHEMA,
        epoch=session.epoch.number,
        retest=retest,
        commit=commit,
        tree=candidate.tree,
        patch_id=candidate.patch_id,
        paths=tuple((change.status, change.path) for change in candidate.changes),
        lines_added=prepared.lines.added,
        lines_removed=prepared.lines.removed,
        duration_s=round(duration_s, 3),
        spent=spent_between(session.progress.meter, meter),
        meter=meter,
        **facts,
    )


class Result(NamedTuple):
    """What became of it: an experiment or a refusal, and what to tell beside.

    Attributes:
        outside: untracked files outside the scope, no part of the candidate.
        left: paths that were changed meanwhile and so left alone.
        near: an earlier experiment with mostly the same changed lines, or None.
        output: what a failed command printed: a file below the state folder; empty for none.
    """

    record: Experiment | Refusal
    outside: tuple[str, ...]
    left: tuple[str, ...]
    warnings: tuple[str, ...]
    near: Near | None
    output: str


def try_experiment(session: Session, caller: Caller, request: Request) -> Result:
    """Measure the edited tree against the incumbent and settle the verdict."""
    started = time.monotonic()
    _require_nothing_under_way(session)
    require_on_branch(session)
    _require_budget(session, request)
    begun = begin(session.history, request)
    if changed := surroundings.look(session).changed:
        return _environment_changed(session, begun, changed)
    plan = plan_candidate(snapshot_of(session), session.incumbent_tree, session.scope.covers)
    if not isinstance(plan, CandidatePlan):
        return _refuse(session, begun, Refused(plan.reason, plan.paths, plan.detail), ())
    _require_resolved(plan)
    prepared = prepare(session, begun, plan)
    if isinstance(prepared, Refused):
        return _refuse(session, begun, prepared, plan.outside)
    session.journal.add(prepared.candidate)
    return _judged(session, prepared, Referee(session, caller), started)


def _judged(session: Session, prepared: Prepared, referee: Referee, started: float) -> Result:
    try:
        ruling = referee.judge(prepared)
    except surroundings.EnvironmentChanged as error:
        session.journal.clear()
        return _environment_changed(session, prepared.begun, error.paths)
    except AutoresearchError:
        # No verdict, and nothing changed but the candidate's own ref: there is nothing to finish.
        session.journal.clear()
        raise
    record = record_decision(
        session, prepared, ruling, duration_s=time.monotonic() - started - referee.waited_s
    )
    settled = finish(session, record, prepared.hashes)
    left = tuple(f"{path} {why}" for path, why in settled.left)
    return Result(
        record, prepared.plan.outside, left, settled.warnings, prepared.near, ruling.output
    )


def _environment_changed(session: Session, begun: Begun, paths: tuple[str, ...]) -> Result:
    refused = Refused(Reason.ENVIRONMENT, paths, surroundings.said(paths))
    return _refuse(session, begun, refused, ())


def _require_nothing_under_way(session: Session) -> None:
    """Make sure that no conflict of git's is taken for an edit, nor settled under its hands."""
    what = under_way(session.repo)
    if what is not None:
        raise AutoresearchError(
            f"a {what} is under way in this working tree",
            code="operation_under_way",
            hint=ended_by(what),
        )
    paths = [path for path in unmerged(session.repo) if session.scope.covers(path)]
    if paths:
        raise AutoresearchError(
            f"git's index holds a conflict in {clean_line(', '.join(paths[:5]))}",
            code="unmerged",
            hint="Resolve it in the file, then `git add` the file.",
        )


_MARKS = re.compile(rb"^<<<<<<< incumbent$(?s:.*?)^>>>>>>> experiment", re.MULTILINE)


def _require_resolved(plan: CandidatePlan) -> None:
    """Make sure that no marks of `apply` are left in what is to be measured."""
    marked = [c.path for c in plan.changes if c.content is not None and _MARKS.search(c.content)]
    if marked:
        raise AutoresearchError(
            f"marks of a conflict stand in {clean_line(', '.join(marked[:5]))}",
            code="conflict_marks",
            hint="Choose between `<<<<<<< incumbent` and `>>>>>>> experiment`, remove the marks.",
        )


class Dry(NamedTuple):
    """What became of an edit that was only looked at; no number of it is told.

    Attributes:
        failure: why verify gave no sample, in words; empty when it did.
        output: what a failed command printed: a file below the state folder; empty for none.
        limits: each secondary metric with a limit, and whether this one sample is within it.
    """

    failure: str
    output: str
    guard: CommandResult | None
    same: CommandResult | None
    failed: Reason | None
    limits: tuple[tuple[str, bool], ...]


def dry_run(session: Session, caller: Caller) -> Dry:
    """Build the edited tree, run verify and the guard once each, and record nothing."""
    _require_nothing_under_way(session)
    require_on_branch(session)
    plan = plan_candidate(snapshot_of(session), session.incumbent_tree, session.scope.covers)
    if not isinstance(plan, CandidatePlan):
        raise AutoresearchError(
            plan.detail, code=f"refused_{plan.reason.value}", hint="Edit files in scope only."
        )
    _require_resolved(plan)
    contents = [change.content for change in plan.changes if change.content is not None]
    commit = session.commit(plan.entries, "a dry run\n", contents)
    bench, parent = session.bench(), session.progress.incumbent_commit
    ground = integrity.look(session, parent, shut_out=bench.confinement.shuts_out)
    try:
        with turn_to_measure(session.places.measure_lock, "try", caller.say):
            return _looked_at(session, bench, session.tree(commit.oid), caller)
    finally:
        integrity.put_back(session, ground)


def _looked_at(session: Session, bench: Bench, tree: TreeMap, caller: Caller) -> Dry:
    try:
        caller.say("building and running it once")
        built = bench.bring(bench.slots[1], tree, label="dry")
        seed = caller.randomness.getrandbits(SEED_BITS)
        sample = bench.sample(built, Arm.CANDIDATE, seed=seed, label="dry")
        found = run_checks(bench, tree, session.epoch.same_sha256, "dry", caller.say)
    except CandidateFailed as error:
        return Dry(error.message, error.output, None, None, None, ())
    except ProtectedTouched as error:
        return Dry(error.message, "", None, None, None, ())
    baseline = {name: statistics.median(values) for name, values in session.epoch.secondary}
    within = tuple(
        (one.name, is_within(one, baseline[one.name], dict(sample.secondary)[one.name]))
        for one in session.contract.secondary
        if one.limit is not None and one.name in baseline
    )
    return Dry("", found.output, found.guard, found.same, found.failed, within)


def is_within(secondary: Secondary, baseline: float, value: float) -> bool:
    """Whether one sample of a secondary metric loses no more than its limit."""
    sign = 1 if secondary.direction is Direction.LOWER else -1
    loss = sign * (value - baseline)
    allowed = (secondary.limit or 0.0) * (abs(baseline) if secondary.limit_relative else 1.0)
    return loss <= allowed


def _require_budget(session: Session, request: Request) -> None:
    halt = budget.halt(session.history, session.contract)
    reworks = request.kind is Kind.REWORK and session.history.pending_rework is not None
    if halt is None or (reworks and halt.may_rework):
        return
    way_on = (
        "`autoresearch init` opens another session"
        if halt.ends_session
        else ("a human opens the next run: `autoresearch run N --new`")
    )
    raise AutoresearchError(
        f"DONE: {halt.text}", code=f"done_{halt.rule.value}", hint=f"Report and stop; {way_on}."
    )


def _refuse(session: Session, begun: Begun, refused: Refused, outside: tuple[str, ...]) -> Result:
    refusal = Refusal(
        schema=SCHEMA,
        at=now_utc(),
        run=begun.run,
        message=begun.message,
        reason=refused.reason,
        paths=refused.paths,
        related=refused.related,
        detail=clean_line(refused.detail),
    )
    logbook.record(session, refusal)
    logbook.publish(session)
    return Result(refusal, outside, (), (), None, "")
