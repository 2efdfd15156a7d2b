"""Runs one command of the contract: on its own, for a bounded time, and with nothing left after it.

The command gets a session of its own, exactly the environment given, no input, and two pipes. It
ends by itself or by SIGKILL; whatever it left running is killed before its outcome is returned.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.edges import processes
from autoresearch.edges.clock import SYSTEM_CLOCK, Clock, Instant, time_lost
from autoresearch.edges.interruption import HeldSignals, held_signals

_SHELL = "/bin/sh"

_LAUNCH = 'echo >&0; exec </dev/null; /bin/sh -c "$0"; exit $?'
"""What a sandbox runs first: it says that the sandbox stands, on a pipe that is closed before the
command starts, waits for the command, and ends with its status. So starting the sandbox is no
part of the elapsed time, and a sandbox that failed is not taken for a command that did."""

_FIRST_TO_GO = "{ echo 1000 >/proc/self/oom_score_adj; } 2>/dev/null"
"""Should memory run out all the same, the kernel ends the program, not the helper or the editor."""

_LOST_S = 0.5
"""Time lost to sleep or to a set clock from which on a run says nothing."""

_SLEW = 0.0005
"""Rate at which NTP may bend the wall clock (adjtimex: 500 ppm); no reason to void a long run."""

_FSIZE_BLOCK = 512
"""Unit of `ulimit -f` (POSIX.1-2017)."""

_LINGER_S = 0.3
"""How long the pipes are read after the command has ended, for a child that still writes."""

_KILL_PATIENCE_S = 5.0
"""How long a killed command may take to go; only one stuck inside the kernel takes longer."""

_LOOK_S = 0.25
"""How often the memory is looked at: 0.1 ms of another core's time; what allocates 1 GB a second
is seen a quarter of that too late."""

_SOON_S, _OFTEN_S = 0.004, 0.1
"""How soon, and at last how often, it is looked whether somebody stopped it: 0.1 ms again."""

_CHUNK_BYTES = 1 << 16


class Limits(NamedTuple):
    """What one run may use.

    Attributes:
        timeout_s: elapsed seconds, sleep of the machine not counted, after which it is killed.
        output_bytes: kept of each stream: one half from its start, one half from its end.
        file_bytes: size of the largest file it may write.
        memory_bytes: what it and all that it started may hold together; None for no limit, as
            on macOS, where that cannot be watched.
    """

    timeout_s: float
    output_bytes: int = 256 * 1024
    file_bytes: int = 16 * 1024**3
    memory_bytes: int | None = None


class Outcome(NamedTuple):
    """What one run did.

    Attributes:
        exit_code: its own status; 128 + n when killed by signal n (137 after a timeout).
        timed_out: True when the helper ended it, since its time was over.
        out_of_memory: True when the helper ended it, since it took too much memory.
        wall_s: elapsed seconds from start to the end of the command itself.
        cpu_s: user + system seconds of the command and the children it waited for.
        stdout, stderr: what was kept, a line in the middle counting what was not.
        stdout_truncated, stderr_truncated: whether bytes are missing from them.
        stdout_total, stderr_total: bytes written in all.
        killed_strays: processes that had to be killed beside the command itself.
        slept_s: seconds the machine slept or its wall clock was moved meanwhile.
        stopped, held_back: see `processes.Interference`; never where that cannot be seen.
    """

    exit_code: int
    timed_out: bool
    out_of_memory: bool
    wall_s: float
    cpu_s: float
    stdout: bytes
    stderr: bytes
    stdout_truncated: bool
    stderr_truncated: bool
    stdout_total: int
    stderr_total: int
    killed_strays: int
    slept_s: float
    stopped: bool = False
    held_back: bool = False

    @property
    def void(self) -> bool:
        """Whether the machine slept or its clock jumped, so that the timing means nothing."""
        return self.slept_s > _LOST_S + _SLEW * self.wall_s


def run_command(
    command: str,
    *,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits,
    prefix: Sequence[str] = (),
    clock: Clock = SYSTEM_CLOCK,
    started: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Run `/bin/sh -c command` to its end, or to its deadline, and leave no process behind.

    The status is the shell's: `false | true` reports 0, since POSIX sh looks at the last command
    of a pipe only. Ctrl-C, SIGTERM and SIGHUP kill the command first and take effect then. Call it
    from the main thread; children of the helper that were there before are spared.

    Args:
        command: shell text.
        cwd: where it runs.
        env: all of its environment, but for the mark of this helper (see `processes`).
        limits: what it may use.
        prefix: words of a sandbox that run what follows them in it; none for no sandbox.
        clock: for the deadline and for finding sleep.
        started: told its process number at once.

    Raises:
        AutoresearchError: it could not be started, or something of it could not be killed;
            `sandbox_failed` when the sandbox did not get as far as the command.
    """
    with held_signals() as held, processes.adopting_orphans():
        spared = processes.children()
        start = clock.read()
        process, marker = _start(prefix, command, cwd, env, limits)
        with process:
            watch = _Watch(
                process, spared=spared, held=held, clock=clock, limits=limits, marker=marker
            )
            try:
                started(process.pid)
                ended_itself = watch.wait(start.monotonic_s)
            finally:
                killed = watch.finish()
        if prefix and watch.began is None and not held.pending:
            raise _not_confined(watch)
        timed_out = not ended_itself and not watch.out_of_memory
        return _outcome(watch, watch.began or start, timed_out=timed_out, killed_strays=killed)


