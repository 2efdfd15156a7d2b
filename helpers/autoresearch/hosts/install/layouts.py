"""Where each host looks, and what it finds there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.hosts.install.texts import Form, command_text, skill_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoresearch.hosts.install.bundle import Bundle

SKILL_FOLDER = "autoresearch"
"""The standard asks that a skill's folder bears its name."""


class Layout(NamedTuple):
    """A host's folders, below the home and below a project.

    Attributes:
        skills: folder of skills, for both.
        commands: folder of commands below the home and below a project; None where the host
            has none: there one asks in words.
        command: name of a command's file; `{}` stands for the command.
        form: how a command is written.
        variable: environment variable that moves the first part of the home's folders.
        start: how a run is started there, for people.
    """

    skills: str
    commands: tuple[str, str] | None
    command: str
    form: Form
    variable: str
    start: str


_SHARED = ".agents/skills"

LAYOUTS = {
    "claude": Layout(
        ".claude/skills",
        (".claude/commands", ".claude/commands"),
        "autoresearch/{}.md",
        Form.CLAUDE,
        "CLAUDE_CONFIG_DIR",
        "/autoresearch run 5",
    ),
    "codex": Layout(_SHARED, None, "", Form.PLAIN, "", "$autoresearch run 5"),
    "opencode": Layout(
        _SHARED,
        (".config/opencode/commands", ".opencode/commands"),
        "autoresearch:{}.md",
        Form.SHELL,
        "XDG_CONFIG_HOME",
        "/autoresearch run 5",
    ),
    "gemini": Layout(
        _SHARED,
        (".gemini/commands", ".gemini/commands"),
        "autoresearch/{}.toml",
        Form.TOML,
        "",
        "/autoresearch:run 5",
    ),
    "cursor": Layout(_SHARED, None, "", Form.PLAIN, "", "/autoresearch run 5"),
    "pi": Layout(
        _SHARED,
        (".pi/agent/prompts", ".pi/prompts"),
        "autoresearch:{}.md",
        Form.PLAIN,
        "",
        "/skill:autoresearch run 5",
    ),
}


class Place(NamedTuple):
    """Where to install.

    Attributes:
        base: the home, or the project's top folder.
        project: whether it is a project, whose files may be shared between machines.
    """

    base: Path
    project: bool


class Wanted(NamedTuple):
    """What a host is to have.

    Attributes:
        files: absolute path -> content.
        folders: those that hold nothing but files of ours.
    """

    files: dict[Path, bytes]
    folders: list[Path]


def wanted(host: str, bundle: Bundle, place: Place, environ: Mapping[str, str]) -> Wanted:
    """Every file that the host is to have."""
    layout = LAYOUTS[host]
    launcher = None if place.project else str(bundle.launcher)
    skill = _moved(layout, layout.skills, place, environ) / SKILL_FOLDER
    folders = [skill]
    files = {skill / name: text for name, text in bundle.skill.items()}
    files[skill / "SKILL.md"] = skill_text(files[skill / "SKILL.md"], launcher)
    if layout.commands is not None:
        folder = _moved(layout, layout.commands[place.project], place, environ)
        for name, text in bundle.commands.items():
            files[folder / layout.command.format(name)] = command_text(text, layout.form)
        if "/" in layout.command:
            folders.append(folder / layout.command.partition("/")[0])
    return Wanted({path: text.encode() for path, text in files.items()}, folders)


def _moved(layout: Layout, folder: str, place: Place, environ: Mapping[str, str]) -> Path:
    """A folder of the host, where its own environment variable puts it."""
    first, _, rest = folder.partition("/")
    named = environ.get(layout.variable, "") if layout.variable else ""
    moves = first in {".claude", ".config"} and not place.project
    return Path(named) / rest if moves and named.startswith("/") else place.base / folder
