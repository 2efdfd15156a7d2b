"""Tries a contract out in real bench checkouts, before anything of the repository changes.

`check` prints what comes out, `init` and `amend` build on it. What fails soonest is asked first:
one sample, `same`, the guard, the proof of self-measurement, and only then the calibration.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from autoresearch import __version__
from autoresearch.core import formatting
from autoresearch.core.contract import Contract
from autoresearch.core.formatting import clean_line
from autoresearch.core.limits import advisory
from autoresearch.core.model import SCHEMA, Arm, CommandResult, Pair, Reason, Sample
from autoresearch.core.noise import (
    calibration_runs,
    most_seconds,
    same_code_differences,
    smallest_visible,
)
from autoresearch.core.question import Randomness, pairs_for, policy_of, race_seconds
from autoresearch.core.snapshot import TreeMap
from autoresearch.core.stats import effect_of
from autoresearch.core.suspicion import count_tests
from autoresearch.core.wire import Finite
from autoresearch.edges.clock import machine_id, now_utc, seconds_since
from autoresearch.edges.command import Outcome
from autoresearch.edges.places import Places
from autoresearch.edges.stored import Stored
from autoresearch.loop.bench import (
    SAME_BYTES,
    Bench,
    Built,
    CandidateFailed,
    ProtectedTouched,
    last_words,
    median_wall,
)
from autoresearch.loop.measure import SEED_BITS
from autoresearch.planning.causes import touched_hint
from autoresearch.planning.findings import FULL_CALIBRATION, noise_of, warnings_about
from autoresearch.planning.outside import left_alone
from autoresearch.planning.preconditions import StartingPoint, scoped_paths
from autoresearch.planning.proof import (
    describe_leaks,
    imports_of_scope,
    leaks_of,
    require_noticed,
    values_when_broken,
    warning_about,
)
from autoresearch.planning.remedies import explained, printed, refused, where

Ready = TypeVar("Ready")

PLACES_LEVEL = 0.99


CODES = {
    Reason.BUILD: "build_failed",
    Reason.VERIFY: "verify_failed",
    Reason.METRIC: "no_metric",
    Reason.TIMEOUT: "verify_timeout",
}


CLONE_HINT = "Run it in a fresh clone, and name what is missing there in `link`, `setup` or `env`."
TIMEOUT_HINT = "Give it less to do, raise `timeout`, or find out what it waits for: stdin is empty."


class Rehearsal(Struct, frozen=True, kw_only=True):
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
        sandbox: what confined the commands, as records say it.
        in_force: the same in words.
        warnings: findings that do not forbid the contract.
        holdout_s: elapsed seconds of one run of the holdout, None without.
        holdout_share: share of the keeps that it is asked of, 0 without.
        final_guard_s: elapsed seconds of the final guard, None without.
        spell_ns: when commands of the contract began and ended to run, see `fingerprint.take`.
        guard_tests: how many tests the guard said it ran, None where it does not say.
    """

    files_in_scope: int
    samples: tuple[Sample, ...]
    deterministic: bool
    sample_s: Finite
    noise_wall: Finite | None
    noise_cpu: Finite | None
    noise_metric: Finite | None
    smallest_gain: Finite | None
    pairs: int
    race_s: Finite
    guard: CommandResult | None
    same_sha256: str | None
    sandbox: str
    in_force: str
    warnings: tuple[str, ...]
    holdout_s: Finite | None
    holdout_share: Finite
    guard_tests: int | None
    final_guard_s: Finite | None = None
    spell_ns: tuple[int, int] = (1, 0)

    @property
    def guard_s(self) -> float | None:
        """Elapsed seconds of the guard, or None without one."""
        return None if self.guard is None else self.guard.duration_s

    def forecast_s(self, experiments: int) -> float:
        """Seconds that so many experiments take at most: races to their end, guards, holdouts."""
        holdout_s = self.holdout_share * most_seconds(self.holdout_s or 0.0, self.pairs)
        return experiments * (self.race_s + (self.guard_s or 0.0) + holdout_s)


