"""Notices reach the reader whatever ends the command, and no command has to think of them."""

from __future__ import annotations

import json

import click
import pytest
from autoresearch.cli.app import answers, run
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import Answer
from autoresearch.edges import notices

NOTICE = "a drop was interrupted and is now finished"
ENDS = {
    "failure": (1, AutoresearchError("the disk is full", code="no_space")),
    "disk": (1, OSError(28, "No space left on device")),
    "interrupted": (130, KeyboardInterrupt()),
    "bug": (3, ZeroDivisionError()),
}


@click.group()
def group() -> None:
    """Commands that do nothing about notices."""


@group.command()
@answers
def answer() -> Answer:
    """A command that ends well."""
    notices.current().append(NOTICE)
    return Answer(lines=("done",), next_step="go on")


@group.command()
@click.argument("how")
@answers
def end(how: str) -> Answer:
    """A command that ends otherwise."""
    notices.current().append(NOTICE)
    raise ENDS[how][1]


def test_an_answer_begins_with_the_notices(capsys):
    """A command that forgets to print that it tidied up after an interruption."""
    assert run(group, ["answer"]) == 0
    assert capsys.readouterr().out == f"{NOTICE}\ndone\nnext: go on\n"
    assert run(group, ["answer", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["news"] == [NOTICE]


@pytest.mark.parametrize("how", ENDS)
def test_whatever_ends_a_command_tells_the_notices(capsys, monkeypatch, tmp_path, how):
    """What was done that is lost because the command failed after it, or was interrupted."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    code = ENDS[how][0]
    assert run(group, ["end", how]) == code
    assert NOTICE in capsys.readouterr().err
    assert run(group, ["end", how, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["news"] == [NOTICE]


def test_notices_of_one_command_are_not_those_of_the_next(capsys):
    """A process that runs two commands and tells the second one's reader of the first."""
    run(group, ["answer", "--json"])
    run(group, ["answer", "--json"])
    assert capsys.readouterr().out.count(NOTICE) == 2
    assert notices.current() == []
