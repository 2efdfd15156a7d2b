"""How well the price of the next experiment is forecast, and what stopping by it yields.

Simulated sessions: keep rates that fade, pools of ideas that run dry, luck that changes; gains and
costs of many sizes. `--logs FOLDER` adds recorded logs (`autoresearch.jsonl` of other tools). First
table: forecasts of a keep in the next ten, by deciles, beside what came true. Second: the net value
of each rule, as a share of that of the best moment known in hindsight.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from autoresearch.core.worth import SOON, forecast

ALLOWED = 0.05
GAIN, WEIGHT, TEACHES = 2.0, 2.0, 0.7
LENGTH = 100


def simulated(chance: random.Random, length: int) -> list[bool]:
    """The outcomes of a session."""
    kind = chance.random()
    if kind < 0.4:
        start, fade = chance.betavariate(1.2, 5), chance.choice([8, 15, 30, 60, 150])
        rates = [max(0.006, start * math.exp(-place / fade)) for place in range(length)]
        return [chance.random() < rate for rate in rates]
    found = []
    if kind < 0.7:
        left, hit = chance.randint(0, 14), chance.uniform(0.02, 0.12)
        for _ in range(length):
            kept = chance.random() < max(0.006, 1 - (1 - hit) ** left)
            left -= kept and left > 0
            found.append(kept)
        return found
    rate = chance.betavariate(1, 8)
    for _ in range(length):
        if chance.random() < 0.03:
            rate = chance.betavariate(1, 8)
        found.append(chance.random() < max(rate, 0.006))
    return found


def recorded(folder: Path) -> Iterator[list[bool]]:
    """The outcomes in logs of other tools that hold one object with a `status` a line."""
    for path in sorted(folder.rglob("*.jsonl")):
        found = []
        for line in path.read_text("utf-8", "replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and {"status", "run"} <= entry.keys():
                found.append(entry["status"] == "keep")
        if len(found) >= 2 * SOON:
            yield found[:500]


def calibration(title: str, made: list[tuple[float, bool]], parts: int) -> float:
    """Print forecasts beside what came true; the largest difference."""
    made.sort()
    size, worst = len(made) // parts, 0.0
    for part in range(parts):
        some = made[part * size : (part + 1) * size]
        told, came = (statistics.fmean(values) for values in zip(*some, strict=True))
        worst = max(worst, abs(told - came))
        print(f"| {title} | {part + 1} | {told:.1%} | {came:.1%} | {len(some)} |")
    return worst


def net_values(keeps: list[bool], gains: list[float], cost: float) -> dict[str, float]:
    """What each rule would have earned, in per cent of gain."""
    net = [0.0]
    for gain in gains:
        net.append(net[-1] + gain - cost)
    found = {"hindsight": max(net), "all 100": net[-1], "20 always": net[20], "50 always": net[50]}
    for patience in (10, 20):
        since = at = 0
        while at < len(keeps) and since < patience:
            since = 0 if keeps[at] else since + 1
            at += 1
        found[f"{patience} without a keep"] = net[at]
    for at in range(len(keeps) + 1):
        kept = [gain for gain in gains[:at] if gain][-8:]
        gain = (WEIGHT * GAIN + sum(kept)) / (WEIGHT + len(kept))
        if at == len(keeps) or forecast(keeps[:at]).next_keep * gain < TEACHES * cost:
            found["not worth it"] = net[at]
            break
    return found


def main() -> None:
    """Print both tables; exit code 1 where simulated forecasts do not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer sessions")
    parser.add_argument("--full", action="store_true", help="all of them (default)")
    parser.add_argument("--logs", type=Path, help="folder of recorded logs")
    asked = parser.parse_args()
    sessions = 2_000 if asked.quick else 10_000
    chance, made = random.Random(11), []
    for _ in range(sessions):
        keeps = simulated(chance, LENGTH + SOON)
        at = chance.randint(5, LENGTH)
        made.append((forecast(keeps[:at]).keep_soon, any(keeps[at : at + SOON])))
    print("| forecasts | part | told | came true | of |\n|---|---|---|---|---|")
    worst = calibration("simulated", made, 10)
    if asked.logs:
        points = [
            (forecast(keeps[:at]).keep_soon, any(keeps[at : at + SOON]))
            for keeps in recorded(asked.logs)
            for at in range(SOON, len(keeps) - SOON + 1, 5)
        ]
        calibration("recorded", points, 4)
    print("\n| a keep pays for | rule | share of hindsight's net value |\n|---|---|---|")
    for cost in (0.01, 0.02, 0.05, 0.1):
        total: dict[str, float] = {}
        chance = random.Random(12)
        for _ in range(sessions // 20):
            keeps, typical = simulated(chance, LENGTH), chance.lognormvariate(math.log(GAIN), 0.6)
            gains = [typical * chance.lognormvariate(0, 0.6) if keep else 0.0 for keep in keeps]
            for rule, net in net_values(keeps, gains, cost).items():
                total[rule] = total.get(rule, 0.0) + net
        for rule, net in total.items():
            print(f"| {GAIN / cost:.0f} experiments | {rule} | {net / total['hindsight']:.0%} |")
    sys.exit(worst > ALLOWED)


if __name__ == "__main__":
    main()
