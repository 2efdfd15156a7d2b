"""Lock files that a killed git left: named, and set aside once no git is at work any more.

Git removes its locks when it ends, but not when it is killed or the machine stops. What is left
keeps every later git out, so whoever tidies up after a kill does what git's own message asks of a
human: makes sure that no git works in the repository, then takes the lock away.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.edges import stored
from autoresearch.edges.processes import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.edges.gitrepo import GitRepo

_PROC = Path("/proc")

PATIENCE_S = 5.0
"""A git whose helper was killed works on to its own end; so long it is waited for."""

_LOOK_S = 0.02


def locks_of(repo: GitRepo, session: str, branch: str) -> Iterator[Path]:
    """The lock files in the way of HEAD, index, branch and a session's own refs.

    Args:
        repo: the working tree's repository.
        session: its name.
        branch: full name of its branch.
    """
    for path in (
        repo.git_dir / "index.lock",
        repo.git_dir / "HEAD.lock",
        repo.common_dir / "packed-refs.lock",
        repo.common_dir / "packed-refs.new",
        repo.common_dir / f"{branch}.lock",
    ):
        if path.exists():
            yield path
    yield from sorted((repo.common_dir / "refs/autoresearch" / session).rglob("*.lock"))


def outlived(repo: GitRepo, session: str, branch: str) -> list[Path]:
    """The lock files that are there once no git is at work, or after five seconds."""
    until = time.monotonic() + PATIENCE_S
    while True:
        locks = list(locks_of(repo, session, branch))
        if not locks or time.monotonic() > until or not is_git_at_work(repo):
            return locks
        time.sleep(_LOOK_S)


def set_aside(repo: GitRepo, locks: list[Path], folder: Path) -> tuple[Path, ...]:
    """Move locks that nobody holds into a folder; the ones that were moved.

    Nothing is moved while any git works in the repository, or where that cannot be told.
    """
    if not locks or is_git_at_work(repo) or any(map(_is_open, locks)):
        return ()
    for path in locks:
        stored.set_aside(path, folder / path.name)
    return tuple(locks)


def is_git_at_work(repo: GitRepo) -> bool:
    """Whether a git that this process did not start may be working in the repository.

    One of another user's, of which nothing is told, may.
    """
    places = {repo.toplevel, repo.git_dir, repo.common_dir}
    return any(
        (process.name == "git" or process.name.startswith("git-"))
        and process.parent != os.getpid()
        and _is_in(pid, places)
        for pid, process in processes().items()
    )


def _is_in(pid: int, places: set[Path]) -> bool:
    """Whether a process works in one of the places, or was told of one."""
    if not _PROC.joinpath("self/cwd").exists():  # pragma: no cover - Linux has it
        return True
    folder = _PROC / str(pid)
    try:
        here = Path(os.fsdecode((folder / "cwd").readlink()))
        told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
        return False
    except OSError:
        return True
    return any(here.is_relative_to(place) or os.fsencode(place) in told for place in places)


def _is_open(path: Path) -> bool:
    """Whether a process of this user's holds the file open; False where that is not told."""
    for process in _PROC.glob("[0-9]*"):
        descriptors: list[Path] = []
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            descriptors = list((process / "fd").iterdir())
        for descriptor in descriptors:
            with contextlib.suppress(OSError):  # closed meanwhile
                if descriptor.readlink() == path:
                    return True
    return False
