"""What all commands share: help, streams, exit codes, JSON, bounds."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from autoresearch.cli import COMMANDS, GROUPS
from autoresearch.cli.app import for_people
from support.project import make_project, set_cost
from support.session import COMMAND, Helper, open_session

ANSI = re.compile(r"\x1b|\r")


def run(*args, cwd, env=None, **options):
    return subprocess.run(
        [*COMMAND, *args],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_complete_on_one_screen(command, tmp_path):
    """A command whose help an agent cannot read at once, or that shows no example."""
    done = run(command, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) <= 25
    assert f"autoresearch {command}" in done.stdout.partition("Example: ")[2]
    assert not ANSI.search(done.stdout)
    assert "\\b" not in done.stdout


def test_first_help_shows_how_to_start(tmp_path):
    """A first screen whose examples run together in one paragraph."""
    done = run("--help", cwd=tmp_path)
    assert "\n  Start:   autoresearch demo\n" in done.stdout
    assert "\\b" not in done.stdout


def test_first_help_is_grouped_and_never_cut(tmp_path):
    """A flat list with `...` at 80 columns, in which what hosts call stands too."""
    said = run("--help", cwd=tmp_path).stdout
    listed = [name for group in GROUPS.values() for name in group]
    assert sorted([*listed, "hook", "statusline"]) == sorted(COMMANDS)
    assert "..." not in said.partition("\n")[2]
    assert all(f"\n  {name} " in said for name in listed)
    assert "statusline" not in said
    assert max(map(len, said.splitlines())) <= 80
    assert run("help", cwd=tmp_path).stdout == said
    assert run("help", "try", cwd=tmp_path).stdout == run("try", "--help", cwd=tmp_path).stdout


def test_slips_versions_and_completion(tmp_path):
    """What every other tool of the terminal has."""
    assert "Did you mean 'try'" in run("tyr", cwd=tmp_path).stderr
    assert "Did you mean 'status'" in run("statu", cwd=tmp_path).stderr
    assert "Did you mean" not in run("xyzzy", cwd=tmp_path).stderr
    assert run("-V", cwd=tmp_path).stdout == run("--version", cwd=tmp_path).stdout
    for shell in ("bash", "zsh", "fish"):
        assert "_AUTORESEARCH_COMPLETE" in run("--completion", shell, cwd=tmp_path).stdout
    asked = {
        "_AUTORESEARCH_COMPLETE": "zsh_complete",
        "COMP_WORDS": "autoresearch va",
        "COMP_CWORD": "1",
    }
    assert "validate" in run(cwd=tmp_path, env=asked).stdout


def test_colours_are_for_terminals(monkeypatch):
    """Escape sequences in an agent's context, or for who asked for none."""
    said = "experiment 1: keep  -3.1%\ntime: start it in the background\nnext: report"
    assert for_people(said) == said
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = for_people(said)
    assert shown.startswith("\x1b[32mexperiment 1: keep\x1b[0m  -3.1%")
    assert "background" not in shown
    monkeypatch.setenv("NO_COLOR", "1")
    assert for_people(said) == "experiment 1: keep  -3.1%\nnext: report"


def test_wrong_usage_is_exit_code_two_in_words_and_in_json(tmp_path):
    """Wrong usage that looks like a failure of the project, or JSON that is none."""
    done = run("try", "--no-such-option", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--no-such-option" in done.stderr
    done = run("try", "--json", "--no-such-option", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout)["error"]["code"] == "usage"
    assert run("no-such-command", cwd=tmp_path).returncode == 2
    assert run("try", cwd=tmp_path).returncode == 2
    assert run("show", "0", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    "words",
    [("status",), ("try", "-m", "x"), ("brief",), ("run", "3"), ("undo", "1"), ("recover",)],
)
def test_without_repository_or_session_it_says_so(words, tmp_path):
    """A traceback, or a hint that leads nowhere, for whoever calls a command in the wrong place."""
    helper = Helper(make_project(tmp_path / "r"))
    assert helper.error(*words) == "no_session"
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    message, hint = done.stderr.splitlines()
    assert message.startswith("error: ")
    assert hint.startswith("next: ")


def test_bug_is_one_line_with_a_report_and_exit_code_three(tmp_path):
    """A traceback on the screen, or a bug that leaves nothing to report."""
    helper = open_session(tmp_path)
    code = (
        "import autoresearch.loop.logbook as broken; broken.at_work = None\n"
        "from autoresearch.cli import main; main({!r})"
    )
    for arguments, lines in ((["brief"], 2), (["brief", "--json"], 1)):
        done = subprocess.run(
            [COMMAND[0], "-c", code.format(arguments)],
            cwd=helper.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 3
        said, silent = (done.stdout, done.stderr)[:: 1 if lines == 1 else -1]
        assert (said.count("\n"), silent) == (lines, "")
        assert "bug: TypeError: " in said
        report = re.search(r"Report it with (\S+?);", said)
        assert report is not None
        text = Path(report[1]).read_text("utf-8")
        assert all(word in text for word in ("Traceback", "git version", "Python 3", "arguments"))


def test_answers_are_bounded_whatever_the_agent_and_the_program_write(tmp_path):
    """An answer that fills the agent's context with its own words or the program's."""
    helper = open_session(tmp_path)
    long = "word " * 2000
    noise = "import sys\nfor _ in range(500):\n    print('\\x1b[31mE' * 300, file=sys.stderr)\n"
    set_cost(helper.repo, 90, extra=f"{noise}sys.exit(1)\n")
    for number in range(30):
        helper.repo.write(f"src/{'n' * 60}{number}.py", "X = 1\n")
        helper.repo.write(f"{'o' * 60}{number}.txt", "x\n")
    for words in (("try", "-m", long), ("note", long), ("drop",), ("run", "2"), ("brief",)):
        done = helper(*words)
        limit = 6144 if words == ("brief",) else 2048
        assert len(done.out.encode()) <= limit, words
        assert words == ("brief",) or len(done.out.splitlines()) <= 30
        assert done.out.splitlines()[-1].startswith("next: ")
        assert not ANSI.search(done.out + done.err)
    done = helper("show", "1")
    assert len(done.out.encode()) <= 8192
    assert "next: " in done.out.splitlines()[-1]


def test_terminal_gets_progress_and_a_pipe_none(tmp_path):
    """Escape sequences in an agent's context, or a race that shows no sign of life to a human."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 90)
    master, slave = pty.openpty()
    running = subprocess.Popen(
        [*COMMAND, "try", "-m", "watched"],
        cwd=helper.root,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        seen += part
    os.close(master)
    out, _ = running.communicate()
    assert b"preparing the bench checkouts" in seen
    assert seen.endswith(b"\r\x1b[K")
    assert not ANSI.search(out.decode())
    assert out.startswith(b"experiment 1: keep")


def test_reader_that_goes_away_is_no_failure(tmp_path):
    """`autoresearch log | head -1` that ends in a traceback."""
    helper = open_session(tmp_path)
    done = subprocess.run(
        ["sh", "-c", '("$@"; echo "code $?" >&2) | true', "sh", *COMMAND, "status"],
        cwd=helper.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "code 0\n"
