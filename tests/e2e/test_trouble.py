"""Trouble: programs that misbehave, people in the way, kills, full and read-only disks."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.project import set_cost
from support.session import COMMAND, UNCONFINED, Gate, open_session

KILLS = 15
DOCTOR_EVERY = 4

CAN_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
)
mounts = pytest.mark.skipif(not CAN_MOUNT, reason="no mount namespaces here")


def mounted(helper, commands, *args):
    """A helper command in a mount namespace of its own, after these mounts; a full record."""
    words = " && ".join([*commands, 'exec "$@"'])
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", words, "sh", *COMMAND, *args, "--json"],
        cwd=helper.root,
        capture_output=True,
        check=False,
    )


# --- programs ------------------------------------------------------------------------------


def test_program_that_floods_hangs_on_and_leaves_daemons(tmp_path):
    """A verify that is no UTF-8, prints without end, ignores SIGTERM, or outlives its run."""
    helper = open_session(tmp_path, extra=f"timeout: 4s\n{UNCONFINED}")
    marks = tmp_path / "marks"
    programs = (
        ("import sys\nsys.stdout.buffer.write(b'caf\\xe9 \\xff\\n')\nsys.stdout.flush()\n", "keep"),
        (
            "import os\nfor _ in range(1600):\n    os.write(1, b'x' * 65536)\nprint()\n",
            "crash",
        ),
        (
            "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)\n",
            "crash",
        ),
        (
            "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
            f"        open({str(marks)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
            "        os.close(1)\n        os.close(2)\n        time.sleep(600)\n    os._exit(0)\n"
            "os.wait()\n"
            f"while not os.path.exists({str(marks)!r}): pass\n",
            "keep",
        ),
    )
    for number, (extra, verdict) in enumerate(programs, start=1):
        set_cost(helper.repo, 100 - number, extra=extra)
        record = helper.attempt(f"program {number}")
        assert record["verdict"] == verdict, record["detail"]
    assert "verify printed more than" in helper.log()[3]["detail"]
    for pid in marks.read_text().split():
        assert not Path(f"/proc/{pid}").exists()


# --- people --------------------------------------------------------------------------------


def test_edit_in_scope_while_a_race_runs_is_left_and_reported(tmp_path):
    """A human's edit that is overwritten by a discard, or taken into the commit by a keep."""
    helper = open_session(tmp_path, extra=UNCONFINED)
    for number, (cost, word) in enumerate(((110, "discard"), (90, "keep")), start=1):
        gate = Gate(tmp_path / f"gate{number}")
        set_cost(helper.repo, cost, extra=gate.code)
        helper.repo.write("src/second.py", f"X = {number}\n")
        running = helper.start("try", "-m", "raced", "--json")
        gate.wait_inside()
        set_cost(helper.repo, 77, extra="# mine\n")
        gate.open()
        out, _ = running.communicate()
        answer = json.loads(out)
        assert answer["verdict"] == word
        assert answer["record"]["meanwhile"] == ["src/work.py"]
        assert "# mine" in (helper.root / "src/work.py").read_text()
        assert (helper.root / "src/second.py").exists() is (word == "keep")
    assert "# mine" not in helper.repo("show", "HEAD:src/work.py")
    assert "# mine" not in helper.repo("show", "refs/autoresearch/cheaper/exp/0002")


def test_edit_outside_the_scope_while_a_race_runs_is_never_a_keep(tmp_path):
    """A protected file that changed under a running race, by whomever, and was not noticed."""
    helper = open_session(tmp_path, extra=UNCONFINED)
    gate = Gate(tmp_path / "gate")
    set_cost(helper.repo, 90, extra=gate.code)
    running = helper.start("try", "-m", "raced", "--json")
    gate.wait_inside()
    (helper.root / "check.py").write_text("# mine\n")
    gate.open()
    answer = json.loads(running.communicate()[0])
    assert (answer["verdict"], answer["record"]["touched"]) == ("violation", ["check.py"])
    assert (helper.root / "check.py").read_text() == "# mine\n"


