"""Settings by which git reads, writes or runs something elsewhere are refused by name."""

from __future__ import annotations

import subprocess

import pytest
from support.harness import Git
from support.session import Helper, open_session


def other_project(tmp_path):
    """A folder of the user's that has nothing to do with the repository."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "bench.py").write_text("my own words\n")
    return other


@pytest.mark.parametrize("command", ["try -m x", "drop --outside", "drop", "status", "amend"])
def test_work_tree_elsewhere(tmp_path, command):
    """Files of another project are replaced, and the real tree is not put back."""
    helper = open_session(tmp_path)
    other = other_project(tmp_path)
    helper.repo("config", "core.worktree", "../../other")
    assert helper.error(*command.split()) == "git_redirected"
    assert "core.worktree" in helper(*command.split(), code=1).err
    assert [path.name for path in other.iterdir()] == ["bench.py"]
    assert (other / "bench.py").read_text() == "my own words\n"


def _include(helper, tmp_path):
    (tmp_path / "more").write_text("[user]\n\tname = x\n")
    helper.repo("config", "include.path", str(tmp_path / "more"))


def _include_if(helper, tmp_path):
    (tmp_path / "more").write_text("[user]\n\tname = x\n")
    helper.repo("config", f"includeIf.gitdir:{tmp_path}/.path", str(tmp_path / "more"))


def _alternates(helper, tmp_path):
    store = Git.create(tmp_path / "store")
    store.write("x", "y")
    store.commit("x")
    info = helper.root / ".git" / "objects" / "info"
    info.mkdir(exist_ok=True)
    (info / "alternates").write_text(f"{store.root}/.git/objects\n")


def _promisor(helper, tmp_path):
    helper.repo("config", "remote.evil.promisor", "true")
    helper.repo("config", "remote.evil.url", f"ext::touch {tmp_path}/ran")


def _global_promisor(helper, tmp_path):
    subprocess.run(
        ["git", "config", "--global", "remote.evil.promisor", "true"], cwd=tmp_path, check=True
    )


SETTINGS = {
    "include.path": _include,
    "includeif.": _include_if,
    "objects/info/alternates": _alternates,
    "remote.evil.promisor": _promisor,
    "remote.evil.promisor=true": _global_promisor,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_new_redirection_is_refused(tmp_path, name):
    """A program that a missing object starts, or settings that nobody has read."""
    helper = open_session(tmp_path)
    SETTINGS[name](helper, tmp_path)
    shown = helper("drop", code=1).err
    assert name in shown
    assert helper.error("try", "-m", "x") == "git_redirected"
    assert not (tmp_path / "ran").exists()
    helper("status")


def prepare(repo):
    """What a human set up before the session."""
    (repo.root.parent / "more").write_text("[user]\n\tname = x\n")
    repo("config", "include.path", str(repo.root.parent / "more"))
    repo("config", "remote.origin.promisor", "true")
    repo("config", "remote.origin.url", "/nowhere")
    repo.write("more.py", "")


def test_what_stood_there_is_honest(tmp_path):
    """A partial clone, or a team's shared settings, which no session could be opened in."""
    helper = open_session(tmp_path, prepare=prepare)
    helper("drop")
    helper.repo("config", "branch.main.remote", "origin")
    helper("drop")
    helper.repo("config", "remote.origin.uploadpack", "evil")
    assert helper.error("drop") == "git_redirected"
    assert helper.json("amend", "--yes")["surrounded"] == ["remote.origin.uploadpack=evil"]
    helper("drop")


def test_submodule_and_linked_worktree_are_honest(tmp_path):
    """Git itself sets core.worktree for a submodule."""
    inner = Git.create(tmp_path / "inner")
    inner.write("x", "y")
    inner.commit("x")
    outer = Git.create(tmp_path / "outer")
    outer("-c", "protocol.file.allow=always", "submodule", "add", str(inner.root), "sub")
    helper = Helper(Git(outer.root / "sub"))
    assert helper.error("status") == "no_session"
