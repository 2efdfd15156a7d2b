"""Java and Kotlin: Maven and Gradle, JMH."""

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

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Home, Project

GRADLE = ("build.gradle", "build.gradle.kts")
READS = r"(^|/)(pom\.xml|build\.gradle(\.kts)?)$"
TOOLS = {
    "checkstyle": Topic.CHECKER,
    "spotbugs": Topic.CHECKER,
    "pmd": Topic.CHECKER,
    "spotless": Topic.CHECKER,
    "jacoco": Topic.COVERAGE,
}
BENCH = Measure("bench_score", "", source=Source.OUTPUT, recipe="function-latency")


def find(project: Project) -> Iterator[Found]:
    """What Maven and Gradle projects say of themselves."""
    for home in project.homes("pom.xml"):
        yield from _maven(home, 60 - home.penalty)
    for home in project.homes(*GRADLE):
        yield from _gradle(home, 58 - home.penalty)


def _maven(home: Home, score: int) -> Iterator[Found]:
    text = home.text("pom.xml")
    maven = "./mvnw" if home.has("mvnw") else "mvn"
    place = home.at("pom.xml", first_line(text, r"maven-surefire-plugin|junit"))
    yield fact(Topic.BUILD, "maven", home.at("pom.xml"))
    yield from test_suite(home.command(f"{maven} -q test"), place, score)
    yield candidate(
        Role.BUILD, home.command(f"{maven} -q -DskipTests package"), home.at("pom.xml"), score,
        "whether ~/.m2 is readable in the bench: `-Dmaven.repo.local=`, `-o`",
    )  # fmt: skip
    yield candidate(Role.CACHE, home.path("target"), home.at("pom.xml"), score)
    yield from _tools(text, home.at("pom.xml"))
    line = first_line(text, r"jmh")
    if line:
        profile = _profile_with(text, "jmh")
        option = f" -P{profile}" if profile else ""
        yield fact(Topic.BENCHMARK, "JMH", home.at("pom.xml", line))
        command = home.command(f"{maven} -q test{option}")
        yield candidate(
            Role.METRIC, command, home.at("pom.xml", line), score + 25, ONE_NUMBER, measure=BENCH
        )
    size = Measure("jar_bytes", "B", recipe="binary-size")
    yield candidate(
        Role.METRIC, home.command("cat target/*.jar | wc -c"), home.at("pom.xml"), score - 30,
        measure=size,
    )  # fmt: skip


def _profile_with(text: str, word: str) -> str:
    """The id of the profile whose block holds the word."""
    for block in re.findall(r"<profile>(.*?)</profile>", text, re.DOTALL):
        named = re.search(r"<id>\s*([^<\s]+)\s*</id>", block)
        if named and word in block:
            return str(named[1])
    return ""


def _gradle(home: Home, score: int) -> Iterator[Found]:
    name = next(name for name in GRADLE if home.has(name))
    text = home.text(name)
    gradle = "./gradlew" if home.has("gradlew") else "gradle"
    yield fact(Topic.BUILD, "gradle", home.at(name))
    yield from test_suite(home.command(f"{gradle} test"), home.at(name), score)
    yield candidate(Role.BUILD, home.command(f"{gradle} assemble"), home.at(name), score)
    yield candidate(Role.CACHE, home.path("build"), home.at(name), score)
    yield from _tools(text, home.at(name))
    line = first_line(text, r"jmh")
    if line:
        place = home.at(name, line)
        yield fact(Topic.BENCHMARK, "JMH", place)
        command = home.command(f"{gradle} jmh")
        yield candidate(Role.METRIC, command, place, score + 25, ONE_NUMBER, measure=BENCH)


def _tools(text: str, manifest: Evidence) -> Iterator[Found]:
    for tool, topic in TOOLS.items():
        line = first_line(text, tool)
        if line:
            yield fact(topic, tool, Evidence(manifest.path, line))


ECOSYSTEM = Ecosystem("JVM", ("Java", "Kotlin"), READS, find)
