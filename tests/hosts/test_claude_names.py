"""What a human types, and what the real Claude Code makes of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.counting import make_counting
from support.hosts import ROOT
from support.model import Request, Script, say, scripted, use

if TYPE_CHECKING:
    from support.claude import Claude

SKILL = (ROOT / "skill" / "SKILL.md").read_text("utf-8")
COMMANDS = sorted(path.stem for path in (ROOT / "commands").glob("*.md"))
TYPED_TO_THE_SKILL = ("run 5", "run", "make parsing faster without changing output", "")
PLUGIN = ("--plugin-dir", str(ROOT))


def words_of(command: str, arguments: str) -> str:
    """The last paragraph of a command's text, as the host must fill it in."""
    text = (ROOT / "commands" / f"{command}.md").read_text("utf-8")
    return text.rstrip().rpartition("\n\n")[2].replace("$ARGUMENTS", arguments)


@pytest.mark.long
def test_every_name_expands(claude: Claude, tmp_path: Path) -> None:
    """Catches a slash command that reaches the model as plain text, or without its arguments."""
    repo = make_counting(tmp_path / "r")
    prompts = [f"/autoresearch {words}".rstrip() for words in TYPED_TO_THE_SKILL]
    prompts += [f"/autoresearch:{command} 7 x" for command in COMMANDS]
    heard: list[str] = []

    def agent(asked: Request) -> Script:
        while True:
            heard.append(asked.last)
            asked = yield say("heard")

    with scripted(agent) as model:
        talk = claude.talk(model, *prompts, cwd=repo.root, options=PLUGIN)

    assert len(heard) == len(prompts), [result.get("result") for result in talk.results]
    for words, found in zip(TYPED_TO_THE_SKILL, heard, strict=False):
        assert f"\nRequest: {words}" in found
        assert SKILL.rpartition("## End")[2].strip() in found
    for command, found in zip(COMMANDS, heard[len(TYPED_TO_THE_SKILL) :], strict=True):
        assert f"<command-name>/autoresearch:{command}</command-name>" in found
        assert words_of(command, "7 x") in found
        assert "command not found" not in found


def test_goal_in_words_is_offered_the_skill(claude: Claude, tmp_path: Path) -> None:
    """Catches a description that the model never sees, or a skill that it may not load itself."""
    repo = make_counting(tmp_path / "r")

    def agent(asked: Request) -> Script:
        offered = re.search(r"^- autoresearch:autoresearch: (.*)$", asked.said, re.MULTILINE)
        assert offered is not None
        assert "make this faster" in offered[1]
        seen = yield use("Skill", skill="autoresearch", args="make this faster overnight")
        assert "Request: make this faster overnight" in seen.last
        yield say("loaded")

    with scripted(agent) as model:
        talk = claude.talk(model, "make this faster overnight", cwd=repo.root, options=PLUGIN)
    assert talk.denied == []


def test_a_loop_with_a_bare_number_reaches_the_skill_whole(claude: Claude, tmp_path: Path) -> None:
    """Catches a number before the command that the client takes away."""
    repo = make_counting(tmp_path / "r")

    def agent(asked: Request) -> Script:
        assert "5 /autoresearch run" in asked.last
        seen = yield use("Skill", skill="autoresearch", args="run")
        assert "N is the integer anywhere in it, also before the command (`/loop 5" in seen.last
        yield say("loaded")

    with scripted(agent) as model:
        claude.talk(model, "/loop 5 /autoresearch run", cwd=repo.root, options=PLUGIN)
