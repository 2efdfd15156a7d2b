"""Makes a verdict true: the branch moves to what is kept, the tree goes back from what is not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core.errors import GitError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import Tried
from autoresearch.core.model import SCHEMA
from autoresearch.core.records import Epoch
from autoresearch.core.snapshot import (
    GITLINK_MODE,
    LINK_MODE,
    Change,
    Entry,
    Status,
    Step,
    TreeMap,
    differing_paths,
    put_back_steps,
)
from autoresearch.core.steps import Action
from autoresearch.edges import gitrefs
from autoresearch.edges.files import atomic_write, file_error, named_errors
from autoresearch.edges.gitrepo import GitRepo, object_id
from autoresearch.edges.gitwrite import IndexChange, outdated, sync_index, write_blobs
from autoresearch.edges.places import Places
from autoresearch.edges.stored import Stored
from autoresearch.edges.worktree import Left, carry_out, with_crlf
from autoresearch.loop import logbook
from autoresearch.loop.session import (
    CHECKS_FILE,
    CONTRACT_FILE,
    Session,
    frozen_contract,
    with_checks,
    write_session_file,
)

_Ids = dict[str, frozenset[str]]
"""Path -> the object ids that it may have in the index without being somebody's staged work."""


class Behind(Struct, frozen=True, kw_only=True):
    """The paths whose entries could not be set, each with the object ids that it may have."""

    schema: int
    paths: tuple[tuple[str, tuple[str, ...]], ...]


def set_index(repo: GitRepo, places: Places, changes: Sequence[IndexChange]) -> tuple[str, ...]:
    """Set entries of the user's index now or at a later command; warnings."""
    known = _remembered(places)
    wanted = [c._replace(expected=c.expected | known.get(c.path, frozenset())) for c in changes]
    synced = sync_index(repo, wanted)
    later = {path: ids for path, ids in known.items() if path not in {c.path for c in changes}}
    if synced.warning is not None:
        later |= {c.path: c.expected for c in wanted if c.path not in synced.left}
    _remember(places, later, known)
    warnings = [] if synced.warning is None else [f"{synced.warning}; a later command does it"]
    if synced.left:
        warnings.append(
            f"staged otherwise, left as it is: {clean_line(', '.join(synced.left[:5]))}"
        )
    return tuple(warnings)


def catch_up(session: Session) -> list[str]:
    """Set the entries that an earlier command could not set; what was done, in lines."""
    changes = _changes(session)
    if not changes:
        return []
    late = outdated(session.repo, changes).wanted
    warnings = set_index(session.repo, session.places, changes)
    if warnings or not late:
        return [f"warning: {warning}" for warning in warnings]
    named = clean_line(", ".join(change.path for change in late[:5]))
    return [f"git's index was behind, for its lock was held; up to date now: {named}"]


def behind(session: Session) -> tuple[str, ...]:
    """The paths that are still staged as an earlier incumbent had them; nothing is changed."""
    return tuple(change.path for change in outdated(session.repo, _changes(session)).wanted)


def _changes(session: Session) -> list[IndexChange]:
    """What is remembered, as changes to the incumbent; none while HEAD is elsewhere."""
    known = _remembered(session.places)
    if not known:
        return []
    head, incumbent = gitrefs.head(session.repo), session.progress.incumbent_commit
    if (head.branch, head.commit) != (session.branch, incumbent):
        return []
    tree = session.tree(incumbent)
    return [IndexChange(path, ids, tree.get(path)) for path, ids in sorted(known.items())]


def _remembered(places: Places) -> _Ids:
    try:
        found = Stored(places.index_behind, Behind).read()
    except (FileNotFoundError, ValueError):  # damaged from outside: nobody's entry is touched
        return {}
    except OSError as error:
        raise file_error(error, places.index_behind) from error
    return {path: frozenset(ids) for path, ids in found.paths}


def _remember(places: Places, known: _Ids, before: Mapping[str, frozenset[str]]) -> None:
    path = places.index_behind
    if not known:
        with named_errors(path):
            path.unlink(missing_ok=True)
    elif known != before:
        paths = tuple((name, tuple(sorted(ids))) for name, ids in sorted(known.items()))
        Stored(path, Behind).save(Behind(schema=SCHEMA, paths=paths))


class Settlement(NamedTuple):
    """What settling did beside the branch: paths left alone, and what to tell."""

    left: tuple[Left, ...]
    warnings: tuple[str, ...]


