"""Every recipe of the skill for real: verify twice, one keep and one discard through `try`.

What a recipe needs is installed by the ordinary clients where that is possible (npm and PyPI into
a temporary folder, Debian packages as root); a recipe whose tools cannot be had is marked so.
`--full` writes the table to benchmarks/results/recipes.md; `--only NAME` runs one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from support.confined import found_here  # noqa: E402 - as below
from support.harness import isolated_environment  # noqa: E402 - tests are no package
from support.recipes import Recipe, Tried, missing, recipes, try_recipe  # noqa: E402

HEAD = (
    "# Recipes, run for real",
    "",
    "Made by `make recipes` on {date}, in one run: verify twice, then `init`, and one better and "
    "one other change",
    "through `try`, confined by: {sandbox}. Times are those of the machine as it was, busy or not.",
    "The changes are large on purpose; what is shown is that each recipe runs, sees and refuses.",
    "",
    "| recipe | verify, twice | better change | other change | effect | samples | took |",
    "|---|---|---|---|---|---|---|",
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="those that the tests run too")
    parser.add_argument("--full", action="store_true", help="all, and write the table (default)")
    parser.add_argument("--only", help="one, by its name")
    asked = parser.parse_args()
    date = f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d}"
    lines = [line.format(date=date, sandbox=found_here().name) for line in HEAD]
    print("\n".join(lines[-2:]))
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="recipes-") as name:
        for recipe in recipes():
            if (asked.quick and not recipe.is_quick) or asked.only not in {None, recipe.name}:
                continue
            line, is_right = row(recipe, Path(name) / recipe.name)
            wrong += not is_right
            lines.append(line)
            print(line, flush=True)
    if not asked.quick and asked.only is None:
        (HERE / "results" / "recipes.md").write_text("\n".join([*lines, ""]))
    sys.exit(wrong)


def row(recipe: Recipe, folder: Path) -> tuple[str, bool]:
    """One line of the table, and whether it is as it should be."""
    folder.mkdir()
    env, tools = install(recipe, folder)
    os.environ.update(env)
    lacking = missing(recipe, tools)
    if lacking:
        return f"| {recipe.name} | tools cannot be had: {', '.join(lacking)} | | | | | |", True
    start = time.monotonic()
    try:
        tried = try_recipe(recipe, folder, {**os.environ, **env}, tools)
    except AssertionError as error:
        said = " ".join(str(error).split())[:200].replace("|", "/")
        return f"| {recipe.name} | FAILED: {said} | | | | | |", False
    took = time.monotonic() - start
    right = tried.keep == "keep" and not tried.discard.startswith("keep")
    return f"| {recipe.name} | {cells(tried)} | {took:.0f} s |", right


def cells(tried: Tried) -> str:
    """The middle of a line."""
    first, second = tried.values
    values = f"{first:g}, {second:g}" if any(tried.values) else "by the helper"
    return " | ".join((values, tried.keep, tried.discard, tried.effect, str(tried.samples)))


def install(recipe: Recipe, folder: Path) -> tuple[dict[str, str], Path]:
    """Bring what is missing, as far as this machine allows; variables, and where npm put it."""
    tools = folder / "tools"
    (tools / "bin").mkdir(parents=True)
    for name in ("python3", "python"):
        (tools / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (tools / "bin" / name).chmod(0o755)
    env = {
        **isolated_environment(folder / "home"),
        "PATH": os.pathsep.join([str(tools / "bin"), str(tools / "venv" / "bin"), SYSTEM_PATH]),
    }
    (folder / "home").mkdir()
    if missing(recipe, tools):
        for client, packages in recipe.packages:
            INSTALLERS[client](packages, tools)
    return env, tools


SYSTEM_PATH = os.environ["PATH"]


def from_npm(packages: tuple[str, ...], tools: Path) -> None:
    """Install below a folder of our own."""
    call(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(tools), *packages]
    )


def from_pypi(packages: tuple[str, ...], tools: Path) -> None:
    """Install into a virtual environment of our own."""
    call([sys.executable, "-m", "venv", str(tools / "venv")])
    call([str(tools / "venv" / "bin" / "pip"), "install", "--quiet", *packages])


def from_debian(packages: tuple[str, ...], tools: Path) -> None:
    """Install on the machine, where we may."""
    del tools
    if os.geteuid() == 0 and shutil.which("apt-get"):
        call(["apt-get", "-qq", "update"])
        call(["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages])


INSTALLERS = {"npm": from_npm, "pypi": from_pypi, "debian": from_debian}


def call(command: list[str]) -> None:
    """Run a client; what it could not bring shows in `missing`."""
    environment = {**os.environ, "PATH": SYSTEM_PATH, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode:
        print(f"{command[0]}: exit {done.returncode}", file=sys.stderr)


if __name__ == "__main__":
    main()
