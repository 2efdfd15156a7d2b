"""What of the machine stays visible in a sandbox: toolchains and links inside hidden folders."""

# Paths come as the environment spells them; a Path would fold what is to be traced.
# ruff: noqa: PTH110, PTH114, PTH115, PTH117, PTH118, PTH119, PTH120

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.edges.files import is_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PROGRAMS = frozenset({"bin", "sbin", "shims", ".bin"})
"""Folders of programs whose parent folder is what they need to run."""

SCRATCH = ("/tmp", "/var/tmp")  # noqa: S108 - each sandbox has these for itself

_SYSTEM = frozenset({"/", "/usr"})
"""Their programs are not links to elsewhere, and there are thousands of them."""

_SOCKETS = "/run"
"""Services listen there, some of which would do anything for whoever reaches them."""

_MOST_LINKS = 40
"""As many symbolic links does Linux follow in a path."""


_CREDENTIALS = (
    "credentials", "credentials.toml", "gradle.properties", "hex.config", "servers", "upload",
)  # fmt: skip
"""What toolchains keep beside their libraries (cargo, gem, gradle, hex, julia, stack)."""


class Visible(NamedTuple):
    """Absolute paths without links, parents before what lies in them.

    Attributes:
        hidden: folders and files that are empty in the sandbox.
        readable: what of them is there nevertheless, read-only.
        links: (place, target) of symbolic links that lead to readable things.
        secrets: files and folders inside what is readable that are empty all the same.
    """

    hidden: tuple[str, ...]
    readable: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]


NOTHING_HIDDEN = Visible((), (), (), ())


def find_visible(private: Iterable[Path], homes: Iterable[Path], wanted: Iterable[str]) -> Visible:
    """What is hidden and what of it stays readable.

    Args:
        private: the repository and the helper's own folders.
        homes: of the user, hidden with all that is not wanted.
        wanted: absolute paths of folders and programs; those that are nowhere are passed over.

    Returns:
        Programs with the installation they belong to, folders with those that their programs
        are links into. Nothing wanted uncovers a whole hidden folder, or the credentials in a
        toolchain's, but where it names just them.
    """
    own = [str(path.resolve()) for path in private]
    other = [str(home.resolve()) for home in homes]
    roots = (*own, *other, _SOCKETS, *SCRATCH)
    hidden = _outermost(path for path in (*own, *other, _SOCKETS) if os.path.exists(path))
    seen: dict[str, None] = {}
    links: dict[tuple[str, str], None] = {}
    named = [path for path in dict.fromkeys(wanted) if os.path.isabs(path)]
    waiting = list(named)
    while waiting:
        real, passed = _trace(waiting.pop(0))
        links.update(dict.fromkeys(link for link in passed if _is_below(link[0], hidden)))
        for place in (real, *(place for place, _ in passed)):
            installed = _installation(place, roots)
            if installed is None or installed in seen or os.path.islink(installed):
                continue
            if os.path.exists(installed):
                seen[installed] = None
                waiting += [path for path in _programs(installed) if not _is_below(path, own)]
    readable = [path for path in seen if _is_below(path, roots)]
    outermost = _outermost(readable)
    kept = [link for link in links if not _is_below(link[0], outermost)]
    secrets = [
        path
        for folder in readable
        if not _is_below(folder, own)
        for path in (os.path.join(folder, name) for name in _CREDENTIALS)
        if os.path.exists(path) and path not in named
    ]
    return Visible(tuple(hidden), tuple(outermost), tuple(sorted(kept)), tuple(sorted(secrets)))


def seen_in(visible: Visible, folders: Iterable[str]) -> list[str]:
    """Those of some real folders that are seen whole, with nothing hidden in them; outermost."""
    return _outermost(
        folder
        for folder in folders
        if (not _is_below(folder, visible.hidden) or _is_below(folder, visible.readable))
        and not any(_is_below(path, (folder,)) for path in visible.hidden)
    )


def below(named: Iterable[str], hidden: Iterable[Path]) -> list[str]:
    """The absolute paths among those named that lie in a folder that is hidden."""
    roots = [os.path.realpath(folder) for folder in hidden]
    return [
        path
        for path in named
        if os.path.isabs(path)
        and (_is_below(os.path.realpath(path), roots) or _is_below(os.path.normpath(path), roots))
    ]


def wanted_paths(
    environment: Mapping[str, str], commands: Iterable[str | None], links: Iterable[Path]
) -> Iterator[str]:
    """Absolute paths that commands may need: of the environment, of their text, and links."""
    yield from map(str, links)
    for value in environment.values():
        yield from value.split(os.pathsep)
    for command in commands:
        yield from _words(command or "")


def _words(command: str) -> list[str]:
    """The words of a command, and what stands behind `=` and between `:` in them."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # a quote without its partner: the shell will say so
        words = command.split()
    return [part for word in words for part in word.rpartition("=")[2].split(":")]


def _installation(path: str, roots: Iterable[str]) -> str | None:
    """What a program needs to run: the folder that holds its `bin`, else just what it is."""
    candidates = [path]
    if not is_folder(path):
        folder = os.path.dirname(path)
        if os.path.basename(folder) in _PROGRAMS:
            candidates = [os.path.dirname(folder), folder, path]
    elif os.path.basename(path) in _PROGRAMS:
        candidates = [os.path.dirname(path), path]
    for candidate in candidates:
        if not candidate.endswith("/.local") and not any(
            _is_below(root, (candidate,)) for root in roots
        ):
            return candidate
    return None


def _programs(folder: str) -> Iterator[str]:
    """What links among the programs of an installation lead to outside it."""
    if folder in _SYSTEM:
        return
    inside = [folder] if os.path.basename(folder) in _PROGRAMS else []
    inside += [os.path.join(folder, name) for name in sorted(_PROGRAMS)]
    for programs in inside:
        if not is_folder(programs):
            continue
        with os.scandir(programs) as items:
            found = sorted(item.path for item in items if item.is_symlink())
        targets = dict.fromkeys(map(os.path.realpath, found))
        yield from (target for target in targets if not _is_below(target, (folder,)))


def _trace(path: str) -> tuple[str, list[tuple[str, str]]]:
    """The real path, and each symbolic link on the way as (place, target)."""
    done, links = "", list[tuple[str, str]]()
    rest = path.split("/")
    while rest:
        part = rest.pop(0)
        if part in {"", "."}:
            continue
        if part == "..":
            done = os.path.dirname(done)
            continue
        here = f"{done.rstrip('/')}/{part}"
        if len(links) < _MOST_LINKS and os.path.islink(here):
            target = os.readlink(here)
            links.append((here, target))
            done = "" if target.startswith("/") else done
            rest = [*target.split("/"), *rest]
        else:
            done = here
    return done or "/", links


def _outermost(paths: Iterable[str]) -> list[str]:
    """The paths that lie in no other of them, sorted; the root is none."""
    found: list[str] = []
    for path in sorted(dict.fromkeys(paths), key=lambda path: path.split("/")):
        if path != "/" and not _is_below(path, found):
            found.append(path)
    return found


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
