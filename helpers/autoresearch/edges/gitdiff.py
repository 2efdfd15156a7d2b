"""What differs between commits, and what git itself takes for edited."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import GitError
from autoresearch.edges.gitrepo import to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.edges.gitrepo import GitRepo

_PLAIN = (
    "diff-tree", "-r", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color",
    "--ignore-submodules=none",
)  # fmt: skip
_PATCH = (
    "-p", "--full-index", "-U3", "--inter-hunk-context=0", "--diff-algorithm=myers",
    "--indent-heuristic", "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip

_HUNK = re.compile(rb"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@.*")
_RENAMED = "2"
_FIELDS = {"1": 8, "2": 9, "u": 10}
"""Spaces before the path, by kind of line of `status --porcelain=v2`."""


class Lines(NamedTuple):
    """Lines a change adds and removes; binary files count none."""

    added: int
    removed: int


def diff(repo: GitRepo, parent: str, commit: str) -> bytes:
    """The change from `parent` to `commit` as a patch that can be applied, binary files included.

    Raises:
        GitError: when either is missing.
    """
    return repo.run(*_PLAIN, *_PATCH, "--binary", parent, commit).out


def blob_sizes(repo: GitRepo, oids: Sequence[str]) -> list[int]:
    """Bytes of each of these blobs, without reading them."""
    if not oids:
        return []
    asked = "".join(f"{oid}\n" for oid in oids).encode("ascii")
    out = repo.run("cat-file", "--batch-check=%(objectsize)", stdin=asked).out
    try:
        return [int(line) for line in out.splitlines()]
    except ValueError as error:
        raise GitError(
            "an object is missing from the repository", hint="Run `git fsck`."
        ) from error


def numstat(repo: GitRepo, parent: str, commit: str) -> Lines:
    """How many lines the change adds and removes."""
    out = to_text(repo.run(*_PLAIN, "--numstat", "-z", parent, commit).out)
    counts = [record.split("\t", 2)[:2] for record in out.split("\0")[:-1]]
    numbers = [(int(added), int(removed)) for added, removed in counts if added != "-"]
    return Lines(sum(added for added, _ in numbers), sum(removed for _, removed in numbers))


def patch(repo: GitRepo, parent: str, commit: str) -> bytes:
    """The change from `parent` to `commit` by its lines, those of binary files included.

    Raises:
        GitError: when either commit is missing.
    """
    return repo.run(*_PLAIN, *_PATCH, "--text", parent, commit).out


def patch_id(repo: GitRepo, parent: str, commit: str) -> str:
    """The id of the change between two commits; see `id_of_patch`.

    Raises:
        GitError: when either commit is missing.
    """
    return id_of_patch(patch(repo, parent, commit))


def id_of_patch(text: bytes) -> str:
    """An id that equal changes share, whatever they are based on: 40 hexadecimal digits.

    Like `git patch-id --stable`, it leaves out where hunks stand and the objects' ids. Unlike it,
    white space counts (it is code in many languages), and binary files count by their bytes.

    Args:
        text: of `patch`.
    """
    digest = hashlib.sha256()
    for line in text.split(b"\n"):
        if _HUNK.fullmatch(line):
            digest.update(b"@@\n")
        elif not line.startswith(b"index "):
            digest.update(line + b"\n")
    return digest.hexdigest()[:40]


def changed_paths(repo: GitRepo, parent: str, commit: str) -> list[tuple[str, str]]:
    """(status letter, path) of each path that differs between two commits, sorted by path.

    Raises:
        GitError: when either commit is missing.
    """
    out = to_text(repo.run(*_PLAIN, "--name-status", "-z", parent, commit).out)
    words = out.split("\0")[:-1]
    return sorted(zip(words[::2], words[1::2], strict=True), key=lambda pair: pair[1])


def edited(repo: GitRepo) -> list[str]:
    """Tracked paths that git takes for edited or staged, sorted.

    The one place where git's own idea of clean is asked, filters included: before a session
    starts, it tells an edit from a conversion on checkout.
    """
    done = repo.run("status", "--porcelain=v2", "-z", "--untracked-files=no", "--no-renames")
    paths = []
    records = iter(to_text(done.out).split("\0")[:-1])
    for record in records:
        kind = record[0]
        if kind in _FIELDS:
            paths.append(record.split(" ", _FIELDS[kind])[-1])
        if kind == _RENAMED:
            next(records)  # the earlier name
    return sorted(paths)