def test_two_helpers_at_once(tmp_path):
    """Two races on one session; a reader that has to wait for a race."""
    helper = open_session(tmp_path, extra=UNCONFINED)
    gate = Gate(tmp_path / "gate")
    set_cost(helper.repo, 90, extra=gate.code)
    running = helper.start("try", "-m", "first", "--json")
    gate.wait_inside()
    refused = helper.json("note", "too early", code=1)["error"]
    assert refused["code"] == "locked"
    assert f"`autoresearch try` (process {running.pid}" in refused["message"]
    assert "is at work" in helper("status").out
    gate.open()
    assert json.loads(running.communicate()[0])["verdict"] == "keep"
    helper("note", "now")


def test_head_and_branch_moved_by_somebody(tmp_path):
    """A commit on the branch or a switch of branches that a keep builds on or overwrites."""
    helper = open_session(tmp_path, extra=UNCONFINED)
    repo = helper.repo
    set_cost(repo, 90)
    repo("commit", "-qam", "the agent commits by itself")
    moved = helper.json("try", "-m", "x", code=1)["error"]
    assert moved["code"] == "branch_moved"
    repo(*moved["hint"].split("`")[1].split()[1:])
    assert helper.verdict("the same edit, measured") == ("keep", None)
    repo("switch", "-q", "main")
    assert helper.error("try", "-m", "x") == "wrong_branch"
    assert helper.error("drop") == "wrong_branch"
    assert repo("status", "--porcelain") == ""
    repo("checkout", "-q", "--detach")
    assert helper.error("apply", "1") == "wrong_branch"
    repo("switch", "-q", "autoresearch/cheaper")
    gate = Gate(tmp_path / "gate")
    set_cost(repo, 80, extra=gate.code)
    running = helper.start("try", "-m", "raced", "--json")
    gate.wait_inside()
    incumbent = repo("rev-parse", "HEAD")
    repo("commit", "-q", "--allow-empty", "-m", "meanwhile")
    theirs = repo("rev-parse", "HEAD")
    gate.open()
    out, _ = running.communicate()
    record = json.loads(out)["record"]
    assert (running.returncode, record["verdict"]) == (0, "violation")
    assert record["touched"] == ["refs/heads/autoresearch/cheaper"]
    assert repo("rev-parse", "HEAD") == incumbent
    assert theirs in repo("for-each-ref", "--format=%(objectname)", "refs/autoresearch")
    assert helper.json("doctor")["ok"]


def test_stale_index_lock_and_inherited_git_variables(tmp_path):
    """A lock left by a killed git that stops the loop; GIT_DIR that leads to another repository."""
    helper = open_session(tmp_path)
    lock = helper.root / ".git/index.lock"
    lock.touch()
    set_cost(helper.repo, 90)
    done = helper("try", "-m", "locked", env={"GIT_DIR": "/nonexistent", "GIT_INDEX_FILE": "/x"})
    assert ": keep" in done.out
    assert "warning:" in done.out
    assert "index.lock is locked, so git's index was not" in done.out
    assert lock.exists()
    lock.unlink()
    set_cost(helper.repo, 80)
    assert helper.verdict("free again") == ("keep", None)


# --- kills ---------------------------------------------------------------------------------


@pytest.mark.long
def test_killed_at_random_instants_nothing_is_lost_or_doubled(tmp_path):
    """A kill that leaves half an experiment: a number twice, a torn log, a tree of neither side."""
    helper = open_session(tmp_path)
    rng = random.Random(20260102)
    path, cost, kills = helper.root / "src/work.py", 100, 0
    set_cost(helper.repo, cost := cost - 1)
    begun = time.monotonic()
    helper("try", "-m", "undisturbed")
    span = time.monotonic() - begun
    while kills < KILLS:
        incumbent = helper.repo("show", "HEAD:src/work.py") + "\n"
        set_cost(helper.repo, cost := cost - 1)
        candidate = path.read_text()
        running = helper.start("try", "-m", f"to {cost}")
        number = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[kills % 3]
        try:
            running.wait(timeout=rng.uniform(0, span))
        except subprocess.TimeoutExpired:
            running.send_signal(number)
        _, err = running.communicate()
        assert running.returncode in {0, 130, -signal.SIGKILL, -number}, err.decode()
        if running.returncode == 0:
            span *= 0.9  # it was faster than that: kill sooner from now on
            continue
        kills += 1
        assert path.read_text() in {incumbent, candidate}
        helper("recover")
        assert path.read_text() in {incumbent, candidate}
        if kills % DOCTOR_EVERY == 0:
            assert helper.json("doctor")["ok"]
        tried = [line["number"] for line in helper.log() if line["kind"] == "experiment"]
        assert tried == list(range(1, len(tried) + 1))
    set_cost(helper.repo, 10)
    assert helper.verdict("after all that") == ("keep", None)
    kept = [line for line in helper.log() if line.get("verdict") == "keep"]
    assert helper.branch_log()[:-1] == [line["message"] for line in reversed(kept)]


