"""What other hands change while an experiment runs: charged to whom, put back or left, and told."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from autoresearch.cli import group
from autoresearch.cli.app import run
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import Arm
from autoresearch.edges import dotgit
from autoresearch.edges.sandbox import Bubblewrap, Confiner
from autoresearch.loop.bench import Bench
from autoresearch.loop.confinement import Confinement
from autoresearch.loop.referee import Referee
from autoresearch.loop.session import loaded
from support.confined import working_sandbox
from support.harness import Git
from support.project import set_cost
from support.session import UNCONFINED, open_session

if TYPE_CHECKING:
    from collections.abc import Callable

BRANCH = "refs/heads/autoresearch/cheaper"


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """A session whose programs may reach everything, with an edit that is a gain."""
    helper = open_session(tmp_path, extra=UNCONFINED)
    set_cost(helper.repo, 90)
    monkeypatch.chdir(helper.root)
    return helper


@pytest.fixture
def meanwhile(monkeypatch):
    """Has something done once the race is over, before anybody looks at what changed."""
    real = Referee._measured

    def install(deed: Callable[[], None], *, shut_out: bool = False) -> None:
        def measured(self, prepared):
            ruling = real(self, prepared)
            deed()
            return ruling

        monkeypatch.setattr(Referee, "_measured", measured)
        if shut_out:
            monkeypatch.setattr(Confinement, "shuts_out", property(lambda _: True))

    return install


def tried(capsys, code=0):
    """`try`, in this process; its answer."""
    assert run(group, ["try", "-m", "x", "--json"]) == code
    return json.loads(capsys.readouterr().out)


def added(helper, name):
    """Add a remote, as a human would."""
    helper.repo("remote", "add", name, f"https://example.org/{name}.git")


def test_interrupted_twice_no_remote_is_lost(helper, capsys, meanwhile):
    """Ctrl-C that takes a human's remote back in silence, and the next one that destroys it."""
    config = helper.root / ".git/config"
    before = config.read_bytes()

    def interrupt():
        added(helper, name)
        raise KeyboardInterrupt

    meanwhile(interrupt)
    for name, folder in (("one", "git-0001"), ("two", "git-0001-2")):
        answer = tried(capsys, 130)
        aside = helper.state / "set-aside" / folder
        told = f"put back as before; what was found is kept in {aside}"
        assert answer["news"][-1] == f".git/config changed while it ran: {told}"
        assert f"example.org/{name}.git".encode() in (aside / "000-config").read_bytes()
        assert config.read_bytes() == before
    assert run(group, ["try", "-m", "x"]) == 130
    assert "\n.git/config changed while it ran: put back" in capsys.readouterr().err


def test_what_a_human_did_is_not_charged_where_programs_are_shut_out(helper, capsys, meanwhile):
    """A gain that is lost because somebody added a remote, or committed, while it was measured."""
    parent = helper.repo("rev-parse", BRANCH)

    def work_on():
        added(helper, "mine")
        helper.repo("commit", "-q", "--allow-empty", "-m", "mine")
        helper.repo("switch", "-q", "-c", "elsewhere")

    meanwhile(work_on, shut_out=True)
    answer = tried(capsys)
    assert (answer["verdict"], answer["record"]["touched"]) == ("keep", [])
    assert helper.repo("remote") == "mine"
    mine = helper.repo("rev-parse", "elsewhere")
    kept = f"refs/autoresearch/cheaper/set-aside/0001-{mine[:12]}"
    assert answer["news"] == [
        f"{BRANCH} was moved to {mine[:12]}, which is kept as {kept}, while it ran: put back",
        "HEAD was moved to refs/heads/elsewhere while it ran: put back",
    ]
    assert helper.repo("rev-parse", kept) == mine
    assert helper.repo("rev-parse", "HEAD~1") == parent
    assert helper.json("doctor")["ok"]


def test_who_switches_to_another_branch_keeps_it_and_the_gain(helper, capsys, meanwhile):
    """A human who goes back to main while an idea is measured, which is then a violation."""
    meanwhile(lambda: helper.repo("switch", "-q", "main"), shut_out=True)
    assert tried(capsys)["verdict"] == "keep"
    assert helper.repo("symbolic-ref", "HEAD") == "refs/heads/main"


