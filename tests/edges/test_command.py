"""Commands under supervision: real programs, and nothing left of any of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.edges import command as command_module
from autoresearch.edges import processes
from autoresearch.edges.clock import Instant
from autoresearch.edges.command import Limits, Outcome, run_command
from support.programs import leaving_nothing, run_shell

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def programs(tmp_path):
    """A folder for fake programs; the test fails when a process of theirs survives it."""
    with leaving_nothing(tmp_path / "programs") as made:
        yield made


def run(command: str, cwd: Path, *, timeout_s: float = 20.0, **limits) -> Outcome:
    return run_shell(command, cwd, Limits(timeout_s=timeout_s, **limits))


class StepClock:
    """A clock whose readings follow a script; the last one repeats."""

    def __init__(self, *readings: Instant) -> None:
        self._readings = list(readings)

    def read(self) -> Instant:
        """The next reading."""
        return self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]


# What it did


def test_output_status_and_counts(tmp_path):
    """Streams are mixed, the status is lost, or the sizes are wrong."""
    outcome = run("echo out; echo error >&2; exit 3", tmp_path)
    assert (outcome.stdout, outcome.stderr) == (b"out\n", b"error\n")
    assert (outcome.stdout_total, outcome.stderr_total) == (4, 6)
    assert (outcome.stdout_truncated, outcome.stderr_truncated) == (False, False)
    assert (outcome.exit_code, outcome.timed_out, outcome.killed_strays) == (3, False, 0)
    assert 0.0 < outcome.wall_s < 10.0
    assert not outcome.void


def test_stopped_command_is_seen(tmp_path):
    """A benchmark that somebody held up looks slow, and its rival fast."""
    outcome = run("kill -STOP $$", tmp_path, timeout_s=1.5, memory_bytes=1 << 40)
    assert (outcome.stopped, outcome.timed_out) == (True, True)
    quiet = run("kill -STOP $$", tmp_path, timeout_s=0.2)
    assert not quiet.stopped, "nobody looked"


WAITS = "import os, sys; {}; print(flush=True); sys.stdin.read()"


def interference(code, *, then=lambda pid: None):
    """What is seen of a child that does something and waits."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WAITS.format(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        child.stdout.read(1)
        then(child.pid)
        try:
            return processes.interference({child.pid})
        finally:
            child.kill()


def _stop(pid):
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_interference_is_told_apart():
    """An honest program that is taken for one held back, or the other way round."""
    assert interference("0") == (False, False)
    assert interference("os.nice(1)") == (False, True)
    assert interference("os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))")[1]
    assert interference("0", then=_stop) == (True, False)
    if len(os.sched_getaffinity(0)) > 1:
        one = min(os.sched_getaffinity(0))
        assert interference(f"os.sched_setaffinity(0, {{{one}}})") == (False, True)


def test_bytes_that_are_not_utf_8_arrive_as_they_are(programs, tmp_path):
    """Output of another encoding is changed, or ends the helper."""
    command = programs.write(r"os.write(1, b'\xff\xfe\0\r\n\x80')")
    assert run(command, tmp_path).stdout == b"\xff\xfe\0\r\n\x80"


def test_standard_error_alone(programs, tmp_path):
    """What a program says on stderr shows up as its output."""
    outcome = run(programs.write("os.write(2, b'METRIC ms=1\\n')"), tmp_path)
    assert (outcome.stdout, outcome.stderr) == (b"", b"METRIC ms=1\n")


def test_a_pipe_reports_its_last_command(tmp_path):
    """Documents POSIX: a failure before the pipe is invisible, a failure behind it is not."""
    assert run("false | true", tmp_path).exit_code == 0
    assert run("true | false", tmp_path).exit_code == 1


def test_end_by_a_signal_is_128_and_its_number(programs, tmp_path):
    """A crash looks like a success, or like a status of its own."""
    command = programs.write("os.kill(os.getpid(), signal.SIGSEGV)")
    assert run(f"exec {command}", tmp_path).exit_code == 139
    assert run(command, tmp_path).exit_code == 139


