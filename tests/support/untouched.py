"""All of a user's repository that a refused command must leave byte for byte as it was."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.harness import Git


def everything(repo: Git) -> dict[str, object]:
    """Working tree, HEAD, refs, index, config and exclude of a repository, as bytes."""
    git_dir = repo.root / repo("rev-parse", "--absolute-git-dir")
    common = (repo.root / repo("rev-parse", "--git-common-dir")).resolve()
    names = (
        git_dir / "HEAD",
        git_dir / "index",
        common / "config",
        common / "info" / "exclude",
    )
    found: dict[str, object] = {
        str(name): name.read_bytes() if name.exists() else None for name in names
    }
    found["tree"] = repo.state()
    found["refs"] = repo("for-each-ref", "--format=%(refname) %(objectname) %(symref)")
    found["worktrees"] = repo("worktree", "list", "--porcelain")
    return found


def left_behind() -> list[str]:
    """What of a session, or of a bench, lies in the state and cache folders: nothing, hopefully."""
    found = []
    for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        for repository in Path(os.environ[variable]).glob("autoresearch/*/"):
            found += [
                entry.name
                for entry in repository.iterdir()
                if entry.name not in {"rehearsal.lock", ".output"}
            ]
    return sorted(found)


@contextmanager
def untouched(repo: Git) -> Iterator[None]:
    """Fail when the block changes anything of the repository, or leaves state or a bench behind."""
    before, known = everything(repo), left_behind()
    yield
    assert everything(repo) == before
    assert left_behind() == known