def test_sandbox_shuts_programs_out(tmp_path, capsys, meanwhile, monkeypatch):
    """A real sandbox under which a human's remote still is the candidate's, and is taken back."""
    working_sandbox()
    helper = open_session(tmp_path, extra="sandbox: require\n")
    set_cost(helper.repo, 90)
    monkeypatch.chdir(helper.root)
    meanwhile(lambda: added(helper, "mine"))
    answer = tried(capsys)
    assert (answer["verdict"], answer["news"]) == ("keep", [])
    assert helper.repo("remote") == "mine"


def test_what_runs_outside_the_sandbox_is_noticed_too(tmp_path, capsys, monkeypatch):
    """A process that an agent left running, which slows the incumbent down while its rival runs."""
    working_sandbox()
    helper = open_session(
        tmp_path,
        extra="sandbox: require\ncache: [built]\n",  # no overlay then, whatever the sandbox can
        replace={
            "name: cost, direction: lower": "name: cost, direction: lower, deterministic: false"
        },
    )
    set_cost(helper.repo, 99)
    monkeypatch.chdir(helper.root)
    real, incumbent, spoilt = Bench.sample, [], []

    def sample(self, built, arm, **rest):
        found = real(self, built, arm, **rest)
        if arm is Arm.INCUMBENT:
            incumbent.append(built.slot)
        elif incumbent and not spoilt:  # two samples of one program in a row leave no such chance
            work = incumbent[0].root / "src/work.py"
            work.write_text(work.read_text().replace("return 100", "return 900"))
            spoilt.append(work)
        return found

    monkeypatch.setattr(Bench, "sample", sample)
    assert (tried(capsys)["verdict"], len(spoilt)) == ("violation", 1)


def test_downloads_may_open_what_a_sandbox_hides(helper, tmp_path):
    """A repository that set-up may write to, whose changes would be charged to nobody."""
    with loaded(helper.root, dict(os.environ), command="doctor", write=False) as session:
        assert not session.bench().confinement.shuts_out
        for folder, shut_out in (
            (helper.root / "src", True),
            (helper.root / ".git" / "info", False),
            (tmp_path, False),
            (session.places.roots[1].parent, False),
        ):
            confinement = session.bench().confinement
            confinement.found = Confiner(Bubblewrap("bubblewrap", "/usr/bin/bwrap", ""), "", "")
            confinement.environment = {"UV_CACHE_DIR": str(folder)}
            assert confinement.shuts_out is shut_out, folder


def test_lost_checkout_is_charged_to_nobody(helper, capsys, monkeypatch):
    """A cache folder that somebody emptied, which becomes a violation and takes the edit back."""
    work = helper.root / "src/work.py"
    gone = "import os, shutil\nif not os.path.exists(FLAG):\n    open(FLAG, 'w').close()\n"
    gone += "    shutil.rmtree(os.getcwd())\n    raise OSError\n"
    work.write_text(
        work.read_text() + gone.replace("FLAG", repr(str(helper.root / "once.ignored")))
    )
    edited = work.read_text()
    monkeypatch.setattr(Confinement, "shuts_out", property(lambda _: True))
    error = tried(capsys, 1)["error"]
    assert error["code"] == "checkout_gone"
    assert os.environ["XDG_CACHE_HOME"] in error["message"]
    assert work.read_text() == edited
    assert [line["kind"] for line in helper.log() if line["kind"] == "experiment"] == []
    assert tried(capsys)["verdict"] == "keep"


def test_protected_edit_is_a_violation_whoever_is_shut_out(helper, capsys, meanwhile):
    """An evaluator that is edited while a keep is measured by it."""
    meanwhile(lambda: helper.repo.write("check.py", "# easier\n"), shut_out=True)
    answer = tried(capsys)
    assert (answer["verdict"], answer["record"]["touched"]) == ("violation", ["check.py"])


