"""`amend`: a human's change of the contract, rehearsed, adopted as a whole or not at all."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.dying import die
from support.long import mostly_long
from support.project import PYTHON, make_project, set_cost, write_draft
from support.session import Gate, Helper
from support.untouched import everything, log_of, state_of


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """The tiny project with a session on it."""
    made = Helper(make_project(tmp_path / "r"))
    made("init", str(write_draft(tmp_path, budget="{experiments: 50}")))
    return made


def edit(helper: Helper, old: str, new: str, path: str = "autoresearch.yaml") -> None:
    """Replace a text in a file of the tree."""
    text = (helper.root / path).read_text()
    assert old in text
    (helper.root / path).write_text(text.replace(old, new))


def epochs() -> list[tuple[int, bool]]:
    """Number of each epoch in the log, and whether it measures anew."""
    return [
        (line["number"], line["restarts_measuring"]) for line in log_of() if line["kind"] == "epoch"
    ]


def refused(helper: Helper, code: str, *, exit_code: int = 1) -> str:
    """`amend` refuses and changes nothing, also of the log; the message."""
    before, log = everything(helper.repo), log_of()
    answer = helper.json("amend", "--yes", code=exit_code)
    assert answer["error"]["code"] == code
    assert everything(helper.repo) == before
    assert log_of() == log
    return str(answer["error"]["message"])


def test_a_budget_starts_no_new_epoch(helper: Helper) -> None:
    """What was measured stays comparable when only the end of the session moves."""
    set_cost(helper.repo, 110)
    assert helper.verdict() == ("discard", "worse")
    edit(helper, "experiments: 50", "experiments: 60")
    answer = helper.json("amend", "--yes")
    assert answer["differences"] == [["budget.experiments", "50", "60"]]
    assert answer["new_epoch"] is False
    assert epochs() == [(0, True), (1, False)]
    assert helper.repo("status", "--porcelain") == ""
    assert helper.repo("log", "-1", "--format=%s") == (
        "autoresearch: amend the contract of session cheaper"
    )
    set_cost(helper.repo, 110)
    assert helper.attempt(code=1)["reason"] == "duplicate"


def test_what_measures_starts_a_new_epoch(helper: Helper) -> None:
    """Metric, verify, guard and scope: after each, what was measured before no longer counts."""
    for number, (old, new) in enumerate(
        [
            ("name: cost", "name: size"),
            (f"{PYTHON} bench.py", f"{PYTHON}  bench.py"),
            (f"{PYTHON} check.py", f"{PYTHON}  check.py"),
            ('"src/**"', '"src/**", ".gitignore"'),
        ],
        start=1,
    ):
        edit(helper, old, new)
        answer = helper.json("amend", "--yes")
        assert answer["new_epoch"] is True
        assert answer["epoch"] == number
        if number in {1, 4}:
            set_cost(helper.repo, 110, size=1100)
            assert helper.verdict()[0] == "discard"  # no duplicate of another epoch's
    assert epochs() == [(number, True) for number in range(5)]
    set_cost(helper.repo, 90, size=900)
    assert helper.verdict()[0] == "keep"


def test_validate_uses_the_latest_evaluator(helper: Helper) -> None:
    """First and last commit are raced under one evaluator, the one now in force."""
    set_cost(helper.repo, 90)
    assert helper.verdict()[0] == "keep"
    edit(helper, "work.cost() * factor", "work.cost() * 2 * factor", "bench.py")
    assert helper.json("amend", "--yes")["paths"] == ["bench.py"]
    set_cost(helper.repo, 50)
    assert helper.verdict()[0] == "keep"
    validation = helper.json("validate")
    assert validation["ok"] is True
    record = [line for line in log_of() if line["kind"] == "validation"][-1]
    assert set(record["race"]["values"]) == {200.0, 100.0}
    assert record["epoch"] == 1


def test_a_dry_run_adopts_nothing(helper: Helper) -> None:
    """It shows the difference, in the contract's own words."""
    edit(helper, "experiments: 50", "experiments: 60")
    before, log = everything(helper.repo), log_of()
    done = helper("amend", "--dry-run")
    assert "budget.experiments: 50 -> 60" in done.out
    assert "would be amended; it does not change what is measured" in done.out
    assert (everything(helper.repo), log_of()) == (before, log)


def test_a_new_protected_file_is_adopted_once_it_is_staged(helper: Helper) -> None:
    """A benchmark that the new verify needs must come with it; a stray note must not."""
    helper.repo.write("bench2.py", (helper.root / "bench.py").read_text())
    edit(helper, "bench.py", "bench2.py")
    assert "No such file" in refused(helper, "verify_failed", exit_code=4)
    helper.repo("add", "bench2.py")
    helper.repo.write("note.txt", "mine")
    answer = helper.json("amend", "--yes")
    assert answer["paths"] == ["bench2.py"]
    assert answer["left_out"] == ["note.txt"]
    assert helper.repo("status", "--porcelain") == "?? note.txt"
    set_cost(helper.repo, 90)
    assert helper.verdict()[0] == "keep"