# --- starting it ---------------------------------------------------------------------------


def _start(
    prefix: Sequence[str], command: str, cwd: Path, env: Mapping[str, str], limits: Limits
) -> tuple[subprocess.Popen[bytes], int | None]:
    """The process; and behind a sandbox the pipe that says when the sandbox stands."""
    words = [_SHELL, "-c", _with_limits(command, limits)]
    if prefix:
        words = [*prefix, _SHELL, "-c", _LAUNCH, words[-1]]
    processes.renew_keyring()
    told, said = os.pipe() if prefix else (None, subprocess.DEVNULL)
    try:
        # Unbuffered, and without preexec_fn: CPython then starts it by vfork, which costs 0.8 ms
        # where a fork of the helper costs 2.5 ms (measured) and grows with its memory.
        process = subprocess.Popen(
            words,
            bufsize=0,
            cwd=cwd,
            env={**env, processes.MARK: processes.our_mark()},
            stdin=said,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        hint = "Check the limits of processes and memory (`ulimit -a`), and /bin/sh."
        if not cwd.is_dir():
            hint = f"The folder {clean_line(str(cwd))} is missing; create it or check it out again."
        if told is not None:
            os.close(told)
        raise AutoresearchError(
            f"cannot start {clean_line(command, 120)}: {clean_line(str(error), 200)}",
            code="start_failed",
            hint=hint,
        ) from error
    finally:
        if told is not None:
            os.close(said)
    return process, told


def _with_limits(command: str, limits: Limits) -> str:
    """The command behind `ulimit` built-ins, which bind it and all it starts, soft and hard."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    files = limits.file_bytes if hard == resource.RLIM_INFINITY else min(limits.file_bytes, hard)
    settings = [_FIRST_TO_GO, "ulimit -c 0", f"ulimit -f {max(1, files // _FSIZE_BLOCK)}"]
    # On the command's own first line, so that the shell's messages count lines as the user does.
    return "; ".join([*settings, command])


def _not_confined(watch: _Watch) -> AutoresearchError:
    said = watch.stderr.content().decode("utf-8", "replace").strip().splitlines()
    return AutoresearchError(
        f"the sandbox did not start: {clean_line(said[-1] if said else 'it said nothing', 200)}",
        code="sandbox_failed",
        hint="`autoresearch doctor` says what works here; then repeat the command.",
    )


def _outcome(watch: _Watch, start: Instant, *, timed_out: bool, killed_strays: int) -> Outcome:
    ended = watch.ended or start
    return Outcome(
        exit_code=watch.exit_code,
        timed_out=timed_out,
        out_of_memory=watch.out_of_memory,
        wall_s=ended.monotonic_s - start.monotonic_s,
        cpu_s=watch.cpu_s,
        stdout=watch.stdout.content(),
        stderr=watch.stderr.content(),
        stdout_truncated=watch.stdout.truncated,
        stderr_truncated=watch.stderr.truncated,
        stdout_total=watch.stdout.total,
        stderr_total=watch.stderr.total,
        killed_strays=killed_strays,
        slept_s=time_lost(start, ended),
        stopped=watch.stopped,
        held_back=watch.held_back,
    )


# --- watching it ---------------------------------------------------------------------------


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

    def read_from(self, descriptor: int) -> bool:
        """Read once from a non-blocking pipe; False when its last writer has closed it."""
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        self.add(chunk)
        return bool(chunk)


class _Watch:
    """One command, from just after its start until nothing of it is left.

    Attributes:
        stdout, stderr: what it printed.
        began: when the sandbox was seen to stand; None before, and without one.
        ended: when the command itself was seen to have ended; None before.
        out_of_memory: whether it took more memory than it may.
        stopped, held_back: see `processes.Interference`.
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
        limits: Limits,
        marker: int | None,
    ) -> None:
        """Watch `process`; `spared` are the helper's other children, which are left alone.

        On the pipe `marker`, closed at the end, a sandbox says that the command starts now.
        """
        self.began: Instant | None = None
        self.stdout, self.stderr = Capture(limits.output_bytes), Capture(limits.output_bytes)
        self.ended: Instant | None = None
        self.out_of_memory = False
        self.stopped = self.held_back = False
        self._glance_s = _SOON_S
        self._glanced_s = time.monotonic()
        self.exit_code = 0
        self.cpu_s = 0.0
        self._limits = limits
        self._looked_s = time.monotonic()
        self._process = process
        self._spared = spared
        self._held = held
        self._clock = clock
        self._marker = marker
        self._selector = selectors.DefaultSelector()
        self._selector.register(held.descriptor, selectors.EVENT_READ)
        if marker is not None:
            os.set_blocking(marker, False)
            self._selector.register(marker, selectors.EVENT_READ)
        for pipe, capture in ((process.stdout, self.stdout), (process.stderr, self.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, selectors.EVENT_READ, capture)

    def wait(self, start_s: float) -> bool:
        """Read until it has ended and its pipes are closed; False if it has to be killed."""
        self._read_until_ended(start_s, self._limits.timeout_s, heed_signals=True)
        if self.ended is None:
            return False
        self._read_until_closed(self.ended.monotonic_s + _LINGER_S)
        return True

    def finish(self) -> int:
        """Kill what is left, reap all; how many had to be killed."""
        with self._selector:
            # The command is not reaped yet, so its number cannot belong to another group.
            processes.kill_group(self._process.pid)
            if self.ended is None:
                killed_s = self._clock.read().monotonic_s
                self._read_until_ended(killed_s, _KILL_PATIENCE_S, heed_signals=False)
                self._read_until_closed(killed_s + _LINGER_S)
            self._heed_marker()
        self._reap()
        strays = processes.kill_strays(self._spared)
        if self.ended is None:  # pragma: no cover - needs a process stuck inside the kernel
            raise processes.unkillable({self._process.pid})
        return strays

    def _read_until_ended(self, start_s: float, timeout_s: float, *, heed_signals: bool) -> None:
        while not self._has_ended():
            began_s = start_s if self.began is None else max(start_s, self.began.monotonic_s)
            left_s = began_s + timeout_s - self._clock.read().monotonic_s
            if left_s <= 0 or (heed_signals and (self._held.pending or self._takes_too_much())):
                return
            self._read(left_s if self._limits.memory_bytes is None else min(left_s, self._glance_s))

    def _takes_too_much(self) -> bool:
        """Whether it holds more memory than it may; looked at every now and then."""
        now_s = time.monotonic()  # not the clock for deadlines: it is no measurement
        limit = self._limits.memory_bytes
        if limit is not None and now_s - self._glanced_s >= self._glance_s:
            self._glanced_s, self._glance_s = now_s, min(2 * self._glance_s, _OFTEN_S)
            seen = processes.interference(processes.children() - self._spared)
            self.stopped |= seen.stopped
            self.held_back |= seen.held_back
        if limit is not None and now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self.out_of_memory = processes.is_over(processes.children() - self._spared, limit)
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
                processes.reap(processes.children() - self._spared - {self._process.pid})
            elif not key.data.read_from(key.fd):
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
