"""`install HOST` and `uninstall HOST`: skill and commands where a host looks for them.

There is one source of text, `skill/` and `commands/`; what a host wants in another form is made
from it here. What is not ours is never touched. Unlike the rest of `hosts`, nothing here runs
inside a hook.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sysconfig
from collections.abc import Iterable, Mapping
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

import autoresearch
from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.edges.files import atomic_write, named_errors, replace_link
from autoresearch.edges.whereabouts import our_folder

BESIDE = "`../bin/autoresearch` beside this skill's folder"
"""How SKILL.md names the program where the skill lies in its clone."""

_GATHERED = re.compile(r"!`([^`]+?)(?: 2>&1)?(?: \|\| true)?`")


class CommandForm(Enum):
    """How a host writes a command down."""

    CLAUDE = "Markdown as it is"
    SHELL = "Markdown; gathers context by `!` lines"
    PLAIN = "Markdown; gathers nothing"
    TOML = "TOML"


def _skill_text(text: str, launcher: str | None) -> str:
    """SKILL.md for a folder that is not in the clone."""
    elsewhere = "ask the human where its `bin/autoresearch` is"
    return text.replace(BESIDE, elsewhere if launcher is None else f"`{launcher}`")


def command_text(text: str, form: CommandForm) -> str:
    """A command of ours in a host's form."""
    if form is CommandForm.CLAUDE:
        return text
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    (description,) = re.findall(r"^description: (.*)$", head, re.MULTILINE)
    if form is not CommandForm.SHELL:
        body = _GATHERED.sub(r"Run `\1` and read its answer first.", body)
    if form is not CommandForm.TOML:
        return f"---\ndescription: {description}\n---\n{body}"
    body = _escaped(body.replace("$ARGUMENTS", "{{args}}"))
    return f'description = "{_escaped(description)}"\nprompt = """\n{body}"""\n'


def _escaped(text: str) -> str:
    """For a basic string of TOML; our texts hold no control characters but line ends."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


_SHARED_BUNDLE = "share/autoresearch"
"""Where pyproject.toml puts `skill/` and `commands/` below the prefix of an installation."""


class Bundle(NamedTuple):
    """What there is to install: texts by path in the skill's folder and by name of a command."""

    skill: Mapping[str, str]
    commands: Mapping[str, str]
    launcher: Path


def find_bundle() -> Bundle:
    """The texts that belong to this very code."""
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
    form: CommandForm
    variable: str
    start: str


_SHARED = ".agents/skills"

LAYOUTS = {
    name: Layout(*row)
    for name, *row in (
        ("claude", ".claude/skills", (".claude/commands", ".claude/commands"),
         "autoresearch/{}.md", CommandForm.CLAUDE, "CLAUDE_CONFIG_DIR", "/autoresearch run 5"),
        ("codex", _SHARED, None, "", CommandForm.PLAIN, "", "$autoresearch run 5"),
        ("opencode", _SHARED, (".config/opencode/commands", ".opencode/commands"),
         "autoresearch:{}.md", CommandForm.SHELL, "XDG_CONFIG_HOME", "/autoresearch run 5"),
        ("gemini", _SHARED, (".gemini/commands", ".gemini/commands"),
         "autoresearch/{}.toml", CommandForm.TOML, "", "/autoresearch:run 5"),
        ("cursor", _SHARED, None, "", CommandForm.PLAIN, "", "/autoresearch run 5"),
        ("pi", _SHARED, (".pi/agent/prompts", ".pi/prompts"),
         "autoresearch:{}.md", CommandForm.PLAIN, "", "/skill:autoresearch run 5"),
    )
}  # fmt: skip


class InstallPlace(NamedTuple):
    """Where to install: the home, or a project, whose files machines may share."""

    base: Path
    project: bool


class Wanted(NamedTuple):
    """What a host is to have: files by absolute path, and folders that hold nothing else."""

    files: dict[Path, bytes]
    folders: list[Path]


def _wanted(host: str, bundle: Bundle, place: InstallPlace, environ: Mapping[str, str]) -> Wanted:
    """Every file that the host is to have."""
    layout = LAYOUTS[host]
    launcher = None if place.project else str(bundle.launcher)
    skill = _moved(layout, layout.skills, place, environ) / SKILL_FOLDER
    folders = [skill]
    files = {skill / name: text for name, text in bundle.skill.items()}
    files[skill / "SKILL.md"] = _skill_text(files[skill / "SKILL.md"], launcher)
    if layout.commands is not None:
        folder = _moved(layout, layout.commands[place.project], place, environ)
        for name, text in bundle.commands.items():
            files[folder / layout.command.format(name)] = command_text(text, layout.form)
        if "/" in layout.command:
            folders.append(folder / layout.command.partition("/")[0])
    return Wanted({path: text.encode() for path, text in files.items()}, folders)


