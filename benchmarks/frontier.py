"""Rules beside each other on the same pairs: power against time, and gain per hour of a session."""

from __future__ import annotations

import math
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import boundary
from autoresearch.core.decision import Policy
from autoresearch.core.model import Direction, Pair, Scale
from autoresearch.core.noise import extended, same_code_differences
from autoresearch.core.race import differences_within, judge, runs_of
from autoresearch.core.stats import swap_scores, tail_probability
from simulation import ALPHA, CALIBRATION, Machine

if TYPE_CHECKING:
    from collections.abc import Sequence


class Variant(NamedTuple):
    """A rule to compare: its version, and when it gives up."""

    name: str
    rule: int
    hope: float


OLD = Variant("rule 1", 1, 0.0)
SHORT = Variant("short", 2, 0.25)
NORMAL = Variant("**normal**", 2, 0.1)
LONG = Variant("long", 2, 0.03)
FULL = Variant("full", 2, 0.0)
AT_ONCE = Variant("at once", 0, 0.0)
"""One look at all pairs."""

FRONTIER = {20: 0.04, 33: 0.04, 41: 0.04, 60: 0.03, 100: 0.025}
"""Planned pairs, and the gain to be found at bell-shaped noise of 5 % a run."""

SESSION_MODELS = ("gauss 5 %", "bursts", "real wall time")
SAMPLES_S = {100: 0.1, 41: 0.7, 20: 1.5}
"""Planned pairs in the session table, and what a sample takes."""

THOUGHTS_S = (120, 360)
MIX = {-0.02: 0.25, 0.0: 0.4, 0.01: 0.14, 0.02: 0.1, 0.04: 0.07, 0.1: 0.04}
"""True gains of an agent's candidates, and their share: most change nothing, as in real logs."""


class Task(NamedTuple):
    """Candidates of one true gain, each raced once and judged by every variant."""

    model: str
    pairs: int
    gain: float
    races: int
    seed: str
    variants: tuple[Variant, ...]


class Found(NamedTuple):
    """The share that was kept, and the mean of the pairs used."""

    kept: float
    pairs: float


def compare(task: Task) -> dict[Variant, Found]:
    """Judge the same races by each variant; every one fills a pool of its own."""
    rng = Random(f"{task.seed} {task.model} {task.pairs} {task.gain} beside")
    found: dict[Variant, list[tuple[bool, int]]] = {one: [] for one in task.variants}
    for number in range(task.races):
        if number % 10 == 0:
            machine = Machine(task.model, rng)
            values = [machine.run(1.0) for _ in range(CALIBRATION)]
            known = same_code_differences("a" * CALIBRATION, values, Scale.RATIO)
            pools = dict.fromkeys(task.variants, known)
        pairs, seed = machine.pairs(task.pairs, task.gain, rng), rng.getrandbits(32)
        for one in task.variants:
            kept, used = _judged(one, pairs, pools[one], seed)
            found[one].append((kept, used))
            fresh = same_code_differences(*runs_of(pairs[:used]), Scale.RATIO)
            pools[one] = extended(pools[one], fresh)
    return {
        one: Found(fmean(kept for kept, _ in some), fmean(used for _, used in some))
        for one, some in found.items()
    }


def _judged(
    one: Variant, pairs: Sequence[Pair], pool: Sequence[float], seed: int
) -> tuple[bool, int]:
    if one == AT_ONCE:
        return tail_probability(swap_scores(pairs, Direction.LOWER)) <= ALPHA, len(pairs)
    policy = Policy(
        alpha=ALPHA,
        pairs=len(pairs),
        direction=Direction.LOWER,
        scale=Scale.RATIO,
        min_effect=0.0,
        rule=one.rule,
        seed=seed,
        hope=one.hope,
    )
    decision = judge(pairs, policy, pool)
    return decision.keep, decision.pairs


