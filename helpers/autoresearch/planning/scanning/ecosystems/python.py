"""Python: pyproject.toml, setup.py, tox, pytest, unittest, asv."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from autoresearch.core.model import Direction, Source
from autoresearch.planning.scanning.ecosystems.interface import (
    ONE_NUMBER,
    Ecosystem,
    candidate,
    fact,
    test_suite,
)
from autoresearch.planning.scanning.findings import Evidence, Found, Measure, Role, Topic
from autoresearch.planning.scanning.outline import first_line, settings
from autoresearch.planning.scanning.paths import is_bench, is_test, name_of
from autoresearch.planning.scanning.project import Home

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Project

MANIFESTS = ("pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "requirements.txt", "Pipfile")
ALONE = ("pytest.ini", "conftest.py", "noxfile.py")
READS = (
    r"(^|/)(pyproject\.toml|setup\.(py|cfg)|tox\.ini|noxfile\.py|[^/]*requirements[^/]*\.txt|Pipfile"
    r"|pytest\.ini|conftest\.py|asv\.conf\.json|__main__\.py)$|(^|/)[^/]*bench[^/]*(/.*)?\.py$"
    r"|(^|/)tests?/([^/]+/)?test_[^/]*\.py$|^test_[^/]*\.py$"
)
CHECKERS = {
    "ruff": ("ruff check .", r"^\s*\[tool\.ruff"),
    "mypy": ("mypy .", r"^\s*\[(tool\.)?mypy"),
    "pyright": ("pyright", r"^\s*\[tool\.pyright"),
    "flake8": ("flake8", r"^\s*\[flake8\]"),
    "pylint": ("pylint .", r"^\s*\[tool\.pylint"),
    "black": ("black --check .", r"^\s*\[tool\.black"),
}
CHECKER_FILES = {
    ".flake8": "flake8",
    "ruff.toml": "ruff",
    ".ruff.toml": "ruff",
    "mypy.ini": "mypy",
    ".pylintrc": "pylint",
    "pyrightconfig.json": "pyright",
}
CONFIGURATIONS = ("pyproject.toml", "setup.cfg", "tox.ini")
PYTEST_SECTIONS = r"^\s*\[(tool\.pytest|pytest|tool:pytest)"
PYTEST_BENCH = re.compile(r"def test_\w+\([^)]*\bbenchmark\b|pytest\.mark\.benchmark|codspeed")


def find(project: Project) -> Iterator[Found]:
    """What Python projects say of themselves."""
    bare = [Home(project, "")] if any(path.endswith(".py") for path in project.sizes) else []
    for home in project.homes(*MANIFESTS) or project.homes(*ALONE) or bare:
        score = 60 - home.penalty
        yield from _build(home)
        yield from _tests(home, score)
        yield from _checkers(home, score)
        yield from _benchmarks(home, score)
        yield from _coverage(home, score)
        yield from _entries(home, score)
        yield from _surroundings(home, score)


def _build(home: Home) -> Iterator[Found]:
    line = first_line(home.text("pyproject.toml"), r"^\s*build-backend")
    if line:
        backend = home.text("pyproject.toml").split("\n")[line - 1].partition("=")[2].strip(" \"'")
        yield fact(Topic.BUILD, backend, home.at("pyproject.toml", line))
    for name, tool in (("setup.py", "setuptools"), ("tox.ini", "tox"), ("noxfile.py", "nox")):
        if home.has(name):
            yield fact(Topic.BUILD, tool, home.at(name))


def _tests(home: Home, score: int) -> Iterator[Found]:
    seen = _pytest_at(home)
    if seen is not None:
        chosen = any(
            setting.key == "testpaths"
            for name in (*CONFIGURATIONS, "pytest.ini")
            for setting in settings(home.text(name))
        )
        folder = next((f for f in ("tests", "test") if not chosen and _has_folder(home, f)), "")
        command = f"python3 -m pytest -q {folder}".strip()
        yield from test_suite(home.command(command), seen, score)
        return
    for path in home.files():
        line = first_line(home.text(path), r"^\s*(import unittest|from unittest )")
        if is_test(path) and line:
            folder = path.partition("/")[0] if "/" in path else "."
            command = home.command(f"python3 -m unittest discover -s {folder}")
            yield from test_suite(command, home.at(path, line), score)
            return


def _has_folder(home: Home, folder: str) -> bool:
    return any(path.startswith(f"{folder}/") for path in home.files())


def _pytest_at(home: Home) -> Evidence | None:
    """Where it is said that pytest runs the tests: its settings, a dependency, an import."""
    if home.has("pytest.ini"):
        return home.at("pytest.ini")
    for name in CONFIGURATIONS:
        line = first_line(home.text(name), PYTEST_SECTIONS)
        if line:
            return home.at(name, line)
    requirements = [name for name in home.files() if re.search(r"requirements[^/]*\.txt$", name)]
    for name in (*MANIFESTS, "noxfile.py", *requirements):
        line = first_line(home.text(name), r"\bpytest\b")
        if line:
            return home.at(name, line)
    for path in home.files():
        if is_test(path) and path.endswith(".py"):
            line = first_line(home.text(path), r"^\s*(import pytest|from pytest )")
            if line or path.endswith("conftest.py"):
                return home.at(path, line)
    return None


def _checkers(home: Home, score: int) -> Iterator[Found]:
    seen: dict[str, Evidence] = {}
    for name in CONFIGURATIONS:
        for tool, (_, section) in CHECKERS.items():
            line = first_line(home.text(name), section)
            if line:
                seen.setdefault(tool, home.at(name, line))
    for name, tool in CHECKER_FILES.items():
        if home.has(name):
            seen.setdefault(tool, home.at(name))
    for tool, place in seen.items():
        command = home.command(f"python3 -m {CHECKERS[tool][0]}")
        yield fact(Topic.CHECKER, tool, place)
        yield candidate(Role.GUARD, command, place, score - 25, "whether the code passes it today")
    if seen:
        tool, place = next(iter(seen.items()))
        measure = Measure(f"{tool}_findings", "", recipe="lint-errors")
        yield candidate(
            Role.METRIC,
            home.command(f"python3 -m {CHECKERS[tool][0]}"),
            place,
            score - 48,
            "how many findings there are today",
            measure=measure,
        )


def _benchmarks(home: Home, score: int) -> Iterator[Found]:
    if home.has("asv.conf.json"):
        place = home.at("asv.conf.json")
        yield fact(Topic.BENCHMARK, "asv", place)
        measure = Measure("bench_s", "s", recipe="function-latency")
        command = home.command("python3 -m asv run --python=same --quick")
        yield candidate(Role.METRIC, command, place, score + 25, ONE_NUMBER, measure=measure)
    for path in home.files():
        if not (is_bench(path) and path.endswith(".py")) or name_of(path) in {
            "__init__.py",
            "conftest.py",
        }:
            continue
        text = home.text(path)
        line = first_line(text, PYTEST_BENCH.pattern)
        if line or name_of(path).startswith("test_"):
            yield from _pytest_benchmark(home, path, line, score)
        elif first_line(text, r"__name__\s*==|^(?!\s*#).*\b(timeit|perf_counter|print)\b"):
            yield from _script(home, path, score)


def _pytest_benchmark(home: Home, path: str, line: int, score: int) -> Iterator[Found]:
    place = home.at(path, line)
    yield fact(Topic.BENCHMARK, "pytest benchmark", place)
    measure = Measure("bench_s", "s", source=Source.CPU, recipe="function-latency")
    command = home.command(f"python3 -m pytest -q {path}")
    yield candidate(Role.METRIC, command, place, score + 25, ONE_NUMBER, measure=measure)


def _script(home: Home, path: str, score: int) -> Iterator[Found]:
    place = home.at(path)
    yield fact(Topic.BENCHMARK, "script", place)
    measure = Measure("bench_s", "s", source=Source.WALL, recipe="function-latency")
    command = home.command(f"python3 {path}")
    yield candidate(Role.METRIC, command, place, score + 15, ONE_NUMBER, measure=measure)
    profile = home.command(f"python3 -m cProfile -s cumtime {path}")
    yield candidate(Role.PROFILE, profile, place, score + 15)


def _coverage(home: Home, score: int) -> Iterator[Found]:
    place = next(
        (
            home.at(name, line)
            for name in CONFIGURATIONS
            if (line := first_line(home.text(name), r"^\s*\[(tool\.)?coverage|pytest-cov"))
        ),
        home.at(".coveragerc") if home.has(".coveragerc") else None,
    )
    if place is not None:
        yield fact(Topic.COVERAGE, "coverage.py", place)
        command = home.command("python3 -m coverage run -m pytest -q && python3 -m coverage report")
        measure = Measure(
            "covered", "%", Direction.HIGHER, pattern=r"TOTAL.*?([0-9.]+)%", recipe="coverage"
        )
        yield candidate(Role.METRIC, command, place, score - 45, measure=measure)


def _entries(home: Home, score: int) -> Iterator[Found]:
    start = partial(Measure, "start_s", "s", source=Source.WALL, recipe="start-up-time")
    found = False
    for setting in settings(home.text("pyproject.toml")):
        if setting.section == "project.scripts" and setting.key:
            module = setting.value.strip(" \"'").partition(":")[0]
            yield fact(Topic.ENTRY, setting.key, home.at("pyproject.toml", setting.line))
            if not found and module:
                found = True
                command = home.command(f"python3 -c 'import {module}'")
                place = home.at("pyproject.toml", setting.line)
                yield candidate(
                    Role.METRIC, command, place, score - 15,
                    "a typical call: importing it times the start alone", measure=start(),
                )  # fmt: skip
    for path in home.files():
        if name_of(path) == "__main__.py" and not is_test(path):
            package = path.rpartition("/")[0].removeprefix("src/").replace("/", ".")
            yield fact(Topic.ENTRY, f"python3 -m {package}", home.at(path))
            if not found:
                found = True
                command = home.command(f"python3 -m {package} --help >/dev/null")
                yield candidate(
                    Role.METRIC, command, home.at(path), score - 15, "a typical call",
                    measure=start(),
                )  # fmt: skip


def _surroundings(home: Home, score: int) -> Iterator[Found]:
    if any(path.startswith("src/") and path.endswith(".py") for path in home.files()):
        place = home.at("src")
        yield candidate(Role.ENV, f"PYTHONPATH={home.path('src')}", place, score)
    for folder in (".venv", "venv", "env"):
        if folder in home.project.present:
            yield candidate(
                Role.LINK, folder, Evidence(folder), score, "whether the commands call its Python"
            )
    for name in ("requirements-dev.txt", "requirements.txt"):
        if home.has(name):
            command = home.command(f"python3 -m venv .venv && .venv/bin/pip install -r {name}")
            yield candidate(Role.SETUP, command, home.at(name), score, "needs the network")
            break


ECOSYSTEM = Ecosystem("Python", ("Python",), READS, find)
