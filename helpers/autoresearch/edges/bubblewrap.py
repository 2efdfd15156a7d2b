"""The sandbox on Linux: bubblewrap's arguments for a cell.

Mounts are made in the order of the arguments, so that what comes later lies on top: the machine
read-only, empty folders over what is hidden, what of it stays readable, the private folders, the
checkout, and last what of the checkout is locked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.edges.files import is_folder, is_there
from autoresearch.edges.view import SCRATCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autoresearch.edges.cell import Cell

PROGRAM = "bwrap"

_NAMESPACES = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")

_FIRST_PROCESS = "--as-pid-1"
"""Our shell is the namespace's first process. bubblewrap's own would report the end before all
others are gone, and would keep their CPU time to itself."""

_MACHINE = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
_ACCELERATORS = ("nvidia*", "dri", "kfd")


def prefix(program: str, cell: Cell) -> list[str]:
    """The words before a command that confine it to `cell`."""
    return [
        program,
        *_NAMESPACES,
        _FIRST_PROCESS,
        *(("--share-net",) if cell.network else ()),
        *_MACHINE,
        *_each("--dev-bind-try", _devices()),
        *_hiding(cell),
        *_each("--bind", cell.writable),
        *_checkout(cell),
        *_each("--ro-bind", cell.locked),
        *_each("--bind", cell.kept),
        *(word for path in _emptied(cell) if is_folder(path) for word in ("--remount-ro", path)),
        "--chdir",
        str(cell.slot),
        "--",
    ]


def _checkout(cell: Cell) -> Iterator[str]:
    """The checkout, writable. Under an overlay no folder that holds something can be renamed."""
    slot = str(cell.slot)
    if cell.overlay is None:
        yield from _each("--bind", (slot, *cell.pinned))
    else:
        yield from ("--overlay-src", slot, "--overlay", *map(str, cell.overlay), slot)


def _hiding(cell: Cell) -> Iterator[str]:
    yield from _covering((*SCRATCH, *_emptied(cell)))
    yield from _each("--ro-bind-try", cell.view.readable)
    for path in cell.scratch:
        yield from ("--overlay-src", path, "--tmp-overlay", path)
    yield from _covering(cell.view.secrets)
    for place, target in cell.view.links:
        yield from ("--symlink", target, place)


def _covering(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if is_folder(path):
            yield from ("--tmpfs", path)
        elif is_there(path):
            # With its device: in a plain bind it could not even be opened.
            yield from ("--dev-bind", "/dev/null", path)


def _emptied(cell: Cell) -> Iterator[str]:
    """What is hidden; what lies in a folder for scratch is gone with that already."""
    for folder in cell.view.hidden:
        if not folder.startswith(tuple(f"{scratch}/" for scratch in SCRATCH)):
            yield folder


def _each(option: str, paths: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        yield from (option, path, path)


def _devices() -> Iterator[str]:
    """Graphics and compute devices, which `--dev` leaves out."""
    for pattern in _ACCELERATORS:
        yield from map(str, sorted(Path("/dev").glob(pattern)))
