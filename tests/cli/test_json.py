"""The keys that programs read: of every command's `--json`, in their order, down to the leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from autoresearch.cli import COMMANDS
from autoresearch.cli.security import COMMANDS as AUDITS
from support.project import make_project, set_cost
from support.session import Helper, contract_text, exact
from support.vulnerable import FLAWS, PLANTED, PROOFS, evidence, examined, finding, make_fixture

PINNED = Path(__file__).with_name("keys.json")
LONG = {"demo", "hook", "statusline", "rule"}
"""`demo` is run by e2e/test_demo; the next two answer hosts, see tests/hooks; `rule` speaks
JSON lines alone, see test_rule."""


EXTRA = """\
profile: echo hot
final_guard: 'true'
same: echo same
holdout: python3 bench.py
"""


def shape(value: object) -> object:
    """Keys in their order, and of each value its kind; of a list its first element's."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def named(words: tuple[str, ...]) -> str:
    return " ".join(word for word in words if "/" not in word)


def answered(helper: Helper, words: tuple[str, ...], code: int):
    return helper.json(*words, code=code)


def shipping_calls(call):
    """Every command from the night to the merge."""
    yield call("review", "--accept", "5", "--by", "Ada")
    yield call("review")
    yield call("finalize")
    yield call("evidence")
    yield call("compare", "main", "HEAD", "--contract", "HEAD")


def last_calls(call, folder):
    """Every command for the logs of other tools; then the end."""
    log = str(folder / "log.jsonl")
    yield call("export", "--format", "jsonl", "--out", log)
    yield call("import", log, "--out", str(folder / "again.jsonl"))
    yield call("audit", log)
    yield call("stop", "-m", "enough")


def session_calls(folder: Path):
    """Every command of the loop, each with an answer that is as full as it gets."""
    repo = make_project(folder / "r")
    helper = Helper(repo)
    draft = folder / "draft.yaml"
    draft.write_text(exact(contract_text(extra=EXTRA)), "utf-8")

    def call(*words: str, code: int = 0):
        return named(words), answered(helper, words, code)

    yield call("selftest", "--races", "1")
    yield call("scan")
    yield call("evaluator", "bench")
    repo("add", "bench")
    repo("commit", "-qm", "bench")
    yield call("check", str(draft))
    yield call("init", str(draft))
    yield call("run", "9")
    yield call("brief")
    set_cost(repo, 90)
    yield call("try", "-m", "cheaper")
    set_cost(repo, 110)
    yield call("try", "-m", "dearer", "--hypothesis", "why not")
    yield call("try", "-m", "nothing", code=1)
    set_cost(repo, 80, answer=1)
    yield call("try", "-m", "breaks the guard")
    set_cost(repo, 80, extra="raise SystemExit(3)\n")
    yield call("try", "-m", "crashes")
    yield call("apply", "2")
    yield call("drop")
    yield call("note", "an idea", "--idea")
    yield call("note", "done with", "--retire", "1")
    yield call("profile")
    set_cost(repo, 70)
    yield call("try", "-m", "cheaper still")
    yield from (
        call("log"),
        call("status", "--trend"),
        call("watch"),
        call("report", "--format", "csv"),
    )
    yield call("show", "1")
    yield call("doctor")
    yield call("validate")
    yield call("validate", "--ablate")
    yield from shipping_calls(call)
    yield call("undo", "5")
    yield call("gc", "--keep", "1")
    yield call("gc", "--keep", "1", "--prune")
    yield call("status")
    contract = repo.root / "autoresearch.yaml"
    contract.write_text(contract.read_text("utf-8").replace("experiments: 50", "experiments: 60"))
    yield call("amend", "--dry-run")
    yield call("amend", "--yes")
    yield call("recover")
    yield from last_calls(call, folder)
    yield call("status")
    yield call("install", "codex")
    yield call("uninstall", "codex")


def security_calls(folder: Path):
    """Every command of an audit."""
    repo = make_fixture(folder / "desk")
    helper = Helper(repo)
    form = folder / "form.json"

    def call(*words: str, code: int = 0, text: str = ""):
        form.write_text(text, "utf-8")
        words = ("security", *words)
        return named(words), answered(helper, words, code)

    yield call("init")
    yield call("model", str(form), text=json.dumps(PLANTED["model"]))
    yield call("sweep", "2")
    yield call("next")
    found = finding("sql-injection", lists=["API1"])
    yield call("add", str(form), text=found)
    yield call("prove", "1", str(PROOFS / "sql-injection.py"))
    flaw = PLANTED["flaws"][0]
    cell, place = (flaw["element"], "repudiation"), evidence(flaw)
    yield call("examined", str(form), text=examined(*cell, place["file"], place["lines"]))
    yield call("next")
    yield call("sweep")
    place = {"filename": "desk/store.py", "line_number": 3}
    said = {"test_id": "B608", "issue_text": "maybe", "issue_severity": "LOW"}
    bandit = {"results": [{**place, **said}], "metrics": {}, "errors": []}
    yield call("import", str(form), text=json.dumps(bandit))
    yield call("leads")
    yield call("status")
    yield call("show", "1")
    review = {"verdict": "confirmed", "reason": "the sender goes into the text of the query"}
    place = evidence(FLAWS["sql-injection"])
    yield call("refute", "1", str(form), text=json.dumps({**review, "evidence": [place]}))
    yield call("recheck")
    yield call("report", "--badge", str(folder / "badge.json"))
    yield call("gate", "--fail-on", "low", code=4)
    yield call("fix", "--guard", "true", "--scope", "desk/**")
    yield call("state", "1", "false-positive", "--reason", "nobody can reach that line")
    yield call("gate")


@pytest.mark.parametrize("calls", [session_calls, security_calls])
def test_keys_order_and_kinds_are_pinned(calls, tmp_path):
    """A key that is renamed, moved or lost, so that somebody's program reads it no longer."""
    found = [[name, shape(answer)] for name, answer in calls(tmp_path)]
    pinned = json.loads(PINNED.read_text("utf-8"))
    for got, expected in zip(found, pinned[calls.__name__], strict=True):
        assert json.dumps(got) == json.dumps(expected)
    run = {name.split()[calls is security_calls] for name, _ in found}
    every = set(AUDITS) if calls is security_calls else set(COMMANDS) - LONG - {"security"}
    assert run == every
