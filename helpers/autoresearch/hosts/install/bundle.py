"""The text that is installed, and the program that it calls: from a clone or from the wheel."""

from __future__ import annotations

import sysconfig
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import autoresearch
from autoresearch.core.errors import AutoresearchError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHARED = "share/autoresearch"
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
            hint="Install the package again, or call bin/autoresearch of a clone.",
        )
    return _read(shared, Path(sysconfig.get_path("scripts")) / "autoresearch")


def _shared_folder() -> Path | None:
    """The data folder of the installed package, whatever scheme it was installed by."""
    for file in metadata.files("autoresearch") or ():
        if file.as_posix().endswith(f"{_SHARED}/skill/SKILL.md"):
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
