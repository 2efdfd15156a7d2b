"""Lock files that a killed git left: the next command goes on all the same."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess

import pytest
from autoresearch.edges import gitwrite
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.planning import freeze
from faults.rig import Plan

LOCKS = (
    "index.lock", "HEAD.lock", "packed-refs.lock", "packed-refs.new",
    "refs/heads/autoresearch/cheaper.lock", "refs/autoresearch/cheaper/exp/0001.lock",
)  # fmt: skip


def plant(rig, names):
    """Lock files as a git leaves them that is killed."""
    for name in names:
        path = rig.root / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")


def there(rig):
    """The planted ones that are still in the way."""
    return [name for name in LOCKS if (rig.root / ".git" / name).exists()]


def test_locks_of_a_killed_git_are_set_aside_by_any_command(rig):
    """A power loss after which every `try` fails until a human removes files below .git."""
    rig.edit(90)
    assert rig.run("try", "-m", "x", plan=Plan(at=60)).code == -signal.SIGKILL
    plant(rig, LOCKS)
    said = rig.run("note", "next")
    assert said.code == 0, said
    assert "a git was killed and left" in said.out
    assert there(rig) == []
    assert len(list((rig.state / "set-aside/locks").iterdir())) == len(LOCKS)
    assert rig.broken() == []
    assert rig.run("try", "-m", "x").code == 0
    assert [e["verdict"] for e in rig.experiments()] == ["keep"]


def test_lock_without_a_kill_is_left_to_recover(rig):
    """A `note` that takes away the lock of somebody's git that was not ours."""
    plant(rig, ["index.lock"])
    assert rig.run("note", "x").code == 0
    assert there(rig) == ["index.lock"]
    assert rig.run("recover").code == 0
    assert there(rig) == []


def test_state_on_another_disk_than_the_repository(rig, monkeypatch):
    """A home on another file system: every `recover` fails at the lock."""
    real = os.rename

    def rename(before, after, **options):
        if str(before).startswith(str(rig.root)) and str(after).startswith(str(rig.state)):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        real(before, after, **options)

    monkeypatch.setattr(os, "rename", rename)
    plant(rig, ["index.lock"])
    said = rig.run("recover")
    assert said.code == 0, said
    assert there(rig) == []
    assert (rig.state / "set-aside/locks/index.lock-1").read_text() == "half"


def test_lock_stays_while_a_git_is_at_work(rig, monkeypatch):
    """A living git's lock taken from under it."""
    monkeypatch.setattr(gitwrite, "PATIENCE_S", 0.0)
    plant(rig, ["index.lock"])
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=rig.root, stdin=subprocess.PIPE):
        assert rig.run("recover").code == 1
        assert there(rig) == ["index.lock"]
    assert rig.run("recover").code == 0
    assert there(rig) == []


def test_git_that_outlives_its_helper_is_waited_for(rig, monkeypatch):
    """The next command failing at a lock that is let go a moment later."""
    plant(rig, ["index.lock"])
    lock = rig.root / ".git/index.lock"
    monkeypatch.setattr(gitwrite.time, "sleep", lambda _: lock.unlink())
    pipe, command = subprocess.PIPE, ["sh", "-c", "git cat-file --batch-check; :"]
    with subprocess.Popen(command, cwd=rig.root, stdin=pipe, stdout=pipe) as shell:
        shell.stdin.write(b"HEAD\n")
        shell.stdin.flush()
        assert shell.stdout.readline()  # by now git is at work, and not as a child of ours
        with GitRepo.open(rig.root) as repo:
            assert gitwrite.outlived_locks(repo, "cheaper", "refs/heads/autoresearch/cheaper") == []


def test_lock_stays_while_it_is_open(rig):
    """The lock of a program that is no git but writes like one."""
    plant(rig, ["index.lock"])
    with (rig.root / ".git/index.lock").open("a"):
        assert rig.run("recover").code == 1
        assert there(rig) == ["index.lock"]
    assert rig.run("recover").code == 0
    assert there(rig) == []


