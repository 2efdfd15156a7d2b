"""The real OpenCode: it finds the installed skill and commands, and runs one experiment."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import hosts
from support.counting import QUICK, open_counting
from support.model import Request, Script, say, scripted, use

if TYPE_CHECKING:
    from pathlib import Path

    from support.model import Agent

QUIET = {
    f"OPENCODE_DISABLE_{name}": "1"
    for name in ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS", "SHARE")
}


def settings(url: str) -> dict[str, object]:
    """A provider that is the scripted model."""
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "script",
        "options": {"baseURL": f"{url}/v1", "apiKey": "none"},
        "models": {"scripted": {"name": "scripted"}},
    }
    return {
        "provider": {"script": provider},
        "model": "script/scripted",
        "small_model": "script/scripted",
        "snapshot": False,
    }


class OpenCode(NamedTuple):
    """One installation, with what `autoresearch install opencode` wrote."""

    program: Path
    home: Path
    env: dict[str, str]

    def command(self, agent: Agent, name: str, arguments: str, *, cwd: Path) -> list[dict]:
        """A slash command in a session of its own; the events."""
        with scripted(agent) as model:
            text = json.dumps(settings(model.url))
            (self.home / ".config" / "opencode" / "opencode.json").write_text(text, "utf-8")
            command = [self.program, "run", "--format", "json", "--command", name]
            command += arguments.split()  # one word with spaces would come with quotes
            errors = self.home / "stderr.txt"
            return hosts.events_of(command, cwd=cwd, env=self.env, errors=errors)


@pytest.fixture
def opencode(tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> OpenCode:
    """OpenCode with an empty home, in which nothing is installed yet."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    env = hosts.environment(home, AUTORESEARCH_DATA=str(prepared), **QUIET)
    env["PATH"] = f"{home}/.local/bin{os.pathsep}{env['PATH']}"
    return OpenCode(hosts.program("opencode"), home, env)


@pytest.mark.long
def test_commands_and_skill_are_found_and_one_experiment_runs(
    opencode: OpenCode, tmp_path: Path
) -> None:
    """Catches names, arguments or gathered context that OpenCode treats unlike Claude Code."""
    helper = open_counting(tmp_path)
    repo = helper.repo
    helper("install", "opencode")
    words = repo.root / "src" / "words.py"
    heard: list[str] = []

    def planner(asked: Request) -> Script:
        assert "fewer-lines" in asked.last  # what `autoresearch status` printed into the text
        assert "the request: plan a goal in words" in asked.last
        assert "<name>autoresearch</name>" in asked.said
        yield say("A session is open.")

    def agent(asked: Request) -> Script:
        assert "Request: run 1" in asked.last
        seen = yield use("bash", command="autoresearch run 1", description="open the run")
        heard.append(seen.last)
        yield use("read", filePath=str(words))
        yield use("write", filePath=str(words), content=QUICK)
        attempt = "autoresearch try -m 'a set of seen words'"
        seen = yield use("bash", command=attempt, description="hand it in")
        heard.append(seen.last)
        yield say("DONE")

    opencode.command(planner, "autoresearch:plan", "a goal in words", cwd=repo.root)
    opencode.command(agent, "autoresearch", "run 1", cwd=repo.root)
    opened, verdict = heard
    assert "0 of 1 used" in opened
    assert verdict.startswith("experiment 1: keep")
    assert helper.branch_log()[0] == "a set of seen words"
    assert repo("status", "--porcelain") == ""
