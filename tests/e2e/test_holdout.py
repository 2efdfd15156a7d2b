"""The holdout: keeps that only fit the benchmark, and values that the agent never sees."""

from __future__ import annotations

import json

import pytest
from support.confined import folder_in_sight, working_sandbox
from support.project import PYTHON, make_project, set_cost
from support.session import open_session

UNSEEN = """\
import sys
sys.path.insert(0, "src")
import work
print(f"METRIC cost={getattr(work, 'unseen', work.cost)()}")
"""


def with_holdout(folder, terms="", more="", script=None, **options):
    """A session whose holdout lies outside the repository."""
    script = script or folder / "unseen.py"
    script.write_text(UNSEEN)
    extra = f"holdout: {{command: '{PYTHON} {script}'{terms}}}\n{more}"
    return open_session(folder, extra=extra, repo=make_project(folder / "r"), **options)


def overfit(repo, cost, unseen):
    """A program with one cost on the benchmark and another one on what it has not seen."""
    set_cost(repo, cost, extra=f"def unseen(): return {unseen}\n")


def test_a_keep_that_only_fits_the_benchmark_is_discarded(tmp_path):
    """Overfitting that is kept; values of the holdout in what an agent reads."""
    helper = with_holdout(tmp_path)
    set_cost(helper.repo, 90)
    done = helper("try", "-m", "a true gain")
    assert "holdout: passed" in done.out
    helper.repo("gc", "-q", "--prune=now")  # a keep's commit is not the one that was asked about
    overfit(helper.repo, 80, "777 + 0.25")
    answer = helper.json("try", "-m", "fits the benchmark")
    record = answer["record"]
    assert (record["verdict"], record["reason"], record["holdout"]) == ("discard", "holdout", False)
    assert "return 90" in (helper.root / "src/work.py").read_text()
    overfit(helper.repo, 80, 90.5)
    assert helper.attempt("loses half a per cent there")["holdout"] is True
    overfit(helper.repo, 70, 91.2)
    assert helper.attempt("losses add up")["reason"] == "holdout"
    told = [helper(*words).out for words in (["status"], ["brief"], ["show", "2"], ["log"])]
    told += [(helper.root / f"autoresearch.{kind}").read_text() for kind in ("md", "jsonl")]
    for text in told:
        assert "777.25" not in text
        assert "unseen.py" not in text.partition("verify")[0]
    private = [
        json.loads(line) for line in (helper.state / "holdout.jsonl").read_text().splitlines()
    ]
    assert [check["passed"] for check in private] == [True, False, True, False]
    assert private[1]["values"] == [[90.0, 777.25]] * 2
    assert private[3]["carried"] == pytest.approx(0.5 / 90)
    table = (helper.state / "holdout.md").read_text()
    assert "| 2 | -20.0% | +677.2% | failed |" in table
    assert (helper.state / "holdout.jsonl").stat().st_mode & 0o77 == 0
    assert "holdout: 2 of 4 passed; values, for people: " in told[0]
    found = helper.json("status")["holdout"]
    assert (found["checked"], found["passed"], found["advisory"]) == (4, 2, "")
    assert helper.json("doctor")["ok"]


def test_every_second_keep_answers_for_both(tmp_path):
    """A loss that slips through between two checks."""
    helper = with_holdout(tmp_path, terms=", every: 2")
    overfit(helper.repo, 90, 150)
    record = helper.attempt("not asked")
    assert (record["verdict"], record["holdout"]) == ("keep", None)
    overfit(helper.repo, 80, 150)
    assert helper.attempt("asked, against the baseline")["reason"] == "holdout"
    overfit(helper.repo, 80, 95)
    assert helper.attempt("better on both")["holdout"] is True


def test_holdout_that_does_not_run(tmp_path):
    """A crash on unseen inputs that passes, or one of the holdout itself blamed on a candidate."""
    helper = with_holdout(tmp_path)
    set_cost(helper.repo, 90, extra="def unseen(): raise ValueError\n")
    assert helper.verdict("breaks elsewhere") == ("discard", "holdout")
    set_cost(helper.repo, 90)
    (tmp_path / "unseen.py").write_text("raise SystemExit(3)\n")
    assert helper.error("try", "-m", "fine", code=5) == "benchmark_broken"
    (tmp_path / "unseen.py").write_text(UNSEEN)
    assert helper.verdict("fine") == ("keep", None)


def test_check_rehearses_the_holdout(tmp_path):
    """A holdout that never worked, or one in the repository that is taken for secret."""
    repo = make_project(tmp_path / "r")
    repo.write("unseen.py", UNSEEN)
    repo.commit("holdout inside")
    helper = open_session(tmp_path, extra=f"holdout: {PYTHON} unseen.py\n", repo=repo)
    assert "(advisory: its command does not name a file outside" in helper("status").out
    draft = tmp_path / "draft.yaml"
    found = helper.json("check", str(draft))
    assert any("the holdout is only advisory" in warning for warning in found["warnings"])
    draft.write_text(draft.read_text().replace("unseen.py", "missing.py"))
    assert helper.error("check", str(draft), code=4) == "holdout_failed"


@pytest.fixture
def beside():
    with folder_in_sight() as folder:
        yield folder


def test_what_the_holdout_reads_is_hidden_from_all_else(tmp_path, beside):
    """A candidate that reads the inputs it must not have seen, while verify or the guard runs."""
    working_sandbox()
    helper = with_holdout(
        tmp_path, more="sandbox: require\n", script=beside / "unseen.py", declared=True
    )
    looks = (  # of a clone below /tmp, whose sandbox has a /tmp of its own, nothing is there
        "import os\n"
        f"if os.path.exists({str(beside / 'unseen.py')!r}):\n"
        f"    if open({str(beside / 'unseen.py')!r}).read():\n        cost = lambda: 1\n"
    )
    set_cost(helper.repo, 95, extra=looks)
    record = helper.attempt()
    assert (record["verdict"], record["holdout"]) == ("keep", True)
    assert record["effect"]["change"] == pytest.approx(-0.05)
    (check,) = (helper.state / "holdout.jsonl").read_text().splitlines()
    assert json.loads(check)["values"][0][1] == 1.0  # there it was seen