def test_a_command_that_is_not_there_is_the_shells_127(tmp_path):
    """A missing program is taken for an error of the helper."""
    outcome = run("autoresearch-no-such-program", tmp_path)
    assert outcome.exit_code == 127
    assert b"1: autoresearch-no-such-program: not found" in outcome.stderr


def test_cpu_time_counts_children_and_not_waiting(programs, tmp_path):
    """CPU time misses the program that the shell started, or is taken from the wall clock."""
    burn = "import time\nwhile time.process_time() < 0.3: continue"
    outcome = run(f"{programs.write(burn)}; true", tmp_path)
    assert 0.25 < outcome.cpu_s < 5.0
    waiting = run(programs.write("hang()"), tmp_path, timeout_s=0.5)
    assert waiting.wall_s >= 0.5
    assert waiting.cpu_s < 0.4


# What it gets


def test_environment_is_exactly_what_is_given(programs, tmp_path, monkeypatch):
    """A variable of the helper reaches the program."""
    monkeypatch.setenv("LD_LIBRARY_PATH", "/leak")
    monkeypatch.setenv("ENV", "/leak")
    command = programs.write("say(repr(sorted(os.environ)))")
    outcome = run_command(
        f"exec {command}", cwd=tmp_path, env={"LC_ALL": "C"}, limits=Limits(timeout_s=20)
    )
    assert (
        outcome.stdout == b"['AUTORESEARCH_MARK', 'LC_ALL', 'PWD']"
    )  # the helper adds one, the shell PWD


def test_runs_in_the_folder_given(tmp_path):
    """A program works in the helper's folder."""
    assert run("pwd -P", tmp_path).stdout == f"{tmp_path.resolve()}\n".encode()


def test_input_is_empty(tmp_path):
    """A program reads what was meant for the helper, or waits for it."""
    ours = os.dup(0)
    reader, writer = os.pipe()
    os.dup2(reader, 0)
    os.write(writer, b"secret")
    try:
        outcome = run("cat", tmp_path, timeout_s=5)
    finally:
        os.dup2(ours, 0)
        for descriptor in (ours, reader, writer):
            os.close(descriptor)
    assert (outcome.exit_code, outcome.stdout) == (0, b"")


def test_has_a_session_and_only_three_descriptors(programs, tmp_path):
    """The terminal's Ctrl-C reaches the program first, or it inherits our files."""
    command = programs.write(
        "say(f'{os.getsid(0)} {sorted(map(int, os.listdir(\"/proc/self/fd\")))}')"
    )
    with (tmp_path / "open").open("w") as inherited:
        os.set_inheritable(inherited.fileno(), True)
        session, descriptors = run(command, tmp_path).stdout.decode().split(" ", 1)
    assert int(session) not in {os.getsid(0), 0}
    assert descriptors == "[0, 1, 2, 3]"  # 3 is the listing itself


