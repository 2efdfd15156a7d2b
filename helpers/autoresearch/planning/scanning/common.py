"""What any project may have, whatever it is written in: CI, containers, make, bench files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autoresearch.core.model import Source
from autoresearch.planning.scanning.ecosystems.interface import (
    ONE_NUMBER,
    candidate,
    fact,
    test_suite,
)
from autoresearch.planning.scanning.findings import Evidence, Found, Measure, Role, Topic
from autoresearch.planning.scanning.outline import ci_commands, first_line, targets
from autoresearch.planning.scanning.paths import (
    depth_of,
    is_bench,
    is_foreign,
    is_generated,
    is_test,
    is_vendored,
    language_of,
    name_of,
)

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Project

CI_FILES = (
    r"^\.github/workflows/[^/]+\.ya?ml$|^\.gitlab-ci\.yml$|^\.travis\.yml$|^\.circleci/config\.yml$"
    r"|^azure-pipelines\.yml$|^\.cirrus\.yml$|^appveyor\.yml$"
)
READS = (
    rf"{CI_FILES}|(^|/)(Dockerfile[^/]*|Containerfile|Makefile|justfile|Justfile|\.gitattributes)$"
    r"|\.sh$|(^|/)[^/]*bench[^/.]*$"
)
MAKE_ROLES = {"test": 50, "check": 45, "lint": 35}
MAX_SCRIPTS = 4
RUNS = re.compile(r"(\.(sh|py|rb|pl|js))?$")


def find(project: Project) -> Iterator[Found]:
    """Facts and candidates that need no knowledge of a language."""
    yield from _ci(project)
    yield from _containers(project)
    yield from _makefile(project)
    yield from _hyperfine(project)
    yield from _bench_files(project)
    yield from _foreign(project)


def ci_lines(project: Project) -> Iterator[tuple[str, Evidence]]:
    """Every command that CI runs, and where."""
    for path in project.texts:
        if re.search(CI_FILES, path):
            for command in ci_commands(project.text(path)):
                yield command.text, Evidence(path, command.line)


def _ci(project: Project) -> Iterator[Found]:
    for text, place in ci_lines(project):
        yield fact(Topic.CI, text, place)


def _containers(project: Project) -> Iterator[Found]:
    for path in project.sizes:
        if re.match(r"(Dockerfile|Containerfile)(\.|$)|docker-compose.*\.ya?ml$", name_of(path)):
            yield fact(Topic.CONTAINER, name_of(path), Evidence(path))


def _makefile(project: Project) -> Iterator[Found]:
    """Targets that say what they do by their name."""
    text = project.text("Makefile")
    for target in targets(text):
        place = Evidence("Makefile", target.line)
        command = f"make {target.name}"
        if target.name in MAKE_ROLES:
            score = MAKE_ROLES[target.name]
            if target.name == "test":
                yield from test_suite(command, place, score)
            else:
                yield candidate(Role.GUARD, command, place, score)
        elif target.recipe and re.fullmatch(r"bench(mark)?s?", target.name):
            yield fact(Topic.BENCHMARK, command, place)
            measure = Measure("bench_s", "s", source=Source.WALL, recipe="function-latency")
            yield candidate(Role.METRIC, command, place, 60, ONE_NUMBER, measure=measure)


def _hyperfine(project: Project) -> Iterator[Found]:
    for path, text in project.texts.items():
        line = first_line(text, r"^\s*(?!#).*\bhyperfine\b")
        if line and (path.endswith((".sh", "Makefile", "ustfile")) or re.search(CI_FILES, path)):
            place = Evidence(path, line)
            yield fact(Topic.BENCHMARK, "hyperfine", place)
            if path.endswith(".sh"):
                measure = Measure("bench_s", "s", source=Source.WALL, recipe="start-up-time")
                unknown = "the command that hyperfine times: the race itself does the repeating"
                yield candidate(Role.METRIC, f"sh {path}", place, 75, unknown, measure=measure)


def _bench_files(project: Project) -> Iterator[Found]:
    """Scripts that are called a benchmark and that no ecosystem looks at."""
    found = [
        path
        for path in project.sizes
        if is_bench(name_of(path))
        and not re.search(r"prereq|install|setup", path)
        and not is_foreign(path)
        and not is_test(path)
        and (path.endswith((".sh", ".pl")) or _is_script(project.text(path), path))
    ]
    for path in sorted(found, key=depth_of)[:MAX_SCRIPTS]:
        place = Evidence(path, 1 if project.text(path).startswith("#!") else 0)
        yield fact(Topic.BENCHMARK, "script", place)
        measure = Measure("bench_s", "s", source=Source.WALL, recipe="start-up-time")
        yield candidate(
            Role.METRIC, f"./{path}", place, 68 - 2 * depth_of(path),
            ONE_NUMBER, "its arguments and the data it needs", measure=measure,
        )  # fmt: skip


def _is_script(text: str, path: str) -> bool:
    return "." not in name_of(path) and text.startswith("#!")


def _foreign(project: Project) -> Iterator[Found]:
    """Trees that nobody here writes by hand, each once, and what git's attributes call so."""
    seen: dict[str, int] = {}
    for path in project.sizes:
        if is_vendored(path):
            parts = path.split("/")
            top = next(
                "/".join(parts[: n + 1])
                for n in range(len(parts))
                if is_vendored("/".join(parts[: n + 1]) + "/")
            )
            seen[f"vendored {top}/"] = seen.get(f"vendored {top}/", 0) + 1
        elif is_generated(path) and language_of(path):
            key = f"generated {path.rpartition('/')[0] or '.'}/"
            seen[key] = seen.get(key, 0) + 1
    for name, count in list(seen.items())[:20]:
        place = Evidence(name.split(" ", 1)[1])
        yield fact(Topic.FOREIGN, f"{name} ({count} files)", place)
    for number, line in enumerate(project.text(".gitattributes").split("\n"), 1):
        if "linguist-generated" in line or "linguist-vendored" in line:
            place = Evidence(".gitattributes", number)
            yield fact(Topic.FOREIGN, line.split()[0], place)
            yield candidate(Role.PROTECT, line.split()[0].lstrip("/"), place, 60)
