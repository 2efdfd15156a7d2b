"""Processes that a program leaves behind: found, killed and reaped.

On Linux the helper adopts every orphan below it while a program runs (PR_SET_CHILD_SUBREAPER), so
a daemon that forked twice and opened a session of its own comes back as a child. Elsewhere only
the program's process group can be found.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.core.errors import AutoresearchError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37

_LIBC = ctypes.CDLL(None)

_PATIENCE_S = 5.0
"""How long killed processes may take to go; only one stuck inside the kernel takes longer."""

_PAUSE_S = 0.0005


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


def children() -> frozenset[int]:
    """Process ids of this process's children, living and dead; empty where that is not known."""
    return children_of("self")


def children_of(pid: int | str) -> frozenset[int]:
    """Process ids of the children of a process; empty when it is gone."""
    found: set[int] = set()
    tasks = Path(f"/proc/{pid}/task")
    # A process or thread is gone, or the kernel was built without the file (CONFIG_PROC_CHILDREN).
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in tasks.iterdir():
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

    Raises:
        AutoresearchError: some are still there after five seconds.
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
            time.sleep(_PAUSE_S)
    return killed


def unkillable(pids: frozenset[int]) -> AutoresearchError:
    """The error for processes that outlive SIGKILL."""
    return AutoresearchError(
        f"{len(pids)} of the processes a command started cannot be killed: "
        f"{', '.join(map(str, sorted(pids)[:5]))}",
        code="stray_processes",
        hint="End them by hand, or restart the machine, then repeat the command.",
    )


def reap(pids: frozenset[int]) -> int:
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
