"""What is read-only, or somebody else's: named with its remedy, and nothing lost meanwhile."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from faults.every import environment, memory
from faults.rig import Rig

NOBODY = 65534
NEW_MOUNTS = 0x00020000
"""`CLONE_NEWNS` of `unshare(2)`."""

READERS = (("status",), ("show", "1"), ("gc",))


class Other(Rig):
    """A session whose commands run as somebody else, or where folders are read-only.

    Attributes:
        closed: folders that are mounted read-only for the next commands.
        user: who runs them.
    """

    closed: tuple[Path, ...] = ()
    user: int | None = None
    learning: Path | None = None

    def _child(self, command, descriptor, plan):
        if self.learning is not None:
            names = self.learning.open("a", buffering=1)
            sys.addaudithook(lambda event, args: event == "import" and names.write(f"{args[0]}\n"))
        if self.closed:
            _close(self.closed)
        if self.user is not None:
            os.setgroups([])
            os.setresgid(self.user, self.user, self.user)
            os.setresuid(self.user, self.user, self.user)
        super()._child(command, descriptor, plan)

    def learn(self):
        """Import what the commands import: another user may not see this Python's own files."""
        self.learning = self.folder / "imported"
        for command in (("doctor",), ("note", "x"), ("drop",), ("gc",), ("recover",), *READERS):
            self.run(*command)
        self.error("try", "-m", "x")
        for name in set(self.learning.read_text().split()):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        self.learning = None

    def error(self, *command):
        """The error that a command ends with; what it says names path and remedy."""
        ended = self.run(*command, "--json")
        if ended.code == 0:
            return {"code": None, "message": "", "hint": ""}
        assert ended.code == 1, ended
        error = json.loads(ended.out)["error"]
        assert error["hint"], ended
        return error

    def give_away(self, *spare):
        """Everything belongs to nobody, but for these."""
        for folder, names, files in os.walk(self.folder):
            for name in (*names, *files):
                os.chown(Path(folder) / name, NOBODY, NOBODY, follow_symlinks=False)
        for path in spare:
            os.chown(path, 0, 0)
            path.chmod(0o700 if path.is_dir() else 0o600)


def _close(folders):
    if ctypes.CDLL(None).unshare(NEW_MOUNTS) != 0:
        os._exit(77)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for folder in folders:
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)


