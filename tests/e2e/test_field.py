"""What the field stumbled over: a set-up of each kind, and that nothing of it does harm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from autoresearch.edges.places import places_for
from support.project import make_project, set_cost, write_draft
from support.session import UNCONFINED, Helper, open_session

COUNTING = """\
import os, sys
path = os.environ["COUNTER"]
run = int(open(path).read()) + 1
open(path, "w").write(str(run))
if run in {fails}:
    print("FAILED tests/test_net.py::test_retry - TimeoutError")
    sys.exit(1)
print("3 passed")
"""


def flaky_session(folder: Path, *fails: int) -> Helper:
    """A session whose guard fails in these of its runs; `init` makes the first one."""
    repo = make_project(folder / "r")
    repo.write("guard.py", COUNTING.replace("{fails}", str(set(fails))))
    repo.write("count.sh", f"echo x >>'{folder}/verified'\n")
    repo.commit("a guard")
    (folder / "counter").write_text("0")
    helper = Helper(repo)
    draft = write_draft(
        folder,
        guard="python3 guard.py",
        verify="sh count.sh; python3 -S bench.py",
        env=f"{{COUNTER: {folder}/counter}}",
        extra=UNCONFINED,
    )
    helper("init", str(draft))
    return helper


def test_a_guard_that_fails_once_undoes_nothing(tmp_path):
    """A proven gain that is lost to a flaky test in another file."""
    helper = flaky_session(tmp_path, 2)
    set_cost(helper.repo, 90)
    said = helper("try", "-m", "cheaper").out
    assert said.startswith("experiment 1: keep")
    assert "flaky: tests/test_net.py::test_retry" in said
    assert helper.log()[-1]["flaky"] == ["tests/test_net.py::test_retry"]


def test_a_proven_race_is_not_run_again_for_the_guard(tmp_path):
    """`--again` after a failed guard that races anew, at half alpha, or counts the race twice."""
    helper = flaky_session(tmp_path, 2, 3, 5, 6)
    set_cost(helper.repo, 90)
    first = helper.attempt("cheaper")
    assert (first["verdict"], first["reason"], first["flaky"]) == ("rework", "guard", [])
    refused = helper.json("try", "--rework", "-m", "the test is flaky", code=1)
    assert "`--again`" in refused["error"]["hint"]
    runs = (tmp_path / "verified").read_text()
    second = helper.attempt("the test is flaky", "--again")
    assert second["verdict"] == "rework"  # the guard failed twice more
    third = helper.attempt("the test is flaky", "--again")
    assert (third["verdict"], third["raced_in"], third["retest"]) == ("keep", 2, 0)
    assert third["race"] == first["race"]
    assert (tmp_path / "verified").read_text() == runs
    assert helper.json("doctor")["ok"]


def test_drop_ends_a_rework(tmp_path):
    """`brief` that offers the same rework for ever."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 90, answer=41)
    assert helper.verdict("wrong") == ("rework", "guard")
    assert "experiment 1 is given up" in helper("drop").out
    assert "REWORK" not in helper("brief").out
    assert helper.error("try", "--rework", "-m", "x") == "no_rework"
    assert "given up" not in helper("drop").out
    helper("apply", "1")
    set_cost(helper.repo, 90)
    assert helper.verdict("mended") == ("keep", None)


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o600])
def test_modes_of_the_disk_that_git_does_not_count(tmp_path, mode):
    """Files on a Windows disk, all executable, whose modes are committed by a keep."""
    repo = make_project(tmp_path / "r")
    repo.write("src/tool.sh", "exit 0\n")
    (tmp_path / "r/src/tool.sh").chmod(0o755)
    repo.commit("a tool")
    repo("config", "core.fileMode", "false")
    for path in repo.root.rglob("src/*"):
        path.chmod(mode)
    helper = open_session(tmp_path, repo=repo)
    set_cost(helper.repo, 90)
    helper.repo.write("src/new.py", "X = 1\n")
    for path in repo.root.rglob("src/*"):
        path.chmod(mode)
    assert helper.verdict("cheaper") == ("keep", None)
    listed = helper.repo("ls-tree", "-r", "HEAD", "src").splitlines()
    assert [line.split()[0] for line in listed] == ["100644", "100755", "100644"]
    assert helper.repo("status", "--porcelain") == ""
    set_cost(helper.repo, 99)
    assert helper.verdict("worse") == ("discard", "worse")
    assert helper.json("doctor")["ok"]


