"""The real Claude Code under `/goal`: a judge of its own decides at each stop, beside our hook."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.claude import rewrite
from support.counting import QUICK, SLOWER, open_counting
from support.hosts import ROOT
from support.model import Request, Script, bash, say, scripted, use

if TYPE_CHECKING:
    from pathlib import Path

    from support.claude import Claude

CONDITION = "autoresearch has done 2 experiments and says DONE"
OVER = "next: DONE, all 2 experiments of run 1 are used"
QUESTION = f"Condition: {CONDITION}"


def verdict(reason: str, *, ok: bool) -> str:
    """What the judge answers."""
    return json.dumps({"ok": ok, "reason": reason})


@pytest.mark.long
def test_goal_and_run_end_together(claude: Claude, tmp_path: Path) -> None:
    """Catches progress that the judge of a goal cannot see, and a hook that outlasts the goal."""
    helper = open_counting(tmp_path)
    words = helper.root / "src" / "words.py"
    heard: list[str] = []

    def agent(asked: Request) -> Script:
        assert f'condition: "{CONDITION}"' in asked.last
        yield use("Skill", skill="autoresearch", args="run 2")
        yield bash("autoresearch run 2")
        yield rewrite(words, QUICK)
        yield bash("autoresearch try -m 'a set of seen words'")
        seen = yield say("One gain is enough, I stop here.")
        heard.append(seen.last)
        seen = yield say("I cannot go on.")
        heard.append(seen.last)
        yield rewrite(words, SLOWER)
        yield bash("autoresearch try -m 'add only what is new'")
        asked = yield say("AUTORESEARCH DONE")
        assert "anything left?" in asked.last
        yield say("Nothing.")

    judged = {
        OVER: verdict("the run is over", ok=True),
        QUESTION: verdict("the judge saw no DONE", ok=False),
    }
    with scripted(agent, answers=judged) as model:
        talk = claude.talk(
            model,
            f"/goal {CONDITION}",
            "anything left?",
            cwd=helper.root,
            options=("--plugin-dir", str(ROOT)),
        )

    both, goal_alone = heard
    assert "the judge saw no DONE" in both
    assert "1 of 2 experiments of run 1 are done" in both
    assert "the judge saw no DONE" in goal_alone
    assert "experiments of run 1 are done" not in goal_alone  # the log has not grown: we let go
    asked_judge = [request.said for request in model.side if QUESTION in request.last]
    assert [OVER in said for said in asked_judge] == [False, False, True]  # and then no more
    assert all("budget: run 1 of 2 used" in said for said in asked_judge)
    assert [bool(hook["output"]) for hook in talk.hooks_of("Stop")] == [True, False, False, False]
    assert [result["result"] for result in talk.results] == ["AUTORESEARCH DONE", "Nothing."]
    assert talk.denied == []
    assert [line["kind"] for line in helper.log()].count("run") == 1
