"""A project as a value, and just enough of its manifests to quote a line: keys, targets, commands.

There is no parser of the formats themselves: a scan wants the line a fact stands on, must live with
files that are malformed or templates, and TOML has no parser in Python 3.10. Every pattern is
linear in what it reads: 24 KB of `[` once cost 17 s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from autoresearch.planning.scanning.candidates import Evidence
from autoresearch.planning.scanning.paths import depth_of, is_foreign, name_of

MAX_COMMANDS = 200
MAX_HOMES = 3
"""Folders of one ecosystem that are looked at: a monorepo of hundreds is told by its first."""

MAX_DEPTH = 3

_SECTION = re.compile(r"\[+([^\[\]]+)\]+[ \t]*(?:[#;].*)?$")
_SETTING = re.compile(r"\s*([\w.\"'-]+)\s*[=:](.*)$")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|#.*")
_TARGET = re.compile(r"([\w./-]+(?:\s+[\w./-]+)*)\s*::?(?![=:])([^=]*)$", re.ASCII)
_RUN = re.compile(r"(\s*)(?:-\s+)?(run|script|before_script|install):(.*)$")
_JSON_KEY = re.compile(r'"([^"\n]*)"\s*:')


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: bytes of each file by path, sorted, and the content of those asked for.

    `present` are ignored folders at the root; `churn` counts the commits that changed a source.
    """

    sizes: Mapping[str, int]
    texts: Mapping[str, str]
    present: frozenset[str] = frozenset()
    churn: tuple[tuple[str, int], ...] = ()

    def text(self, path: str) -> str:
        """The content, empty where the file is not there or was not read."""
        return self.texts.get(path, "")

    def homes(self, *names: str) -> list[Home]:
        """Folders that hold one of the files named, nearest to the root: deeper are their parts."""
        found = {
            path.rpartition("/")[0]
            for path in self.sizes
            if name_of(path) in names and not is_foreign(path) and depth_of(path) <= MAX_DEPTH
        }
        if not found:
            return []
        least = min(_depth(folder) for folder in found)
        nearest = sorted(folder for folder in found if _depth(folder) == least)
        return [Home(self, folder) for folder in nearest[:MAX_HOMES]]


class Home(NamedTuple):
    """A folder that one ecosystem's manifest makes a package of."""

    project: Project
    folder: str

    def path(self, name: str) -> str:
        """A path below this folder, relative to the root."""
        return f"{self.folder}/{name}" if self.folder else name

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return self.path(name) in self.project.sizes

    def text(self, name: str) -> str:
        """The content of a file of this folder, empty without."""
        return self.project.text(self.path(name))

    def at(self, name: str, line: int = 0) -> Evidence:
        """A place in a file of this folder."""
        return Evidence(self.path(name), line)

    def files(self) -> list[str]:
        """Paths below this folder, relative to it, in order."""
        start = f"{self.folder}/" if self.folder else ""
        size = len(start)
        return [path[size:] for path in self.project.sizes if path.startswith(start)]

    def command(self, text: str) -> str:
        """The command as it runs from the root."""
        return f"cd {self.folder} && {text}" if self.folder else text

    @property
    def penalty(self) -> int:
        """What its candidates lose against those of the root."""
        return 5 * _depth(self.folder)


def _depth(folder: str) -> int:
    return folder.count("/") + 1 if folder else 0


class KeyValue(NamedTuple):
    """`key = value` of a TOML, INI or JSON file, with its section; continuation lines are joined.

    A rule of a Makefile is one too: the targets that it needs, then its recipe, a line each.
    """

    line: int
    section: str
    key: str
    value: str


class Target(NamedTuple):
    """A rule of a Makefile."""

    line: int
    name: str
    needs: str
    recipe: tuple[str, ...]


class CiCommand(NamedTuple):
    """A command that CI runs."""

    line: int
    text: str


def first_line(text: str, pattern: str | re.Pattern[str]) -> int:
    """The number of the first line that the pattern is found in, 0 for none."""
    wanted = re.compile(pattern, re.MULTILINE) if isinstance(pattern, str) else pattern
    return next((line for line, _ in lined(text, wanted)), 0)


