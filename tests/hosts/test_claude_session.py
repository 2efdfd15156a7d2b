"""A whole session in the real Claude Code: planned, run, validated."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.claude import HUMAN, Claude, rewrite
from support.confined import working_sandbox
from support.counting import CONTRACT, ORDERED, QUICK, SLOW, SLOWER, UNORDERED, make_counting
from support.hosts import ROOT
from support.model import Request, Script, bash, say, scripted, use
from support.session import Helper
from support.transcript import landmarks, page

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.wire import Turn

PAGE = ROOT / "docs" / "session.md"
PROMPTS = (
    "/autoresearch:plan find repeated words with less work",
    "/autoresearch run 4",
    "/autoresearch:validate",
)
DRAFT = CONTRACT.replace(sys.executable, "python3")
"""An interpreter that is named by its path may lie in the home, which is hidden."""


def planned(asked: Request, draft: str) -> Generator[Turn, Request, None]:
    """The agent's side of planning."""
    assert "<command-name>/autoresearch:plan</command-name>" in asked.last
    assert "no session in" in asked.last  # the state that the command gathers
    yield use("Skill", skill="autoresearch", args=f"{PROMPTS[0].partition(':')[2]} yes")
    seen = yield bash("autoresearch scan")
    assert "python3 bench.py (bench.py)" in seen.last
    assert "scope 1: src/**/*.py" in seen.last
    yield use("Write", file_path=draft, content=DRAFT)
    seen = yield bash("autoresearch check --confined --experiments 4 autoresearch.yaml")
    assert "noise: none" in seen.last
    assert "guard notices: src/words.py" in seen.last
    assert "4 experiments: at most" in seen.last
    seen = yield bash("autoresearch init autoresearch.yaml")
    assert "session fewer-lines is open" in seen.last


def test_planned_run_and_validated(claude: Claude, tmp_path: Path) -> None:
    """Catches a step that the real client cannot take, and any question beside the one to `init`.

    The agent says that the human said yes, which counts for nothing.
    """
    working_sandbox()
    repo = make_counting(tmp_path / "r")
    draft = str(repo.root / "autoresearch.yaml")
    source = repo.root / "src" / "words.py"
    answers: list[str] = []

    def agent(asked: Request) -> Script:
        yield from planned(asked, draft)
        asked = yield say("The session is open. `/autoresearch run 4` starts the experiments.")
        assert "Request: run 4" in asked.last
        seen = yield bash("autoresearch run 4")
        assert "4 experiments" in seen.last
        yield bash("autoresearch brief")
        for text, message in (
            (QUICK, "remember seen words in a set"),
            (SLOWER, "add to the set only what is new"),
            (UNORDERED, "one comprehension over the words"),
        ):
            yield rewrite(source, text)
            seen = yield bash(f"autoresearch try -m '{message}'")
            answers.append(seen.last)
        yield rewrite(source, ORDERED)
        seen = yield bash("autoresearch try --rework -m 'one pass, and a dict keeps the order'")
        answers.append(seen.last)

        asked = yield say("AUTORESEARCH DONE")
        assert "<command-name>/autoresearch:validate</command-name>" in asked.last
        seen = yield bash("autoresearch validate")
        answers.append(seen.last)
        yield say(told(seen.last))

    claude.install(ROOT, cwd=repo.root)
    with scripted(agent) as model:
        talk = claude.talk(model, *PROMPTS, cwd=repo.root, options=HUMAN)

    kept, discarded, rework, mended, validated = answers
    assert kept.startswith("experiment 1: keep")
    assert discarded.startswith("experiment 2: discard (worse)")
    assert rework.startswith("experiment 3: rework")
    assert "the order of first repetition" in rework
    assert mended.startswith("experiment 4: keep")
    assert "next: DONE" in mended
    assert validated.startswith("20 pairs: at most ")
    assert re.match(r"validated: -8\d", told(validated))
    (question,) = talk.asked
    assert question["input"]["command"].startswith("autoresearch init autoresearch.yaml --sha256 ")
    assert DRAFT.rstrip() in question["decision_reason"]
    assert "\n- baseline: lines 3351\n- verify imports" in question["decision_reason"]
    assert talk.denied == []
    assert talk.results[-1]["result"] == told(validated)
    assert source.read_text() == ORDERED
    assert repo("status", "--porcelain") == ""
    assert Helper(repo).branch_log()[:2] == [
        "one pass, and a dict keeps the order",
        "remember seen words in a set",
    ]
    names = {
        str(repo.root): "~/words",
        sys.executable: "python3",
        os.environ["XDG_STATE_HOME"]: "~/.local/state",
        os.environ["XDG_CACHE_HOME"]: "~/.cache",
    }
    check_page(page(talk, PROMPTS, {str(source): SLOW}, names))


def told(validated: str) -> str:
    """What `validate` found, below the words on how long it takes."""
    return validated.splitlines()[1]


def check_page(shown: str) -> None:
    """The page in docs/ is what happens today; WRITE_DOCS=1 writes it anew."""
    intro, start, written = PAGE.read_text("utf-8").partition("\n**You:** ")
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(intro + shown.rstrip() + "\n", "utf-8")
    else:
        again = f"WRITE_DOCS=1 python -m pytest {__file__} writes the page anew"
        assert landmarks(start + written) == landmarks(shown), again