def test_a_deleted_protected_file_is_adopted(helper: Helper) -> None:
    """What the new contract no longer needs may go."""
    edit(helper, f"guard: {PYTHON} check.py\n", "")
    (helper.root / "check.py").unlink()
    assert helper.json("amend", "--yes")["paths"] == ["check.py"]
    assert helper.repo("status", "--porcelain") == ""


def test_a_contract_that_does_not_hold(helper: Helper) -> None:
    """Refused by the rehearsal, nothing is changed, and the session goes on as before."""
    edit(helper, f"{PYTHON} bench.py", "echo 1")
    refused(helper, "not_measured", exit_code=4)
    edit(helper, "echo 1", "exit 3")
    refused(helper, "verify_failed", exit_code=4)
    edit(helper, "exit 3", "curl https://example.org")
    shown = helper("amend", "--dry-run").out
    assert "reaches outside the checkout: verify (network): curl https://example.org" in shown
    refused(helper, "reaches_outside", exit_code=4)
    edit(helper, "curl https://example.org", f"{PYTHON} bench.py")
    set_cost(helper.repo, 90)
    assert helper.verdict()[0] == "keep"


def test_what_cannot_be_amended(helper: Helper) -> None:
    """Each with a remedy of its own."""
    refused(helper, "nothing_to_amend")
    text = (helper.root / "autoresearch.yaml").read_text()
    edit(helper, "session: cheaper", "session: other")
    refused(helper, "session_renamed")
    (helper.root / "autoresearch.yaml").write_text("session: [\n")
    refused(helper, "contract")
    (helper.root / "autoresearch.yaml").unlink()
    refused(helper, "contract_deleted")
    (helper.root / "autoresearch.yaml").write_text(text.replace('"src/**"', '"lib/**"'))
    refused(helper, "scope_empty", exit_code=4)
    (helper.root / "autoresearch.yaml").write_text(text.replace("50}", "60}"))
    set_cost(helper.repo, 90)
    refused(helper, "tree_edited")


def test_untracked_files_in_a_wider_scope(helper: Helper) -> None:
    """They would become part of the next experiment, as `init` would have said."""
    helper.repo.write("lib/new.py", "x = 1\n")
    edit(helper, '"src/**"', '"src/**", "lib/**"')
    assert "lib/new.py" in refused(helper, "untracked_in_scope")


def test_the_checks_script_as_guard(tmp_path: Path) -> None:
    """A budget is no change of the guard where the script stands in for it; the script is."""
    helper = Helper(make_project(tmp_path / "r"))
    helper.repo.write("autoresearch.checks.sh", f"{PYTHON} check.py\n")
    helper.repo.commit()
    helper("init", str(write_draft(tmp_path, guard="", budget="{experiments: 50}")))
    edit(helper, "experiments: 50", "experiments: 60")
    answer = helper.json("amend", "--yes")
    assert answer["new_epoch"] is False
    assert answer["differences"] == [["budget.experiments", "50", "60"]]
    edit(helper, "check.py", "check.py && exit 1", "autoresearch.checks.sh")
    refused(helper, "guard_failed", exit_code=4)
    edit(helper, "check.py && exit 1", "check.py # same", "autoresearch.checks.sh")
    assert helper.json("amend", "--yes")["new_epoch"] is True


def test_in_the_middle_of_a_rework(helper: Helper) -> None:
    """An edit that waits for its rework is an experiment's: it is never adopted."""
    set_cost(helper.repo, 90, answer=41)
    assert helper.verdict() == ("rework", "guard")
    edit(helper, "experiments: 50", "experiments: 60")
    refused(helper, "tree_edited")


STEPS = [
    ("autoresearch.loop.settle.keep", 1),
    ("autoresearch.loop.settle.atomic_write", 1),
    ("autoresearch.loop.logbook.publish", 1),
]


@pytest.mark.parametrize(
    "step", mostly_long(STEPS, STEPS[0].__eq__), ids=lambda step: step[0].rpartition(".")[2]
)
def test_killed_once_it_is_decided(helper: Helper, step: tuple[str, int]) -> None:
    """The next command, whatever it is, finishes it; no epoch is logged twice."""
    edit(helper, "name: cost", "name: size")
    assert die(helper.root, step, signal.SIGKILL, "amend", "--yes") == -signal.SIGKILL
    set_cost(helper.repo, 100, size=900)
    assert helper.verdict()[0] == "keep"
    assert epochs() == [(0, True), (1, True)]
    assert helper.repo("status", "--porcelain") == ""
    assert "name: size" in (state_of("cheaper") / "autoresearch.yaml").read_text()


def test_killed_in_its_rehearsal(helper: Helper, tmp_path: Path) -> None:
    """Nothing is adopted, and the benches serve the contract in force again."""
    edit(helper, "budget:", "sandbox: off\nbudget:")
    helper("amend", "--yes")
    gate = Gate(tmp_path / "gate")
    bench = (helper.root / "bench.py").read_text()
    (helper.root / "bench.py").write_text(gate.code + bench)
    process = helper.start("amend", "--yes")
    gate.wait_inside()
    process.kill()
    process.communicate()
    (gate.folder / "held").unlink()
    (helper.root / "bench.py").write_text(bench)
    assert epochs() == [(0, True), (1, True)]
    set_cost(helper.repo, 90)
    assert helper.verdict()[0] == "keep"
