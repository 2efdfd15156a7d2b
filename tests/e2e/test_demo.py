"""The demo and the self-test, as a newcomer runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run_helper(*args, cwd):
    """The installed helper; its answer as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "autoresearch", *args, "--json"],
        cwd=cwd,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """One demo for all tests of this module: it takes about a minute."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("demo")
        patch.setenv("HOME", str(home))
        patch.setenv("TMPDIR", str(home))
        for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
            patch.delenv(name, raising=False)
        return run_helper("demo", cwd=home)


def test_demo_reaches_its_verdicts_by_measuring(outcome):
    """A demo whose certain verdicts are others than the loop gives."""
    found, _ = outcome
    verdicts = {step["title"]: (step["verdict"], step["reason"]) for step in found["steps"]}
    assert verdicts["a large gain"] == ("keep", None)
    assert verdicts["an edit of the benchmark"] == ("refused", "outside")
    assert verdicts["a crash"] == ("crash", "verify")
    assert verdicts["a duplicate"] == ("refused", "duplicate")
    assert verdicts["a harmful change"][0] == "discard"
    assert verdicts["fast, but breaks the tests"][0] in {"rework", "discard"}
    assert len(found["steps"]) == 10
    assert found["validation"]["proven"] is True
    assert found["validation"]["effect"]["change"] < -0.4


def test_demo_leaves_a_branch_of_kept_commits(outcome):
    """A branch that holds what was discarded, or a log that lacks an experiment."""
    found, _ = outcome
    root = Path(found["root"])
    subjects = subprocess.run(
        ["git", "log", "--format=%s", "autoresearch/demo"],
        cwd=root, capture_output=True, check=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    kept = [step for step in found["steps"] if step["verdict"] == "keep"]
    assert len(subjects) == len(kept) + 2
    assert subjects[-2:] == ["autoresearch: contract of session demo", "the project as it was"]
    log = (root / "autoresearch.jsonl").read_text().splitlines()
    measured = [line for line in log if '"kind":"experiment"' in line]
    refused = [step for step in found["steps"] if step["verdict"] == "refused"]
    assert len(measured) == len(found["steps"]) - len(refused)


def test_demo_tells_what_it_does(outcome):
    """A minute of silence."""
    _, said = outcome
    assert "a large gain: count in a dict" in said
    assert "validate" in said


def test_selftest_claims_no_more_than_its_races_carry(tmp_path):
    """Two races that are said to prove a rate of 2 %."""
    found, _ = run_helper("selftest", "--races", "2", cwd=tmp_path)
    assert found["races"] == 2
    assert 0 <= found["false_keeps"] <= 2
    assert found["high"] > 0.5
    assert "--races 300" in found["next"]
    assert found["overhead_s"] > 0
