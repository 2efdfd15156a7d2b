"""Turns a project into a survey: languages, facts, and candidates in the order to offer them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from autoresearch.planning.scanning import detectors, paths, tables
from autoresearch.planning.scanning.candidates import (
    Evidence,
    Fact,
    Language,
    ProjectSurvey,
    Role,
    Suggestion,
)
from autoresearch.planning.scanning.outline import Home, Project

READS = re.compile("|".join(table.reads.pattern for table in tables.tables()))
"""Searched in a path: whether a scan needs the content."""

SHARE_POINTS = 20
CI_POINTS = 15
MAX_CANDIDATES = 12
"""Of one role."""

MAX_CI_PLACES = 2
MAX_SCOPES = 6
MAX_PARTS = 12
LEAST_SHARE = 0.02
"""Of the source: what is smaller is no place to begin."""


def survey(project: Project) -> ProjectSurvey:
    """All that can be told without running anything."""
    languages = tuple(_languages(project))
    share = {language.name: language.share for language in languages}
    found: list[Fact | Suggestion] = []
    for table in tables.tables():
        points = round(SHARE_POINTS * sum(share.get(name, 0) for name in table.languages))
        found += (_raised(one, points) for one in tables.findings(table, project))
    found += _scopes(project)
    seen_in_ci = [
        (command["command"], Evidence(path, line))
        for path, line, command in detectors.ci_lines(Home(project, ""))
    ]
    candidates = [_with_ci(one, seen_in_ci) for one in found if isinstance(one, Suggestion)]
    facts = dict.fromkeys(one for one in found if isinstance(one, Fact))
    order = {topic: number for number, topic in enumerate(dict.fromkeys(f.topic for f in facts))}
    return ProjectSurvey(
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
        language = paths.language_of(path)
        if language and not paths.is_foreign(path):
            sizes[language] += size
            files[language] += 1
    total = sum(size for name, size in sizes.items() if name not in paths.TOLD.prose) or 1
    for name, size in sizes.most_common():
        share = 0.0 if name in paths.TOLD.prose else size / total
        yield Language(name=name, files=files[name], size=size, share=share)


def _raised(found: Fact | Suggestion, points: int) -> Fact | Suggestion:
    return replace(found, score=found.score + points) if isinstance(found, Suggestion) else found


def _with_ci(found: Suggestion, lines: Iterable[tuple[str, Evidence]]) -> Suggestion:
    """A guard that CI runs too is the one its people trust."""
    if found.role is not Role.GUARD:
        return found
    spellings = tables.shared().ci_spellings
    known = (how for key, how in spellings.items() if re.search(rf"\b{key}\b", found.value))
    pattern = next(known, re.compile(rf"(^|\s){re.escape(found.value)}\b"))
    places = [place for text, place in lines if pattern.search(text)]
    if not places:
        return found
    return replace(
        found,
        score=found.score + CI_POINTS,
        evidence=(*found.evidence, *places[:MAX_CI_PLACES]),
    )


def _ranked(candidates: list[Suggestion]) -> Iterator[Suggestion]:
    for role in Role:
        best: dict[tuple[str, str], Suggestion] = {}
        for found in sorted((c for c in candidates if c.role is role), key=lambda c: -c.score):
            name = found.measure.name if found.measure else ""
            best.setdefault((found.value, name), found)
        yield from list(best.values())[:MAX_CANDIDATES]


def _scopes(project: Project) -> Iterator[Suggestion]:
    """Scopes by folder and language, largest first; protect for what lies inside them."""
    sources = {
        path: size
        for path, size in project.sizes.items()
        if paths.is_source(path)
        and paths.name_of(path) not in paths.TOLD.settings
        and ".config." not in path
    }
    parts = {path: _part_of(path) for path in sources}
    if len(set(parts.values())) > MAX_PARTS:  # of so many none stands for the project
        parts = {path: part.partition("/")[0] for path, part in parts.items()}
    sizes: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for path, size in sources.items():
        key = (parts[path], path.rpartition(".")[2])
        sizes[key] += size
        first.setdefault(key, path)
    total = sum(sizes.values()) or 1
    folders = []
    for (folder, ending), size in sizes.most_common(MAX_SCOPES):
        if size < LEAST_SHARE * total:
            break
        folders.append(folder)
        yield Suggestion(
            role=Role.SCOPE,
            value=f"{folder}/**/*.{ending}" if folder else f"*.{ending}",
            evidence=(Evidence(first[folder, ending]),),
            score=round(100 * size / total),
            unknown=("which of its files the metric depends on",),
        )
    yield from _protected(project, folders)


def _part_of(path: str) -> str:
    """The folder that names the part a file belongs to."""
    parts = path.split("/")[:-1]
    if len(parts) > 1 and parts[0] in paths.TOLD.subtrees:
        return "/".join(parts[:2])
    return parts[0] if parts else ""


def _protected(project: Project, folders: list[str]) -> Iterator[Suggestion]:
    """Tests, benchmarks and foreign files inside the folders that could be a scope."""
    seen: dict[str, str] = {}
    for path in project.sizes:
        inside = any(not folder or path.startswith(f"{folder}/") for folder in folders)
        if not inside or paths.language_of(path) == "":
            continue
        pattern = _pattern_of(path, folders)
        if pattern:
            seen.setdefault(pattern, path)
    for pattern, path in list(seen.items())[:MAX_SCOPES]:
        yield Suggestion(role=Role.PROTECT, value=pattern, evidence=(Evidence(path),), score=50)


def _pattern_of(path: str, folders: list[str]) -> str:
    """A pattern that takes the file and its like out, empty where it may stay."""
    if not (paths.is_test(path) or paths.is_bench(path) or paths.is_foreign(path)):
        return ""
    name = paths.name_of(path)
    if name.endswith("_test.go"):
        return "**/*_test.go"
    if name.startswith("test_"):
        return f"**/test_*.{name.rpartition('.')[2]}"
    folder = path.rpartition("/")[0]
    if not folder:
        return name if "" in folders else ""
    parts = folder.split("/")
    for length in range(1, len(parts) + 1):
        head = "/".join(parts[:length])
        if paths.is_test(f"{head}/") or paths.is_bench(head) or paths.is_foreign(f"{head}/"):
            covered = any(head.startswith(f"{f}/") for f in folders if f)
            return f"{head}/**" if covered else ""
    return path
