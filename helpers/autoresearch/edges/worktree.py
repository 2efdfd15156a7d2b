"""What differs in the user's working tree, captured once: what is judged is what is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.snapshot import Change, Entry, Obstacle, Snapshot, Status
from autoresearch.edges import gitdiff
from autoresearch.edges.gitrepo import object_id
from autoresearch.edges.gitwrite import index_of, untracked
from autoresearch.edges.walk import NOTHING, Found

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from autoresearch.core.snapshot import TreeMap
    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.edges.walk import Overrides, Walk


def take_snapshot(
    walk: Walk,
    repo: GitRepo,
    tree: TreeMap,
    *,
    tree_oid: str,
    covers: Callable[[str], bool],
    overrides: Overrides,
    indexes: Path,
) -> Snapshot:
    """What differs from the incumbent, each file's bytes read once.

    Args:
        walk: of the same repository.
        repo: the repository.
        tree: the incumbent's tree, as `repo.tree` gives it.
        tree_oid: its id.
        covers: whether a path is inside the scope; untracked files elsewhere are only named.
        overrides: from `find_overrides`, kept up to date.
        indexes: a folder of ours for private indexes.

    Raises:
        AutoresearchError: `unstable` when a file is being written all the time.
    """
    differing = walk.differing(tree, overrides)
    changes = [
        _change(repo, path, tree[path], overrides.get(path, tree[path]), found)
        for path, found in differing.items()
    ]
    outside = []
    for path in untracked(repo, index_of(repo, tree_oid, indexes)):
        name = path.rstrip("/")
        if not covers(name):
            outside.append(path)
        elif name in tree:
            continue  # known to the walk already: a submodule, or a folder in a file's place
        else:
            found = Found(None, None, Obstacle.NESTED) if name != path else walk.at(path)
            if found != NOTHING:
                changes.append(_added(path.rstrip("/"), found))
    changes.sort(key=lambda change: change.path)
    return Snapshot(changes=tuple(changes), outside=tuple(outside))


def find_overrides(walk: Walk, repo: GitRepo, tree: TreeMap) -> dict[str, Entry | None]:
    """Where the working tree rightly differs from git: line endings, filters, sparse checkout.

    To be run when a session starts, for it trusts git's own idea of clean: paths that git takes
    for edited are left out.

    Raises:
        AutoresearchError: when a tracked file cannot be read.
    """
    differing = walk.differing(tree, {})
    if not differing:
        return {}
    edited = set(gitdiff.edited(repo))
    return {
        path: found.entry
        for path, found in differing.items()
        if path not in edited and found.obstacle in {None, Obstacle.HARD_LINK, Obstacle.TOO_LARGE}
    }


def with_crlf(content: bytes) -> bytes:
    """The bytes git writes for text whose lines are to end in CR LF."""
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _change(repo: GitRepo, path: str, old: Entry, before: Entry | None, found: Found) -> Change:
    new, content, obstacle = found.entry, found.content, found.obstacle
    if obstacle is None and before != old:
        if not _is_line_endings(repo, old, before):
            obstacle = Obstacle.FILTERED
        elif new is not None and content is not None:
            content = content.replace(b"\r\n", b"\n")
            new = Entry(new.mode, object_id(repo.object_format, content))
    if obstacle is not None:
        new, content = None, None
    if found.entry is not None:
        alike = found.entry.mode[:3] == old.mode[:3]
        status = Status.MODIFIED if alike else Status.TYPE_CHANGED
    else:
        status = Status.DELETED if found.obstacle is None else Status.TYPE_CHANGED
    return Change(
        path=path, status=status, old=old, new=new, content=content, before=before,
        found=found.entry, obstacle=obstacle,
    )  # fmt: skip


def _is_line_endings(repo: GitRepo, old: Entry, before: Entry | None) -> bool:
    """Whether git checked the file out as it is stored, but for line endings."""
    if before is None:
        return False
    return object_id(repo.object_format, with_crlf(repo.blob(old.oid))) == before.oid


def _added(path: str, found: Found) -> Change:
    fine = found.obstacle is None
    return Change(
        path=path,
        status=Status.ADDED,
        old=None,
        new=found.entry if fine else None,
        content=found.content if fine else None,
        before=None,
        found=found.entry,
        obstacle=found.obstacle,
    )
