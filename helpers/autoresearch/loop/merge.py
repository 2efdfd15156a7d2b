"""Lays the change between two commits over a third: what `apply`, `undo` and ablation need."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import GitError
from autoresearch.core.snapshot import LINK_MODE, Entry, TreeMap
from autoresearch.edges.gitwrite import write_blobs

if TYPE_CHECKING:
    from autoresearch.core.history import Tried
    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.loop.session import Session

_MOST_CONFLICTS = 127
"""`git merge-file` exits with the number of conflicts up to here; beyond, it failed."""


class Merged(NamedTuple):
    """The new entry of each path that changes; paths whose edits collide hold both versions."""

    changes: dict[str, Entry | None]
    conflicts: tuple[str, ...]


def merge_change(repo: GitRepo, base: TreeMap, theirs: TreeMap, ours: TreeMap) -> Merged:
    """Lay the change from `base` to `theirs` over `ours`: by lines where both edit a path."""
    changes: dict[str, Entry | None] = {}
    conflicts = []
    for path in sorted({*base, *theirs}):
        old, new, here = base.get(path), theirs.get(path), ours.get(path)
        if new in (old, here):
            continue
        if here == old:
            changes[path] = new
            continue
        merged = _merged_file(repo, old, new, here)
        if merged is None:
            conflicts.append(path)
        else:
            changes[path], collided = merged
            if collided:
                conflicts.append(path)
    return Merged(changes, tuple(conflicts))


def leave_out(session: Session, tried: Tried) -> Merged:
    """The changes to the incumbent's tree that take a kept experiment out of it."""
    ours = session.best
    before, after = session.tree(tried.parent), session.tree(tried.commit)
    return merge_change(session.repo, after, before, ours)


def _merged_file(
    repo: GitRepo, old: Entry | None, new: Entry | None, here: Entry | None
) -> tuple[Entry, bool] | None:
    """The file with both edits, and whether they collide; None where no lines can be merged."""
    if old is None or new is None or here is None or LINK_MODE in {old.mode, new.mode, here.mode}:
        return None
    with tempfile.TemporaryDirectory(prefix="autoresearch-") as folder:
        names = []
        for name, entry in (("incumbent", here), ("base", old), ("experiment", new)):
            path = Path(folder) / name
            path.write_bytes(repo.blob(entry.oid))
            names.append(str(path))
        labels = ("-L", "incumbent", "-L", "base", "-L", "experiment")
        done = repo.run("merge-file", "-p", *labels, *names, check=False)
    if not 0 <= done.code <= _MOST_CONFLICTS:
        if b"\0" in done.out or "binary" in done.err:
            return None
        raise GitError(f"git merge-file failed: {done.err.strip()}", hint="Merge it by hand.")
    oid = write_blobs(repo, [done.out])[0]
    mode = new.mode if old.mode != new.mode else here.mode
    return Entry(mode, oid), done.code > 0
