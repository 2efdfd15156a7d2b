"""How often the decision rule errs: false keeps, power, cost and honesty of its claims.

    python benchmarks/decision.py --quick     # under a minute
    python benchmarks/decision.py --full      # several minutes

Prints a Markdown report. Every race goes through `autoresearch.core.race.judge`, as in a session:
calibration fills the pool, each race's same-code differences extend it.
"""

from __future__ import annotations

import argparse
import math
import time
from multiprocessing import get_context
from random import Random
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

import noise
from autoresearch.core.model import Arm, Direction, Pair, Scale
from autoresearch.core.order import runs_of
from autoresearch.core.pool import extended, same_code_differences
from autoresearch.core.race import Decision, Policy, judge, order_of
from autoresearch.core.stats import effect_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALPHA = 0.02
CALIBRATION = 8
CANDIDATES = 10
"""Candidates in a simulated session; the pool and the noise's memory last as long."""

VALIDATION_PAIRS = 20
GAINS = (0.0, -0.02, 0.01, 0.02, 0.03, 0.05, 0.10)
POWER_MODELS = ("gauss 5 %", "gauss 2 %", "heavy tail (t3)", "spikes, 1 in 20", "bursts")
POWER_PAIRS = (20, 60, 100)
CLAIMED_GAINS = (0.03, 0.05, 0.10)
CLAIMED_PAIRS = (20, 100)
LOT_MODELS = (*noise.IN_STEP, "gauss 5 %", "linear drift", "real wall time")
LOT_PAIRS = (3, 20, 100)

TRACES: dict[str, noise.Model] = {}
"""Models recorded in this run; filled before the worker processes are forked."""


class Effort(NamedTuple):
    """How many races a cell gets."""

    null: dict[int, int]
    power: int
    rules: int
    trace: int


QUICK = Effort({3: 200, 5: 200, 20: 200, 60: 60, 100: 100}, 40, 300, 300)
FULL = Effort({3: 4000, 4: 4000, 5: 4000, 20: 4000, 60: 2000, 100: 3000}, 500, 3000, 2400)


class Race(NamedTuple):
    """What one simulated race came to."""

    keep: bool
    pairs: int
    gain: float
    validated: float
    covered: bool


class Cell(NamedTuple):
    """A series of races to simulate."""

    model: str
    pairs: int
    gain: float
    races: int
    validate: bool
    seed: str
    by_lot: bool = False
    """A coin for every pair, instead of one for the race and then taking turns."""


class Machine:
    """One session's machine: runs programs one after the other."""

    def __init__(self, model: str, rng: Random) -> None:
        self.noise = (noise.SIMULATED.get(model) or TRACES[model])(rng)
        self.quantum = noise.QUANTUM.get(model)
        self.run_number = 0
        self.in_race = 0

    def rest(self) -> None:
        """Let a minute pass."""
        self.in_race = 0

    def run(self, true_value: float) -> float:
        """Return the measured value of a program whose true value is given."""
        value = true_value * math.exp(self.noise(self.run_number, self.in_race))
        self.run_number += 1
        self.in_race += 1
        return round(value / self.quantum) * self.quantum if self.quantum else value

    def pairs(self, number: int, gain: float, coin: Random, *, by_lot: bool = False) -> list[Pair]:
        """Run so many pairs, in the order of a race, after a rest and a warm-up run."""
        first = coin.choice(list(Arm))
        self.rest()
        self.run(1 - gain)
        pairs = []
        for index in range(1, number + 1):
            opener = coin.choice(list(Arm)) if by_lot else order_of(index, first)[0]
            values = {}
            for arm in (opener, opener.other):
                values[arm] = self.run(1.0 if arm is Arm.INCUMBENT else 1 - gain)
            pairs.append(
                Pair(incumbent=values[Arm.INCUMBENT], candidate=values[Arm.CANDIDATE], first=opener)
            )
        return pairs


def race(machine: Machine, pool: Sequence[float], cell: Cell, rng: Random) -> tuple[Decision, list]:
    """Race one candidate; the decision and the pairs it used."""
    policy = Policy(
        alpha=ALPHA,
        pairs=cell.pairs,
        direction=Direction.LOWER,
        scale=Scale.RATIO,
        min_effect=0.0,
    )
    pairs = machine.pairs(cell.pairs, cell.gain, rng, by_lot=cell.by_lot)
    decision = judge(pairs, policy, pool)
    return decision, pairs[: decision.pairs]


def simulate(cell: Cell) -> list[Race]:
    """Race the cell's candidates, in sessions of ten."""
    rng = Random(f"{cell.seed} {cell.model} {cell.pairs} {cell.gain}")
    races: list[Race] = []
    while len(races) < cell.races:
        machine = Machine(cell.model, rng)
        values = [machine.run(1.0) for _ in range(CALIBRATION)]
        pool = extended((), same_code_differences("a" * CALIBRATION, values, Scale.RATIO))
        for _ in range(CANDIDATES):
            decision, pairs = race(machine, pool, cell, rng)
            pool = extended(pool, same_code_differences(*runs_of(pairs), Scale.RATIO))
            races.append(_outcome(decision, machine, cell, rng))
    return races[: cell.races]


