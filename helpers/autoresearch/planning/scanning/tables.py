"""One table for each way of building software, in `ecosystems/`, and what interprets them.

A rule says where to look and what a sighting there gives; `ecosystems/README.md` explains the keys.
What no table can say is a detector (`detectors`), which a rule names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from autoresearch.planning.scanning import detectors, outline, paths
from autoresearch.planning.scanning.candidates import (
    Evidence,
    Fact,
    Measure,
    Role,
    Suggestion,
    Topic,
)
from autoresearch.planning.scanning.outline import Home, Project

ORDER = ("python", "npm", "go", "cargo", "maven", "gradle", "ruby", "native", "common")
SUITE_TIME_SCORE = -40
RUN = {Role.METRIC, Role.GUARD, Role.SETUP, Role.BUILD, Role.PROFILE}
"""What is a command, and runs in the folder of its home."""

_HOLE = re.compile(r"\{(\w+)\}")
_KINDS = {"bench": paths.is_bench, "test": paths.is_test, "vendored": paths.is_vendored}


class Emission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact or a candidate that a rule gives; its texts may hold `{variable}`."""

    fact: tuple[Topic, str] | None = None
    suite: str = ""
    metric: str = ""
    guard: str = ""
    protect: str = ""
    link: str = ""
    cache: str = ""
    setup: str = ""
    build: str = ""
    env: str = ""
    profile: str = ""
    score: int = 0
    deeper: int = 0
    of: str = ""
    unknown: tuple[str, ...] = ()
    once: str = ""


class KeyRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries of a manifest, by section, keys and value."""

    inside: str
    section: re.Pattern[str] = re.compile("")
    key: tuple[re.Pattern[str], ...] = (re.compile(".+"),)
    value: re.Pattern[str] | None = None
    without: re.Pattern[str] | None = None


class MarkerRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to look, which sightings count, and what they give."""

    file: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    files: re.Pattern[str] | None = None
    entry: KeyRule | None = None
    each_line: re.Pattern[str] | None = None
    present: tuple[str, ...] = ()
    code: str = ""
    kind: tuple[str, ...] = ()
    line: re.Pattern[str] | None = None
    holds: re.Pattern[str] | None = None
    points: tuple[re.Pattern[str], ...] = ()
    only_with: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    first: re.Pattern[str] | None = None
    most: int = 0
    mark: str = ""
    at: str = ""
    set: dict[str, str] = {}
    give: tuple[Emission, ...]


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value of a variable: where the file, or the `folder/`, is there, and the line in it."""

    value: str
    has: str = ""
    line: re.Pattern[str] | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way of building software; ecosystems/README.md explains every key."""

    languages: tuple[str, ...] = ()
    reads: re.Pattern[str]
    homes: tuple[tuple[str, ...], ...] = ()
    bare: re.Pattern[str] | None = None
    only: bool = False
    score: int = 0
    variables: dict[str, tuple[Choice, ...]] = {}
    shared: Any = None
    rules: tuple[MarkerRule, ...]

    def homes_in(self, project: Project) -> list[Home]:
        """The folders to look at."""
        listed = project.sizes
        if self.only and not any(paths.language_of(path) in self.languages for path in listed):
            return []
        for names in self.homes:
            found = project.homes(*names)
            if found:
                return found
        is_bare = self.bare is not None and any(map(self.bare.search, project.sizes))
        return [Home(project, "")] if is_bare else []


class Shared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all tables use: measures, clauses, and how CI files spell what guards hold."""

    measures: dict[str, Measure]
    unknown: dict[str, str]
    ci_spellings: dict[str, re.Pattern[str]]


Form = TypeVar("Form")


def _read(name: str, form: type[Form]) -> Form:
    content = (paths.TABLES / f"{name}.yaml").read_bytes()
    return msgspec.yaml.decode(
        content, type=form, dec_hook=lambda _, text: re.compile(text, re.MULTILINE)
    )


@cache
def tables() -> tuple[Table, ...]:
    """All of them, in the order of their findings."""
    return tuple(_read(name, Table) for name in ORDER)


@cache
def shared() -> Shared:
    """What all tables use."""
    return _read("shared", Shared)


class _Sighting(NamedTuple):
    """A place below a home; where it `is_sure`, the rule's `line` need not be found."""

    path: str
    line: int = 0
    variables: Mapping[str, str] = {}
    is_sure: bool = False


def findings(table: Table, project: Project) -> Iterator[Fact | Suggestion]:
    """What a table finds in a project."""
    for home in table.homes_in(project):
        yield from _Interpreter(table, home).findings()


