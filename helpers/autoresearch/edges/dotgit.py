"""What a program under test could change of git's own set-up: config, hooks and info.

Only these are ever put back, and the copy that was found is kept. Everything else below `.git`
is neutralised by how git is called, or compared and swapped (refs).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core.model import SCHEMA
from autoresearch.edges.files import atomic_write, named_errors, sync_folder
from autoresearch.edges.gitrepo import GitRepo, to_text
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


_REDIRECTING = re.compile(rb"(?i)include|promisor|partialclone")
_FETCHED_FROM = re.compile(
    r"(?i)(include(if\..*)?\.path|extensions\.partialclone|remote\..*\.promisor)"
)
_FETCHED_BY = re.compile(
    r"(?i)(remote\..*\.(url|uploadpack|vcs)|core\.sshcommand|url\..*\.insteadof)"
)


def redirections(repo: GitRepo, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Settings by which git reads what lies elsewhere, or runs a program to get it; sorted.

    Files that are included, with what they hold; stores of objects that are borrowed from; remotes
    that missing objects are fetched from (partial clones), with the programs that do so.
    """
    files = [root / name for root in sorted(set(_roots(repo))) for name in _FILES]
    home, settings = environ.get("HOME", "/"), environ.get("XDG_CONFIG_HOME", "")
    shared = [Path(home, ".gitconfig"), Path(settings or f"{home}/.config", "git/config")]
    found = [f"objects/info/alternates={store}" for store in _borrowed(repo.common_dir / "objects")]
    for file in (*files, *shared):
        content = _text(file)
        if _REDIRECTING.search(content) is None:
            continue
        done = repo.run("config", "--file", str(file), "--list", "-z", check=False)
        pairs = [one.partition("\n") for one in to_text(done.out).split("\0")[:-1]]
        chosen = [(name, value) for name, _, value in pairs if _FETCHED_FROM.fullmatch(name)]
        if file in shared:
            chosen = [pair for pair in chosen if not pair[0].startswith("include")]
        if any(not name.startswith("include") for name, _ in chosen):
            chosen += [(name, value) for name, _, value in pairs if _FETCHED_BY.fullmatch(name)]
        found += [f"{name}={value}{_held(file, name, value)}" for name, value in chosen]
    return tuple(sorted(found))


def _held(file: Path, name: str, value: str) -> str:
    """What an included file holds, as a few digits."""
    if not name.startswith("include"):
        return ""
    held = _text(file.parent / Path(value).expanduser())
    return f" ({hashlib.sha256(held).hexdigest()[:12]})"


def _borrowed(objects: Path) -> list[str]:
    """Other stores that hold objects: git takes what this one lacks from there."""
    lines = os.fsdecode(_text(objects / "info" / "alternates")).splitlines()
    stores = [(line, objects / line) for line in lines if line and not line.startswith("#")]
    return [
        line
        for line, store in stores
        if any(store.glob("pack/*.pack")) or any(store.glob("[0-9a-f][0-9a-f]/*"))
    ]


def _text(file: Path) -> bytes:
    try:
        return file.read_bytes() if file.is_file() else b""
    except OSError:
        return b""


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
