"""The hook program itself: quiet, harmless whatever it meets, and run by any Python."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from autoresearch.hosts.hook import EVENTS
from support.hooks import AGENT, PROGRAM, ROOT, Host, run_hook
from support.project import make_project, set_cost
from support.session import Helper, open_session

HOOKS = json.loads((ROOT / "hooks" / "hooks.json").read_text("utf-8"))["hooks"]
MODULES = [
    PROGRAM,
    *sorted((ROOT / "helpers" / "autoresearch" / "hosts").glob("[!i]*.py")),  # not `install`
    ROOT / "helpers" / "autoresearch" / "edges" / "whereabouts.py",
    ROOT / "helpers" / "autoresearch" / "core" / "inscope.py",
    ROOT / "helpers" / "autoresearch" / "__init__.py",
    ROOT / "helpers" / "autoresearch" / "core" / "__init__.py",
    ROOT / "helpers" / "autoresearch" / "edges" / "__init__.py",
]


def test_every_event_is_answered_and_none_ends_with_two():
    """A hook that the program does not know, or whose crash traps the agent."""
    assert set(HOOKS) == set(EVENTS)
    for event, groups in HOOKS.items():
        for group in groups:
            for hook in group["hooks"]:
                assert hook["command"] == (
                    'python3 -I -S "${CLAUDE_PLUGIN_ROOT}/hooks/autoresearch.py" '
                    f"{event} || exit 0"
                )
                assert hook["timeout"] == 10
    tools = HOOKS["PreToolUse"][0]["matcher"].split("|")
    edits = ["Edit", "Write", "MultiEdit", "NotebookEdit"]
    assert tools == [*edits, "Bash", "Read", "Grep", "Skill"]


def test_command_of_the_manifest_runs_in_a_shell(tmp_path):
    """A command line that only works when a test calls the program by hand."""
    helper = open_session(tmp_path / "with space")
    helper("run", "2", env=AGENT)
    command = HOOKS["Stop"][0]["hooks"][0]["command"]
    for root, blocks in ((ROOT, True), (tmp_path / "gone", False)):
        done = subprocess.run(
            ["sh", "-c", command],
            input=json.dumps(Host(helper.root).said("Stop")).encode(),
            env={**os.environ, "CLAUDE_PLUGIN_ROOT": str(root)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0
        assert (b'"block"' in done.stdout) is blocks


def test_nothing_is_said_or_written_without_a_session(tmp_path, isolated):
    """Words, files or a cost in repositories that have nothing to do with us."""
    repo = make_project(tmp_path / "r")
    before = sorted(isolated.rglob("*"))
    host = Host(repo.root)
    for event in EVENTS:
        said = host.raw(
            event, tool_name="Edit", tool_input={"file_path": str(repo.root / "bench.py")}
        )
        assert said == ""
    assert host.bash("autoresearch status") is None
    assert sorted(isolated.rglob("*")) == before
    Helper(make_project(tmp_path / "other"))
    other = open_session(tmp_path / "s")
    assert other.root.is_dir()
    assert host.context() == ""
    assert host.edit(repo.root / "bench.py") is None
    assert Host(tmp_path).context() == ""


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"tool_name": 3, "tool_input": "x"}',
        b'{"session_id": 7, "cwd": 7, "tool_name": "Edit", "tool_input": {"file_path": "\\u0000"}}',
        b'{"session_id": "../x", "cwd": "/no", "tool_name": "Bash", "tool_input": {"command": 5}}',
    ],
)
def test_whatever_the_host_says_the_hook_ends_with_nought(tmp_path, given):
    """An accidental exit 2, which keeps an agent from ending its turn eight times."""
    open_session(tmp_path)
    for event in ("PreToolUse", "Stop", "SessionStart", "NoSuchEvent", ""):
        done = run_hook(event, given, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), event


def test_failure_is_kept_where_doctor_shows_it(tmp_path):
    """A hook that has been failing for weeks and that nobody noticed."""
    helper = open_session(tmp_path)
    view = helper.state / "host.json"
    broken = json.loads(view.read_text())
    broken["scope"]["allowed"] = ["("]
    view.write_text(json.dumps(broken))
    host = Host(helper.root)
    assert host.edit(helper.root / "src/work.py") is None
    found = helper("doctor", code=1).out
    line = next(line for line in found.splitlines() if "hooks: one failed" in line)
    assert line.startswith("BAD")
    assert "missing )" in line
    file = Path(os.environ["XDG_STATE_HOME"]) / "autoresearch" / "hook-errors.txt"
    for _ in range(3):
        file.write_text(file.read_text() * 20)
        host.edit(helper.root / "src/work.py")
    assert file.stat().st_size <= 16 * 1024
    file.unlink()
    assert "hooks: one failed" not in helper("doctor").out


def test_each_hook_can_be_turned_off(tmp_path):
    """A human who cannot get rid of a hook but by uninstalling."""
    helper = open_session(tmp_path)
    said = Host(helper.root).said("SessionStart", source="startup")
    for value, quiet in (("", False), ("off", True), ("Stop, sessionstart", True), ("Stop", False)):
        done = run_hook("SessionStart", said, env={"AUTORESEARCH_HOOKS": value})
        assert (done.stdout == b"") is quiet, value


def test_old_pythons_understand_every_line():
    """A macOS whose own Python, 3.9, cannot run the hooks."""
    for path in MODULES:
        ast.parse(path.read_text("utf-8"), feature_version=(3, 8))
    imported = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    slow = {"hashlib", "traceback", "unicodedata"}  # where they are rarely needed
    never_run = {"collections", "typing"}  # for the type checker
    assert imported - {"autoresearch", "__future__"} == (
        {"json", "os", "re", "sys", "time"} | slow | never_run
    )


@pytest.mark.parametrize("event", [*EVENTS, "statusline"])
def test_a_quiet_call_imports_nothing(tmp_path, event):
    """A hook that costs every edit in every repository a tenth of a second."""
    open_session(tmp_path)
    repo = make_project(tmp_path / "quiet")
    given = {"file_path": str(repo.root / "x")}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", str(PROGRAM), event],
        input=json.dumps(Host(repo.root).said(event, tool_name="Edit", tool_input=given)).encode(),
        cwd=repo.root,
        capture_output=True,
        check=True,
    )
    loaded = set(re.findall(r"\|\s+(\S+)$", done.stderr.decode(), re.MULTILINE))
    assert "autoresearch.hosts.entry" in loaded
    assert not loaded & {"json", "re", "hashlib", "typing", "pathlib", "autoresearch.hosts.hook"}


def other_python(version):
    """A Python of this version on PATH, or installed beside the one that runs the tests."""
    beside = Path(sys.base_prefix).parent.glob(f"*{version}.*/bin/python3")
    for found in (shutil.which(f"python{version}"), *map(str, sorted(beside))):
        if (
            found
            and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0
        ):
            return found
    return None


@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_other_pythons_run_it(tmp_path, version):
    """Code that this Python runs and the host's does not."""
    found = other_python(version)
    if found is None:
        pytest.skip(f"Python {version} is not here")
    helper = open_session(tmp_path)
    helper("run", "2", env=AGENT)
    host = Host(helper.root)
    edit = host.said("PreToolUse", tool_name="Edit", tool_input={"file_path": "bench.py"})
    assert b'"deny"' in run_hook("PreToolUse", edit, cwd=helper.root, python=found).stdout
    stop = run_hook("Stop", host.said("Stop"), cwd=helper.root, python=found)
    assert b'"block"' in stop.stdout
    start = host.said("SessionStart", source="startup")
    assert b"session cheaper" in run_hook("SessionStart", start, python=found).stdout


