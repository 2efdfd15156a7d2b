"""`init` after `check` of the very same thing measures nothing twice, and says so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.project import make_project, set_cost, write_draft
from support.session import UNCONFINED, Helper
from support.untouched import state_of


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """The tiny project; each run of its verify leaves a line outside the checkout."""
    repo = make_project(tmp_path / "r")
    bench = repo.root / "bench.py"
    counted = f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\n"
    bench.write_text(bench.read_text() + counted)
    repo.commit("count the runs")
    return Helper(repo)


def runs(tmp_path: Path) -> int:
    """How often verify ran so far."""
    return len((tmp_path / "runs").read_text())


def test_what_check_measured_is_taken_over_and_the_log_says_so(
    helper: Helper, tmp_path: Path
) -> None:
    """A minute of waiting for numbers that are there, or numbers of nobody knows when."""
    draft = write_draft(tmp_path, extra=UNCONFINED)
    checked = helper.json("check", str(draft))
    before = runs(tmp_path)
    opened = helper.json("init", str(draft))
    assert runs(tmp_path) == before
    assert opened["values"] == checked["values"] == [100.0]
    epoch = helper.log()[1]
    assert epoch["rehearsed_at"] == opened["rehearsed_at"] != ""
    assert epoch["guard_s"] == checked["guard_s"]
    set_cost(helper.repo, 90)
    assert helper.verdict() == ("keep", None)


@pytest.mark.parametrize("change", ["file", "environment", "age", "damage"])
def test_whatever_is_not_the_same_is_measured_anew(
    helper: Helper, tmp_path: Path, change: str
) -> None:
    """A baseline of other bytes, of another environment, or of yesterday."""
    draft = write_draft(tmp_path, extra=UNCONFINED + "env: {pass: [MOOD]}\n")
    helper("check", str(draft), env={"MOOD": "calm"})
    before, mood = runs(tmp_path), "calm"
    (kept,) = Path(os.environ["XDG_STATE_HOME"]).glob("autoresearch/*/rehearsed.json")
    if change == "file":
        helper.repo.write("notes.txt", "more\n")
        helper.repo.commit("more")
    elif change == "environment":
        mood = "wild"
    elif change == "damage":
        kept.write_text(kept.read_text().replace("deterministic", "undeterministic"))
    else:
        held = json.loads(kept.read_text())
        held["at"] = "2020-01-01T00:00:00Z"
        kept.write_text(json.dumps(held))
    assert helper.json("init", str(draft), env={"MOOD": mood})["rehearsed_at"] == ""
    assert runs(tmp_path) > before
    (line,) = list((state_of("cheaper") / "log.jsonl").read_text().splitlines()[1:])
    assert json.loads(line)["rehearsed_at"] == ""
