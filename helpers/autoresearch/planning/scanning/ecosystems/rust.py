"""Rust: Cargo.toml, benches, criterion, binaries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autoresearch.core.model import Source
from autoresearch.planning.scanning.ecosystems.interface import (
    Ecosystem,
    candidate,
    fact,
    test_suite,
)
from autoresearch.planning.scanning.findings import Found, Measure, Role, Topic
from autoresearch.planning.scanning.outline import Setting, first_line, settings
from autoresearch.planning.scanning.paths import stem_of

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Home, Project

MANIFEST = "Cargo.toml"
READS = r"(^|/)(Cargo\.toml|clippy\.toml|rustfmt\.toml)$|(^|/)benches/[^/]+\.rs$"


def find(project: Project) -> Iterator[Found]:
    """What Cargo packages say of themselves."""
    for home in project.homes(MANIFEST):
        score = 60 - home.penalty
        text = home.text(MANIFEST)
        workspace = first_line(text, r"^\s*\[workspace\]")
        place = home.at(MANIFEST, workspace or first_line(text, r"^\s*\[package\]"))
        yield fact(Topic.BUILD, "cargo", place)
        command = "cargo test --workspace" if workspace else "cargo test"
        yield from test_suite(home.command(command), place, score)
        yield candidate(Role.GUARD, home.command("cargo clippy -- -D warnings"), place, score - 25)
        yield fact(Topic.CHECKER, "cargo clippy", place)
        yield from _benches(home, score)
        yield from _programs(home, score)
        build = home.command("cargo build --release")
        yield candidate(Role.BUILD, build, place, score, "whether its crates are on this machine")
        yield candidate(Role.CACHE, home.path("target"), place, score)


def _benches(home: Home, score: int) -> Iterator[Found]:
    text = home.text(MANIFEST)
    named = _values(text, "bench", "name")
    files = [path for path in home.files() if re.search(r"(^|/)benches/[^/]+\.rs$", path)]
    tool = next((t for t in ("criterion", "divan", "iai-callgrind", "iai") if t in text), "bench")
    found = [(setting.value.strip(' "'), home.at(MANIFEST, setting.line)) for setting in named]
    found += [(stem_of(path), home.at(path)) for path in files]
    for name, place in list(dict(found).items())[:3]:
        yield fact(Topic.BENCHMARK, f"{tool} {name}", place)
        measure = Measure("bench_s", "s", recipe="function-latency")
        command = home.command(f"cargo bench --bench {name}")
        unknown = "which of its numbers matters, and its unit, which criterion chooses by itself"
        yield candidate(Role.METRIC, command, place, score + 25, unknown, measure=measure)


def _programs(home: Home, score: int) -> Iterator[Found]:
    text = home.text(MANIFEST)
    named = _values(text, "bin", "name")
    if not named and home.has("src/main.rs"):
        named = _values(text, "package", "name")
    for setting in named[:2]:
        name = setting.value.strip(' "')
        program = home.path(f"target/release/{name}")
        place = home.at(MANIFEST, setting.line)
        yield fact(Topic.ENTRY, name, place)
        yield fact(Topic.OUTPUT, program, place)
        start = Measure("start_s", "s", source=Source.WALL, recipe="start-up-time")
        yield candidate(
            Role.METRIC, f"{program} --help >/dev/null", place, score - 5,
            "a typical call on typical input", measure=start,
        )  # fmt: skip
        size = Measure("binary_bytes", "B", recipe="binary-size")
        yield candidate(Role.METRIC, f"wc -c < {program}", place, score - 10, measure=size)


def _values(text: str, section: str, key: str) -> list[Setting]:
    return [found for found in settings(text) if found.section == section and found.key == key]


ECOSYSTEM = Ecosystem("Cargo", ("Rust",), READS, find)
