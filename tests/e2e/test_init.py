"""`init`: what a session may start from, and that a refused one changes nothing."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.harness import Git
from support.project import PYTHON, make_project, set_cost, write_draft
from support.session import Helper
from support.untouched import left_behind, log_of, untouched


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """The tiny project, without a session."""
    return Helper(make_project(tmp_path / "r"))


def refused(helper: Helper, draft: Path, code: str, *options: str, exit_code: int = 1) -> str:
    """`init` refuses with this code and changes nothing; the message."""
    with untouched(helper.repo):
        answer = helper.json("init", str(draft), *options, code=exit_code)
    assert answer["error"]["code"] == code
    assert answer["error"]["hint"]
    return str(answer["error"]["message"])


def test_a_session_is_opened(helper: Helper, tmp_path: Path) -> None:
    """Branch, contract commit, copies and clean status: the start that all else builds on."""
    draft = write_draft(tmp_path)
    base = helper.repo("rev-parse", "HEAD")
    done = helper("init", str(draft))
    assert done.err == ""
    assert done.out.splitlines()[0] == "session cheaper is open on branch autoresearch/cheaper"
    assert "next: `autoresearch run N`" in done.out
    assert helper.repo("symbolic-ref", "HEAD") == "refs/heads/autoresearch/cheaper"
    assert helper.repo("rev-parse", "HEAD~1") == base
    assert helper.repo("status", "--porcelain") == ""
    assert (helper.root / "autoresearch.yaml").read_bytes() == draft.read_bytes()
    assert helper.repo("diff", "--name-only", "HEAD~1") == "autoresearch.yaml"
    assert helper.repo("rev-parse", "refs/heads/main") == base
    set_cost(helper.repo, 90)
    assert helper.verdict()[0] == "keep"


def test_the_draft_may_be_the_contract_file_itself(helper: Helper, tmp_path: Path) -> None:
    """`init autoresearch.yaml`, untracked or staged, is the natural call."""
    text = write_draft(tmp_path).read_text()
    helper.repo.write("autoresearch.yaml", text)
    helper.repo("add", "autoresearch.yaml")
    helper("init", "autoresearch.yaml")
    assert helper.repo("status", "--porcelain") == ""
    assert helper.repo("show", "HEAD:autoresearch.yaml") == text.strip()


def test_another_file_in_the_contracts_place_is_not_overwritten(
    helper: Helper, tmp_path: Path
) -> None:
    """An untracked or edited autoresearch.yaml is somebody's work."""
    draft = write_draft(tmp_path)
    helper.repo.write("autoresearch.yaml", "mine\n")
    refused(helper, draft, "contract_exists")
    helper.repo.commit()
    helper.repo.write("autoresearch.yaml", "mine, edited\n")
    refused(helper, draft, "contract_exists")
    helper.repo.write("autoresearch.yaml", "mine\n")
    refused(helper, draft, "foreign_contract")  # of another tool, which would miss it
    helper.repo.write("autoresearch.yaml", "session: older\nverify: ./bench\n")
    helper.repo.commit()
    helper("init", str(draft))  # as committed: git still has it
    assert helper.repo("show", "HEAD~1:autoresearch.yaml").startswith("session: older")


def test_on_a_detached_head(helper: Helper, tmp_path: Path) -> None:
    """A commit without a branch is a fine start; the session makes a branch of its own."""
    helper.repo("checkout", "-q", "--detach")
    base = helper.repo("rev-parse", "HEAD")
    helper("init", str(write_draft(tmp_path)))
    assert helper.repo("symbolic-ref", "HEAD") == "refs/heads/autoresearch/cheaper"
    assert log_of()[0]["base"] == base
    assert log_of()[0]["start_branch"] is None


def test_with_edits_in_the_tree(helper: Helper, tmp_path: Path) -> None:
    """What is edited or staged would silently become part of the first experiment."""
    draft = write_draft(tmp_path)
    set_cost(helper.repo, 50)
    assert "1 file differs" in refused(helper, draft, "dirty_tree")
    helper.repo("add", "src/work.py")
    refused(helper, draft, "dirty_tree")
    helper.repo("reset", "-q", "--hard")
    helper.repo.write("notes.txt", "mine")
    helper.repo("add", "notes.txt")
    assert "notes.txt" in refused(helper, draft, "dirty_tree")


def test_with_untracked_files(helper: Helper, tmp_path: Path) -> None:
    """In scope they would be taken for an experiment; elsewhere they are the user's."""
    draft = write_draft(tmp_path)
    helper.repo.write("src/new.py", "x = 1\n")
    assert "src/new.py" in refused(helper, draft, "untracked_in_scope")
    (helper.root / "src/new.py").rename(helper.root / "new.py")
    helper("init", str(draft))
    assert (helper.root / "new.py").read_text() == "x = 1\n"