def tasks(races: int, seed: str) -> list[Task]:
    """Return everything to compare."""
    every = (OLD, SHORT, NORMAL, LONG, FULL, AT_ONCE)
    frontier = [
        Task("gauss 5 %", pairs, gain, races, seed, every)
        for pairs, true_gain in FRONTIER.items()
        for gain in (true_gain, 0.0)
    ]
    sessions = [
        Task(model, pairs, gain, races // 2, f"{seed} session", (OLD, NORMAL))
        for model in SESSION_MODELS
        for pairs in SAMPLES_S
        for gain in MIX
    ]
    return sorted(frontier + sessions, key=lambda one: -one.pairs * one.races * len(one.variants))


Results = dict[Task, dict[Variant, Found]]


def frontier_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Return power, and the share of the pairs that a worthless candidate takes."""
    head = ["kept in 100; pairs a worthless one takes"]
    head += [f"N = {pairs}, gain {100 * gain:g} %" for pairs, gain in FRONTIER.items()]
    rows = []
    some = {one.pairs: one for one in results if AT_ONCE in one.variants}
    for one in next(iter(some.values())).variants:
        row = [one.name]
        for pairs, gain in FRONTIER.items():
            real = results[some[pairs]._replace(gain=gain)][one]
            idle = results[some[pairs]._replace(gain=0.0)][one]
            row.append(f"{100 * real.kept:.0f}; {100 * idle.pairs / pairs:.0f} %")
        rows.append(row)
    return head, rows


def session_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Return the gain an hour by either rule, with so many minutes of thought an experiment."""
    head = ["gain an hour", "N", "sample"]
    head += [f"{s // 60} min of thought: rule 1, rule 2" for s in THOUGHTS_S]
    rows = []
    for model in SESSION_MODELS:
        for pairs, sample_s in SAMPLES_S.items():
            row = [model, str(pairs), f"{sample_s:g} s"]
            for thought_s in THOUGHTS_S:
                old, new = (
                    100 * _an_hour(results, model, pairs, one, thought_s) for one in (OLD, NORMAL)
                )
                row.append(f"{old:.1f} %, {new:.1f} % ({100 * (new / old - 1):+.0f} %)")
            rows.append(row)
    return head, rows


def _an_hour(results: Results, model: str, pairs: int, one: Variant, thought_s: float) -> float:
    gained, seconds = 0.0, thought_s
    for gain, share in MIX.items():
        found = next(
            some[one]
            for task, some in results.items()
            if (task.model, task.pairs, task.gain) == (model, pairs, gain)
            and task.variants == (OLD, NORMAL)
        )
        gained -= share * found.kept * math.log1p(-gain)
        seconds += share * SAMPLES_S[pairs] * (2 * found.pairs + 1)
    return -math.expm1(-gained * 3600 / seconds)


def target_rows(results: Results) -> list[list[str]]:
    """Return what rule 2 loses against one look at all pairs, in points, and what it takes."""
    rows = []
    some = {one.pairs: one for one in results if AT_ONCE in one.variants}
    for pairs, gain in FRONTIER.items():
        real, idle = (results[some[pairs]._replace(gain=it)] for it in (gain, 0.0))
        lost = 100 * (real[AT_ONCE].kept - real[NORMAL].kept)
        share = 100 * idle[NORMAL].pairs / pairs
        rows.append(
            [
                f"points of power below one look at all {pairs} pairs; pairs for a worthless one",
                "<= 4; <= 55 %",
                f"{lost:.1f}; {share:.0f} %",
            ]
        )
    return rows


CALM, LOUD = 0.001, 0.013
"""Noise of a program that was kept, and of the one before it: fixed seeds, say."""

CALM_PAIRS = (2, 3, 4, 5)
CALM_GAINS = (0.0, 0.005, 0.01)
EXPERIMENTS = 6
"""After the keep; the first of them knows only the runs of the race that kept the program."""


class Calm(NamedTuple):
    """Sessions whose first keep is calmer than the program before it."""

    pairs: int
    gain: float
    sessions: int
    seed: str


def calmed(task: Calm) -> dict[int, float]:
    """Return the share of later candidates that each version of the rule keeps."""
    rng, found = Random(f"{task} calm"), {1: 0, 2: 0}
    for _ in range(task.sessions):
        before = [rng.gauss(0, LOUD) for _ in range(CALIBRATION)]
        loud = same_code_differences("a" * CALIBRATION, list(map(math.exp, before)), Scale.RATIO)
        won = [math.exp(rng.gauss(0, CALM)) for _ in range(task.pairs)]
        pools = {1: loud, 2: (*loud, *same_code_differences("b" * task.pairs, won, Scale.RATIO))}
        for _ in range(EXPERIMENTS):
            pairs, seed = [], rng.getrandbits(32)
            for _ in range(task.pairs):
                values = (math.exp(rng.gauss(0, CALM)) for _ in range(2))
                pairs.append(
                    Pair(
                        incumbent=next(values),
                        candidate=next(values) * (1 - task.gain),
                        first=boundary.opener(rng.getrandbits(1), (), task.pairs),
                    )
                )
            for rule, pool in pools.items():
                policy = Policy(
                    alpha=ALPHA,
                    pairs=task.pairs,
                    direction=Direction.LOWER,
                    scale=Scale.RATIO,
                    min_effect=0.0,
                    rule=rule,
                    seed=seed,
                    fresh=None if rule == 1 else len(pool) - len(loud),
                )
                decision = judge(pairs, policy, pool)
                found[rule] += decision.keep
                runs = runs_of(pairs[: decision.pairs])
                pools[rule] = (*pool, *differences_within(policy, *runs, Scale.RATIO))
    return {rule: kept / task.sessions / EXPERIMENTS for rule, kept in found.items()}


def calm_tasks(sessions: int, seed: str) -> list[Calm]:
    """Return the sessions to simulate."""
    return [Calm(pairs, gain, sessions, seed) for pairs in CALM_PAIRS for gain in CALM_GAINS]


def calm_rows(results: dict[Calm, dict[int, float]]) -> tuple[list[str], list[list[str]]]:
    """Return what is kept after the noise fell from 1.3 to 0.1 %, by either rule."""
    head = ["kept in 100 after a keep that is calmer: rule 1, rule 2"]
    head += ["nothing", *(f"{100 * gain:g} %" for gain in CALM_GAINS[1:])]
    rows = []
    for pairs in CALM_PAIRS:
        cells = [found for task, found in results.items() if task.pairs == pairs]
        rows.append([f"N = {pairs}", *(f"{100 * it[1]:.1f}, {100 * it[2]:.1f}" for it in cells)])
    return head, rows
