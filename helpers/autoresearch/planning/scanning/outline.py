"""Reads just enough of manifests to quote a line: sections, keys, targets, commands.

No parser of the formats themselves: a scan wants the line a fact stands on, must live with files
that are malformed or templates, and TOML has no parser in Python 3.10. Every pattern is linear in
what it reads: 24 KB of `[` once cost 17 s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_COMMANDS = 200

_SECTION = re.compile(r"\[+([^\[\]]+)\]+[ \t]*(?:[#;].*)?$")
_SETTING = re.compile(r"\s*([\w.\"'-]+)\s*[=:](.*)$")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|#.*")
_TARGET = re.compile(r"([\w./-]+(?:\s+[\w./-]+)*)\s*::?(?![=:])([^=]*)$", re.ASCII)
_RUN = re.compile(r"(\s*)(?:-\s+)?(run|script|before_script|install):(.*)$")
_JSON_KEY = re.compile(r'"([^"\n]*)"\s*:')


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
