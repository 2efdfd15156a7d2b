"""`try` on a real repository: every verdict, and what it leaves behind."""

from __future__ import annotations

import sys
from pathlib import Path

from support.project import WORK, make_project, set_cost
from support.session import UNCONFINED, open_session


def test_keep_moves_the_branch_and_says_why_in_the_commit(tmp_path):
    """A keep that commits more than the change, loses its evidence or leaves the tree dirty."""
    helper = open_session(tmp_path)
    start = helper.repo("rev-parse", "HEAD")
    set_cost(helper.repo, 90)
    done = helper("try", "-m", "half the work", "--hypothesis", "fewer steps")
    assert done.out.splitlines()[0] == "experiment 1: keep  -10.0%"
    assert done.err == ""
    assert helper.repo("rev-parse", "HEAD~1") == start
    assert helper.repo("symbolic-ref", "HEAD") == "refs/heads/autoresearch/cheaper"
    assert helper.repo("status", "--porcelain") == ""
    assert helper.repo("diff", "--name-only", "HEAD~1", "HEAD") == "src/work.py"
    assert helper.repo("log", "-1", "--format=%B").splitlines() == [
        "half the work",
        "",
        "Hypothesis: fewer steps",
        "",
        "Autoresearch-Session: cheaper",
        "Autoresearch-Experiment: 1",
        "Autoresearch-Effect: -10.0%",
    ]
    record = helper.log()[-1]
    assert record["commit"] == helper.repo("rev-parse", "refs/autoresearch/cheaper/exp/0001")
    assert record["commit"] == helper.repo("rev-parse", "HEAD")
    race = record["race"]
    assert (race["order"], race["values"]) == ("bba", [90.0, 90.0, 100.0])
    assert len(race["seeds"]) == 1


def test_discard_puts_the_tree_back_and_keeps_the_idea(tmp_path):
    """A discarded candidate that stays in the tree, or that cannot be shown any more."""
    helper = open_session(tmp_path)
    before = helper.repo.state()
    head = helper.repo("rev-parse", "HEAD")
    for number, (cost, words) in enumerate(
        [(110, "exactly 10 % worse"), ("50 + 50", "exactly equal")], start=1
    ):
        set_cost(helper.repo, cost)
        helper.repo.write("src/new.py", f"X = {number}\n")
        record = helper.attempt()
        assert (record["verdict"], record["reason"], record["detail"]) == (
            "discard",
            "worse",
            words,
        )
        after = helper.repo.state()
        assert {p: c for p, c in after.items() if not p.startswith("autoresearch.")} == {
            p: c for p, c in before.items() if not p.startswith("autoresearch.")
        }
    assert helper.repo("rev-parse", "HEAD") == head
    assert helper.repo("status", "--porcelain") == ""
    assert "+    return 110" in helper("show", "1").out


def test_failed_guard_is_reworked_at_most_twice(tmp_path):
    """A rework without end, one that keeps a failing guard, or one that mends the guard itself."""
    helper = open_session(tmp_path)
    assert helper.error("try", "--rework", "-m", "nothing to mend") == "no_rework"
    set_cost(helper.repo, 90, answer=1)
    answer = helper.json("try", "-m", "breaks the answer")
    assert answer["verdict"] == "rework"
    assert "AssertionError: 1" in Path(answer["output"]).read_text()
    assert "return 90" in (helper.root / "src/work.py").read_text()
    assert helper.error("try", "-m", "the same as a new one", code=1) == "refused_duplicate"
    helper.repo.write("check.py", "")
    refused = helper.json("try", "--rework", "-m", "mend the guard", code=1)
    assert refused["record"]["paths"] == ["check.py"]
    helper.repo("checkout", "check.py")
    set_cost(helper.repo, 90, answer=2)
    first = helper.attempt("mended", "--rework")
    assert (first["verdict"], first["attempt"], first["related"]) == ("rework", 1, 1)
    set_cost(helper.repo, 90, answer=3)
    second = helper.attempt("mended again", "--rework")
    assert (second["verdict"], second["reason"], second["attempt"]) == ("discard", "guard", 2)
    assert (helper.root / "src/work.py").read_text() == WORK
    assert helper.error("try", "--rework", "-m", "a third time") == "no_rework"


