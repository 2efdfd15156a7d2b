"""Where things lie, for whoever has no time: plain functions that import next to nothing.

Shared by the helper and by the hooks of a host, which any Python from 3.8 on must run at once.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing is not worth its import on every call of a hook
if TYPE_CHECKING:
    from collections.abc import Mapping

OURS = "autoresearch"
CACHE = "autoresearch-bench"
"""Our folder in the cache. `autoresearch`, which it was before, is also the data folder of
karpathy/autoresearch: what that one downloaded lies there."""

HOSTS = "hosts"
"""Folder beside the repositories' folders: what is known of agent sessions."""

FAILURES = "hook-errors.txt"
"""What went wrong in hooks, which stop nobody's work; `doctor` shows it."""

NOT_REPOSITORIES = frozenset({"crashes", HOSTS, "measure.lock", FAILURES})
"""What lies in the state folder beside the repositories' folders."""

_KEY_DIGITS = 10
_NAME_LENGTH = 60
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_READ_BYTES = 4096
_LONGEST_ID = 100
"""Longer than any identifier of a host, shorter than the longest file name."""


class Repository:
    """A working tree and its git directories, by real path.

    Attributes:
        toplevel: the working tree.
        git_dir: its own git directory, which holds HEAD.
        common_dir: the one that all its linked worktrees share.
    """

    def __init__(self, toplevel: str, git_dir: str, common_dir: str) -> None:
        self.toplevel = toplevel
        self.git_dir = git_dir
        self.common_dir = common_dir


def our_folder(
    environ: Mapping[str, str], variable: str, below_home: str, name: str = OURS
) -> str | None:
    """Our folder below an XDG base directory: the variable's when it is absolute, else HOME's."""
    named = environ.get(variable, "")
    if not named.startswith("/"):
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        named = os.path.join(home, below_home)
    return os.path.join(named, name)


def state_folder(environ: Mapping[str, str]) -> str | None:
    """Where sessions keep their state, or None without a home."""
    return our_folder(environ, "XDG_STATE_HOME", ".local/state")


def cache_folder(environ: Mapping[str, str]) -> str | None:
    """Where bench checkouts lie, or None without a home."""
    return our_folder(environ, "XDG_CACHE_HOME", ".cache", CACHE)


def repository_name(toplevel: str, common_dir: str) -> str:
    """The readable part of a repository's key, by the real paths of its folders.

    That of the main working tree where git's directory is its `.git`, else that of `toplevel`.
    """
    parent, last = os.path.split(common_dir)
    named = os.path.basename(parent if last == ".git" else toplevel)
    plain = "".join(c if c in _PLAIN else "\0" for c in named)
    while "\0\0" in plain:
        plain = plain.replace("\0\0", "\0")
    return plain.replace("\0", "-")[:_NAME_LENGTH] or "root"


def repository_key(toplevel: str, common_dir: str) -> str:
    """The folder's name for a repository: readable, and one for all its linked worktrees.

    The digits come from the real path of the git directory, so that a second clone of the same
    name is another repository. Arguments as for `repository_name`.
    """
    import hashlib  # noqa: PLC0415 - most repositories have no session and need none

    digest = hashlib.sha256(os.fsencode(common_dir)).hexdigest()
    return f"{repository_name(toplevel, common_dir)}-{digest[:_KEY_DIGITS]}"


def find_repository(folder: str) -> Repository | None:
    """The repository that a folder (it need not exist) lies in, found without git."""
    here = os.path.realpath(folder)
    while True:
        entry = os.path.join(here, ".git")
        if os.path.isdir(entry):
            return Repository(here, entry, entry)
        linked = _first_line(entry)
        if linked.startswith("gitdir: "):
            git_dir = os.path.realpath(os.path.join(here, linked[8:]))
            common = _first_line(os.path.join(git_dir, "commondir"))
            shared = os.path.realpath(os.path.join(git_dir, common or "."))
            return Repository(here, git_dir, shared)
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above


def branch_of(repository: Repository) -> str:
    """Full name of the checked-out branch; empty when HEAD is detached or cannot be read."""
    line = _first_line(os.path.join(repository.git_dir, "HEAD"))
    return line[5:] if line.startswith("ref: ") else ""


def host_file(state: str, host_session: str, suffix: str) -> str | None:
    """The file that keeps something about an agent session; None for a name that is no name.

    The helper writes those that end in `.run.json`, the hooks those in `.json`.
    """
    if not 0 < len(host_session) <= _LONGEST_ID or not _PLAIN.issuperset(host_session):
        return None
    return os.path.join(state, HOSTS, f"s-{host_session}{suffix}")


def _first_line(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(_READ_BYTES)
    except OSError:
        return ""
    return os.fsdecode(content.split(b"\n", 1)[0].rstrip())
