"""`drop`, `apply` and `undo`: back to the incumbent, an earlier change again, a keep taken back."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import structs

from autoresearch.core import formatting, wire
from autoresearch.core.errors import AutoresearchError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import Tried
from autoresearch.core.model import SCHEMA, Agreed, Verdict
from autoresearch.core.question import Caller
from autoresearch.core.records import GIVEN_UP, Undo
from autoresearch.core.snapshot import (
    Change,
    Entry,
    Obstacle,
    Step,
    TreeMap,
    apply_steps,
    with_changes,
)
from autoresearch.core.steps import Action
from autoresearch.edges import gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.gitwrite import Commit
from autoresearch.edges.lock import turn_to_measure
from autoresearch.edges.places import shown_path
from autoresearch.edges.stored import set_aside
from autoresearch.edges.worktree import Left
from autoresearch.loop import logbook, settle, surroundings
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.candidate import snapshot_of
from autoresearch.loop.consent import trailer
from autoresearch.loop.measure import Raced
from autoresearch.loop.referee import run_checks
from autoresearch.loop.session import Session, require_on_branch
from autoresearch.loop.settle import Merged, leave_out, merge_change
from autoresearch.loop.validate import race_without


class Dropped(NamedTuple):
    """What `drop` did.

    Attributes:
        ref: where the dropped edit is kept; None when there was none.
        left: paths that were left alone, and why.
        outside: edited paths outside the scope that stay until `--outside`.
        given_up: the experiment whose rework is not awaited any more; None for none.
    """

    ref: str | None
    paths: tuple[str, ...]
    left: tuple[Left, ...]
    outside: tuple[str, ...]
    given_up: int | None


class Applied(NamedTuple):
    """What `apply` did.

    Attributes:
        conflicts: of the changed `paths` those that hold conflict marks.
        unmerged: what both sides changed and holds no lines to merge: as the incumbent has it.
        left: paths that were left alone, and why.
    """

    paths: tuple[str, ...]
    conflicts: tuple[str, ...]
    unmerged: tuple[str, ...]
    left: tuple[Left, ...]


def drop(session: Session, *, outside: bool) -> Dropped:
    """Put the working tree back to the incumbent; the edit is saved to a ref first."""
    require_on_branch(session)
    snapshot = snapshot_of(session)
    covers = session.scope.covers
    beyond = tuple(c.path for c in snapshot.changes if not covers(c.path))
    chosen = tuple(c for c in snapshot.changes if covers(c.path) != outside)
    if not chosen:
        return Dropped(None, (), (), beyond, None if outside else _give_up(session))
    chosen = tuple(_within_reach(session, change) for change in chosen)
    ref = save_edit(session, chosen, "outside the scope" if outside else "in scope")
    facts = {"outside": "1"} if outside else {}
    session.begin("drop", "saved", ref=ref, parent=session.progress.incumbent_commit, **facts)
    settled = settle.put_back(session, chosen)
    settle.tell(session, settled._replace(left=()))  # the answer has its own place for these
    given_up = None if outside else _give_up(session)
    session.journal.clear()
    stuck = {item.path for item in settled.left}
    paths = tuple(c.path for c in chosen if c.path not in stuck)
    return Dropped(ref, paths, settled.left, () if outside else beyond, given_up)


def _within_reach(session: Session, change: Change) -> Change:
    """The change as it can be saved: what no commit holds is moved aside, whole, and named.

    The bytes of a hard link are read like any file's; a file that was closed to its owner is
    opened; a FIFO, socket or device holds nothing.
    """
    walk, obstacle = session.walk(), change.obstacle
    full = session.repo.toplevel / change.path
    if obstacle is Obstacle.UNREADABLE and full.lstat().st_uid == os.geteuid():
        full.chmod(0o600)
    if obstacle in {Obstacle.HARD_LINK, Obstacle.UNREADABLE}:
        here = walk.at(change.path)
        if here.content is not None and here.entry is not None:
            return structs.replace(
                change, new=here.entry, content=here.content, found=here.entry, obstacle=None
            )
    if obstacle in {Obstacle.NESTED, Obstacle.TOO_LARGE}:
        state, disk = session.places.state, full.lstat().st_dev
        ground = state if state.stat().st_dev == disk else session.repo.git_dir
        kept = set_aside(full, ground / "set-aside" / "dropped" / full.name)
        session.news.append(f"{clean_line(change.path)} {obstacle.value}: moved to {kept}")
        return structs.replace(change, found=None, obstacle=None)
    if obstacle is Obstacle.SPECIAL:
        full.unlink()
        return structs.replace(change, found=None, obstacle=None)
    return change


def _give_up(session: Session) -> int | None:
    """Stop waiting for the rework of the last experiment; its number, None where none is awaited.

    Its candidate stays under its ref, so that `apply` brings it back.
    """
    pending = session.history.pending_rework
    if pending is None:
        return None
    detail = f"experiment {pending.number} is given up: its edit was dropped"
    logbook.record_recovery(session, "drop", GIVEN_UP, detail)
    logbook.publish(session)
    return pending.number


def save_edit(session: Session, changes: tuple[Change, ...], what: str) -> str:
    """Commit an edit on top of the incumbent and keep it under a ref of its own; the ref."""
    blocked = [c for c in changes if c.obstacle is not None]
    if blocked:
        first = blocked[0]
        raise AutoresearchError(
            f"{clean_line(first.path)} {first.obstacle.value if first.obstacle else ''}, "
            "so it cannot be saved before it is put back",
            code="cannot_save",
            hint="Move it out of the working tree by hand, then repeat the command.",
        )
    repo, prefix = session.repo, session.refs_of("dropped")
    message = f"dropped edit, {what}\n\nAutoresearch-Session: {session.name}\n"
    contents = [c.content for c in changes if c.content is not None]
    commit = session.commit({c.path: c.new for c in changes}, message, contents)
    taken = [int(name.removeprefix(prefix)) for name in gitrefs.refs(repo, prefix)]
    ref = f"{prefix}{max(taken, default=0) + 1:04d}"
    gitrefs.update_ref(repo, ref, commit.oid, None)
    return ref


def apply(session: Session, chosen: Sequence[int]) -> Applied:
    """Bring the changes of experiments back into the working tree, merged with the incumbent."""
    require_on_branch(session)
    merged, steps = _merged(session, chosen)
    if not merged.changes and not merged.conflicts:
        named = f"experiment {' and '.join(map(str, chosen))}"
        raise AutoresearchError(
            f"the incumbent holds the change of {named} already",
            code="already_applied",
            hint="`autoresearch show` prints another one; `log` lists them.",
        )
    # What an interrupted `apply` has written already is as wanted.
    edited = [s.path for s in steps if not _holds(session, s.path, (s.expected, s.wanted))]
    if edited:
        raise AutoresearchError(
            f"the tree already holds an edit of {clean_line(', '.join(edited[:5]))}",
            code="tree_edited",
            hint="`autoresearch try` or `autoresearch drop` it first.",
        )
    session.begin("apply", "merged", number=" ".join(map(str, chosen)))
    left = settle.lay_over(session, steps)
    session.journal.clear()
    stuck = {item.path for item in left}
    return Applied(
        tuple(step.path for step in steps if step.path not in stuck),
        tuple(path for path in merged.conflicts if path in merged.changes),
        tuple(path for path in merged.conflicts if path not in merged.changes),
        left,
    )


def _merged(session: Session, chosen: Sequence[int]) -> tuple[Merged, tuple[Step, ...]]:
    """The changes of experiments on top of the incumbent, and the steps that bring them there.

    Each is merged, by lines, with what the incumbent and those before it make of the tree.
    """
    ours, changes, conflicts = session.incumbent_tree, dict[str, Entry | None](), list[str]()
    held: TreeMap = ours
    for number in chosen:
        tried = find(session, number)
        if session.repo.resolve(tried.commit) is None:
            raise _gone(session, number)
        base, theirs = session.tree(tried.parent), session.tree(tried.commit)
        merged = merge_change(session.repo, base, theirs, held, f"experiment {number}")
        changes |= merged.changes
        conflicts += merged.conflicts
        held = with_changes(held, merged.changes)
    changes = {path: entry for path, entry in changes.items() if entry != ours.get(path)}
    checked_out = {**ours, **{p: e for p, e in session.overrides.items() if e is not None}}
    return Merged(changes, tuple(dict.fromkeys(conflicts))), tuple(
        apply_steps(checked_out, changes)
    )


def _gone(session: Session, number: int) -> AutoresearchError:
    """Why the change of an experiment cannot be had."""
    found = session.survey()
    pruned = number in found.pruned
    return AutoresearchError(
        f"the change of experiment {number} is gone: "
        + ("`gc` removed its ref" if pruned else "its commit is not in this repository"),
        code="pruned" if pruned else "lost_commit",
        hint=("" if pruned else "Fetch refs/autoresearch/* from where they were pushed to. ")
        + f"`autoresearch show {number}` tells what it was; make the change again by hand.",
    )


def _holds(session: Session, path: str, entries: tuple[Entry | None, ...]) -> bool:
    walk = session.walk()
    found = walk.at(path)
    return any(walk.same(found, entry) for entry in entries)


def find(session: Session, number: int) -> Tried:
    """An experiment by its number."""
    tried = session.index.experiment(number)
    if tried is None:
        last = session.progress.last_number
        raise AutoresearchError(
            f"there is no experiment {number}; the last one is {last}",
            code="no_experiment",
            hint="`autoresearch log` lists them.",
        )
    return tried


def finish_drop(session: Session, action: Action) -> str:
    """Finish an interrupted `drop` from its journal; what was done, in one line."""
    ref = action.value("ref") or ""
    commit = session.repo.resolve(ref)
    if commit is None:
        raise SessionBroken(f"{ref} is gone", code="lost_ref", hint="See `git fsck`.")
    parent = session.tree(action.value("parent") or "")
    changes = settle.changes_between(session, parent, session.tree(commit))
    settle.tell(session, settle.put_back(session, changes))
    if not action.value("outside"):
        _give_up(session)
    session.journal.clear()
    return f"a drop was interrupted and is now finished; the edit is kept as {ref}"


def finish_apply(session: Session, action: Action) -> str:
    """Finish an interrupted `apply` from its journal; what was done, in one line."""
    chosen = [int(number) for number in (action.value("number") or "").split()]
    settle.lay_over(session, _merged(session, chosen)[1])
    session.journal.clear()
    return (
        f"an apply of experiment {formatting.numbers(chosen)} was interrupted and is now finished"
    )


def undo(session: Session, caller: Caller, number: int, *, agreed: Agreed | None) -> Undo:
    """Take a kept experiment back by a new commit, after guard and a race say what it does."""
    require_on_branch(session)
    tried = find(session, number)
    undone = session.history.undone
    if tried.verdict is not Verdict.KEEP or number in undone:
        kept = sorted(k.number for k in session.history.kept if k.number not in undone)
        raise AutoresearchError(
            f"experiment {number} {'is undone already' if number in undone else 'was not kept'}",
            code="not_kept",
            hint=f"Kept: {formatting.numbers(kept) or 'none'}.",
        )
    _require_clean(session)
    without = _without(session, tried, agreed)
    raced = _judge_without(session, caller, number, session.tree(without.oid))
    effect, unit = raced.decision.effect, session.contract.metric.unit
    moved = "no estimate" if effect is None else formatting.effect(effect, unit)
    record = Undo(
        schema=SCHEMA,
        at=now_utc(),
        experiment=number,
        commit=without.oid,
        tree=without.tree,
        effect=effect,
        value=statistics.median(candidate.value for _, candidate in raced.rounds),
        detail=clean_line(f"without experiment {number} the metric moves by {moved}"),
        agreed=agreed,
    )
    parent = session.progress.incumbent_commit
    session.begin("undo", "decided", parent=parent, record=wire.text(record))
    _finish(session, parent, record)
    return record


def _require_clean(session: Session) -> None:
    differing = session.walk().differing(session.incumbent_tree, session.overrides)
    if differing:
        raise AutoresearchError(
            f"the tree holds an edit: {clean_line(', '.join(sorted(differing)[:5]))}",
            code="tree_edited",
            hint="`autoresearch try` or `autoresearch drop` it first.",
        )


def _without(session: Session, tried: Tried, agreed: Agreed | None) -> Commit:
    """A commit on top of the incumbent that lacks the change of `tried`."""
    merged = leave_out(session, tried)
    if merged.conflicts:
        raise AutoresearchError(
            f"later keeps build on experiment {tried.number}: {', '.join(merged.conflicts[:5])}",
            code="conflict",
            hint="Undo the later ones first, or edit the tree by hand and `autoresearch try` it.",
        )
    return session.commit(
        merged.changes,
        f"undo experiment {tried.number}: {clean_line(tried.message, 200)}\n\n"
        f"Autoresearch-Session: {session.name}\nAutoresearch-Undo: {tried.number}\n"
        f"{trailer(agreed)}",
        sign=True,
    )


def _judge_without(session: Session, caller: Caller, number: int, tree: TreeMap) -> Raced:
    """Guard and a fixed race of the incumbent against the tree without the experiment."""
    bench, label = session.bench(), _label(number)
    turn = turn_to_measure(session.places.measure_lock, "undo", caller.say)
    with turn, surroundings.watched(session):
        try:
            found = run_checks(bench, tree, session.epoch.same_sha256, label, caller.say)
            if found.failed is None:
                return race_without(session, bench, caller, tree, label)
        except (CandidateFailed, ProtectedTouched) as error:
            raise AutoresearchError(
                f"without experiment {number} the program does not measure: {error.message}",
                code="undo_failed",
                hint="Nothing was changed.",
            ) from error
    raise AutoresearchError(
        f"without the experiment {found.text} ({shown_path(session.places.state / found.output)})",
        code=f"{found.failed.value}_failed",
        hint="Nothing was changed; undo what builds on it first, or edit and `try`.",
    )


def _label(number: int) -> str:
    return f"undo-{number:04d}"


def _finish(session: Session, parent: str, record: Undo) -> None:
    trees = session.tree(parent), session.tree(record.commit)
    changes = settle.changes_between(session, *trees)
    settled = settle.keep(session, parent=parent, commit=record.commit, changes=changes)
    left = settle.lay_over(
        session,
        [Step(c.path, c.before, c.found, None if c.new is None else c.new.oid) for c in changes],
    )
    settle.tell(session, settled._replace(left=settled.left + left))
    if record.experiment not in session.history.undone:
        logbook.record(session, record)
    session.tape(_label(record.experiment)).unlink(missing_ok=True)
    logbook.publish(session)
    session.journal.clear()


def finish_undo(session: Session, action: Action) -> str:
    """Finish an interrupted `undo` from its journal; what was done, in one line."""
    record = action.record(Undo)
    _finish(session, action.value("parent") or "", record)
    return f"the undo of experiment {record.experiment} was interrupted and is now finished"