def test_mended_rework_is_kept_as_one_commit(tmp_path):
    """A rework that leaves its first attempt on the branch, or among what nobody should try."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 90, answer=1)
    assert helper.verdict("fast but wrong") == ("rework", "guard")
    set_cost(helper.repo, 90)
    assert helper.verdict("fast and right", "--rework") == ("keep", None)
    assert helper.branch_log()[0] == "fast and right"
    assert len(helper.branch_log()) == 2
    assert (
        "fast but wrong" not in helper("brief").out.partition("not kept")[2].partition("touched")[0]
    )


CRASHES = {
    "raise SystemExit(3)\n": ("verify", "failed with exit code 3"),
    "import os\nos._exit(0)\n": ("metric", "neither a METRIC line nor a single number"),
    "def cost(): return float('nan')\n": ("metric", "nan"),
    "import time\ntime.sleep(60)\n": ("timeout", "was ended after"),
    "raise ValueError('\\x1b[31mloud\\x00')\n": ("verify", "failed with exit code 1"),
}


def test_crash_is_a_verdict_of_its_own(tmp_path):
    """A crash that counts as a number, keeps the edit, or shows raw control characters."""
    helper = open_session(tmp_path, extra="timeout: 1s\n")
    for number, (extra, (reason, words)) in enumerate(CRASHES.items(), start=1):
        set_cost(helper.repo, 50, extra=extra)
        done = helper("try", "-m", "crashes")
        assert done.out.startswith(f"experiment {number}: crash ({reason})\n")
        assert words in done.out
        assert "\x1b" not in done.out
        assert "\x00" not in done.out
        assert f"autoresearch apply {number}" in done.out
        assert (helper.root / "src/work.py").read_text() == WORK
    records = [line for line in helper.log() if line["kind"] == "experiment"]
    assert {(r["verdict"], r["race"], r["effect"]) for r in records} == {("crash", None, None)}


def test_build_that_fails_is_a_crash(tmp_path):
    """A candidate that does not build must not be measured with the incumbent's build."""
    command = "grep -q 'return 42' src/work.py && touch built"
    helper = open_session(tmp_path, extra=f"build: {command}\n")
    set_cost(helper.repo, 50, answer=1)
    assert helper.verdict() == ("crash", "build")
    set_cost(helper.repo, 50)
    assert helper.verdict() == ("keep", None)


def test_touching_what_is_protected_is_a_violation(tmp_path):
    """A candidate that rewrites the evaluator or git's set-up while it runs and is kept for it."""
    helper = open_session(tmp_path, extra=UNCONFINED)
    helper.repo.write("notes.txt", "mine\n")
    git = helper.root / ".git"
    (git / "hooks").mkdir(exist_ok=True)
    before = {p: p.read_bytes() for p in (git / "config", git / "info" / "exclude")}
    for number, (target, named) in enumerate(
        (
            ("bench.py", "bench.py"),
            (git / "config", ".git/config"),
            (None, ""),  # a third violation in a row would end the run
            (git / "hooks" / "pre-commit", ".git/hooks/pre-commit"),
            (git / "info" / "exclude", ".git/info/exclude"),
        ),
        start=1,
    ):
        if target is None:
            set_cost(helper.repo, 110)
            assert helper.verdict("honest") == ("discard", "worse")
            continue
        set_cost(helper.repo, 50, extra=f"open({str(target)!r}, 'a').write('# touched\\n')\n")
        record = helper.attempt("cheats")
        assert (record["verdict"], record["reason"]) == ("violation", "touched")
        assert record["touched"] == [named]
        assert (helper.root / "src/work.py").read_text() == WORK
        assert {p: p.read_bytes() for p in before} == before
        assert not (git / "hooks" / "pre-commit").exists()
        if named.startswith(".git"):
            (kept,) = (helper.state / "set-aside" / f"git-{number:04d}").iterdir()
            assert b"# touched" in kept.read_bytes()
    assert len(helper.branch_log()) == 1
    assert (helper.root / "notes.txt").read_text() == "mine\n"


def test_writing_to_the_users_tree_is_a_violation(tmp_path):
    """A candidate that edits the guard in the working tree by its absolute path."""
    helper = open_session(tmp_path, extra=UNCONFINED)
    target = helper.root / "check.py"
    set_cost(helper.repo, 50, extra=f"open({str(target)!r}, 'a').write('# touched\\n')\n")
    record = helper.attempt("cheats")
    assert (record["verdict"], record["touched"]) == ("violation", ["check.py"])
    # It may be a human's edit: left and named, and the way out is there.
    assert helper.json("try", "-m", "x", code=1)["record"]["paths"] == ["check.py"]
    helper("drop", "--outside")
    assert "# touched" not in target.read_text()


