"""The user's working tree: what differs in it, captured once, and changes path by path.

What is judged is what is measured. A path is changed only over exactly what is expected there, to
put the tree back to the incumbent or to lay an earlier candidate over it; running the same steps
again, after a kill at any point, finishes what was begun.
"""

# Names come from scandir in bulk; a Path for each would cost more than the call it makes.
# ruff: noqa: PTH106, PTH108, PTH208

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import NamedTuple, TypeAlias

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.snapshot import (
    EXECUTABLE_MODE,
    GITLINK_MODE,
    LINK_MODE,
    PLAIN_MODE,
    Change,
    Entry,
    Obstacle,
    Snapshot,
    Status,
    Step,
    TreeMap,
)
from autoresearch.edges import gitdiff, statcache
from autoresearch.edges.files import (
    file_error,
    named_errors,
    replace_file,
    replace_link,
    sync_folder,
)
from autoresearch.edges.gitrepo import GitRepo, is_repository, object_id
from autoresearch.edges.statcache import Row, folders_above, mode_of, status_of

Overrides: TypeAlias = "Mapping[str, Entry | None]"
"""What the working tree holds where it rightly differs from git: raw entry, None = nothing."""

MAX_FILE_BYTES = 50 * 1024 * 1024
"""Largest file that an experiment may hold; beyond it only the id is computed."""

_RACY_NS = 1_000_000_000  # a file this young may change again without its times changing
_READ_TRIES = 5
_CHUNK = 1 << 20
_REPLACED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}  # since its status was taken: look again


_MOST_HOLES = 4
"""A file that takes less than this part of its size on the disk is not what git checked out."""


class AtPath(NamedTuple):
    """What lies at a path: raw entry and bytes; both None where there is nothing to store."""

    entry: Entry | None
    content: bytes | None = None
    obstacle: Obstacle | None = None


NOTHING = AtPath(None)


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
        self._tree: TreeMap | None = None
        self._overrides: Overrides = {}
        self._table: dict[str, Row] = {}  # files that hold what is expected, as far as is known
        self._above: set[str] = set()
        self._unsaved: dict[str, Row] = {}

    def differing(self, tree: TreeMap, overrides: Overrides) -> dict[str, AtPath]:
        """What lies at each path that is not as in `tree`, where `overrides` stand for theirs."""
        return self.compare(tree, overrides)[0]

    def compare(self, tree: TreeMap, overrides: Overrides) -> tuple[dict[str, AtPath], list[str]]:
        """As `differing`; and the topmost names that `tree` does not have, ignored ones included.

        What is found to hold what is expected is remembered, for the next command too.
        """
        self._expect(tree, overrides)
        seen = statcache.differences(self._prefix, self._table, self._above, ours=False)
        for path in seen.changed:
            del self._table[path]
        folders: dict[str, bool] = {"": True}
        found: dict[str, AtPath] = {}
        trusted_before = time.time_ns() - _RACY_NS
        for path in [path for path in tree if path not in self._table]:
            if tree[path].mode == GITLINK_MODE:
                st = self._status(path, folders)
                if st is not None and not stat.S_ISDIR(st.st_mode):
                    found[path] = AtPath(None, None, Obstacle.SUBMODULE)
                continue
            here, st = self._look(path, folders)
            if not self.same(here, overrides.get(path, tree[path])):
                found[path] = here
            elif (
                st is not None
                and here.entry == tree[path]
                and path not in overrides
                and max(st.st_mtime_ns, st.st_ctime_ns) < trusted_before
            ):
                self._table[path] = self._unsaved[path] = (status_of(st), tree[path].oid)
        if self._unsaved and statcache.is_worth_saving(self._table, self._unsaved.values()):
            statcache.save(self._cache, self._table)
            self._unsaved = {}
        unknown = [path for path in seen.new if self._is_unknown(path, tree)]
        return found, unknown

    def _expect(self, tree: TreeMap, overrides: Overrides) -> None:
        """Keep of the table what holds under `tree`; the rest is looked at anew."""
        if tree is self._tree and overrides == self._overrides:
            return
        rows = (statcache.load(self._cache) or {}) if self._tree is None else self._table
        self._tree, self._overrides, self._above = tree, overrides, folders_above(tree)
        self._table = {
            path: row
            for path, row in rows.items()
            if (entry := tree.get(path)) is not None
            and row[1] == entry.oid
            and mode_of(row[0][4]) == entry.mode
            and path not in overrides
        }

    def _is_unknown(self, path: str, tree: TreeMap) -> bool:
        """Whether untracked files may lie at a path: also in a folder that replaced a file."""
        if path not in tree:
            return not _is_git(path)
        full = self.root / path
        return tree[path].mode != GITLINK_MODE and full.is_dir() and not full.is_symlink()

    def at(self, path: str) -> AtPath:
        """What lies at `path` now; a folder, or anything behind a link, counts as nothing."""
        return self._look(path, {"": True})[0]

    def reaches(self, path: str) -> bool:
        """Whether all folders above `path` are there and real, no links."""
        return self._in_folder(path, {"": True})

    def same(self, found: AtPath, expected: Entry | None) -> bool:
        """Whether that is what is expected; the executable bit counts only where git counts it."""
        if found.entry is None or expected is None:
            return found.entry is expected and found.obstacle is None
        return found.entry.oid == expected.oid and (
            found.entry.mode == expected.mode or self._alike(found.entry.mode, expected.mode)
        )

    def as_git(self, found: AtPath, mode: str) -> AtPath:
        """What was found, with the tree's mode where git does not go by the disk's."""
        entry = found.entry
        if entry is None or entry.mode == mode or not self._alike(entry.mode, mode):
            return found
        return found._replace(entry=Entry(mode, entry.oid))

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

    def _look(self, path: str, folders: dict[str, bool]) -> tuple[AtPath, os.stat_result | None]:
        """What lies there, read at one instant, and the status it had at that instant."""
        for _ in range(_READ_TRIES):
            st = self._status(path, folders)
            if st is None or stat.S_ISDIR(st.st_mode):
                return NOTHING, None
            if mode_of(st.st_mode) is None:
                return AtPath(None, None, Obstacle.SPECIAL), None
            try:
                tracked = path in (self._tree or {})
                read = _read(self._prefix + path, st, self._repo.object_format, tracked=tracked)
            except PermissionError:
                return AtPath(None, None, Obstacle.UNREADABLE), None
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


