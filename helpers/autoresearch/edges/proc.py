"""Runs one command of the contract: on its own, for a bounded time, and with nothing left after it.

The command gets a session of its own, exactly the environment given, no input, and two pipes. It
ends by itself or by SIGKILL; whatever it left running is killed before its outcome is returned.
"""

from __future__ import annotations

import os
import resource
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.text import clean_line
from autoresearch.edges.clock import SYSTEM_CLOCK, Clock, Instant, time_lost
from autoresearch.edges.interruption import held_signals
from autoresearch.edges.orphans import MARK, our_mark
from autoresearch.edges.strays import adopting_orphans, children
from autoresearch.edges.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
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
        env: all of its environment, but for the mark of this helper (see `orphans`).
        limits: what it may use.
        prefix: words of a sandbox that run what follows them in it; none for no sandbox.
        clock: for the deadline and for finding sleep.
        started: told its process number at once.

    Raises:
        AutoresearchError: it could not be started, or something of it could not be killed;
            `sandbox_failed` when the sandbox did not get as far as the command.
        KeyboardInterrupt: the helper was interrupted; nothing is left running.
    """
    with held_signals() as held, adopting_orphans():
        spared = children()
        start = clock.read()
        process, marker = _start(prefix, command, cwd, env, limits)
        with process:
            watch = Watch(
                process,
                spared=spared,
                held=held,
                clock=clock,
                output_bytes=limits.output_bytes,
                marker=marker,
                memory_bytes=limits.memory_bytes,
            )
            try:
                started(process.pid)
                ended_itself = watch.wait(start.monotonic_s, limits.timeout_s)
            finally:
                killed = watch.finish()
        if prefix and watch.began is None and not held.pending:
            raise _not_confined(watch)
        timed_out = not ended_itself and not watch.out_of_memory
        return _outcome(watch, watch.began or start, timed_out=timed_out, killed_strays=killed)


def _start(
    prefix: Sequence[str], command: str, cwd: Path, env: Mapping[str, str], limits: Limits
) -> tuple[subprocess.Popen[bytes], int | None]:
    """The process; and behind a sandbox the pipe that says when the sandbox stands."""
    words = [_SHELL, "-c", _with_limits(command, limits)]
    if prefix:
        words = [*prefix, _SHELL, "-c", _LAUNCH, words[-1]]
    told, said = os.pipe() if prefix else (None, subprocess.DEVNULL)
    try:
        # Unbuffered, and without preexec_fn: CPython then starts it by vfork, which costs 0.8 ms
        # where a fork of the helper costs 2.5 ms (measured) and grows with its memory.
        process = subprocess.Popen(
            words,
            bufsize=0,
            cwd=cwd,
            env={**env, MARK: our_mark()},
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


def _not_confined(watch: Watch) -> AutoresearchError:
    said = watch.stderr.content().decode("utf-8", "replace").strip().splitlines()
    return AutoresearchError(
        f"the sandbox did not start: {clean_line(said[-1] if said else 'it said nothing', 200)}",
        code="sandbox_failed",
        hint="`autoresearch doctor` says what works here; then repeat the command.",
    )


def _with_limits(command: str, limits: Limits) -> str:
    """The command behind `ulimit` built-ins, which bind it and all it starts, soft and hard."""
    files = _at_most_hard(resource.RLIMIT_FSIZE, limits.file_bytes)
    settings = [_FIRST_TO_GO, "ulimit -c 0", f"ulimit -f {max(1, files // _FSIZE_BLOCK)}"]
    # On the command's own first line, so that the shell's messages count lines as the user does.
    return "; ".join([*settings, command])


def _at_most_hard(which: int, wanted: int) -> int:
    hard = resource.getrlimit(which)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _outcome(watch: Watch, start: Instant, *, timed_out: bool, killed_strays: int) -> Outcome:
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
    )
