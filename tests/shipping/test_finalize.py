"""`finalize`: branches that pass, that add up, and that touch nothing of the user's."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from support.night import four_keeps, open_night
from support.session import COMMAND


def refs(night):
    return night.repo("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")


def test_stacks_pass_add_up_and_move_nothing(tmp_path):
    """Branches of the wrong commits, a stack collapsed, a branch moved, a text without its gain."""
    night = open_night(tmp_path, four_keeps)
    helper, before = night.helper, refs(night)
    assert helper.error("finalize") == "not_validated"
    assert refs(night) == before
    helper("validate")
    answer = helper.json("finalize", "--contract")
    stacks = answer["stacks"]
    known = {branch["name"]: branch for branch in answer["branches"]}
    held = [[known[name]["experiments"] for name in stack] for stack in stacks]
    assert held == [[[]], [[1], [4]], [[2]], [[3]]]  # the contract, then the keeps
    after = refs(night)
    assert [line for line in after.splitlines() if "ship/" not in line] == before.splitlines()
    session = night.repo("rev-parse", "autoresearch/night^{tree}")
    assert answer["whole"]
    assert answer["together"] == session
    assert night.together([stack[-1] for stack in stacks]) == session
    for name, branch in known.items():
        assert night.repo("rev-parse", name) == branch["commit"]
        assert night.repo("rev-parse", f"{name}~1") == branch["base"]
        text = (tmp_path / branch["body"]).read_text("utf-8")
        message = night.repo("log", "-1", "--format=%B", name)
        assert "NOT VALIDATED" not in text + message
        for number in branch["experiments"]:
            assert f"Autoresearch-Experiment: {number}" in message
            assert f"Experiment {number} of 4" in message
            assert "cost: -0.36% against its own base" in message
            assert "cost -0.36% (lower is better): proven" in text
        assert all(f"## {part}" in text for part in ("Gain", "Risks", "Complexity added"))
    assert f"gh stack init {' '.join(stacks[1])}" in answer["commands"]
    again = helper.json("finalize", "--no-race")
    assert [stack[0][:16] for stack in again["stacks"]] == ["ship/night-2/01-"] + [
        f"ship/night-2/0{n}-" for n in (3, 4)
    ]
    assert helper.json("doctor")["ok"]


def test_guard_joins_what_text_does_not(tmp_path):
    """Two commits of different files taken for independent, of which one needs the other."""
    night = open_night(tmp_path)
    needed = (
        ("NEEDED = False", "NEEDED = True"),
        ("# part 3\n    return 100", "# part 3\n    return 90"),
    )
    night.keep("what is needed", {"src/one.py": needed})
    fast = (
        ("FAST = False", "FAST = True"),
        ("# part 9\n    return 100", "# part 9\n    return 90"),
    )
    night.cheaper("one", 11)
    night.keep("what needs it", {"src/two.py": fast})
    night.helper("undo", "2")
    answer = night.helper.json("finalize", "--unvalidated", "--no-race")
    known = {branch["name"]: branch for branch in answer["branches"]}
    assert [[known[n]["experiments"] for n in stack] for stack in answer["stacks"]] == [[[1], [3]]]
    assert not answer["validated"]
    for name, branch in known.items():
        assert "NOT VALIDATED" in night.repo("log", "-1", "--format=%B", name)
        assert "NOT VALIDATED" in (tmp_path / branch["body"]).read_text("utf-8")
    assert night.helper.error("finalize", "--unvalidated", "--without", "1") == "branch_failed"
    assert night.helper.error("finalize", "--unvalidated", "--without", "2") == "not_kept"


@pytest.mark.long
def test_without_squash_one_and_reviewed(tmp_path):
    """A keep that comes along although it was left out, or one missing that was asked for."""
    night = open_night(tmp_path, four_keeps)
    helper = night.helper
    assert helper.error("finalize", "--unvalidated", "--without", "1") == "conflict"
    few = helper.json("finalize", "--unvalidated", "--no-race", "--without", "4", "--without", "3")
    assert [b["experiments"] for b in few["branches"]] == [[1], [2]]
    assert not few["whole"]
    squashed = helper.json("finalize", "--unvalidated", "--no-race", "--squash")
    assert [b["experiments"] for b in squashed["branches"]] == [[1, 4], [2], [3]]
    one = helper.json("finalize", "--unvalidated", "--no-race", "--one")
    assert [len(stack) for stack in one["stacks"]] == [4]
    single = helper.json("finalize", "--unvalidated", "--no-race", "--one", "--squash")
    assert [b["experiments"] for b in single["branches"]] == [[1, 2, 3, 4]]
    assert single["whole"]
    assert helper.error("finalize", "--unvalidated", "--reviewed") == "nothing_left"
    helper("review", "--accept", "3", "--by", "Ada")
    helper("review", "--reject", "2", "--by", "Ada", "-m", "too clever")
    assert helper.error("review", "--accept", "3") == "no_name"
    assert helper.error("review", "--accept", "9", "--by", "Ada") == "no_experiment"
    reviewed = helper.json("finalize", "--unvalidated", "--no-race", "--reviewed")
    assert [b["experiments"] for b in reviewed["branches"]] == [[3]]
    rejected = helper.json("finalize", "--unvalidated", "--no-race")
    assert rejected["left_out"] == [2]
    state = helper.json("review")
    assert (state["accepted"], state["rejected"], state["open"]) == ([3], [2], [1, 4])


@pytest.mark.long
def test_onto_a_base_that_moved(tmp_path):
    """Branches that stand on the old base, or a collision that changes something."""
    night = open_night(tmp_path, four_keeps)
    repo, helper = night.repo, night.helper
    repo("checkout", "-q", "main")
    text = (repo.root / "src/two.py").read_text("utf-8")
    repo.write("src/two.py", text.replace("# part 0\n", "# part 0, in other words\n"))
    moved = repo.commit("main moved")
    repo("checkout", "-q", "autoresearch/night")
    assert "main has moved on by 1 commit" in helper("finalize", "--unvalidated", "--no-race").out
    answer = helper.json("finalize", "--unvalidated", "--onto", "main")
    assert all(branch["effect"] is not None for branch in answer["branches"])
    for stack in answer["stacks"]:
        assert repo("rev-parse", f"{stack[0]}~1") == moved
        assert "in other words" in repo("show", f"{stack[-1]}:src/two.py")
    repo("checkout", "-q", "main")
    repo.write("src/two.py", text.replace("# part 5\n    return 100", "# part 5\n    return 99"))
    repo.commit("main edits the same line")
    repo("checkout", "-q", "autoresearch/night")
    before = refs(night)
    assert helper.error("finalize", "--unvalidated", "--onto", "main") == "conflict"
    assert helper.error("finalize", "--unvalidated", "--onto", "nowhere") == "no_revision"
    repo("checkout", "-q", "--orphan", "other")
    repo("commit", "-qm", "no history in common")
    repo("checkout", "-q", "autoresearch/night")
    assert helper.error("finalize", "--unvalidated", "--onto", "other") == "not_related"
    assert refs(night).replace(repo("rev-parse", "other"), "") != ""
    assert set(before.splitlines()) <= set(refs(night).splitlines())
    assert helper("finalize", "--onto", "main", "--no-race", code=2).out == ""


def test_bad_input_is_answered_and_changes_nothing(tmp_path):
    """An empty session, commits and merges by hand, an edited tree: a traceback, or a loss."""
    night = open_night(tmp_path)
    repo, helper = night.repo, night.helper
    assert helper.error("finalize") == "nothing_kept"
    assert "nothing is kept" in helper("review").out
    night.cheaper("one", 2)
    repo.write("src/one.py", (repo.root / "src/one.py").read_text("utf-8") + "# mine\n")
    done = helper("finalize", "--unvalidated", "--no-race")
    assert "edits in the working tree are in no branch: src/one.py" in done.out
    assert (repo.root / "src/one.py").read_text("utf-8").endswith("# mine\n")
    helper("drop")
    repo("checkout", "-q", "-b", "aside", night.base)
    repo.write("notes.txt", "by hand\n")
    repo.commit("by hand")
    repo("checkout", "-q", "autoresearch/night")
    repo("merge", "-q", "--no-edit", "aside")
    before = refs(night)
    found = helper.json("finalize", "--unvalidated", code=1)["error"]
    assert (found["code"], "1 of them merges" in found["message"]) == ("branch_moved", True)
    assert refs(night) == before


@pytest.mark.long
def test_renamed_binary_linked_and_deleted_files(tmp_path):
    """A file that is lost, or becomes another kind, on its way into a branch."""
    night = open_night(tmp_path)
    repo = night.repo
    repo.write("src/table.bin", bytes(range(256)) * 4)
    night.cheaper("one", 1)
    repo("mv", "src/two.py", "src/zwei.py")
    repo("reset", "-q")
    repo.write("src/two.py", "from zwei import *\nfrom zwei import cost\n")
    (repo.root / "src/link.py").symlink_to("zwei.py")
    text = (repo.root / "src/zwei.py").read_text("utf-8")
    repo.write("src/zwei.py", text.replace("# part 4\n    return 100", "# part 4\n    return 90"))
    assert night.helper.verdict("renamed") == ("keep", None)
    repo.write("src/table.bin", bytes(range(255, -1, -1)) * 4)
    night.cheaper("one", 6)
    answer = night.helper.json("finalize", "--unvalidated", "--no-race", "--contract")
    session = repo("rev-parse", "autoresearch/night^{tree}")
    assert answer["together"] == session
    assert night.together([stack[-1] for stack in answer["stacks"]]) == session
    assert repo("ls-tree", answer["stacks"][2][0], "src/link.py").startswith("120000")


@pytest.mark.parametrize("calls", [(6, 30), pytest.param(range(1, 80, 2), marks=pytest.mark.long)])
def test_kill_at_any_git_call_leaves_refs_as_they_were(tmp_path, calls):
    """A branch of a finalize that never came to its end, or one that cannot be repeated."""
    night = open_night(tmp_path, four_keeps)
    before = refs(night)
    real = subprocess.run(
        ["sh", "-c", "command -v git"], capture_output=True, text=True, check=True
    )
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    count = tmp_path / "count"
    shim = bin_ / "git"
    shim.write_text(
        "#!/bin/sh\n"
        f"n=$(cat {count}); n=$((n-1)); echo $n > {count}\n"
        f'[ $n -eq 0 ] && kill -9 $PPID && exit 137\nexec {real.stdout.strip()} "$@"\n'
    )
    shim.chmod(0o755)
    killed = 0
    for at in calls:
        count.write_text(f"{at}\n")
        done = subprocess.run(
            [*COMMAND, "finalize", "--unvalidated", "--no-race"],
            cwd=night.repo.root,
            env={**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}"},
            capture_output=True,
            check=False,
        )
        if done.returncode == -signal.SIGKILL:
            killed += 1
            assert refs(night) == before, at
    assert killed >= 2
    answer = night.helper.json("finalize", "--unvalidated", "--no-race")
    assert len(answer["branches"]) == 4
    assert night.helper.json("doctor")["ok"]


def test_probe_tells_what_only_the_benchmark_reaches(tmp_path):
    """Code that no test reaches left unsaid, or code that the guard watches blamed."""
    night = open_night(tmp_path)
    night.cheaper("one", 2)
    spare = "\n\ndef spare():\n    # not called\n    return 7\n"
    path = night.repo.root / "src/two.py"
    path.write_text(path.read_text("utf-8") + spare)
    night.cheaper("two", 13)
    found = night.helper.json("review", "--probe")["concerns"]
    told = [(one["cause"], one["experiment"], one["what"].partition(", ")[2]) for one in found]
    assert ("only_benchmark", 1, "part_02() returns None: the guard passes") in told
    assert ("untested", 2, "spare() returns None") in told
    assert night.helper.json("review")["concerns"] == found
    assert night.helper.json("doctor")["ok"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_five_keeps_over_shared_files(tmp_path):
    """Stacks that do not pass, or do not add up, once a session is as long as a real one."""
    night = open_night(tmp_path)
    for part in range(11):
        night.cheaper("one", part)
        night.cheaper("two", part)
    night.cheaper("one", 3, 80, before=90)
    needed = (
        ("NEEDED = False", "NEEDED = True"),
        ("# part 12\n    return 100", "# part 12\n    return 9"),
    )
    night.keep("what is needed", {"src/one.py": needed})
    fast = (
        ("FAST = False", "FAST = True"),
        ("# part 12\n    return 100", "# part 12\n    return 9"),
    )
    night.keep("what needs it", {"src/two.py": fast})
    answer = night.helper.json("finalize", "--unvalidated", "--contract")
    known = {branch["name"]: branch["experiments"] for branch in answer["branches"]}
    held = [[known[name] for name in stack] for stack in answer["stacks"]]
    assert [[7], [23]] in held
    assert [[24], [25]] in held
    assert sum(len(stack) for stack in held) == 26
    session = night.repo("rev-parse", "autoresearch/night^{tree}")
    assert answer["together"] == session
    assert night.together([stack[-1] for stack in answer["stacks"]]) == session
    for stack in answer["stacks"]:
        for name in stack:
            night.repo("checkout", "-q", "--detach", name)
            subprocess.run(["python3", "check.py"], cwd=night.repo.root, check=True)
    night.repo("checkout", "-q", "autoresearch/night")
