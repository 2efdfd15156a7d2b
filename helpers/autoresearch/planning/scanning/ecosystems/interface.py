"""What every ecosystem module offers, and the words they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.model import Source
from autoresearch.planning.scanning.findings import (
    Candidate,
    Evidence,
    Fact,
    Found,
    Measure,
    Role,
    Topic,
)

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Project

ONE_NUMBER = "which of its numbers matters; `source: wall` times the whole command instead"
IN_BENCH = "whether it runs in a bench checkout: `autoresearch scan --time` tries it"
HOW_LONG = "how long it takes"

TEST_TIME = Measure("test_s", "s", source=Source.WALL, recipe="test-suite-time")


class Ecosystem(NamedTuple):
    """One way of building software.

    Attributes:
        name: as it is shown.
        languages: whose share of the source ranks its candidates.
        reads: regular expression, searched in paths, of the files whose content it needs.
        find: what it finds in a project.
    """

    name: str
    languages: tuple[str, ...]
    reads: str
    find: Callable[[Project], Iterator[Found]]


def fact(topic: Topic, name: str, evidence: Evidence) -> Fact:
    """A fact in one line."""
    return Fact(topic=topic, name=name, evidence=evidence)


def candidate(
    role: Role,
    value: str,
    evidence: Evidence | tuple[Evidence, ...],
    score: int,
    *unknown: str,
    measure: Measure | None = None,
) -> Candidate:
    """A candidate in one line."""
    seen = (evidence,) if isinstance(evidence, Evidence) else evidence
    return Candidate(
        role=role, value=value, evidence=seen, score=score, unknown=unknown, measure=measure
    )


def test_suite(command: str, evidence: Evidence, score: int) -> Iterator[Found]:
    """The guard that runs a project's tests, and the time it takes as a metric."""
    yield fact(Topic.RUNNER, command, evidence)
    yield candidate(Role.GUARD, command, evidence, score, HOW_LONG)
    yield candidate(
        Role.METRIC,
        command,
        evidence,
        score - 40,
        "what a faster suite must keep: the number of tests, coverage",
        measure=TEST_TIME,
    )