def test_init_goes_on_after_a_git_that_was_killed_with_it(rig, monkeypatch):
    """An `init` that a power loss makes impossible for good."""
    rig.reset("fresh")
    with monkeypatch.context() as patch:
        patch.setattr(freeze, "_check_out", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        assert rig.run("init", str(rig.draft)).code == -signal.SIGKILL
    plant(rig, [name for name in LOCKS if "exp" not in name])
    said = rig.run("init", str(rig.draft))
    assert said.code == 0, said
    assert rig.broken() == []
    assert there(rig) == []


def other_git(rig, call, lock, ends):
    """The variables for a git that leaves this lock in such a call, and how that one ends."""
    path = rig.root / ".git" / lock
    program = rig.folder / "bin" / "git"
    program.parent.mkdir(exist_ok=True)
    program.write_text(
        f'#!/bin/sh\ngit() {{ {shutil.which("git")} "$@"; }}\n'
        f'case "$*" in *"{call}"*) mkdir -p {path.parent}; {ends.format(path)} ;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


DIES = ": > {0}; kill -9 $$"
LEAVES = 'git "$@" && : > {0} && echo "warning: unable to unlink \'{0}\': I/O error" >&2; exit'


def test_git_that_is_killed_alone_blocks_nothing(rig):
    """An out-of-memory killer that takes git, not the helper: every later `try` fails."""
    rig.edit(90)
    said = rig.run("try", "-m", "x", environ=other_git(rig, "update-ref", LOCKS[-1], DIES))
    assert said.code == 1, said
    assert there(rig) == []
    assert rig.run("try", "-m", "x").code == 0
    assert [e["verdict"] for e in rig.experiments()] == ["keep"]
    assert rig.broken() == []


def test_git_that_is_killed_alone_as_init_ends_blocks_nothing(rig):
    """The first copy of the log never written, since nobody looks for the lock of that git."""
    rig.reset("fresh")
    lock = "refs/autoresearch/cheaper/state.lock"
    dying = other_git(rig, "update-ref -m autoresearch --stdin", lock, DIES)
    said = rig.run("init", str(rig.draft), environ=dying)
    assert said.code == 1, said
    assert not (rig.root / ".git" / lock).exists()
    assert rig.run("note", "next").code == 0
    assert rig.broken() == []


def test_lock_that_git_could_not_remove_is_set_aside(rig):
    """A disk that fails once, after which git says that all is well, and no keep can be settled."""
    rig.edit(90)
    call = "update-ref -m autoresearch: keep"
    said = rig.run("try", "-m", "x", environ=other_git(rig, call, "HEAD.lock", LEAVES))
    assert said.code == 0, said
    assert there(rig) == []
    assert [e["verdict"] for e in rig.experiments()] == ["keep"]
    assert rig.broken() == []


@pytest.fixture
def impatient(monkeypatch):
    """A held index is waited for no time at all."""
    monkeypatch.setattr(gitwrite, "_LOCK_WAIT_S", 0.0)


def status(rig):
    """The program's two letters in `git status`: index and tree against what is before each."""
    return rig.repo("status", "--porcelain", "--", "src").strip()


def behind(rig):
    """What `doctor` finds wrong with git's index."""
    return [text for text in rig.broken() if text.startswith("git's index")]


def test_index_that_was_held_is_brought_up_to_date_later(rig, impatient):
    """An old program that stays staged for ever: the user's next plain commit is a revert."""
    rig.edit(90)
    plant(rig, ["index.lock"])
    said = rig.run("try", "-m", "one")
    assert "index.lock is locked, so git's index was not brought up to date; a later" in said.out
    assert status(rig) == "MM src/work.sh"
    assert behind(rig) == ["git's index: staged as an earlier incumbent had it: src/work.sh"]
    rig.edit(80)
    rig.run("try", "-m", "two")  # what was remembered grows by an incumbent
    (rig.root / ".git/index.lock").unlink()
    said = rig.run("note", "next")
    assert "git's index was behind, for its lock was held; up to date now: src/work.sh" in said.out
    assert (status(rig), rig.broken()) == ("", [])
    assert "index" not in rig.run("note", "another").out


def test_recover_brings_the_index_up_to_date(rig, impatient):
    """A dead lock that `recover` sets aside, and the index of then that stays."""
    rig.edit(90)
    plant(rig, ["index.lock"])
    rig.run("try", "-m", "one")
    said = rig.run("recover")
    assert "up to date now: src/work.sh" in said.out
    assert (status(rig), rig.broken()) == ("", [])


def test_what_the_user_staged_since_is_left(rig, impatient):
    """A human's staged program that a late repair of the index throws away."""
    rig.edit(90)
    plant(rig, ["index.lock"])
    rig.run("try", "-m", "one")
    (rig.root / ".git/index.lock").unlink()
    mine = rig.edit(70, "staged by hand")
    rig.repo("add", "src/work.sh")
    assert "staged otherwise, left as it is: src/work.sh" in rig.run("note", "next").out
    assert rig.repo("show", ":src/work.sh") == mine.strip()
    assert behind(rig) == []
    assert "staged" not in rig.run("note", "another").out


def test_undo_drop_and_init_say_that_the_index_was_held(rig, impatient):
    """An index that is behind without a word."""
    rig.edit(90)
    rig.run("try", "-m", "one")
    plant(rig, ["index.lock"])
    assert "warning: " in rig.run("undo", "1").out
    (rig.root / ".git/index.lock").unlink()
    assert "up to date now" in rig.run("note", "next").out
    rig.edit(90, "staged")
    rig.repo("add", "src/work.sh")
    plant(rig, ["index.lock"])
    assert "warning: " in rig.run("drop").out
    (rig.root / ".git/index.lock").unlink()
    rig.run("note", "next")
    assert (status(rig), rig.broken()) == ("", [])
    rig.reset("fresh")
    plant(rig, ["index.lock"])
    assert "up to date; a later command does it" in rig.run("init", str(rig.draft)).out
    (rig.root / ".git/index.lock").unlink()
    rig.run("note", "next")
    assert rig.repo("status", "--porcelain").splitlines() == ["?? notes.txt"]
