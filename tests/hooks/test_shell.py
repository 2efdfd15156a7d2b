"""Shell commands as the hooks read them."""

from __future__ import annotations

import shlex

import pytest
from autoresearch.hosts.shell import asked_for, plain_words, written_paths
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "command",
    [
        "autoresearch status",
        "autoresearch try -m 'half the work; $(rm -rf /) `x` > y'",
        'autoresearch try -m "loop directly (2x), don\'t match"',
        'autoresearch try -m "say \\"no\\" and C:\\\\x"',
        "autoresearch note --lesson 'two\nlines'",
        "autoresearch log --verdict=keep --path src/a.py",
        "autoresearch try -m a'b'\"c\"d",
        "autoresearch try -m ''",
    ],
)
def test_plain_call_is_read_as_the_shell_reads_it(command):
    """A message with quotes or brackets in it that costs its human a click each time."""
    assert plain_words(command) == shlex.split(command)


@pytest.mark.parametrize(
    "command",
    [
        "autoresearch status; rm x",
        "autoresearch status && rm x",
        "autoresearch status | sh",
        "autoresearch status & rm x",
        "autoresearch status\nrm x",
        "autoresearch status\rrm x",
        "autoresearch status > x",
        "autoresearch status 2>x",
        "autoresearch try -m <(rm x)",
        "autoresearch try -m $(rm x)",
        "autoresearch try -m `rm x`",
        'autoresearch try -m "$(rm x)"',
        'autoresearch try -m "`rm x`"',
        'autoresearch try -m "$HOME"',
        "autoresearch try -m $'a\\'; rm x'",
        'autoresearch try -m "a\\$(rm x)"',
        "autoresearch try -m a\\;b",
        "autoresearch try -m 'open",
        'autoresearch try -m "open',
        "autoresearch try -m {a,b}",
        "autoresearch try -m *",
        "autoresearch try -m ~",
        "autoresearch try # rm",
        "autoresearch try !rm",
        "autoresearch try -m a\u00a0b\u2028",
        "(autoresearch status)",
        "autoresearch status \x00",
    ],
)
def test_anything_more_than_words_is_not_plain(command):
    """A second command that passes without a question behind one of ours."""
    assert plain_words(command) is None


@given(st.text(alphabet="ab \t'\"\\$`;|&<>()\n{}*?~#!=-", max_size=20))
def test_what_counts_as_plain_has_the_words_that_a_shell_sees(command):
    """A reading of quotes that differs from the shell's, so that what is shown is not what runs."""
    words = plain_words(command)
    if words is not None:
        assert words == shlex.split(command)


def test_human_commands_are_found_in_longer_lines():
    """A session that is stopped without a question because it stands behind `cd`."""
    assert asked_for("cd x && autoresearch stop -m enough") == ("stop", " -m enough")
    assert asked_for("/opt/bin/autoresearch undo 7; ls") == ("undo", " 7")
    assert asked_for("(autoresearch amend)") is not None
    assert asked_for("autoresearch status; echo stop") is None
    assert asked_for("myautoresearch stop") is None
    assert asked_for("autoresearch stopwatch") is None
    assert asked_for("cd x && autoresearch gc '--prune'") == ("gc", " '--prune'")
    long_way = "autoresearch gc " + 2000 * " " + "--prune"
    assert asked_for(long_way) == ("gc", long_way[15:])
    assert asked_for("autoresearch gc autoresearch undo 3") == ("undo", " 3")
    assert asked_for("autoresearch gc | head; git remote prune") is None


@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("echo x > bench.py", ["bench.py"]),
        ("echo x >>'a b.py'; cat y >| z", ["a b.py", "z"]),
        ("make 2>log.txt", ["log.txt"]),
        ("make >&2", []),
        ("make 2>&1", []),
        ("if [ 3 -gt 2 ]; then x=>y; fi", []),
        ("sed -i s/a/b/ bench.py", ["s/a/b/", "bench.py"]),
        ("sed s/a/b/ bench.py", []),
        ("rm -f bench.py && cp a b", ["bench.py", "a", "b"]),
        ("dd if=x of=bench.py", ["if=x", "bench.py"]),
        ("python3 bench.py", []),
        ("", []),
    ],
)
def test_obvious_writes_are_seen(command, written):
    """An agent that overwrites the benchmark and hears of it only from `try`."""
    assert written_paths(command) == written
