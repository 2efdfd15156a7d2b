"""Tries a contract out in real bench checkouts, before anything of the repository changes.

`check` prints what comes out, `init` and `amend` build on it. Nothing here decides what is good
enough: findings say what is wrong and how to mend it.
"""

from __future__ import annotations

import hashlib
import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from autoresearch.core.errors import GateFailed
from autoresearch.core.model import Arm, CommandResult, Reason, Sample
from autoresearch.core.patience import calibration_runs, most_seconds, pairs_allowed
from autoresearch.core.pool import same_code_differences, smallest_visible
from autoresearch.edges.files import atomic_write
from autoresearch.loop.bench import (
    PREPARE_TIMEOUT_S,
    CandidateFailed,
    ProtectedTouched,
    median_wall,
)
from autoresearch.loop.measure import SEED_BITS, policy_of
from autoresearch.planning.leaks import describe, find_leaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoresearch.core.contract import Contract
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.loop.bench import Bench, Built
    from autoresearch.loop.measure import Randomness

Ready = TypeVar("Ready")

FULL_CALIBRATION = 8
BROKEN_TEXT = b"\x01 this file was broken on purpose by autoresearch, to see who notices {[(<\n"
"""Neither Python nor any other language, format or prose parses as intended after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a contract did in the bench.

    Attributes:
        files_in_scope: how many tracked files an experiment may change.
        samples: of the unchanged code, in the order run, warm-up left out.
        deterministic: whether the session starts on the exact path.
        sample_s: median elapsed seconds of a sample.
        noise_wall, noise_cpu, noise_metric: spread of one run against its neighbour, as a fraction
            (median of |log ratios| times 1.05 = one standard deviation of a run); None if unknown.
        smallest_gain: smallest gain that a race can be expected to see, on `scale` of the policy.
        pairs: N of a race.
        race_s: most seconds that one candidate's samples take.
        guard: the guard's run on the unchanged code, None without a guard.
        same_sha256: hash of what `same` printed, None without.
        warnings: findings that do not forbid the contract.
    """

    files_in_scope: int
    samples: tuple[Sample, ...]
    deterministic: bool
    sample_s: float
    noise_wall: float | None
    noise_cpu: float | None
    noise_metric: float | None
    smallest_gain: float | None
    pairs: int
    race_s: float
    guard: CommandResult | None
    same_sha256: str | None
    warnings: tuple[str, ...]

    @property
    def guard_s(self) -> float | None:
        """Elapsed seconds of the guard, or None without one."""
        return None if self.guard is None else self.guard.duration_s

    def forecast_s(self, experiments: int) -> float:
        """Seconds that so many experiments take at most: races that go to their end, and guards."""
        return experiments * (self.race_s + (self.guard_s or 0.0))


def rehearse(
    bench: Bench, tree: TreeMap, randomness: Randomness, say: Callable[[str], None]
) -> Rehearsal:
    """Run verify, the guard, `same` and the proof of self-measurement on `tree`.

    Raises:
        GateFailed: codes scope_empty, verify_failed, guard_failed, same_varies, touched,
            not_measured; each names the cause and the remedy.
    """
    contract = bench.contract
    scoped = scoped_paths(bench, tree)
    say("bench checkout, set-up and build")
    built = _guarded(lambda: bench.bring(bench.slots[0], tree, label="0000"))
    say("verify on the unchanged code")
    samples = calibrate(bench, built, randomness)
    say("guard on the unchanged code")
    ground = _guarded(lambda: bench.bring(bench.slots[2], tree, label="0000-guard"))
    guard = _passing_guard(bench, ground)
    same = _steady_same(bench, ground)
    say("proof that a checkout measures itself")
    prove_self_measurement(bench, tree, scoped, samples, randomness)
    return _summary(contract, len(scoped), samples, guard, same)


def scoped_paths(bench: Bench, tree: TreeMap) -> tuple[str, ...]:
    """The tracked files in scope.

    Raises:
        GateFailed: there is none.
    """
    scoped = tuple(path for path in tree if bench.scope.covers(path))
    if not scoped:
        raise GateFailed(
            f"the scope {list(bench.contract.scope)} matches none of {len(tree)} tracked files",
            code="scope_empty",
            hint="Name folders or globs relative to the repository's root, as `src/**/*.py`.",
        )
    return scoped


def calibrate(bench: Bench, built: Built, randomness: Randomness) -> tuple[Sample, ...]:
    """A warm-up and then 2 to 8 samples of the unchanged code, as many as fit into four races.

    Raises:
        GateFailed: verify does not yield a number.
    """
    seed = randomness.getrandbits(SEED_BITS)
    warm = _guarded(lambda: bench.sample(built, Arm.INCUMBENT, seed=seed, label="0000-verify"))
    if bench.contract.metric.deterministic:
        return (warm,)
    runs = calibration_runs(warm.wall_s, seconds=bench.contract.race.seconds)
    return tuple(
        _guarded(lambda: bench.sample(built, Arm.INCUMBENT, seed=seed, label="0000-verify"))
        for _ in range(runs)
    )


def is_deterministic(contract: Contract, samples: tuple[Sample, ...]) -> bool:
    """Whether the exact path may be taken: declared, or a full calibration agreed."""
    if contract.metric.deterministic is not None:
        return contract.metric.deterministic
    return len(samples) >= FULL_CALIBRATION and len({sample.value for sample in samples}) == 1