def rehearse(
    bench: Bench, tree: TreeMap, randomness: Randomness, say: Callable[[str], None]
) -> Rehearsal:
    """Run all that the contract names on `tree`, and the proof of self-measurement."""
    contract, confinement, began_ns = bench.contract, bench.confinement, time.time_ns()
    bench.caches.base, scoped = tree, scoped_paths(contract, tree)
    say("bench checkout, set-up and build")
    built = _set_up(bench, tree)
    say("verify on the unchanged code")
    warm = _sample(bench, built, randomness)
    same, guard, final = None, None, None
    if contract.same or contract.guard or contract.final_guard:
        say("guard on the unchanged code")
        beside = _guarded(bench, lambda: bench.bring(bench.slots[2], tree, label="0000-guard"))
        same = _steady_same(bench, beside)
        guard = _passing_guard(bench, beside, contract.guard, name="guard")
        final = _passing_guard(bench, beside, contract.final_guard, name="final guard")
    holdout_s = _holdout_s(bench, built, randomness, say)
    imported = warning_about(imports_of_scope(bench, built, scoped, randomness))
    say("proof that a checkout measures itself")
    whole = built if contract.setup or contract.build else None
    broken = values_when_broken(bench, tree, scoped, randomness, whole)
    say("calibration")
    samples = calibrate(bench, built, warm, randomness)
    require_noticed(bench, values := [sample.value for sample in samples], broken)
    exact = is_deterministic(contract, samples)
    differs = places_differ(bench, tree, built, samples, randomness, deterministic=exact)
    deterministic = exact and not differs
    sample_s = median_wall(list(samples))
    pairs = pairs_for(contract, sample_s)
    policy = policy_of(contract, pairs=pairs, alpha=contract.race.alpha)
    pool = same_code_differences(Arm.INCUMBENT.value * len(values), values, policy.scale)
    visible = smallest_visible(pool, pairs, policy.scale, policy.direction)
    return Rehearsal(
        files_in_scope=len(scoped),
        samples=samples,
        deterministic=deterministic,
        sample_s=sample_s,
        noise_wall=noise_of([sample.wall_s for sample in samples]),
        noise_cpu=noise_of([sample.cpu_s for sample in samples]),
        noise_metric=noise_of(values),
        smallest_gain=None if deterministic else visible,
        pairs=pairs,
        race_s=most_seconds(sample_s, 2 if deterministic else pairs),
        guard=guard,
        same_sha256=same,
        sandbox=confinement.name,
        in_force=confinement.in_force,
        warnings=(
            *confinement.warnings,
            *warnings_about(contract, samples, deterministic=deterministic),
            *_holdout_warnings(bench),
            *filter(None, (imported, differs)),
        ),
        holdout_s=holdout_s,
        holdout_share=0.0 if contract.holdout is None else 1 / contract.holdout.every,
        guard_tests=None if guard is None else count_tests(printed(bench, guard.output)),
        final_guard_s=None if final is None else final.duration_s,
        spell_ns=(began_ns, time.time_ns()),
    )


def _set_up(bench: Bench, tree: TreeMap) -> Built:
    """The first checkout; set-up may install nothing outside it, where nothing else keeps it in."""
    bring = partial(_guarded, bench, lambda: bench.bring(bench.slots[0], tree, label="0000"))
    if not bench.contract.setup or bench.confinement.found.sandbox is not None:
        return bring()
    environment = dict((*bench.frozen, *bench.passed, *bench.contract.env))
    with left_alone(environment, bench.places.cache / "outside"):
        return bring()


def calibrate(
    bench: Bench, built: Built, warm: Sample, randomness: Randomness
) -> tuple[Sample, ...]:
    """2 to 8 samples of the unchanged code, as many as fit into four races; seeds differ.

    A metric that is declared deterministic takes one, which must repeat the first.
    """
    if bench.contract.metric.deterministic:
        again = _sample(bench, built, randomness)
        if again.value != warm.value:
            raise refused(
                "not_deterministic",
                f"the metric is declared deterministic, but two samples of the same code printed "
                f"{warm.value} and {again.value}",
            )
        return (again,)
    runs = calibration_runs(warm.wall_s, seconds=race_seconds(bench.contract, warm.wall_s))
    return tuple(_sample(bench, built, randomness) for _ in range(runs))


