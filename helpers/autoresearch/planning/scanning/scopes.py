"""Which files could be in scope, and which of those must be taken out again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autoresearch.planning.scanning.ecosystems.interface import candidate
from autoresearch.planning.scanning.findings import Evidence, Found, Role
from autoresearch.planning.scanning.paths import (
    is_bench,
    is_foreign,
    is_source,
    is_test,
    language_of,
    name_of,
)

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Project

MAX_SCOPES = 6
MAX_PARTS = 12
LEAST_SHARE = 0.02
"""Of the source: what is smaller is no place to begin."""

SETTINGS = frozenset(
    {
        "setup.py", "conftest.py", "noxfile.py", "build.rs", "gulpfile.js", "Gruntfile.js",
        "conf.py", "example.js", "example.mjs",
    }
)  # fmt: skip
"""Source by their ending that no experiment should begin with."""

SUBTREES = frozenset({"src", "lib", "crates", "packages", "app", "cmd", "pkg", "internal"})
"""Folders that say nothing by themselves: the one below names the part."""


def find(project: Project) -> Iterator[Found]:
    """Scopes by folder and language, largest first; protect for what lies inside them."""
    sizes: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for path, size in project.sizes.items():
        if not is_source(path) or name_of(path) in SETTINGS or ".config." in path:
            continue
        key = (_part_of(path), name_of(path).rpartition(".")[2])
        sizes[key] += size
        first.setdefault(key, path)
    if len({folder for folder, _ in sizes}) > MAX_PARTS:
        sizes, first = _rolled_up(sizes, first)
    total = sum(sizes.values()) or 1
    patterns = []
    for (folder, ending), size in sizes.most_common(MAX_SCOPES):
        if size < LEAST_SHARE * total:
            break
        pattern = f"{folder}/**/*.{ending}" if folder else f"*.{ending}"
        patterns.append((folder, pattern))
        yield candidate(
            Role.SCOPE, pattern, Evidence(first[folder, ending]), round(100 * size / total),
            "which of its files the metric depends on",
        )  # fmt: skip
    yield from _protected(project, [folder for folder, _ in patterns])


def _rolled_up(
    sizes: Counter[tuple[str, str]], first: dict[tuple[str, str], str]
) -> tuple[Counter[tuple[str, str]], dict[tuple[str, str], str]]:
    """The same by the first folder alone: of many parts none stands for the project."""
    above: Counter[tuple[str, str]] = Counter()
    example: dict[tuple[str, str], str] = {}
    for (folder, ending), size in sizes.items():
        key = (folder.partition("/")[0], ending)
        above[key] += size
        example.setdefault(key, first[folder, ending])
    return above, example


def _part_of(path: str) -> str:
    """The folder that names the part a file belongs to."""
    parts = path.split("/")[:-1]
    if len(parts) > 1 and parts[0] in SUBTREES:
        return "/".join(parts[:2])
    return parts[0] if parts else ""


def _protected(project: Project, folders: list[str]) -> Iterator[Found]:
    """Tests, benchmarks and foreign files inside the folders that could be a scope."""
    seen: dict[str, str] = {}
    for path in project.sizes:
        inside = any(not folder or path.startswith(f"{folder}/") for folder in folders)
        if not inside or language_of(path) == "":
            continue
        pattern = _pattern_of(path, folders)
        if pattern:
            seen.setdefault(pattern, path)
    for pattern, path in list(seen.items())[:MAX_SCOPES]:
        yield candidate(Role.PROTECT, pattern, Evidence(path), 50)


def _pattern_of(path: str, folders: list[str]) -> str:
    """A pattern that takes the file and its like out, empty where it may stay."""
    if not (is_test(path) or is_bench(path) or is_foreign(path)):
        return ""
    name = name_of(path)
    if name.endswith("_test.go"):
        return "**/*_test.go"
    if name.startswith("test_"):
        return f"**/test_*.{name.rpartition('.')[2]}"
    folder = path.rpartition("/")[0]
    if not folder:
        return name if "" in folders else ""
    parts = folder.split("/")
    for length in range(1, len(parts) + 1):
        head = "/".join(parts[:length])
        if is_test(f"{head}/") or is_bench(head) or is_foreign(f"{head}/"):
            covered = any(head.startswith(f"{f}/") for f in folders if f)
            return f"{head}/**" if covered else ""
    return path
