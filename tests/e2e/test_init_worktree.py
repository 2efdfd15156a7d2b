"""`init --worktree PATH`: the session in a working tree of its own, the human keeps theirs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.harness import Git
from support.project import PYTHON, make_project, set_cost, write_draft
from support.session import Helper
from support.untouched import untouched


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """The tiny project, without a session."""
    return Helper(make_project(tmp_path / "r"))


def test_the_main_tree_stays_as_it_is(helper: Helper, tmp_path: Path) -> None:
    """HEAD, files and index of the caller's tree are not part of the session."""
    before = helper.repo("symbolic-ref", "HEAD"), helper.repo.state(), helper.repo("ls-files", "-s")
    night = tmp_path / "night"
    answer = helper.json("init", str(write_draft(tmp_path)), "--worktree", str(night))
    assert answer["toplevel"] == str(night)
    assert (
        helper.repo("symbolic-ref", "HEAD"), helper.repo.state(), helper.repo("ls-files", "-s")
    ) == before  # fmt: skip
    there = Helper(Git(night))
    assert there.repo("status", "--porcelain") == ""
    set_cost(there.repo, 90)
    assert there.verdict()[0] == "keep"
    error = helper.json("status", code=1)["error"]
    assert (error["code"], error["hint"]) == ("no_session", f"`cd {night}`.")
    assert error["message"] == f"no session in {helper.root}, but session cheaper is in {night}"
    assert helper.json("doctor")["findings"][-1]["text"] == f"{error['message']}: `cd {night}`."


@pytest.mark.parametrize("how", ["removed", "deleted", "branch"])
def test_a_session_whose_worktree_is_gone_can_be_brought_back(
    helper: Helper, tmp_path: Path, how: str
) -> None:
    """A night's work that no command finds again: each names another one that fails."""
    night = tmp_path / "night"
    helper("init", str(write_draft(tmp_path)), "--worktree", str(night))
    if how == "removed":
        helper.repo("worktree", "remove", str(night))
    else:
        shutil.rmtree(night)
    if how == "branch":
        helper.repo("worktree", "prune")
        helper.repo("branch", "-q", "-D", "autoresearch/cheaper")
    error = helper.json("brief", code=1)["error"]
    assert error["code"] == "no_session"
    assert f"session cheaper has no working tree: {night} is gone" in error["message"]
    for command in error["hint"].split("`")[1::2]:
        helper.repo(*command.split()[1:])
    set_cost(helper.repo, 90)
    assert helper.verdict()[0] == "keep"


def test_a_relative_path_is_the_callers(helper: Helper, tmp_path: Path) -> None:
    """Called below the root, `../night` is beside the caller's folder, not beside the root."""
    (helper.root / "src" / "deep").mkdir()
    (helper.root / "src" / "deep" / ".gitignore").write_text("*\n")
    done = helper(
        "init",
        str(write_draft(tmp_path)),
        "--worktree",
        "../../../night",
        cwd=helper.root / "src/deep",
    )
    assert f"its working tree: {tmp_path}/night" in done.out
    assert f"next: cd {tmp_path}/night" in done.out
    assert (tmp_path / "night" / "src" / "work.py").exists()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../taken", "path_exists"),
        ("../taken/file", "path_exists"),
        ("../nowhere/night", "no_parent"),
        ("night", "path_inside"),
    ],
)
def test_a_path_that_cannot_be_used(helper: Helper, tmp_path: Path, path: str, code: str) -> None:
    """Told before anything is measured; what lies there is somebody's."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    with untouched(helper.repo):
        assert helper.error("init", str(write_draft(tmp_path)), "--worktree", path) == code
    assert (tmp_path / "taken" / "file").read_text() == "mine"


def test_an_ignored_folder_of_the_repository_will_do(helper: Helper, tmp_path: Path) -> None:
    """Many keep their linked working trees below an ignored folder."""
    helper.repo.write(".gitignore", "__pycache__/\n/.trees/\n")
    helper.repo.commit()
    (helper.root / ".trees").mkdir()
    helper("init", str(write_draft(tmp_path)), "--worktree", ".trees/night")
    assert helper.repo("status", "--porcelain") == ""


def test_linked_folders_are_there_as_well(helper: Helper, tmp_path: Path) -> None:
    """Git does not check out what is ignored, and the bench links to the session's own tree."""
    helper.repo.write(".gitignore", "__pycache__/\ndeps/\n")
    helper.repo.commit()
    helper.repo.write("deps/factor", "1")
    draft = write_draft(tmp_path, verify=f"test -f deps/factor && {PYTHON} bench.py", link="[deps]")
    helper("init", str(draft), "--worktree", "../night")
    there = Helper(Git(tmp_path / "night"))
    assert there.repo("status", "--porcelain") == ""
    set_cost(there.repo, 90)
    assert there.verdict()[0] == "keep"


def test_a_refused_contract_makes_no_worktree(helper: Helper, tmp_path: Path) -> None:
    """The tree is made last."""
    with untouched(helper.repo):
        helper("init", str(write_draft(tmp_path, guard="exit 1")), "--worktree", "../night", code=4)
    assert not (tmp_path / "night").exists()
