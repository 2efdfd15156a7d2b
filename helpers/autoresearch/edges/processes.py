"""Processes that a program or a killed helper leaves behind: found, ended, and what they hold.

On Linux the helper adopts every orphan below it while a program runs (PR_SET_CHILD_SUBREAPER), so
a daemon that forked twice and opened a session of its own comes back as a child. Elsewhere only
the program's process group can be found.

A killed helper cannot clean up. Every program that a helper starts carries the helper's mark, 128
random bits that stand in the lock file before anything runs. Whoever takes the lock next knows
what to look for, and no process that merely has a familiar number is ever touched.
"""

from __future__ import annotations

import calendar
import contextlib
import ctypes
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core.errors import AutoresearchError

MARK = "AUTORESEARCH_MARK"
"""Name of the variable that carries it."""

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_LIBC = ctypes.CDLL(None)

_PATIENCE_S = 5.0
"""How long killed processes may take to go; only one stuck inside the kernel takes longer."""

_GIT_PATIENCE_S = 30.0
"""How long a git that the killed helper started may take to end by itself: killed in the middle it
would leave a lock file."""

_REAP_PAUSE_S = 0.0005
_PAUSE_S = 0.005
_PROC = Path("/proc")
_PPID, _GROUP, _NICE, _START, _POLICY = 1, 2, 16, 19, 38
"""Places behind the command's name in /proc/<pid>/stat: proc(5) fields 4, 5, 19, 22 and 41."""

_SCHED_IDLE = 5

_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "i686": 288, "ppc64le": 271, "s390x": 280}
"""Number of the system call keyctl(2), which libc has no function for."""

_JOIN_SESSION_KEYRING = 1

_MEMORY_SHARE = 0.9
"""Of the machine's memory: beyond it the machine swaps, or the kernel chooses whom to kill."""

_CGROUP = Path("/sys/fs/cgroup")

_ours: tuple[int, str] = (0, "")


class Leader(Struct, frozen=True, kw_only=True):
    """A command that was started: its number and start, see `start_of`, and the machine's boot."""

    pid: int
    started: int | None
    boot: str


class Process(NamedTuple):
    """A living process; `marked`: it carries the mark that was asked for."""

    pid: int
    parent: int
    group: int
    name: str
    marked: bool