def _moved(layout: Layout, folder: str, place: InstallPlace, environ: Mapping[str, str]) -> Path:
    """A folder of the host, where its own environment variable puts it."""
    first, _, rest = folder.partition("/")
    named = environ.get(layout.variable, "") if layout.variable else ""
    moves = first in {".claude", ".config"} and not place.project
    return Path(named) / rest if moves and named.startswith("/") else place.base / folder


class InstalledFile(msgspec.Struct, omit_defaults=True):
    """One file (its SHA-256) or link (its target) of ours, and for which hosts it is there."""

    owners: list[str]
    sha256: str = ""
    link: str = ""


class Installation(msgspec.Struct):
    """What is installed.

    Attributes:
        schema: 1 (2026-11) first release.
        entries: absolute path -> what is there.
    """

    schema: Literal[1]
    entries: dict[str, InstalledFile]


def _digest_of(content: bytes) -> str:
    """The hash by which a file of ours is known again."""
    return hashlib.sha256(content).hexdigest()


def _load(path: Path) -> dict[str, InstalledFile]:
    """Absolute path -> entry; empty when nothing was installed yet."""
    with named_errors(path):
        if not path.exists():
            return {}
        text = path.read_text("utf-8")
    try:
        return wire.read(text, Installation).entries
    except ValueError as error:
        raise AutoresearchError(
            f"{path} cannot be read as the list of installed files",
            code="ledger",
            hint=(
                "Move it elsewhere; `install` then treats files that it would write itself as its "
                "own."
            ),
        ) from error


def _save(path: Path, entries: dict[str, InstalledFile]) -> None:
    """Write the list; no file stays for an empty one."""
    with named_errors(path):
        if not entries:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
    found = wire.to_object(Installation(1, dict(sorted(entries.items()))))
    atomic_write(path, (json.dumps(found, indent=1) + "\n").encode())


PROGRAM = "autoresearch"


class ProgramReach(NamedTuple):
    """How hosts will find the program, in one sentence; fine if a shell finds it by its name."""

    text: str
    fine: bool


def _make_reachable(
    launcher: Path,
    home: Path,
    environ: Mapping[str, str],
    entries: dict[str, InstalledFile],
    owner: str,
) -> ProgramReach:
    """Link to the launcher from ~/.local/bin, unless PATH leads to the program already.

    Nothing that is not ours is replaced.
    """
    link = home / ".local" / "bin" / PROGRAM
    entry = entries.get(str(link))
    ours = entry is not None and link.is_symlink() and str(link.readlink()) == entry.link
    found = shutil.which(PROGRAM, path=environ.get("PATH", ""))
    if found is not None and not (ours and Path(found) == link):
        if os.path.realpath(found) == os.path.realpath(launcher):
            return ProgramReach(f"{PROGRAM} is on PATH: {found}", fine=True)
        return ProgramReach(
            f"{PROGRAM} on PATH is a different copy, {found}; it was left alone", fine=True
        )
    if not ours and os.path.lexists(link):
        return ProgramReach(f"{link} is not ours and was left alone; call {launcher}", fine=False)
    with named_errors(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        replace_link(str(link), os.fsencode(launcher))
    owners = {owner, *(entry.owners if entry is not None else ())}
    entries[str(link)] = InstalledFile(owners=sorted(owners), link=str(launcher))
    on_path = str(link.parent) in environ.get("PATH", "").split(os.pathsep)
    if on_path:
        return ProgramReach(f"{link} leads to {launcher}", fine=True)
    return ProgramReach(f"{link} leads to {launcher}, but {link.parent} is not on PATH", fine=False)


ASIDE = ".not-ours"
_NAMED = 5


class Installed(NamedTuple):
    """What `install` did; `aside` is what was in the way -> where it is now."""

    written: list[Path]
    unchanged: list[Path]
    removed: list[Path]
    aside: dict[Path, Path]
    reach: ProgramReach


class Removed(NamedTuple):
    """What `uninstall` did: gone, left because somebody changed it, still used by another host."""

    removed: list[Path]
    edited: list[Path]
    shared: list[Path]


def home_of(environ: Mapping[str, str]) -> Path:
    """The user's home; AutoresearchError `no_home` without one."""
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        raise AutoresearchError(
            "HOME is not set to an absolute path", code="no_home", hint="Set HOME."
        )
    return Path(home)


def install(
    host: str, bundle: Bundle, place: InstallPlace, environ: Mapping[str, str], *, set_aside: bool
) -> Installed:
    """Make the host's files what this version says; doing it twice changes nothing.

    What is in the way and is not ours is refused before anything is written, or renamed if
    `set_aside`.
    """
    home = home_of(environ)
    record = _ledger_file(environ)
    entries = _load(record)
    want = _wanted(host, bundle, place, environ)
    owner = _owner(host, place)
    aside = _clear_the_way(want, entries, set_aside=set_aside)
    written, unchanged = [], []
    for path, content in want.files.items():
        if _content(path) == content:
            unchanged.append(path)
        else:
            with named_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, content, sync=False)
            written.append(path)
        owners = entries[str(path)].owners if str(path) in entries else []
        entries[str(path)] = InstalledFile(sorted({owner, *owners}), _digest_of(content))
    stale = [
        path
        for path, entry in entries.items()
        if owner in entry.owners and not entry.link and Path(path) not in want.files
    ]
    removed = _disown(stale, entries, owner, want.folders).removed
    reach = _make_reachable(bundle.launcher, home, environ, entries, owner)
    _save(record, entries)
    return Installed(written, unchanged, removed, aside, reach)


