"""Commands around the loop: drop, apply, undo, note, run, validate, stop, doctor, recover."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.project import WORK, make_project, set_cost
from support.session import open_session

SIZE = "secondary:\n  - {name: size, direction: lower, limit: +5%}\n"
TABLE = "".join(f"ROW_{number} = {number}\n" for number in range(12))


def test_drop_saves_what_it_puts_back(tmp_path):
    """An edit that `drop` destroys, or one outside the scope that it takes along."""
    helper = open_session(tmp_path)
    assert "nothing to put back" in helper("drop").out
    set_cost(helper.repo, 90)
    helper.repo.write("src/new.py", "X = 1\n")
    helper.repo.write("check.py", "# mine\n")
    answer = helper.json("drop")
    assert (answer["paths"], answer["outside"]) == (["src/new.py", "src/work.py"], ["check.py"])
    assert (helper.root / "src/work.py").read_text() == WORK
    assert helper.repo("show", f"{answer['ref']}:src/new.py") == "X = 1"
    assert (helper.root / "check.py").read_text() == "# mine\n"
    outside = helper.json("drop", "--outside")
    assert outside["paths"] == ["check.py"]
    assert outside["ref"] != answer["ref"]
    assert helper.repo("show", f"{outside['ref']}:check.py") == "# mine"
    assert helper.repo("status", "--porcelain") == ""


def test_apply_lays_an_earlier_change_over_the_incumbent(tmp_path):
    """A change that is lost, laid over the wrong tree, or over somebody's edit."""
    repo = make_project(tmp_path / "r")
    repo.write("src/work.py", WORK + TABLE)
    repo.commit("table")
    helper = open_session(tmp_path, repo=repo)
    path = helper.root / "src/work.py"
    base = path.read_text()
    path.write_text(base.replace("ROW_11 = 11", "ROW_11 = 12"))
    assert helper.verdict("useless row") == ("discard", "worse")
    path.write_text(base.replace("return 100", "return 90"))
    assert helper.verdict("cheaper") == ("keep", None)
    path.write_text(base.replace("return 100", "return 95"))
    assert helper.verdict("less cheap") == ("discard", "worse")
    answer = helper.json("apply", "1")
    assert (answer["paths"], answer["conflicts"]) == (["src/work.py"], [])
    text = base.replace("ROW_11 = 11", "ROW_11 = 12").replace("return 100", "return 90")
    assert path.read_text() == text
    assert helper.error("apply", "3") == "tree_edited"
    assert helper.json("apply", "1")["paths"] == ["src/work.py"]  # as wanted already
    helper("drop")
    answer = helper.json("apply", "3")
    assert answer["conflicts"] == []  # it began where the incumbent is now
    helper("drop")
    path.write_text(path.read_text().replace("return 90", "return 80"))
    assert helper.verdict("cheaper still") == ("keep", None)
    answer = helper.json("apply", "3")
    assert answer["conflicts"] == ["src/work.py"]
    assert "<<<<<<< incumbent" in path.read_text()
    helper("drop")
    assert helper.error("apply", "4") == "already_applied"
    assert helper.error("apply", "9") == "no_experiment"


def test_undo_takes_a_keep_back_after_guard_and_race(tmp_path):
    """An undo that breaks later keeps, skips the guard, or forgets what the metric is now."""
    repo = make_project(tmp_path / "r")
    repo.write("src/work.py", WORK + TABLE)
    repo.write(
        "check.py",
        "import sys\nsys.path.insert(0, 'src')\nimport work\nassert work.ROW_0 <= work.ROW_11\n",
    )
    repo.commit("table")
    helper = open_session(tmp_path, repo=repo)
    path = helper.root / "src/work.py"
    assert helper.error("undo", "1") == "no_experiment"

    def edit(old, new):
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    edit("return 100", "return 90")
    edit("ROW_11 = 11", "ROW_11 = 99")
    assert helper.verdict("one") == ("keep", None)
    edit("return 90", "return 80")
    assert helper.verdict("two, on the same line") == ("keep", None)
    assert helper.error("undo", "1") == "conflict"
    set_tree = path.read_text()
    answer = helper.json("undo", "2")
    assert answer["record"]["value"] == 90.0
    assert round(answer["record"]["effect"]["change"], 6) == 0.125
    assert path.read_text() == set_tree.replace("return 80", "return 90")
    assert helper.repo("status", "--porcelain") == ""
    assert helper.error("undo", "2") == "not_kept"
    edit("return 90", "return 85")
    record = helper.attempt("exact again")
    assert (record["verdict"], record["race"]["order"]) == ("keep", "bba")
    edit("ROW_0 = 0", "ROW_0 = 50")
    edit("return 85", "return 70")
    assert helper.verdict("needs the first") == ("keep", None)
    edit("return 70", "return 71")
    assert helper.error("undo", "4") == "tree_edited"
    helper("drop")
    head = helper.repo("rev-parse", "HEAD")
    helper.repo("config", "x.y", "z")
    assert helper.error("undo", "1") == "conflict"
    assert helper.repo("rev-parse", "HEAD") == head
    assert helper.json("doctor")["ok"]


