"""Ruby: Gemfile, gemspec, rake, RSpec, minitest."""

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
from autoresearch.planning.scanning.findings import Evidence, Found, Measure, Role, Topic
from autoresearch.planning.scanning.outline import first_line
from autoresearch.planning.scanning.paths import is_bench, is_test

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Home, Project

READS = r"(^|/)(Gemfile|Rakefile|\.rspec|\.rubocop\.yml)$|\.gemspec$|\.rake$"
TEST_TASK = r"Rake::TestTask|Minitest::TestTask|task\s*\(?\s*:?[\"']?test\b|task default:.*:test"


def find(project: Project) -> Iterator[Found]:
    """What gems and applications say of themselves."""
    for home in project.homes("Gemfile", "Rakefile"):
        score = 60 - home.penalty
        bundle = "bundle exec " if home.has("Gemfile") else ""
        if home.has("Gemfile"):
            yield fact(Topic.BUILD, "bundler", home.at("Gemfile"))
            yield candidate(
                Role.SETUP, home.command("bundle install --local"), home.at("Gemfile"), score,
                "whether its gems are installed: the bench has its own home",
            )  # fmt: skip
        yield from _tests(home, bundle, score)
        yield from _checkers(home, bundle, score)
        yield from _benchmarks(home, bundle, score)
        for path in home.files():
            if re.match(r"(exe|bin)/[^/.]+$", path):
                yield fact(Topic.ENTRY, path, home.at(path))


def _tests(home: Home, bundle: str, score: int) -> Iterator[Found]:
    rakes = [path for path in home.files() if path == "Rakefile" or path.endswith(".rake")]
    for path in rakes:
        line = first_line(home.text(path), TEST_TASK)
        if line:
            place = home.at(path, line)
            yield from test_suite(home.command(f"{bundle}rake test"), place, score + 2)
            break
    specs = next((path for path in home.files() if path.endswith("_spec.rb")), "")
    if home.has(".rspec") or specs:
        place = home.at(".rspec") if home.has(".rspec") else home.at(specs)
        yield from test_suite(home.command(f"{bundle}rspec"), place, score)
    elif not any(first_line(home.text(path), TEST_TASK) for path in rakes):
        test = next((p for p in home.files() if is_test(p) and p.endswith(".rb")), "")
        if test:
            command = (
                "ruby -Ilib -Itest -e 'Dir[\"test/**/*test*.rb\"].each { |f| require_relative f }'"
            )
            yield from test_suite(home.command(command), home.at(test), score - 10)


def _checkers(home: Home, bundle: str, score: int) -> Iterator[Found]:
    for tool, file in (("rubocop", ".rubocop.yml"), ("standardrb", ".standard.yml")):
        if home.has(file):
            yield fact(Topic.CHECKER, tool, home.at(file))
            yield candidate(Role.GUARD, home.command(f"{bundle}{tool}"), home.at(file), score - 25)
    for path in ("Gemfile", *(p for p in home.files() if p.endswith(".gemspec"))):
        line = first_line(home.text(path), r"simplecov")
        if line:
            yield fact(Topic.COVERAGE, "simplecov", home.at(path, line))
            return


def _benchmarks(home: Home, bundle: str, score: int) -> Iterator[Found]:
    scripts = [p for p in home.files() if is_bench(p) and re.search(r"(\.rb|bench[^/.]*)$", p)]
    for path in [p for p in scripts if not is_test(p)][:3]:
        place = home.at(path)
        yield fact(Topic.BENCHMARK, "script", place)
        measure = Measure("bench_s", "s", source=Source.WALL, recipe="function-latency")
        command = home.command(f"{bundle}ruby -Ilib {path}")
        yield candidate(Role.METRIC, command, place, score + 15, ONE_NUMBER, measure=measure)
    line = first_line(home.text("Gemfile"), r"benchmark[-_](ips|driver)")
    if line:
        yield fact(Topic.BENCHMARK, "benchmark-ips", Evidence(home.path("Gemfile"), line))


ECOSYSTEM = Ecosystem("Ruby", ("Ruby",), READS, find)