@pytest.fixture(scope="module")
def rig():
    """A session with a keep; the folders above it are open to all."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user, and mount")
    folder = Path(tempfile.mkdtemp(prefix="autoresearch-test-", dir=memory()))
    folder.chmod(0o755)
    try:
        with environment(folder):
            rig = Other(folder)
            rig.edit(90)
            assert rig.run("try", "-m", "better").code == 0
            rig.save()
            rig.learn()
            yield rig
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def fresh(rig, monkeypatch):
    """The session as it was, with an edit in its tree."""
    rig.move_in(monkeypatch)
    monkeypatch.setenv("HOME", str(rig.folder))
    rig.closed, rig.user = (), None
    rig.reset()
    rig.edit(120, 1)
    return rig


def as_it_was(rig, work):
    """Nothing is lost: once what was closed is open again, the session goes on."""
    rig.closed, rig.user = (), None
    for folder, names, files in os.walk(rig.folder):
        for name in (*names, *files):
            os.chown(Path(folder) / name, 0, 0, follow_symlinks=False)
    assert rig.work == work
    assert len(rig.experiments()) == 1
    assert rig.run("recover").code == 0
    assert rig.work == work
    assert rig.broken() == []


PLACES = {
    "state": (lambda rig: rig.state_home, "state_not_writable", ("try", "note", "drop", "recover")),
    "git": (lambda rig: rig.root / ".git", "read_only", ("try", "note", "drop", "recover")),
    "repository": (lambda rig: rig.root, "read_only", ("try", "note", "drop", "recover")),
    "cache": (lambda rig: rig.cache_home, "read_only", ("try",)),
}
COMMANDS = {
    "try": ("try", "-m", "x"), "note": ("note", "x"), "drop": ("drop",), "recover": ("recover",),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_read_only_place(fresh, place):
    """A bug report for a read-only mount; a reader that must write; half a step that stays."""
    where, code, refused = PLACES[place]
    work = fresh.work
    fresh.closed = (where(fresh),)
    if fresh.run("status").code == 77:
        pytest.skip("this root may not mount")
    for command in READERS:
        assert fresh.run(*command).code == 0, command
    for name in refused:
        error = fresh.error(*COMMANDS[name])
        assert (error["code"], str(where(fresh)) in error["message"]) == (code, True), name
    found = fresh.run("doctor")
    assert (found.code, "BAD not writable: " in found.out) == (1, True), found
    as_it_was(fresh, work)


def test_tree_that_turns_read_only_is_put_back_later(fresh):
    """A verdict that is forgotten because the tree could not be put back at once."""
    fresh.closed = (fresh.root / "src",)
    if fresh.run("status").code == 77:
        pytest.skip("this root may not mount")
    work = fresh.work
    error = fresh.error("try", "-m", "worse")
    assert (error["code"], "src/" in error["message"]) == ("read_only", True), error
    assert fresh.error("note", "x")["code"] == "read_only"
    fresh.closed = ()
    assert fresh.work == work
    assert "is now settled: discard" in fresh.run("note", "x").out
    assert [t["verdict"] for t in fresh.experiments()] == ["keep", "discard"]
    assert "cost=90" in fresh.work
    assert fresh.broken() == []


def test_repository_of_another_user(fresh):
    """Git's refusal passed on without its remedy; a remedy that trusts every folder."""
    work, fresh.user = fresh.work, NOBODY
    for command in (*READERS, *COMMANDS.values()):
        error = fresh.error(*command)
        assert error["code"] == "unsafe_owner", (command, error)
        assert error["hint"].endswith(f"safe.directory {fresh.root}"), error
    assert fresh.run("doctor").code == 1
    as_it_was(fresh, work)


def test_state_of_another_user(fresh):
    """A state folder that `sudo` left behind, called a sandbox's doing."""
    work = fresh.work
    fresh.give_away(fresh.state.parent)
    fresh.user = NOBODY
    for command in (*READERS, *COMMANDS.values()):
        error = fresh.error(*command)
        assert error["code"] == "state_not_writable", (command, error)
        assert "belongs to root" in error["message"], error
    found = fresh.run("doctor")
    assert (found.code, "belongs to root" in found.out) == (1, True), found
    as_it_was(fresh, work)


FILES = (
    "state:log.jsonl", "state:session.json", "state:autoresearch.yaml", "state:lock",
    "state:../../measure.lock", "root:.git/config", "root:autoresearch.jsonl",
)  # fmt: skip


def test_single_file_of_another_user(fresh):
    """A file that one command of root's made: a bug report, or a remedy that throws it away."""
    work = fresh.work
    for name in FILES:
        base, _, path = name.partition(":")
        victim = ((fresh.state if base == "state" else fresh.root) / path).resolve()
        assert victim.exists(), name
        fresh.give_away(victim)
        fresh.user = NOBODY
        command = ("try", "-m", "x") if "measure" in name else ("note", "x")
        error = fresh.error(*command)
        assert (error["code"], str(victim) in error["message"]) == ("no_permission", True), error
        assert fresh.run("doctor").code in {0, 1}, name
    as_it_was(fresh, work)


def test_program_that_may_not_be_read(fresh):
    """A candidate without the file that could not be read."""
    victim = fresh.root / "src/work.sh"
    work = fresh.work
    fresh.give_away(victim)
    fresh.user = NOBODY
    refused = fresh.run("try", "-m", "x")
    assert (refused.code, "cannot be read: src/work.sh" in refused.out) == (1, True), refused
    assert fresh.error("drop")["code"] == "cannot_save"
    as_it_was(fresh, work)
