"""A table of what takes part in measuring outside the checkouts, and what differs from it.

A file is as it was when its status is, times and inode included; one of another status too where
its content is known and still the same, or, for Python's bytecode, where it is what its source
compiles to. Caches and logs that tools write beside code are nobody's business.
"""

# Names come from scandir in bulk; a Path for each would cost more than the call it makes.
# ruff: noqa: PTH110, PTH114, PTH115, PTH118, PTH119, PTH123

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import wire
from autoresearch.edges import statcache
from autoresearch.edges.premises import Root
from autoresearch.edges.statcache import Row, status_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from autoresearch.edges.statcache import StatusKey

_BYTECODE = "__pycache__"
_CACHES = frozenset(
    {
        ".DS_Store", ".cache", ".coverage", ".git", ".hg", ".hypothesis", ".lock", ".mypy_cache",
        ".nyc_output", ".parcel-cache", ".pytest_cache", ".ruff_cache", ".turbo", ".vite",
        ".vite-temp",
    }
)  # fmt: skip
"""What tools keep beside code, by its last name."""

_NOTES = (".log", ".lock", ".swp", ".tmp", "~")
_HASHED_FILE = 1 << 20
_HASHED_ALL = 512 << 20
"""Most bytes of one file, and of all, whose content is worth knowing; others have a status."""

_ROOT = (0, 0, 0, 0, 0)
_VARIES = "*"
"""What a row holds of a file that changed while the unchanged code was rehearsed."""

_COMPILE = """
import importlib.util as util, marshal, os, sys
sys.stdout.buffer.write(b"ready\\0")
sys.stdout.flush()
for name in filter(None, sys.stdin.buffer.read().split(b"\\0")):
    try:
        source = util.source_from_cache(os.fsdecode(name))
        with open(name, "rb") as file:
            content = file.read()
        with open(source, "rb") as file:
            text = file.read()
    except (OSError, ValueError):
        continue  # no interpreter reads it
    level = [part[4:] for part in os.fsdecode(name).split(".") if part.startswith("opt-")]
    optimize = int(level[0]) if level and level[0].isdigit() else 0
    if content[:4] == util.MAGIC_NUMBER:
        made = compile(text, source, "exec", dont_inherit=True, optimize=optimize)
        if marshal.loads(content[16:]) != made:
            sys.stdout.buffer.write(name + b"\\0")
"""
"""Says which of these bytecode files are not what their sources compile to (PEP 3147, PEP 552)."""


class Looked(NamedTuple):
    """What was found.

    Attributes:
        changed: names of files that differ, as people call them; sorted.
        broken: those without which nothing can be measured, or that the holdout alone reads.
        stirred: whether statuses moved without a difference, so that a race under way is void.
        files: how many were looked at.
    """

    changed: tuple[str, ...]
    broken: tuple[str, ...]
    stirred: bool
    files: int


def take(
    roots: Sequence[Root], file: Path, toplevel: Path, *, rehearsed_ns: tuple[int, int]
) -> str:
    """Write the table of these roots; its digest, which says what they hold.

    Args:
        roots: what takes part.
        file: of the table.
        toplevel: of the working tree, that some roots are relative to.
        rehearsed_ns: when the rehearsal began and ended; what is no code and was written then is
            left to whoever writes it.
    """
    table: dict[str, Row] = {}
    digest, room = hashlib.sha256(), _HASHED_ALL
    for number, root in enumerate(roots):
        table[f"{number}="] = (_ROOT, wire.text(root))
        top = _at(root.real, toplevel)
        for name, status in _below(top, root.skips):
            holds, is_folder = "", stat.S_ISDIR(status[4])
            if stat.S_ISLNK(status[4]) or (
                root.hashed and not is_folder and status[0] <= min(room, _HASHED_FILE)
            ):
                holds = _content(top + name)
                room -= status[0]
            written = rehearsed_ns[0] <= max(status[2], status[3]) <= rehearsed_ns[1]
            if written and not is_folder and not _is_code(name):
                holds = _VARIES
            table[f"{number}{name}"] = (status, holds)
            if not is_folder and _BYTECODE not in name and holds != _VARIES:
                told = (root.place, name, holds or (status[0], status[2]))
                digest.update(repr(told).encode("utf-8", "surrogateescape"))
    statcache.save(file, table)
    return digest.hexdigest()


def look(file: Path, toplevel: Path, path: str) -> Looked | None:
    """What differs from the table; None when there is none, or when it is damaged.

    Where only statuses moved the table is brought up to date. `path` is where interpreters are
    looked for that say whether bytecode is honest.
    """
    table = statcache.load(file)
    if table is None:
        return None
    changed: list[str] = []
    broken: list[str] = []
    moved: dict[str, Row | None] = {}
    bytecode: dict[str, str] = {}
    for number, root, top, names in _differing(table, toplevel):
        if names is None:
            (broken if root.apart or not os.path.exists(top) else changed).append(root.place)
            continue
        for name in (*names, *_new(table, number, root, top, names)):
            known, now = table.get(f"{number}{name}", (_ROOT, "")), _status(top + name)
            if known[1] == _VARIES:
                continue
            moved[f"{number}{name}"] = None if now is None else (now, known[1])
            if name.endswith("/") or (_BYTECODE in name and now is None):
                continue  # what is new in a folder was listed; bytecode is made again
            if _BYTECODE in name:
                bytecode[top + name] = root.place + name
            elif now is None or not known[1] or _content(top + name) != known[1]:
                gone = now is None and not name and root.hashed
                (broken if root.apart or gone else changed).append(root.place + name)
    changed += [bytecode[full] for full in _dishonest(bytecode, path)]
    if moved and not changed and not broken:
        _save_moved(file, table, moved)
    noted = any(_BYTECODE not in key and not key.endswith("/") for key in moved)
    stirred = bool(changed or broken) or noted
    return Looked(tuple(sorted(changed)), tuple(sorted(broken)), stirred, len(table))


