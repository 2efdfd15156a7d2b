"""What a scan finds: facts about a project, and candidates for the parts of a contract."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

import msgspec

from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Direction, Source

CUT_FACTS = 6
CUT_OTHERS = 2
LONG = 300


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


CUT_CANDIDATES = {Role.METRIC: 6, Role.GUARD: 4, Role.SCOPE: 4}


class Evidence(NamedTuple):
    """Where something was seen; line 0 stands for the file as such."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        """`pyproject.toml:12`."""
        return f"{self.path}:{self.line}" if self.line else self.path


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a metric's command yields, as a contract takes it; how is on the recipe's page."""

    name: str
    unit: str = ""
    direction: Direction = Direction.LOWER
    source: Source = Source.OUTPUT
    pattern: str = ""
    recipe: str = ""


class Fact(NamedTuple):
    """Something the project says of itself: about a topic, the name of a tool, file or command."""

    topic: Topic
    name: str
    evidence: Evidence


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate for a part of a contract: a command, pattern, folder, or NAME=value.

    It rests on one piece of evidence at least. Scores compare within a role only; `unknown` is
    what a reader must still find out, a clause each.
    """

    role: Role
    value: str
    evidence: tuple[Evidence, ...]
    score: int
    unknown: tuple[str, ...] = ()
    measure: Measure | None = None


class Language(NamedTuple):
    """Code of one language, vendored and generated files left out."""

    name: str
    files: int
    size: int
    share: float


class ProjectSurvey(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan reports: facts by topic, candidates of each role best first, hot files."""

    files: int
    languages: tuple[Language, ...]
    facts: tuple[Fact, ...]
    candidates: tuple[Suggestion, ...]
    hot: tuple[tuple[str, int], ...]

    def of(self, role: Role) -> tuple[Suggestion, ...]:
        """The candidates of one role, best first."""
        return tuple(found for found in self.candidates if found.role is role)


def survey_object(found: ProjectSurvey, *, cut: bool = False) -> dict[str, Any]:
    """The survey for JSON; with `cut` only the first of each kind, as many as fit an answer."""
    few = CUT_FACTS if cut else None
    facts: dict[str, list[dict[str, Any]]] = {}
    for topic in Topic:
        shown = [fact for fact in found.facts if fact.topic is topic][:few]
        if shown:
            facts[topic.value] = [
                {"name": clean_line(fact.name, LONG), "at": clean_line(str(fact.evidence), LONG)}
                for fact in shown
            ]
    candidates = {
        role.value: [
            _suggestion_object(one)
            for one in found.of(role)[: CUT_CANDIDATES.get(role, CUT_OTHERS) if cut else None]
        ]
        for role in Role
    }
    return {
        "files": found.files,
        "languages": [
            {"name": one.name, "files": one.files, "bytes": one.size, "share": round(one.share, 4)}
            for one in found.languages[:few]
        ],
        "facts": facts,
        "candidates": candidates,
        "hot": [
            {"path": clean_line(path, LONG), "commits": commits}
            for path, commits in found.hot[:few]
        ],
    }


def _suggestion_object(one: Suggestion) -> dict[str, Any]:
    key = "command" if one.role in {Role.METRIC, Role.GUARD} else "value"
    held: dict[str, Any] = {
        key: clean_line(one.value, LONG),
        "score": one.score,
        "evidence": [clean_line(str(place), LONG) for place in one.evidence],
        "unknown": list(one.unknown),
    }
    measure = one.measure
    if measure is not None:
        held["metric"] = {
            "name": measure.name,
            "unit": measure.unit,
            "direction": measure.direction.value,
            "source": measure.source.value,
            "pattern": measure.pattern or None,
        }
        held["recipe"] = measure.recipe or None
    return held
