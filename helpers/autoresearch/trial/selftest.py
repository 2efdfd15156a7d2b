"""`selftest`: how well this machine can referee, measured by racing a program against itself.

A/A races run on a real command in real bench checkouts, and the share that would have been kept
is compared with what the decision rule promises. The number of races bounds what may be said.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from autoresearch.core.contract import parse
from autoresearch.core.model import Kind, Scale
from autoresearch.core.noise import VISIBLE, extended, same_code_differences
from autoresearch.core.question import Question, policy_of
from autoresearch.edges.files import remove_tree
from autoresearch.edges.gitrefs import head
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.loop.bench import Bench, BenchPlaces
from autoresearch.loop.candidate import Request
from autoresearch.loop.experiment import try_experiment
from autoresearch.loop.measure import Race, Raced
from autoresearch.loop.session import loaded
from autoresearch.planning.init import initialise
from autoresearch.planning.workspace import frozen_environment
from autoresearch.trial.demo import NOBODY, make_repository

PAIRS = 20
PROGRAM = """\
import time
start = time.perf_counter()
words = {}
for i in range(60000):
    key = "key%d" % (i % 997)
    words[key] = words.get(key, 0) + len(key)
print(f"METRIC work_ms={(time.perf_counter() - start) * 1000:.4f}")
"""
CONTRACT = """\
session: selftest
goal: Measure how well this machine measures
metric: {{name: work_ms, unit: ms, direction: lower}}
verify: {python} work.py
scope: [work.py]
race: {{max_runs: 40}}
"""


class SelfTest(Struct, frozen=True, kw_only=True):
    """What this machine can do.

    Attributes:
        races: A/A races run.
        false_keeps: how many of them would have been kept.
        low, high: 95 % interval of their share (Clopper & Pearson 1934).
        alpha: what the rule promises.
        runs_per_race: mean samples of a race.
        wall_noise, cpu_noise, metric_noise: spread of one run against its neighbour, a fraction.
        smallest_gain: smallest gain that a race of `PAIRS` pairs is likely to see, a fraction.
        overhead_s: the helper's own time for one experiment on a small repository, over the
            commands it ran.
        seconds: how long the test took.
    """

    races: int
    false_keeps: int
    low: float
    high: float
    alpha: float
    runs_per_race: float
    wall_noise: float
    cpu_noise: float
    metric_noise: float
    smallest_gain: float
    overhead_s: float
    seconds: float

    @property
    def carries_claim(self) -> bool:
        """Whether so many races can tell a rate of alpha from twice as much."""
        return self.high <= 2 * self.alpha


def run_selftest(races: int, environ: Mapping[str, str], say: Callable[[str], None]) -> SelfTest:
    """Run `races` A/A races (>= 1) and one real experiment in temporary folders that go again."""
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="autoresearch-selftest-")).resolve()
    try:
        root = folder / "repository"
        root.mkdir()
        (root / "work.py").write_text(PROGRAM, "utf-8")
        (root / "README").write_text("A program that is raced against itself.\n", "utf-8")
        draft = folder / "draft.yaml"
        draft.write_text(CONTRACT.format(python=sys.executable), "utf-8")
        make_repository(root, environ)
        private = {
            **environ,
            "XDG_STATE_HOME": str(folder / "s"),
            "XDG_CACHE_HOME": str(folder / "c"),
        }
        raced = _races(root, draft, races, private, say)
        say("one real experiment, for the helper's own time")
        overhead_s = _overhead(root, draft, private)
    finally:
        remove_tree(folder)
    return _summary(raced, overhead_s, time.monotonic() - started)


def _races(
    root: Path, draft: Path, races: int, environ: Mapping[str, str], say: Callable[[str], None]
) -> list[Raced]:
    contract = parse(draft.read_text("utf-8"))
    pool: tuple[float, ...] = ()
    found: list[Raced] = []
    policy = policy_of(contract, pairs=PAIRS, alpha=contract.race.alpha)
    with GitRepo.open(root) as repo:
        bench = Bench(
            places=BenchPlaces(
                cache=root.parent / "c" / "bench",
                manifests=root.parent / "s" / "bench",
                output=root.parent / "output",
                roots=(root.parent / "s", root.parent / "c"),
            ),
            repo=repo,
            contract=contract,
            frozen=frozen_environment(environ),
            environ=environ,
        )
        tree = repo.tree(head(repo).commit or "")
        for number in range(1, races + 1):
            say(f"race {number} of {races}: a program against itself")
            race = Race(bench, NOBODY, "selftest")
            race.bring(tree, tree)
            raced = race.run(Question(policy=policy, pool=pool))
            found.append(raced)
            fresh = same_code_differences(raced.record.order, raced.record.values, Scale.RATIO)
            pool = extended(pool, fresh)
    return found


def _overhead(root: Path, draft: Path, environ: Mapping[str, str]) -> float:
    """Seconds of one `try` on a change of no consequence, less the time of its samples."""
    initialise(draft, root, environ, NOBODY.randomness, NOBODY.say, worktree=None)
    (root / "work.py").write_text(f"{PROGRAM}unused = 1\n", "utf-8")
    request = Request(message="nothing", hypothesis=None, idea=None, kind=Kind.PLAIN)
    with loaded(root, environ, command="selftest", write=True) as session:
        begun = time.monotonic()
        result = try_experiment(session, NOBODY, request)
        took = time.monotonic() - begun
        race = getattr(result.record, "race", None)
    # The warm-up is a run as well, and is not recorded: it counts as one of the median length.
    spent = 0.0 if race is None else sum(race.wall_s) + statistics.median(race.wall_s)
    return max(0.0, took - spent)


def _summary(raced: list[Raced], overhead_s: float, seconds: float) -> SelfTest:
    kept = sum(race.decision.keep for race in raced)
    low, high = interval(kept, len(raced))
    records = [race.record for race in raced]
    noise = [
        spread([same_code_differences(r.order, getattr(r, name), Scale.RATIO) for r in records])
        for name in ("wall_s", "cpu_s", "values")
    ]
    return SelfTest(
        races=len(raced),
        false_keeps=kept,
        low=low,
        high=high,
        alpha=records[0].alpha,
        runs_per_race=statistics.fmean(len(r.order) for r in records),
        wall_noise=noise[0],
        cpu_noise=noise[1],
        metric_noise=noise[2],
        smallest_gain=VISIBLE * 2**0.5 * noise[2] / math.sqrt(PAIRS),
        overhead_s=overhead_s,
        seconds=seconds,
    )


def spread(differences: list[tuple[float, ...]]) -> float:
    """One standard deviation of a run, from |log ratios| of neighbours; 0.0 without any."""
    flat = [size for race in differences for size in race]
    return 1.48 * statistics.median(flat) / 2**0.5 if flat else 0.0


def interval(hits: int, trials: int) -> tuple[float, float]:
    """The exact 95 % interval of a share (Clopper & Pearson 1934), by bisection."""
    low = 0.0 if hits == 0 else _solve(lambda p: _at_least(hits, trials, p), 0.025)
    high = 1.0 if hits == trials else _solve(lambda p: 1 - _at_most(hits, trials, p), 0.975)
    return low, high


def _at_most(hits: int, trials: int, p: float) -> float:
    return sum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(hits + 1))


def _at_least(hits: int, trials: int, p: float) -> float:
    return 1 - _at_most(hits - 1, trials, p)


def _solve(rising: Callable[[float], float], wanted: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2
