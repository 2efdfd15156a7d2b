"""What a long log costs: `brief`, `try`, `status` and `log` at 10, 1,000 and 100,000 experiments.

The log is written by the project's own code, record by record, as experiments would have written
it; only the experiments themselves are made up. Then the commands are run as processes. Medians;
ratios to the shortest log within one call of this script.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from autoresearch.core import records
from autoresearch.core.model import Kind, RaceRecord, Reason, Verdict
from autoresearch.core.records import Experiment
from autoresearch.edges.index import Index
from autoresearch.edges.log import Log
from autoresearch.edges.places import places_for, sessions_of
from bench_overhead import Repository, timed

COMMANDS = (("brief",), ("status",), ("log",), ("try", "-m", "dearer"))


def made_up(number: int, parent: str, race: RaceRecord) -> Experiment:
    """A discarded experiment that could have been."""
    return Experiment(
        schema=1, number=number, epoch=0, at="2026-11-23T12:00:00Z", run=None,
        message=f"idea number {number}: cache the result of step {number % 97}",
        hypothesis=None, idea=None, kind=Kind.PLAIN, attempt=0, retest=0, related=None,
        parent=parent, commit=f"{number:040x}", tree=f"{number + 1:040x}",
        patch_id=f"{number + 2:040x}", paths=(("M", f"src/file{number % 50}.txt"),),
        lines_added=3, lines_removed=1, verdict=Verdict.DISCARD, reason=Reason.WORSE, flags=(),
        detail="worse after 4 pairs", effect=None, race=race, limits=(), guard=None, same=None,
        touched=(), meanwhile=(), sandbox="none", duration_s=1.0,
    )  # fmt: skip


def fill(repo: Repository, count: int) -> None:
    """Let the session look back on `count` experiments."""
    common = repo.root / ".git"
    (session,) = sessions_of(repo.env, repo.root, common)
    places = places_for(repo.env, repo.root, common, session)
    log = Log(places.log)
    with Index(places.index, log) as index:
        first = index.record(1)
        parent = index.progress().incumbent_commit
    if first is None or first.race is None:
        sys.exit("the first experiment left no race in the log")
    prev, lines = log.tail().sha256, []
    for number in range(2, count + 1):
        line = records.SESSION.to_line(made_up(number, parent, first.race), prev)
        prev = records.line_hash(line)
        lines.append(line + b"\n")
    with places.log.open("ab") as file:
        file.write(b"".join(lines))
    repo.helper("recover")  # catches the index up and renews the copies, once


def measure(folder: Path, count: int, rounds: int) -> dict[str, float]:
    """Median seconds of each command with so many experiments in the log."""
    repo = Repository(folder / str(count), 100)
    value = 1_000_001
    repo.cost(value)
    repo.helper("try", "-m", "dearer")
    fill(repo, count)
    found: dict[str, list[float]] = {command[0]: [] for command in COMMANDS}
    for number in range(rounds + 1):
        for command in COMMANDS:
            repo.cost(value + 1 + number if command[0] == "try" else 1_000_000)
            took = timed([sys.executable, "-m", "autoresearch", *command], repo.root, repo.env)
            if number:  # the first round warms up
                found[command[0]].append(took)
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10 and 1,000 only, fewer rounds")
    parser.add_argument("--full", action="store_true", help="all of it (default)")
    quick = parser.parse_args().quick
    counts = (10, 1_000) if quick else (10, 1_000, 100_000)
    os.environ.pop("PYTHONPATH", None)
    print("| experiments | " + " | ".join(name for name, *_ in COMMANDS) + " |")
    print("|---" * (len(COMMANDS) + 1) + "|")
    base: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="log-") as folder:
        for count in counts:
            took = measure(Path(folder), count, 5 if quick else 11)
            base = base or took
            cells = (f"{t * 1e3:.0f} ms ({t / base[name]:.1f} x)" for name, t in took.items())
            print(f"| {count:,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
