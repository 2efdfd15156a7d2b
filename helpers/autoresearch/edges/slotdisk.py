"""What a bench slot does on disk: compare with a table, write single files, record what lies there.

Nothing here follows a link. Every folder that is entered is first made readable and writable for
its owner, whatever a sample did to it.
"""

# Names come from scandir in bulk; a Path for each would cost more than the call it makes.
# ruff: noqa: PTH101, PTH103, PTH114, PTH115, PTH120, PTH208, PTH211

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.snapshot import EXECUTABLE_MODE, LINK_MODE
from autoresearch.edges.files import remove_tree, replace_link
from autoresearch.edges.statcache import status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from autoresearch.core.snapshot import Entry
    from autoresearch.edges.statcache import Row, StatusKey

_SECOND_NS = 1_000_000_000
_FOLDER = (0, 0, 0, 0, 0)  # status of a sealed folder: only that it is there matters


class Differences(NamedTuple):
    """A folder against its table.

    Attributes:
        changed: known files that are not as they were left, or gone.
        new: unknown names, topmost only.
        folders: known folders that are there.
    """

    changed: list[str]
    new: list[str]
    folders: set[str]


def differences(
    prefix: str,
    table: Mapping[str, Row],
    files: int,
    known: AbstractSet[str],
    is_kept: Callable[[str, os.DirEntry[str]], bool],
) -> Differences:
    """What below `prefix` is not as in `table`; every file passes here, so written for speed.

    Args:
        prefix: the folder, ending in `/`.
        table: known files by relative path; names ending in `/` are folders and left out.
        files: how many files it holds.
        known: folders to be entered; all others are new as a whole.
        is_kept: whether an unknown name is to be passed over.

    Raises:
        OSError: as the disk refuses.
    """
    seen: list[str] = []
    new: list[str] = []
    folders: set[str] = set()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        # Through an open folder each status is looked up by its last name alone.
        with _opened(prefix + folder) as descriptor, os.scandir(descriptor) as items:
            for item in items:
                path = folder + item.name
                row = table.get(path)
                if row is not None:
                    st = item.stat(follow_symlinks=False)
                    if row[0] == (
                        st.st_size,
                        st.st_ino,
                        st.st_mtime_ns,
                        st.st_ctime_ns,
                        st.st_mode,
                    ):
                        seen.append(path)
                    elif stat.S_ISDIR(st.st_mode):
                        new.append(path)
                elif path in known and item.is_dir(follow_symlinks=False):
                    folders.add(path)
                    waiting.append(f"{path}/")
                elif not is_kept(path, item):
                    new.append(path)
    changed = []
    if len(seen) != files:
        unchanged = set(seen)
        changed = [path for path in table if path not in unchanged and not path.endswith("/")]
    return Differences(changed, new, folders)


def write_file(full: str, entry: Entry, content: bytes, *, younger_than_ns: int) -> StatusKey:
    """Write a file or link that is not there; its status afterwards."""
    os.makedirs(os.path.dirname(full), exist_ok=True)
    if entry.mode == LINK_MODE:
        os.symlink(content, os.fsencode(full))
        return status_of(os.lstat(full))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(full, flags, 0o777 if entry.mode == EXECUTABLE_MODE else 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        status = os.fstat(descriptor)
        if younger_than_ns // _SECOND_NS >= status.st_mtime_ns // _SECOND_NS:
            os.utime(descriptor, ns=(status.st_atime_ns, younger_than_ns + _SECOND_NS))
            status = os.fstat(descriptor)
    return status_of(status)


def rows_at(prefix: str, path: str, holds: str) -> dict[str, Row]:
    """Rows of what lies at `path` and below; folders end in `/`, and nothing makes no row."""
    rows: dict[str, Row] = {}
    waiting = [path]
    while waiting:
        here = waiting.pop()
        full = prefix + here
        if not os.path.lexists(full):
            continue
        st = os.lstat(full)
        if stat.S_ISDIR(st.st_mode):
            rows[f"{here}/"] = (_FOLDER, holds)
            with _opened(full) as descriptor:
                waiting.extend(f"{here}/{name}" for name in os.listdir(descriptor))
        else:
            rows[here] = (status_of(st), holds)
    return rows


def ensure_link(full: str, target: str) -> bool:
    """Make `full` a symbolic link to `target`; whether it was none."""
    if os.path.islink(full) and os.readlink(full) == target:
        return False
    os.makedirs(os.path.dirname(full), exist_ok=True)
    replace_link(full, os.fsencode(target))
    return True


def ensure_root(root: Path) -> None:
    """Make `root` a folder of its own, no link to elsewhere.

    Raises:
        OSError: as the disk refuses.
    """
    if os.path.lexists(root) and not stat.S_ISDIR(os.lstat(root).st_mode):
        remove_tree(root)
    os.makedirs(root, exist_ok=True)


def folders_above(paths: Iterable[str]) -> set[str]:
    """Every folder that a path lies in, at any depth."""
    folders: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[int]:
    """A folder, open, after making sure that it can be read and changed."""
    if os.lstat(folder).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(folder, stat.S_IRWXU)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder.rstrip("/"), flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
