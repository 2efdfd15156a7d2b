"""Sessions of real toolchains under the sandbox, with and without overlays.

`--full` installs what is missing (Debian packages, as root) and writes
benchmarks/results/toolchains.md; `--quick` tries what is here. `--only NAME` tries one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from support.confined import found_here, overlay_path, overlays_here  # noqa: E402 - no package
from support.harness import isolated_environment  # noqa: E402
from support.toolchains import PROJECTS, missing, try_project  # noqa: E402

if TYPE_CHECKING:
    from autoresearch.edges.sandbox import Confiner

HEAD = """\
# Toolchains under the sandbox

Made by `make toolchains` on {date}: `init`, one better and one worse candidate through `try`, each
built in the sandbox, in a home with toolchains and with credentials, which the guard tries to read.

| | version | sandbox | better | worse |
|---|---|---|---|---|
"""
PACKAGES = {"go": "golang-go", "cargo": "cargo", "node": "nodejs", "npm": "npm"}
VERSIONS = {
    "python": ("python3", "--version"), "node": ("node", "--version"), "go": ("go", "version"),
    "rust": ("cargo", "--version"),
}  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="what is installed, no table")
    parser.add_argument("--full", action="store_true", help="all, and write the table (default)")
    parser.add_argument("--only", choices=PROJECTS, help="one, by its name")
    asked = parser.parse_args()
    paths = {found.name: path for found, path in sandboxes() if found.sandbox is not None}
    if not paths:
        sys.exit(f"no sandbox: {found_here().why}. {found_here().remedy}")
    text = HEAD.format(date=f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d}")
    wrong, before = 0, dict(os.environ)
    for name in PROJECTS if asked.only is None else [asked.only]:
        if not asked.quick:
            install(name)
        if missing(PROJECTS[name]):
            print(f"{name}: {', '.join(missing(PROJECTS[name]))} not installed", file=sys.stderr)
            continue
        for path in paths.values():
            line, is_right = row(name, path)
            wrong += not is_right
            text += line
            print(line, end="", flush=True)
            os.environ.clear()
            os.environ.update(before)
    if not asked.quick and asked.only is None:
        (HERE / "results" / "toolchains.md").write_text(text)
    sys.exit(wrong)


def sandboxes() -> tuple[tuple[Confiner, str], ...]:
    """What confines commands here, and the PATH it is found on."""
    return (found_here(), os.environ["PATH"]), (overlays_here(), overlay_path())


def install(name: str) -> None:
    """Debian's packages of what is missing, where that is possible."""
    wanted = [PACKAGES[program] for program in missing(PROJECTS[name])]
    if wanted and shutil.which("apt-get") and os.getuid() == 0:
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def row(name: str, path: str) -> tuple[str, bool]:
    """One line of the table, and whether it is as it should be."""
    version = subprocess.run(VERSIONS[name], check=True, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory(prefix="toolchains-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        os.environ.update(isolated_environment(home))
        os.environ["PATH"] = path
        try:
            tried = try_project(name, Path(folder))
        except AssertionError as error:
            said = " ".join(str(error).split())[:200].replace("|", "/")
            return f"| {name} | {version.strip()} | FAILED: {said} | | |\n", False
    better, worse = tried.verdicts
    right = (better, worse) == ("keep", "discard")
    return f"| {name} | {version.strip()} | {tried.sandbox} | {better} | {worse} |\n", right


if __name__ == "__main__":
    main()
