"""Noise models: what a machine does to the time of one and the same program.

A model makes, for one simulated session, a function of the run's number in the session and in
its race; its value is the natural logarithm of measured over true time.
"""

from __future__ import annotations

import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from random import Random

Noise = Callable[[int, int], float]
Model = Callable[[Random], Noise]


def gauss(spread: float) -> Model:
    """Independent bell curve."""
    return lambda rng: lambda _run, _in_race: rng.gauss(0, spread)


def heavy_tail(rng: Random) -> Noise:
    """Student's t with three degrees of freedom, 2 % wide."""

    def noise(_run: int, _in_race: int) -> float:
        squares = sum(rng.gauss(0, 1) ** 2 for _ in range(3))
        return 0.02 * rng.gauss(0, 1) / math.sqrt(squares / 3)

    return noise


def pareto_spikes(rng: Random) -> Noise:
    """2 % bell curve, every tenth run delayed by a Pareto amount."""

    def noise(_run: int, _in_race: int) -> float:
        delay = 0.05 * (rng.paretovariate(1.5) - 1) if rng.random() < 0.1 else 0.0
        return rng.gauss(0, 0.02) + math.log1p(delay)

    return noise


def skew(rng: Random) -> Noise:
    """A floor with a long log-normal shoulder: never faster, often slower."""
    return lambda _run, _in_race: math.log1p(0.03 * math.exp(rng.gauss(0, 0.8)))


def drift(rng: Random) -> Noise:
    """Each run 0.1 % slower or faster than the one before, for the whole session."""
    slope = rng.choice((-1, 1)) * 0.001
    return lambda run, _in_race: slope * run + rng.gauss(0, 0.01)


def random_walk(rng: Random) -> Noise:
    """A level that wanders by 1 % a run."""
    level = 0.0

    def noise(_run: int, _in_race: int) -> float:
        nonlocal level
        level += rng.gauss(0, 0.01)
        return level + rng.gauss(0, 0.01)

    return noise


def autocorrelated(rng: Random) -> Noise:
    """AR(1): a disturbance of 4 % that fades by a tenth a run."""
    level = rng.gauss(0, 0.04)

    def noise(_run: int, _in_race: int) -> float:
        nonlocal level
        level = 0.9 * level + rng.gauss(0, 0.04 * math.sqrt(1 - 0.81))
        return level + rng.gauss(0, 0.01)

    return noise


def periodic(period: float) -> Model:
    """A load of 6 % for half of every `period` runs, from a random phase in each race."""

    def model(rng: Random) -> Noise:
        phase = 0.0

        def noise(run: int, in_race: int) -> float:
            nonlocal phase
            if in_race == 0:
                phase = rng.random() * period
            busy = (run + phase) % period < period / 2
            return (0.06 if busy else 0.0) + rng.gauss(0, 0.01)

        return noise

    return model


def frequency_steps(rng: Random) -> Noise:
    """Two clock speeds 8 % apart, changed at random every 30 runs or so."""
    slow = False

    def noise(_run: int, _in_race: int) -> float:
        nonlocal slow
        slow ^= rng.random() < 0.03
        return (0.08 if slow else 0.0) + rng.gauss(0, 0.01)

    return noise


def bursts(rng: Random) -> Noise:
    """Other work that slows ten runs or so by 30 %, now and then."""
    left = 0

    def noise(_run: int, _in_race: int) -> float:
        nonlocal left
        left = max(left - 1, 0)
        if not left and rng.random() < 0.02:
            left = rng.randint(5, 15)
        return (0.26 if left else 0.0) + rng.gauss(0, 0.02)

    return noise


def spikes(rng: Random) -> Noise:
    """2 % bell curve, one run in twenty 1.5 to 3 times as long."""

    def noise(_run: int, _in_race: int) -> float:
        spike = math.log(rng.uniform(1.5, 3)) if rng.random() < 0.05 else 0.0
        return rng.gauss(0, 0.02) + spike

    return noise


def thermal(rng: Random) -> Noise:
    """A machine that cooled while the agent thought, and slows by 8 % as it warms up."""
    return lambda _run, in_race: 0.08 * (1 - math.exp(-in_race / 10)) + rng.gauss(0, 0.01)


def replay(trace: Sequence[float]) -> Model:
    """A recorded trace, each race from a random place on; joined end to start."""
    logs = [math.log(value) for value in trace]

    def model(rng: Random) -> Noise:
        start = 0

        def noise(_run: int, in_race: int) -> float:
            nonlocal start
            if in_race == 0:
                start = rng.randrange(len(logs))
            return logs[(start + in_race) % len(logs)]

        return noise

    return model


def record_trace(runs: int) -> tuple[list[float], list[float]]:
    """Run a tiny real program again and again; its wall and CPU seconds, in the order run."""
    wall, cpu = [], []
    program = [sys.executable, "-I", "-S", "-c", "sum(i * i for i in range(60000))"]
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run(program, check=True)
        wall.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return wall, cpu


SIMULATED: dict[str, Model] = {
    "gauss 1 %": gauss(0.01),
    "gauss 2 %": gauss(0.02),
    "gauss 5 %": gauss(0.05),
    "heavy tail (t3)": heavy_tail,
    "pareto spikes": pareto_spikes,
    "skewed": skew,
    "linear drift": drift,
    "random walk": random_walk,
    "autocorrelated": autocorrelated,
    "periodic load, 3 runs": periodic(3),
    "periodic load, 7.3 runs": periodic(7.3),
    "periodic load, 61.3 runs": periodic(61.3),
    "frequency steps": frequency_steps,
    "bursts": bursts,
    "quantised to 1 ms of 20": gauss(0.03),
    "spikes, 1 in 20": spikes,
    "warming up": thermal,
    "in step: every 4 runs": periodic(4),
    "in step: every 12 runs": periodic(12),
    "in step: every 60 runs": periodic(60),
}

IN_STEP = ("in step: every 4 runs", "in step: every 12 runs", "in step: every 60 runs")
"""Loads that beat with A B B A: a period of 4 runs times an odd number always disturbed the same
arm when these took turns. With a coin for every pair they may still hit each pair and spare the
gaps between, or the other way round."""

QUANTUM = {"quantised to 1 ms of 20": 0.05}
"""Step to which a model's values are rounded, as a share of the true value."""