def lined(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, re.Match[str]]]:
    """Each match with the number of the line where it begins."""
    line, counted = 1, 0
    for found in pattern.finditer(text):
        line, counted = line + text.count("\n", counted, found.start()), found.start()
        yield line, found


def entries(name: str, text: str) -> Iterator[KeyValue]:
    """What a manifest of this name holds."""
    if name.endswith(".json"):
        yield from _json_entries(text)
    elif name.lower().endswith("makefile"):
        for found in targets(text):
            value = "\n".join((found.needs, *found.recipe))
            yield KeyValue(found.line, "", found.name, value)
    else:
        yield from settings(text)


def settings(text: str) -> Iterator[KeyValue]:
    """The sections and keys of a TOML or INI file; a section itself has the key ""."""
    section, open_brackets = "", 0
    pending: KeyValue | None = None
    values: list[str] = []

    def ended() -> Iterator[KeyValue]:
        if pending:
            yield pending._replace(value="\n".join(values))

    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        opened = _SECTION.match(bare) if open_brackets <= 0 else None
        found = _SETTING.match(line) if open_brackets <= 0 else None
        if opened:
            yield from ended()
            pending, section = None, opened[1].replace('"', "").strip()
            yield KeyValue(number, section, "", "")
        elif found is not None:
            yield from ended()
            pending, values = KeyValue(number, section, found[1].strip("\"'"), ""), []
            bare = found[2].lstrip()
            open_brackets = 0
        if pending and (found or (bare and not bare.startswith("#"))):
            values.append(bare)
            open_brackets += _opened(bare)
    yield from ended()


def _opened(text: str) -> int:
    """How many brackets a line opens more than it closes."""
    bare = _QUOTED.sub("", text)
    return bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")


def json_object(text: str) -> dict[str, object] | None:
    """The object that a JSON file holds, None when it holds none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def table_of(holder: dict[str, object], key: str) -> dict[str, str]:
    """A member whose own members are texts; others are left out."""
    found = holder.get(key)
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, str)}


def _json_entries(text: str) -> Iterator[KeyValue]:
    held = json_object(text) or {}
    lines: dict[str, int] = {}
    for line, key in lined(text, _JSON_KEY):
        lines.setdefault(key[1], line)
    for name, value in held.items():
        if isinstance(value, str):
            yield KeyValue(lines.get(name, 0), "", name, value)
        for inner, content in table_of(held, name).items():
            yield KeyValue(lines.get(inner, 0), name, inner, content)


def targets(text: str) -> Iterator[Target]:
    """The rules of a Makefile that have plain names."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        found = _TARGET.match(line)
        if found is None or line.startswith("."):
            continue
        end = number
        while end < len(lines) and lines[end].startswith("\t"):
            end += 1
        recipe = tuple(step.strip() for step in lines[number:end])
        for name in found[1].split():
            yield Target(number, name, found[2].strip(), recipe)


def ci_commands(text: str) -> Iterator[CiCommand]:
    """The commands of a workflow: values of `run:` and `script:`, blocks and lists included."""
    lines = text.split("\n")
    count = 0
    for number, line in enumerate(lines, 1):
        found = _RUN.match(line)
        if found is None:
            continue
        value = found[3].strip()
        if value and value not in {"|", ">", "|-", ">-"}:
            commands = [] if value[0] in "|>" else [CiCommand(number, value)]
        else:
            commands = _block(lines, number, line)
        for command in commands:
            count += 1
            if count > MAX_COMMANDS:
                return
            yield command


def _block(lines: list[str], number: int, head: str) -> list[CiCommand]:
    """The lines below `run: |` or `script:`, as long as they are indented deeper."""
    indent = len(head) - len(head.lstrip())
    found: list[CiCommand] = []
    for offset in range(number, len(lines)):
        line = lines[offset]
        bare = line.lstrip()
        if not bare:
            continue
        deeper = len(line) - len(bare)
        # The items of `script:` may stand right below it; those beside `- run:` are other steps.
        is_item = deeper == indent and bare.startswith("- ") and not head.lstrip().startswith("-")
        if (deeper <= indent and not is_item) or len(found) > MAX_COMMANDS:
            break
        text = bare.removeprefix("- ").strip()
        if text and not text.startswith("#"):
            found.append(CiCommand(offset + 1, text))
    return found