def test_with_a_merge_under_way(helper: Helper, tmp_path: Path) -> None:
    """Moving HEAD in the middle of a merge would lose its other parent."""
    helper.repo("commit", "-q", "--allow-empty", "-m", "other")
    helper.repo("switch", "-qc", "side", "HEAD~1")
    helper.repo("commit", "-q", "--allow-empty", "-m", "side")
    helper.repo("merge", "-q", "--no-commit", "--no-ff", "main")
    assert "merge" in refused(helper, write_draft(tmp_path), "operation_under_way")


@pytest.mark.parametrize(
    "taken", ["autoresearch/cheaper", "autoresearch", "autoresearch/cheaper/deep"]
)
def test_where_the_branch_is_taken(helper: Helper, tmp_path: Path, taken: str) -> None:
    """Also a branch above or below ours leaves no room; told before anything is measured."""
    helper.repo("branch", taken)
    assert taken in refused(helper, write_draft(tmp_path), "branch_exists")


def test_where_the_session_exists(helper: Helper, tmp_path: Path) -> None:
    """A second `init` must not write over a session's state."""
    draft = write_draft(tmp_path)
    helper("init", str(draft))
    assert "cheaper" in refused(helper, draft, "session_exists")
    helper.repo("switch", "-q", "main")
    refused(helper, draft, "session_exists")


def test_where_only_refs_of_an_earlier_session_are_left(helper: Helper, tmp_path: Path) -> None:
    """Experiments of a session whose state is gone must not be mixed with new ones."""
    helper.repo("update-ref", "refs/autoresearch/cheaper/exp/0001", "HEAD")
    refused(helper, write_draft(tmp_path), "refs_exist")


def test_a_second_session_starts_from_the_first(helper: Helper, tmp_path: Path) -> None:
    """One may build on what another session kept; each keeps its own state."""
    helper("init", str(write_draft(tmp_path)))
    answer = helper.json("init", str(write_draft(tmp_path, session="second")))
    assert answer["branch"] == "refs/heads/autoresearch/second"
    assert any("autoresearch.jsonl" in note for note in answer["notes"])
    set_cost(helper.repo, 90)
    assert helper.verdict()[0] == "keep"
    helper.repo("switch", "-q", "autoresearch/cheaper")
    set_cost(helper.repo, 80)
    assert helper.verdict()[0] == "keep"


def test_refused_for_what_was_rehearsed(helper: Helper, tmp_path: Path) -> None:
    """A contract that fails in the bench leaves no branch, state, bench or exclude line."""
    refused(helper, write_draft(tmp_path, guard="exit 1"), "guard_failed", exit_code=4)
    refused(helper, write_draft(tmp_path, verify="echo 1"), "not_measured", exit_code=4)
    assert left_behind() == []
    helper("init", str(write_draft(tmp_path)))


def test_head_that_moves_meanwhile(helper: Helper, tmp_path: Path) -> None:
    """What was rehearsed is then not what is checked out."""
    verify = f"git -C {helper.root}/. switch -q -c other 2>/dev/null; {PYTHON} bench.py"
    draft = write_draft(
        tmp_path,
        verify=verify.replace(str(helper.root), "$OLD"),
        env=f"{{OLD: {tmp_path}/r2}}",
        sandbox="off",
    )
    (tmp_path / "r2").symlink_to(helper.root)
    assert helper.error("init", str(draft)) == "moved_meanwhile"
    assert left_behind() == []
    assert helper.repo("for-each-ref", "refs/heads/autoresearch") == ""


def test_in_a_linked_worktree(helper: Helper, tmp_path: Path) -> None:
    """A session in a linked working tree leaves the main one alone."""
    linked = Git(tmp_path / "linked")
    helper.repo("worktree", "add", "-q", str(linked.root), "-b", "side")
    there = Helper(linked)
    main = (helper.repo("symbolic-ref", "HEAD"), helper.repo.state())
    there("init", str(write_draft(tmp_path)))
    assert linked("symbolic-ref", "HEAD") == "refs/heads/autoresearch/cheaper"
    assert (helper.repo("symbolic-ref", "HEAD"), helper.repo.state()) == main
    assert linked("status", "--porcelain") == ""
    set_cost(linked, 90)
    assert there.verdict()[0] == "keep"


def test_below_the_root(helper: Helper, tmp_path: Path) -> None:
    """Called in a subdirectory, the session is the whole repository's; the answer says so."""
    done = helper("init", str(write_draft(tmp_path)), cwd=helper.root / "src")
    assert f"paths in the contract are relative to {helper.root}" in done.out
    assert (helper.root / "autoresearch.yaml").exists()


def test_a_repository_nested_in_another(helper: Helper, tmp_path: Path) -> None:
    """The innermost repository is meant; the outer one is not touched."""
    inner = Helper(make_project(helper.root / "vendor" / "inner"))
    before = _git_side(helper.repo)
    inner("init", str(write_draft(tmp_path)))
    assert _git_side(helper.repo) == before
    assert inner.repo("symbolic-ref", "HEAD") == "refs/heads/autoresearch/cheaper"
    draft = write_draft(tmp_path, scope='["src/**", "vendor/**"]')
    assert "vendor/inner/" in refused(helper, draft, "untracked_in_scope")