def test_slowing_the_incumbent_down_is_a_violation(tmp_path):
    """A candidate that makes its rival's checkout dearer instead of itself cheaper."""
    helper = open_session(tmp_path, extra=UNCONFINED + 'build: "true"\n')
    spoil = """
import pathlib
for slot in ("a", "b"):
    rival = pathlib.Path("../slots", slot, "src", "work.py")
    if rival.exists() and "SPOIL" not in rival.read_text():
        rival.write_text(rival.read_text().replace("return 100", "return 900"))
"""
    set_cost(helper.repo, 99, extra=f"# SPOIL{spoil}")
    record = helper.attempt("cheats")
    assert (record["verdict"], record["reason"]) == ("violation", "touched")
    assert [path[-11:] for path in record["touched"]] == ["src/work.py"]
    set_cost(helper.repo, 90)
    assert helper.verdict("honest") == ("keep", None)


def test_refused_candidates_cost_nothing_and_five_end_the_run(tmp_path):
    """A refusal that takes a number, touches the tree, or lets a blind agent go on for ever."""
    helper = open_session(tmp_path)
    helper("run", "9")
    answer = helper.json("try", "-m", "nothing", code=1)
    assert (answer["verdict"], answer["record"]["reason"]) == ("refused", "unchanged")
    helper.repo.write("bench.py", "print('METRIC cost=1')\n")
    set_cost(helper.repo, 90)
    for _ in range(4):
        answer = helper.json("try", "-m", "cheat", code=1)
        assert (answer["record"]["reason"], answer["record"]["paths"]) == ("outside", ["bench.py"])
    assert "DONE" in answer["next"]
    assert (helper.root / "bench.py").read_text() == "print('METRIC cost=1')\n"
    assert helper.error("try", "-m", "once more") == "done_refusals"
    assert helper.json("run")["done"] is True
    assert helper.json("status")["experiments"] == 0
    helper("drop", "--outside")
    helper("run", "3")
    assert helper.verdict("honest") == ("keep", None)


