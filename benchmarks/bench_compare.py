"""How often `compare` cries wolf, and how often it finds a planted loss: see results/compare.md.

A/A comparisons and planted losses, decided by the command's own rule, on simulated noise and on
recorded CPU time beside a process that hogs a core.
"""

from __future__ import annotations

import subprocess
import sys
import time
from random import Random
from typing import NamedTuple

from autoresearch.core.decision import Policy
from autoresearch.core.model import Arm, Direction, Pair, Scale
from autoresearch.shipping.gate import ALPHA, GateOutcome, Tolerance, judged

SAMPLE_S = 1.0
SECONDS = 60.0
BUSY_SPELL = 0.8
HOG = "while True: pass"
WORK = 20_000


class Machine(NamedTuple):
    """A kind of noise: standard deviation of a run, share of busy spells, their slowdown."""

    name: str
    noise: float
    busy: float = 0.0
    slowdown: float = 1.0


MACHINES = (
    Machine("quiet, 2 % a run", 0.02),
    Machine("2 % a run, busy spells of 30 %", 0.02, 0.1, 1.3),
    Machine("shared runner, 8 % a run", 0.08),
)


def compared(runs: list[float], loss: float, rng: Random, pairs: int) -> tuple[GateOutcome, int]:
    """One comparison over these runs of one program, two a pair; the candidate loses so much."""
    policy = Policy(
        alpha=ALPHA, pairs=pairs, direction=Direction.LOWER, scale=Scale.RATIO, min_effect=0.0
    )
    seen: list[Pair] = []
    while True:
        one, other = runs[2 * len(seen)], runs[2 * len(seen) + 1]
        first = rng.choice((Arm.INCUMBENT, Arm.CANDIDATE))
        base, head = (one, other) if first is Arm.INCUMBENT else (other, one)
        seen.append(Pair(incumbent=base, candidate=head * (1 + loss), first=first))
        found = judged(tuple(seen), policy, Tolerance(0.02))
        if found is not None:
            return found.outcome, len(seen)


def simulated(machine: Machine, runs: int, rng: Random) -> list[float]:
    """Runs of one program on such a machine."""
    values, hit = [], False
    for _ in range(runs):
        hit = rng.random() < (BUSY_SPELL if hit else machine.busy)
        slow = machine.slowdown if hit else 1.0
        values.append(100 * max(0.01, 1 + rng.gauss(0, machine.noise)) * slow)
    return values


def recorded(runs: int) -> list[float]:
    """Elapsed seconds of a small piece of work beside a process that hogs every core."""
    hogs = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(2)]
    try:
        values = []
        for _ in range(runs):
            start = time.perf_counter()
            sum(range(WORK))
            values.append(time.perf_counter() - start)
        return values
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def row(name: str, comparisons: int, loss: float, outcomes: list[tuple[GateOutcome, int]]) -> str:
    """A line of the table."""
    said = [outcome for outcome, _ in outcomes]
    shares = (said.count(one) / comparisons for one in GateOutcome)
    pairs = sum(pairs for _, pairs in outcomes) / comparisons
    cells = " | ".join(f"{share:.1%}" for share in shares)
    return f"| {name} | {comparisons} | {loss:.0%} | {cells} | {pairs:.0f} |"


def main() -> None:
    """Print the tables."""
    equal, planted = (1000, 300) if "--full" in sys.argv else (50, 20)
    pairs = int(SECONDS / 2 / SAMPLE_S)
    print("| noise | comparisons | true loss | no loss | slower | cannot tell | pairs |")
    print("|---|---|---|---|---|---|---|")
    for machine in MACHINES:
        for loss, comparisons in ((0.0, equal), (0.05, planted)):
            rng = Random(f"{machine.name} {loss}")
            outcomes = [
                compared(simulated(machine, 2 * pairs, rng), loss, rng, pairs)
                for _ in range(comparisons)
            ]
            print(row(machine.name, comparisons, loss, outcomes))
    runs = recorded(2 * pairs * equal)
    for loss, comparisons in ((0.0, equal), (0.05, planted)):
        rng = Random(f"recorded {loss}")
        outcomes = [
            compared(runs[2 * pairs * i : 2 * pairs * (i + 1)], loss, rng, pairs)
            for i in range(comparisons)
        ]
        print(row("recorded, beside a CPU hog", comparisons, loss, outcomes))


if __name__ == "__main__":
    main()
