"""What a program leaves behind, and what is left when the helper is interrupted: nothing."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.edges import processes
from support.programs import leaving_nothing
from support.programs import run_shell as run

PR_GET_CHILD_SUBREAPER = 37
PACKAGE = str(Path(processes.__file__).parents[2])


@pytest.fixture
def programs(tmp_path):
    """A folder for fake programs; the test fails when a process of theirs survives it."""
    with leaving_nothing(tmp_path / "programs") as made:
        yield made


def test_daemon_that_holds_the_pipe(programs, tmp_path):
    """A double-forked daemon on our pipe is waited for, or survives."""
    outcome = run(programs.write("daemon(hang)\nsay('METRIC ms=1\\n')"), tmp_path)
    assert outcome.stdout == b"METRIC ms=1\n"
    assert (outcome.exit_code, outcome.timed_out, outcome.killed_strays) == (0, False, 1)
    assert outcome.wall_s < 5.0


def test_daemon_that_floods_the_pipe(programs, tmp_path):
    """A daemon that goes on printing keeps the helper reading."""
    command = programs.write("def flood():\n    while True: say('x' * 1000)\ndaemon(flood)")
    outcome = run(command, tmp_path)
    assert (outcome.exit_code, outcome.timed_out, outcome.killed_strays) == (0, False, 1)


def test_daemon_that_closed_its_output(programs, tmp_path):
    """A daemon without our pipes is not noticed and survives."""
    outcome = run(programs.write("daemon(hang, close=True)"), tmp_path)
    assert outcome.killed_strays == 1


def test_children_in_the_background(programs, tmp_path):
    """Children in the command's own group, on its output, survive it."""
    hanging = programs.write("say('up\\n')\nhang()")
    outcome = run(f"{hanging} & {hanging} & exit 4", tmp_path)
    assert (outcome.exit_code, outcome.killed_strays) == (4, 2)


def test_what_a_child_writes_just_after_the_end_is_read(programs, tmp_path):
    """A metric that a background process still writes when the shell has ended is lost."""
    command = programs.write(
        "parent = os.getpid()\n"
        "if os.fork() == 0:\n"
        "    while os.getppid() == parent: os.sched_yield()\n"
        "    say('METRIC ms=1\\n')"
    )
    assert run(f"exec {command}", tmp_path).stdout == b"METRIC ms=1\n"


def test_runner_that_hands_itself_on(programs, tmp_path):
    """A process that is replaced by its child again and again outruns the kill loop."""
    command = programs.write(
        "def run():\n    while os.fork() == 0: os.setsid()\ndaemon(run)", "runner"
    )
    outcome = run(command, tmp_path)
    assert outcome.exit_code == 0


def test_orphans_that_ended_are_reaped_while_the_command_runs(programs, tmp_path):
    """A long test suite fills the process table with dead daemons."""
    command = programs.write(
        "reader, writer = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    child = os.fork()\n"
        "    if child: os.write(writer, b'%d' % child)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "child = int(os.read(reader, 20))\n"
        "while os.path.exists(f'/proc/{child}'): os.sched_yield()\n"
        "say('reaped')"
    )
    outcome = run(command, tmp_path)
    assert (outcome.stdout, outcome.killed_strays) == (b"reaped", 0)


def test_children_from_before_are_spared(programs, tmp_path):
    """A git process of the helper's own is killed with the strays."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ours:
        assert run(programs.write("daemon(hang)"), tmp_path).killed_strays == 1
        assert ours.communicate(b"alive") == (b"alive", None)
    assert ours.returncode == 0


def test_survivors_are_an_error(programs, tmp_path, monkeypatch):
    """A process that cannot be killed goes unnoticed."""
    monkeypatch.setattr(processes, "_PATIENCE_S", 0.0)
    with monkeypatch.context() as unkillable:
        unkillable.setattr(processes, "_kill_with_group", lambda pid: None)
        with pytest.raises(AutoresearchError, match=r"^1 of the processes") as caught:
            run(programs.write("daemon(hang)"), tmp_path)
    assert caught.value.code == "stray_processes"
    monkeypatch.undo()
    processes.kill_strays(frozenset())


def test_the_helper_is_as_before(tmp_path):
    """Signal handlers, descriptors or the adoption of orphans outlast the run."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    handlers = [signal.getsignal(number) for number in numbers]
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    run("true", tmp_path)
    assert [signal.getsignal(number) for number in numbers] == handlers
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    adopts = ctypes.c_int(-1)
    ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(adopts), 0, 0, 0)
    assert adopts.value == 0


# The helper is interrupted

HELPER = """\
import sys
from pathlib import Path
from autoresearch.edges.interruption import termination_raises
from autoresearch.edges.command import Limits, run_command
with termination_raises():
    try:
        run_command(sys.argv[1], cwd=Path(sys.argv[2]), env={}, limits=Limits(timeout_s=60))
    except KeyboardInterrupt as error:
        print(type(error).__name__, getattr(error, "signal_number", ""))
        sys.exit(130)
"""


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGINT, "KeyboardInterrupt \n"),
        (signal.SIGTERM, "Terminated 15\n"),
        (signal.SIGHUP, "Terminated 1\n"),
    ],
)
def test_interrupting_the_helper_leaves_nothing_running(programs, tmp_path, number, said):
    """Ctrl-C, `kill` or a closed terminal end the helper and leave the program running."""
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    command = programs.write(f"daemon(hang)\nopen({str(ready)!r}, 'w').write('x')\nhang()")
    with (
        ready.open("r+b", buffering=0) as started,
        subprocess.Popen(
            [sys.executable, "-c", HELPER, command, str(tmp_path)],
            env={**os.environ, "PYTHONPATH": PACKAGE},
            stdout=subprocess.PIPE,
            text=True,
        ) as helper,
    ):
        assert select.select([started], [], [], 20.0)[0]
        helper.send_signal(number)
        assert helper.communicate(timeout=20)[0] == said
    assert helper.returncode == 130


def test_an_ignored_hang_up_stays_ignored(programs, tmp_path):
    """`nohup autoresearch …` ends with the terminal all the same."""
    command = programs.write("os.kill(os.getppid(), signal.SIGHUP)\nsay('done')")
    script = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + HELPER
    done = subprocess.run(
        [sys.executable, "-c", script, f"exec {command}", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": PACKAGE},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