def uninstall(
    host: str, bundle: Bundle, place: InstallPlace, environ: Mapping[str, str]
) -> Removed:
    """Remove what `install` wrote for the host and nobody changed since.

    What equals this version's text to the byte counts as ours without a record too: a colleague
    may have installed and committed it.
    """
    record = _ledger_file(environ)
    entries = _load(record)
    owner = _owner(host, place)
    want = _wanted(host, bundle, place, environ)
    for path, content in want.files.items():
        if str(path) not in entries and _content(path) == content:
            entries[str(path)] = InstalledFile([owner], _digest_of(content))
    ours = [path for path, entry in entries.items() if owner in entry.owners]
    found = _disown(ours, entries, owner, want.folders)
    _save(record, entries)
    return found


def _ledger_file(environ: Mapping[str, str]) -> Path:
    folder = our_folder(environ, "XDG_DATA_HOME", ".local/share")
    return Path(folder or home_of(environ)) / "installed.json"


def _owner(host: str, place: InstallPlace) -> str:
    return f"{host} {place.base}" if place.project else host


def _content(path: Path) -> bytes | None:
    """A regular file's content; None for anything else, also for nothing."""
    if path.is_symlink() or not path.is_file():
        return None
    with named_errors(path):
        return path.read_bytes()


def _clear_the_way(
    want: Wanted, entries: Mapping[str, InstalledFile], *, set_aside: bool
) -> dict[Path, Path]:
    """Rename what is in the way and is not ours, or refuse and name it."""
    found = sorted(_obstacles(want, entries))
    if found and not set_aside:
        named = ", ".join(str(path) for path in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise AutoresearchError(
            f"not ours, or edited since the installation: {named}{more}; nothing was written",
            code="not_ours",
            hint=f"`--set-aside` renames it to NAME{ASIDE}; or move it yourself.",
        )
    aside = {}
    for path in found:
        free = (path.with_name(f"{path.name}{ASIDE}{n or ''}") for n in range(len(entries) + 100))
        target = next(name for name in free if not os.path.lexists(name))
        with named_errors(path):
            path.rename(target)
        aside[path] = target
    return aside


def _obstacles(want: Wanted, entries: Mapping[str, InstalledFile]) -> Iterable[Path]:
    linked = [folder for folder in want.folders if folder.is_symlink()]
    yield from linked  # perhaps into a clone: what is written through it would change that
    for path, content in want.files.items():
        if any(folder in path.parents for folder in linked) or not os.path.lexists(path):
            continue
        found, entry = _content(path), entries.get(str(path))
        known = entry is not None and found is not None and _digest_of(found) == entry.sha256
        if found != content and not known:
            yield path


def _disown(
    paths: Iterable[str], entries: dict[str, InstalledFile], owner: str, folders: Iterable[Path]
) -> Removed:
    """Take `owner` off the entries, and away what has no owner left and is as we wrote it."""
    done = Removed([], [], [])
    for name in sorted(paths):
        path, entry = Path(name), entries[name]
        entry.owners.remove(owner)
        if entry.owners:
            done.shared.append(path)
            continue
        del entries[name]
        if not os.path.lexists(path):
            continue
        if not _is_ours(path, entry):
            done.edited.append(path)
            continue
        with named_errors(path):
            path.unlink()
        done.removed.append(path)
    for folder in folders:
        _remove_empty(folder)
    return done


def _is_ours(path: Path, entry: InstalledFile) -> bool:
    if entry.link:
        return path.is_symlink() and str(path.readlink()) == entry.link
    content = _content(path)
    return content is not None and _digest_of(content) == entry.sha256


def _remove_empty(folder: Path) -> None:
    """Remove the folder and those in it, as far as they are empty."""
    if folder.is_symlink() or not folder.is_dir():
        return
    with named_errors(folder):
        below = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
        for path in (*below, folder):
            if not path.is_symlink() and not any(path.iterdir()):
                path.rmdir()
