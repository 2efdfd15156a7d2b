"""Makes a verdict true: the branch moves to what is kept, the tree goes back from what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.core.snapshot import (
    Change,
    Entry,
    Status,
    Step,
    differing_paths,
    put_back_steps,
)
from autoresearch.edges import gitrefs
from autoresearch.edges.gitrepo import object_id
from autoresearch.edges.gitwrite import IndexChange
from autoresearch.edges.putback import Left, carry_out
from autoresearch.edges.worktree import with_crlf
from autoresearch.loop import staging

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoresearch.core.snapshot import TreeMap
    from autoresearch.loop.session import Session


class Settlement(NamedTuple):
    """What settling did beside the branch: paths left alone, and what to tell."""

    left: tuple[Left, ...]
    warnings: tuple[str, ...]


def changes_between(session: Session, parent: TreeMap, candidate: TreeMap) -> tuple[Change, ...]:
    """The paths that differ between two trees, as they look in this working tree.

    Args:
        session: knows which paths are checked out with other bytes than git stores.
        parent: the tree before.
        candidate: the tree after.
    """
    overrides = session.overrides
    found = []
    for path in differing_paths(parent, candidate):
        old, new = parent.get(path), candidate.get(path)
        before = overrides.get(path, old)
        found.append(
            Change(
                path=path,
                status=_status(old, new),
                old=old,
                new=new,
                content=None,
                before=before,
                found=_as_checked_out(session, path, old, before, new),
            )
        )
    return tuple(found)


def _status(old: Entry | None, new: Entry | None) -> Status:
    if old is None:
        return Status.ADDED
    if new is None:
        return Status.DELETED
    return Status.MODIFIED if old.mode[:3] == new.mode[:3] else Status.TYPE_CHANGED


def _as_checked_out(
    session: Session, path: str, old: Entry | None, before: Entry | None, new: Entry | None
) -> Entry | None:
    """What the working tree holds for `new` where lines ended in CR LF before.

    An editor may have written some or all of them as LF: then what is there counts.
    """
    if new is None or before == old or before is None:
        return new
    here = session.walk().at(path)
    if here.content is not None and here.entry is not None:
        plain = here.content.replace(b"\r\n", b"\n")
        if new.oid in {object_id(session.repo.object_format, plain), here.entry.oid}:
            return here.entry
    return _with_crlf(session, new)


def _with_crlf(session: Session, entry: Entry) -> Entry:
    """The raw entry of a file that git checks out with CR LF."""
    content = with_crlf(session.repo.blob(entry.oid))
    return Entry(entry.mode, object_id(session.repo.object_format, content))


def keep(
    session: Session,
    *,
    parent: str,
    commit: str,
    changes: tuple[Change, ...],
    ref: str | None = None,
) -> Settlement:
    """Move the branch from `parent` to `commit`, and git's index with it; files stay as they are.

    Repeating it is harmless.

    Args:
        session: open for writing.
        parent: where the branch is now.
        commit: where it is to be.
        changes: between the two.
        ref: another ref to be pointed at `commit` in the same step.

    Raises:
        SessionBroken: the branch is at neither.
    """
    _move_branch(session, parent, commit, ref)
    left: tuple[Left, ...] = ()
    overrides: dict[str, Entry] = {}
    for change in changes:
        if change.new is None or change.found is None or change.found == change.new:
            continue
        overrides[change.path] = _with_crlf(session, change.new)
        # Both kinds of line ends in one file: made what git would check out, so that it can be
        # told from an edit and put back from now on.
        step = Step(change.path, change.found, overrides[change.path], change.new.oid)
        left += lay_over(session, [step])
    session.keep_overrides({change.path: change.new for change in changes}, overrides)
    head = gitrefs.head(session.repo).branch
    if head != session.branch:
        short = session.branch.removeprefix("refs/heads/")
        return Settlement(left, (f"HEAD left {short} meanwhile; the index is not touched",))
    wanted = [IndexChange(c.path, _known(c), c.new) for c in changes]
    return Settlement(left, staging.bring(session.repo, session.places, wanted))


def _move_branch(session: Session, parent: str, commit: str, ref: str | None) -> None:
    repo, branch = session.repo, session.branch
    now = gitrefs.at(repo, branch)
    if now not in {parent, commit}:
        short = branch.removeprefix("refs/heads/")
        raise SessionBroken(
            f"{short} is at {(now or 'nothing')[:12]}, not at {parent[:12]}: "
            "somebody committed or reset outside the helper",
            code="branch_moved",
            hint=f"`git update-ref refs/heads/{short} {parent[:12]}` puts it back and keeps the "
            "files as they are; the next command then finishes this one.",
        )
    wanted = [] if now == commit else [gitrefs.RefUpdate(branch, commit, parent)]
    there = None if ref is None else gitrefs.at(repo, ref)
    if ref is not None and there != commit:
        wanted.append(gitrefs.RefUpdate(ref, commit, there))
    if wanted:
        gitrefs.update_refs(repo, wanted, "autoresearch: keep")
    if gitrefs.at(repo, branch) != commit:
        raise SessionBroken(
            f"{branch} should be at {commit[:12]} and is not",
            code="branch_moved",
            hint="Run `autoresearch doctor`.",
        )


def put_back(session: Session, changes: tuple[Change, ...]) -> Settlement:
    """Put the working tree back to the incumbent where it still is what was measured.

    A file that was changed meanwhile is somebody's work: it is left alone and named.
    """
    carried = carry_out(session.walk(), session.repo, put_back_steps(changes))
    wanted = [IndexChange(c.path, _known(c), c.old) for c in changes]
    return Settlement(carried.left, staging.bring(session.repo, session.places, wanted))


def lay_over(session: Session, steps: Iterable[Step]) -> tuple[Left, ...]:
    """Bring paths of the working tree to what is wanted, each only over what is expected."""
    return carry_out(session.walk(), session.repo, tuple(steps)).left


def _known(change: Change) -> frozenset[str]:
    """The object ids that this path may have in the index without being somebody's staged work."""
    return frozenset(entry.oid for entry in (change.old, change.new) if entry is not None)


def tell(session: Session, settled: Settlement) -> None:
    """Have the caller told what settling left alone, where its answer has no place for it."""
    session.news.extend(f"left as it is: {clean_line(path)} {why}" for path, why in settled.left)
    session.news.extend(f"warning: {warning}" for warning in settled.warnings)
