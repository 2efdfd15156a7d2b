"""How much memory running processes hold together, and how much this machine can give.

Limits of the address space would end runtimes that reserve far more than they use (Go, Java, V8,
sanitizers), and bind each process by itself. So what is really used is looked at while they run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.edges.strays import children_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHARE = 0.9
"""Of the machine's memory: beyond it the machine swaps, or the kernel chooses whom to kill."""

_CGROUP = Path("/sys/fs/cgroup")


def memory_limit() -> int | None:
    """Bytes that a command and all it starts may hold; None where that cannot be watched."""
    if not Path("/proc/self/statm").exists():  # pragma: no cover - macOS
        return None
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min([total, *_group_limits()]) * _SHARE)


def is_over(roots: Iterable[int], limit_bytes: int) -> bool:
    """Whether processes and all below them hold more than `limit_bytes`.

    What they share counts once: memory that was copied on fork is not used again by each child.
    """
    pids = _tree(roots)
    if sum(map(_resident, pids)) <= limit_bytes:
        return False
    return sum(map(_proportional, pids)) > limit_bytes


def _group_limits() -> list[int]:
    """Limits of the control groups that the helper runs in (version 2), as in containers."""
    try:
        path = Path("/proc/self/cgroup").read_text("ascii").strip().rpartition(":")[2].strip("/")
    except OSError:  # pragma: no cover - a kernel without control groups
        return []
    folders = [_CGROUP / path, *(_CGROUP / path).parents]
    texts = [
        _read(folder / "memory.max") for folder in folders if _CGROUP in (folder, *folder.parents)
    ]
    return [int(text) for text in texts if text.isdigit()]


def _tree(roots: Iterable[int]) -> list[int]:
    found: dict[int, None] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = None
            waiting += children_of(pid)
    return list(found)


def _resident(pid: int) -> int:
    """Bytes in memory, shared ones included; 0 for a process that is gone."""
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _proportional(pid: int) -> int:
    """Bytes in memory, each shared one divided among those that share it."""
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        name, _, rest = line.partition(":")
        if name == "Pss":
            return int(rest.split()[0]) * 1024
    return _resident(pid)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:  # gone meanwhile, or not for us to read
        return ""
