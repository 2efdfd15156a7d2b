"""The sandbox on macOS: a Seatbelt profile for a cell.

Written from Apple's public profiles and what others run, and tested by its text alone: nobody of
us has run it on macOS. There is no process namespace; strays are found by their group only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autoresearch.edges.cell import Cell

PROGRAM = "/usr/bin/sandbox-exec"

_DEVICES = ("/dev/null", "/dev/zero", "/dev/tty", "/dev/dtracehelper")
_LOOPBACK = (
    '(allow network* (local ip "localhost:*"))',
    '(allow network* (remote ip "localhost:*"))',
)


def prefix(program: str, cell: Cell) -> list[str]:
    """The words before a command that confine it to `cell`."""
    return [program, "-p", "\n".join(_profile(cell))]


def _profile(cell: Cell) -> Iterator[str]:
    """Rules in order: where several match, the last one counts."""
    yield "(version 1)"
    yield "(allow default)"
    if not cell.network:
        yield "(deny network*)"
        yield from _LOOPBACK
    slot = str(cell.slot)
    yield _rule("deny", "file-read* file-write*", cell.view.hidden)
    yield _rule("allow", "file-read*", (*cell.view.readable, *(p for p, _ in cell.view.links)))
    yield _rule("deny", "file-read* file-write*", cell.view.secrets)
    # The way to each folder must be known, or resolving a path fails halfway.
    yield '(allow file-read-metadata (subpath "/"))'
    yield '(deny file-write* (subpath "/"))'
    yield _rule("allow", "file-read* file-write*", (*cell.writable, slot))
    yield _rule("allow", "file-write*", _DEVICES, kind="literal")
    yield _rule("deny", "file-write*", cell.pinned, kind="literal")
    yield _rule("deny", "file-write*", cell.locked)
    yield _rule("allow", "file-write*", cell.kept)


def _rule(action: str, operations: str, paths: Iterable[str], *, kind: str = "subpath") -> str:
    filters = " ".join(f"({kind} {_quoted(path)})" for path in paths)
    return f"({action} {operations} {filters})" if filters else ""


def _quoted(path: str) -> str:
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
