"""The helper's own time per experiment, against plain git and against its own imports.

Every figure is a median of alternating runs within one call of this script, so that ratios hold
on a noisy machine. The program under test prints a number that never varies: an experiment then
takes one run (a discard) or three (a keep), and their own few milliseconds are taken off.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONTRACT = """\
session: overhead
goal: Measure the helper itself
metric: {name: cost, direction: lower}
verify: sed s/^/METRIC\\ cost=/ src/cost.txt
scope: [src]
race: {max_runs: 8}
budget: {experiments: 10000}
"""
DEPENDENCIES = "import click, git, jsonlines, yaml"
FILES_PER_FOLDER = 100


def environment(home: Path) -> dict[str, str]:
    """A home of our own, so that nothing of the user's takes part."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "GIT_AUTHOR_NAME": "b",
        "GIT_AUTHOR_EMAIL": "b@example.org",
        "GIT_COMMITTER_NAME": "b",
        "GIT_COMMITTER_EMAIL": "b@example.org",
    }


class Repository:
    """A repository of so many files, with a session."""

    def __init__(self, folder: Path, files: int, contract: str = CONTRACT) -> None:
        self.root = folder / f"repository-{files}"
        self.env = environment(folder)
        (self.root / "src").mkdir(parents=True)
        self.cost(1_000_000)
        for number in range(files - 1):
            place = self.root / "lib" / f"{number // FILES_PER_FOLDER:04d}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number:06d}.txt").write_text(f"file {number}\n" * 20)
        (self.root / "draft.yaml").write_text(contract)
        self.git("init", "-q", "-b", "main")
        self.git("add", "src", *(["lib"] if files > 1 else []))
        self.git("commit", "-qm", "start")
        self.helper("init", "draft.yaml")

    def cost(self, value: int) -> None:
        """Edit the one file in scope."""
        (self.root / "src" / "cost.txt").write_text(f"{value}\n")

    def git(self, *args: str) -> float:
        """Run git; its elapsed seconds."""
        return timed(["git", *args], self.root, self.env)

    def helper(self, *args: str) -> float:
        """Run the helper; its elapsed seconds."""
        return timed([sys.executable, "-m", "autoresearch", *args], self.root, self.env)

    def samples_s(self) -> float:
        """Seconds that the latest experiment's own commands took."""
        done = subprocess.run(
            [sys.executable, "-m", "autoresearch", "log", "--limit", "1", "--json"],
            cwd=self.root, env=self.env, capture_output=True, check=True,
        )  # fmt: skip
        number = json.loads(done.stdout)["experiments"][0]["number"]
        shown = subprocess.run(
            [sys.executable, "-m", "autoresearch", "show", str(number), "--json"],
            cwd=self.root, env=self.env, capture_output=True, check=True,
        )  # fmt: skip
        return sum(json.loads(shown.stdout)["record"]["race"]["wall_s"])


def timed(command: list[str], cwd: Path, env: dict[str, str]) -> float:
    """Elapsed seconds of a command that must succeed."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, check=False)
    took = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{command} failed: {done.stdout!r} {done.stderr!r}")
    return took


def one_round(repo: Repository, value: int) -> dict[str, float]:
    """One keep, one discard, and plain git on the same edit."""
    repo.cost(value)
    keep = repo.helper("try", "-m", "cheaper") - repo.samples_s()
    repo.cost(value + 10)
    discard = repo.helper("try", "-m", "dearer") - repo.samples_s()
    repo.cost(value - 1)
    plain = repo.git("commit", "-qam", "plain") + repo.git("reset", "-q", "--hard", "HEAD~1")
    bare = timed([sys.executable, "-c", DEPENDENCIES], repo.root, repo.env)
    return {"keep": keep, "discard": discard, "git": plain, "import": bare}


def measure(files: int, rounds: int) -> dict[str, float]:
    """Medians over the rounds, in seconds."""
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        repo = Repository(Path(folder), files)
        one_round(repo, 999_000)
        found = [one_round(repo, 998_000 - 100 * number) for number in range(rounds)]
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--full", action="store_true", help="all of it (default)")
    rounds = 5 if parser.parse_args().quick else 15
    print("| files | keep | discard | commit + reset | bare import | keep / import | keep / git |")
    print("|---|---|---|---|---|---|---|")
    for files in (100, 30_000, 100_000):
        m = measure(files, rounds)
        print(
            f"| {files:,} | {m['keep'] * 1e3:.0f} ms | {m['discard'] * 1e3:.0f} ms "
            f"| {m['git'] * 1e3:.0f} ms | {m['import'] * 1e3:.0f} ms "
            f"| {m['keep'] / m['import']:.1f} | {m['keep'] / m['git']:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
