"""What a report of a long session costs: seconds, memory, and the size of its page.

The log is made up, record by record, as experiments would have written it; then the command is run
as a process. Limits: 10 s, 300 MB and a page of 2 MB for 10,000 experiments.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autoresearch.core import records
from autoresearch.core.model import Effect, Scale, Verdict
from autoresearch.edges.index import Index
from autoresearch.edges.log import Log
from autoresearch.edges.places import places_for, sessions_of
from bench_log import made_up
from bench_overhead import Repository
from msgspec.structs import replace

LIMITS = (10.0, 300.0, 2.0)


def fill(repo: Repository, count: int) -> None:
    """Let the session look back on `count` experiments, one in fifty of them kept."""
    common, chance = repo.root / ".git", random.Random(1)
    (session,) = sessions_of(repo.env, repo.root, common)
    places = places_for(repo.env, repo.root, common, session)
    log = Log(places.log)
    with Index(places.index, log) as index:
        first = index.record(1)
        parent = index.progress().incumbent_commit
    if first is None or first.race is None:
        sys.exit("the first experiment left no race in the log")
    pairs = [(1e6 * chance.gauss(1, 0.02), 1e6 * chance.gauss(1, 0.02)) for _ in range(12)]
    values = tuple(value for pair in pairs for value in pair)
    times = (0.1,) * len(values)
    race = replace(
        first.race, order="abba" * 6, values=values, wall_s=times, cpu_s=times, deterministic=False
    )
    prev, lines = log.tail().sha256, []
    for number in range(2, count + 1):
        kept = number % 50 == 0
        change = -abs(chance.gauss(0.002, 0.001)) if kept else chance.gauss(0.01, 0.02)
        effect = Effect(
            scale=Scale.RATIO, change=change, low=change - 0.0123456, high=change + 0.0123456,
            level=0.95,
        )  # fmt: skip
        one = replace(made_up(number, parent, race), effect=effect)
        if kept:
            one = replace(one, verdict=Verdict.KEEP, reason=None)
        line = records.SESSION.to_line(one, prev)
        prev = records.line_hash(line)
        lines.append(line + b"\n")
    with places.log.open("ab") as file:
        file.write(b"".join(lines))


def main() -> None:
    """Print the table; exit code 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1,000 experiments only")
    parser.add_argument("--full", action="store_true", help="10,000 too (default)")
    counts = (1_000,) if parser.parse_args().quick else (1_000, 10_000)
    os.environ.pop("PYTHONPATH", None)
    print("| experiments | seconds | memory, MB | page, MB |")
    print("|---|---|---|---|")
    within = True
    with tempfile.TemporaryDirectory(prefix="report-") as name:
        for count in counts:
            repo = Repository(Path(name) / str(count), 100)
            repo.cost(1_000_001)
            repo.helper("try", "-m", "dearer")
            fill(repo, count)
            page = Path(name) / f"{count}.html"
            words = [sys.executable, "-m", "autoresearch", "report", "--output", str(page)]
            subprocess.run([*words[:-3], "status"], cwd=repo.root, env=repo.env, check=True,
                           stdout=subprocess.DEVNULL)  # the index catches up once  # fmt: skip
            start = time.perf_counter()
            subprocess.run(words, cwd=repo.root, env=repo.env, check=True,
                           stdout=subprocess.DEVNULL)  # fmt: skip
            took = time.perf_counter() - start
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            found = (took, memory, page.stat().st_size / 1e6)
            within &= all(value <= limit for value, limit in zip(found, LIMITS, strict=True))
            if os.environ.get("KEEP_PAGE"):
                Path(os.environ["KEEP_PAGE"]).write_bytes(page.read_bytes())
            print(f"| {count:,} | {found[0]:.1f} | {found[1]:.0f} | {found[2]:.2f} |", flush=True)
    sys.exit(not within)


if __name__ == "__main__":
    main()
