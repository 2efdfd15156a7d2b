"""The quick recipes, run for real: verify twice, one keep, one discard; and all pages as text."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from autoresearch.core.contract import parse
from support.long import mostly_long
from support.recipes import EXAMPLES, PAGES, Recipe, missing, recipes, try_recipe

ALL = list(recipes())
QUICK = [recipe for recipe in ALL if recipe.is_quick]


@pytest.fixture
def path(tmp_path: Path) -> dict[str, str]:
    """An environment whose `python3` is the one that runs the tests."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("python3", "python"):
        script = tools / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        script.chmod(0o755)
    # Its own folder too: a sandbox shows what PATH names, even of a clone below /tmp.
    seen = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": seen}


@pytest.mark.parametrize(
    "recipe", mostly_long(QUICK, QUICK[0].__eq__), ids=lambda recipe: recipe.name
)
def test_a_quick_recipe_keeps_the_better_and_discards_the_worse(
    recipe: Recipe, path: dict[str, str], tmp_path: Path
) -> None:
    """A recipe that was never run: its script fails, or its contract cannot tell good from bad."""
    assert missing(recipe) == ()
    tried = try_recipe(recipe, tmp_path / "x", path, by_hand=0)
    assert tried.keep == "keep"
    assert tried.discard.startswith("discard")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("(seen.get(b, 0) + SMOOTH) / total", "float('nan')", "no probabilities"),
        ("(seen.get(b, 0) + SMOOTH) / total", "0.5", "no probabilities"),
        ('    print("ready", flush=True)', "    return", "crashed before it was ready"),
    ],
)
def test_a_model_that_is_none_has_no_bits_per_byte(
    old: str, new: str, words: str, path: dict[str, str], tmp_path: Path
) -> None:
    """A NaN, a sum of 128 or a crash that comes out as the best model ever."""
    for source in (EXAMPLES / "model-training" / "project", PAGES / "model-training"):
        shutil.copytree(source, tmp_path / "r", dirs_exist_ok=True)
    train = tmp_path / "r" / "train.py"
    text = train.read_text("utf-8")
    assert old in text
    train.write_text(text.replace(old, new))
    done = subprocess.run(
        ["python3", "prepare.py"],
        cwd=tmp_path / "r",
        env=path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
def test_each_page_is_whole(recipe: Recipe) -> None:
    """A page without its traps, a contract that does not parse, a script that is not there."""
    text = (PAGES / f"{recipe.name}.md").read_text("utf-8")
    assert parse(recipe.contract).scope
    assert "**What is noisy.**" in text
    assert "**What cheating looks like.**" in text
    assert len(text.splitlines()) <= 60
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (PAGES / link).is_file(), link
    for change in ("project", "keep", "discard"):
        assert any(any((one / change).rglob("*.*")) for one in recipe.examples)


def test_every_recipe_is_in_the_list_and_has_an_example() -> None:
    """A page that nobody is sent to, an example of a recipe that is gone."""
    listed = re.findall(r"\]\(([\w-]+)\.md\)", (PAGES / "README.md").read_text("utf-8"))
    assert sorted(listed) == sorted(recipe.name for recipe in ALL)
    assert sorted(entry.name for entry in EXAMPLES.iterdir()) == sorted(listed)


def test_the_example_scripts_of_a_shell_are_plain(path: dict[str, str]) -> None:
    """A bashism in a script that runs under /bin/sh."""
    assert shutil.which("sh", path=path["PATH"])
    for script in PAGES.rglob("*.sh"):
        assert script.read_text("utf-8").startswith("#!/bin/sh\n"), script
        assert "[[" not in script.read_text("utf-8")