def _outcome(decision: Decision, machine: Machine, cell: Cell, rng: Random) -> Race:
    gain, validated, covered = math.nan, math.nan, False
    if decision.effect:
        gain = -decision.effect.change
    if decision.keep and cell.validate:
        fresh = machine.pairs(VALIDATION_PAIRS, cell.gain, rng)
        effect = effect_of(fresh, Scale.RATIO)
        validated, covered = -effect.change, effect.low <= -cell.gain <= effect.high
    return Race(decision.keep, decision.pairs, gain, validated, covered)


class Naive(NamedTuple):
    """What comparing with a stored record does in sessions of twenty worthless candidates."""

    false_keeps: float
    claimed: float
    found: float


def naive(model: str, runs: int, candidates: int, seed: str) -> Naive:
    """Keep whatever beats the record, by one run or by the median of three; then try a 3 % gain."""
    rng = Random(f"{seed} {model} naive {runs}")
    keeps, found, claims = 0, 0, []
    sessions = max(1, candidates // 20)
    for _ in range(sessions):
        machine = Machine(model, rng)
        start = record = median(machine.run(1.0) for _ in range(runs))
        for _ in range(20):
            machine.rest()
            value = median(machine.run(1.0) for _ in range(runs))
            if value < record:
                keeps, record = keeps + 1, value
        claims.append(1 - record / start)
        machine.rest()
        found += median(machine.run(0.97) for _ in range(runs)) < record
    return Naive(100 * keeps / (20 * sessions), 100 * fmean(claims), 100 * found / sessions)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion (Wilson 1927)."""
    z = 1.96
    centre = (hits + z * z / 2) / (of + z * z)
    half = z / (of + z * z) * math.sqrt(hits * (of - hits) / of + z * z / 4)
    return max(0.0, centre - half), centre + half


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _is_plain_null(cell: Cell) -> bool:
    return cell.gain == 0 and not cell.validate and not cell.by_lot


def false_keep_table(results: dict[Cell, list[Race]], models: Sequence[str]) -> str:
    """Return false keeps per 100 worthless candidates, with interval and runs used."""
    sizes = sorted({cell.pairs for cell in results if _is_plain_null(cell)})
    rows = []
    for model in models:
        row = [model]
        for size in sizes:
            races = next(
                races
                for cell, races in results.items()
                if _is_plain_null(cell) and (cell.model, cell.pairs) == (model, size)
            )
            hits = sum(one.keep for one in races)
            low, high = wilson(hits, len(races))
            runs = 2 * fmean(one.pairs for one in races)
            row.append(
                f"{100 * hits / len(races):.1f} [{100 * low:.1f}, {100 * high:.1f}] ({runs:.0f})"
            )
        rows.append(row)
    return table(["false keeps per 100 (runs used)", *(f"N = {size}" for size in sizes)], rows)


def order_table(results: dict[Cell, list[Race]]) -> str:
    """Return false keeps per 100 under both orders of the runs."""
    rows = []
    for cell, races in results.items():
        if cell.by_lot:
            turns = results[cell._replace(by_lot=False)]
            kept = [f"{100 * fmean(one.keep for one in some):.1f}" for some in (turns, races)]
            rows.append([cell.model, str(cell.pairs), *kept])
    head = ["false keeps per 100", "N", "taking turns", "a coin for every pair"]
    return table(head, sorted(rows))


def power_table(results: dict[Cell, list[Race]]) -> str:
    """Return the share kept by true gain, with the runs used."""
    cells = [cell for cell in results if cell.validate]
    rows = []
    for model, size in dict.fromkeys((cell.model, cell.pairs) for cell in cells):
        row = [model, str(size)]
        for gain in GAINS:
            races = next(
                results[cell]
                for cell in cells
                if (cell.model, cell.pairs, cell.gain) == (model, size, gain)
            )
            kept = 100 * fmean(one.keep for one in races)
            runs = 2 * fmean(one.pairs for one in races)
            row.append(f"{kept:.0f} ({runs:.0f})")
        rows.append(row)
    names = ["nothing", "2 % worse", *(f"{100 * gain:.0f} %" for gain in GAINS[2:])]
    return table(["% kept (runs used)", "N", *names], rows)


def claim_table(results: dict[Cell, list[Race]]) -> str:
    """Return what kept candidates claim over what is true, at the keep and when validated."""
    rows = []
    for cell, races in results.items():
        kept = [one for one in races if one.keep]
        if cell.gain in CLAIMED_GAINS and cell.pairs in CLAIMED_PAIRS and len(kept) >= 10:
            rows.append(
                [
                    cell.model,
                    str(cell.pairs),
                    f"{100 * cell.gain:.0f} %",
                    f"{fmean(one.gain for one in kept) / cell.gain:.2f}",
                    f"{fmean(one.validated for one in kept) / cell.gain:.2f}",
                    f"{100 * fmean(one.covered for one in kept):.0f} %",
                ]
            )
    head = ["noise", "N", "true gain", "keep claims / true", "validation / true", "coverage"]
    return table(head, rows)


def naive_table(results: dict[tuple[str, int], Naive], models: Sequence[str]) -> str:
    """Return what comparing with a stored record does."""
    rows = []
    for model in models:
        row = [model]
        for runs in (1, 3):
            one = results[model, runs]
            row.append(f"{one.false_keeps:.1f}, {one.claimed:.1f} %, {one.found:.0f} %")
        rows.append(row)
    return table(
        ["false keeps per 100, gain claimed, 3 % found", "single run", "median of 3"], rows
    )


def targets(results: dict[Cell, list[Race]]) -> str:
    """Return the targets of the design, and whether this run met them."""

    def mean_runs(sizes: tuple[int, ...]) -> float:
        chosen = [
            2 * one.pairs + 1
            for cell, races in results.items()
            if _is_plain_null(cell) and cell.pairs in sizes
            for one in races
        ]
        return fmean(chosen)

    sober = [
        (100 * fmean(one.keep for one in races), cell.model, cell.pairs, len(races))
        for cell, races in results.items()
        if _is_plain_null(cell) and cell.model not in noise.IN_STEP
    ]
    worst = max(sober)
    aim = next(
        races
        for cell, races in results.items()
        if cell.validate and (cell.model, cell.pairs, cell.gain) == ("gauss 5 %", 100, 0.03)
    )
    gauss = next(
        races
        for cell, races in results.items()
        if _is_plain_null(cell) and (cell.model, cell.pairs) == ("gauss 5 %", 100)
    )
    rows = [
        [
            "worthless kept, worst model and N",
            "<= 2 %",
            f"{worst[0]:.1f} % ({worst[1]}, N = {worst[2]})",
        ],
        [
            "3 % gain at 5 % noise, N = 100",
            ">= 75 %",
            f"{100 * fmean(one.keep for one in aim):.0f} %",
        ],
        ["runs for a worthless one, N <= 20", "<= 10", f"{mean_runs((3, 4, 5, 20)):.1f}"],
        ["the same, N = 20 alone", "<= 10", f"{mean_runs((20,)):.1f}"],
        ["the same, N = 100, all models", "<= 40", f"{mean_runs((100,)):.1f}"],
        [
            "the same, N = 100, gauss 5 %",
            "<= 40",
            f"{fmean(2 * one.pairs + 1 for one in gauss):.1f}",
        ],
    ]
    return table(["target (runs include the warm-up)", "asked", "measured"], rows)


def cells_of(effort: Effort, models: Sequence[str], seed: str) -> list[Cell]:
    """Return everything to simulate, the costly cells first."""
    null = [
        Cell(model, size, 0.0, races, validate=False, seed=seed)
        for size, races in effort.null.items()
        for model in models
    ]
    power = [
        Cell(model, size, gain, effort.power, validate=True, seed=seed)
        for model in (*POWER_MODELS, *TRACES)
        for size in POWER_PAIRS
        for gain in GAINS
    ]
    lots = [
        cell._replace(by_lot=True)
        for cell in null
        if cell.model in LOT_MODELS and cell.pairs in LOT_PAIRS
    ]
    return sorted(null + power + lots, key=lambda cell: -cell.pairs * cell.races)


def _naive(task: tuple[str, int, int, str]) -> Naive:
    return naive(*task)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="under a minute (default)")
    size.add_argument("--full", action="store_true", help="several minutes")
    parser.add_argument("--seed", default="1", help="of the simulated noise")
    chosen = parser.parse_args()
    effort = FULL if chosen.full else QUICK
    start = time.perf_counter()
    wall, cpu = noise.record_trace(effort.trace)
    TRACES.update({"real wall time": noise.replay(wall), "real CPU time": noise.replay(cpu)})
    models = [*noise.SIMULATED, *TRACES]
    cells = cells_of(effort, models, chosen.seed)
    tasks = [(model, runs, effort.rules, chosen.seed) for model in models for runs in (1, 3)]
    with get_context("fork").Pool(2) as workers:
        races = dict(zip(cells, workers.map(simulate, cells, chunksize=1), strict=True))
        rules = workers.map(_naive, tasks)
    stored = {task[:2]: result for task, result in zip(tasks, rules, strict=True)}
    parts = [
        f"{sum(map(len, races.values()))} races in {time.perf_counter() - start:.0f} s.",
        targets(races),
        false_keep_table(races, models),
        order_table(races),
        power_table(races),
        claim_table(races),
        naive_table(stored, models),
    ]
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
