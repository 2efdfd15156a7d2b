"""Records in files of their own, and where a file is kept that has to make way."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path
from typing import Generic, TypeVar

from autoresearch.core import wire
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import atomic_write, named_errors, sync_folder

T = TypeVar("T")


class Stored(Generic[T]):
    """A record in a file of its own, for its owner only; it is replaced whole.

    Args:
        path: the file.
        kind: the record's type.
        sync: whether the record must survive a power loss; False for what can be made again.
    """

    def __init__(self, path: Path, kind: type[T], *, sync: bool = True) -> None:
        self.path = path
        self.kind = kind
        self.sync = sync

    def read(self) -> T:
        """The record."""
        return wire.read(self.path.read_bytes(), self.kind)

    def load(self) -> T | None:
        """The record; None where it is missing, damaged or cannot be read."""
        try:
            return self.read()
        except (OSError, ValueError):
            return None

    def save(self, record: T) -> None:
        """Write the record; raises AutoresearchError as the disk refuses."""
        atomic_write(self.path, wire.line(record), mode=0o600, sync=self.sync)


def set_aside(path: Path, name: Path, content: bytes | None = None) -> Path:
    """Keep what lies at `path` as `<name>-<n>`, the first that is free; where.

    It is moved as it is, to another disk too; nothing is no failure. With `content` that is written
    instead, for a caller who replaces `path` next.
    """
    number = 1
    while os.path.lexists(kept := name.with_name(f"{name.name}-{number}")):
        number += 1
    with named_errors(path):
        name.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if content is not None:
            atomic_write(kept, content, mode=0o600)
            return kept
        with contextlib.suppress(FileNotFoundError):  # gone by itself
            shutil.move(path, kept)
            sync_folder(path.parent)
    return kept


def keep_edited(path: Path, folder: Path) -> Path:
    """Keep what somebody made of a copy of ours, under its name and the time; where."""
    stamp = now_utc().replace(":", "")
    return set_aside(path, folder / f"{path.name}.{stamp}", plain_content(path))


def plain_content(path: Path) -> bytes | None:
    """The bytes of a regular file; None for anything else: no link is followed, no FIFO read."""
    with named_errors(path):
        try:
            st = path.lstat()
        except FileNotFoundError:
            return None
        return path.read_bytes() if stat.S_ISREG(st.st_mode) else None
