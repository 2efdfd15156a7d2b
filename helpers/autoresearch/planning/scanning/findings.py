"""What a scan finds: facts about a project, and candidates for the parts of a contract."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from autoresearch.core.model import Direction, Source


class Topic(Enum):
    """What a fact is about."""

    BUILD = "build"
    RUNNER = "test runner"
    CHECKER = "linter or type checker"
    BENCHMARK = "benchmark"
    COVERAGE = "coverage"
    OUTPUT = "build output"
    CONTAINER = "container"
    CI = "ci command"
    ENTRY = "entry point"
    FOREIGN = "generated or vendored"
    TROUBLE = "not understood"


class Role(Enum):
    """Which part of a contract a candidate could be."""

    METRIC = "metric"
    GUARD = "guard"
    SCOPE = "scope"
    PROTECT = "protect"
    LINK = "link"
    CACHE = "cache"
    SETUP = "setup"
    BUILD = "build"
    ENV = "env"
    PROFILE = "profile"


class Evidence(NamedTuple):
    """Where something was seen; line 0 stands for the file as such."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        """`pyproject.toml:12`."""
        return f"{self.path}:{self.line}" if self.line else self.path


class Measure(NamedTuple):
    """What a metric candidate's command yields.

    Attributes:
        name, unit, direction, source, pattern: as a contract's `metric` takes them.
        recipe: page below skill/references/recipes that shows how to measure it, "" for none.
    """

    name: str
    unit: str
    direction: Direction = Direction.LOWER
    source: Source = Source.OUTPUT
    pattern: str = ""
    recipe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something the project says of itself.

    Attributes:
        topic: what it is about.
        name: of the tool, file or command.
        evidence: where it was seen.
    """

    topic: Topic
    name: str
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A part that a contract could have.

    Attributes:
        role: which part.
        value: the command, pattern, folder, or NAME=value.
        evidence: what it rests on; at least one.
        score: the higher, the sooner it is offered; comparable within a role only.
        unknown: what a reader must still find out, a clause each.
        measure: of a metric, else None.
    """

    role: Role
    value: str
    evidence: tuple[Evidence, ...]
    score: int
    unknown: tuple[str, ...] = ()
    measure: Measure | None = None


Found = Fact | Candidate
