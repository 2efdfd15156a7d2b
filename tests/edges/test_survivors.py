"""What a killed helper leaves running: found by its mark alone, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.edges import processes
from autoresearch.edges.lock import Lock, note_running
from autoresearch.edges.processes import MARK, Leader, boot_id, end_survivors, start_of, survivors

FAMILY = """\
import os, subprocess, sys
inner = subprocess.Popen(["env", "-i", "sleep", "600"], start_new_session=True)
print(os.getpid(), inner.pid, flush=True)
inner.wait()
"""


@pytest.fixture
def started():
    """Starts processes that a test must not leave behind."""
    running = []

    def start(*command, mark=None, **options):
        env = {"PATH": os.environ["PATH"]} | ({} if mark is None else {MARK: mark})
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, **options)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_only_what_carries_the_mark_is_ended(started):
    """A process of the user's that is killed for a familiar number; one of ours that lives on."""
    started("sleep", "600", mark="1" * 32)
    ours = started("sleep", "600", mark="2" * 32)
    other = started("sleep", "600")
    assert survivors("2" * 32) == {ours.pid}
    assert end_survivors("2" * 32) == 1
    assert ours.wait() == -signal.SIGKILL
    assert other.poll() is None
    assert end_survivors("2" * 32) == 0
    assert end_survivors("") == 0


def test_children_that_dropped_the_environment_are_found(started):
    """A daemon in a session of its own, without the mark, that outlives its parent."""
    family = started(sys.executable, "-c", FAMILY, mark="3" * 32)
    pids = {int(pid) for pid in family.stdout.readline().split()}
    assert survivors("3" * 32) == pids
    assert end_survivors("3" * 32) == 2
    assert [
        pid for pid in pids if processes._stat(pid) and processes._stat(pid)[1][0] != b"Z"
    ] == []


def test_command_that_replaced_itself_is_known_by_number_and_start(started):
    """`exec env -i …`: no mark is left, but the number that was noted and its start."""
    process = started("sleep", "600")
    leader = Leader(pid=process.pid, started=start_of(process.pid), boot=boot_id())
    assert survivors("4" * 32, leader) == {process.pid}
    earlier = Leader(pid=process.pid, started=leader.started - 1, boot=leader.boot)
    assert survivors("4" * 32, earlier) == frozenset()
    rebooted = Leader(pid=process.pid, started=leader.started, boot="another")
    assert survivors("4" * 32, rebooted) == frozenset()


def test_this_process_and_its_parents_are_spared(monkeypatch):
    """A helper that is called by what a killed one left must not end itself."""
    script = "from autoresearch.edges.processes import *; print(sorted(survivors('5' * 32)))"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {script!r}])"
    done = subprocess.run(
        [sys.executable, "-c", outer],
        env={**os.environ, MARK: "5" * 32},
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"[]\n", done.stderr


def test_git_is_waited_for(tmp_path, started):
    """A git that is killed half-way leaves a lock file that nobody removes."""
    git = tmp_path / "git"
    git.symlink_to("/bin/sleep")
    process = started(str(git), "0.2", mark="6" * 32)
    assert end_survivors("6" * 32) == 1
    assert process.wait() == 0


def test_a_mark_is_one_process_s_own():
    """A fork that passes for its parent."""
    before = processes.our_mark()
    assert before == processes.our_mark()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, processes.our_mark().encode())
        os._exit(0)
    os.wait()
    assert os.read(reader, 64).decode() != before
    os.close(reader)
    os.close(writer)


def test_unkillable_processes_are_named(started, monkeypatch):
    """A loop without end where a process is stuck inside the kernel."""
    process = started("sleep", "600", mark="7" * 32)
    monkeypatch.setattr(processes, "_kill", lambda _pid: None)
    monkeypatch.setattr(processes, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(processes, "_GIT_PATIENCE_S", 0.0)
    with pytest.raises(AutoresearchError, match=str(process.pid)) as caught:
        end_survivors("7" * 32)
    assert caught.value.code == "stray_processes"


def test_whoever_takes_the_lock_ends_what_a_dead_holder_left(tmp_path, started):
    """A measured program that runs beside the next measurement."""
    script = (
        "import os, subprocess, sys\nfrom pathlib import Path\n"
        "from autoresearch.edges.lock import Lock\n"
        "from autoresearch.edges.processes import MARK, our_mark\n"
        "held = Lock(Path(sys.argv[1])).acquire('try')\n"
        "env = {**os.environ, MARK: our_mark()}\n"
        "child = subprocess.Popen(['sleep', '600'], stdout=-3, env=env)\n"
        "print(child.pid, flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "lock"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, check=False
    )
    pid = int(done.stdout)
    assert Lock(path).left_running() == {pid}
    with Lock(path).acquire("note") as held:
        assert held.ended == "`autoresearch try` was killed; 1 process that it left was ended"
    assert processes._stat(pid) is None or processes._stat(pid)[1][0] == b"Z"
    assert Lock(path).left_running() == frozenset()


def test_sweep_that_is_killed_leaves_the_mark_for_the_next(tmp_path, started, monkeypatch):
    """The words of the dead holder are written over before what it left is ended."""
    path = tmp_path / "lock"
    process = started("sleep", "600", mark="8" * 32)
    path.write_text(
        '{"pid":1,"started":5,"command":"try","since":"2026-01-02T03:04:05Z","mark":"'
        + "8" * 32
        + '"}'
    )
    note_running(tmp_path, process.pid)

    def stop(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(processes, "_kill", stop)
        with pytest.raises(KeyboardInterrupt):
            Lock(path).acquire("note")
    assert Lock(path).left_running() == {process.pid}
    Lock(path).acquire("note").release()
    assert process.wait() == -signal.SIGKILL


def test_ps_tells_the_same_where_there_is_no_proc(started):
    """Systems without /proc (macOS), by the same tool with Linux's flag."""
    process = started("sleep", "600", mark="9" * 32)
    found = processes._processes_by_ps(f"{MARK}={'9' * 32}".encode())
    assert found[process.pid].marked
    assert found[process.pid].name == "sleep"
    assert found[process.pid].parent == os.getpid()
    assert not found[os.getpid()].marked
    assert abs(processes._start_by_ps(process.pid) - time.time()) < 86_400
    process.kill()
    process.wait()
    assert processes._start_by_ps(process.pid) is None
