"""Before a tool runs: protected files refused with a reason, the loop's own calls let through."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from autoresearch.edges.places import repository_key
from autoresearch.edges.whereabouts import cache_folder
from support.hooks import AGENT, Host, run_hook
from support.project import PYTHON, make_project
from support.session import open_session


@pytest.fixture
def helper(tmp_path):
    return open_session(tmp_path)


def places(name: str) -> Path:
    return Path(os.environ[name]) / "autoresearch"


def test_protected_files_are_refused_with_a_reason_that_helps(helper, tmp_path):
    """A benchmark that an agent edits, to hear of it only after a race that was for nothing."""
    host = Host(helper.root)
    decision, reason = host.before("Edit", file_path=str(helper.root / "bench.py"))
    assert decision == "deny"
    assert reason.startswith("autoresearch: bench.py is outside the scope (src/**)")
    assert "/autoresearch:amend" in reason
    decision, reason = host.before("Write", file_path=str(helper.root / "autoresearch.yaml"))
    assert decision == "deny"
    assert "is the contract" in reason
    for path in (
        "check.py",
        ".gitignore",
        "src/../bench.py",
        "AUTORESEARCH.YAML",
        "autoresearch.jsonl",
        ".git/config",
        ".git/refs/heads/main",
    ):
        assert host.edit(helper.root / path) == "deny", path
    (log,) = places("XDG_STATE_HOME").glob("*/cheaper/log.jsonl")
    assert host.edit(log) == "deny"
    cache = Path(cache_folder(os.environ) or "")
    assert host.edit(cache / log.parent.parent.name / "cheaper/a/bench.py") == "deny"
    assert host.before("NotebookEdit", notebook_path=str(helper.root / "bench.py"))[0] == "deny"
    assert host.before("MultiEdit", file_path=str(helper.root / "bench.py"), edits=[])[0] == "deny"


def test_links_lead_where_they_lead(helper, tmp_path):
    """A link in scope through which the benchmark is edited."""
    host = Host(helper.root)
    (helper.root / "src" / "innocent.py").symlink_to("../bench.py")
    (helper.root / "src" / "folder").symlink_to(helper.root)
    (tmp_path / "elsewhere").symlink_to(helper.root)
    assert host.edit(helper.root / "src" / "innocent.py") == "deny"
    assert host.edit(helper.root / "src" / "folder" / "check.py") == "deny"
    assert host.edit(tmp_path / "elsewhere" / "bench.py") == "deny"
    assert Host(tmp_path / "elsewhere").edit("bench.py") == "deny"
    (tmp_path / "outside.py").write_text("")
    (helper.root / "src" / "out.py").symlink_to(tmp_path / "outside.py")
    helper("run", "3", env=AGENT)
    assert host.edit(helper.root / "src" / "out.py") is None


def test_scratch_files_are_the_agents_own(helper):
    """A note or a profile that cannot be written because it is not in scope."""
    host = Host(helper.root)
    assert host.edit(helper.root / "notes.txt") is None
    (helper.root / "notes.txt").write_text("mine")
    assert host.edit(helper.root / "notes.txt") is None
    assert host.edit(helper.root.parent / "other.py") is None
    assert host.edit("/etc/hosts") is None


def test_edits_in_scope_pass_while_the_run_lasts(helper):
    """A night that waits at a prompt, or a permission that outlives the run it was given for."""
    host = Host(helper.root)
    inside = helper.root / "src" / "work.py"
    assert host.edit(inside) is None
    helper("run", "3", env=AGENT)
    assert host.edit(inside) == "allow"
    assert host.edit("src/new.py") == "allow"
    assert host.edit("src/.claude/settings.json") is None  # in scope, but it steers the host
    assert host.edit("src/.envrc") is None
    assert Host(helper.root, "another-session").edit(inside) is None
    host.mode = "plan"
    assert host.edit(inside) is None
    host.mode = "default"
    helper("stop", "-m", "enough")
    assert host.edit(inside) is None
    assert host.edit(helper.root / "bench.py") is None  # the session is over


def test_sub_agent_is_refused_as_well(helper):
    """A protected file that a sub-agent edits for its master."""
    said = Host(helper.root).said(
        "PreToolUse",
        tool_name="Edit",
        tool_input={"file_path": str(helper.root / "bench.py")},
        agent_id="a1",
    )
    done = run_hook("PreToolUse", said, cwd=helper.root)
    assert b'"deny"' in done.stdout


def test_notes_of_the_document_may_be_written(helper):
    """A page whose free notes nobody may write, or whose figures anybody may."""
    helper("run", "1", env=AGENT)
    path = helper.root / "autoresearch.md"
    text = path.read_text()
    host = Host(helper.root)
    named = str(path)
    begin = "<!-- autoresearch: notes begin -->"
    for decision, given in (
        (None, {"old_string": "(none yet)\n<!--", "new_string": "mine\n<!--"}),
        ("deny", {"old_string": "# autoresearch", "new_string": "# mine"}),
        ("deny", {"old_string": begin, "new_string": ""}),
    ):
        assert host.before("Edit", file_path=named, **given)[0] == decision, given
    assert (
        host.before(
            "Write", file_path=named, content=text.replace("(none yet)\n<!--", "mine\n<!--")
        )[0]
        is None
    )
    assert host.before("Write", file_path=named, content="all mine")[0] == "deny"
    edits = [
        {"old_string": "(none yet)\n<!--", "new_string": "mine\n<!--"},
        {"old_string": "Goal", "new_string": "Gaol", "replace_all": True},
    ]
    assert host.before("MultiEdit", file_path=named, edits=edits[:1])[0] is None
    assert host.before("MultiEdit", file_path=named, edits=edits)[0] == "deny"


def test_plain_calls_pass_and_the_humans_are_asked_for(helper):
    """A click for every `try`, or a session stopped by its own agent."""
    host = Host(helper.root)
    for command, decision in (
        ("autoresearch run 5", "allow"),
        ("autoresearch try -m 'a; b' --hypothesis \"c\"", "allow"),
        ("autoresearch show 3", "allow"),
        ("autoresearch init draft.yaml", "ask"),
        ("autoresearch init --help", None),
        ("cd .. && autoresearch init draft.yaml", "ask"),
        ("autoresearch check draft.yaml", None),
        ("autoresearch check --confined draft.yaml", "allow"),
        ("autoresearch check --confined draft.yaml --allow-outside", None),
        ("autoresearch check --confined draft.yaml > bench.py", None),
        ("autoresearch", None),
        ("autoresearch status && rm -rf src", None),
        ("autoresearch status > bench.txt", None),
        ("PATH=. autoresearch status", None),
        ("./autoresearch status", None),
        ("autoresearch stop -m 'done'", "ask"),
        ("autoresearch undo 3", "ask"),
        ("autoresearch amend", "ask"),
        ("autoresearch review --accept 3 --by Ada", "ask"),
        ("autoresearch review --reject=3 --by Ada", "ask"),
        ("autoresearch amend --dry-run", None),
        ("cd src && autoresearch undo 3", "ask"),
        ("autoresearch gc --keep 50", "allow"),
        ("autoresearch gc --prune", "ask"),
        ("autoresearch gc '--prune'", "ask"),
        ("cd src && autoresearch gc '--prune'", "ask"),
        ("rm -r src && autoresearch gc", None),
        ("echo autoresearch", None),
        ("ls", None),
    ):
        assert host.bash(command) == decision, command


def test_audit_is_a_session_of_its_own(tmp_path):
    """An audit that asks for every finding, or runs a proof that no human has read."""
    repo = make_project(tmp_path / "r")
    host = Host(repo.root)
    folder = places("XDG_STATE_HOME") / repository_key(repo.root, repo.root / ".git") / ".security"
    for exists in (False, True):
        if exists:
            folder.mkdir(parents=True)
            (folder / "security.jsonl").write_text("")
        for command, decision in (
            ("autoresearch security next", "allow"),
            ("autoresearch security add -m 'x'", "allow"),
            ("autoresearch security prove 3 proof.py", None),
            ("autoresearch security fix", None),
            ("autoresearch security state 3 accepted --reason x", "ask"),
        ):
            assert host.bash(command) == (decision if exists else None), command


def test_own_launcher_passes_and_another_one_does_not(helper, tmp_path):
    """A program of the repository that is called like ours."""
    host = Host(helper.root)
    launcher = Path(__file__).resolve().parents[2] / "bin" / "autoresearch"
    assert host.bash(f"{launcher} status") == "allow"
    (tmp_path / "autoresearch").write_text("#!/bin/sh\n")
    assert host.bash(f"{tmp_path}/autoresearch status") is None


def test_obvious_write_to_a_protected_file_is_warned_of(helper):
    """An agent that overwrites the benchmark with the shell and wonders why `try` refuses."""
    host = Host(helper.root)
    decision, reason = host.before("Bash", command="sed -i s/random/fixed/ bench.py")
    assert decision is None
    assert reason.startswith("autoresearch: bench.py is outside the scope")
    assert host.before("Bash", command="echo x > bench.py")[1] == reason
    assert host.before("Bash", command="python3 bench.py > /dev/null; cat bench.py")[1] == ""
    assert host.before("Bash", command="echo x > src/work.py")[1] == ""


def test_amending_by_the_human_is_asked_and_not_refused(helper):
    """A contract that its own human cannot change through the agent, or that stays open after."""
    host = Host(helper.root)
    contract = helper.root / "autoresearch.yaml"
    assert host.raw("UserPromptExpansion", command_name="autoresearch:plan") == ""
    assert host.edit(contract) == "deny"
    assert host.raw("UserPromptExpansion", command_name="autoresearch:amend") == ""
    assert host.edit(contract) == "ask"
    assert host.edit(helper.root / "bench.py") == "ask"
    assert host.edit(helper.root / "autoresearch.jsonl") == "deny"
    assert host.stop() is None
    assert host.edit(contract) == "deny"


def test_other_branch_is_the_humans_own(helper):
    """A human who works on another branch and may not edit the tests there."""
    host = Host(helper.root)
    helper.repo("switch", "-q", "-c", "mine")
    assert host.edit(helper.root / "bench.py") is None
    assert host.bash("autoresearch status") is None
    helper.repo("switch", "-q", "autoresearch/cheaper")
    assert host.edit(helper.root / "bench.py") == "deny"
    helper.repo("switch", "-q", "--detach")
    assert host.edit(helper.root / "bench.py") is None


def test_linked_worktree_has_its_own_session(helper, tmp_path):
    """A session in a worktree that also forbids edits in the main checkout."""
    helper.repo("switch", "-q", "main")
    tree = tmp_path / "night"
    helper.repo("worktree", "add", "-q", str(tree), "autoresearch/cheaper")
    view = helper.state / "host.json"
    view.write_text(view.read_text().replace(str(helper.root), str(tree)))
    assert Host(tree).edit(tree / "bench.py") == "deny"
    assert Host(helper.root).edit(tree / "bench.py") == "deny"
    assert Host(helper.root).edit(helper.root / "bench.py") is None


def test_own_skill_is_loaded_without_a_question(tmp_path):
    """`/loop` at night that stops at the question whether the skill may load."""
    host = Host(tmp_path)
    assert host.before("Skill", skill="autoresearch")[0] == "allow"
    assert host.before("Skill", skill="autoresearch:run", args="5")[0] == "allow"
    assert host.before("Skill", skill="autoresearcher")[0] is None
    assert host.before("Skill")[0] is None
    assert host.before("Skill", skill=["autoresearch"])[0] is None


def test_answers_are_the_hosts_form(helper):
    """An answer that the host does not understand, so that everything passes."""
    answer = Host(helper.root).answer(
        "PreToolUse", tool_name="Edit", tool_input={"file_path": str(helper.root / "bench.py")}
    )
    told = answer["hookSpecificOutput"]
    assert sorted(told) == ["hookEventName", "permissionDecision", "permissionDecisionReason"]
    assert told["hookEventName"] == "PreToolUse"
    assert json.loads(json.dumps(answer)) == answer


def test_what_the_holdout_reads_is_not_read_by_the_agent(tmp_path):
    """An agent that looks at the inputs it must not have seen, and fits them."""
    data = tmp_path / "unseen" / "data"
    data.mkdir(parents=True)
    (tmp_path / "beside").mkdir()
    script = tmp_path / "unseen" / "bench.py"
    script.write_text("print(100)\n")
    extra = f"holdout: {{command: '{PYTHON} {script}', reads: ['{data}']}}\n"
    host = Host(open_session(tmp_path, extra=extra, repo=make_project(tmp_path / "r")).root)
    (tmp_path / "link").symlink_to(data)
    for path in (script, data / "inputs.json", tmp_path / "link" / "inputs.json"):
        assert host.before("Read", file_path=str(path))[0] == "deny", path
    for path in (data, tmp_path, script):
        assert host.before("Grep", pattern="x", path=str(path))[0] == "deny", path
    decision, reason = host.before("Bash", command=f"head -3 {data}/inputs.json")
    assert decision == "deny"
    assert "belongs to the holdout" in reason
    assert host.before("Read", file_path=str(host.cwd / "bench.py")) == (None, "")
    assert host.before("Grep", pattern="x") == (None, "")
    assert host.before("Grep", pattern="x", path=str(tmp_path / "beside")) == (None, "")
    assert host.bash(f"autoresearch try -m 'no word of {data}'") == "allow"
    assert Host(tmp_path).before("Read", file_path=str(script)) == (None, "")