class _Interpreter:
    """One table in one home, with the marks that its rules left."""

    def __init__(self, table: Table, home: Home) -> None:
        self.table = table
        self.home = home
        self.marks: set[str] = set()
        self.paths = home.files()
        self.read = [path for path in self.paths if home.path(path) in home.project.texts]
        self.variables = {"home": f"{home.folder}/" if home.folder else ""}
        for name, choices in table.variables.items():
            self.variables[name] = next(one.value for one in choices if self._fits(one))

    def _fits(self, choice: Choice) -> bool:
        if choice.line is not None:
            return choice.line.search(self.home.text(choice.has)) is not None
        if choice.has.endswith("/"):
            return any(path.startswith(choice.has) for path in self.paths)
        return not choice.has or self.home.has(choice.has)

    def findings(self) -> Iterator[Fact | Suggestion]:
        for rule in self.table.rules:
            if not self.marks.issuperset(rule.only_with):
                continue
            count = 0
            most = 1 if rule.file and rule.each_line is None else rule.most
            found: Iterable[_Sighting] = self._sightings(rule)
            if first := rule.first:
                found = sorted(found, key=lambda one: first.search(one.path) is None)
            for sighting in found:
                seen = self._looked_at(rule, sighting)
                if seen is None:
                    continue
                self.marks.add(self._filled(rule.mark, seen.variables))
                for emission in rule.give:
                    yield from self._given(rule, emission, seen)
                count += 1
                if count == most:
                    break

    def _sightings(self, rule: MarkerRule) -> Iterator[_Sighting]:
        if rule.code:
            for path, line, variables in getattr(detectors, rule.code)(self.home):
                yield _Sighting(path, line, variables)
        elif rule.entry is not None:
            yield from self._entries(rule.entry)
        elif rule.files is not None:
            listed = self.read if rule.line or rule.holds else self.paths
            yield from (_Sighting(path) for path in listed if rule.files.search(path))
        elif rule.present:
            present = self.home.project.present
            yield from (_Sighting(name) for name in rule.present if name in present)
        elif rule.each_line is not None:
            for name in rule.file:
                for line, found in outline.lined(self.home.text(name), rule.each_line):
                    yield _Sighting(name, line, _groups(found))
        else:
            yield from (_Sighting(name) for name in rule.file if self.home.has(name))
            own = (name for name in rule.instead if self.home.has(name))
            yield from (_Sighting(name, is_sure=True) for name in own)

    def _entries(self, wanted: KeyRule) -> Iterator[_Sighting]:
        held = list(outline.entries(wanted.inside, self.home.text(wanted.inside)))
        for pattern in wanted.key:
            for one in held:
                if not (wanted.section.fullmatch(one.section) and pattern.fullmatch(one.key)):
                    continue
                found = wanted.value.search(one.value) if wanted.value else None
                is_other = wanted.without is not None and wanted.without.search(one.value)
                if (wanted.value and not found) or is_other:
                    continue
                value = one.value.strip(" \"'")
                variables = {
                    "key": one.key,
                    "value": value,
                    "module": value.partition(":")[0],
                    **(_groups(found) if found else {}),
                }
                yield _Sighting(wanted.inside, one.line, variables)

    def _looked_at(self, rule: MarkerRule, sighting: _Sighting) -> _Sighting | None:
        """The sighting with its line and variables, None where it does not count."""
        path, line = sighting.path, sighting.line
        for kind in rule.kind:
            if _KINDS[kind.removeprefix("not ")](path) == kind.startswith("not "):
                return None
        if rule.holds is not None and not rule.holds.search(self.home.text(path)):
            return None
        folder = path.rpartition("/")[0]
        variables = {
            **self.variables,
            "path": path,
            "name": paths.name_of(path),
            "stem": paths.stem_of(path),
            "top": path.partition("/")[0] if folder else ".",
            "here": f"./{folder}" if folder else ".",
            "package": folder.removeprefix("src/").replace("/", "."),
            **sighting.variables,
            **rule.set,
        }
        if any(self._filled(mark, variables) in self.marks for mark in rule.unless):
            return None
        if rule.line is not None and not sighting.is_sure:
            line, found = next(outline.lined(self.home.text(path), rule.line), (0, None))
            if found is None:
                return None
            variables.update(_groups(found))
        for pattern in rule.points:
            line = line or outline.first_line(self.home.text(path), pattern)
        return _Sighting(path, line, variables)

    def _given(
        self, rule: MarkerRule, emission: Emission, seen: _Sighting
    ) -> Iterator[Fact | Suggestion]:
        if emission.once:
            mark = self._filled(emission.once, seen.variables)
            if mark in self.marks:
                return
            self.marks.add(mark)
        place = Evidence(seen.path) if rule.present else self.home.at(seen.path, seen.line)
        if rule.at:
            place = self.home.at(self._filled(rule.at, seen.variables))
        score = self.table.score - self.home.penalty + emission.score
        score += emission.deeper * paths.depth_of(seen.path)
        if emission.fact is not None:
            topic, name = emission.fact
            yield Fact(topic, self._filled(name, seen.variables), place)
        elif emission.suite:
            guard = replace(emission, guard=emission.suite, unknown=("how-long",))
            time = replace(emission, metric=emission.suite, of="tests", unknown=("to-keep",))
            command = self.home.command(self._filled(emission.suite, seen.variables))
            yield Fact(Topic.RUNNER, command, place)
            yield self._suggested(guard, place, score, seen.variables)
            yield self._suggested(time, place, score + SUITE_TIME_SCORE, seen.variables)
        else:
            yield self._suggested(emission, place, score, seen.variables)

    def _suggested(
        self, emission: Emission, place: Evidence, score: int, variables: Mapping[str, str]
    ) -> Suggestion:
        def filled(text: str) -> str:
            return self._filled(text, variables)

        role = next(role for role in Role if getattr(emission, role.value, ""))
        value = filled(getattr(emission, role.value))
        told = shared()
        measure = told.measures.get(emission.of)
        if measure is not None:
            name, pattern = filled(measure.name), filled(measure.pattern)
            measure = replace(measure, name=name, pattern=pattern)
        return Suggestion(
            role=role,
            value=self.home.command(value) if role in RUN else value,
            evidence=(place,),
            score=score,
            unknown=tuple(filled(told.unknown.get(text, text)) for text in emission.unknown),
            measure=measure,
        )

    @staticmethod
    def _filled(text: str, variables: Mapping[str, str]) -> str:
        return _HOLE.sub(lambda hole: variables[hole[1]], text)


def _groups(found: re.Match[str]) -> dict[str, str]:
    return {str(number): text or "" for number, text in enumerate(found.groups(), 1)}
