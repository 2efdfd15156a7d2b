"""Locks between real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.edges import lock as lock_module
from autoresearch.edges import processes
from autoresearch.edges.lock import Lock, Owner, turn_to_measure

HOLDER = """
import sys
from pathlib import Path
from autoresearch.edges.lock import Lock
held = Lock(Path(sys.argv[1])).acquire("try")
print("held", flush=True)
sys.stdin.read()
held.release()
"""


@pytest.fixture
def lock(tmp_path):
    return Lock(tmp_path / "lock")


@pytest.fixture
def other(lock):
    """Another process that holds the lock until its stdin ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock.path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.stdin.close()


def test_second_process_is_kept_out_and_told_by_whom(lock, other):
    """Two helpers that measure and log at once."""
    with pytest.raises(AutoresearchError) as caught:
        lock.acquire("note")
    assert caught.value.code == "locked"
    assert f"`autoresearch try` (process {other.pid}, since " in caught.value.message
    assert lock.holder().pid == other.pid


def test_killed_holder_holds_nothing(lock, other):
    """A session locked for ever by a kill -9."""
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert lock.holder() is None
    with lock.acquire("recover"):
        assert lock.holder().command == "recover"


def test_released_lock_is_free_and_names_nobody(lock):
    """A lock held by a process that is done."""
    with lock.acquire("try") as held:
        assert lock.holder().pid == os.getpid()
        assert lock.path.stat().st_mode & 0o777 == 0o600
    held.release()
    assert lock.holder() is None
    lock.acquire("try").release()


def test_holder_of_a_deleted_lock_learns_of_it(lock):
    """Two writers at once, since the first one never looks whether its lock is still there."""
    with lock.acquire("try") as held:
        held.require()
        lock.path.unlink()
        with pytest.raises(AutoresearchError, match="deleted or replaced") as caught:
            held.require()
        assert caught.value.code == "lock_lost"
        with lock.acquire("note") as second:
            second.require()
            with pytest.raises(AutoresearchError, match="deleted or replaced"):
                held.require()


def test_child_does_not_inherit_the_lock(lock):
    """A daemon of the candidate that keeps the session locked."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as outsider:
        pass
    held = lock.acquire("try")
    with subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False
    ) as child:
        held.release()
        lock.acquire("note").release()
        child.stdin.close()
    assert outsider.returncode == 0


def test_waiting_says_for_whom_and_gets_the_lock(lock, other):
    """Two measurements on one machine, each in the other's way."""
    seen = []

    def announce(owner):
        seen.append(owner)
        threading.Thread(target=other.stdin.close).start()

    with lock.wait("try", announce):
        assert lock.holder().pid == os.getpid()
    assert [owner.pid for owner in seen] == [other.pid]


def test_whoever_waits_to_measure_says_for_whom(lock, other):
    """A session that stands still and does not say why."""
    seen = []

    def say(text):
        seen.append(text)
        threading.Thread(target=other.stdin.close).start()

    turn_to_measure(lock.path, "validate", say).release()
    assert [f"(process {other.pid}, since " in text for text in seen] == [True]
    assert seen[0].startswith("waiting for `autoresearch try` (process ")
    assert seen[0].endswith("), which is measuring on this machine")
    turn_to_measure(lock.path, "validate", pytest.fail).release()


def test_free_lock_is_taken_without_a_word(lock):
    """A message about waiting where nobody waits."""
    with lock.wait("try", lambda owner: pytest.fail(f"waited for {owner}")):
        pass


def test_wait_that_is_interrupted_leaves_no_descriptor(lock, other):
    """Ctrl-C during the wait that leaks the lock file."""

    def interrupt(_owner):
        raise KeyboardInterrupt

    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(KeyboardInterrupt):
        lock.wait("try", interrupt)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"pid":1}'])
def test_holder_that_has_not_written_its_name_is_unknown(lock, content):
    """Garbage shown as the name of a process."""
    lock.path.write_bytes(content)
    assert lock.holder() is None


def test_unnamed_holder_still_keeps_others_out(lock, other):
    """A lock ignored because nobody signed it."""
    lock.path.write_bytes(b"")
    with pytest.raises(AutoresearchError, match="another process"):
        lock.acquire("note")


def test_pid_of_a_later_process_is_not_the_holder():
    """A recycled process number taken for the holder."""
    start = processes.start_of(os.getpid())
    assert start is not None

    def owner(started):
        return Owner(pid=os.getpid(), started=started, command="try", since="x")

    assert owner(start).is_alive
    assert not owner(start - 1).is_alive


def test_without_proc_the_pid_alone_decides(monkeypatch):
    """macOS, where no start time is known."""
    assert Owner(pid=os.getpid(), started=None, command="x", since="x").is_alive
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert not Owner(pid=gone.pid, started=None, command="x", since="x").is_alive

    def forbidden(_pid, _signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    assert Owner(pid=1, started=None, command="x", since="x").is_alive


def test_lock_in_a_missing_folder_is_an_expected_failure(tmp_path):
    """A crash report where the state folder is gone."""
    with pytest.raises(AutoresearchError):
        Lock(tmp_path / "missing" / "lock").acquire("try")


def test_full_disk_gives_the_lock_back(lock, monkeypatch):
    """A lock held by a command that failed."""

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(AutoresearchError):
            lock.acquire("try")
    lock.acquire("try").release()


def test_fork_of_a_dead_holder_is_waited_for(tmp_path, monkeypatch):
    """A killed command's child, not yet its own program, that keeps the next command out."""
    path, (told, tell) = tmp_path / "lock", os.pipe()
    holder = os.fork()
    if holder == 0:
        Lock(path).acquire("try")
        child = os.fork()
        if child == 0:
            signal.pause()
        os.write(tell, b"%d" % child)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(holder, 0)
    child = int(os.read(told, 20))

    def lets_go(_seconds):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    monkeypatch.setattr(lock_module.time, "sleep", lets_go)
    try:
        with Lock(path).acquire("note") as held:
            assert held.after_kill
    finally:
        lets_go(0)
        os.close(told)
        os.close(tell)
