"""What a killed helper left running: found by a mark in its environment, and ended.

Every program that a helper starts carries the helper's mark, 128 random bits that stand in the
lock file before anything runs. So whoever takes the lock next knows what to look for, and no
process that merely has a familiar number is ever touched.
"""

from __future__ import annotations

import calendar
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.edges.strays import unkillable

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "AUTORESEARCH_MARK"
"""Name of the variable that carries it."""

_GIT_PATIENCE_S = 30.0
"""How long a git that the killed helper started may take to end by itself: killed in the middle it
would leave a lock file."""

_PATIENCE_S = 5.0
"""How long a killed process may take to go; only one stuck inside the kernel takes longer."""

_PAUSE_S = 0.005
_PROC = Path("/proc")
_PPID, _GROUP, _START = 1, 2, 19
"""Places behind the command's name in /proc/<pid>/stat: proc(5) fields 4, 5 and 22."""

_ours: tuple[int, str] = (0, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """A command that was started: its number and start, see `start_of`, and the machine's boot."""

    pid: int
    started: int | None
    boot: str


class Process(NamedTuple):
    """A living process."""

    pid: int
    parent: int
    group: int
    name: str
    marked: bool


def our_mark() -> str:
    """This process's mark, the same until it ends."""
    global _ours  # noqa: PLW0603 - one a process, whoever asks; a fork gets one of its own
    if _ours[0] != os.getpid():
        _ours = (os.getpid(), secrets.token_hex(16))
    return _ours[1]


def start_of(pid: int) -> int | None:
    """When a process started, as a number that tells it from a later one; None when it is gone.

    Clock ticks since boot on Linux, seconds since 1970 elsewhere.
    """
    if not _PROC.joinpath("self/stat").exists():  # pragma: no cover - Linux has it
        return _start_by_ps(pid)
    facts = _stat(pid)
    return None if facts is None else int(facts[1][_START])


def survivors(mark: str, leader: Leader | None = None) -> frozenset[int]:
    """The living processes that a helper with this mark left, this one and its parents apart.

    Args:
        mark: of the helper, which is dead.
        leader: the command it had started last, for one that dropped its environment.
    """
    return frozenset(process.pid for process in _left_by(mark, leader))


def processes() -> dict[int, Process]:
    """The living processes by number, other users' too, as far as they are told; `marked` is not.

    A dead one that only waits for its parent holds nothing and is left out.
    """
    if not _PROC.joinpath("self/stat").exists():  # pragma: no cover - Linux has it
        return {process.pid: process for process in _table_by_ps(b"")}
    found = {}
    for folder in _PROC.iterdir():
        facts = _stat(int(folder.name)) if folder.name.isdigit() else None
        if facts is not None and facts[1][0] not in {b"Z", b"X"}:
            name, fields = facts
            pid = int(folder.name)
            found[pid] = Process(pid, int(fields[_PPID]), int(fields[_GROUP]), name, marked=False)
    return found


def end_survivors(mark: str, leader: Leader | None = None) -> int:
    """Wait for what is git's, kill the rest; how many there were. Arguments as for `survivors`.

    Raises:
        AutoresearchError: some outlive SIGKILL for seconds.
    """
    if not mark:
        return 0
    seen: set[int] = set()
    begun = time.monotonic()
    while found := _left_by(mark, leader):
        elapsed_s = time.monotonic() - begun
        seen |= {process.pid for process in found}
        chosen = [p for p in found if p.name != "git" or elapsed_s > _GIT_PATIENCE_S]
        for process in chosen:
            _kill(process.pid)
        if chosen and elapsed_s > _PATIENCE_S + _GIT_PATIENCE_S:
            raise unkillable(frozenset(process.pid for process in chosen))
        time.sleep(_PAUSE_S)
    return len(seen)


def _left_by(mark: str, leader: Leader | None) -> list[Process]:
    table = {process.pid: process for process in _table(mark)}
    ours = {pid for pid, process in table.items() if process.marked}
    if leader is not None and leader.pid in table and _is(leader):
        ours.add(leader.pid)
    grew = bool(ours)
    while grew:
        more = {
            pid for pid, process in table.items() if process.parent in ours or process.group in ours
        }
        grew = not more <= ours
        ours |= more
    return [table[pid] for pid in sorted(ours - _family(table))]


def _is(leader: Leader) -> bool:
    return (
        leader.started is not None
        and leader.boot == boot_id()
        and start_of(leader.pid) == leader.started
    )


def boot_id() -> str:
    """Which start of the machine this is; empty where that is not told."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _family(table: dict[int, Process]) -> set[int]:
    """This process and those it descends from."""
    found: set[int] = set()
    pid = os.getpid()
    while pid not in found:
        found.add(pid)
        pid = table[pid].parent if pid in table else os.getppid()
    return found


def _table(mark: str) -> Iterator[Process]:
    wanted = f"{MARK}={mark}".encode("ascii")
    if not _PROC.joinpath("self/environ").exists():  # pragma: no cover - Linux has it
        yield from _table_by_ps(wanted)
        return
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        facts = _stat(int(folder.name))
        # What is dead and only waits for its parent holds nothing.
        if facts is None or facts[1][0] in {b"Z", b"X"}:
            continue
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            marked = wanted in (folder / "environ").read_bytes().split(b"\0")
            name, fields = facts
            yield Process(int(folder.name), int(fields[_PPID]), int(fields[_GROUP]), name, marked)


def _stat(pid: int) -> tuple[str, list[bytes]] | None:
    """A process's name and the fields behind it."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name stands in parentheses and may itself hold spaces and parentheses.
    first, last = stat.index(b"("), stat.rindex(b")")
    return stat[first + 1 : last].decode("utf-8", "replace"), stat[last + 1 :].split()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


# --- where there is no /proc ---------------------------------------------------------------


def _table_by_ps(wanted: bytes) -> Iterator[Process]:
    """The processes as ps tells them; it shows the environment behind the command."""
    flags = "axEww" if sys.platform == "darwin" else "axeww"
    for line in _ps(flags, "-o", "pid=,ppid=,pgid=,stat=,command=").splitlines():
        pid, parent, group, state, *words = line.split()
        if state.startswith(b"Z"):
            continue
        name = os.path.basename(words[0]).decode("utf-8", "replace") if words else ""  # noqa: PTH119 - bytes
        yield Process(int(pid), int(parent), int(group), name, wanted in words)


def _start_by_ps(pid: int) -> int | None:
    told = _ps("-o", "lstart=", "-p", str(pid)).decode("ascii", "replace").strip()
    if not told:
        return None
    return calendar.timegm(time.strptime(told, "%a %b %d %H:%M:%S %Y"))


def _ps(*args: str) -> bytes:
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    return subprocess.run(["ps", *args], env=environment, capture_output=True, check=False).stdout
