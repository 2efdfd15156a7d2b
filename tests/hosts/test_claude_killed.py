"""The real Claude Code, killed in the middle of an experiment, and a new session after it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.claude import rewrite
from support.counting import ORDERED, QUICK, SLOW, open_counting
from support.hosts import ROOT
from support.model import Request, Script, bash, say, scripted

if TYPE_CHECKING:
    from pathlib import Path

    from support.claude import Claude

PLUGIN = ("--plugin-dir", str(ROOT))
ENDLESS = """\
import threading

with open({gate!r}, "w") as gate:
    gate.write("a sample is running")
threading.Event().wait()
"""


@pytest.mark.long
def test_killed_in_mid_experiment_and_resumed(claude: Claude, tmp_path: Path) -> None:
    """Catches an experiment lost or counted twice, and a run that its heir starts anew."""
    helper = open_counting(tmp_path, extra="sandbox: off\n")
    words = helper.root / "src" / "words.py"
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    endless = ENDLESS.format(gate=str(gate)) + SLOW
    heard: list[str] = []

    def first(asked: Request) -> Script:
        yield bash("autoresearch run 2")
        yield rewrite(words, QUICK)
        yield bash("autoresearch try -m 'a set of seen words'")
        yield rewrite(words, endless)
        yield bash("autoresearch try -m 'wait for ever'")
        raise AssertionError("the second experiment ended")

    def second(asked: Request) -> Script:
        heard.append(asked.said)
        seen = yield bash("autoresearch run")
        heard.append(seen.last)
        yield rewrite(words, ORDERED)
        seen = yield bash("autoresearch try -m 'one pass, and a dict keeps the order'")
        heard.append(seen.last)
        yield say("DONE")

    with (
        scripted(first) as model,
        claude.session(model, cwd=helper.root, options=PLUGIN) as session,
    ):
        session.say("/autoresearch run 2")
        session.follow_to("wait for ever")
        assert gate.read_text() == "a sample is running"
    # the session was killed here, with all that it had started
    assert words.read_text("utf-8") == endless

    with scripted(second) as model:
        claude.talk(model, "/autoresearch run", cwd=helper.root, options=PLUGIN)
    brief, resumed, verdict = heard
    assert "A step was interrupted" in brief
    assert "a set of seen words" in brief
    assert "1 of 2 used" in resumed
    assert verdict.startswith("experiment 2: keep")  # what was interrupted does not count
    assert "next: DONE" in verdict
    records = helper.log()
    numbers = [line["number"] for line in records if line["kind"] == "experiment"]
    assert numbers == [1, 2]
    assert helper("doctor").out.splitlines()[-1] == "next: all is well"
