"""What a program under test could change of git's own set-up: config, hooks and info.

Only these are ever put back, and the copy that was found is kept. Everything else below `.git`
is neutralised by how git is called, or compared and swapped (refs).
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core.model import SCHEMA
from autoresearch.edges.files import atomic_write, named_errors, sync_folder
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.stored import Stored

MAX_FILE_BYTES = 4 << 20
_FILES = ("config", "config.worktree")
_FOLDERS = ("hooks", "info")


class Kept(NamedTuple):
    """A file as it was: permissions and bytes; a link by its target."""

    mode: int
    content: bytes


class _Setup(Struct, frozen=True, kw_only=True):
    """What was captured, paths and contents in hexadecimal.

    Attributes:
        roots: git directory and common directory then; none in older files.
    """

    schema: int
    roots: tuple[str, ...] = ()
    files: dict[str, tuple[int, str]]


class PutBack(NamedTuple):
    """What was restored.

    Attributes:
        names: of what differed, as `.git/config`, sorted.
        aside: the folder that holds what was found; None where nothing was there.
    """

    names: tuple[str, ...]
    aside: Path | None


def capture(repo: GitRepo) -> Mapping[Path, Kept]:
    """Config, hooks and info of a repository and of this working tree, as they are now."""
    return {path: kept for path in _listed(repo) if (kept := _read(path)) is not None}


def store(repo: GitRepo, before: Mapping[Path, Kept], file: Path) -> None:
    """Write down durably what was captured, so that whoever comes after a kill can put it back."""
    files = {_hex(path): (kept.mode, kept.content.hex()) for path, kept in before.items()}
    roots = tuple(_hex(root) for root in _roots(repo))
    Stored(file, _Setup).save(_Setup(schema=SCHEMA, roots=roots, files=files))


def stored(repo: GitRepo, file: Path) -> Mapping[Path, Kept] | None:
    """What `store` wrote, at its place now, should the repository have been moved since.

    None when there is nothing, nothing that can be read, or nothing of this repository's.
    """
    try:
        found = Stored(file, _Setup).read()
        here = _roots(repo)
        moved = list(zip(map(_unhex, found.roots) if found.roots else here, here, strict=True))
        return {
            _at_home(_unhex(path), moved): Kept(mode, bytes.fromhex(content))
            for path, (mode, content) in found.files.items()
        }
    except (OSError, ValueError):
        return None


def _roots(repo: GitRepo) -> tuple[Path, Path]:
    """The inner one first, where one lies in the other."""
    return repo.git_dir, repo.common_dir


def _at_home(path: Path, moved: list[tuple[Path, Path]]) -> Path:
    """Where a path is now; raises ValueError for one of another repository."""
    for old, new in moved:
        if path.is_relative_to(old):
            return new / path.relative_to(old)
    raise ValueError(path)


def _hex(path: Path) -> str:
    return os.fsencode(path).hex()


def _unhex(text: str) -> Path:
    return Path(os.fsdecode(bytes.fromhex(text)))


def put_back(repo: GitRepo, before: Mapping[Path, Kept], aside: Path) -> PutBack:
    """Restore what differs from `before`.

    Args:
        repo: whose set-up it is.
        before: from `capture`.
        aside: the folder for what is found; where it is there already, one beside it.
    """
    names: list[str] = []
    folder = None
    # A folder of hooks that became a link, or a file, is mended before what lies in it.
    for tops in (set(_folders(repo)), None):
        now = capture(repo)
        for path in sorted(p for p in {*before, *now} if before.get(p) != now.get(p)):
            if tops is not None and path not in tops:
                continue
            if os.path.lexists(path):
                folder = folder or _fresh(aside)
                _set_aside(path, now.get(path), folder / f"{len(names):03d}-{path.name}")
            _restore(path, before.get(path))
            names.append(f".git/{_name(repo, path)}")
    return PutBack(tuple(sorted(names)), folder)


def _fresh(folder: Path) -> Path:
    """A new folder of that name, or of the first one with a number that is free; durably."""
    number, fresh = 1, folder
    with named_errors(folder):
        while os.path.lexists(fresh):
            number += 1
            fresh = folder.with_name(f"{folder.name}-{number}")
        fresh.mkdir(parents=True, mode=0o700)
        sync_folder(fresh.parent)
        sync_folder(fresh.parent.parent)
    return fresh


def _set_aside(path: Path, kept: Kept | None, target: Path) -> None:
    """Keep what was found; what was too large to be read, or is no file, is moved as it is."""
    if kept is not None:
        atomic_write(target, kept.content, mode=0o600)
        return
    with named_errors(path):
        shutil.move(path, target)


def _restore(path: Path, kept: Kept | None) -> None:
    with named_errors(path):
        if os.path.lexists(path) and (kept is None or path.is_symlink()):
            path.unlink()
        if kept is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(kept.mode):
            path.unlink(missing_ok=True)
            path.symlink_to(os.fsdecode(kept.content))
        else:
            atomic_write(path, kept.content, mode=stat.S_IMODE(kept.mode))


def _name(repo: GitRepo, path: Path) -> str:
    for root in _roots(repo):
        if path.is_relative_to(root):
            return str(path.relative_to(root))
    return str(path)


def _listed(repo: GitRepo) -> Iterator[Path]:
    for root in sorted(set(_roots(repo))):
        yield from (root / name for name in _FILES)
    for folder in _folders(repo):
        yield folder
        if folder.is_dir():
            below = sorted(folder.rglob("*"))
            yield from (path for path in below if not _is_derived(path, folder))


def _folders(repo: GitRepo) -> list[Path]:
    return [root / name for root in sorted(set(_roots(repo))) for name in _FOLDERS]


def _is_derived(path: Path, folder: Path) -> bool:
    """Whether git itself writes it, at every gc: the refs once more, for servers without git."""
    return (
        folder.name == "info"
        and path.parent == folder
        and (path.name == "refs" or path.name.startswith("refs_"))
    )


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
