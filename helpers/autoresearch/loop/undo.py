"""`undo`: a kept experiment is taken back by a new commit, once its absence has been measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import jsonform, phrases
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA, Verdict
from autoresearch.core.records import Undo
from autoresearch.core.snapshot import Step
from autoresearch.core.steps import Action
from autoresearch.core.text import clean_line
from autoresearch.edges.clock import now_utc
from autoresearch.edges.gitwrite import commit_changes, index_of
from autoresearch.edges.lock import Lock
from autoresearch.loop import memory, settle
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.measure import Question, Race, policy_of
from autoresearch.loop.merge import merge_change
from autoresearch.loop.referee import current_epoch
from autoresearch.loop.rewind import find
from autoresearch.loop.session import require_on_branch

if TYPE_CHECKING:
    from autoresearch.core.history import Tried
    from autoresearch.core.model import Effect
    from autoresearch.loop.bench import Bench
    from autoresearch.loop.measure import Randomness, Standing
    from autoresearch.loop.session import Session

UNDO_PAIRS = 12
"""Pairs of the race that tells what an undo costs: fixed, without an early end."""


class Watchers(NamedTuple):
    """Who is told what: where a race stands, and what is waited for."""

    watch: Callable[[Standing], None]
    say: Callable[[str], None]


def undo(
    session: Session,
    number: int,
    randomness: Randomness,
    watchers: Watchers,
) -> Undo:
    """Take a kept experiment back by a new commit, after guard and a race say what it does.

    Raises:
        AutoresearchError: not kept, already undone, conflicts with later keeps, tree edited, or the
            guard fails without it; then nothing is changed.
    """
    require_on_branch(session)
    tried = find(session, number)
    kept = {k.number: k for k in session.progress.kept}
    if tried.verdict is not Verdict.KEEP or number in session.progress.undone:
        raise AutoresearchError(
            f"experiment {number} is not among the kept ones",
            code="not_kept",
            hint=f"Kept: {phrases.numbers(sorted(kept)) or 'none'}.",
        )
    _require_clean(session)
    commit, tree = _without(session, tried)
    effect, detail = _judge_without(session, number, commit, randomness, watchers)
    record = Undo(
        schema=SCHEMA,
        at=now_utc(),
        experiment=number,
        commit=commit,
        tree=tree,
        effect=effect,
        detail=clean_line(detail),
    )
    parent = session.progress.incumbent_commit
    values = (("parent", parent), ("record", jsonform.dumps(jsonform.to_object(record))))
    session.journal.begin(Action(command="undo", stage="decided", at=now_utc(), values=values))
    _finish(session, parent, record)
    return record


def _require_clean(session: Session) -> None:
    incumbent = session.progress.incumbent_commit
    differing = session.walk().differing(session.tree(incumbent), session.overrides)
    if differing:
        raise AutoresearchError(
            f"the tree holds an edit: {clean_line(', '.join(sorted(differing)[:5]))}",
            code="tree_edited",
            hint="`autoresearch try` or `autoresearch drop` it first.",
        )


def _without(session: Session, tried: Tried) -> tuple[str, str]:
    """A commit on top of the incumbent that lacks the change of `tried`; (commit, tree)."""
    repo, parent = session.repo, session.progress.incumbent_commit
    ours = session.tree(parent)
    merged = merge_change(repo, session.tree(tried.commit), session.tree(tried.parent), ours)
    if merged.conflicts:
        raise AutoresearchError(
            f"later keeps build on experiment {tried.number}: {', '.join(merged.conflicts[:5])}",
            code="conflict",
            hint="Undo the later ones first, or edit the tree by hand and `autoresearch try` it.",
        )
    built = commit_changes(
        repo,
        parents=[parent],
        index=index_of(repo, repo.tree_of(parent), session.indexes),
        changes=merged.changes,
        message=(
            f"undo experiment {tried.number}: {clean_line(tried.message, 200)}\n\n"
            f"Autoresearch-Session: {session.name}\nAutoresearch-Undo: {tried.number}\n"
        ),
    )
    return built.oid, built.tree


def _judge_without(
    session: Session,
    number: int,
    commit: str,
    randomness: Randomness,
    watchers: Watchers,
) -> tuple[Effect | None, str]:
    """Guard and a fixed race of the incumbent against the commit without the experiment."""
    bench, label = session.bench(), f"undo-{number:04d}"
    tree = session.tree(commit)
    with Lock(session.places.measure_lock).wait(
        "undo", lambda _: watchers.say("waiting for the machine")
    ):
        try:
            _require_guard(session, bench, commit, label, number)
            incumbent = session.tree(session.progress.incumbent_commit)
            arms = [
                bench.bring(slot, arm, label=label)
                for slot, arm in zip(bench.slots[:2], (incumbent, tree), strict=True)
            ]
            policy = policy_of(
                session.contract, pairs=UNDO_PAIRS, alpha=session.contract.race.alpha
            )
            race = Race(
                bench=bench,
                incumbent=arms[0],
                candidate=arms[1],
                question=Question(policy=policy, pool=()),
                randomness=randomness,
                label=label,
                taken=lambda _: None,
                watch=watchers.watch,
                sample_s=current_epoch(session.progress).sample_s,
                warm_both=True,
            )
            raced = race.run_fixed(UNDO_PAIRS)
        except (CandidateFailed, ProtectedTouched) as error:
            raise AutoresearchError(
                f"without experiment {number} the program does not measure: {error.message}",
                code="undo_failed",
                hint="Nothing was changed.",
            ) from error
    effect = raced.decision.effect
    unit = session.contract.metric.unit
    told = "no estimate" if effect is None else phrases.effect(effect, unit)
    return effect, f"without experiment {number} the metric moves by {told}"


def _require_guard(session: Session, bench: Bench, commit: str, label: str, number: int) -> None:
    guard = session.contract.guard
    ground = bench.bring(bench.slots[2], session.tree(commit), label=label)
    same = session.contract.same
    if guard is not None:
        result, _ = bench.command(ground, guard, label=f"{label}-guard")
        if not result.passed:
            raise AutoresearchError(
                f"the guard fails without experiment {number} ({result.output})",
                code="guard_failed",
                hint="Nothing was changed.",
            )
    if same is not None:
        result, outcome = bench.command(ground, same, label=f"{label}-same")
        digest = hashlib.sha256(outcome.stdout).hexdigest()
        if not result.passed or digest != current_epoch(session.progress).same_sha256:
            raise AutoresearchError(
                f"`same` prints something else without experiment {number} ({result.output})",
                code="same_failed",
                hint="Nothing was changed.",
            )


def _finish(session: Session, parent: str, record: Undo) -> None:
    trees = session.tree(parent), session.tree(record.commit)
    changes = settle.changes_between(session, *trees)
    settle.keep(session, parent=parent, commit=record.commit, changes=changes)
    settle.lay_over(
        session,
        [Step(c.path, c.before, c.found, None if c.new is None else c.new.oid) for c in changes],
    )
    if record.experiment not in session.progress.undone:
        memory.record(session, record)
    memory.publish(session)
    session.journal.clear()


def finish_undo(session: Session, action: Action) -> str:
    """Finish an interrupted `undo` from its journal; what was done, in one line."""
    record = jsonform.from_object(Undo, jsonform.loads(action.value("record") or "{}"))
    _finish(session, action.value("parent") or "", record)
    return f"the undo of experiment {record.experiment} was interrupted and is now finished"
