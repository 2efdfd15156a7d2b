"""The README: what it tells a newcomer to type works, and what it shows is what is printed."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

from autoresearch.cli.verdicts import experiment_lines
from autoresearch.core import formatting
from autoresearch.core.contract import parse
from autoresearch.core.model import CommandResult, Effect, Kind, RaceRecord, Scale, Verdict
from autoresearch.core.records import Experiment
from support.harness import Git
from support.records import make
from support.session import Helper

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")

RUN_BY = {
    "bin/autoresearch demo": "tests/e2e/test_launcher.py, tests/e2e/test_demo.py",
    "make test": ".ci/run",
}
"""Every shell line of the README for contributors and newcomers, and what runs it."""

# A made-up time so small that the clock of no machine could deny it.
BENCH = """\
import sys
sys.path.insert(0, "src")
import parser
print(f"METRIC parse_ms={parser.COST}")
"""


def blocks(language: str) -> list[str]:
    """The code blocks of one language, their indentation removed."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", README, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def transcript() -> dict[str, list[str]]:
    """What the README's first screen shows: each call and the lines below it."""
    (screen,) = blocks("console")
    calls = re.split(r"^\$ ", screen, flags=re.MULTILINE)[1:]
    return {call.split("\n")[0]: call.split("\n")[1:-1] for call in calls}


def test_every_shell_line_is_run_somewhere() -> None:
    """Catches a command that the README advertises and no test ever runs."""
    lines = [line for text in blocks("sh") for line in text.splitlines()]
    ours = [line for line in lines if not line.startswith("claude ")]
    assert sorted(ours) == sorted(RUN_BY)


def test_steps_by_hand_lead_to_a_validated_gain(tmp_path, monkeypatch):
    """Catches a step of "By hand" that fails, or a contract that is refused, for a newcomer."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    repo = Git.create(tmp_path / "r")
    repo.write("src/parser.py", "COST = 0.417\n")
    repo.write("bench.py", BENCH)
    repo.write("test_it.py", "def test_it():\n    assert True\n")
    repo.write(".gitignore", "__pycache__/\n.pytest_cache/\n")
    repo.commit("start")
    (contract,) = blocks("yaml")
    draft = tmp_path / "draft.yaml"
    draft.write_text(contract, "utf-8")
    typed = [shlex.split(line) for line in re.findall(r"`autoresearch ([a-z][^`]*)`", README)]
    helper = Helper(repo)
    for words in (["check", "draft.yaml"], ["init", "draft.yaml"]):
        assert words in typed
        helper(words[0], str(draft))
    repo.write("src/parser.py", "COST = 0.2085\n")
    attempt = ["try", "-m", "what and why"]
    assert attempt in typed
    assert ": keep  -50.0%" in helper(*attempt).out
    assert ["brief"] in typed
    assert "what and why" in helper("brief").out
    assert ["validate"] in typed
    assert helper("validate").out.startswith("validated: -50.0%")


def test_first_screen_shows_what_is_printed() -> None:
    """Catches a transcript in words that the program no longer uses."""
    contract = parse(blocks("yaml")[0])
    kept, validated = transcript().values()
    assert kept == list(
        experiment_lines(
            make(
                Experiment,
                number=9,
                verdict=Verdict.KEEP,
                kind=Kind.PLAIN,
                detail="better after 20 pairs, p = 0.0016",
                effect=Effect(scale=Scale.RATIO, change=-0.09, low=-0.136, high=-0.046, level=0.95),
                race=make(
                    RaceRecord,
                    order="ab" * 20,
                    wall_s=(12.0,),
                    pairs_planned=20,
                    alpha=0.02,
                    p_value=0.0016,
                ),
                guard=passed(2.5),
                same=passed(1.0),
            ),
            contract,
        )
    )
    proven = Effect(scale=Scale.RATIO, change=-0.504, low=-0.537, high=-0.462, level=0.95)
    assert validated[0] == f"validated: {formatting.effect(proven, 'ms')}"


def passed(seconds: float) -> CommandResult:
    """A command that passed."""
    return CommandResult(exit_code=0, duration_s=seconds, timed_out=False, output="")
