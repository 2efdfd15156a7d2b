"""Put the files of one host in place, or take them away again; never what is not ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.edges.files import atomic_write, named_errors
from autoresearch.edges.whereabouts import our_folder
from autoresearch.hosts.install import ledger
from autoresearch.hosts.install.layouts import wanted
from autoresearch.hosts.install.ledger import Entry, digest_of
from autoresearch.hosts.install.program import Reach, make_reachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autoresearch.hosts.install.bundle import Bundle
    from autoresearch.hosts.install.layouts import Place, Wanted

ASIDE = ".not-ours"
_NAMED = 5


class Installed(NamedTuple):
    """What `install` did.

    Attributes:
        written, unchanged, removed: files; removed are those that an earlier version had.
        aside: what was in the way -> where it is now.
        reach: how the program will be found.
    """

    written: list[Path]
    unchanged: list[Path]
    removed: list[Path]
    aside: dict[Path, Path]
    reach: Reach


class Removed(NamedTuple):
    """What `uninstall` did.

    Attributes:
        removed: files and links of ours that are gone.
        edited: files of ours that somebody changed: left where they are.
        shared: files that another host still uses.
    """

    removed: list[Path]
    edited: list[Path]
    shared: list[Path]


def home_of(environ: Mapping[str, str]) -> Path:
    """The user's home.

    Raises:
        AutoresearchError: code `no_home`.
    """
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        raise AutoresearchError(
            "HOME is not set to an absolute path", code="no_home", hint="Set HOME."
        )
    return Path(home)


def install(
    host: str, bundle: Bundle, place: Place, environ: Mapping[str, str], *, set_aside: bool
) -> Installed:
    """Make the host's files what this version says; doing it twice changes nothing.

    Args:
        host: a key of LAYOUTS.
        bundle: the texts.
        place: home or project.
        environ: of the process.
        set_aside: rename what is in the way and is not ours.

    Raises:
        AutoresearchError: `not_ours` when something is in the way, and nothing was written then.
    """
    home = home_of(environ)
    record = _ledger_file(environ)
    entries = ledger.load(record)
    want = wanted(host, bundle, place, environ)
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
        entry = entries.setdefault(str(path), Entry())
        entry.owners = sorted({owner, *entry.owners})
        entry.digest = digest_of(content)
    stale = [
        path
        for path, entry in entries.items()
        if owner in entry.owners and not entry.is_link and Path(path) not in want.files
    ]
    removed = _disown(stale, entries, owner, want.folders).removed
    reach = make_reachable(bundle.launcher, home, environ, entries, owner)
    ledger.save(record, entries)
    return Installed(written, unchanged, removed, aside, reach)


def uninstall(host: str, bundle: Bundle, place: Place, environ: Mapping[str, str]) -> Removed:
    """Remove what `install` wrote for the host and nobody changed since.

    What equals this version's text to the byte counts as ours without a record too: a colleague
    may have installed and committed it. Arguments as for `install`.
    """
    record = _ledger_file(environ)
    entries = ledger.load(record)
    owner = _owner(host, place)
    want = wanted(host, bundle, place, environ)
    for path, content in want.files.items():
        if str(path) not in entries and _content(path) == content:
            entries[str(path)] = Entry(owners=[owner], digest=digest_of(content))
    ours = [path for path, entry in entries.items() if owner in entry.owners]
    found = _disown(ours, entries, owner, want.folders)
    ledger.save(record, entries)
    return found


def _ledger_file(environ: Mapping[str, str]) -> Path:
    folder = our_folder(environ, "XDG_DATA_HOME", ".local/share")
    return Path(folder or home_of(environ)) / "installed.json"


def _owner(host: str, place: Place) -> str:
    return f"{host} {place.base}" if place.project else host


def _content(path: Path) -> bytes | None:
    """A regular file's content; None for anything else, also for nothing."""
    if path.is_symlink() or not path.is_file():
        return None
    with named_errors(path):
        return path.read_bytes()


def _clear_the_way(
    want: Wanted, entries: Mapping[str, Entry], *, set_aside: bool
) -> dict[Path, Path]:
    """Rename what is in the way and is not ours, or refuse and name it."""
    found = sorted(_obstacles(want, entries))
    if found and not set_aside:
        named = ", ".join(str(path) for path in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise AutoresearchError(
            f"not ours, or edited since it was installed: {named}{more}; nothing was written",
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


def _obstacles(want: Wanted, entries: Mapping[str, Entry]) -> Iterable[Path]:
    linked = [folder for folder in want.folders if folder.is_symlink()]
    yield from linked  # perhaps into a clone: what is written through it would change that
    for path, content in want.files.items():
        if any(folder in path.parents for folder in linked) or not os.path.lexists(path):
            continue
        found, entry = _content(path), entries.get(str(path))
        known = entry is not None and found is not None and digest_of(found) == entry.digest
        if found != content and not known:
            yield path


def _disown(
    paths: Iterable[str], entries: dict[str, Entry], owner: str, folders: Iterable[Path]
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


def _is_ours(path: Path, entry: Entry) -> bool:
    if entry.is_link:
        return path.is_symlink() and str(path.readlink()) == entry.digest
    content = _content(path)
    return content is not None and digest_of(content) == entry.digest


def _remove_empty(folder: Path) -> None:
    """Remove the folder and those in it, as far as they are empty."""
    if folder.is_symlink() or not folder.is_dir():
        return
    with named_errors(folder):
        below = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
        for path in (*below, folder):
            if not path.is_symlink() and not any(path.iterdir()):
                path.rmdir()
