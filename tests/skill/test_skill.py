"""The text that agents read: within its budgets, true to the command line, loadable by hosts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml
from autoresearch import __version__
from autoresearch.cli import COMMANDS, group, security
from autoresearch.core.budget import MOST_REFUSALS, MOST_VIOLATIONS
from autoresearch.core.contract import parse
from autoresearch.core.model import Verdict
from autoresearch.core.security.ledger import Persona
from autoresearch.loop.runs import DEFAULT_EXPERIMENTS

ROOT = Path(__file__).resolve().parents[2]
SKILL = ROOT / "skill" / "SKILL.md"
REFERENCES = sorted((ROOT / "skill" / "references").glob("*.md"))
COMMAND_FILES = sorted((ROOT / "commands").glob("*.md"))
READ_BY_AGENTS = [SKILL, *REFERENCES, *COMMAND_FILES]

STANDARD_FIELDS = {
    "name",
    "description",
    "license",
    "compatibility",
    "metadata",
    "allowed-tools",
}
HUMAN_COMMANDS = {"amend", "stop", "undo", "finalize"}
NEVER_UNASKED = {
    "init",
    "check",
    "compare",
    "security",
    "security prove",
    "security state",
    "security fix",
}
"""They run what no human has read yet, or decide what only a human may."""
EVERY_COMMAND = {*COMMANDS, *(f"security {name}" for name in security.COMMANDS)}

RUN_TOKENS = 2_000
BYTES_PER_TOKEN = 3.5


class Page(NamedTuple):
    """A Markdown file with its frontmatter taken apart."""

    fields: dict[str, object]
    body: str

    def text(self, field: str) -> str:
        """A field that must be text."""
        value = self.fields.get(field)
        assert isinstance(value, str), (field, value)
        return value


def read(path: Path) -> Page:
    """The frontmatter (empty without one) and the body."""
    text = path.read_text("utf-8")
    if not text.startswith("---\n"):
        return Page({}, text)
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    fields = yaml.safe_load(head)
    assert isinstance(fields, dict)
    return Page(fields, body)


def spans(path: Path) -> list[str]:
    """Everything between backticks and every line of a code block."""
    body = read(path).body
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", body, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", body, flags=re.DOTALL | re.MULTILINE)
    return [
        *re.findall(r"`([^`\n]+)`", prose),
        *(line for text in blocks for line in text.split("\n")),
    ]


def options_of(command: str) -> set[str]:
    """The option names that a command takes."""
    name, _, below = command.partition(" ")
    found = group.get_command(click.Context(group), name)
    if below and isinstance(found, click.Group):
        found = found.get_command(click.Context(found), below)
    assert found is not None, command
    named = {name for param in found.params for name in (*param.opts, *param.secondary_opts)}
    return {name for name in named if name.startswith("-")} | {"--help", "-h"}


def calls(path: Path) -> list[tuple[str, list[str]]]:
    """(command, options) of each call of the command line that a file names."""
    found = []
    for span in spans(path):
        words = span.split()
        full = words[:1] == ["autoresearch"] and len(words) > 1
        name = words[1] if full else (words or [""])[0]
        if name in COMMANDS or (full and re.fullmatch(r"[a-z]+", name)):
            options = re.findall(r"(?<=\s)--?[a-z][a-z-]*", re.sub(r'"[^"]*"', "", span))
            if name == "security" and len(words) > 2 and re.fullmatch(r"[a-z]+", words[2]):
                name = f"security {words[2]}"
            found.append((name, options))
    return found


def allowed(page: Page) -> list[str]:
    """The entries of `allowed-tools`, whether commas or spaces part them."""
    return re.findall(r"[A-Za-z]+(?:\([^)]*\))?", str(page.fields.get("allowed-tools", "")))


def test_skill_fits_its_budgets() -> None:
    """Catches a skill that grows until it eats the context it is meant to save."""
    text = SKILL.read_text("utf-8")
    assert len(text.splitlines()) <= 200
    assert len(text.split()) <= 1200
    loaded = len(SKILL.read_bytes()) + len((ROOT / "commands" / "run.md").read_bytes())
    assert loaded / BYTES_PER_TOKEN <= RUN_TOKENS


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_reference_fits_its_budget(path: Path) -> None:
    """Catches a reference too long to be read when it is needed."""
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 300
    assert len(lines) <= 100 or any("contents" in line.lower() for line in lines[:20])


def test_skill_obeys_the_agent_skills_rules(tmp_path: Path) -> None:
    """Catches frontmatter for which other hosts refuse the skill."""
    page = read(SKILL)
    assert set(page.fields) <= STANDARD_FIELDS
    assert page.text("name") == "autoresearch"
    assert 0 < len(page.text("description")) <= 500
    assert len(page.text("compatibility")) <= 500
    installed = tmp_path / "autoresearch"
    installed.symlink_to(SKILL.parent, target_is_directory=True)
    assert read(installed / "SKILL.md").text("name") == installed.name
    if sys.version_info >= (3, 11):  # which the validator needs
        validator = Path(sys.executable).with_name("agentskills")
        done = subprocess.run([validator, "validate", installed], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_description_says_when_and_not_how() -> None:
    """Catches a description with steps, on which agents act instead of reading the body."""
    description = read(SKILL).text("description")
    assert "Use when" in description
    assert "autoresearch try" not in description
    assert not re.search(r"\b(first|then|step)\b", description)


def test_invariants_are_few_and_each_names_its_command() -> None:
    """Catches a rule that no command enforces, and a block too long to be kept in mind."""
    block = read(SKILL).body.partition("## Invariants")[2].partition("\n## ")[0]
    rules = re.findall(r"^\d+\. .*$", block, re.MULTILINE)
    assert 1 <= len(rules) <= 7
    for rule in rules:
        assert set(re.findall(r"[a-z]+", " ".join(re.findall(r"`([^`]+)`", rule)))) & set(COMMANDS)


@pytest.mark.parametrize("path", READ_BY_AGENTS, ids=lambda path: path.stem)
def test_every_command_and_option_exists(path: Path) -> None:
    """Catches text that teaches a command or an option the command line does not have."""
    for command, options in calls(path):
        assert command in EVERY_COMMAND, command
        assert set(options) <= options_of(command), (command, options)
    every = set().union(*(options_of(command) for command in EVERY_COMMAND))
    bare = {span.split()[0] for span in spans(path) if span.startswith("--")}
    assert bare <= every


def test_text_names_calls_at_all() -> None:
    """Catches a reader of this test that finds nothing and so approves everything."""
    named = {command for path in READ_BY_AGENTS for command, _ in calls(path)}
    assert {"run", "brief", "try", "note", "drop", "apply", "profile", "validate"} <= named
    assert ("try", ["--simplify"]) in calls(SKILL)


def test_every_verdict_is_explained() -> None:
    """Catches a verdict for which the agent is not told what to do."""
    table = read(SKILL).body.partition("## Verdicts")[2].partition("\n## ")[0]
    explained = re.findall(r"^\| ([a-z]+)", table, re.MULTILINE)
    assert {verdict.value for verdict in Verdict} <= set(explained)


def test_every_persona_is_named() -> None:
    """Catches a persona that agents learn of only when a form is refused."""
    page = (ROOT / "skill" / "references" / "security.md").read_text("utf-8")
    assert [persona.value for persona in Persona if persona.value not in page] == []


def test_numbers_are_those_of_the_program() -> None:
    """Catches a default or a bound that changed in the program but not in the text."""
    body = read(SKILL).body
    assert f"without N: {DEFAULT_EXPERIMENTS}," in body
    assert (MOST_REFUSALS, MOST_VIOLATIONS) == (5, 3)
    assert "Five in a row end the run" in body
    assert "Three in a row end the run" in body
    assert "AUTORESEARCH DONE" in body


def test_contract_example_is_accepted() -> None:
    """Catches an example contract that `check` would refuse."""
    text = next(path for path in REFERENCES if path.stem == "plan").read_text("utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    contract = parse(example)
    assert contract.session == "parse-speed"
    assert contract.same is not None


def test_each_reference_is_linked_once_with_its_condition() -> None:
    """Catches a reference nobody is sent to, a dead link, a link without its condition."""
    body = read(SKILL).body
    links = re.findall(r"\]\(([^)]+)\)", body)
    assert sorted(links) == [f"references/{path.name}" for path in REFERENCES]
    for line in body.splitlines():
        if "](references/" in line:
            assert re.search(r"\bwhen\b|of the last five:|\bno session\b", line), line


@pytest.mark.parametrize("path", READ_BY_AGENTS, ids=lambda path: path.stem)
def test_text_is_readable_where_nothing_is_substituted(path: Path) -> None:
    """Catches placeholders that only one host knows, and links that load a file unasked."""
    text = path.read_text("utf-8")
    assert not re.search(r"(^|\s)@\w", text)
    assert set(re.findall(r"\$\{?[A-Za-z0-9_]+", text)) <= {"$ARGUMENTS"}
    assert text.count("$ARGUMENTS") <= 1


def test_the_request_stands_in_the_skill_once() -> None:
    """Catches a skill that never hears what was asked."""
    assert SKILL.read_text("utf-8").count("$ARGUMENTS") == 1


@pytest.mark.parametrize("path", COMMAND_FILES, ids=lambda path: path.stem)
def test_command_is_thin(path: Path) -> None:
    """Catches a slash command that grows a second copy of the skill, or never ends."""
    page = read(path)
    assert len(path.read_text("utf-8").splitlines()) <= 40
    assert set(page.fields) <= {
        "description",
        "argument-hint",
        "allowed-tools",
        "disable-model-invocation",
    }
    assert len(page.text("description")) <= 100
    assert re.search(r"\b[Ss]top\b", page.body)
    assert ("argument-hint" in page.fields) == ("$ARGUMENTS" in page.body)


@pytest.mark.parametrize("path", COMMAND_FILES, ids=lambda path: path.stem)
def test_gathered_context_cannot_abort_the_command(path: Path) -> None:
    """Catches a `!` line that fails or asks: the host then drops the whole command."""
    page = read(path)
    for line in re.findall(r"!`([^`]+)`", page.body):
        found = re.fullmatch(r"(autoresearch ((?:security )?[a-z]+)[a-z -]*) 2>&1 \|\| true", line)
        assert found is not None, line
        assert f"Bash(autoresearch {found[2]} *)" in allowed(page)


@pytest.mark.parametrize("path", [SKILL, *COMMAND_FILES], ids=lambda path: path.stem)
def test_allowed_tools_are_our_own_and_safe(path: Path) -> None:
    """Catches a permission for more than our commands, or for what a human must approve."""
    for tool in allowed(read(path)):
        if tool == "Skill":
            continue
        found = re.fullmatch(
            r"Bash\(autoresearch ((?:security )?[a-z]+)( --dry-run| --confined)? \*\)", tool
        )
        assert found is not None, tool
        command, dry = found[1], found[2] == " --dry-run"
        assert command in EVERY_COMMAND
        assert command not in NEVER_UNASKED or found[2] == " --confined"
        assert dry or command not in HUMAN_COMMANDS or path.stem == command


def test_only_human_commands_are_closed_to_the_agent() -> None:
    """Catches a loop that cannot call `run`, and an agent that can end its own session."""
    closed = {
        path.stem for path in COMMAND_FILES if "disable-model-invocation" in read(path).fields
    }
    assert closed == HUMAN_COMMANDS


def test_slash_names_do_not_shadow_the_skill() -> None:
    """Catches commands/autoresearch.md, with which `/autoresearch` is unknown to some clients."""
    names = {path.stem for path in COMMAND_FILES}
    assert "autoresearch" not in names
    assert names - {"evals", "plan", "regression"} <= set(COMMANDS)


def test_manifests_agree_with_the_project() -> None:
    """Catches a release whose plugin says another version, or whose skill is not found."""
    plugin = json.loads((ROOT / ".claude-plugin" / "plugin.json").read_text("utf-8"))
    market = json.loads((ROOT / ".claude-plugin" / "marketplace.json").read_text("utf-8"))
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    (version,) = re.findall(r'^version = "([^"]+)"', project, re.MULTILINE)
    assert plugin["version"] == version == __version__
    assert plugin["skills"] == "./skill"
    assert plugin["name"] == market["name"] == "autoresearch"
    (entry,) = market["plugins"]
    assert entry["source"] == "./"
    assert entry["description"] == plugin["description"]


def test_documented_slash_commands_exist() -> None:
    """Catches a page that promises a slash command nobody wrote."""
    names = {path.stem for path in COMMAND_FILES}
    for path in (*READ_BY_AGENTS, ROOT / "docs" / "hosts.md"):
        named = re.findall(r"(?:(?<!\w)/autoresearch|`):([a-z]+)", path.read_text("utf-8"))
        assert set(named) <= names, path