def test_undo_is_refused_where_the_guard_needs_the_change(tmp_path):
    """A guard that only passes thanks to the keep that is taken back."""
    repo = make_project(tmp_path / "r")
    start = "import sys\nsys.path.insert(0, 'src')\nimport work, second\n"
    repo.write("src/second.py", "COST = 100\nREADY = True\n")
    repo.write("bench.py", f"{start}print(f'METRIC cost={{work.cost() + second.COST}}')\n")
    repo.write("check.py", f"{start}assert second.READY or work.answer() == 43\n")
    repo.commit("second")
    helper = open_session(tmp_path, repo=repo, replace={SIZE: ""})
    set_cost(helper.repo, 99, answer=43)
    assert helper.verdict("the answer") == ("keep", None)
    helper.repo.write("src/second.py", "COST = 90\nREADY = False\n")
    assert helper.verdict("what needs it") == ("keep", None)
    head = helper.repo("rev-parse", "HEAD")
    assert helper.error("undo", "1") == "guard_failed"
    assert helper.repo("rev-parse", "HEAD") == head


def test_run_is_shared_bounded_and_done_at_once(tmp_path):
    """A loop tick that opens a second run, or goes on after the end."""
    helper = open_session(tmp_path)
    first = {"CLAUDE_CODE_SESSION_ID": "one"}
    answer = helper.json("run", "1", env=first)
    assert (answer["opened"], answer["used"], answer["experiments"]) == (True, 0, 1)
    assert helper.json("run", "1", env=first)["opened"] is False
    assert helper.error("run", "7", env={"CLAUDE_CODE_SESSION_ID": "two"}) == "run_elsewhere"
    assert helper.json("run", env={"CLAUDE_CODE_SESSION_ID": "two"})["run"] == 1
    set_cost(helper.repo, 90)
    assert (
        "DONE, all 1 experiments of run 1 are used; `autoresearch validate`"
        in (helper.json("try", "-m", "x")["next"])
    )
    lines = len(helper.log())
    for _ in range(2):
        done = helper("run", "1", env=first)
        assert done.out.startswith("AUTORESEARCH DONE: all 1 experiments of run 1 are used")
        assert "ScheduleWakeup with stop: true" in done.out.splitlines()[-1]
    assert len(helper.log()) == lines
    set_cost(helper.repo, 80)
    assert helper.error("try", "-m", "y") == "done_run"
    assert helper.json("run", "1", "--new", env=first)["run"] == 2
    assert helper.json("run", "1", "--new", env=first)["opened"] is False  # not doubled
    assert helper.verdict("y") == ("keep", None)


