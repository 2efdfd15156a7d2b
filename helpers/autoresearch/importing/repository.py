"""What git says about the commits that another tool kept: did they touch what measures?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from autoresearch.core.errors import GitError
from autoresearch.core.scope import compile_scope
from autoresearch.edges.gitrepo import GitRepo, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MEASURES = re.compile(
    r"(^|/)(autoresearch(\.checks)?\.sh|prepare\.py|conftest\.py)$|^\.auto/(measure|checks)\.sh$"
    r"|(^|/)(tests?|spec|bench(marks?)?|eval(uators?|uation)?|golden|fixtures)/"
    r"|(^|/)(bench|benchmark|measure|eval|evaluate|score|verify|judge)[^/]*$"
    r"|(^|/)test_[^/]*$|_test\.[a-z]+$",
    re.IGNORECASE,
)
"""Files that measure or judge, by the names such files have."""

SESSION_FILES = re.compile(
    r"^(\.auto/|autoresearch[./-]|results[^/]*\.tsv$|\.evo/|\.autoresearch/)(?!.*(measure|checks)\.sh$)"
)
"""What a tool writes about its own session; no program of the project."""

_SCOPE = re.compile(
    r"^#+\s*Files in Scope\s*$(.*?)(?=^#|\Z)", re.IGNORECASE | re.DOTALL | re.MULTILINE
)
_PATH = re.compile(r"`([^`\s]+)`")
PROMPTS = (".auto/prompt.md", "autoresearch.md", "program.md")
MOST_PATHS = 8


class Touching(Struct, frozen=True, kw_only=True):
    """A kept commit and what it changed that it should not have, or that needs a look."""

    number: int
    commit: str
    evaluator: tuple[str, ...]
    outside: tuple[str, ...]


class FromGit(Struct, frozen=True, kw_only=True):
    """What git adds to an audit.

    Attributes:
        scope: patterns that the tool's own prompt declares; empty without any.
        missing: hashes that this repository does not hold.
    """

    scope: tuple[str, ...]
    looked_at: int
    missing: tuple[str, ...]
    touching: tuple[Touching, ...]


def around(path: Path) -> GitRepo | None:
    """The repository that a log lies in, or None."""
    folder = path if path.is_dir() else path.parent
    try:
        return GitRepo.open(folder)
    except GitError:
        return None


def look(repo: GitRepo, kept: Iterable[tuple[int, str]]) -> FromGit:
    """What the commits of kept experiments, numbered, changed against their parents."""
    scope = declared_scope(repo.toplevel)
    covers = compile_scope(scope, ()).covers if scope else None
    known: list[tuple[int, str]] = []
    missing: list[str] = []
    for number, commit in kept:
        full = repo.resolve(f"{commit}^{{commit}}") if commit else None
        if full is None:
            missing += [commit] if commit else []
        elif full not in {one for _, one in known}:
            known.append((number, full))
    touching = []
    for number, commit in known:
        paths = [path for path in changed(repo, commit) if not SESSION_FILES.search(path)]
        evaluator = tuple(path for path in paths if MEASURES.search(path))[:MOST_PATHS]
        outside = tuple(p for p in paths if covers and not covers(p) and p not in evaluator)
        if evaluator or outside:
            touching.append(
                Touching(
                    number=number, commit=commit, evaluator=evaluator, outside=outside[:MOST_PATHS]
                )
            )
    return FromGit(
        scope=scope, looked_at=len(known), missing=tuple(missing), touching=tuple(touching)
    )


def changed(repo: GitRepo, commit: str) -> Iterator[str]:
    """Paths that a commit changes against its first parent."""
    listing = repo.run("diff-tree", "-r", "-z", "--root", "--no-commit-id", "--name-only", "-m",
                       "--first-parent", commit).out  # fmt: skip
    return (to_text(path) for path in listing.split(b"\0") if path)


def declared_scope(folder: Path) -> tuple[str, ...]:
    """Patterns below "Files in Scope" of the tool's prompt, as far as they are written as code."""
    for name in PROMPTS:
        path = folder / name
        section = _SCOPE.search(path.read_text("utf-8", "replace")) if path.is_file() else None
        if section:
            found = (text.lstrip("./").rstrip("/") for text in _PATH.findall(section[1]))
            return tuple(_pattern(folder, text) for text in found if text)
    return ()


def _pattern(folder: Path, text: str) -> str:
    return f"{text}/**" if (folder / text).is_dir() else text
