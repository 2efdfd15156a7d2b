"""Simulated sessions: candidates of a known true gain, raced on machines of known noise.

Every race goes through `autoresearch.core.race.judge`, as in a session: calibration fills the
pool, each race's same-code differences extend it.
"""

from __future__ import annotations

import math
from random import Random
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

import noise
from autoresearch.core import boundary
from autoresearch.core.decision import Decision, Policy
from autoresearch.core.model import Arm, Direction, Pair, Scale
from autoresearch.core.noise import extended, same_code_differences, smallest_visible
from autoresearch.core.race import differences_within, judge, runs_of
from autoresearch.core.stats import effect_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ALPHA = 0.02
CALIBRATION = 8
CANDIDATES = 10
"""Candidates in a simulated session; the pool and the noise's memory last as long."""

VALIDATION_PAIRS = 20
VISIBLE_RUNS = 2000

TRACES: dict[str, noise.Model] = {}
"""Models recorded in this run; filled before the worker processes are forked."""


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
    in_turns: bool = False
    """One coin for the race and then A B B A ..., instead of a coin for every pair."""


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

    def pairs(
        self, number: int, gain: float, coin: Random, *, in_turns: bool = False
    ) -> list[Pair]:
        """Run so many pairs, in the order of a race, after a rest and a warm-up run."""
        opener = coin.choice(list(Arm))
        self.rest()
        self.run(1 - gain)
        pairs = []
        for _ in range(number):
            firsts = [pair.first for pair in pairs]
            opener = (
                opener.other if in_turns else boundary.opener(coin.getrandbits(1), firsts, number)
            )
            values = {}
            for arm in (opener, opener.other):
                values[arm] = self.run(1.0 if arm is Arm.INCUMBENT else 1 - gain)
            pairs.append(
                Pair(incumbent=values[Arm.INCUMBENT], candidate=values[Arm.CANDIDATE], first=opener)
            )
        return pairs


def policy_for(cell: Cell, rng: Random) -> Policy:
    """Return the rules of one race of the cell."""
    return Policy(
        alpha=ALPHA,
        pairs=cell.pairs,
        direction=Direction.LOWER,
        scale=Scale.RATIO,
        min_effect=0.0,
        seed=rng.getrandbits(32),
    )


def race(
    machine: Machine, pool: Sequence[float], cell: Cell, policy: Policy, rng: Random
) -> tuple[Decision, list[Pair]]:
    """Race one candidate; the decision and the pairs it used."""
    pairs = machine.pairs(cell.pairs, cell.gain, rng, in_turns=cell.in_turns)
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
            policy = policy_for(cell, rng)
            decision, pairs = race(machine, pool, cell, policy, rng)
            pool = extended(pool, differences_within(policy, *runs_of(pairs), Scale.RATIO))
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


def visible_gain(model: str, pairs: int) -> float:
    """Return the gain that is announced as found every second time, from a long calibration."""
    machine = Machine(model, Random(f"visible {model}"))
    values = [machine.run(1.0) for _ in range(VISIBLE_RUNS)]
    pool = same_code_differences("a" * VISIBLE_RUNS, values, Scale.RATIO)
    return smallest_visible(pool, pairs, Scale.RATIO, Direction.LOWER) or 0.0