def test_violation_tells_where_everything_is(helper, capsys, meanwhile):
    """A human's configuration and commit that are taken back without a word of where they are."""

    def work_on():
        added(helper, "mine")
        helper.repo("commit", "-q", "--allow-empty", "-m", "mine")

    meanwhile(work_on)
    answer = tried(capsys)
    assert answer["record"]["touched"] == [".git/config", BRANCH]
    config, branch = answer["news"]
    assert str(helper.state / "set-aside" / "git-0001") in config
    assert "kept as refs/autoresearch/cheaper/set-aside/0001-" in branch


def test_error_is_not_hidden_by_what_cannot_be_put_back(helper, capsys, meanwhile, monkeypatch):
    """A full disk that is reported as something else, and a hook that nobody puts back any more."""
    real, hook = dotgit.put_back, helper.root / ".git/hooks/pre-push"

    def fill():
        hook.parent.mkdir(exist_ok=True)
        hook.touch()
        raise AutoresearchError("the disk is full", code="no_space")

    def refuse(*_):
        raise AutoresearchError("nothing can be written", code="no_space")

    meanwhile(fill)
    monkeypatch.setattr(dotgit, "put_back", refuse)
    answer = tried(capsys, 1)
    assert answer["error"]["message"] == "the disk is full"
    assert "nothing can be written; the next command does that" in answer["news"][0]
    monkeypatch.setattr(dotgit, "put_back", real)
    answer = json.loads(helper("recover", "--json").out)
    assert ".git/hooks/pre-push changed since" in answer["done"][0]
    assert not hook.exists()
    assert not (helper.state / "git-setup.json").exists()


def test_repository_that_moved_leaves_nothing_where_it_was(helper, capsys, meanwhile):
    """An empty repository in the old place, which keeps `recover` from working in the new one."""
    there = helper.root.with_name("r2")
    (helper.root / ".git/hooks").mkdir(exist_ok=True)
    (helper.root / ".git/hooks/pre-push").touch()
    meanwhile(lambda: helper.root.rename(there))
    error = tried(capsys, 1)["error"]
    assert error["code"] == "repository_gone"
    assert str(helper.root) in error["message"]
    assert not helper.root.exists()
    answer = helper("recover", cwd=there).out
    assert "the repository was moved" in answer
    assert [(there / ".git" / name).exists() for name in ("config", "hooks/pre-push")] == [True] * 2
    assert "put back" not in answer
    assert not helper.root.exists()
    assert '"ok": true' in helper("doctor", "--json", cwd=there).out


def test_worktree_that_moved_is_charged_to_nobody(helper, tmp_path, capsys, meanwhile, monkeypatch):
    """A linked worktree that is renamed while it is measured: all its files count as touched."""
    draft, there = tmp_path / "second.yaml", tmp_path / "night"
    text = (helper.root / "autoresearch.yaml").read_text()
    draft.write_text(text.replace("session: cheaper", "session: other"))
    helper("drop")
    helper("init", str(draft), "--worktree", str(there))
    set_cost(Git(there), 90)
    monkeypatch.chdir(there)
    meanwhile(lambda: there.rename(tmp_path / "day"), shut_out=True)
    error = tried(capsys, 1)["error"]
    assert (error["code"], str(there) in error["message"]) == ("repository_gone", True)
    assert not there.exists()
    assert "BAD" not in helper("recover", cwd=tmp_path / "day").out


def test_older_memory_of_gits_setup_goes_with_a_rebuilt_state(helper):
    """A state folder of yesterday's that takes today's configuration back to yesterday's."""
    state = helper.state
    helper("note", "yesterday")
    shutil.copytree(state, backup := state.with_name(".backup"))
    note = backup / "git-setup.json"
    note.write_text(
        json.dumps(
            {
                "schema": 1,
                "files": {bytes(helper.root / ".git/config").hex(): [0o100644, b"[core]\n".hex()]},
            }
        )
    )
    helper("note", "today")
    added(helper, "today")
    shutil.rmtree(state)
    backup.rename(state)
    helper("recover", "--from-refs")
    assert helper.repo("remote") == "today"