def _save_moved(file: Path, table: Mapping[str, Row], moved: Mapping[str, Row | None]) -> None:
    kept = {key: row for key, row in {**table, **moved}.items() if row is not None}
    statcache.save(file, dict(sorted(kept.items(), key=lambda item: _order(item[0]))))


def _order(key: str) -> tuple[int, str]:
    """A root before its rows, and these in one piece."""
    number = key.partition("/")[0].rstrip("=")
    return int(number), key[len(number) :].replace("=", "")


def _differing(
    table: Mapping[str, Row], toplevel: Path
) -> Iterator[tuple[str, Root, str, list[str] | None]]:
    """Each root with its number, its place, and the names in it whose status is another.

    None for the names where the root's place leads elsewhere. Every file passes here, so this is
    written for speed; a folder that is as it was holds the names that it held.
    """
    lstat, names = os.lstat, list[str]()
    found: list[tuple[str, Root, str, list[str] | None]] = []
    start, top = 0, ""
    for key, (status, holds) in table.items():
        if status == _ROOT:
            root = wire.read(holds.encode("ascii"), Root)
            start, top, names = len(key) - 1, _at(root.real, toplevel), []
            led = os.path.realpath(_at(root.place, toplevel)) == top
            found.append((key[:-1], root, top, names if led else None))
            continue
        try:
            st = lstat(top + key[start:])
        except OSError:
            names.append(key[start:])
            continue
        if status != (st.st_size, st.st_ino, st.st_mtime_ns, st.st_ctime_ns, st.st_mode):
            names.append(key[start:])
    yield from found


def _new(
    table: Mapping[str, Row], number: str, root: Root, top: str, names: Sequence[str]
) -> Iterator[str]:
    """What is in the folders among these names and in no row, unless the root grows."""
    for folder in names:
        if not folder.endswith("/") or root.grows:
            continue
        with suppress(OSError), os.scandir(top + folder) as items:
            for item in items:
                is_folder = item.is_dir(follow_symlinks=False)
                name = folder + item.name + ("/" if is_folder else "")
                skipped = _is_passed_over(name.rstrip("/")) or item.name in root.skips
                if skipped or f"{number}{name}" in table:
                    continue
                if is_folder:
                    below = _below(f"{top}{name.rstrip('/')}", root.skips)
                    yield from (name.rstrip("/") + one for one, _ in below)
                else:
                    yield name


def _below(top: str, skips: Sequence[str]) -> Iterator[tuple[str, StatusKey]]:
    """What is at `top` and below, by what stands behind `top`; folders end in `/`."""
    status = _status(top)
    if status is None or not stat.S_ISDIR(status[4]):
        yield from () if status is None else [("", status)]
        return
    waiting = ["/"]
    while waiting:
        folder = waiting.pop()
        with suppress(OSError), os.scandir(top + folder) as items:
            yield folder, status_of(os.lstat(top + folder))
            for item in items:
                name = folder + item.name
                if _is_passed_over(name) or item.name in skips:
                    continue
                if item.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                else:
                    yield name, status_of(item.stat(follow_symlinks=False))


def _is_passed_over(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    beside_bytecode = folder.endswith(_BYTECODE) and not name.endswith(".pyc")
    return beside_bytecode or name in _CACHES or name.endswith(_NOTES)


def _is_code(name: str) -> bool:
    """Whether a file written during the rehearsal is watched all the same."""
    return name.endswith(_CODE)


_CODE = (
    ".a", ".cjs", ".class", ".jar", ".js", ".mjs", ".node", ".php", ".pl", ".pth", ".py", ".pyc",
    ".rb", ".sh", ".so", ".ts", ".wasm",
)  # fmt: skip


def _content(full: str) -> str:
    """A digest of a file's bytes, or of where a link leads; empty where it cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        if os.path.islink(full):
            digest.update(b"link " + os.fsencode(os.readlink(full)))
        else:
            with open(full, "rb") as file:
                digest.update(file.read())
    except OSError:
        return ""
    return digest.hexdigest()


def _status(full: str) -> StatusKey | None:
    try:
        return status_of(os.lstat(full))
    except OSError:
        return None


def _at(place: str, toplevel: Path) -> str:
    return os.path.normpath(os.path.join(toplevel, place))


def _dishonest(files: Iterable[str], path: str) -> list[str]:
    """Bytecode files that are not what their sources compile to, by the interpreters they name."""
    by_tag: dict[str, list[str]] = {}
    for full in files:
        by_tag.setdefault(os.path.basename(full).split(".")[-2 - (".opt-" in full)], []).append(
            full
        )
    found = []
    for tag, names in by_tag.items():
        program = _interpreter(tag, path)
        if program is None:
            continue  # nobody here reads it
        done = subprocess.run(
            [program, "-I", "-S", "-B", "-c", _COMPILE],
            input="\0".join(names).encode("utf-8", "surrogateescape"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        ready, *said = done.stdout.decode("utf-8", "surrogateescape").split("\0")
        if ready == "ready":  # a shim of a version manager may be no Python that runs here
            found += names if done.returncode else said[:-1]
    return found


def _interpreter(tag: str, path: str) -> str | None:
    """A Python whose bytecode files are tagged so (`cpython-311`)."""
    if tag == sys.implementation.cache_tag:
        return sys.executable
    name, _, digits = tag.partition("-")
    if name != "cpython" or not digits.isdigit():
        return None
    return shutil.which(f"python{digits[0]}.{digits[1:]}", path=path)
