"""What differs between commits, and what git itself takes for edited."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from autoresearch.core.errors import GitError
from autoresearch.edges.gitrepo import GitRepo, failure, to_bytes, to_text

_PLAIN = (
    "diff-tree", "-r", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color",
    "--ignore-submodules=none",
)  # fmt: skip
_PATCH = (
    "-p", "--full-index", "-U3", "--inter-hunk-context=0", "--diff-algorithm=myers",
    "--indent-heuristic", "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip

_HUNK = re.compile(rb"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@.*")
_NONE_IGNORED = 1
_RENAMED = "2"
_FIELDS = {"1": 8, "2": 9, "u": 10}
"""Spaces before the path, by kind of line of `status --porcelain=v2`."""


class Lines(NamedTuple):
    """Lines a change adds and removes; binary files count none."""

    added: int
    removed: int


def diff(repo: GitRepo, parent: str, commit: str) -> bytes:
    """The change from `parent` to `commit` as a patch to apply, binary files included."""
    return repo.run(*_PLAIN, *_PATCH, "--binary", parent, commit).out


def diffs(repo: GitRepo, changes: Sequence[tuple[str, str]]) -> dict[str, bytes]:
    """Commit -> its change from the parent named first, by one process; what is gone is left out.

    No line of a patch is a bare id, so that an id alone on a line begins the next one.
    """
    asked = "".join(f"{commit} {parent}\n" for parent, commit in changes).encode("ascii")
    words = (_PLAIN[0], "--stdin", *_PLAIN[1:], *_PATCH)
    found, known = dict[str, list[bytes]](), {commit.encode(): commit for _, commit in changes}
    lines: list[bytes] = []
    for line in repo.run(*words, stdin=asked).out.split(b"\n") if asked else ():
        if line in known:
            lines = found.setdefault(known[line], [])
        else:
            lines.append(line)
    return {commit: b"\n".join(patch) for commit, patch in found.items()}


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


class Difference(NamedTuple):
    """The change between two commits by its lines, those of binary files included."""

    patch: bytes
    lines: Lines


def difference(repo: GitRepo, parent: str, commit: str) -> Difference:
    """What changes from `parent` to `commit`."""
    out = repo.run(*_PLAIN, *_PATCH, "--text", "--numstat", parent, commit).out
    listed, _, text = out.partition(b"\n\n")
    counts = [line.split(b"\t", 2)[:2] for line in listed.splitlines()]
    numbers = [(int(added), int(removed)) for added, removed in counts if added != b"-"]
    lines = Lines(sum(added for added, _ in numbers), sum(removed for _, removed in numbers))
    return Difference(text, lines)


def id_of_patch(text: bytes) -> str:
    """An id that equal changes share, whatever they are based on: 40 hexadecimal digits.

    Like `git patch-id --stable`, it leaves out where hunks stand and the objects' ids. Unlike it,
    white space counts (it is code in many languages), and binary files count by their bytes.
    """
    digest = hashlib.sha256()
    for line in text.split(b"\n"):
        if _HUNK.fullmatch(line):
            digest.update(b"@@\n")
        elif not line.startswith(b"index "):
            digest.update(line + b"\n")
    return digest.hexdigest()[:40]


def changed_paths(repo: GitRepo, parent: str, commit: str) -> list[tuple[str, str]]:
    """(status letter, path) of each path that differs between two commits, sorted by path."""
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


def ignored(repo: GitRepo, paths: Sequence[str]) -> set[str]:
    """Those of some untracked paths that the user's ignore rules leave out."""
    if not paths:
        return set()
    # The command knows no literal names, and after `./` it takes them for nothing else.
    asked = to_bytes("".join(f"./{path}\0" for path in paths))
    done = repo.run(
        *("check-ignore", "--no-index", "-v", "-z", "--stdin"),
        stdin=asked,
        env={"GIT_LITERAL_PATHSPECS": "0"},
        check=False,
    )
    if done.code > _NONE_IGNORED:
        raise failure("check-ignore", done)
    words = to_text(done.out).split("\0")[:-1]
    # Of each: file, line, pattern, path. Before git 2.26 what a pattern takes back is told too.
    told = zip(words[2::4], words[3::4], strict=True)
    return {path.removeprefix("./") for pattern, path in told if not pattern.startswith("!")}


def is_ignored(repo: GitRepo, path: Path) -> bool:
    """Whether git ignores the path."""
    # It refuses to work under the literal pathspecs that are pinned, and takes none but literal.
    literal = {"GIT_LITERAL_PATHSPECS": "0"}
    command = ("check-ignore", "-q", "--no-index", str(path))
    return repo.run(*command, env=literal, check=False).code == 0
