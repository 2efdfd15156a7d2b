"""Go: go.mod, Benchmark functions, package main."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autoresearch.core.model import Direction, Source
from autoresearch.planning.scanning.ecosystems.interface import (
    Ecosystem,
    candidate,
    fact,
    test_suite,
)
from autoresearch.planning.scanning.findings import Evidence, Found, Measure, Role, Topic
from autoresearch.planning.scanning.outline import first_line
from autoresearch.planning.scanning.paths import is_vendored

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Home, Project

READS = r"(^|/)(go\.mod|go\.work|main\.go|\.golangci\.ya?ml)$|_test\.go$"
BENCHMARK = re.compile(r"^func (Benchmark\w+)\(", re.MULTILINE)
MAX_PACKAGES = 3


def find(project: Project) -> Iterator[Found]:
    """What Go modules say of themselves."""
    for home in project.homes("go.mod"):
        score = 60 - home.penalty
        place = home.at("go.mod", first_line(home.text("go.mod"), r"^module "))
        yield fact(Topic.BUILD, "go modules", place)
        yield from test_suite(home.command("go test ./..."), place, score)
        yield candidate(Role.GUARD, home.command("go vet ./..."), place, score - 25)
        for name in (".golangci.yml", ".golangci.yaml"):
            if home.has(name):
                yield fact(Topic.CHECKER, "golangci-lint", home.at(name))
                yield candidate(
                    Role.GUARD, home.command("golangci-lint run"), home.at(name), score - 26
                )
        yield from _benchmarks(home, score)
        yield from _programs(home, score)
        yield from _coverage(home, score)
        if home.has("go.sum"):
            yield candidate(
                Role.ENV, "pass: [GOMODCACHE]", home.at("go.sum"), score,
                "where modules are: `go env GOMODCACHE`, because the bench has its own home",
            )  # fmt: skip


def _benchmarks(home: Home, score: int) -> Iterator[Found]:
    by_package: dict[str, list[tuple[str, Evidence]]] = defaultdict(list)
    for path in home.files():
        if not path.endswith("_test.go") or is_vendored(path):
            continue
        text = home.text(path)
        for found in BENCHMARK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            by_package[path.rpartition("/")[0]].append((found[1], home.at(path, line)))
    ordered = sorted(by_package.items(), key=lambda item: (-len(item[1]), item[0]))
    for package, names in ordered[:MAX_PACKAGES]:
        name, place = names[0]
        nested = f"{package}/go.mod" if package else ""
        where = package if nested and home.has(nested) else ""
        target = "." if where or not package else f"./{package}"
        bench = f"go test -run '^$' -bench '^{name}$' -benchtime 1s {target}"
        command = home.command(f"cd {where} && {bench}" if where else bench)
        yield fact(Topic.BENCHMARK, f"{len(names)} Benchmark functions in {target}", place)
        pattern = rf"^{name}(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op"
        measure = Measure("ns_op", "ns", pattern=f"(?m){pattern}", recipe="function-latency")
        others = f"which of {len(names)} benchmarks matters" if len(names) > 1 else "its input"
        yield candidate(Role.METRIC, command, place, score + 25, others, measure=measure)
        yield candidate(
            Role.PROFILE,
            f'{command} -cpuprofile "$TMPDIR/cpu" && go tool pprof -top "$TMPDIR/cpu"',
            place,
            score,
        )


def _programs(home: Home, score: int) -> Iterator[Found]:
    for path in home.files():
        if not path.endswith("main.go") or is_vendored(path):
            continue
        line = first_line(home.text(path), r"^package main\b")
        if not line:
            continue
        package = path.rpartition("/")[0]
        target = f"./{package}" if package else "."
        place = home.at(path, line)
        yield fact(Topic.ENTRY, f"go run {target}", place)
        build = home.command(f"go build -o bin/program {target}")
        yield candidate(Role.BUILD, build, place, score - home.penalty)
        size = Measure("binary_bytes", "B", recipe="binary-size")
        yield candidate(Role.METRIC, "wc -c < bin/program", place, score - 25, measure=size)
        start = Measure("start_s", "s", source=Source.WALL, recipe="start-up-time")
        yield candidate(
            Role.METRIC, "bin/program --help >/dev/null", place, score - 20, "a typical call",
            measure=start,
        )  # fmt: skip
        return


def _coverage(home: Home, score: int) -> Iterator[Found]:
    place = home.at("go.mod")
    yield fact(Topic.COVERAGE, "go test -cover", place)
    command = home.command(
        'go test -coverprofile="$TMPDIR/cover.out" ./... >/dev/null'
        ' && go tool cover -func="$TMPDIR/cover.out"'
    )
    measure = Measure(
        "covered", "%", Direction.HIGHER, pattern=r"total:.*?([0-9.]+)%", recipe="coverage"
    )
    yield candidate(Role.METRIC, command, place, score - 45, measure=measure)


ECOSYSTEM = Ecosystem("Go", ("Go",), READS, find)