def test_signals_have_their_usual_effect(programs, tmp_path):
    """The program inherits signals that the helper ignores or blocks (a broken pipe goes on)."""
    command = programs.write(
        "print([signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)],"
        " signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    )
    assert b"SIG_DFL" in run(command, tmp_path).stdout
    assert b"SIG_IGN" not in run(command, tmp_path).stdout
    assert run("yes | head -n 1", tmp_path).stdout == b"y\n"


def test_limits_bind(tmp_path):
    """A program fills the disk, or leaves core files."""
    assert run("ulimit -c; ulimit -H -c", tmp_path).stdout == b"0\n0\n"
    outcome = run("head -c 3000000 /dev/zero > big", tmp_path, file_bytes=1 << 20)
    assert outcome.exit_code == 153  # SIGXFSZ
    assert (tmp_path / "big").stat().st_size == 1 << 20


# Output without end


def test_a_flood_is_counted_and_cut_in_bounded_memory(programs, tmp_path):
    """100 MB of output fill the helper's memory, or stall the program."""
    command = programs.write(
        "say('first\\n')\nchunk = 'x' * 99_999 + '\\n'\n"
        "for _ in range(1000): say(chunk)\nsay('last\\n')"
    )
    tracemalloc.start()
    outcome = run(command, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
    assert outcome.stdout_total == 100_000_011
    assert outcome.stdout_truncated
    assert not outcome.stderr_truncated
    assert outcome.stdout.startswith(b"first\nxxx")
    assert outcome.stdout.endswith(b"x\nlast\n")
    assert b"\n[99737867 bytes left out]\n" in outcome.stdout
    assert len(outcome.stdout) < 262_144 + 40


def test_a_flood_until_the_deadline(programs, tmp_path):
    """A program that never stops printing is never stopped."""
    command = programs.write("while True: say('y\\n' * 10_000)")
    outcome = run(command, tmp_path, timeout_s=0.4)
    assert outcome.timed_out
    assert outcome.wall_s < 5.0


# Programs that do not end


def test_deadline_kills_what_ignores_term(programs, tmp_path):
    """A program that ignores SIGTERM outlives its deadline, or what it said is lost."""
    command = programs.write("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay('on')\nhang()")
    outcome = run(command, tmp_path, timeout_s=0.5)
    assert outcome.timed_out
    assert outcome.exit_code == 137
    assert outcome.stdout == b"on"
    assert 0.5 <= outcome.wall_s < 5.0


def test_deadline_kills_a_tree_of_sessions(programs, tmp_path):
    """Processes in groups and sessions of their own survive the deadline."""
    command = programs.write(
        "for depth in range(4):\n    if os.fork(): hang()\n    os.setsid()\nhang()"
    )
    outcome = run(command, tmp_path, timeout_s=0.6)
    assert outcome.timed_out
    assert outcome.killed_strays >= 4


def test_deadline_kills_what_stopped_itself(programs, tmp_path):
    """A stopped program is waited for without end."""
    outcome = run(programs.write("os.kill(0, signal.SIGSTOP)"), tmp_path, timeout_s=0.3)
    assert (outcome.timed_out, outcome.exit_code) == (True, 137)


def test_closed_pipes_are_not_the_end(programs, tmp_path):
    """A program that closes its output is taken for ended."""
    command = programs.write(
        "import time\nos.close(1); os.close(2)\n"
        "while time.process_time() < 0.2: continue\nsys.exit(5)"
    )
    assert run(command, tmp_path).exit_code == 5


# It cannot be started


@pytest.mark.parametrize(
    ("command", "folder", "hint"),
    [
        ("true", "gone", "is missing"),
        ("true\0", ".", "ulimit"),
        ("true " + "x" * 3_000_000, ".", "ulimit"),
    ],
    ids=["no folder", "NUL", "too long"],
)
def test_what_cannot_be_started_is_a_clear_error(tmp_path, command, folder, hint):
    """A folder that is gone or a command that cannot be passed ends in a traceback."""
    with pytest.raises(AutoresearchError, match=r"^cannot start true") as caught:
        run(command, tmp_path / folder)
    assert caught.value.code == "start_failed"
    assert hint in caught.value.hint
    assert len(caught.value.message) < 400


def test_a_machine_without_room_is_a_clear_error(tmp_path, monkeypatch):
    """A fork that fails ends in a traceback."""

    def refuse(*args, **kwargs):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(command_module.subprocess, "Popen", refuse)
    with pytest.raises(AutoresearchError, match="Resource temporarily unavailable"):
        run("true", tmp_path)


# The machine sleeps


@pytest.mark.parametrize(
    ("end", "slept_s", "void"),
    [
        (Instant(11.0, 101.0, 1001.0), 0.0, False),
        (Instant(11.0, 101.4, 1001.4), 0.4, False),
        (Instant(11.0, 3701.0, 4601.0), 3600.0, True),
        (Instant(11.0, 101.0, 1061.0), 60.0, True),
        (Instant(11.0, 101.0, 941.0), 60.0, True),
        (Instant(2010.0, 2100.0, 3001.0), 1.0, False),
    ],
    ids=["steady", "jitter", "slept", "set forward", "set back", "slewed for half an hour"],
)
def test_sleep_and_set_clocks_void_a_run(tmp_path, end, slept_s, void):
    """A sample taken while the lid was closed counts, or NTP voids every long one."""
    clock = StepClock(Instant(10.0, 100.0, 1000.0), end)
    outcome = run_command("true", cwd=tmp_path, env={}, limits=Limits(timeout_s=1e6), clock=clock)
    assert outcome.slept_s == pytest.approx(slept_s)
    assert outcome.void is void