def test_validate_is_the_only_claim(tmp_path):
    """A gain that is claimed from single races, or a validation that goes stale unnoticed."""
    final = "! grep -q 'return 70' src/work.py"
    helper = open_session(tmp_path, extra=f'final_guard: "{final}"\n')
    assert helper.error("validate") == "nothing_kept"
    set_cost(helper.repo, 80)
    assert helper.verdict("less") == ("keep", None)
    assert "gain: not validated yet, so no gain is claimed" in helper("status").out
    done = helper("validate")
    assert done.out.startswith("final guard: passed in ")
    assert "\nvalidated: -20.0%" in done.out
    assert done.out.endswith("next: report this number and no other\n")
    assert "gain: validated: -20.0%" in helper("status").out
    set_cost(helper.repo, 70)
    assert helper.verdict("still less") == ("keep", None)
    assert "1 keep since then, not validated" in helper("status").out
    assert helper.json("status")["next"].startswith("`autoresearch validate`")
    failed = helper("validate").out.splitlines()
    assert failed[0].startswith("the final guard FAILS on ")
    assert failed[1].startswith("validated: -30.0%")
    assert failed[-1].startswith("next: report first that the final guard fails")
    assert "gain: the final guard fails; validated: -30.0%" in helper("status").out


def test_ablation_names_what_the_last_commit_may_do_without(tmp_path):
    """A keep that a later one made useless and nobody finds; or one that is dropped unasked."""
    repo = make_project(tmp_path / "r")
    for name, cost in (("first", 100), ("second", 100), ("third", 200)):
        repo.write(f"src/{name}.py", f"COST = {cost}\n")
    repo.write(
        "bench.py",
        "import sys\nsys.path.insert(0, 'src')\nimport first, second, third\n"
        "print(f'METRIC cost={first.COST + min(second.COST, third.COST)}')\n",
    )
    repo.commit("three parts")
    helper = open_session(tmp_path, repo=repo, replace={SIZE: ""})
    for name, cost in (("second", 90), ("third", 50), ("first", 40), ("first", 30)):
        helper.repo.write(f"src/{name}.py", f"COST = {cost}\n")
        assert helper.verdict(f"{name} {cost}") == ("keep", None)
    head = helper.repo("rev-parse", "HEAD")
    answer = helper.json("validate", "--ablate")
    told = [(r["experiment"], r["doubtful"], r["p_value"]) for r in answer["ablation"]]
    assert told == [(4, False, 0.25), (3, False, None), (2, False, 0.25), (1, True, 1.0)]
    assert answer["ablation"][1]["detail"] == "later keeps build on it: src/first.py"
    assert round(answer["ablation"][2]["effect"]["change"], 6) == 0.5
    assert "1 may be worthless: `autoresearch undo N`" in answer["next"]
    logged = [line["experiment"] for line in helper.log() if line["kind"] == "ablation"]
    assert logged == [4, 3, 2, 1]
    assert (helper.repo("rev-parse", "HEAD"), helper.repo("status", "--porcelain")) == (head, "")
    helper("undo", "1")
    assert [r["experiment"] for r in helper.json("validate", "--ablate")["ablation"]] == [4, 3, 2]
    assert helper.json("doctor")["ok"]


def test_notes_log_filters_and_stop(tmp_path):
    """Notes that vanish, filters that find the wrong ones, a session that goes on after its end."""
    helper = open_session(tmp_path)
    assert helper.json("note", "--idea", "unroll it")["number"] == 1
    assert helper.json("note", "--dead-end", "never again")["number"] == 2
    assert helper.json("note", "the loop costs most")["kind"] == "lesson"
    assert helper.error("note", "   ") == "empty_note"
    assert helper.error("note", "--retire", "2") == "no_idea"
    assert helper.error("try", "-m", "x", "--idea", "9") == "no_idea"
    text = helper("brief").out
    assert all(words in text for words in ("unroll it", "never again", "the loop costs most"))
    helper("note", "--retire", "1", "not worth it")
    assert "unroll it" not in helper("brief").out
    for cost, name in ((90, "first"), (95, "second"), (80, "third")):
        set_cost(helper.repo, cost)
        if name == "second":
            helper.repo.write("src/sub/deep.py", "X = 1\n")
        helper("try", "-m", name)

    def found(*filters):
        return [e["number"] for e in helper.json("log", *filters)["experiments"]]

    assert found("--oldest-first", "--limit", "2") == [1, 2]
    assert found("--verdict", "discard", "--reason", "worse") == [2]
    assert found("--path", "src/sub", "--grep", "SECOND") == [2]
    assert found("--path", "src/su") == []
    helper("stop", "-m", "enough")
    assert helper.error("stop", "-m", "again") == "stopped"
    set_cost(helper.repo, 70)
    assert helper.error("try", "-m", "x") == "done_stopped"
    assert "DONE: stopped: enough" in helper("status").out