def _guarded(action: Callable[[], Ready]) -> Ready:
    try:
        return action()
    except CandidateFailed as error:
        what = "the build or set-up" if error.reason is Reason.BUILD else "verify"
        raise GateFailed(
            f"{what} does not work in a bench checkout: {error.message}",
            code=f"{error.reason.value}_failed",
            hint=error.hint
            or "Run it in a fresh clone; name what it misses in `link`, `setup` or `env`.",
        ) from error
    except ProtectedTouched as error:
        raise GateFailed(
            f"a command of the contract changes protected files: {', '.join(error.paths[:5])}",
            code="touched",
            hint="Let it write to $TMPDIR or to an untracked path.",
        ) from error


def _passing_guard(bench: Bench, built: Built) -> CommandResult | None:
    if bench.contract.guard is None:
        return None
    result, outcome = bench.command(built, bench.contract.guard, label="0000-guard")
    if not result.passed:
        ending = "timed out" if result.timed_out else f"exit code {result.exit_code}"
        raise GateFailed(
            f"the guard fails on the unchanged code ({ending})",
            code="guard_failed",
            hint=f"Mend it or choose another; its output is {result.output}.",
        )
    del outcome
    return result


def _steady_same(bench: Bench, built: Built) -> str | None:
    if bench.contract.same is None:
        return None
    printed = []
    for _ in range(2):
        result, outcome = bench.command(built, bench.contract.same, label="0000-same")
        if not result.passed or outcome.stdout_truncated:
            raise GateFailed(
                f"`same` fails or prints too much on the unchanged code ({result.output})",
                code="same_failed",
                hint="Let it exit with 0 and print a digest instead of everything.",
            )
        printed.append(hashlib.sha256(outcome.stdout).hexdigest())
    if printed[0] != printed[1]:
        raise GateFailed(
            "`same` prints something else each time it runs",
            code="same_varies",
            hint="Take times, addresses and hash order out of its output.",
        )
    return printed[0]


def prove_self_measurement(
    bench: Bench,
    tree: TreeMap,
    scoped: tuple[str, ...],
    samples: tuple[Sample, ...],
    randomness: Randomness,
) -> None:
    """Break every file in scope in one checkout and expect build or verify to notice.

    Raises:
        GateFailed: verify still prints what it printed before, so it measures other files.
    """
    slot, contract = bench.slots[1], bench.contract
    seed = randomness.getrandbits(SEED_BITS)
    try:
        built = bench.bring(slot, tree, label="0000-proof")
        for path in scoped:
            atomic_write(slot.root / path, BROKEN_TEXT)
        if contract.build:
            outcome = bench.run(built, contract.build, timeout_s=PREPARE_TIMEOUT_S)
            if outcome.exit_code or outcome.timed_out:
                return
        outcome = bench.run(built, contract.verify, timeout_s=contract.timeout_s, seed=seed)
        sample = bench.read(outcome, Arm.CANDIDATE, "0000-proof")
    except (CandidateFailed, ProtectedTouched):
        return
    finally:
        slot.restore()
    values = [known.value for known in samples]
    spread = max(values) - min(values)
    if not min(values) - spread <= sample.value <= max(values) + spread:
        return
    environment = dict((*bench.frozen, *bench.contract.env))
    leaks = find_leaks(bench.repo.toplevel, bench.contract.link, environment)
    raise GateFailed(
        "verify did not notice that every file in scope was broken in its checkout: "
        "it measures other files than those an experiment changes",
        code="not_measured",
        hint=describe(leaks),
    )


def _summary(
    contract: Contract,
    files: int,
    samples: tuple[Sample, ...],
    guard: CommandResult | None,
    same: str | None,
) -> Rehearsal:
    sample_s = median_wall(list(samples))
    rule = contract.race
    pairs = pairs_allowed(sample_s, seconds=rule.seconds, max_runs=rule.max_runs, pairs=rule.pairs)
    policy = policy_of(contract, pairs=pairs, alpha=rule.alpha)
    values = [sample.value for sample in samples]
    pool = same_code_differences("a" * len(values), values, policy.scale)
    deterministic = is_deterministic(contract, samples)
    visible = smallest_visible(pool, pairs, policy.scale, policy.direction)
    return Rehearsal(
        files_in_scope=files,
        samples=samples,
        deterministic=deterministic,
        sample_s=sample_s,
        noise_wall=_noise([sample.wall_s for sample in samples]),
        noise_cpu=_noise([sample.cpu_s for sample in samples]),
        noise_metric=_noise(values),
        smallest_gain=None if deterministic else visible,
        pairs=pairs,
        race_s=most_seconds(sample_s, 2 if deterministic else pairs),
        guard=guard,
        same_sha256=same,
        warnings=_warnings(contract, samples, sample_s, deterministic=deterministic),
    )


def _noise(values: list[float]) -> float | None:
    """One standard deviation of a run against its neighbour, as a fraction; None if unknown."""
    if len(values) < 3 or min(values) <= 0:  # noqa: PLR2004 - two runs are one difference
        return None
    ratios = [abs(b / a - 1) for a, b in pairwise(values)]
    return 1.48 * statistics.median(ratios) / 2**0.5


def _warnings(
    contract: Contract, samples: tuple[Sample, ...], sample_s: float, *, deterministic: bool
) -> tuple[str, ...]:
    found = []
    if contract.guard is None:
        found.append("no guard: nothing but the metric says whether a change is right")
    if contract.same is None and contract.guard is None:
        found.append("no `same` either: a faster program that answers wrongly would be kept")
    wall, cpu = _noise([s.wall_s for s in samples]), _noise([s.cpu_s for s in samples])
    if not deterministic and wall and cpu and cpu < wall / 2:
        found.append(
            f"CPU time varies less than wall time ({cpu:.1%} against {wall:.1%}): `source: cpu`"
        )
    if not deterministic and sample_s < 0.05:  # noqa: PLR2004 - seconds
        found.append("a sample takes under 50 ms, mostly start-up: give verify more work")
    return tuple(found)