def test_interrupt_ends_the_program_and_says_how_to_go_on(tmp_path):
    """Ctrl-C that leaves the measured program running, or the next command confused."""
    helper = open_session(tmp_path, extra=UNCONFINED)
    gate, marks = Gate(tmp_path / "gate"), tmp_path / "pid"
    code = f"import os\nopen({str(marks)!r}, 'w').write(str(os.getpid()))\n"
    set_cost(helper.repo, 90, extra=code + gate.code)
    edited = helper.repo.state()["src/work.py"]
    running = helper.start("try", "-m", "raced")
    gate.wait_inside()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate()
    assert (running.returncode, out) == (130, b"")
    assert err.startswith(b"interrupted\nnext: ")
    assert not Path(f"/proc/{marks.read_text()}").exists()
    assert helper.repo.state()["src/work.py"] == edited
    (gate.folder / "held").unlink()
    done = helper("try", "-m", "once more")
    assert "experiment 1 was interrupted before its verdict" in done.out
    assert "experiment 1: keep" in done.out


# --- disks ---------------------------------------------------------------------------------


def test_no_room_for_the_log_leaves_everything_as_it_was(tmp_path):
    """A disk that is full in the middle of a step: half a line, a lost edit, a bug report."""
    helper = open_session(tmp_path)
    helper("note", "x" * 1500)
    log = helper.state / "log.jsonl"
    size = log.stat().st_size
    set_cost(helper.repo, 90)
    edited = helper.repo.state()
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size + 100},) * 2)"
    code = f"{limit}; from autoresearch.cli import main; main(['try', '-m', 'x', '--json'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=helper.root, capture_output=True, check=False
    )
    assert done.returncode == 1, done
    assert json.loads(done.stdout)["ok"] is False
    assert log.stat().st_size == size
    assert helper.repo.state() == edited
    assert helper.verdict("room again") == ("keep", None)
    assert helper.json("doctor")["ok"]


@mounts
def test_full_disk_under_the_state_folder(tmp_path):
    """ENOSPC that is reported as a bug, or that counts against the candidate."""
    helper = open_session(tmp_path)
    state = helper.state
    set_cost(helper.repo, 90)
    edited = helper.repo.state()
    copy = tmp_path / "copy"
    done = mounted(
        helper,
        [
            f"cp -a {state} {copy}",
            f"mount -t tmpfs -o size=24m none {state}",
            f"cp -a {copy}/. {state}/",
            f"(dd if=/dev/zero of={state}/filler bs=4k 2>/dev/null; true)",
        ],
        "try",
        "-m",
        "no room",
    )
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (1, "no_space"), done
    assert helper.repo.state() == edited
    assert helper.verdict("room again") == ("keep", None)


@mounts
@pytest.mark.parametrize("which", ["repository", "state"])
def test_read_only_folders_are_named_at_once(tmp_path, which):
    """A host's sandbox that makes git or the state read-only, found out after a race."""
    helper = open_session(tmp_path)
    folder = helper.root / ".git" if which == "repository" else helper.state.parent
    set_cost(helper.repo, 90)
    done = mounted(
        helper,
        [f"mount --bind {folder} {folder}", f"mount -o remount,bind,ro {folder}"],
        "try",
        "-m",
        "read-only",
    )
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 1, done
    assert error["code"] in {"read_only", "state_not_writable"}
    assert "sandbox" in error["hint"]
    assert helper.verdict("writable again") == ("keep", None)
