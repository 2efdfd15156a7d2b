"""`try`: one experiment, from the edited tree to the line in the log.

Each step is journaled before it is taken. What the verdict rests on are the frozen contract and
the bytes that were captured; nothing the caller says takes part in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import budget
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA, Kind
from autoresearch.core.records import Refusal
from autoresearch.core.snapshot import CandidatePlan, plan_candidate
from autoresearch.edges.clock import now_utc
from autoresearch.edges.gitrepo import ended_by, under_way, unmerged
from autoresearch.loop import memory
from autoresearch.loop.candidate import Refused, Request, begin, prepare, snapshot_of
from autoresearch.loop.conclude import decide, finish
from autoresearch.loop.referee import Referee
from autoresearch.loop.session import require_on_branch

if TYPE_CHECKING:
    from autoresearch.core.history import Near
    from autoresearch.core.records import Experiment
    from autoresearch.core.steps import Begun
    from autoresearch.loop.candidate import Prepared
    from autoresearch.loop.measure import Randomness, Standing
    from autoresearch.loop.session import Session

__all__ = ["Request", "Result", "try_experiment"]


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
        SessionBroken: the incumbent itself fails; the edit is still in the tree.
    """
    started = time.monotonic()
    _require_nothing_under_way(session)
    require_on_branch(session)
    _require_budget(session, request)
    progress = session.progress
    begun = begin(progress, request)
    tree = session.tree(progress.incumbent_commit)
    plan = plan_candidate(snapshot_of(session), tree, session.scope.covers)
    if not isinstance(plan, CandidatePlan):
        return _refuse(session, begun, Refused(plan.reason, plan.paths, plan.detail), ())
    prepared = prepare(session, begun, plan)
    if isinstance(prepared, Refused):
        return _refuse(session, begun, prepared, plan.outside)
    session.journal.add(prepared.candidate)
    return _judged(session, prepared, Referee(session, randomness, watch, say), started)


def _judged(session: Session, prepared: Prepared, referee: Referee, started: float) -> Result:
    try:
        ruling = referee.judge(prepared)
    except AutoresearchError:
        # No verdict, and nothing changed but the candidate's own ref: there is nothing to finish.
        session.journal.clear()
        raise
    record = decide(session, prepared, ruling, duration_s=time.monotonic() - started)
    settled = finish(session, record, prepared.hashes)
    left = tuple(f"{path} {why}" for path, why in settled.left)
    return Result(
        record, prepared.plan.outside, left, settled.warnings, prepared.near, ruling.output
    )


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


def _require_budget(session: Session, request: Request) -> None:
    halt = budget.halt(session.index.history(), session.contract)
    reworks = request.kind is Kind.REWORK and session.progress.pending_rework is not None
    if halt is None or (reworks and halt.may_rework):
        return
    way_on = "" if halt.ends_session else "; a human opens the next run"
    raise AutoresearchError(
        f"DONE: {halt.text}", code=f"done_{halt.rule.value}", hint=f"Report and stop{way_on}."
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
    memory.record(session, refusal)
    memory.publish(session)
    return Result(refusal, outside, (), (), None, "")