# --- children of this helper ---------------------------------------------------------------


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Become the parent of every orphan below this process, and stop being it at the end."""
    if sys.platform != "linux":  # pragma: no cover - no such call elsewhere
        yield
        return
    before = ctypes.c_int(0)
    _LIBC.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


def renew_keyring() -> None:
    """Take an empty session keyring, which children inherit; so none carries keys to the next.

    No sandbox gives its command another one. Where the call is forbidden it is so to them too.
    """
    number = _KEYCTL.get(os.uname().machine) if sys.platform == "linux" else None
    if number is not None:
        _LIBC.syscall(number, _JOIN_SESSION_KEYRING, None)


def children(pid: int | str = "self") -> frozenset[int]:
    """Children of a process, living and dead; empty where that is not told."""
    found: set[int] = set()
    # A process or thread is gone, or the kernel was built without the file (CONFIG_PROC_CHILDREN).
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.update(map(int, (task / "children").read_bytes().split()))
    return frozenset(found)


def kill_group(leader: int) -> None:
    """SIGKILL every process of the group of `leader`, which must not have been reaped yet."""
    # EPERM is macOS's answer for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill_strays(spared: frozenset[int]) -> int:
    """Kill and reap children until none is left but `spared`; the number that had to be killed.

    A killed process hands its own children up to the helper, so the rounds reach every depth.
    """
    killed = 0
    deadline_s = time.monotonic() + _PATIENCE_S
    while strays := children() - spared:
        for pid in strays:
            _kill_with_group(pid)
        killed += reap(strays)
        if time.monotonic() > deadline_s:
            raise unkillable(strays)
        if children() - spared:
            time.sleep(_REAP_PAUSE_S)
    return killed


def unkillable(pids: Iterable[int]) -> AutoresearchError:
    """The error for processes that outlive SIGKILL."""
    found = sorted(pids)
    return AutoresearchError(
        f"{len(found)} of the processes a command started cannot be killed: "
        f"{', '.join(map(str, found[:5]))}",
        code="stray_processes",
        hint="End them by hand, or restart the machine, then repeat the command.",
    )


def reap(pids: Iterable[int]) -> int:
    """Collect those of our children that are dead, without waiting; how many SIGKILL ended."""
    killed = 0
    for pid in pids:
        with contextlib.suppress(ChildProcessError):  # gone between listing and asking
            reaped, status = os.waitpid(pid, os.WNOHANG)
            killed += (
                reaped == pid and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            )
    return killed


def _kill_with_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        group = os.getpgid(pid)
        if group not in {0, os.getpgrp()}:
            # All at once: a group that keeps forking cannot outrun that.
            kill_group(group)
        os.kill(pid, signal.SIGKILL)


# --- what a killed helper left -------------------------------------------------------------


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


def is_alive(pid: int, started: int | None) -> bool:
    """Whether the process of that number and start is there; by number alone where none is told."""
    if started is not None:
        return start_of(pid) == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def boot_id() -> str:
    """Which start of the machine this is; empty where that is not told."""
    return _text(_PROC / "sys/kernel/random/boot_id")


def survivors(mark: str, leader: Leader | None = None) -> frozenset[int]:
    """The living processes that a helper with this mark left, this one and its parents apart."""
    return frozenset(process.pid for process in _left_by(mark, leader))


def end_survivors(mark: str, leader: Leader | None = None) -> int:
    """Wait for what is git's, kill the rest; how many there were. Arguments as for `survivors`."""
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
            raise unkillable(process.pid for process in chosen)
        time.sleep(_PAUSE_S)
    return len(seen)


def processes(mark: str = "") -> dict[int, Process]:
    """The living processes by number.

    A dead one that only waits for its parent holds nothing and is left out. With a mark, so are
    those that do not let us see whether they carry it; without one, other users' are told too.
    """
    wanted = f"{MARK}={mark}".encode("ascii")
    if not _PROC.joinpath("self/stat").exists():  # pragma: no cover - Linux has it
        return _processes_by_ps(wanted if mark else b"")
    found = {}
    for folder in _PROC.iterdir():
        facts = _stat(int(folder.name)) if folder.name.isdigit() else None
        if facts is None or facts[1][0] in {b"Z", b"X"}:
            continue
        name, fields = facts
        pid, parent, group = int(folder.name), int(fields[_PPID]), int(fields[_GROUP])
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            marked = bool(mark) and wanted in (folder / "environ").read_bytes().split(b"\0")
            found[pid] = Process(pid, parent, group, name, marked)
    return found


def _left_by(mark: str, leader: Leader | None) -> list[Process]:
    table = processes(mark)
    ours = {pid for pid, process in table.items() if process.marked}
    if leader is not None and leader.pid in table and _is_running(leader):
        ours.add(leader.pid)
    grew = bool(ours)
    while grew:
        more = {
            pid for pid, process in table.items() if process.parent in ours or process.group in ours
        }
        grew = not more <= ours
        ours |= more
    return [table[pid] for pid in sorted(ours - _family(table))]


def _is_running(leader: Leader) -> bool:
    known = leader.started is not None and leader.boot == boot_id()
    return known and start_of(leader.pid) == leader.started


def _family(table: dict[int, Process]) -> set[int]:
    """This process and those it descends from."""
    found: set[int] = set()
    pid = os.getpid()
    while pid not in found:
        found.add(pid)
        pid = table[pid].parent if pid in table else os.getppid()
    return found


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


