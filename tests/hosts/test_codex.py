"""The real Codex: it loads the installed skill, and says which setting its sandbox needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import hosts
from support.counting import QUICK, open_counting
from support.model import Request, Script, say, scripted, use

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.model import Agent
    from support.wire import Turn

PROVIDER = """\
model = "scripted"
model_provider = "script"
[model_providers.script]
name = "script"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "NO_KEY"
[sandbox_workspace_write]
exclude_slash_tmp = true
exclude_tmpdir_env_var = true
"""
BASES = (("XDG_STATE_HOME", "autoresearch"), ("XDG_CACHE_HOME", "autoresearch-bench"))


class Codex(NamedTuple):
    """One installation, with the skill that `autoresearch install codex` wrote."""

    program: Path
    home: Path
    env: dict[str, str]

    def talk(self, agent: Agent, prompt: str, *, cwd: Path, setting: str = "") -> list[dict]:
        """One session to its end, in the sandbox that Codex calls workspace-write; its events."""
        with scripted(agent) as model:
            text = PROVIDER.format(url=model.url) + setting
            (self.home / ".codex" / "config.toml").write_text(text, "utf-8")
            command = [self.program, "exec", "--json", "--sandbox", "workspace-write", prompt]
            errors = self.home / "stderr.txt"
            return hosts.events_of(command, cwd=cwd, env=self.env, errors=errors)


def shell(command: str) -> Generator[Turn, Request, str]:
    """What a command printed, however long Codex makes the agent wait for it."""
    seen = yield use("exec_command", cmd=command)
    parts = [seen.last]
    while found := re.search(r"^Process running with session ID (\d+)$", parts[-1], re.MULTILINE):
        seen = yield use("write_stdin", session_id=int(found[1]), yield_time_ms=300_000)
        parts.append(seen.last)
    return "\n".join(parts)


@pytest.fixture
def codex(tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Codex:
    """Codex in a home where the skill is installed for it."""
    program = hosts.program("codex")
    home = tmp_path / "home"
    (home / ".codex").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    aliases = tmp_path / "aliases"  # Codex makes these itself, but for a home below /tmp
    aliases.mkdir()
    (aliases / "codex-linux-sandbox").symlink_to(program)
    env = hosts.environment(home, AUTORESEARCH_DATA=str(prepared), NO_KEY="none")
    env["PATH"] = f"{aliases}{os.pathsep}{env['PATH']}"
    tried = subprocess.run([program, "sandbox", "true"], env=env, capture_output=True, check=False)
    if tried.returncode:
        hosts.cannot(f"Codex has no sandbox here: {tried.stderr.decode()}")
    return Codex(program, home, env)


def test_skill_is_loaded_and_the_setting_lets_one_experiment_through(
    codex: Codex, tmp_path: Path
) -> None:
    """Catches a skill Codex does not find, and a sandbox whose setting nobody can tell."""
    helper = open_counting(tmp_path)
    repo = helper.repo
    helper("install", "codex")
    heard: list[str] = []

    def program_of(asked: Request) -> str:
        """The path that the installed skill gives; a login shell of Codex has a PATH of its own."""
        found = re.search(r"^CLI: `autoresearch` on PATH, else `(.+?)`", asked.said, re.MULTILINE)
        assert found is not None
        return found[1]

    def shut_out(asked: Request) -> Script:
        assert "$autoresearch run 1" in asked.said
        heard.append((yield from shell(f"{program_of(asked)} doctor")))
        heard.append((yield from shell(f"{program_of(asked)} run 1")))
        yield say("The sandbox is in the way.")

    def let_in(asked: Request) -> Script:
        program = program_of(asked)
        heard.append((yield from shell(f"{program} run 1")))
        edit = f"cat >src/words.py <<'END'\n{QUICK}END"
        heard.append((yield from shell(f"{edit}\n{program} try -m 'a set of seen words'")))
        yield say("DONE")

    codex.talk(shut_out, "$autoresearch run 1", cwd=repo.root)
    diagnosis, refused = heard
    places = [str(repo.root / ".git"), *(f"{os.environ[name]}/{folder}" for name, folder in BASES)]
    assert f"not writable: {', '.join(places)}" in diagnosis
    found = re.search(r"below \[sandbox_workspace_write\], (writable_roots = .+?);", diagnosis)
    assert found is not None
    assert json.loads(found[1].partition(" = ")[2]) == places
    assert "`autoresearch doctor` names the setting" in refused

    heard.clear()
    codex.talk(let_in, "$autoresearch run 1", cwd=repo.root, setting=f"{found[1]}\n")
    opened, verdict = heard
    assert "0 of 1 used" in opened
    assert "experiment 1: keep" in verdict
    assert helper.branch_log()[0] == "a set of seen words"
