"""How often the decision rule errs: false keeps, power, cost and honesty of its claims.

    python benchmarks/decision.py --quick     # some minutes
    python benchmarks/decision.py --full      # two hours

Prints a Markdown report.
"""

from __future__ import annotations

import argparse
import math
import time
from multiprocessing import get_context
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import frontier
import noise
from simulation import TRACES, Cell, Naive, Race, naive, simulate, visible_gain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GAINS = (0.0, -0.02, 0.01, 0.02, 0.03, 0.05, 0.10)
POWER_MODELS = ("gauss 5 %", "gauss 2 %", "heavy tail (t3)", "spikes, 1 in 20", "bursts")
POWER_PAIRS = (5, 12, 20, 100)
CLAIMED_GAINS = (0.03, 0.10)
CLAIMED_PAIRS = (20, 100)
TURNS_PAIRS = (3, 20, 100)
"""Loads in step are raced with the arms taking turns as well, to show what the coin is for."""

VISIBLE_PAIRS = (12, 20, 60)
SLOW_PAIRS = 12
"""Up to here a race counts as slow: a worthless candidate may take 10 runs on average, beyond that
55 in 100 of the planned pairs."""

MOST_SHARE = 0.55

NAIVE_MODELS = ("gauss 2 %", "linear drift", "autocorrelated")


class Effort(NamedTuple):
    """How many races a cell gets."""

    null: dict[int, int]
    power: int
    rules: int
    trace: int
    beside: int


QUICK = Effort({2: 200, 3: 200, 5: 200, 20: 40, 60: 20, 100: 20}, 10, 300, 300, 20)
FULL = Effort(
    {2: 4000, 3: 4000, 4: 4000, 5: 4000, 8: 2000, 12: 2000, 20: 1000, 41: 500, 60: 500, 100: 500},
    150,
    3000,
    6000,
    600,
)


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


def _share(hits: Sequence[bool]) -> str:
    """Return a share in per cent with its interval."""
    low, high = wilson(sum(hits), len(hits))
    return f"{100 * fmean(hits):.2f} % [{100 * low:.2f}, {100 * high:.2f}]"


def _is_plain_null(cell: Cell) -> bool:
    return cell.gain == 0 and not cell.validate and not cell.in_turns


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
        if cell.in_turns:
            drawn = results[cell._replace(in_turns=False)]
            kept = [f"{100 * fmean(one.keep for one in some):.1f}" for some in (races, drawn)]
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


def visible_table(results: dict[Cell, list[Race]]) -> str:
    """Return how often a gain of the announced size is kept."""
    rows = []
    for model in (*POWER_MODELS, *TRACES):
        row = [model]
        for size in VISIBLE_PAIRS:
            gain = visible_gain(model, size)
            races = next(
                races
                for cell, races in results.items()
                if (cell.model, cell.pairs, cell.gain) == (model, size, gain)
            )
            row.append(f"{100 * fmean(one.keep for one in races):.0f} ({100 * gain:.1f} %)")
        rows.append(row)
    return table(["% kept (gain)", *(f"N = {size}" for size in VISIBLE_PAIRS)], rows)


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


def targets(results: dict[Cell, list[Race]], beside: frontier.Results) -> str:
    """Return the targets of the design, and whether this run met them."""

    def mean_runs(sizes: tuple[int, ...]) -> float:
        chosen = [
            2 * one.pairs + 1
            for cell, races in results.items()
            if _is_plain_null(cell) and cell.pairs in sizes
            for one in races
        ]
        return fmean(chosen)

    plain = {cell: races for cell, races in results.items() if _is_plain_null(cell)}
    most = max(plain, key=lambda cell: fmean(one.keep for one in plain[cell]))
    aim = next(
        races
        for cell, races in results.items()
        if cell.validate and (cell.model, cell.pairs, cell.gain) == ("gauss 5 %", 100, 0.03)
    )
    per_size = [
        [
            f"worthless kept, N = {size}, all models",
            "<= 2 %",
            _share(
                [one.keep for cell, some in plain.items() if cell.pairs == size for one in some]
            ),
        ]
        for size in sorted({cell.pairs for cell in plain})
    ]
    rows = [
        *per_size,
        [
            f"the same, worst of {len(plain)} cells ({most.model}, N = {most.pairs})",
            "<= 2 %",
            _share([one.keep for one in plain[most]]),
        ],
        ["3 % gain at 5 % noise, N = 100", ">= 75 %", _share([one.keep for one in aim])],
        ["runs for a worthless one, N = 2 to 12", "<= 10", f"{mean_runs((2, 3, 4, 5, 8, 12)):.1f}"],
        *(
            [
                f"pairs for a worthless one, N = {size}, all models",
                f"<= {100 * MOST_SHARE:.0f} %",
                f"{100 * (mean_runs((size,)) - 1) / 2 / size:.0f} %",
            ]
            for size in sorted({cell.pairs for cell in plain})
            if size > SLOW_PAIRS
        ),
        *frontier.target_rows(beside),
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
    turns = [
        cell._replace(in_turns=True)
        for cell in null
        if cell.model in noise.IN_STEP and cell.pairs in TURNS_PAIRS
    ]
    visible = [
        Cell(model, size, visible_gain(model, size), effort.power, validate=False, seed=seed)
        for model in (*POWER_MODELS, *TRACES)
        for size in VISIBLE_PAIRS
    ]
    return sorted(null + power + turns + visible, key=lambda cell: -cell.pairs * cell.races)


def _naive(task: tuple[str, int, int, str]) -> Naive:
    return naive(*task)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="some minutes (default)")
    size.add_argument("--full", action="store_true", help="two hours")
    parser.add_argument("--seed", default="1", help="of the simulated noise")
    chosen = parser.parse_args()
    effort = FULL if chosen.full else QUICK
    start = time.perf_counter()
    wall, cpu = noise.record_trace(effort.trace)
    TRACES.update({"real wall time": noise.replay(wall), "real CPU time": noise.replay(cpu)})
    models = [*noise.SIMULATED, *TRACES]
    cells = cells_of(effort, models, chosen.seed)
    naive_models = [*NAIVE_MODELS, *TRACES]
    tasks = [(model, runs, effort.rules, chosen.seed) for model in naive_models for runs in (1, 3)]
    pending = frontier.tasks(effort.beside, chosen.seed)
    with get_context("fork").Pool(2) as workers:
        found = workers.map(frontier.compare, pending, chunksize=1)
        quiet = frontier.calm_tasks(5 * effort.beside, chosen.seed)
        calm = dict(zip(quiet, workers.map(frontier.calmed, quiet), strict=True))
        races = dict(zip(cells, workers.map(simulate, cells, chunksize=1), strict=True))
        rules = workers.map(_naive, tasks)
    stored = {task[:2]: result for task, result in zip(tasks, rules, strict=True)}
    beside = dict(zip(pending, found, strict=True))
    parts = [
        f"{sum(map(len, races.values()))} races in {time.perf_counter() - start:.0f} s.",
        targets(races, beside),
        table(*frontier.frontier_rows(beside)),
        table(*frontier.session_rows(beside)),
        table(*frontier.calm_rows(calm)),
        false_keep_table(races, models),
        order_table(races),
        power_table(races),
        visible_table(races),
        claim_table(races),
        naive_table(stored, naive_models),
    ]
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
