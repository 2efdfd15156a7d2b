"""Where each host looks, and what it finds there."""

from __future__ import annotations

import re
import sysconfig
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import autoresearch
from autoresearch.core.errors import AutoresearchError

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    """SKILL.md for a folder that is not in the clone."""
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


_SHARED_BUNDLE = "share/autoresearch"
"""Where pyproject.toml puts `skill/` and `commands/` below the prefix of an installation."""


class Bundle(NamedTuple):
    """What there is to install.

    Attributes:
        skill: the files of the skill by their path in its folder, links within it included.
        commands: name of a slash command -> its Markdown with frontmatter.
        launcher: the program `autoresearch`, by absolute path.
    """

    skill: Mapping[str, str]
    commands: Mapping[str, str]
    launcher: Path


def find_bundle() -> Bundle:
    """The texts that belong to this very code.

    Raises:
        AutoresearchError: code `no_bundle` when they are not there.
    """
    clone = Path(autoresearch.__file__).resolve().parents[2]
    if (clone / "skill" / "SKILL.md").is_file():
        return _read(clone, clone / "bin" / "autoresearch")
    shared = _shared_folder()
    if shared is None:
        raise AutoresearchError(
            f"skill and commands are neither in {clone} nor in the installed package",
            code="no_bundle",
            hint="Reinstall the package, or call bin/autoresearch of a clone.",
        )
    return _read(shared, Path(sysconfig.get_path("scripts")) / "autoresearch")


def _shared_folder() -> Path | None:
    """The data folder of the installed package, whatever scheme it was installed by."""
    for file in metadata.files("autoresearch") or ():
        if file.as_posix().endswith(f"{_SHARED_BUNDLE}/skill/SKILL.md"):
            return Path(str(file.locate())).resolve().parents[1]
    return None


def _read(root: Path, launcher: Path) -> Bundle:
    skill = root / "skill"
    return Bundle(
        skill={
            path.relative_to(skill).as_posix(): path.read_text("utf-8")
            for path in sorted(skill.rglob("*"))
            # pip compiles the recipes' scripts when it installs the package.
            if path.is_file() and "__pycache__" not in path.parts
        },
        commands={
            path.stem: path.read_text("utf-8") for path in sorted((root / "commands").glob("*.md"))
        },
        launcher=launcher,
    )


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