def test_profile_shows_the_incumbent(tmp_path):
    """A profile of the edited tree instead of the incumbent, or raw output."""
    code = "import sys; sys.path.insert(0, 'src'); import work; print('\\x1b[1mcost', work.cost())"
    helper = open_session(tmp_path, extra=f'profile: >-\n  {sys.executable} -c "{code}"\n')
    set_cost(helper.repo, 90)
    done = helper("profile")
    assert "cost 100" in done.out
    assert "\x1b" not in done.out
    answer = helper.json("profile")
    assert "cost 100" in Path(answer["output"]).read_text()
    assert helper.verdict("the edit is still there") == ("keep", None)


def test_doctor_finds_what_is_wrong_and_names_the_remedy(tmp_path):
    """Damage that `doctor` calls well, or that it cannot look at without failing."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 90)
    assert helper.verdict("x") == ("keep", None)
    repo, state = helper.repo, helper.state
    tip, log = repo("rev-parse", "HEAD"), (state / "log.jsonl").read_bytes()
    branch, ref = "refs/heads/autoresearch/cheaper", "refs/autoresearch/cheaper/exp/0001"

    def bad():
        found = [f for f in helper.json("doctor", code=1)["findings"] if not f["ok"]]
        assert all(finding["remedy"] for finding in found)
        return found[0]["text"]

    repo("update-ref", branch, "HEAD~1")
    assert "branch: autoresearch/cheaper is at" in bad()
    repo("update-ref", branch, tip)
    repo("checkout", "-q", "--detach")
    assert bad() == "HEAD: on no branch, not on autoresearch/cheaper"
    repo("switch", "-q", "autoresearch/cheaper")
    repo("update-ref", "-d", ref)
    assert "missing [1]" in bad()
    repo("update-ref", ref, tip)
    repo.write("check.py", "# mine\n")
    assert bad() == "protected files: edited: check.py"
    helper("drop", "--outside")
    (state / "log.jsonl").write_bytes(log.replace(b"exact: both", b"exact, both"))
    assert "log" in bad()
    (state / "log.jsonl").write_bytes(log)
    (state / "journal.json").write_text("{}")
    assert bad().startswith("journal")
    assert "the journal was unreadable" in helper("recover").out
    assert helper.json("doctor")["ok"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"values":[90.0,90.0,100.0]', b'"values":[110.0,110.0,100.0]'),
        (b'"carried":0.0,', b'"carried":-0.5,'),
        (b'"held":true', b'"held":false'),
    ],
)
def test_decision_that_cannot_be_repeated_is_found(tmp_path, old, new):
    """A log whose samples do not lead to its verdict, as a tampered helper would write it."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 90)
    assert helper.verdict("x") == ("keep", None)
    log = helper.state / "log.jsonl"
    *lines, last = log.read_bytes().splitlines(keepends=True)
    assert old in last
    log.write_bytes(b"".join([*lines, last.replace(old, new)]))
    assert helper.error("note", "x", code=5) == "corrupt_log"
    helper("recover", "--accept-log")
    bad = [f["text"] for f in helper.json("doctor", code=1)["findings"] if not f["ok"]]
    assert bad == ["decisions: 1 experiments decided again from their samples; these differ: [1]"]


def test_log_brought_back_from_the_state_ref_is_accepted(tmp_path):
    """A lost or torn log that stops the session for ever though its copy is there."""
    helper = open_session(tmp_path)
    helper("note", "one")
    state = helper.state
    log = state / "log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"half a li')
    assert "half a log line (11 bytes) was moved" in helper("note", "two").out
    log.write_bytes(whole)
    assert helper.error("note", "three", code=5) == "corrupt_log"
    helper("recover", "--accept-log")
    assert helper.json("note", "three")["number"] == 2
    assert helper.json("doctor")["ok"]
    log.unlink()
    assert helper.error("note", "four", code=5) == "corrupt_log"
    helper("recover", "--accept-log")
    assert helper.json("note", "four")["number"] == 3
    assert helper.json("doctor")["ok"]
