"""Finishes or rolls back what an interrupted command left, from the journal alone.

Until a verdict is decided nothing of the user's was touched, so the experiment is dropped and its
edit is still in the tree. From then on it is finished: every step of settling can be repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core import formatting
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA
from autoresearch.core.pruning import survey
from autoresearch.core.records import Recovery
from autoresearch.edges import gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import atomic_write, remove_tree
from autoresearch.edges.gitwrite import exclude
from autoresearch.edges.lock import Lock
from autoresearch.loop import memory
from autoresearch.loop.adopt import finish_interrupted, finish_opened
from autoresearch.loop.cleaning import finish_gc
from autoresearch.loop.conclude import finish
from autoresearch.loop.invariants import astray, half_written
from autoresearch.loop.resume import finish_measured
from autoresearch.loop.rewind import finish_apply, finish_drop
from autoresearch.loop.settle import tell
from autoresearch.loop.staging import catch_up
from autoresearch.loop.undo import finish_undo
from autoresearch.loop.unharmed import move_back, put_back_interrupted

if TYPE_CHECKING:
    from autoresearch.core.steps import Pending
    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.edges.places import Places
    from autoresearch.loop.session import Session


FINISHERS = {
    "init": finish_opened,
    "drop": finish_drop,
    "apply": finish_apply,
    "undo": finish_undo,
    "validate": finish_measured,
    "amend": finish_interrupted,
    "gc": finish_gc,
}
"""Command -> what finishes it from its journal."""


def recover(session: Session, *, everything: bool = False) -> tuple[str, ...]:
    """Bring an interrupted session to a consistent state; what was done, a line each.

    Nothing to do is an empty answer. Repeating it is harmless.

    Args:
        session: open for writing.
        everything: look at refs, and at the copies of log and document, whoever changed them.
    """
    memory.require_newest(session)
    found = session.journal.load()
    done = _unlocked(session) if everything or session.after_kill else []
    if found.moved_aside is not None:
        done.append(f"the journal was unreadable ({found.problem}); it is now {found.moved_aside}")
    if told := put_back_interrupted(session):
        done.append(told)
    remove_tree(session.places.run)  # of a run that died, for whoever runs one has our lock
    if found.pending is not None:
        done.append(_settle(session, found.pending))
    done += catch_up(session)
    if everything or session.after_kill:
        for path in half_written(session):
            path.unlink(missing_ok=True)
    if everything:
        done += (*_branch_again(session), *_refs_again(session), *_excluded_again(session))
    anew = everything and bool(memory.disagreements(session))
    if done or anew or not memory.is_published(session):
        memory.publish(session, anew=anew)
    session.news.extend(done)
    return tuple(done)


def _unlocked(session: Session) -> list[str]:
    """Set git's locks aside that a killed git left; what was done, a line."""
    moved = session.set_locks_aside()
    if not moved:
        return []
    named = ", ".join(path.name for path in moved[:5])
    return [f"a git was killed and left {clean_line(named)}; no git is at work, so it is set aside"]


def _branch_again(session: Session) -> list[str]:
    """Make a branch that was deleted again, where the incumbent is."""
    repo, incumbent = session.repo, session.progress.incumbent_commit
    if gitrefs.at(repo, session.branch) is not None or repo.resolve(incumbent) is None:
        return []
    gitrefs.update_ref(repo, session.branch, incumbent, None, "autoresearch: recover")
    short = session.branch.removeprefix("refs/heads/")
    return [f"the branch {short} was gone; it is at the incumbent again"]


def _refs_again(session: Session) -> list[str]:
    """Candidates' refs that somebody deleted or moved, as the log has them; what was done."""
    found = survey(entry.record for entry in session.index.log.records())
    wrong = astray(session, found, gitrefs.refs(session.repo, session.refs_of("exp")))
    again = [it for it in wrong if session.repo.resolve(it.commit) is not None]
    for it in again:
        move_back(session, it.number, session.ref(it.number), it.commit, it.there)
    moved = [it.number for it in again if it.there is not None]
    if not again:
        return []
    told = f"; what {moved[:5]} stood at is kept in {session.refs_of('set-aside')}*"
    return [
        f"{formatting.count(len(again), 'ref')} of candidates were not as the log has them and are "
        f"again{told if moved else ''}"
    ]


def _excluded_again(session: Session) -> list[str]:
    """What git is to ignore, where somebody emptied its list; what was done, a line."""
    if not exclude(session.repo, memory.EXCLUDED):
        return []
    return ["info/exclude named document and log copy no more; it does again"]


def accept_log(repo: GitRepo, places: Places) -> None:
    """Take the log as it lies there for the true one, as after it was brought back from a copy.

    A log that is gone or empty is brought back from the session's state ref. What was read from
    the former one is forgotten and read again; its own chain must hold.

    Raises:
        AutoresearchError: another command works on the session (`locked`).
        GitError: the log is gone, and there is no state ref.
    """
    with Lock(places.lock).acquire("recover"):
        if not places.log.exists() or places.log.stat().st_size == 0:
            atomic_write(places.log, memory.stored_log(repo, places.session), mode=0o600)
        for suffix in ("", "-wal", "-shm"):
            places.index.with_name(places.index.name + suffix).unlink(missing_ok=True)


def _settle(session: Session, pending: Pending) -> str:
    decided = pending.decided
    if decided is not None:
        record = decided.experiment
        settled = finish(session, record)
        detail = (
            f"experiment {record.number} was decided and is now settled: {record.verdict.value}"
        )
        _note(session, "try", "finished", detail)
        tell(session, settled)
        return detail
    action = pending.action
    if action is not None:
        if action.command not in FINISHERS:
            session.journal.clear()
            return f"`{action.command}` was interrupted at {action.stage}; repeat it"
        detail = FINISHERS[action.command](session, action)
        _note(session, action.command, "finished", detail)
        return detail
    number = pending.begun.number if pending.begun is not None else 0
    detail = (
        f"experiment {number} was interrupted before its verdict; its edit is still in the tree"
    )
    _note(session, "try", "rolled back", detail)
    session.journal.clear()
    return detail


def _note(session: Session, step: str, action: str, detail: str) -> None:
    memory.record(
        session,
        Recovery(schema=SCHEMA, at=now_utc(), step=step, action=action, detail=clean_line(detail)),
    )
