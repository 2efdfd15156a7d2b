"""All of a user's repository that a refused command must leave byte for byte as it was."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.harness import Git


def everything(repo: Git) -> dict[str, object]:
    """Working tree, HEAD, refs, index, config, hooks and info of a repository, as bytes.

    Of git's own folder only objects and reflogs are left out: they grow, and nothing is lost by it.
    """
    git_dir = repo.root / ".git"
    if git_dir.is_file():
        git_dir = Path(git_dir.read_text().removeprefix("gitdir: ").strip()).parents[1]
    found: dict[str, object] = {"tree": repo.state()}
    for folder, names, files in os.walk(git_dir):
        if Path(folder) == git_dir:
            names[:] = [name for name in names if name not in {"objects", "logs"}]
        for name in files:
            path = Path(folder) / name
            found[str(path)] = path.read_bytes()
    return found


def left_behind() -> list[str]:
    """What of a session, or of a bench, lies in the state and cache folders: nothing, hopefully."""
    found = []
    for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        for repository in Path(os.environ[variable]).glob("autoresearch*/*"):
            if not repository.is_dir():  # a slash at the pattern's end says so from 3.11 on
                continue
            found += [
                entry.name
                for entry in repository.iterdir()
                if entry.name
                not in {"rehearsal.lock", "running.json", "rehearsed.json", ".output", ".scan"}
            ]
    return sorted(found)


@contextmanager
def untouched(repo: Git) -> Iterator[None]:
    """Fail when the block changes anything of the repository, or leaves state or a bench behind."""
    before, known = everything(repo), left_behind()
    yield
    assert everything(repo) == before
    assert left_behind() == known


def state_of(session: str) -> Path:
    """The state folder of the only session of that name, found without asking the helper."""
    (folder,) = Path(os.environ["XDG_STATE_HOME"]).glob(f"autoresearch/*/{session}")
    return folder


def log_of(session: str = "cheaper") -> list[dict[str, Any]]:
    """The lines of its log."""
    text = (state_of(session) / "log.jsonl").read_text("ascii")
    return [json.loads(line) for line in text.splitlines()]
