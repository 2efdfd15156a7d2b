"""Gains that look too good: measured again, flagged, and listed first; honest ones are not."""

from __future__ import annotations

from support.project import BENCH, make_project, set_cost
from support.session import UNCONFINED, open_session


def test_large_gain_is_measured_again_and_flagged(tmp_path):
    """A gain far beyond anything seen that is kept like any other, or refused for its size."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 95)
    record = helper.attempt("small and honest")
    assert (record["verdict"], record["flags"], record["suspicions"]) == ("keep", [], [])
    set_cost(helper.repo, 20)
    done = helper("try", "-m", "another algorithm")
    assert done.out.startswith("experiment 2: keep (suspicious)  -78.9%\n")
    assert "suspicious: the metric changed by a factor of 3 or more in one step" in done.out
    assert "next: tell the human" in done.out
    record = helper.log()[-1]
    assert record["detail"].endswith("measured again, it holds")
    assert record["first_race"]["seeds"] != record["race"]["seeds"]
    assert "Autoresearch-Flags: suspicious" in helper.repo("log", "-1", "--format=%B")
    assert helper("status").out.splitlines()[1:3] == [
        "REVIEW FIRST: 1 suspicious keep",
        "     2  -78.9% (suspicious): the metric changed by a factor of 3 or more in one step",
    ]
    assert helper.json("status")["suspicious"] == [2]
    assert "suspicious keeps, for the human to review first: 2" in helper("brief").out
    assert "## Review first" in (helper.root / "autoresearch.md").read_text()
    assert helper.json("doctor")["ok"]


ONCE = """
import os
def cost():
    # Cheap in the first race alone: for as many runs as that takes.
    with open({counter!r}, "a") as file:
        file.write(".")
    return 10 if os.stat({counter!r}).st_size <= 2 else 130
"""


def test_what_does_not_hold_is_discarded(tmp_path):
    """A gain that was luck, or carried over from one run to the next, and vanishes at once."""
    counter = str(tmp_path / "counter")
    helper = open_session(tmp_path, extra=UNCONFINED)
    set_cost(helper.repo, 0, extra=ONCE.format(counter=counter))
    record = helper.attempt("cheap for two runs")
    assert (record["verdict"], record["reason"]) == ("discard", "worse")
    assert record["detail"].endswith("measured again, it does not hold")
    assert record["flags"] == []
    assert record["first_race"]["values"] == [10.0, 10.0, 100.0]
    assert record["race"]["values"] == [130.0]
    assert helper.json("doctor")["ok"]


GUARD = """\
import sys
sys.path.insert(0, "src")
import work
print(f"{len(getattr(work, 'CASES', 'abc'))} passed in 0.01s")
assert work.answer() == 42
"""


def test_guard_that_runs_fewer_tests(tmp_path):
    """Tests skipped by the program under test, unseen because the guard still passes."""
    repo = make_project(tmp_path / "r")
    repo.write("check.py", GUARD)
    repo.commit("a guard that counts")
    helper = open_session(tmp_path, repo=repo)
    assert helper.log()[1]["guard_tests"] == 3
    set_cost(helper.repo, 95, extra="CASES = 'abc'\n")
    assert helper.attempt("as many")["flags"] == []
    set_cost(helper.repo, 90, extra="CASES = 'a'\n")
    record = helper.attempt("fewer")
    assert record["flags"] == ["suspicious"]
    assert record["suspicions"] == ["the guard ran 1 tests; 3 on the incumbent"]


def test_checksum_that_changes(tmp_path):
    """Another output than the incumbent's, printed by the benchmark and looked at by nobody."""
    repo = make_project(tmp_path / "r")
    steady = 'print(f\'CHECKSUM out={getattr(work, "OUT", "ab")}\')\n'
    repo.write("bench.py", BENCH + steady + "print(f'CHECKSUM id={os.getpid()}')\n")
    repo.commit("checksums")
    helper = open_session(tmp_path, repo=repo)
    set_cost(helper.repo, 95)
    assert helper.attempt("the same output")["flags"] == []
    set_cost(helper.repo, 90, extra="OUT = 'cd'\n")
    record = helper.attempt("another output")
    assert record["flags"] == ["suspicious"]
    assert record["suspicions"] == ["the checksum out is not the incumbent's"]


def test_tripwires_and_known_literals(tmp_path):
    """Words and data that honest changes rarely hold, and that a reviewer should see."""
    repo = make_project(tmp_path / "r")
    repo.write("data/input.txt", "the quick brown fox jumps over it\n")
    repo.commit("data")
    helper = open_session(tmp_path, repo=repo)
    set_cost(helper.repo, 95, extra="import atexit\nX = 'quick brown fox jumps over'\n")
    record = helper.attempt("odd words")
    assert record["flags"] == ["suspicious"]
    assert record["suspicions"] == [
        "the change runs code as the process ends",
        "the change contains a literal that also stands in data/input.txt",
    ]
    assert "suspicious: the change runs code" in helper("show", "1").out
