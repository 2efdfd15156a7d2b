"""Random kills: `make kill-test N=10000` ends commands at random instants and looks what holds.

One session after another, each used on after every kill. Prints the seed of every session; a
failure prints all that replays it: `python -m faults.kills --seed S --number N`.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "benchmarks/results/kills.md"
PER_SESSION = 100
HEAD = """# Random kills

`make kill-test N=…` kills a command at a random instant, lets the next command tidy up, and checks
every invariant (`loop/invariants.py`) and the user's own files. No violation in n kills bounds the
chance of one by 3/n with 95 % confidence (rule of three), for this machine and these commands.

| date (UTC) | seeds | kills | of these in the middle | violations | bound 3/n of all rows |
|---|---|---|---|---|---|
"""


class Violation(Exception):
    """Raised with what does not hold, and the way to see it again."""


class Night:
    """One session and what is done to it."""

    def __init__(self, rig, seed):
        self.rig, self.rng, self.seed = rig, random.Random(seed), seed
        self.span, self.note = {}, 0
        self.hit = 0
        rig.reset()

    def kill(self, number):
        """One command that is killed, the next one, and the check."""
        rig, rng = self.rig, self.rng
        self.note += 1
        before = rig.work
        better = rng.random() < 0.5
        edited = rig.edit(100 - self.note / 1000 if better else 200 + self.note, self.note)
        count = len(rig.experiments())
        command = rng.choice((("try", "-m", "x"), ("try", "-m", "x"), ("drop",), ("note", "y")))
        span = self.span.get(command, 1.0)
        ended = rig.killed(rng.uniform(0, span), *command)
        self.hit += ended.code < 0
        # Most kills shall hit: a command that was faster is killed sooner from now on.
        self.span[command] = span * (1.02 if ended.code < 0 else 0.9)
        said = rig.run(*rng.choice((("recover",), ("note", "z"), ("run", "9999"))))
        problems = [] if said.code == 0 else [f"exit {said.code}: {said.out}"]
        problems += rig.broken()
        tried = rig.experiments()
        if rig.work not in {before, edited}:
            problems.append("the program is neither as before nor as edited")
        if len(tried) > count + 1:
            problems.append("an experiment was recorded twice")
        if len(tried) > count:
            verdict = tried[-1]["verdict"]
            if verdict != ("keep" if better else "discard"):
                problems.append(f"the verdict is {verdict}")
            if (rig.work == edited) is not (verdict == "keep"):
                problems.append(f"the tree is not as the {verdict} wants it")
        if problems:
            raise Violation(
                f"kill {number} of seed {self.seed}, {command}: {'; '.join(problems)}\n{said.out}"
            )
        if rig.work == edited and not (len(tried) > count):
            rig.run("drop")


def sitting(number, seed, folder):
    """So many kills; how many hit a command at work."""
    from faults.rig import Rig  # noqa: PLC0415 - needs the environment

    rig, hit, done = Rig(folder), 0, 0
    begun = time.monotonic()
    while done < number:
        night = Night(rig, seed)
        for kill in range(1, min(PER_SESSION, number - done) + 1):
            night.kill(kill)
        done += min(PER_SESSION, number - done)
        hit += night.hit
        sys.stdout.write(
            f"seed {seed}: {done} kills, {hit} in the middle, {time.monotonic() - begun:.0f} s\n"
        )
        sys.stdout.flush()
        seed += 1
    return hit, seed - 1


def append_row(first, last, number, hit):
    """Add a row to the table of results, with the bound that all rows carry together."""
    text = RESULTS.read_text("utf-8") if RESULTS.exists() else HEAD
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| 20")]
    total = number + sum(int(row[3]) for row in rows)
    today = datetime.now(tz=timezone.utc).strftime("%Y-%m-%d")
    row = f"| {today} | {first} to {last} | {number} | {hit} | 0 | {3 / total:.1e} |\n"
    RESULTS.write_text(text + row, "utf-8")


def main():
    """Parse, run, and append the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--append", action="store_true", help="add a row to the results")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory(prefix="autoresearch-kills-") as folder:
        for name in [n for n in os.environ if n.startswith(("GIT_", "XDG_", "CLAUDE", "CODEX"))]:
            del os.environ[name]
        from support.harness import isolated_environment  # noqa: PLC0415 - after the cleaning

        os.environ.update(isolated_environment(Path(folder) / "home"))
        hit, last = sitting(options.number, seed, Path(folder))
    sys.stdout.write(f"{options.number} kills, seeds {seed} to {last}: nothing violated\n")
    if options.append:
        append_row(seed, last, options.number, hit)


if __name__ == "__main__":
    main()