def _processes_by_ps(wanted: bytes) -> dict[int, Process]:
    """Where there is no /proc; ps shows the environment behind the command."""
    found = {}
    flags = "axEww" if sys.platform == "darwin" else "axeww"
    for line in _ps(flags, "-o", "pid=,ppid=,pgid=,stat=,command=").splitlines():
        pid, parent, group, state, *words = line.split()
        if not state.startswith(b"Z"):
            name = os.path.basename(words[0]).decode("utf-8", "replace") if words else ""  # noqa: PTH119 - bytes
            marked = wanted in words
            found[int(pid)] = Process(int(pid), int(parent), int(group), name, marked)
    return found


def _start_by_ps(pid: int) -> int | None:
    told = _ps("-o", "lstart=", "-p", str(pid)).decode("ascii", "replace").strip()
    if not told:
        return None
    return calendar.timegm(time.strptime(told, "%a %b %d %H:%M:%S %Y"))


def _ps(*args: str) -> bytes:
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    return subprocess.run(["ps", *args], env=environment, capture_output=True, check=False).stdout


# --- memory --------------------------------------------------------------------------------
# Limits of the address space would end runtimes that reserve far more than they use (Go, Java, V8,
# sanitizers), and bind each process by itself. So what is really used is watched while they run.


def memory_limit() -> int | None:
    """Bytes that a command and all it starts may hold; None where that cannot be watched."""
    if not _PROC.joinpath("self/statm").exists():  # pragma: no cover - macOS
        return None
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min([total, *_group_limits()]) * _MEMORY_SHARE)


def is_over(roots: Iterable[int], limit_bytes: int) -> bool:
    """Whether processes and all below them hold more than `limit_bytes`.

    What they share counts once: memory that was copied on fork is not used again by each child.
    """
    found = _family_of(roots)
    if sum(map(_resident, found)) <= limit_bytes:
        return False
    return sum(map(_proportional, found)) > limit_bytes


def _family_of(roots: Iterable[int]) -> dict[int, None]:
    """Processes and all below them."""
    found: dict[int, None] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = None
            waiting += children(pid)
    return found


class Interference(NamedTuple):
    """What was done to processes from outside.

    Attributes:
        stopped: one is stopped by a signal, or by a debugger that is none of them.
        held_back: one has a lower priority than this helper, or fewer processors.
    """

    stopped: bool
    held_back: bool


def interference(roots: Iterable[int]) -> Interference:
    """Whether processes, or any below them, are hindered at this moment."""
    stopped = held_back = False
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    family = _family_of(roots)
    for pid in family:
        facts = _stat(pid)
        if facts is None:
            continue
        fields = facts[1]
        stopped |= fields[0] == b"T" or (fields[0] == b"t" and _tracer(pid) not in family)
        if fields[0] not in {b"Z", b"X"}:
            held_back |= int(fields[_NICE]) > ours or int(fields[_POLICY]) == _SCHED_IDLE
            with contextlib.suppress(OSError):  # ended meanwhile
                held_back |= os.sched_getaffinity(pid) < os.sched_getaffinity(0)
    return Interference(stopped, held_back)


def _tracer(pid: int) -> int:
    for line in _text(_PROC / f"{pid}/status").splitlines():
        if line.startswith("TracerPid:"):
            return int(line.split()[1])
    return 0


def _group_limits() -> list[int]:
    """Limits of the control groups that the helper runs in (version 2), as in containers."""
    path = _CGROUP / _text(_PROC / "self/cgroup").rpartition(":")[2].strip("/")
    inside = (folder for folder in (path, *path.parents) if folder.is_relative_to(_CGROUP))
    texts = [_text(folder / "memory.max") for folder in inside]
    return [int(text) for text in texts if text.isdigit()]


def _resident(pid: int) -> int:
    """Bytes in memory, shared ones included; 0 for a process that is gone."""
    fields = _text(_PROC / f"{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _proportional(pid: int) -> int:
    """Bytes in memory, each shared one divided among those that share it."""
    for line in _text(_PROC / f"{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return _resident(pid)


def _text(path: Path) -> str:
    """A short file of the kernel's; empty when it is gone, or not for us to read."""
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