def places_differ(
    bench: Bench,
    tree: TreeMap,
    built: Built,
    samples: Sequence[Sample],
    randomness: Randomness,
    *,
    deterministic: bool,
) -> str:
    """How the same code measures in the other checkout, in words; empty where it is all the same.

    Both run at one path, but a build of its own lies elsewhere on the disk and in memory.
    """
    if bench.shares or 2 * len(samples) * samples[0].wall_s > bench.contract.race.seconds:
        return ""
    other = _guarded(bench, lambda: bench.bring(bench.slots[1], tree, label="0000-other"))
    if deterministic:
        here, there = samples[0].value, _sample(bench, other, randomness).value
        if there == here:
            return ""
        told = f"two checkouts of the same code measure exactly {here:g} and {there:g}"
        if bench.contract.metric.deterministic:
            raise refused("not_deterministic", told)
        return told
    pairs = []
    for number in range(len(samples)):
        order = (built, other) if number % 2 else (other, built)
        values = {one.slot.name: _sample(bench, one, randomness).value for one in order}
        here, there = values[built.slot.name], values[other.slot.name]
        pairs.append(Pair(incumbent=here, candidate=there, first=Arm.INCUMBENT))
    effect = effect_of(pairs, bench.contract.metric.scale, PLACES_LEVEL)
    if len(pairs) < FULL_CALIBRATION or effect.low <= 0 <= effect.high:
        return ""
    moved = formatting.effect(effect, bench.contract.metric.unit)
    return (
        f"the same code measures {moved} in the other checkout: a build or set-up of its own makes "
        "a difference; gains of that size say nothing"
    )


def is_deterministic(contract: Contract, samples: tuple[Sample, ...]) -> bool:
    """Whether the exact path may be taken: declared, or a full calibration agreed."""
    if contract.metric.deterministic is not None:
        return contract.metric.deterministic
    return len(samples) >= FULL_CALIBRATION and len({sample.value for sample in samples}) == 1


def _sample(bench: Bench, built: Built, randomness: Randomness) -> Sample:
    seed = randomness.getrandbits(SEED_BITS)
    return _guarded(
        bench, lambda: bench.sample(built, Arm.INCUMBENT, seed=seed, label="0000-verify")
    )


def _holdout_s(
    bench: Bench, built: Built, randomness: Randomness, say: Callable[[str], None]
) -> float | None:
    """Elapsed seconds of one run of the holdout on the unchanged code; None without one."""
    holdout = bench.contract.holdout
    if holdout is None:
        return None
    say("holdout on the unchanged code")
    seed = randomness.getrandbits(SEED_BITS)
    try:
        sample = bench.sample(
            built, Arm.INCUMBENT, seed=seed, label="0000-holdout", holdout=holdout
        )
    except CandidateFailed as error:
        hint = f"It must print the same metric as verify. {where(bench, error.output)}".strip()
        message = f"the holdout does not work in a bench checkout: {error.full}"
        raise refused("holdout_failed", message, hint=hint) from error
    return sample.wall_s


def _holdout_warnings(bench: Bench) -> tuple[str, ...]:
    holdout = bench.contract.holdout
    why = "" if holdout is None else advisory(holdout, str(bench.repo.toplevel))
    return (f"the holdout is only advisory, because an agent can run it: {why}",) if why else ()


def _guarded(bench: Bench, action: Callable[[], Ready]) -> Ready:
    try:
        return action()
    except CandidateFailed as error:
        what = "set-up or build" if error.reason is Reason.BUILD else "verify"
        # What leads back to the user's tree shows only where that is hidden.
        leaks = () if bench.confinement.found.sandbox is None else leaks_of(bench)
        if leaks:
            raise refused(
                "not_measured",
                f"{what} fails where your working tree is hidden, because it depends on that "
                f"tree: {error.full}",
                hint=describe_leaks(leaks),
            ) from error
        hint = TIMEOUT_HINT
        if error.reason is not Reason.TIMEOUT:
            hint = explained(bench, error.output, known=error.hint)
        raise refused(
            CODES[error.reason],
            f"{what} does not work in a bench checkout: {error.full}",
            hint=f"{hint or CLONE_HINT} {where(bench, error.output)}".strip(),
        ) from error
    except ProtectedTouched as error:
        paths = clean_line(", ".join(error.paths[:5]))
        message = f"a command of the contract changes protected files: {paths}"
        raise refused("touched", message, hint=touched_hint(error.paths)) from error


def _passing_guard(
    bench: Bench, built: Built, guard: str | None, *, name: str
) -> CommandResult | None:
    """The run of a guard on the unchanged code; None without one."""
    if guard is None:
        return None
    result, _ = _passing(bench, built, guard, f"the {name}", otherwise="Mend it or choose another.")
    return result


def _passing(
    bench: Bench, built: Built, command: str, name: str, *, otherwise: str
) -> tuple[CommandResult, Outcome]:
    """What a command did that must pass on the unchanged code."""
    short = name.removeprefix("the ").strip("`")
    label = f"0000-{short.replace(' ', '-')}"
    result, outcome = _guarded(bench, lambda: bench.command(built, command, label=label))
    if not result.passed:
        ending = "timed out" if result.timed_out else f"exit code {result.exit_code}"
        raise refused(
            f"{short.replace(' ', '_')}_failed",
            f"{name} fails on the unchanged code ({ending}{last_words(outcome)})",
            hint=f"{explained(bench, result.output) or otherwise} {where(bench, result.output)}",
        )
    return result, outcome