def test_commits_of_people_are_taken_in(tmp_path):
    """A commit made by hand that ends the session, or passes for an experiment."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 90)
    assert helper.verdict("cheaper")[0] == "keep"
    set_cost(helper.repo, 80)
    helper.repo.commit("by hand")
    helper.repo.write("bench2.py", "X = 1\n")
    helper.repo.commit("a second one")
    told = helper.json("try", "-m", "x", code=1)["error"]
    assert (told["code"], "amend --commits" in told["hint"]) == ("branch_moved", True)
    helper.repo.write("src/new.py", "edited meanwhile\n")
    helper.repo("add", "src/new.py")
    set_cost(helper.repo, 70)
    assert helper.error("amend", "--commits") == "tree_edited"
    helper.repo("rm", "-qf", "src/new.py")
    set_cost(helper.repo, 80)
    answer = helper.json("amend", "--commits", "--yes")
    assert (answer["paths"], answer["epoch"]) == (["bench2.py", "src/work.py"], 1)
    assert helper.log()[-1]["values"] == [80.0]
    set_cost(helper.repo, 70)
    assert helper.verdict("cheaper still")[0] == "keep"
    assert helper.json("doctor")["ok"]
    assert helper.error("amend", "--commits") == "no_commits"


def test_the_former_cache_holds_data_of_others(tmp_path):
    """karpathy/autoresearch keeps its data in ~/.cache/autoresearch: masked, it trains on none."""
    environ = {"HOME": str(tmp_path)}
    new = places_for(environ, tmp_path / "r", tmp_path / "r/.git", "s")
    assert new.roots[1] == tmp_path / ".cache/autoresearch-bench"
    former = tmp_path / ".cache/autoresearch" / new.cache.parent.name / "s"
    former.mkdir(parents=True)
    old = places_for(environ, tmp_path / "r", tmp_path / "r/.git", "s")
    assert (old.cache, old.roots[1]) == (former, former.parent)  # found, and `data` is not masked


def test_end_of_a_session_without_keeps(tmp_path):
    """A merge that would add the contract alone; a validation of nothing."""
    helper = open_session(tmp_path)
    said = helper("stop").out
    assert "nothing was kept" in said
    assert "git merge" not in said
    assert "validate" not in helper("brief").out.splitlines()[-1]


def test_several_changes_are_merged(tmp_path):
    """Near misses that can only be combined by hand, or whose marks are measured."""
    helper = open_session(tmp_path, prepare=rows)
    path = helper.root / "src/work.py"
    base = path.read_text()
    for old, new in (
        ("ROW_2 = 2", "ROW_2 = 3"),
        ("ROW_9 = 9", "ROW_9 = 8"),
        ("ROW_2 = 2", "ROW_2 = 7"),
    ):
        path.write_text(base.replace(old, new))
        assert helper.verdict(new) == ("discard", "worse")
    answer = helper.json("apply", "1", "2")
    assert (answer["paths"], answer["conflicts"]) == (["src/work.py"], [])
    assert path.read_text() == base.replace("ROW_2 = 2", "ROW_2 = 3").replace(
        "ROW_9 = 9", "ROW_9 = 8"
    )
    helper("drop")
    assert helper.json("apply", "1", "3")["conflicts"] == ["src/work.py"]
    assert ">>>>>>> experiment 3" in path.read_text()
    assert helper.error("try", "-m", "both") == "conflict_marks"
    assert helper.json("doctor")["ok"]


def rows(repo):
    """A file in which lines far apart can be edited."""
    path = repo.root / "src/work.py"
    path.write_text(path.read_text() + "".join(f"ROW_{n} = {n}\n" for n in range(12)))


def test_a_dry_run_tells_no_number(tmp_path):
    """Agents that run the training by hand before each `try`, and steer by what they see."""
    helper = open_session(tmp_path)
    before = len(helper.log())
    set_cost(helper.repo, 73)
    said = helper("try", "--dry").out
    assert "verify passes" in said
    assert "guard: passed" in said
    assert "limit size: held" in said
    assert "73" not in said
    set_cost(helper.repo, 73, size=2000)
    assert "limit size: NOT held" in helper("try", "--dry").out
    set_cost(helper.repo, 73, answer=41)
    assert helper.json("try", "--dry")["guard"] == "failed"
    helper.repo.write("src/work.py", "syntax error here\n")
    answer = helper.json("try", "--dry")
    assert (answer["verify"], answer["passes"]) == (False, False)
    helper.repo.write("bench.py", "print('METRIC cost=1')\n")
    assert helper.error("try", "--dry") == "refused_outside"
    assert len(helper.log()) == before
    assert (helper.root / "src/work.py").read_text() == "syntax error here\n"
    helper("try", code=2)  # without --dry a message is needed


def test_commits_are_signed_where_that_asks_nothing(tmp_path, monkeypatch):
    """Unsigned commits without a word; or a passphrase that is asked for at night."""
    config = tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    for name, phrase in (("open", ""), ("closed", "secret")):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-f", str(tmp_path / name)],
            check=True,
        )
    helper = Helper(make_project(tmp_path / "r"))
    for key in ("open", "closed"):
        config.write_text(
            f"[gpg]\nformat = ssh\n[user]\nsigningkey = {tmp_path / key}.pub\n"
            "[commit]\ngpgsign = true\n"
        )
        helper.repo("switch", "-q", "main")
        said = helper("init", str(write_draft(tmp_path, session=key))).out
        set_cost(helper.repo, 90)
        assert helper.verdict("cheaper") == ("keep", None)
        for commit in ("HEAD", "HEAD~1"):
            signed = "\ngpgsig" in helper.repo("cat-file", "commit", commit)
            assert signed is (key == "open")
        assert ("are not signed" in said) is (key == "closed")


@pytest.mark.parametrize("where", ["", "hooks-of-mine"])
def test_hooks_that_do_not_run_are_named(tmp_path, where):
    """A sign-off that a hook asks for, missing in every kept commit."""
    repo = make_project(tmp_path / "r")
    folder = repo.root / (where or ".git/hooks")
    folder.mkdir(exist_ok=True)
    (folder / "commit-msg").write_text("#!/bin/sh\nexit 1\n")
    (folder / "commit-msg").chmod(0o755)
    if where:
        repo("config", "core.hooksPath", where)
        repo.write(".git/info/exclude", f"/{where}\n")
    assert (
        "your hooks (commit-msg) do not run" in Helper(repo)("init", str(write_draft(tmp_path))).out
    )
