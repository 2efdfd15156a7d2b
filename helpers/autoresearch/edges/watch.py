"""A running command under watch: its output is read, its end seen, its leftovers killed."""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import time
from typing import TYPE_CHECKING

from autoresearch.edges.memory import is_over
from autoresearch.edges.strays import children, kill_group, kill_strays, reap, unkillable

if TYPE_CHECKING:
    import subprocess

    from autoresearch.edges.clock import Clock, Instant
    from autoresearch.edges.interruption import HeldSignals


_CHUNK_BYTES = 1 << 16


class Capture:
    """The first and the last bytes of one stream, and the count of all.

    A program that prints without end costs twice `limit` bytes here, whatever it prints.
    """

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` bytes: half from the start, half from the end."""
        self.total = 0
        self._head_bytes = limit - limit // 2
        self._tail_bytes = limit // 2
        self._head = bytearray()
        self._tail = bytearray()

    @property
    def truncated(self) -> bool:
        """Whether bytes in the middle were dropped."""
        return self.total > self._head_bytes + self._tail_bytes

    def add(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        self.total += len(chunk)
        room = self._head_bytes - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._tail_bytes + _CHUNK_BYTES:
            del self._tail[: len(self._tail) - self._tail_bytes]

    def content(self) -> bytes:
        """What was kept, with a line in the middle that counts what was not."""
        if not self.truncated:
            return bytes(self._head + self._tail)
        left_out = self.total - self._head_bytes - self._tail_bytes
        tail = self._tail[len(self._tail) - self._tail_bytes :]
        return bytes(self._head) + b"\n[%d bytes left out]\n" % left_out + bytes(tail)


def read_available(descriptor: int, capture: Capture) -> bool:
    """Read once from a non-blocking pipe; False when its last writer has closed it."""
    try:
        chunk = os.read(descriptor, _CHUNK_BYTES)
    except BlockingIOError:
        return True
    capture.add(chunk)
    return bool(chunk)


_LINGER_S = 0.3
"""How long the pipes are read after the command has ended, for a child that still writes."""

_KILL_PATIENCE_S = 5.0
"""How long a killed command may take to go; only one stuck inside the kernel takes longer."""


_LOOK_S = 0.25
"""How often the memory is looked at: 0.1 ms of another core's time; what allocates 1 GB a second
is seen a quarter of that too late."""


class Watch:
    """One command, from just after its start until nothing of it is left.

    Attributes:
        stdout, stderr: what it printed.
        began: when the sandbox was seen to stand; None before, and without one.
        ended: when the command itself was seen to have ended; None before.
        out_of_memory: whether it took more than `memory_bytes`.
        exit_code: its own status, 128 + n when killed by signal n; set by `finish`.
        cpu_s: user + system seconds of it and the children it waited for; set by `finish`.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        spared: frozenset[int],
        held: HeldSignals,
        clock: Clock,
        output_bytes: int,
        marker: int | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        """Watch `process`; `spared` are the helper's other children, which are left alone.

        On the pipe `marker`, closed at the end, a sandbox says that the command starts now.
        """
        self.began: Instant | None = None
        self.stdout, self.stderr = Capture(output_bytes), Capture(output_bytes)
        self.ended: Instant | None = None
        self.out_of_memory = False
        self._memory_bytes = memory_bytes
        self._looked_s = time.monotonic()
        self.exit_code = 0
        self.cpu_s = 0.0
        self._process = process
        self._spared = spared
        self._held = held
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._selector.register(held.descriptor, selectors.EVENT_READ)
        self._marker = marker
        if marker is not None:
            os.set_blocking(marker, False)
            self._selector.register(marker, selectors.EVENT_READ)
        for pipe, capture in ((process.stdout, self.stdout), (process.stderr, self.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, selectors.EVENT_READ, capture)

    def wait(self, start_s: float, timeout_s: float) -> bool:
        """Read until the command has ended and its pipes are closed; False if it has to be killed.

        Args:
            start_s: when it was started, on the monotonic clock; in a sandbox it begins later.
            timeout_s: how long it may take; a signal to the helper comes before.
        """
        self._read_until_ended(start_s, timeout_s, heed_signals=True)
        if self.ended is None:
            return False
        self._read_until_closed(self.ended.monotonic_s + _LINGER_S)
        return True

    def finish(self) -> int:
        """Kill what is left, reap all; the number of processes left behind that had to be killed.

        Raises:
            AutoresearchError: something survived SIGKILL for seconds.
        """
        with self._selector:
            # The command is not reaped yet, so its number cannot belong to another group.
            kill_group(self._process.pid)
            if self.ended is None:
                killed_s = self._clock.read().monotonic_s
                self._read_until_ended(killed_s, _KILL_PATIENCE_S, heed_signals=False)
                self._read_until_closed(killed_s + _LINGER_S)
            self._heed_marker()
        self._reap()
        strays = kill_strays(self._spared)
        if self.ended is None:  # pragma: no cover - needs a process stuck inside the kernel
            raise unkillable(frozenset({self._process.pid}))
        return strays

    def _read_until_ended(self, start_s: float, timeout_s: float, *, heed_signals: bool) -> None:
        while not self._has_ended():
            began_s = start_s if self.began is None else max(start_s, self.began.monotonic_s)
            left_s = began_s + timeout_s - self._clock.read().monotonic_s
            if left_s <= 0 or (heed_signals and (self._held.pending or self._takes_too_much())):
                return
            self._read(left_s if self._memory_bytes is None else min(left_s, _LOOK_S))

    def _takes_too_much(self) -> bool:
        """Whether it holds more memory than it may; looked at every now and then."""
        now_s = time.monotonic()  # not the clock for deadlines: it is no measurement
        if self._memory_bytes is not None and now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self.out_of_memory = is_over(children() - self._spared, self._memory_bytes)
        return self.out_of_memory

    def _read_until_closed(self, deadline_s: float) -> None:
        while len(self._selector.get_map()) > 1 and not self._held.pending:
            left_s = deadline_s - self._clock.read().monotonic_s
            if left_s <= 0:
                return
            self._read(left_s)

    def _read(self, timeout_s: float) -> None:
        """Wait for output or a signal, once; reap orphans that ended by themselves."""
        for key, _ in self._selector.select(timeout_s):
            if key.fd == self._marker:
                self._heed_marker()
            elif key.data is None:
                self._held.clear_wakeups()
                reap(children() - self._spared - {self._process.pid})
            elif not read_available(key.fd, key.data):
                self._selector.unregister(key.fileobj)

    def _heed_marker(self) -> None:
        """Take the time of the first word; the end of the pipe without one says nothing."""
        if self._marker is not None:
            with contextlib.suppress(BlockingIOError):  # ended before it said anything
                if os.read(self._marker, 1):
                    self.began = self._clock.read()
            self._selector.unregister(self._marker)
            os.close(self._marker)
            self._marker = None

    def _has_ended(self) -> bool:
        if self.ended is None and self._is_dead():
            self.ended = self._clock.read()
        return self.ended is not None

    def _is_dead(self) -> bool:
        pid = self._process.pid
        if sys.platform == "darwin":  # pragma: no cover - no waitid there before Python 3.13
            return self._collect(os.WNOHANG)
        # WNOWAIT: it stays a zombie, so its number is not given away before its group is killed.
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _reap(self) -> None:
        if self._process.returncode is None and self.ended is not None:
            self._collect(0)
        if self._process.returncode is None:  # pragma: no cover - stuck inside the kernel
            self._process.returncode = -9  # or Popen would wait for it for ever

    def _collect(self, options: int) -> bool:
        """Take status and CPU time of the command; Popen's own wait would lose the latter."""
        pid, status, usage = os.wait4(self._process.pid, options)
        if pid == 0:
            return False
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        self.exit_code = code if code >= 0 else 128 - code
        self.cpu_s = usage.ru_utime + usage.ru_stime
        return True
