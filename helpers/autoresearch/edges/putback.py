"""Changes of the user's working tree: path by path, each only over exactly what is expected.

Used to put the tree back to the incumbent and to lay an earlier candidate over it. Running the
same steps again, after a kill at any point, finishes what was begun.
"""

# Names come in bulk and as git spells them.
# ruff: noqa: PTH106, PTH108

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.snapshot import EXECUTABLE_MODE, LINK_MODE, Obstacle
from autoresearch.edges.files import named_errors, replace_file, replace_link, sync_folder
from autoresearch.edges.gitrepo import object_id
from autoresearch.edges.worktree import with_crlf

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autoresearch.core.snapshot import Entry, Step
    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.edges.worktree import Walk

MEANWHILE = "was changed meanwhile"
BLOCKED = "cannot be written: something else is in its place"
UNKNOWN = "cannot be rebuilt from git because a filter made it"


class Left(NamedTuple):
    """A path that was not touched, and why."""

    path: str
    why: str


class Carried(NamedTuple):
    """What became of the steps: paths as wanted now, and paths left alone; each by path."""

    done: tuple[str, ...]
    left: tuple[Left, ...]


def carry_out(walk: Walk, repo: GitRepo, steps: Sequence[Step]) -> Carried:
    """Bring each path from what is expected there to what is wanted, or leave it and say why.

    Files are replaced in one step and keep nothing of what they replace but the name. Folders
    that are empty afterwards vanish, as they would under git.

    Raises:
        AutoresearchError: when the disk refuses; repeat the steps once it does not.
        GitError: `missing_object` when wanted bytes are not in the repository.
    """
    done: list[str] = []
    left: list[Left] = []
    touched: set[Path] = set()
    wanted = {step.path for step in steps if step.wanted is not None}
    for step in sorted(steps, key=lambda step: step.path, reverse=True):
        if step.wanted is None:
            why = _remove(walk, step, wanted, touched)
            _note(step, why, done, left)
    for step in sorted(steps, key=lambda step: step.path):
        if step.wanted is not None:
            why = _write(walk, repo, step, step.wanted, touched)
            _note(step, why, done, left)
    for folder in touched:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # removed since
            sync_folder(folder)
    return Carried(tuple(sorted(done)), tuple(sorted(left)))


def _note(step: Step, why: str | None, done: list[str], left: list[Left]) -> None:
    if why is None:
        done.append(step.path)
    else:
        left.append(Left(step.path, why))


def _remove(walk: Walk, step: Step, wanted: set[str], touched: set[Path]) -> str | None:
    full = walk.root / step.path
    with named_errors(full):
        _clear_temporary(walk, step.path)
        found = walk.at(step.path)
        if not walk.same(found, None):
            if not walk.same(found, step.expected):
                return MEANWHILE
            os.unlink(full)
            touched.add(full.parent)
        _remove_empty_parents(walk, step.path, wanted)
    return None


def _write(walk: Walk, repo: GitRepo, step: Step, wanted: Entry, touched: set[Path]) -> str | None:
    full = walk.root / step.path
    with named_errors(full):
        _clear_temporary(walk, step.path)
        found = walk.at(step.path)
        if walk.same(found, wanted):
            return None
        if found.obstacle is not Obstacle.SPECIAL and not walk.same(found, step.expected):
            return MEANWHILE  # a FIFO holds nothing that could be lost
        content = _content(repo, step, wanted)
        if content is None:
            return UNKNOWN
        if not _make_way(walk.root, step.path):
            return BLOCKED
        temporary = _temporary(walk.root, step.path)
        if wanted.mode == LINK_MODE:
            replace_link(str(full), content, temporary=temporary)
        else:
            mode = 0o777 if wanted.mode == EXECUTABLE_MODE else 0o666
            replace_file(str(full), content, mode=mode, temporary=temporary)
        touched.add(full.parent)
    return None


def _content(repo: GitRepo, step: Step, wanted: Entry) -> bytes | None:
    """The wanted bytes: a blob's, or those git makes of it where lines end in CR LF."""
    if step.blob is None:
        return None
    stored = repo.blob(step.blob)
    for content in (stored, with_crlf(stored)):
        if object_id(repo.object_format, content) == wanted.oid:
            return content
    return None


def _make_way(root: Path, path: str) -> bool:
    """Make the folders above `path`, and remove empty folders at it; whether it can be written."""
    folder = root
    for part in path.split("/")[:-1]:
        folder /= part
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            return False
    full = root / path
    if full.is_dir() and not full.is_symlink():
        for where, _, _ in os.walk(full, topdown=False):
            if not _remove_if_empty(Path(where)):
                return False
    return True


def _remove_empty_parents(walk: Walk, path: str, wanted: Iterable[str]) -> None:
    """Remove the folders above `path` that are empty now and where nothing is wanted."""
    folder = path.rpartition("/")[0]
    while folder and walk.reaches(folder):
        if any(other.startswith(folder + "/") for other in wanted):
            return
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # gone, or a file now
            if not _remove_if_empty(walk.root / folder):
                return
        folder = folder.rpartition("/")[0]


def _remove_if_empty(folder: Path) -> bool:
    try:
        os.rmdir(folder)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY}:
            return False
        raise
    return True


def _temporary(root: Path, path: str) -> str:
    """Where `path` is written first: always the same name, so that a kill leaves nothing behind."""
    folder, _, name = path.rpartition("/")
    short = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return str(root / folder / f".autoresearch-{short}")


def _clear_temporary(walk: Walk, path: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if walk.reaches(path):
            os.unlink(_temporary(walk.root, path))
