"""Put the files of one host in place, or take them away again; never what is not ours."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.edges.files import atomic_write, named_errors, replace_link
from autoresearch.edges.whereabouts import our_folder
from autoresearch.hosts.install.layouts import wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autoresearch.hosts.install.layouts import Bundle, Place, Wanted


SCHEMA = 1
"""1: {"schema": 1, "entries": {path: {"owners": [...], "sha256" or "link": "..."}}}."""


@dataclass(slots=True)
class Entry:
    """One file or link of ours.

    Attributes:
        owners: for which host, and which project, it is there.
        digest: SHA-256 of its content, or the target of a link.
        is_link: which of the two.
    """

    owners: list[str] = field(default_factory=list)
    digest: str = ""
    is_link: bool = False


def digest_of(content: bytes) -> str:
    """The hash by which a file of ours is known again."""
    return hashlib.sha256(content).hexdigest()


def load(path: Path) -> dict[str, Entry]:
    """Absolute path -> entry; empty when nothing was installed yet.

    Raises:
        AutoresearchError: `ledger` when the file is none of ours or of a newer version.
    """
    with named_errors(path):
        if not path.exists():
            return {}
        text = path.read_text("utf-8")
    try:
        return _entries(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AutoresearchError(
            f"{path} cannot be read as the list of installed files",
            code="ledger",
            hint=(
                "Move it elsewhere; `install` then treats files that it would write itself as its "
                "own."
            ),
        ) from error


def _entries(found: Any) -> dict[str, Entry]:  # noqa: ANN401 - whatever the file holds
    if found["schema"] != SCHEMA:
        raise ValueError(found["schema"])
    return {
        name: Entry(
            owners=list(entry["owners"]),
            digest=str(entry["link"] if "link" in entry else entry["sha256"]),
            is_link="link" in entry,
        )
        for name, entry in found["entries"].items()
    }


def save(path: Path, entries: dict[str, Entry]) -> None:
    """Write the list; no file stays for an empty one."""
    if not entries:
        with named_errors(path):
            path.unlink(missing_ok=True)
        return
    found = {
        name: {"owners": sorted(entry.owners), "link" if entry.is_link else "sha256": entry.digest}
        for name, entry in sorted(entries.items())
    }
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps({"schema": SCHEMA, "entries": found}, indent=1) + "\n").encode())


PROGRAM = "autoresearch"


class Reach(NamedTuple):
    """How hosts will find the program.

    Attributes:
        text: one sentence for people.
        fine: whether a shell finds it by its name.
    """

    text: str
    fine: bool


def link_of(home: Path) -> Path:
    """Where the link is."""
    return home / ".local" / "bin" / PROGRAM


def make_reachable(
    launcher: Path, home: Path, environ: Mapping[str, str], entries: dict[str, Entry], owner: str
) -> Reach:
    """Link to the launcher from ~/.local/bin, unless PATH leads to the program already.

    Nothing that is not ours is replaced.
    """
    link = link_of(home)
    entry = entries.get(str(link))
    ours = entry is not None and link.is_symlink() and str(link.readlink()) == entry.digest
    found = shutil.which(PROGRAM, path=environ.get("PATH", ""))
    if found is not None and not (ours and Path(found) == link):
        if os.path.realpath(found) == os.path.realpath(launcher):
            return Reach(f"{PROGRAM} is on PATH: {found}", fine=True)
        return Reach(
            f"{PROGRAM} on PATH is a different copy, {found}; it was left alone", fine=True
        )
    if not ours and os.path.lexists(link):
        return Reach(f"{link} is not ours and was left alone; call {launcher}", fine=False)
    with named_errors(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        replace_link(str(link), os.fsencode(launcher))
    owners = {owner, *(entry.owners if entry is not None else ())}
    entries[str(link)] = Entry(owners=sorted(owners), digest=str(launcher), is_link=True)
    on_path = str(link.parent) in environ.get("PATH", "").split(os.pathsep)
    if on_path:
        return Reach(f"{link} leads to {launcher}", fine=True)
    return Reach(f"{link} leads to {launcher}, but {link.parent} is not on PATH", fine=False)


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
    entries = load(record)
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
    save(record, entries)
    return Installed(written, unchanged, removed, aside, reach)


def uninstall(host: str, bundle: Bundle, place: Place, environ: Mapping[str, str]) -> Removed:
    """Remove what `install` wrote for the host and nobody changed since.

    What equals this version's text to the byte counts as ours without a record too: a colleague
    may have installed and committed it. Arguments as for `install`.
    """
    record = _ledger_file(environ)
    entries = load(record)
    owner = _owner(host, place)
    want = wanted(host, bundle, place, environ)
    for path, content in want.files.items():
        if str(path) not in entries and _content(path) == content:
            entries[str(path)] = Entry(owners=[owner], digest=digest_of(content))
    ours = [path for path, entry in entries.items() if owner in entry.owners]
    found = _disown(ours, entries, owner, want.folders)
    save(record, entries)
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
