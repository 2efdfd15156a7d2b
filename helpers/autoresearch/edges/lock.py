"""One writer at a time: `flock` on a file that says who holds it.

The kernel lets go when the holder dies, however it dies. The words in the file are for people, and
for whoever takes the lock next: where a holder died, they still stand, and what it left running is
ended before anything else happens. Descriptors are not inherited, so no program started under the
lock can keep it; the fork that is to become one shares it for a moment, which is waited for.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from msgspec import Struct

from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.edges import processes
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import named_errors
from autoresearch.edges.processes import Leader
from autoresearch.edges.stored import Stored

if TYPE_CHECKING:
    from typing_extensions import Self

_OWNER_BYTES = 4096
_LOOK_S = 0.02
PATIENCE_S = 5.0
"""A process that is forked shares the lock until it runs its program; so long it is waited for."""
RUNNING = "running.json"
"""Beside a session's lock: the command that its holder started last."""


class Owner(Struct, frozen=True, kw_only=True):
    """The process that holds a lock.

    Attributes:
        started: its start, which tells it from a later process of the same number; None where
            nobody tells.
        command: the subcommand it runs.
        since: when it took the lock.
        mark: what everything it starts carries in its environment, see `processes`.
    """

    pid: int
    started: int | None
    command: str
    since: str
    mark: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether this very process is still there."""
        return processes.is_alive(self.pid, self.started)

    def described(self) -> str:
        """In words: `autoresearch try (process 4711, since 2026-01-02T03:04:05Z)`."""
        return f"`autoresearch {self.command}` (process {self.pid}, since {self.since})"


class Held:
    """A lock that is held until `release` or the end of the `with` block.

    Attributes:
        after_kill: whether the former holder died with it.
        ended: what was ended of that one, in a sentence; empty for nothing.
        waited_s: how long somebody else had it.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self.path = path
        self.after_kill = False
        self.ended = ""
        self.waited_s = 0.0
        self._descriptor: int | None = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def require(self) -> None:
        """Make sure that the lock file is still the one that is held; two system calls."""
        with named_errors(self.path):
            mine = None if self._descriptor is None else os.fstat(self._descriptor)
            try:
                there = os.lstat(self.path)
            except FileNotFoundError:
                there = None
        if mine is None or there is None or not os.path.samestat(mine, there):
            raise AutoresearchError(
                f"the lock {self.path} was deleted or replaced while this command held it, so it "
                "stops: another command may be at work",
                code="lock_lost",
                hint="`autoresearch status` shows what is at work; repeat this command afterwards.",
            )

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)


class Lock:
    """A lock file: `lock` of a session, or `measure.lock` of the machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def acquire(self, command: str) -> Held:
        """Take the lock for a subcommand or fail at once: `locked`, naming the holder."""
        descriptor = self._open()
        if not self._is_taken(descriptor):
            os.close(descriptor)
            owner = self.holder()
            who = "another process" if owner is None else owner.described()
            raise AutoresearchError(
                f"{who} is working on this session",
                code="locked",
                hint="Wait until it has finished; `autoresearch status` shows what it is doing.",
            )
        return self._mark(descriptor, command)

    def _is_taken(self, descriptor: int) -> bool:
        """Take it where nobody alive has it; a dead holder's fork, about to exec, is waited for."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # noqa: PERF203 - it is asked for again
                former = self._written()
                if former is None or former.is_alive or time.monotonic() > until:
                    return False
                time.sleep(_LOOK_S)
            else:
                return True

    def wait(self, command: str, on_wait: Callable[[Owner | None], None]) -> Held:
        """Take the lock, waiting as long as it takes; `on_wait` is told the holder, where known.

        A process that waits for a lock it holds itself waits for ever.
        """
        descriptor = self._open()
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait(self.holder())
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        return self._mark(descriptor, command)

    def holder(self) -> Owner | None:
        """Who holds it, without touching it; None when nobody does or nobody knows."""
        owner = self._written()
        return owner if owner is not None and owner.is_alive else None

    def left_running(self) -> frozenset[int]:
        """The processes that a holder left when it died; empty while one is alive."""
        owner = self._written()
        if owner is None or not owner.mark or owner.is_alive:
            return frozenset()
        return processes.survivors(owner.mark, self._leader())

    def _written(self) -> Owner | None:
        try:
            with self.path.open("rb") as file:
                content = file.read(_OWNER_BYTES)
            return wire.read(content, Owner)
        except (OSError, ValueError):
            return None

    def _leader(self) -> Leader | None:
        return _running(self.path.parent).load()

    def _open(self) -> int:
        with named_errors(self.path):
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def _mark(self, descriptor: int, command: str) -> Held:
        pid = os.getpid()
        held = Held(descriptor, self.path)
        try:
            former = self._written()
            if former is not None and not former.is_alive:
                held.after_kill = True
                held.ended = self._end_left(former)
            owner = Owner(
                pid=pid,
                started=processes.start_of(pid),
                command=command,
                since=now_utc(),
                mark=processes.our_mark(),
            )
            with named_errors(self.path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, wire.text(owner).encode("ascii"), 0)
        except BaseException:
            # Not released: what a former holder wrote still stands for whoever comes next.
            os.close(descriptor)
            raise
        return held

    def _end_left(self, former: Owner) -> str:
        """End what a dead holder left running; what was done."""
        count = processes.end_survivors(former.mark, self._leader())
        if not count:
            return ""
        what = "process that it left was" if count == 1 else "processes that it left were"
        return f"`autoresearch {former.command}` was killed; {count} {what} ended"


def turn_to_measure(path: Path, command: str, say: Callable[[str], None]) -> Held:
    """The lock of whoever measures on this machine; `say` hears who is waited for."""

    def waiting(owner: Owner | None) -> None:
        who = "another process" if owner is None else owner.described()
        say(f"waiting for {who}, which is measuring on this machine")

    started = time.monotonic()
    held = Lock(path).wait(command, waiting)
    held.waited_s = time.monotonic() - started
    return held


def note_running(folder: Path, pid: int) -> None:
    """Write down the command that was just started, for whoever comes after a kill."""
    leader = Leader(pid=pid, started=processes.start_of(pid), boot=processes.boot_id())
    _running(folder).save(leader)


def _running(folder: Path) -> Stored[Leader]:
    return Stored(folder / RUNNING, Leader, sync=False)
