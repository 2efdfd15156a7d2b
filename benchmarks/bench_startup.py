"""How long each command takes to start: its `--help`, and those that only look at a session.

Medians of alternating runs within one call, beside the bare start of Python and the bare import of
the dependencies, so that ratios hold on a noisy machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from autoresearch.cli import COMMANDS
from bench_overhead import DEPENDENCIES, Repository, timed

LOOKING = ("status", "brief", "log")


def commands() -> dict[str, list[str]]:
    """Name -> command line."""
    helper = [sys.executable, "-m", "autoresearch"]
    found = {
        "python -I -S -c pass": [sys.executable, "-I", "-S", "-c", "pass"],
        "import of the dependencies": [sys.executable, "-c", DEPENDENCIES],
        "--version": [*helper, "--version"],
    }
    found |= {f"{name} --help": [*helper, name, "--help"] for name in COMMANDS}
    return found | {name: [*helper, name] for name in LOOKING}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--full", action="store_true", help="all of it (default)")
    rounds = 5 if parser.parse_args().quick else 15
    with tempfile.TemporaryDirectory(prefix="startup-") as folder:
        repo = Repository(Path(folder), 100)
        times: dict[str, list[float]] = {name: [] for name in commands()}
        for number in range(rounds + 1):
            for name, command in commands().items():
                took = timed(command, repo.root, repo.env)
                if number:  # the first round warms up
                    times[name].append(took)
    medians = {name: statistics.median(found) for name, found in times.items()}
    base = medians["import of the dependencies"]
    print("| command | median | over the import of the dependencies |")
    print("|---|---|---|")
    for name, took in medians.items():
        print(f"| `{name}` | {took * 1e3:.0f} ms | {took / base:.2f} |")


if __name__ == "__main__":
    main()
