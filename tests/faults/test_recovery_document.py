"""docs/recovery.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import click
from autoresearch.cli import group
from autoresearch.core.steps import Step
from autoresearch.loop.recover import FINISHERS

TEXT = (Path(__file__).parents[2] / "docs/recovery.md").read_text("utf-8")
HELPERS = Path(__file__).parents[2] / "helpers/autoresearch"


def table(heading):
    """The first cells of the table below a heading."""
    part = TEXT.partition(f"## {heading}")[2].partition("\n## ")[0]
    return [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| ")][1:]


def test_every_state_of_the_journal_stands_in_the_table():
    """A step that nobody says how to come back from, or one that is no more."""
    named = [cell.strip("`") for cell in table("What each step leaves behind")]
    assert named == ["nothing yet", *(step.__struct_config__.tag for step in get_args(Step))]


def test_every_command_that_is_finished_is_named():
    """A command that can be interrupted and is not in the document."""
    (row,) = [line for line in TEXT.splitlines() if line.startswith("| `action`")]
    assert {name for name in FINISHERS if f"`{name}`" in row} == set(FINISHERS)


def test_codes_options_and_variables_are_the_codes():
    """A hint that names what does not exist."""
    code = "\n".join(path.read_text("utf-8") for path in HELPERS.rglob("*.py"))
    for name in ("locked", "branch_moved", "AUTORESEARCH_MEASURE_TOGETHER"):
        assert f'"{name}"' in code
        assert name in TEXT
    options = {
        option
        for p in group.get_command(click.Context(group), "recover").params
        for option in p.opts
    }
    assert set(re.findall(r"recover (--[a-z-]+)", TEXT)) <= options


def test_it_is_read_in_two_minutes():
    """A page that nobody reads at night: 240 words a minute, tables skimmed."""
    prose = [line for line in TEXT.splitlines() if not line.startswith("|")]
    assert len(" ".join(prose).split()) <= 480
