"""What differs in the user's working tree, captured once: what is judged is what is measured."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.snapshot import (
    GITLINK_MODE,
    LINK_MODE,
    Change,
    Entry,
    Obstacle,
    Snapshot,
    Status,
)
from autoresearch.edges import gitdiff, statcache
from autoresearch.edges.files import file_error
from autoresearch.edges.gitrepo import object_id
from autoresearch.edges.gitwrite import index_of, untracked
from autoresearch.edges.statcache import mode_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from io import FileIO
    from pathlib import Path
    from typing import TypeAlias

    from autoresearch.core.snapshot import TreeMap
    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.edges.statcache import Row


Overrides: TypeAlias = "Mapping[str, Entry | None]"
"""What the working tree holds where it rightly differs from git: raw entry, None = nothing."""

MAX_FILE_BYTES = 50 * 1024 * 1024
"""Largest file that an experiment may hold; beyond it only the id is computed."""

_RACY_NS = 1_000_000_000  # a file this young may change again without its times changing
_READ_TRIES = 5
_CHUNK = 1 << 20
_REPLACED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}  # since its status was taken: look again


class Found(NamedTuple):
    """What lies at a path: raw entry and bytes; both None where there is nothing to store."""

    entry: Entry | None
    content: bytes | None = None
    obstacle: Obstacle | None = None


NOTHING = Found(None)


class Walk:
    """Compares a working tree with trees of git's, byte for byte.

    Attributes:
        root: of the working tree.
    """

    def __init__(self, repo: GitRepo, cache: Path) -> None:
        self.root = repo.toplevel
        self._repo = repo
        self._cache = cache
        self._prefix = f"{repo.toplevel}/"
        self._exec_counts: bool | None = None

    def differing(self, tree: TreeMap, overrides: Overrides) -> dict[str, Found]:
        """What lies at each path that is not as in `tree`, where `overrides` stand for theirs.

        Raises:
            AutoresearchError: `unstable` when a file is being written all the time.
        """
        known = statcache.load(self._cache) or {}
        folders: dict[str, bool] = {"": True}
        fresh, rest = self._as_known(tree, known, overrides, folders)
        found: dict[str, Found] = {}
        trusted_before = time.time_ns() - _RACY_NS
        for path in rest:
            if tree[path].mode == GITLINK_MODE:
                st = self._status(path, folders)
                if st is not None and not stat.S_ISDIR(st.st_mode):
                    found[path] = Found(None, None, Obstacle.SUBMODULE)
                continue
            here, st = self._look(path, folders)
            if here.entry is not None and st is not None:
                status = status_of(st)
                if max(st.st_mtime_ns, st.st_ctime_ns) < trusted_before:
                    fresh[path] = (status, here.entry.oid)
            if not self.same(here, overrides.get(path, tree[path])):
                found[path] = here
        if fresh != known:
            statcache.save(self._cache, fresh)
        return found

    def _as_known(
        self, tree: TreeMap, known: dict[str, Row], overrides: Overrides, folders: dict[str, bool]
    ) -> tuple[dict[str, Row], list[str]]:
        """Rows of the files that are as when they held what is expected; and the other paths.

        Every file of the tree passes here, so it is written for speed.
        """
        fresh: dict[str, Row] = {}
        rest: list[str] = []
        last, descriptor = "", _open_folder(self._prefix)
        for path, entry in tree.items():
            row = known.get(path)
            if row is None or row[1] != entry.oid or path in overrides:
                rest.append(path)
                continue
            folder, _, name = path.rpartition("/")
            if folder != last:
                # Through an open folder a status is looked up by its last name alone.
                os.close(descriptor)
                usable = self._in_folder(path, folders)
                last, descriptor = folder, _open_folder(self._prefix + folder if usable else "")
            try:
                st = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError:
                rest.append(path)
                continue
            status = (st.st_size, st.st_ino, st.st_mtime_ns, st.st_ctime_ns, st.st_mode)
            if row[0] == status and mode_of(st.st_mode) == entry.mode:
                fresh[path] = row
            else:
                rest.append(path)
        os.close(descriptor)
        return fresh, rest

    def at(self, path: str) -> Found:
        """What lies at `path` now; a folder, or anything behind a link, counts as nothing.

        Raises:
            AutoresearchError: `unstable` when it is being written all the time.
        """
        return self._look(path, {"": True})[0]

    def reaches(self, path: str) -> bool:
        """Whether all folders above `path` are there and real, no links."""
        return self._in_folder(path, {"": True})

    def same(self, found: Found, expected: Entry | None) -> bool:
        """Whether that is what is expected; the executable bit counts only where git counts it."""
        if found.entry is None or expected is None:
            return found.entry is expected and found.obstacle is None
        return found.entry.oid == expected.oid and (
            found.entry.mode == expected.mode or self._alike(found.entry.mode, expected.mode)
        )

    def _alike(self, mode: str, other: str) -> bool:
        """Whether two modes differ by an executable bit that means nothing in this repository."""
        if LINK_MODE in {mode, other}:
            return False
        if self._exec_counts is None:
            self._exec_counts = self._repo.flag("core.fileMode", default=True)
        return not self._exec_counts

    def _in_folder(self, path: str, known: dict[str, bool]) -> bool:
        folder = path.rpartition("/")[0]
        real = known.get(folder)
        if real is None:
            real = self._in_folder(folder, known)
            if real:
                try:
                    real = stat.S_ISDIR(os.lstat(self._prefix + folder).st_mode)
                except (FileNotFoundError, NotADirectoryError):
                    real = False
            known[folder] = real
        return real

    def _status(self, path: str, folders: dict[str, bool]) -> os.stat_result | None:
        if not self._in_folder(path, folders):
            return None
        try:
            return os.lstat(self._prefix + path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _look(self, path: str, folders: dict[str, bool]) -> tuple[Found, os.stat_result | None]:
        """What lies there, read at one instant, and the status it had at that instant."""
        for _ in range(_READ_TRIES):
            st = self._status(path, folders)
            if st is None or stat.S_ISDIR(st.st_mode):
                return NOTHING, None
            if mode_of(st.st_mode) is None:
                return Found(None, None, Obstacle.SPECIAL), None
            try:
                read = _read(self._prefix + path, st, self._repo.object_format)
            except PermissionError:
                return Found(None, None, Obstacle.UNREADABLE), None
            except OSError as error:
                if error.errno not in _REPLACED:
                    raise file_error(error, self._prefix + path) from error
            else:
                if read is not None:
                    return read
        raise AutoresearchError(
            f"{path!r} changed while it was read",
            code="unstable",
            hint="Stop the program that writes to it, then repeat the command.",
        )


def _open_folder(folder: str) -> int:
    """A folder to look names up in; something without names where it cannot be opened."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    if folder:
        with contextlib.suppress(OSError):  # gone or forbidden: the slower look says which
            return os.open(folder.rstrip("/"), flags)
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _read(path: str, st: os.stat_result, object_format: str) -> tuple[Found, os.stat_result] | None:
    """What a link or file holds, and its status; None when it changed meanwhile."""
    if stat.S_ISLNK(st.st_mode):
        target = os.readlink(os.fsencode(path))  # noqa: PTH115  # its text as bytes, as git stores it
        return Found(Entry(LINK_MODE, object_id(object_format, target)), target), st
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        mode = mode_of(before.st_mode)
        if mode in {None, LINK_MODE}:
            return None
        oid, content = _hashed(file, before.st_size, object_format)
        after = os.fstat(file.fileno())
    if oid is None or status_of(before) != status_of(after):
        return None
    obstacle = Obstacle.HARD_LINK if after.st_nlink > 1 else None
    if content is None:
        obstacle = Obstacle.TOO_LARGE
    return Found(Entry(mode or "", oid), content, obstacle), after


def _hashed(file: FileIO, size: int, object_format: str) -> tuple[str | None, bytes | None]:
    """(id, bytes); no id when there are not exactly `size` bytes, no bytes when there are many."""
    digest = hashlib.new(object_format, usedforsecurity=False)
    digest.update(b"blob %d\0" % size)
    small = size <= MAX_FILE_BYTES
    parts, length = [], 0
    while length <= size and (part := file.read(_CHUNK)):
        digest.update(part)
        length += len(part)
        if small:
            parts.append(part)
    return digest.hexdigest() if length == size else None, b"".join(parts) if small else None


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
