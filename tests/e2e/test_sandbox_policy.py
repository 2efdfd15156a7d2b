"""`sandbox: auto | require | off` and `network` in sessions: what is in force, and what is said."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from autoresearch.cli import group
from autoresearch.cli.app import run
from autoresearch.loop import bench
from support.confined import folder_in_sight, path_without, working_sandbox
from support.project import PYTHON, make_project, set_cost, write_draft
from support.session import Helper, open_session

INSTALL = "sudo apt-get install bubblewrap"
MISSING = "bubblewrap is not installed"


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A PATH with apt-get and without bubblewrap, in force; the folder can be given one."""
    folder = Path(path_without("bwrap", tmp_path / "bin"))
    (folder / "apt-get").unlink(missing_ok=True)
    (folder / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_require_refuses_with_the_command_that_installs_one(tmp_path, bare):
    """Programs run unconfined though the contract forbids it; or nobody says what is missing."""
    del bare
    helper = Helper(make_project(tmp_path / "r"))
    draft = write_draft(tmp_path, sandbox="require")
    for command in ("check", "init"):
        error = helper.json(command, str(draft), code=1)["error"]
        assert error["code"] == "no_sandbox"
        assert error["message"] == f"the contract requires a sandbox: {MISSING}"
        assert INSTALL in error["hint"]
    assert helper.repo("for-each-ref", "refs/heads/autoresearch") == ""


def test_require_holds_for_every_experiment_and_all_say_so(tmp_path, monkeypatch):
    """A sandbox that is gone since `init`, and nobody can tell what was measured under one."""
    name = working_sandbox().name
    real = os.environ["PATH"]
    folder = Path(path_without("bwrap", tmp_path / "bin"))
    bwrap = next(p for p in (Path(e) / "bwrap" for e in real.split(os.pathsep)) if p.exists())
    (folder / "bwrap").symlink_to(bwrap)
    monkeypatch.setenv("PATH", str(folder))
    helper = open_session(tmp_path, extra=f"sandbox: require  # {folder}\n")
    (folder / "bwrap").unlink()
    set_cost(helper.repo, 90)
    before = helper.log()
    assert helper.error("try", "-m", "a change") == "no_sandbox"
    assert [line for line in helper.log() if line["kind"] == "experiment"] == []
    assert helper.log()[: len(before)] == before
    assert "return 90" in (helper.root / "src" / "work.py").read_text()
    assert MISSING in helper("doctor", code=1).out
    (folder / "bwrap").symlink_to(bwrap)
    assert helper.verdict()[0] == "keep"
    measured = [line for line in helper.log() if line["kind"] in {"epoch", "experiment"}]
    assert [line["sandbox"] for line in measured] == [name, name]
    assert f"sandbox: {name}\n" in helper("status").out
    assert f", sandbox {name}, epoch " in helper("show", "1").out
    told = helper("doctor").out
    assert f"sandbox: {name}, " in told
    assert f"sandbox of this session: {name}: protected files read-only" in told


def test_a_fallback_is_said_once_and_recorded(tmp_path, bare):
    """Nothing confines the programs, and nobody is told, or is told again with every try."""
    helper = Helper(make_project(tmp_path / "r"))
    said = helper("init", str(write_draft(tmp_path)))
    warning = f"nothing confines the programs under test: {MISSING}. Install it: `{INSTALL}`."
    assert (said.out + said.err).count(warning) == 1
    set_cost(helper.repo, 90)
    tried = helper("try", "-m", "cheaper")
    assert "sandbox" not in tried.out + tried.err
    epoch, experiment = [line for line in helper.log() if "sandbox" in line]
    assert (epoch["sandbox"], experiment["sandbox"]) == ("none", "none")
    assert "sandbox: none\n" in helper("status").out
    told = helper("doctor").out
    assert f"sandbox: none, {MISSING}. Install it: `{INSTALL}`" in told
    assert f"sandbox of this session: none: {MISSING}. Install it: `{INSTALL}`" in told
    found = working_sandbox()
    (bare / "bwrap").symlink_to(found.program)
    set_cost(helper.repo, 80)
    tried = helper("try", "-m", "cheaper")
    assert f"sandbox: {found.name}: " in tried.out + tried.err
    assert "the epoch was measured with: none" in tried.out + tried.err
    assert helper.log()[-1]["sandbox"] == found.name


@pytest.mark.parametrize("opened", [False, True])
def test_a_build_is_confined_and_has_no_network(tmp_path, *, opened):
    """A candidate that reaches out, or leaves something behind, while it is built."""
    working_sandbox()
    outside = tmp_path / "outside"
    (Path(os.environ["HOME"]) / ".ssh").mkdir()
    (Path(os.environ["HOME"]) / ".ssh" / "id").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (tmp_path / "r").mkdir()
        repo = make_project(tmp_path / "r")
        repo.write(
            "build.py",
            "import os, pathlib, socket, sys\n"
            "home = sys.argv[1]\n"
            "assert not os.path.exists(home + '/.ssh')\n"
            "try:\n"
            "    pathlib.Path(sys.argv[2]).write_text('x')\n"
            "except OSError:\n"
            "    pass\n"
            "try:\n"
            f"    socket.create_connection(('127.0.0.1', {port}), 5)\n"
            "    reached = 'True'\n"
            "except ConnectionRefusedError:\n"
            "    reached = 'False'\n"
            "pathlib.Path('made').write_text(reached)\n",
        )
        repo.write(".gitignore", "__pycache__/\n/made\n")
        repo.commit()
        home = os.environ["HOME"]
        more = "network: true\n" if opened else ""
        draft = write_draft(
            tmp_path,
            extra=f"sandbox: require\n{more}",
            build=f"{PYTHON} build.py {home} {outside}",
            guard=f"grep -qx {opened} made",
        )
        Helper(repo)("check", str(draft))
    assert not outside.exists()


def test_a_candidate_that_takes_too_much_memory(tmp_path, monkeypatch, capsys):
    """The machine swaps or the kernel ends the helper, instead of a crash of the candidate."""
    helper = open_session(tmp_path)
    monkeypatch.chdir(helper.root)
    monkeypatch.setattr(bench, "memory_limit", lambda: 150 * 1024 * 1024)
    hold = "import time\nheld = b'x' * (300 * 1024 * 1024)\ntime.sleep(600)\n"
    set_cost(helper.repo, 90, extra=hold)
    assert run(group, ["try", "-m", "more memory", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["record"]
    assert record["verdict"] == "crash"
    assert "took more memory than this machine has to give" in record["detail"]


def test_home_repository_state_and_cache_are_hidden_wherever_they_lie(tmp_path, monkeypatch):
    """Only what lies below /tmp is out of sight, for that is private anyway."""
    working_sandbox()
    with folder_in_sight() as place:
        (place / "home" / "keys").mkdir(parents=True)
        (place / "home" / "keys" / "id").write_text("secret")
        maven = place / "home" / ".m2"
        (maven / "repository").mkdir(parents=True)
        (maven / "repository" / "library").write_text("as Java finds it")
        (maven / "settings.xml").write_text("token")
        monkeypatch.setenv("HOME", str(place / "home"))
        for kind in ("STATE", "CACHE"):
            monkeypatch.setenv(f"XDG_{kind}_HOME", str(place / kind.lower()))
        helper = open_session(
            tmp_path, extra="sandbox: require\n", repo=make_project(place / "project")
        )
        looks = (
            "import os\n"
            f"assert os.listdir({str(maven)!r}) == ['repository']\n"
            f"assert os.listdir({str(maven / 'repository')!r}) == ['library']\n"
            f"for top in ('home/keys', 'project', 'state', 'cache/autoresearch-bench'):\n"
            f"    for folder, _, files in os.walk(os.path.join({str(place)!r}, top)):\n"
            "        if files and not os.getcwd().startswith(folder) and not "
            "folder.startswith((os.getcwd(), os.environ['HOME'], os.environ['TMPDIR'])):\n"
            "            raise SystemExit(f'{folder} can be seen')\n"
        )
        set_cost(helper.repo, 90, extra=looks)
        record = helper.attempt()
        assert record["verdict"] == "keep", record
