"""`undo`: a kept experiment is taken back by a new commit, once its absence has been measured."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from autoresearch.core import formatting, wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA, Arm, Verdict
from autoresearch.core.records import Undo
from autoresearch.core.snapshot import Step
from autoresearch.core.steps import Action
from autoresearch.edges.clock import now_utc
from autoresearch.edges.gitwrite import commit_changes, index_of
from autoresearch.edges.lock import turn_to_measure
from autoresearch.edges.places import shown_path
from autoresearch.loop import memory, settle
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.checks import current_epoch, run_checks
from autoresearch.loop.rewind import find
from autoresearch.loop.session import require_on_branch
from autoresearch.loop.without import leave_out, race_without, tape_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoresearch.core.history import Tried
    from autoresearch.core.model import Effect
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.loop.bench import Bench
    from autoresearch.loop.measure import Raced, Randomness
    from autoresearch.loop.session import Session
    from autoresearch.loop.without import Watchers


def undo(
    session: Session,
    number: int,
    randomness: Randomness,
    watchers: Watchers,
) -> Undo:
    """Take a kept experiment back by a new commit, after guard and a race say what it does."""
    require_on_branch(session)
    tried = find(session, number)
    undone = session.progress.undone
    if tried.verdict is not Verdict.KEEP or number in undone:
        kept = sorted(k.number for k in session.progress.kept if k.number not in undone)
        raise AutoresearchError(
            f"experiment {number} is {'undone already' if number in undone else 'no kept one'}",
            code="not_kept",
            hint=f"Kept: {formatting.numbers(kept) or 'none'}.",
        )
    _require_clean(session)
    commit, tree = _without(session, tried)
    raced = _judge_without(session, number, session.tree(commit), randomness, watchers)
    effect, race = raced.decision.effect, raced.record
    moved = "no estimate" if effect is None else _moved(session, effect)
    values = [
        v for arm, v in zip(race.order, race.values, strict=True) if arm == Arm.CANDIDATE.value
    ]
    record = Undo(
        schema=SCHEMA,
        at=now_utc(),
        experiment=number,
        commit=commit,
        tree=tree,
        effect=effect,
        value=statistics.median(values),
        detail=clean_line(f"without experiment {number} the metric moves by {moved}"),
    )
    parent = session.progress.incumbent_commit
    facts = (("parent", parent), ("record", wire.text(record)))
    session.journal.begin(Action(command="undo", stage="decided", at=now_utc(), values=facts))
    _finish(session, parent, record)
    return record


def _moved(session: Session, effect: Effect) -> str:
    return formatting.effect(effect, session.contract.metric.unit)


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
    merged = leave_out(session, tried)
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
    tree: TreeMap,
    randomness: Randomness,
    watchers: Watchers,
) -> Raced:
    """Guard and a fixed race of the incumbent against the tree without the experiment."""
    bench, label = session.bench(), _label(number)

    with turn_to_measure(session.places.measure_lock, "undo", watchers.say):
        try:
            _require_checks(session, bench, tree, label, watchers.say)
            return race_without(session, bench, tree, label, randomness, watchers)
        except (CandidateFailed, ProtectedTouched) as error:
            raise AutoresearchError(
                f"without experiment {number} the program does not measure: {error.message}",
                code="undo_failed",
                hint="Nothing was changed.",
            ) from error


def _label(number: int) -> str:
    return f"undo-{number:04d}"


def _require_checks(
    session: Session, bench: Bench, tree: TreeMap, label: str, say: Callable[[str], None]
) -> None:
    """Make sure that guard and `same` hold of the tree without the experiment."""
    expected = current_epoch(session.progress).same_sha256
    found = run_checks(bench, tree, expected, label, say)
    if found.failed is not None:
        output = shown_path(session.places.state / found.output)
        raise AutoresearchError(
            f"without the experiment {found.text} ({output})",
            code=f"{found.failed.value}_failed",
            hint="Nothing was changed; undo what builds on it first, or edit and `try`.",
        )


def _finish(session: Session, parent: str, record: Undo) -> None:
    trees = session.tree(parent), session.tree(record.commit)
    changes = settle.changes_between(session, *trees)
    settled = settle.keep(session, parent=parent, commit=record.commit, changes=changes)
    left = settle.lay_over(
        session,
        [Step(c.path, c.before, c.found, None if c.new is None else c.new.oid) for c in changes],
    )
    settle.tell(session, settled._replace(left=settled.left + left))
    if record.experiment not in session.progress.undone:
        memory.record(session, record)
    tape_file(session, _label(record.experiment)).unlink(missing_ok=True)
    memory.publish(session)
    session.journal.clear()


def finish_undo(session: Session, action: Action) -> str:
    """Finish an interrupted `undo` from its journal; what was done, in one line."""
    record = action.record(Undo)
    _finish(session, action.value("parent") or "", record)
    return f"the undo of experiment {record.experiment} was interrupted and is now finished"
