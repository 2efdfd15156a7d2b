"""Reads a project from the disk: what git tracks, or a walk where there is no repository.

Bounded in every direction: files, bytes read, and seconds; what was left out is reported.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.edges.clock import SYSTEM_CLOCK, Clock
from autoresearch.edges.gitrepo import GitRepo, to_text
from autoresearch.planning.scanning.paths import depth_of, is_bench, is_foreign, is_source, is_test
from autoresearch.planning.scanning.project import Project
from autoresearch.planning.scanning.survey import READS

MAX_FILES = 500_000
MAX_TEXTS = 1_000
MAX_TEXT_BYTES = 128 * 1024
READ_SECONDS = 10.0
COMMITS = 500
HOT_FILES = 15
LINKABLE = ("node_modules", ".venv", "venv", "env", "vendor", "target", "build", ".tox", ".bundle")
SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", ".tox"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A project, and what of it was not read.

    Attributes:
        root: the repository's root, or the folder itself.
        tracked: whether git told which files there are.
        left_out: a sentence for each bound that was met.
    """

    root: Path
    project: Project
    tracked: bool
    left_out: tuple[str, ...]


def read_project(folder: Path, clock: Clock = SYSTEM_CLOCK) -> Reading:
    """What lies below the repository's root, or below `folder` where there is no repository."""
    if not folder.is_dir():
        raise AutoresearchError(
            f"{clean_line(str(folder))} is not a folder",
            code="not_a_folder",
            hint="Name the folder of the project.",
        )
    start = clock.read().monotonic_s
    try:
        with GitRepo.open(folder) as repo:
            root, tracked = repo.toplevel, True
            listed = _tracked(repo)
            churn = _churn(repo)
    except AutoresearchError as error:
        if error.code != "no_repository":
            raise
        root, tracked, churn = folder, False, Counter[str]()
        listed = list(_walked(folder))
    left_out = []
    if len(listed) > MAX_FILES:
        left_out.append(f"{len(listed) - MAX_FILES} files beyond the first {MAX_FILES}")
    sizes = dict(_sizes(root, sorted(listed)[:MAX_FILES]))
    wanted = sorted((path for path in sizes if _is_wanted(path)), key=_importance)
    texts: dict[str, str] = {}
    for path in wanted[:MAX_TEXTS]:
        if clock.read().monotonic_s - start > READ_SECONDS:
            break
        texts[path] = _text(root / path)
    if len(texts) < len(wanted):
        left_out.append(f"the content of {len(wanted) - len(texts)} manifests, tests or benchmarks")
    hot = [(path, n) for path, n in churn.most_common() if path in sizes and is_source(path)]
    project = Project(
        sizes=sizes,
        texts=texts,
        present=frozenset(name for name in LINKABLE if _is_ignored_folder(root, name, sizes)),
        churn=tuple(hot[:HOT_FILES]),
    )
    return Reading(root=root, project=project, tracked=tracked, left_out=tuple(left_out))


def _is_wanted(path: str) -> bool:
    return not is_foreign(path) and READS.search(path) is not None


def _importance(path: str) -> tuple[bool, int, str]:
    """Manifests before tests and benchmarks, those near the root first."""
    return (is_test(path) or is_bench(path), depth_of(path), path)


def _tracked(repo: GitRepo) -> list[str]:
    names = to_text(repo.run("ls-files", "-z").out).split("\0")
    return list(dict.fromkeys(names[:-1]))


def _churn(repo: GitRepo) -> Counter[str]:
    """Commits that changed each path, of the latest ones; empty in a repository without any."""
    if repo.resolve("HEAD") is None:
        return Counter()
    command = ("log", f"-n{COMMITS}", "--no-merges", "--no-renames", "--name-only", "-z")
    out = to_text(repo.run(*command, "--format=", "--no-ext-diff").out)
    return Counter(name for name in out.replace("\n", "\0").split("\0") if name)


def _walked(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        below = os.path.relpath(place, folder)
        for name in files:
            yield name if below == "." else f"{below}/{name}"


def _sizes(root: Path, paths: Iterable[str]) -> Iterator[tuple[str, int]]:
    """The size of each plain file; links, submodules and what is gone are left out."""
    prefix = f"{root}/"
    for path in paths:
        try:
            found = os.stat(prefix + path, follow_symlinks=False)  # noqa: PTH116 - 100,000 times
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            yield path, found.st_size


def _text(path: Path) -> str:
    """The start of a file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_TEXT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _is_ignored_folder(root: Path, name: str, sizes: dict[str, int]) -> bool:
    return (root / name).is_dir() and not any(path.startswith(f"{name}/") for path in sizes)
