"""What the live view takes of the machine while samples run: at most 1 % of one core.

A race of samples of 2 s, and one of samples of 0.2 s inside which nothing may be drawn. The view
runs on a terminal of its own; its processor time is read while the race runs, after it has started.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_overhead import Repository

CONTRACT = """\
session: watched
goal: Be looked at
metric: {{name: cost, direction: lower, deterministic: false}}
verify: sleep {sample_s}; echo $(( $(cat src/cost.txt) * $(shuf -i 900-1100 -n 1) ))
scope: ["src/**"]
race: {{seconds: 10m, pairs: 100}}
sandbox: off
"""
LIMIT = 0.01
TICKS = os.sysconf("SC_CLK_TCK")


def ticks_of(process: int) -> float:
    """Seconds of processor that it has used."""
    words = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def drained(master: int, seconds: float) -> int:
    """Read what is drawn for so long; how many bytes."""
    until, read = time.monotonic() + seconds, 0
    while (left := until - time.monotonic()) > 0:
        if select.select([master], [], [], left)[0]:
            read += len(os.read(master, 65536))
    return read


def measure(folder: Path, sample_s: float, seconds: float) -> tuple[float, int]:
    """Share of a core, and bytes drawn, during a race of such samples."""
    repo = Repository(folder, 100, CONTRACT.format(sample_s=sample_s))
    environ = {**repo.env, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    repo.cost(970_000)  # neither given up nor kept while it is looked at
    words = [sys.executable, "-m", "autoresearch"]
    racing = subprocess.Popen(
        [*words, "try", "-m", "raced"], cwd=repo.root, env=environ, stdout=subprocess.DEVNULL
    )
    master, slave = pty.openpty()
    shown = subprocess.Popen(
        [*words, "watch"], cwd=repo.root, env=environ, stdin=slave, stdout=slave, stderr=slave
    )
    drained(master, 4)  # both are under way
    before = ticks_of(shown.pid)
    drawn = drained(master, seconds)
    used = ticks_of(shown.pid) - before
    if racing.poll() is not None:
        sys.exit("the race ended before the view was measured")
    os.write(master, b"q")
    drained(master, 2)
    shown.wait()
    racing.terminate()
    racing.wait()
    os.close(master)
    os.close(slave)
    return used / seconds, drawn


def main() -> None:
    """Print the table; exit code 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter")
    parser.add_argument("--full", action="store_true", help="all of it (default)")
    seconds = 12.0 if parser.parse_args().quick else 30.0
    print("| samples | of one core | bytes drawn |")
    print("|---|---|---|")
    within = True
    with tempfile.TemporaryDirectory(prefix="watch-") as name:
        for sample_s in (2.0, 0.2):
            share, drawn = measure(Path(name) / str(sample_s), sample_s, seconds)
            within &= share <= LIMIT and (sample_s >= 1 or drawn == 0)
            print(f"| {sample_s:g} s | {share:.2%} | {drawn:,} |", flush=True)
    sys.exit(not within)


if __name__ == "__main__":
    main()
