"""What a program under test could change of git's own set-up: config, hooks and info.

Only these are ever put back, and the copy that was found is kept. Everything else below `.git`
is neutralised by how git is called, or compared and swapped (refs).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import jsonform
from autoresearch.edges.files import atomic_write, named_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autoresearch.edges.gitrepo import GitRepo

MAX_FILE_BYTES = 4 << 20
_FILES = ("config", "config.worktree")
_FOLDERS = ("hooks", "info")


class Kept(NamedTuple):
    """A file as it was: permissions and bytes; a link by its target."""

    mode: int
    content: bytes


def capture(repo: GitRepo) -> Mapping[Path, Kept]:
    """Config, hooks and info of a repository and of this working tree, as they are now."""
    return {path: kept for path in _listed(repo) if (kept := _read(path)) is not None}


def store(before: Mapping[Path, Kept], file: Path) -> None:
    """Write down durably what was captured, so that whoever comes after a kill can put it back."""
    files = {
        os.fsencode(path).hex(): [kept.mode, kept.content.hex()] for path, kept in before.items()
    }
    text = jsonform.dumps({"schema": 1, "files": files})
    atomic_write(file, text.encode("ascii") + b"\n", mode=0o600)


def stored(file: Path) -> Mapping[Path, Kept] | None:
    """What `store` wrote; None when there is nothing, or nothing that can be read."""
    try:
        files = jsonform.loads(file.read_text("ascii")).get("files")
        if not isinstance(files, dict):
            return None
        return {
            Path(os.fsdecode(bytes.fromhex(path))): Kept(int(mode), bytes.fromhex(content))
            for path, (mode, content) in files.items()
        }
    except (OSError, ValueError, TypeError):
        return None


def put_back(repo: GitRepo, before: Mapping[Path, Kept], aside: Path) -> tuple[str, ...]:
    """Restore what differs from `before`; the found copies go to `aside`.

    Returns:
        The paths that differed, relative to the git directory, sorted.
    """
    now = capture(repo)
    changed = sorted(p for p in {*before, *now} if before.get(p) != now.get(p))
    for number, path in enumerate(changed):
        if path in now:
            with named_errors(aside):
                aside.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic_write(aside / f"{number:03d}-{path.name}", now[path].content, mode=0o600)
        _restore(path, before.get(path))
    return tuple(f".git/{_name(repo, path)}" for path in changed)


def _restore(path: Path, kept: Kept | None) -> None:
    with named_errors(path):
        if path.is_symlink() or kept is None:
            path.unlink(missing_ok=True)
        if kept is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(kept.mode):
            path.unlink(missing_ok=True)
            path.symlink_to(os.fsdecode(kept.content))
        else:
            atomic_write(path, kept.content, mode=stat.S_IMODE(kept.mode))


def _name(repo: GitRepo, path: Path) -> str:
    for root in (repo.git_dir, repo.common_dir):
        if path.is_relative_to(root):
            return str(path.relative_to(root))
    return str(path)


def _listed(repo: GitRepo) -> Iterator[Path]:
    for root in sorted({repo.git_dir, repo.common_dir}):
        yield from (root / name for name in _FILES)
        for folder in _FOLDERS:
            if (root / folder).is_dir():
                yield from sorted((root / folder).rglob("*"))


def _read(path: Path) -> Kept | None:
    try:
        st = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(st.st_mode):
        return Kept(st.st_mode, os.fsencode(path.readlink()))
    if not stat.S_ISREG(st.st_mode) or st.st_size > MAX_FILE_BYTES:
        return None
    return Kept(st.st_mode, path.read_bytes())
