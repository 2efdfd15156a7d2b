"""One writer at a time: `flock` on a file that says who holds it.

The kernel lets go when the holder dies, however it dies; the words in the file are for people.
Descriptors are not inherited, so no program started under the lock can keep it.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.core import jsonform
from autoresearch.core.errors import AutoresearchError, CorruptLogError
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import named_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

_OWNER_BYTES = 4096
_START_FIELD = 19
"""Place of `starttime` behind the command's name in /proc/<pid>/stat (proc(5), field 22)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that holds a lock.

    Attributes:
        started: its start in clock ticks since boot, which tells it from a later process of the
            same number; None where /proc is missing.
        command: the subcommand it runs.
        since: when it took the lock.
    """

    pid: int
    started: int | None
    command: str
    since: str

    def described(self) -> str:
        """In words: `autoresearch try (process 4711, since 2026-01-02T03:04:05Z)`."""
        return f"`autoresearch {self.command}` (process {self.pid}, since {self.since})"


class Held:
    """A lock that is held until `release` or the end of the `with` block."""

    def __init__(self, descriptor: int) -> None:
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
        """Take the lock or fail at once.

        Args:
            command: the subcommand, for whoever is kept out.

        Raises:
            AutoresearchError: code `locked`, naming the holder; or as the disk refuses.
        """
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            owner = self.holder()
            who = "another process" if owner is None else owner.described()
            raise AutoresearchError(
                f"{who} is working on this session",
                code="locked",
                hint="Wait until it is done; `autoresearch status` shows what it does.",
            ) from error
        return self._mark(descriptor, command)

    def wait(self, command: str, on_wait: Callable[[Owner | None], None]) -> Held:
        """Take the lock, waiting for it as long as it takes.

        A process that waits for a lock it holds itself waits for ever.

        Args:
            command: as for `acquire`.
            on_wait: called once, before the wait, with the holder where it is known.
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
        try:
            with self.path.open("rb") as file:
                content = file.read(_OWNER_BYTES)
            owner = jsonform.from_object(Owner, jsonform.loads(content.decode("ascii")))
        except (OSError, ValueError, CorruptLogError):
            return None
        return owner if _is_alive(owner) else None

    def _open(self) -> int:
        with named_errors(self.path):
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def _mark(self, descriptor: int, command: str) -> Held:
        pid = os.getpid()
        owner = Owner(pid=pid, started=_start_of(pid), command=command, since=now_utc())
        held = Held(descriptor)
        try:
            with named_errors(self.path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, jsonform.dumps(jsonform.to_object(owner)).encode("ascii"), 0)
        except BaseException:
            held.release()
            raise
        return held


def _is_alive(owner: Owner) -> bool:
    if owner.started is not None:
        return _start_of(owner.pid) == owner.started
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_of(pid: int) -> int | None:
    """Start of a process in clock ticks since boot; None when it is gone or /proc is missing."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The command's name stands in parentheses and may itself hold spaces and parentheses.
    fields = stat[stat.rindex(b")") + 1 :].split()
    return int(fields[_START_FIELD])
