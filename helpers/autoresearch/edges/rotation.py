"""Captured output kept in check: the newest files stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.edges.files import named_errors

if TYPE_CHECKING:
    from pathlib import Path

MOST_FILES = 1000
MOST_BYTES = 64 * 1024 * 1024


def keep_newest(
    folder: Path, *, files: int = MOST_FILES, size: int = MOST_BYTES, pattern: str = "*.txt"
) -> int:
    """Remove the oldest files of a folder of captured output; how many went.

    Args:
        folder: of ours; folders in it are left alone.
        files: how many may stay.
        size: bytes that they may have together; the newest file stays whatever its size.
        pattern: of the names that count; all others are left alone.

    Raises:
        AutoresearchError: as the disk refuses.
    """
    with named_errors(folder):
        found = [(path.lstat(), path) for path in folder.glob(pattern)] if folder.is_dir() else []
        found.sort(key=lambda item: (item[0].st_mtime_ns, item[1].name), reverse=True)
        total, gone = 0, 0
        for number, (status, path) in enumerate(found):
            total += status.st_size
            if number and (number >= files or total > size):
                path.unlink(missing_ok=True)
                gone += 1
    return gone
