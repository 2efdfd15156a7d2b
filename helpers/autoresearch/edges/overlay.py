"""A pristine checkout for every sample: what it writes goes into a folder of its own instead.

The kernel lays an empty folder over the checkout (overlayfs, mounted by bubblewrap 0.11 or newer).
The checkout itself stays as it is, nothing is copied, and what was written can be looked at
afterwards, however large the checkout is.
"""

# Names come from scandir in bulk; a Path for each would cost more than the call it makes.
# ruff: noqa: PTH101, PTH112, PTH114, PTH208

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.edges.files import named_errors, remove_tree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

_OPAQUE = "user.overlay.opaque"
"""Marks a folder that took the place of another one: nothing of that shines through (kernel
documentation, filesystems/overlayfs, "whiteouts and opaque directories")."""


class Overlay(NamedTuple):
    """Where what is written into a checkout goes; two folders of one disk.

    Attributes:
        written: what was written, and a device file for what was removed; empty at first.
        work: the kernel's own, empty at first.
    """

    written: Path
    work: Path


class Private(NamedTuple):
    """Folders that one command has for itself."""

    home: Path
    tmp: Path
    overlay: Overlay | None


@contextmanager
def private_folders(root: Path, *, overlay: bool) -> Iterator[Private]:
    """Empty private folders, at paths that are always the same; gone when the block ends.

    Args:
        root: the folder that holds them.
        overlay: whether what the command writes into its checkout is to go there too.
    """
    remove_tree(root)
    home, tmp = root / "home", root / "tmp"
    over = Overlay(root / "written", root / "work") if overlay else None
    for folder in (home, tmp, *(over or ())):
        folder.mkdir(parents=True, mode=0o700)
    try:
        yield Private(home, tmp, over)
    finally:
        remove_tree(root)


def replaced(written: Path, files: Collection[str], folders: AbstractSet[str]) -> tuple[str, ...]:
    """The files of a checkout that a command wrote to, changed, replaced or removed; sorted.

    A file that was opened for writing counts, whatever was written to it.

    Args:
        written: see `Overlay`.
        files: all files of the checkout.
        folders: and the folders above them.

    Raises:
        AutoresearchError: as the disk refuses.
    """
    found: set[str] = set()
    waiting = [""]
    with named_errors(written):
        while waiting:
            folder = waiting.pop()
            for name in _names(f"{written}/{folder}"):
                path = folder + name
                full = f"{written}/{path}"
                merged = os.path.isdir(full) and not os.path.islink(full)
                if path in files:
                    found.add(path)
                elif merged and path in folders and not _is_opaque(full):
                    waiting.append(f"{path}/")
                elif path in folders:
                    found.update(one for one in files if one.startswith(f"{path}/"))
    return tuple(sorted(found))


def _names(folder: str) -> list[str]:
    """Names in a folder that the command may have closed to its owner."""
    try:
        return os.listdir(folder)
    except PermissionError:
        os.chmod(folder, 0o700)
        return os.listdir(folder)


def _is_opaque(folder: str) -> bool:
    try:
        return os.getxattr(folder, _OPAQUE) == b"y"
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.ENOTSUP}:
            return False
        raise
