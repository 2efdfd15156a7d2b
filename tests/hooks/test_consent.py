"""Planning through the hooks: the draft, and the one question, with no session open yet."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from autoresearch.edges.places import repository_key
from support.hooks import Host
from support.project import make_project

if TYPE_CHECKING:
    from support.harness import Git

CONTRACT = "session: cheaper\nverify: python3 bench.py\n"


@pytest.fixture
def repo(tmp_path: Path) -> Git:
    """A project that never had a session."""
    return make_project(tmp_path / "r")


def question(host: Host, command: str) -> tuple[str, str, str]:
    """Decision, reason, and the command that would run."""
    answer = host.answer("PreToolUse", tool_name="Bash", tool_input={"command": command})
    told = answer["hookSpecificOutput"]
    given = told.get("updatedInput", {"command": command})
    return told["permissionDecision"], told["permissionDecisionReason"], given["command"]


def test_the_question_shows_the_contract_and_holds_its_bytes(repo: Git) -> None:
    """A human who agrees to what the agent says of a contract, or to one that changes meanwhile."""
    host = Host(repo.root)
    (repo.root / "autoresearch.yaml").write_text(CONTRACT)
    digest = hashlib.sha256(CONTRACT.encode()).hexdigest()[:16]
    decision, reason, command = question(host, "autoresearch init autoresearch.yaml")
    assert decision == "ask"
    assert reason.startswith("autoresearch: `init` needs the human's consent")
    assert reason.endswith(f"\n\n{CONTRACT.rstrip()}\n\n`check` was not run on it.")
    assert command == f"autoresearch init autoresearch.yaml --sha256 {digest}"
    for given in (
        "autoresearch init --worktree ../night autoresearch.yaml",
        f"autoresearch init autoresearch.yaml --sha256 {digest}",
    ):
        decision, reason, command = question(host, given)
        assert (decision, command.count("--sha256")) == ("ask", 1), given
        assert CONTRACT.rstrip() in reason
    for forged in ("autoresearch init --sha256 {0} {1}", "autoresearch init {1} --sha256={0}"):
        command = question(host, forged.format("0" * 16, "autoresearch.yaml"))[2]
        assert command.endswith(f" --sha256 {digest}"), "the digest of other bytes, by the agent"
    assert question(host, "autoresearch init missing.yaml")[:2] == (
        "ask",
        "autoresearch: `init` freezes a contract, but it could not be read here.",
    )


def test_a_long_contract_says_that_it_was_cut(repo: Git) -> None:
    """What matters behind a page of comments, or hidden by control characters."""
    (repo.root / "long.yaml").write_text("\x1b[2J" + "# nothing\n" * 100 + "verify: evil\n")
    reason = question(Host(repo.root), "autoresearch init long.yaml")[1]
    assert "\x1b" not in reason
    assert "[cut here: 21 more lines; read the file before you agree]" in reason
    (repo.root / "wide.yaml").write_text("verify: " + "x" * 5000)
    reason = question(Host(repo.root), "autoresearch init wide.yaml")[1]
    assert "[cut here: 1 more lines; read the file before you agree]" in reason


def test_the_question_shows_what_check_found_of_these_bytes(repo: Git) -> None:
    """Noise and warnings that the agent keeps to itself, or those of another draft."""
    (repo.root / "autoresearch.yaml").write_text(CONTRACT)
    state = Path(os.environ["XDG_STATE_HOME"]) / "autoresearch"
    folder = state / repository_key(repo.root, repo.root / ".git")
    folder.mkdir(parents=True)
    kept = {"at": "2026-11-26T12:00:00Z", "facts": ["baseline: m 3", "there is no guard"]}
    for digest, said in (
        (hashlib.sha256(CONTRACT.encode()).hexdigest(), "- baseline: m 3\n- there is no guard"),
        ("0" * 64, "`check` was not run on it."),
    ):
        (folder / "rehearsed.json").write_text(json.dumps({**kept, "contract_sha256": digest}))
        reason = question(Host(repo.root), "autoresearch init autoresearch.yaml")[1]
        assert reason.endswith(said)


def test_only_the_humans_own_yes_is_one(repo: Git) -> None:
    """A session that opens because its agent, or a goal that holds the word, said yes."""
    host = Host(repo.root)
    host.before("Skill", skill="autoresearch", args="plan faster yes")
    assert host.bash("autoresearch init autoresearch.yaml") == "ask"
    for name, given in (("plan", "say yes less often"), ("plan", "eyes"), ("run", "5 yes")):
        host.raw("UserPromptExpansion", command_name=f"autoresearch:{name}", command_args=given)
        assert host.bash("autoresearch init autoresearch.yaml") == "ask", given
    for name in ("plan", "autoresearch"):
        said = {"command_name": f"autoresearch:{name}", "command_args": "faster yes"}
        assert host.raw("UserPromptExpansion", **said) == ""
        assert host.bash("autoresearch init autoresearch.yaml") == "allow"
        assert host.bash("autoresearch init autoresearch.yaml --allow-outside") == "ask"
        assert Host(repo.root, "another").bash("autoresearch init autoresearch.yaml") == "ask"
        assert host.stop() is None
        assert host.bash("autoresearch init autoresearch.yaml") == "ask"


def test_a_yes_ends_with_its_prompt(repo: Git) -> None:
    """A turn that was interrupted, whose yes opens a session in the next one."""
    host = Host(repo.root)
    said = {"command_name": "autoresearch:plan", "command_args": "faster yes"}
    host.raw("UserPromptExpansion", prompt_id="1", **said)
    call = {"tool_name": "Bash", "tool_input": {"command": "autoresearch init autoresearch.yaml"}}
    for prompt, decision in (("1", "allow"), ("2", "ask")):
        answer = host.answer("PreToolUse", prompt_id=prompt, **call)
        assert answer["hookSpecificOutput"]["permissionDecision"] == decision


def test_the_draft_is_written_without_a_question(repo: Git, tmp_path: Path) -> None:
    """A click for each draft, or somebody's own file overwritten without one."""
    host, draft = Host(repo.root), repo.root / "autoresearch.yaml"
    host.mode = "plan"
    assert host.before("Write", file_path=str(draft))[0] is None
    host.mode = "default"
    assert host.before("Write", file_path="src/autoresearch.yaml")[0] is None
    assert host.before("Write", file_path=str(tmp_path / "autoresearch.yaml"))[0] is None
    assert host.before("Write", file_path=str(draft))[0] == "allow"
    draft.write_text(CONTRACT)
    assert host.edit(draft) == "allow"
    assert Host(repo.root, "another").edit(draft) is None
    (repo.root / "autoresearch.yaml").unlink()
    draft.symlink_to(tmp_path / "target")
    assert host.edit(draft) is None
    assert Host(tmp_path).before("Write", file_path="autoresearch.yaml")[0] is None


def test_nothing_is_written_where_nobody_plans(repo: Git) -> None:
    """A folder of state in every home, for edits that are nobody's business."""
    host = Host(repo.root)
    host.raw("UserPromptExpansion", command_name="autoresearch:plan", command_args="faster")
    assert host.bash("autoresearch init autoresearch.yaml") == "ask"
    assert host.bash("git init x && autoresearch status") is None
    assert host.edit(repo.root / "src" / "work.py") is None
    assert not (Path(os.environ["XDG_STATE_HOME"]) / "autoresearch").exists()
