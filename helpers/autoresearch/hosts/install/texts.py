"""The forms in which hosts want skill and commands; values in, values out."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

BESIDE = "`../bin/autoresearch` beside this skill's folder"
"""How SKILL.md names the program where the skill lies in its clone."""

_GATHERED = re.compile(r"!`([^`]+?)(?: 2>&1)?(?: \|\| true)?`")


class Form(Enum):
    """How a host writes a command down."""

    CLAUDE = "Markdown as it is"
    SHELL = "Markdown; gathers context by `!` lines"
    PLAIN = "Markdown; gathers nothing"
    TOML = "TOML"


class Command(NamedTuple):
    """A slash command without its host's form."""

    description: str
    body: str


def skill_text(text: str, launcher: str | None) -> str:
    """SKILL.md for a folder that is not in the clone.

    Args:
        text: as it stands in the clone.
        launcher: the program's absolute path; None where the text is shared between machines.
    """
    elsewhere = "ask the human where its `bin/autoresearch` is"
    return text.replace(BESIDE, elsewhere if launcher is None else f"`{launcher}`")


def command_text(text: str, form: Form) -> str:
    """A command of ours in a host's form."""
    if form is Form.CLAUDE:
        return text
    command = _taken_apart(text)
    if form is not Form.SHELL:
        command = command._replace(
            body=_GATHERED.sub(r"Run `\1` and read its answer first.", command.body)
        )
    if form is Form.TOML:
        body = command.body.replace("$ARGUMENTS", "{{args}}")
        return f'description = {_toml(command.description)}\nprompt = """\n{_escaped(body)}"""\n'
    return f"---\ndescription: {command.description}\n---\n{command.body}"


def _taken_apart(text: str) -> Command:
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    (description,) = re.findall(r"^description: (.*)$", head, re.MULTILINE)
    return Command(description, body)


def _toml(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """For a basic string of TOML; our texts hold no control characters but line ends."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