def _git_side(repo: Git) -> tuple[str, ...]:
    return repo("for-each-ref"), repo("symbolic-ref", "HEAD"), repo("ls-files", "-s")


def test_in_a_shallow_clone(helper: Helper, tmp_path: Path) -> None:
    """Only the commit that is checked out is needed."""
    helper.repo("commit", "-q", "--allow-empty", "-m", "more")
    clone = tmp_path / "shallow"
    helper.repo("clone", "-q", "--depth=1", f"file://{helper.root}", str(clone))
    there = Helper(Git(clone))
    there("init", str(write_draft(tmp_path)))
    set_cost(there.repo, 90)
    assert there.verdict()[0] == "keep"
    assert there.repo("rev-parse", "--is-shallow-repository") == "true"
    there("validate")


def test_a_submodule_in_scope(helper: Helper, tmp_path: Path) -> None:
    """A submodule's commit is no file that an experiment can change."""
    other = make_project(tmp_path / "other")
    helper.repo(
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(other.root),
        "src/sub",
    )
    helper.repo.commit()
    refused(helper, write_draft(tmp_path), "scope_odd", exit_code=4)
    helper("init", str(write_draft(tmp_path, protect='["src/sub"]')))


def test_hooks_do_not_run(helper: Helper, tmp_path: Path) -> None:
    """No program of the repository's set-up takes part in what the helper does."""
    hooks = helper.root / ".git" / "hooks"
    for name in (
        "pre-commit",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "reference-transaction",
    ):
        helper.repo.write(
            f".git/hooks/{name}", f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n", mode=0o755
        )
    helper("init", str(write_draft(tmp_path)), "--worktree", str(tmp_path / "night"))
    helper("init", str(write_draft(tmp_path, session="second")))
    assert not (tmp_path / "ran").exists()
    assert len(list(hooks.iterdir())) == 5


def test_staged_and_ignored_files_stay(helper: Helper, tmp_path: Path) -> None:
    """The user's own files are theirs, whatever git calls them."""
    helper.repo.write("__pycache__/x", "ignored")
    helper("init", str(write_draft(tmp_path)))
    assert (helper.root / "__pycache__/x").read_text() == "ignored"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("autoresearch.md", "my notes\n"),
        ("autoresearch.jsonl", '{"type":"config","name":"old"}\n'),
        ("autoresearch.jsonl", "not json"),
    ],
)
def test_files_of_others_under_our_names(
    helper: Helper, tmp_path: Path, name: str, content: str
) -> None:
    """Notes of another tool that `init` replaces, or that only `init` says are in the way."""
    draft = write_draft(tmp_path)
    helper.repo.write(name, content)
    refused(helper, draft, "foreign_file")
    assert f"{name} exists and was not written by" in helper("check", str(draft)).out
    assert (helper.root / name).read_text() == content


def test_a_stale_index_lock(helper: Helper, tmp_path: Path) -> None:
    """A lock that a killed git left is not removed, and is named; the session is sound."""
    (helper.root / ".git" / "index.lock").write_text("")
    answer = helper.json("init", str(write_draft(tmp_path)))
    assert any("index.lock" in note for note in answer["notes"])
    assert (helper.root / ".git" / "index.lock").exists()


def test_a_state_folder_that_cannot_be_written(helper: Helper, tmp_path: Path) -> None:
    """Told by name before anything is measured."""
    (tmp_path / "file").write_text("")
    for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        with untouched(helper.repo):
            answer = helper.json(
                "init", str(write_draft(tmp_path)), code=1, env={variable: str(tmp_path / "file")}
            )
        assert answer["error"]["code"] == "state_not_writable"
        assert variable in answer["error"]["hint"]


READ_ONLY = "mount --bind .git .git && mount -o remount,ro,bind .git && "
"""Root may write where permissions forbid it, so for root the folder becomes a read-only mount."""


def test_a_read_only_git_folder(helper: Helper, tmp_path: Path) -> None:
    """A host's sandbox may protect `.git`; the first command says so."""
    command = [sys.executable, "-m", "autoresearch", "init", str(write_draft(tmp_path)), "--json"]
    if os.geteuid() == 0:
        probe = ["unshare", "-m", "sh", "-c", f"{READ_ONLY} true"]
        if subprocess.run(probe, cwd=helper.root, capture_output=True, check=False).returncode:
            pytest.skip("no mounts here")
        command = ["unshare", "-m", "sh", "-c", READ_ONLY + shlex.join(command)]
    else:
        (helper.root / ".git").chmod(0o555)
    with untouched(helper.repo):
        done = subprocess.run(command, cwd=helper.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    error = json.loads(done.stdout)["error"]
    assert error["code"] in {"read_only", "no_permission"}
    assert f"{helper.root}/.git" in error["message"]