def _steady_same(bench: Bench, built: Built) -> str | None:
    """The hash of what `same` prints, twice."""
    same = bench.contract.same
    if same is None:
        return None
    said = set()
    for _ in range(2):
        _, outcome = _passing(bench, built, same, "`same`", otherwise="Let it exit with 0.")
        if outcome.stdout_truncated:
            many = f"`same` prints {outcome.stdout_total} bytes"
            raise refused("same_too_long", f"{many}; at most {SAME_BYTES} can be compared")
        said.add(hashlib.sha256(outcome.stdout).hexdigest())
    if len(said) > 1:
        raise refused("same_varies", "`same` prints something different each time")
    return said.pop()


# --- what `check` measured, for an `init` of the very same thing soon after -----------------
#
# Taken over only where nothing can have changed what was measured: contract, files, machine since
# its start, environment, sandbox, linked folders, this version. The log says from when it is.

FILE = "rehearsed.json"
FRESH_S = 3600.0
"""Long enough to read a contract and agree to it, too short for another machine's noise."""


class Rehearsed(Struct, frozen=True, kw_only=True):
    """A rehearsal that was kept.

    Attributes:
        key: of all that it depends on.
        contract_sha256: of the contract's bytes; a host's hook looks whether these were checked.
        at: when it ended.
        facts: what a human should see before `init`, a sentence each; the same hook shows them.
    """

    schema: int
    key: str
    contract_sha256: str
    at: str
    facts: tuple[str, ...]
    rehearsal: Rehearsal


def keep(
    places: Places,
    bench: Bench,
    start: StartingPoint,
    rehearsal: Rehearsal,
    findings: Iterable[str],
) -> None:
    """Keep a rehearsal in the state folder of the repository, in place of the one before."""
    kept = Rehearsed(
        schema=SCHEMA,
        key=_key(bench, start),
        contract_sha256=hashlib.sha256(start.draft.content).hexdigest(),
        at=now_utc(),
        facts=(*_facts(bench, rehearsal), *rehearsal.warnings, *findings),
        rehearsal=rehearsal,
    )
    Stored(places.state.with_name(FILE), Rehearsed).save(kept)


def recall(places: Places, bench: Bench, start: StartingPoint) -> Rehearsed | None:
    """The rehearsal that was kept, if it is of the very same thing and fresh; else None."""
    kept = Stored(places.state.with_name(FILE), Rehearsed).load()
    if kept is None:  # of another version, or damaged: it is measured anew
        return None
    is_fresh = 0 <= seconds_since(kept.at) < FRESH_S
    return kept if is_fresh and kept.key == _key(bench, start) else None


def _facts(bench: Bench, rehearsal: Rehearsal) -> Iterator[str]:
    """Baseline, and what a race can see."""
    metric = bench.contract.metric
    middle = statistics.median(sample.value for sample in rehearsal.samples)
    yield f"baseline: {metric.name} {formatting.with_unit(middle, metric.unit)}"
    if rehearsal.smallest_gain is not None:
        gain = formatting.magnitude(rehearsal.smallest_gain, metric.scale, metric.unit)
        yield f"smallest gain a race is likely to detect: {gain}"


def _key(bench: Bench, start: StartingPoint) -> str:
    """A digest of all that a rehearsal depends on, as far as it can be told."""
    facts = (
        __version__,
        machine_id(),
        hashlib.sha256(start.draft.content).hexdigest(),
        start.first_tree,
        str(bench.repo.toplevel),
        bench.frozen,
        bench.passed,
        bench.confinement.name,
        tuple(_outside(bench)),
    )
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _outside(bench: Bench) -> Iterator[tuple[str, int, int]]:
    """Links and what they hold, and what the holdout reads: they are no part of the commit."""
    contract = bench.contract
    for link in contract.link:
        folder = bench.repo.toplevel / link
        yield from map(_stamp, (folder, *sorted(folder.iterdir())))
    for path in () if contract.holdout is None else contract.holdout.paths:
        yield _stamp(bench.repo.toplevel / path)


def _stamp(path: Path) -> tuple[str, int, int]:
    if not path.exists():  # a link to nowhere
        return str(path), 0, 0
    found = path.stat()
    return str(path), found.st_mtime_ns, found.st_size