def _read(
    path: str, st: os.stat_result, object_format: str, *, tracked: bool
) -> tuple[AtPath, os.stat_result] | None:
    """What a link or file holds, and its status; None when it changed meanwhile.

    One that is too large for a candidate is told by its status, unread: a file of 20 GB with
    nothing in it takes a minute. Git's own may rightly be large, unless most of it is holes.
    """
    if stat.S_ISLNK(st.st_mode):
        target = os.readlink(os.fsencode(path))  # noqa: PTH115  # its text as bytes, as git stores it
        return AtPath(Entry(LINK_MODE, object_id(object_format, target)), target), st
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        mode = mode_of(before.st_mode)
        if mode in {None, LINK_MODE}:
            return None
        holes = before.st_blocks * 512 * _MOST_HOLES < before.st_size
        if before.st_size > MAX_FILE_BYTES and (holes or not tracked):
            unread = object_id(object_format, repr(status_of(before)).encode("ascii"))
            return AtPath(Entry(mode or "", unread), None, Obstacle.TOO_LARGE), before
        oid, content = _hashed(file, before.st_size, object_format)
        after = os.fstat(file.fileno())
    if oid is None or status_of(before) != status_of(after):
        return None
    obstacle = Obstacle.HARD_LINK if after.st_nlink > 1 else None
    if content is None:
        obstacle = Obstacle.TOO_LARGE
    return AtPath(Entry(mode or "", oid), content, obstacle), after


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
    covers: Callable[[str], bool],
    overrides: Overrides,
) -> Snapshot:
    """What differs from the incumbent's tree, each file's bytes read once.

    Untracked files outside the scope are only named. `overrides` are from `find_overrides`, kept up
    to date. Raises `unstable` when a file is being written all the time.
    """
    differing, unknown = walk.compare(tree, overrides)
    changes = [
        _change(
            repo,
            path,
            tree[path],
            overrides.get(path, tree[path]),
            walk.as_git(found, tree[path].mode),
        )
        for path, found in differing.items()
    ]
    outside = []
    for path in untracked(repo, tree, unknown):
        name = path.rstrip("/")
        if not covers(name):
            outside.append(path)
        else:
            found = AtPath(None, None, Obstacle.NESTED)
            if name == path:
                found = walk.as_git(walk.at(path), PLAIN_MODE)
            if found != NOTHING:
                changes.append(_added(path.rstrip("/"), found))
    changes.sort(key=lambda change: change.path)
    return Snapshot(changes=tuple(changes), outside=tuple(outside))


def untracked(repo: GitRepo, tree: TreeMap, unknown: Sequence[str] | None = None) -> list[str]:
    """Files that are neither in `tree` nor ignored, sorted; a nested repository ends in `/`.

    `unknown` holds the topmost names that `tree` does not have, where they are known.
    """
    prefix = f"{repo.toplevel}/"
    if unknown is None:
        names = statcache.differences(prefix, {}, folders_above(tree), ours=False).new
        unknown = [name for name in names if name not in tree and not _is_git(name)]
    found: list[str] = []
    while unknown:
        left_out = gitdiff.ignored(repo, unknown)
        deeper: list[str] = []
        for path in unknown:
            # What may not be looked at, or is gone again, is nobody's candidate.
            with contextlib.suppress(OSError):
                if path not in left_out:
                    _sort_untracked(prefix, path, found, deeper)
        unknown = deeper
    return sorted(found)


def _is_git(path: str) -> bool:
    """Whether a path is that of a repository's own files, at any depth."""
    return path.rpartition("/")[2] == ".git"


def _sort_untracked(prefix: str, path: str, found: list[str], deeper: list[str]) -> None:
    """Add an untracked file to `found`, and what a folder holds to `deeper`."""
    mode = os.lstat(prefix + path).st_mode
    if stat.S_ISREG(mode) or stat.S_ISLNK(mode):
        found.append(path)
    elif stat.S_ISDIR(mode) and is_repository(prefix + path):
        found.append(f"{path}/")
    elif stat.S_ISDIR(mode):
        deeper += [f"{path}/{name}" for name in os.listdir(prefix + path) if not _is_git(name)]


def find_overrides(walk: Walk, repo: GitRepo, tree: TreeMap) -> dict[str, Entry | None]:
    """Where the working tree rightly differs from git: line endings, filters, sparse checkout.

    To be run when a session starts, for it trusts git's own idea of clean: paths that git takes
    for edited are left out.
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


def _change(repo: GitRepo, path: str, old: Entry, before: Entry | None, found: AtPath) -> Change:
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


def _added(path: str, found: AtPath) -> Change:
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
    that are empty afterwards vanish, as they would under git. Where the disk refuses, the steps can
    be repeated. Raises GitError `missing_object` when wanted bytes are not in the repository.
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
