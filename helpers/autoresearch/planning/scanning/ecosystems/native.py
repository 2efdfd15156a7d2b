"""C and C++: make, CMake, Meson, autotools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autoresearch.core.model import Source
from autoresearch.planning.scanning.ecosystems.interface import (
    ONE_NUMBER,
    Ecosystem,
    candidate,
    fact,
    test_suite,
)
from autoresearch.planning.scanning.findings import Found, Measure, Role, Topic
from autoresearch.planning.scanning.outline import first_line, targets
from autoresearch.planning.scanning.paths import is_bench, language_of, name_of, stem_of

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Home, Project

MAKEFILES = ("Makefile", "GNUmakefile", "makefile")
BUILDS = ("CMakeLists.txt", "meson.build", "configure.ac", "configure", *MAKEFILES)
READS = r"(^|/)(Makefile|GNUmakefile|makefile|CMakeLists\.txt|meson\.build|configure\.ac)$"
LANGUAGES = ("C", "C++")
CMAKE_TEST = "cmake -S . -B build && cmake --build build && ctest --test-dir build"
BENCH_TARGET = re.compile(r"bench", re.IGNORECASE)


def find(project: Project) -> Iterator[Found]:
    """What C and C++ projects say of themselves; nothing where there is no such code."""
    if not any(language_of(path) in LANGUAGES for path in project.sizes):
        return
    for home in project.homes(*BUILDS):
        score = 56 - home.penalty
        yield from _cmake(home, score)
        yield from _meson(home, score)
        yield from _make(home, score)
        yield from _benchmarks(home, score)
        for name, tool in ((".clang-tidy", "clang-tidy"), (".clang-format", "clang-format")):
            if home.has(name):
                yield fact(Topic.CHECKER, tool, home.at(name))


def makefile_of(home: Home) -> str:
    """The Makefile's name, empty without one."""
    return next((name for name in MAKEFILES if home.has(name)), "")


def _make(home: Home, score: int) -> Iterator[Found]:
    name = makefile_of(home)
    if not name:
        if home.has("configure.ac") or home.has("configure"):
            yield fact(Topic.BUILD, "autotools", home.at("configure.ac"))
            # A tarball brings `configure`, a repository what writes it.
            made = "" if home.has("configure") else "autoreconf -fi && "
            command = home.command(f"{made}./configure && make check")
            yield from test_suite(command, home.at("configure.ac"), score)
        return
    yield fact(Topic.BUILD, "make", home.at(name))
    yield candidate(Role.BUILD, home.command("make"), home.at(name), score + 4)
    known = {target.name: target for target in targets(home.text(name))}
    for tested in ("test", "check", "tests"):
        if tested in known:
            place = home.at(name, known[tested].line)
            yield from test_suite(home.command(f"make {tested}"), place, score + 6)
            break


def _cmake(home: Home, score: int) -> Iterator[Found]:
    if not home.has("CMakeLists.txt"):
        return
    text = home.text("CMakeLists.txt")
    yield fact(Topic.BUILD, "cmake", home.at("CMakeLists.txt"))
    build = home.command("cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build")
    yield candidate(Role.BUILD, build, home.at("CMakeLists.txt"), score)
    yield candidate(Role.CACHE, home.path("build"), home.at("CMakeLists.txt"), score)
    line = first_line(text, r"(?i)enable_testing|add_test|include\(CTest")
    if line:
        yield from test_suite(home.command(CMAKE_TEST), home.at("CMakeLists.txt", line), score + 2)


def _meson(home: Home, score: int) -> Iterator[Found]:
    if not home.has("meson.build"):
        return
    place = home.at("meson.build", first_line(home.text("meson.build"), r"\btest\("))
    yield fact(Topic.BUILD, "meson", home.at("meson.build"))
    command = home.command("meson setup build && meson test -C build")
    yield from test_suite(command, place, score + 1)


def _benchmarks(home: Home, score: int) -> Iterator[Found]:
    seen = set()
    for path in home.files():
        if language_of(path) not in LANGUAGES or not BENCH_TARGET.search(name_of(path)):
            continue
        if name_of(path).endswith((".h", ".hpp")):
            continue
        yield fact(Topic.BENCHMARK, "program", home.at(path))
        command = _built_by_make(home, path)
        if command and command not in seen:
            seen.add(command)
            yield from _metric(home, command, path, score)
    name = makefile_of(home)
    for target in targets(home.text(name)) if name else ():
        if BENCH_TARGET.search(target.name) and "/" not in target.name and not seen:
            yield fact(Topic.BENCHMARK, f"make {target.name}", home.at(name, target.line))
            program = next((need for need in target.needs.split() if is_bench(need)), "")
            runs = f" && {program}" if program and not target.recipe else ""
            command = home.command(f"make {target.name}{runs}")
            seen.add(command)
            measure = Measure("bench_s", "s", source=Source.CPU, recipe="function-latency")
            yield candidate(
                Role.METRIC, command, home.at(name, target.line), score + 20, ONE_NUMBER,
                "whether building can move to `build`", measure=measure,
            )  # fmt: skip


def _built_by_make(home: Home, path: str) -> str:
    """How a benchmark program is built and run: by a target of its name beside it, or above."""
    folder, stem = path.rpartition("/")[0], stem_of(path)
    for place in dict.fromkeys((folder, "")):
        for name in MAKEFILES:
            text = home.text(f"{place}/{name}" if place else name)
            if any(target.name == stem and target.recipe for target in targets(text)):
                make = f"make -C {place} {stem}" if place else f"make {stem}"
                return f"{make} && {place or '.'}/{stem}"
    return ""


def _metric(home: Home, command: str, path: str, score: int) -> Iterator[Found]:
    measure = Measure("bench_s", "s", source=Source.CPU, recipe="function-latency")
    yield candidate(
        Role.METRIC, home.command(command), home.at(path), score + 22, ONE_NUMBER,
        "its arguments; whether building can move to `build`", measure=measure,
    )  # fmt: skip
    program = command.rpartition("&& ")[2]
    yield candidate(
        Role.PROFILE,
        home.command(f"valgrind --tool=callgrind --callgrind-out-file=/dev/stdout {program}"),
        home.at(path), score,
    )  # fmt: skip


ECOSYSTEM = Ecosystem("C and C++", LANGUAGES, READS, find)