def test_command_line_and_launcher_lead_to_the_same_program(tmp_path):
    """A hook of another host that answers otherwise than the plugin's."""
    helper = open_session(tmp_path)
    given = json.dumps(Host(helper.root).said("SessionStart", source="startup")).encode()
    expected = run_hook("SessionStart", given).stdout
    assert b"session cheaper" in expected
    bare = {name: os.environ[name] for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")}
    bare["PATH"] = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
    for command in (
        [sys.executable, "-m", "autoresearch", "hook", "SessionStart"],
        [str(ROOT / "bin" / "autoresearch"), "hook", "SessionStart"],
    ):
        env = os.environ if command[0] == sys.executable else bare
        done = subprocess.run(command, input=given, env=env, capture_output=True, check=True)
        assert done.stdout == expected, command


def test_brief_comes_back_after_every_kind_of_start(tmp_path):
    """An agent that forgets its run at the first compaction."""
    helper = open_session(tmp_path)
    host = Host(helper.root)
    for source in ("startup", "resume", "clear", "compact"):
        text = host.context(source)
        assert "session cheaper: no experiment yet" in text
        assert "Start experiments only when asked" in text
    helper("run", "3", env=AGENT)
    set_cost(helper.repo, 90)
    helper("try", "-m", "word " * 2000, env=AGENT)
    text = host.context("compact")
    assert "Run 1 of this agent session is in progress: 1 of 3 experiments. Continue it." in text
    assert len(text.encode()) <= 6144
    assert "Start experiments only when asked" in Host(helper.root, "other").context()
    (helper.state / "journal.json").write_text("{}")
    assert "A step was interrupted" in host.context()
    (helper.state / "lock").write_text(json.dumps({"pid": os.getpid()}))
    assert "One of its commands is at work" in host.context()


def test_status_line_is_one_line_of_where_the_session_stands(tmp_path):
    """A status line that lies, or that shows where no session is."""
    helper = open_session(tmp_path)

    def line(**said):
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(PROGRAM), "statusline"],
            input=json.dumps(said).encode() if said else b"",
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        assert done.stderr == b""
        return done.stdout.decode()

    here = {"workspace": {"current_dir": str(helper.root)}}
    assert line(**here) == "autoresearch cheaper · 0 experiments · 0 kept\n"
    assert line(cwd=str(helper.root)) == line(**here)
    assert line(cwd=str(tmp_path)) == ""
    assert line() == ""
    helper("run", "2", env=AGENT)
    set_cost(helper.repo, 90)
    helper("try", "-m", "cheaper", env=AGENT)
    session = {"session_id": AGENT["CLAUDE_CODE_SESSION_ID"], "cwd": str(tmp_path)}
    assert line(**session) == "autoresearch cheaper · run 1/2 · 1 kept\n"
    helper("validate")
    (helper.state / "lock").write_text(json.dumps({"pid": os.getpid()}))
    assert (
        line(**session)
        == "autoresearch cheaper · run 1/2 · 1 kept · validated -10.0% · measuring\n"
    )
    helper.repo("switch", "-q", "main")
    assert line(**here) == ""