def changes_between(session: Session, parent: TreeMap, candidate: TreeMap) -> tuple[Change, ...]:
    """The paths that differ between two trees, as they look in this working tree."""
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

    `ref` is another one to be pointed at `commit` in the same step. Repeating it is harmless.
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
        short = session.short_branch
        return Settlement(left, (f"HEAD left {short} meanwhile; the index is not touched",))
    wanted = [IndexChange(c.path, _known(c), c.new) for c in changes]
    return Settlement(left, set_index(session.repo, session.places, wanted))


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
    return Settlement(carried.left, set_index(session.repo, session.places, wanted))


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


def adopt_contract(session: Session, parent: str, commit: str, epoch: Epoch) -> None:
    """Move the branch, freeze the new contract, log the epoch; repeating it is harmless."""
    trees = session.tree(parent), session.tree(commit)
    changes = changes_between(session, *trees)
    tell(session, keep(session, parent=parent, commit=commit, changes=changes))
    text = session.repo.blob(trees[1][CONTRACT_FILE].oid)
    atomic_write(session.places.contract, text, mode=0o600)
    bare = frozen_contract(session.places, checks_guard=False)
    checks = bare.guard is None and CHECKS_FILE in trees[1]
    session.file = replace(session.file, checks_guard=checks)
    write_session_file(session.places, session.file)
    session.contract = with_checks(bare, checks_guard=checks)
    if session.progress.epoch_number < epoch.number:
        logbook.record(session, epoch)
    logbook.publish(session)
    session.journal.clear()


def finish_amend(session: Session, action: Action) -> str:
    """Finish an interrupted `amend` from its journal; what was done, in one line."""
    epoch = action.record(Epoch, "epoch")
    adopt_contract(session, action.value("parent") or "", action.value("commit") or "", epoch)
    return f"the amendment of epoch {epoch.number} was interrupted and is now finished"


_MOST_CONFLICTS = 127
"""`git merge-file` exits with the number of conflicts up to here; beyond, it failed."""


class Merged(NamedTuple):
    """The new entry of each path that changes; paths whose edits collide hold both versions."""

    changes: dict[str, Entry | None]
    conflicts: tuple[str, ...]


def merge_change(
    repo: GitRepo, base: TreeMap, theirs: TreeMap, ours: TreeMap, name: str = "experiment"
) -> Merged:
    """Lay the change from `base` to `theirs` over `ours`: by lines where both edit a path.

    `name` is what the marks of a collision call the other side.
    """
    changes: dict[str, Entry | None] = {}
    conflicts = []
    for path in sorted({*base, *theirs}):
        old, new, here = base.get(path), theirs.get(path), ours.get(path)
        if new in (old, here):
            continue
        if here == old:
            changes[path] = new
            continue
        merged = _merged_file(repo, old, new, here, name)
        if merged is None:
            conflicts.append(path)
        else:
            changes[path], collided = merged
            if collided:
                conflicts.append(path)
    return Merged(changes, tuple(conflicts))


def leave_out(session: Session, tried: Tried) -> Merged:
    """The changes to the incumbent's tree that take a kept experiment out of it."""
    ours = session.incumbent_tree
    before, after = session.tree(tried.parent), session.tree(tried.commit)
    return merge_change(session.repo, after, before, ours)


def _merged_file(
    repo: GitRepo, old: Entry | None, new: Entry | None, here: Entry | None, named: str
) -> tuple[Entry, bool] | None:
    """The file with both edits, and whether they collide; None where no lines can be merged."""
    if old is None or new is None or here is None:
        return None
    if {LINK_MODE, GITLINK_MODE} & {old.mode, new.mode, here.mode}:
        return None
    with tempfile.TemporaryDirectory(prefix="autoresearch-") as folder:
        names = []
        for name, entry in (("incumbent", here), ("base", old), ("experiment", new)):
            path = Path(folder) / name
            path.write_bytes(repo.blob(entry.oid))
            names.append(str(path))
        labels = ("-L", "incumbent", "-L", "base", "-L", named)
        done = repo.run("merge-file", "-p", *labels, *names, check=False)
    if not 0 <= done.code <= _MOST_CONFLICTS:
        if b"\0" in done.out or "binary" in done.err:
            return None
        raise GitError(f"git merge-file failed: {done.err.strip()}", hint="Merge it by hand.")
    oid = write_blobs(repo, [done.out])[0]
    mode = new.mode if old.mode != new.mode else here.mode
    return Entry(mode, oid), done.code > 0
