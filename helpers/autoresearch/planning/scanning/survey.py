"""Turns a project into a survey: languages, facts, and candidates in the order to offer them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoresearch.planning.scanning import common, scopes
from autoresearch.planning.scanning.ecosystems import ALL
from autoresearch.planning.scanning.findings import Candidate, Evidence, Fact, Found, Role
from autoresearch.planning.scanning.paths import PROSE, is_foreign, language_of

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Project

READS = re.compile("|".join([common.READS, *(ecosystem.reads for ecosystem in ALL)]))
"""Searched in a path: whether a scan needs the content."""

SHARE_POINTS = 20
CI_POINTS = 15
MAX_CANDIDATES = 12
"""Of one role."""

MAX_CI_PLACES = 2

CI_SPELLINGS = {
    "pytest": r"\b(pytest|tox|nox|hatch test)\b",
    "unittest": r"\bunittest\b",
    "npm test": r"\b(npm|pnpm|yarn) (run )?test\b|\bnpm t\b",
    "go test": r"\bgo test\b",
    "cargo test": r"(\bcargo|CARGO }}) test\b",
    "mvn": r"\bmvnw?\b",
    "gradle": r"\bgradlew?\b",
    "rake test": r"\brake (test|spec)\b|\brake$",
    "rspec": r"\brspec\b",
    "ctest": r"\bctest\b",
    "meson test": r"\bmeson test\b",
}
"""What a guard's command holds -> how CI files spell that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """Code of one language, vendored and generated files left out."""

    name: str
    files: int
    size: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a scan reports.

    Attributes:
        files: how many were listed.
        languages: largest first.
        facts: in the order of topics.
        candidates: of each role, best first.
        hot: source files by the number of commits that changed them.
    """

    files: int
    languages: tuple[Language, ...]
    facts: tuple[Fact, ...]
    candidates: tuple[Candidate, ...]
    hot: tuple[tuple[str, int], ...]

    def of(self, role: Role) -> tuple[Candidate, ...]:
        """The candidates of one role, best first."""
        return tuple(found for found in self.candidates if found.role is role)


def survey(project: Project) -> Survey:
    """All that can be told without running anything."""
    languages = tuple(_languages(project))
    share = {language.name: language.share for language in languages}
    found: list[Found] = []
    for ecosystem in ALL:
        points = round(SHARE_POINTS * sum(share.get(name, 0) for name in ecosystem.languages))
        found += (_raised(one, points) for one in ecosystem.find(project))
    found += common.find(project)
    found += scopes.find(project)
    seen_in_ci = list(common.ci_lines(project))
    candidates = [_with_ci(one, seen_in_ci) for one in found if isinstance(one, Candidate)]
    facts = dict.fromkeys(one for one in found if isinstance(one, Fact))
    order = {topic: number for number, topic in enumerate(dict.fromkeys(f.topic for f in facts))}
    return Survey(
        files=len(project.sizes),
        languages=languages,
        facts=tuple(sorted(facts, key=lambda one: order[one.topic])),
        candidates=tuple(_ranked(candidates)),
        hot=project.churn,
    )


def _languages(project: Project) -> Iterator[Language]:
    sizes: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for path, size in project.sizes.items():
        language = language_of(path)
        if language and not is_foreign(path):
            sizes[language] += size
            files[language] += 1
    total = sum(size for name, size in sizes.items() if name not in PROSE) or 1
    for name, size in sizes.most_common():
        share = 0.0 if name in PROSE else size / total
        yield Language(name=name, files=files[name], size=size, share=share)


def _raised(found: Found, points: int) -> Found:
    return replace(found, score=found.score + points) if isinstance(found, Candidate) else found


def _with_ci(found: Candidate, lines: Iterable[tuple[str, Evidence]]) -> Candidate:
    """A guard that CI runs too is the one its people trust."""
    if found.role is not Role.GUARD:
        return found
    spelling = next(
        (how for key, how in CI_SPELLINGS.items() if re.search(rf"\b{key}\b", found.value)), ""
    )
    pattern = spelling or rf"(^|\s){re.escape(found.value)}\b"
    places = [place for text, place in lines if re.search(pattern, text)]
    if not places:
        return found
    return replace(
        found,
        score=found.score + CI_POINTS,
        evidence=(*found.evidence, *places[:MAX_CI_PLACES]),
    )


def _ranked(candidates: list[Candidate]) -> Iterator[Candidate]:
    for role in Role:
        best: dict[tuple[str, str], Candidate] = {}
        for found in sorted((c for c in candidates if c.role is role), key=lambda c: -c.score):
            name = found.measure.name if found.measure else ""
            best.setdefault((found.value, name), found)
        yield from list(best.values())[:MAX_CANDIDATES]
