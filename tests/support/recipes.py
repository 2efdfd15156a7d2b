"""Recipes of the skill, each run on a small project of its own, for tests and `make recipes`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from support.harness import Git
from support.session import Helper

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "skill" / "references" / "recipes"
EXAMPLES = ROOT / "benchmarks" / "recipes"
METRIC = re.compile(r"^METRIC (\w+)=(\S+)$", re.MULTILINE)
FEW_RUNS = "race: {max_runs: 14}\n"
"""An example's changes are large: they need few pairs."""


class Recipe(NamedTuple):
    """A page with its scripts, and the project that it is tried on.

    Attributes:
        name: of the page, the folder of scripts and the example.
        contract: as the page shows it.
        needs: programs and Python modules that must be there.
        is_quick: whether `make test` runs it.
        keeps_first: else the keep meets the target, which ends the session.
        examples: folders of its project, the later laid over the earlier; the last one that has
            a change is where it is taken from.
        as_root: a line of the contract that root needs beside, or nothing.
        packages: what a package client installs for it: (client, packages).
    """

    name: str
    contract: str
    needs: tuple[str, ...]
    is_quick: bool
    keeps_first: bool
    examples: tuple[Path, ...]
    as_root: str
    packages: tuple[tuple[str, tuple[str, ...]], ...]


class Tried(NamedTuple):
    """What came of a recipe.

    Attributes:
        values: the metric of runs of verify in the user's tree.
        keep, discard: verdict, with its reason, of the change that is better, and of the other.
        effect: change that the kept one was measured with, in words; empty without a race.
        samples: of both races.
    """

    values: tuple[float, ...]
    keep: str
    discard: str
    effect: str
    samples: int


def recipes() -> Iterator[Recipe]:
    """All of them, by name."""
    for page in sorted(PAGES.glob("*.md")):
        if page.name != "README.md":
            yield read(page.stem)


def read(name: str) -> Recipe:
    """One of them."""
    text = (PAGES / f"{name}.md").read_text("utf-8")
    (contract,) = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    held = yaml.safe_load((EXAMPLES / name / "example.yaml").read_text("utf-8"))
    return Recipe(
        name=name,
        contract=contract,
        needs=tuple(held["needs"]),
        is_quick=held["quick"],
        examples=tuple(EXAMPLES / one for one in (held.get("like"), name) if one is not None),
        as_root=held.get("root", ""),
        keeps_first=held.get("first", "keep") == "keep",
        packages=tuple(
            (client, tuple(held[client])) for client in ("debian", "pypi", "npm") if client in held
        ),
    )


def missing(recipe: Recipe, tools: Path | None = None) -> tuple[str, ...]:
    """The needs that are not here: neither a program, nor a module of this Python, nor in `tools`.

    Args:
        recipe: whose needs.
        tools: a folder with `node_modules`.
    """
    lacking = []
    for need in recipe.needs:
        local = tools is not None and (tools / "node_modules" / ".bin" / need).exists()
        module = subprocess.run(
            [sys.executable, "-c", f"import {need}"], capture_output=True, check=False
        )
        if not (local or shutil.which(need) or module.returncode == 0):
            lacking.append(need)
    return tuple(lacking)


def try_recipe(
    recipe: Recipe,
    folder: Path,
    env: Mapping[str, str],
    tools: Path | None = None,
    *,
    by_hand: int = 2,
) -> Tried:
    """Run verify by hand, open a session, and try one keep and one discard.

    Args:
        recipe: which.
        folder: an empty one.
        env: PATH that finds what the recipe needs.
        tools: a folder with `node_modules`, linked into the project.
        by_hand: how often verify is run in the user's tree, which `init` need not do.
    """
    helper = _project(recipe, folder / "r", tools)
    held = yaml.safe_load(recipe.contract)
    values = tuple(_verify(helper, held, env) for _ in range(by_hand))
    draft = folder / "draft.yaml"
    few = "" if "race:" in recipe.contract else FEW_RUNS
    own = f"{recipe.as_root}\n" if recipe.as_root and os.geteuid() == 0 else ""
    draft.write_text(recipe.contract + few + own, "utf-8")
    helper.json("init", str(draft), env=env)
    order = ("keep", "discard") if recipe.keeps_first else ("discard", "keep")
    done = {change: _attempt(helper, recipe, change, env) for change in order}
    better, other = done["keep"], done["discard"]
    races = [record["race"] for record in (better, other) if record["race"]]
    return Tried(
        values=values,
        keep=_verdict(better),
        discard=_verdict(other),
        effect=_moved(better),
        samples=sum(len(race["order"]) for race in races),
    )


def _project(recipe: Recipe, root: Path, tools: Path | None) -> Helper:
    """The example as a committed project, with the recipe's scripts in it."""
    repo = Git.create(root)
    for example in recipe.examples:
        if (example / "project").is_dir():
            shutil.copytree(example / "project", root, dirs_exist_ok=True)
    if (PAGES / recipe.name).is_dir():  # a page may have no scripts beside it
        shutil.copytree(PAGES / recipe.name, root, dirs_exist_ok=True)
    if tools is not None and (tools / "node_modules").is_dir():
        shutil.copytree(tools / "node_modules", root / "node_modules", symlinks=True)
    repo.commit("start")
    return Helper(repo)


def _verify(helper: Helper, held: dict[str, Any], env: Mapping[str, str]) -> float:
    """The metric that verify prints in the user's tree; elapsed seconds where it prints none."""
    scratch = helper.root.parent / "tmp"
    scratch.mkdir(exist_ok=True)
    parts = [held["build"]] if "build" in held else []
    text = "\n".join([*parts, held["verify"]])
    done = subprocess.run(
        ["/bin/sh", "-euc", text],
        cwd=helper.root,
        env={**env, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (held["session"], done.stdout, done.stderr)
    said = dict(METRIC.findall(done.stdout))
    name = held["metric"]["name"]
    return float(said[name]) if name in said else 0.0


def _attempt(helper: Helper, recipe: Recipe, change: str, env: Mapping[str, str]) -> dict[str, Any]:
    """`try` with the example's files of that name laid over the project."""
    laid = [example / change for example in recipe.examples if (example / change).is_dir()]
    shutil.copytree(laid[-1], helper.root, dirs_exist_ok=True)
    return dict(helper.json("try", "-m", f"the change to {change}", env=env)["record"])


def _verdict(record: dict[str, Any]) -> str:
    reason = record["reason"]
    return f"{record['verdict']} ({reason})" if reason else str(record["verdict"])


def _moved(record: dict[str, Any]) -> str:
    effect = record["effect"]
    if effect is None:
        return ""
    change = float(effect["change"])
    return f"{change:+.1%}" if effect["scale"] == "ratio" else f"{change:+.4g} points"
