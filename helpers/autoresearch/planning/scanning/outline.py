"""Reads just enough of manifests to quote a line: sections, keys, targets, commands.

No parser of the formats themselves: a scan wants the line a fact stands on, must live with files
that are malformed or templates, and TOML has no parser in Python 3.10.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_COMMANDS = 200

_SECTION = re.compile(r"^\s*\[+\s*([^\]\[]+?)\s*\]+\s*(?:[#;].*)?$")
_SETTING = re.compile(r"^\s*([\w.\"'-]+)\s*[=:]\s*(.*)$")
_TARGET = re.compile(r"^([A-Za-z0-9_./-]+(?:\s+[A-Za-z0-9_./-]+)*)\s*::?(?![=:])\s*([^=]*)$")
_RUN = re.compile(r"^(\s*)(?:-\s+)?(run|script|before_script|install):\s*(.*)$")


class Setting(NamedTuple):
    """`key = value` of a TOML or INI file, with its section; continuation lines are joined."""

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


class Command(NamedTuple):
    """A command that CI runs."""

    line: int
    text: str


def first_line(text: str, pattern: str) -> int:
    """The number of the first line that the pattern is found in, 0 for none."""
    found = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def settings(text: str) -> Iterator[Setting]:
    """The sections and keys of a TOML or INI file; a section itself has the key ""."""
    section = ""
    pending: Setting | None = None
    for number, line in enumerate(text.split("\n"), 1):
        opened = _SECTION.match(line)
        found = _SETTING.match(line)
        starts_value = found is not None and not (pending and _is_open(pending.value))
        if opened and not (pending and _is_open(pending.value)):
            if pending:
                yield pending
            pending = None
            section = opened[1].replace('"', "").strip()
            yield Setting(number, section, "", "")
        elif found is not None and starts_value:
            if pending:
                yield pending
            pending = Setting(number, section, found[1].strip("\"'"), found[2])
        elif pending and line.strip() and not line.lstrip().startswith("#"):
            pending = pending._replace(value=f"{pending.value}\n{line.strip()}")
    if pending:
        yield pending


def _is_open(value: str) -> bool:
    """Whether a bracket of this value is still to be closed."""
    bare = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'|#[^\n]*", "", value)
    return bare.count("[") + bare.count("{") > bare.count("]") + bare.count("}")


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


def targets(text: str) -> Iterator[Target]:
    """The rules of a Makefile that have plain names."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        found = _TARGET.match(line)
        if found is None or line.startswith("."):
            continue
        recipe = []
        for following in lines[number:]:
            if not following.startswith("\t"):
                break
            recipe.append(following.strip())
        for name in found[1].split():
            yield Target(number, name, found[2].strip(), tuple(recipe))


def ci_commands(text: str) -> Iterator[Command]:
    """The commands of a workflow: values of `run:` and `script:`, blocks and lists included."""
    lines = text.split("\n")
    count = 0
    for number, line in enumerate(lines, 1):
        found = _RUN.match(line)
        if found is None:
            continue
        value = found[3].strip()
        block = [] if value and value not in {"|", ">", "|-", ">-"} else _block(lines, number, line)
        inline = [] if block or not value or value[0] in "|>" else [Command(number, value)]
        for command in inline or block:
            count += 1
            if count > MAX_COMMANDS:
                return
            yield command


def _block(lines: list[str], number: int, head: str) -> list[Command]:
    """The lines below `run: |` or `script:`, as long as they are indented deeper."""
    indent = len(head) - len(head.lstrip())
    found = []
    for offset, line in enumerate(lines[number:], number + 1):
        if not line.strip():
            continue
        bare = line.lstrip()
        deeper = len(line) - len(bare)
        # The items of `script:` may stand right below it; those beside `- run:` are other steps.
        is_item = deeper == indent and bare.startswith("- ") and not head.lstrip().startswith("-")
        if deeper <= indent and not is_item:
            break
        text = bare.removeprefix("- ").strip()
        if text and not text.startswith("#"):
            found.append(Command(offset, text))
    return found