def test_comments_alone_are_not_raced(tmp_path):
    """A race that takes a minute to find that a comment changes nothing."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 100, extra="# so much to say\n")
    done = helper("try", "-m", "explained", code=1)
    assert done.out.startswith("refused (same program): only comments or white space have changed")
    record = helper.json("try", "-m", "explained", code=1)["record"]
    assert (record["reason"], record["paths"]) == ("same_program", ["src/work.py"])
    assert helper.json("status")["experiments"] == 0
    assert helper.verdict("all the same", "--again") == ("discard", "worse")
    set_cost(helper.repo, 90, extra="# so much to say\n")
    assert helper.verdict() == ("keep", None)


def test_duplicates_point_to_the_earlier_experiment(tmp_path):
    """The same tree, or the same change on another incumbent, measured twice at full alpha."""
    helper = open_session(tmp_path)
    helper.repo.write("src/other.py", "A = 1\n" * 30)
    set_cost(helper.repo, 99)
    assert helper.verdict("a base with two files") == ("keep", None)
    helper.repo.write("src/other.py", "A = 1\n" * 30 + "B = 2\n")
    assert helper.verdict("useless") == ("discard", "worse")
    helper.repo.write("src/other.py", "A = 1\n" * 30 + "B = 2\n")
    refused = helper.json("try", "-m", "again by mistake", code=1)["record"]
    assert (refused["reason"], refused["related"]) == ("duplicate", 2)
    assert helper("drop").code == 0
    set_cost(helper.repo, 90)
    assert helper.verdict("another incumbent") == ("keep", None)
    helper.repo.write("src/other.py", "A = 1\n" * 30 + "B = 2\n")
    refused = helper.json("try", "-m", "same change, new tree", code=1)["record"]
    assert (refused["reason"], refused["related"]) == ("duplicate", 2)
    again = helper.attempt("on purpose", "--again")
    assert (again["verdict"], again["retest"], again["related"]) == ("discard", 1, 2)
    assert again["race"]["alpha"] == 0.01


def test_near_duplicate_is_raced_and_named(tmp_path):
    """An idea that comes back with one line more, without anybody noticing."""
    helper = open_session(tmp_path)
    lines = "".join(f"VALUE_{number} = 'something long {number}'\n" for number in range(20))
    set_cost(helper.repo, 100, extra=lines)
    assert helper.verdict("a table") == ("discard", "worse")
    set_cost(helper.repo, 100, extra=lines + "EXTRA_LINE = 1\n")
    done = helper("try", "-m", "the table again")
    assert "near duplicate: 95% of its lines were in experiment 1" in done.out
    assert helper.log()[-1]["related"] == 1


def test_simplify_keeps_smaller_code_within_the_loss_allowed(tmp_path):
    """Simplifications that each lose a little and together more than the contract allows."""
    helper = open_session(tmp_path, extra="simplify_loss: 2%\n")
    set_cost(helper.repo, 100, extra="MORE = 1\n")
    assert helper.error("try", "--simplify", "-m", "adds a line") == "not_simpler"
    path = helper.root / "src/work.py"
    for cost, verdict in ((101, "keep"), (101.9, "keep"), (103, "discard")):
        lines = helper.repo("show", "HEAD:src/work.py").splitlines()
        lines = [f"    return {cost}" if "return 10" in line else line for line in lines]
        blank = lines.index("")
        path.write_text("\n".join(lines[:blank] + lines[blank + 1 :]) + "\n")
        record = helper.attempt(f"to {cost}", "--simplify")
        assert record["verdict"] == verdict, (cost, record["detail"])
    assert helper.log()[-1]["race"]["carried"] > 0.018
    assert helper.json("doctor")["ok"]


def test_limit_counts_losses_since_the_baseline(tmp_path):
    """Small losses of a secondary metric that add up beyond its limit, keep by keep."""
    helper = open_session(tmp_path)
    for cost, size, expected in (
        (90, 1030, ("keep", None)),
        (80, 1060, ("discard", "limits")),
        (80, 1045, ("keep", None)),
    ):
        set_cost(helper.repo, cost, size=size)
        record = helper.attempt(f"size {size}")
        assert (record["verdict"], record["reason"]) == expected, record["detail"]
    assert [limit["held"] for limit in record["limits"]] == [True]
    assert 0.044 < record["limits"][0]["worst"] < 0.046
    set_cost(helper.repo, 70, size=1200)
    said = helper("try", "-m", "too big").out
    assert "limit size: NOT held; loss +14.8%, since the baseline +20.0%" in said


def test_same_must_print_what_the_baseline_printed(tmp_path):
    """A faster program whose output differs where no test looks."""
    code = "import sys; sys.path.insert(0, 'src'); import work; print(work.answer(), work.TABLE)"
    command = f'{sys.executable} -c "{code}"'
    repo = make_project(tmp_path / "r")
    repo.write("src/work.py", WORK + "TABLE = 7\n")
    repo.commit("table")
    helper = open_session(tmp_path, extra=f"same: >-\n  {command}\n", repo=repo)
    set_cost(helper.repo, 90, extra="TABLE = 8\n")
    record = helper.attempt("another table")
    assert (record["verdict"], record["reason"]) == ("discard", "same")
    set_cost(helper.repo, 90, extra="TABLE = 7\n")
    record = helper.attempt("the same table")
    assert (record["verdict"], record["same"]["exit_code"]) == ("keep", 0)


def test_incumbent_that_fails_is_no_verdict_on_the_candidate(tmp_path):
    """A machine that lost what verify needs must not turn every idea into a crash."""
    needed = tmp_path / "needed"
    needed.touch()
    helper = open_session(
        tmp_path,
        replace={
            "verify: ": f"verify: test -e {needed} && ",
            "guard: ": f"guard: test ! -e {needed}.x && ",
        },
    )
    set_cost(helper.repo, 90)
    edited = helper.repo.state()
    needed.unlink()
    assert helper.error("try", "-m", "fine", code=5) == "benchmark_broken"
    needed.touch()
    needed.with_suffix(".x").touch()
    assert helper.error("try", "-m", "fine", code=5) == "guard_broken"
    needed.with_suffix(".x").unlink()
    assert helper.repo.state() == edited
    assert [line["kind"] for line in helper.log()] == ["opened", "epoch"]
    assert helper.verdict("fine") == ("keep", None)
    assert helper.json("doctor")["ok"]


def test_budget_and_target_end_the_session(tmp_path):
    """A loop that goes on after its budget is spent or its target is met."""
    helper = open_session(
        tmp_path,
        replace={"budget: {experiments: 50}": "budget: {experiments: 2}"},
    )
    set_cost(helper.repo, 110)
    assert "1 experiment left" in helper("try", "-m", "one").out
    set_cost(helper.repo, 120)
    assert "DONE, all 2 experiments" in helper.json("try", "-m", "two")["next"]
    set_cost(helper.repo, 90)
    assert helper.error("try", "-m", "three") == "done_experiments"
    assert helper.json("run", "5")["done"] is True
    assert "return 90" in (helper.root / "src/work.py").read_text()


def test_target_met_says_done(tmp_path):
    """The target that is reached and not noticed."""
    helper = open_session(
        tmp_path, replace={"direction: lower}\nverify": "direction: lower, target: 90}\nverify"}
    )
    set_cost(helper.repo, 90)
    assert "target met: 90, asked for 90" in helper.json("try", "-m", "there")["next"]
    set_cost(helper.repo, 80)
    assert helper.error("try", "-m", "beyond") == "done_target"
