"""`status --trend`, the line after every tenth `try`, and `notify`."""

from __future__ import annotations

import json

import pytest
from support.project import set_cost
from support.session import UNCONFINED, Helper, open_session


def ten(helper: Helper) -> None:
    """Ten experiments, the last still to come."""
    for number in range(1, 10):
        set_cost(helper.repo, 100 - number if number < 3 else 100 + number)
        helper("try", "-m", f"cache number {number}" if number < 3 else f"inline number {number}")


def test_every_tenth_answer_says_how_it_goes(tmp_path):
    """A person who hears nothing all night, or one who hears it after every experiment."""
    helper = open_session(tmp_path, worked=ten)
    set_cost(helper.repo, 120)
    done = helper("try", "-m", "inline number 10")
    (line,) = [line for line in done.out.splitlines() if line.startswith("trend at 10: ")]
    assert "2 of the last 10 kept, running gain +2.0% (unvalidated)" in line
    assert len(done.out.splitlines()) <= 30
    set_cost(helper.repo, 121)
    assert "trend at" not in helper("try", "-m", "inline number 11").out


def test_trend_in_words_and_for_scripts(tmp_path):
    """A trend without its words, its cost or its advice; a script that cannot ask for it."""
    helper = open_session(tmp_path, worked=ten)
    out = helper("status", "--trend").out
    for words in ("keep rate: 22% of 9", "ideas that lose: inline 0 of 7", "plateau: ", "advice: "):
        assert words in out, words
    assert "one more experiment: chance of a real keep" in out
    found = helper.json("status", "--trend")
    assert (found["experiments"], found["kept"], found["stop"]) == (9, 2, False)
    helper("status", "--trend", "--gate")
    assert helper("status", "--gate", code=2).err
    helper("stop", "-m", "enough")
    assert "DONE: stopped: enough" in helper("status", "--trend").out
    assert "DONE: stopped: enough" in helper("status", "--trend", "--gate", code=4).out


def test_session_that_no_longer_pays_ends_if_asked(tmp_path):
    """`stop_when: not_worth` that changes nothing, or that ends a session that nobody priced."""
    extra = "worth: {percent: 0.000001, hour: 1000}\nstop_when: not_worth\n"
    helper = open_session(tmp_path, extra=extra)
    set_cost(helper.repo, 110)
    helper("try", "-m", "dearer")
    set_cost(helper.repo, 90)
    assert helper.error("try", "-m", "cheaper") == "done_not_worth"
    assert "not worth it: $" in helper("status", "--trend", "--gate", code=4).out
    plan = tmp_path / "plan.yaml"
    text = (helper.root / "autoresearch.yaml").read_text("utf-8")
    plan.write_text(text.replace("worth: {percent: 0.000001, hour: 1000}\n", ""), "utf-8")
    assert "worth.percent" in helper("check", str(plan), code=1).err


def told(tmp_path) -> list[dict]:
    path = tmp_path / "told.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_notify_hears_of_keeps_violations_and_the_end(tmp_path):
    """A command that hears nothing, of the wrong thing, or half of it."""
    file = tmp_path / "told.jsonl"
    extra = f"notify: cat >> '{file}'\n{UNCONFINED}"
    helper = open_session(tmp_path, extra=extra, replace={"experiments: 50": "experiments: 3"})
    hostile = "cheaper \x1b[31m\"$(touch /tmp/x)'; rm -rf /"
    set_cost(helper.repo, 98)
    helper("try", "-m", hostile)
    set_cost(helper.repo, 99)
    helper("try", "-m", "dearer")
    set_cost(helper.repo, 97, extra="import pathlib\npathlib.Path('bench.py').write_text('1')\n")
    helper("try", "-m", "touches")
    keep, violation, end = told(tmp_path)
    assert (keep["event"], keep["experiment"], keep["kept"]) == ("keep", 1, 1)
    assert keep["text"].startswith("experiment 1 -2.0%: cheaper ")
    assert "\x1b" not in keep["text"]
    assert (keep["session"], keep["repository"]) == ("cheaper", str(helper.root))
    assert (violation["event"], violation["experiment"]) == ("violation", 3)
    assert end["event"] == "end"
    assert "3 experiments of the budget are used" in end["text"]


@pytest.mark.parametrize("command", ["exit 3", "cat >/nonexistent/x", "sleep 60 & cat >/dev/null"])
def test_notify_that_fails_spoils_nothing(tmp_path, command):
    """A verdict that is lost, or a helper that waits, because somebody's messenger is broken."""
    helper = open_session(tmp_path, extra=f"notify: {command}\n")
    set_cost(helper.repo, 98)
    done = helper("try", "-m", "cheaper")
    assert "experiment 1: keep" in done.out
    assert ("notify failed with" in done.out) == ("sleep" not in command)
    helper("status")


def test_notify_is_told_of_a_human_that_is_needed(tmp_path):
    """Five refusals in a row at three in the morning, and nobody hears of it."""
    file = tmp_path / "told.jsonl"
    helper = open_session(tmp_path, extra=f"notify: cat >> '{file}'\n")
    for _ in range(5):
        helper("try", "-m", "nothing", code=1)
    assert [one["event"] for one in told(tmp_path)] == ["human"]
    assert "refused" in told(tmp_path)[0]["text"]
