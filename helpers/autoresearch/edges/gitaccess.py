"""Why git takes a folder for no working tree: found by looking, for its words may change."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from autoresearch.core.errors import GitError

if TYPE_CHECKING:
    from pathlib import Path

_NEEDED = ("HEAD", "config", "objects", "refs")
"""Parts without which git takes a folder for no repository."""


def why_not_open(path: Path) -> GitError | None:
    """The error that names what stands in the way; None where nothing that can be seen does."""
    here = path.resolve()
    for folder in (here, *here.parents):
        with suppress(OSError):  # not here, or not ours to see: look further up
            found = os.lstat(folder / ".git")
            if os.lstat(folder).st_uid != os.geteuid() or found.st_uid != os.geteuid():
                return GitError(
                    f"{folder} belongs to another user, so git refuses to work in it",
                    code="unsafe_owner",
                    hint=f"If you trust it: git config --global --add safe.directory {folder}",
                )
            if stat.S_ISDIR(found.st_mode) and here.is_relative_to(folder / ".git"):
                break
            return _unreadable(folder / ".git")
    return GitError(
        f"{path} is in no working tree of a git repository",
        code="no_repository",
        hint="Run the command in a repository; `git init` makes one.",
    )


def _unreadable(git_folder: Path) -> GitError | None:
    """The error about the first part of a repository that may not be read; None for none."""
    for part in (git_folder, *(git_folder / name for name in _NEEDED)):
        if part.exists() and not os.access(part, os.R_OK | (os.X_OK if part.is_dir() else 0)):
            return GitError(
                f"git cannot read {part}",
                code="no_permission",
                hint="Check its owner and permissions.",
            )
    return None
