"""What `check` asks beyond a rehearsal: do guard and metric notice what they are there to notice?

Each question changes files in a bench checkout on purpose and looks who complains. What goes
unnoticed is a finding for the human, no error: a guard may rightly leave parts alone.
"""

from __future__ import annotations

import math
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.model import Direction, Source
from autoresearch.core.text import clean_line
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.measure import SEED_BITS
from autoresearch.loop.reading import SECONDS_PER_UNIT
from autoresearch.planning.fitness import scoped_paths
from autoresearch.planning.imports import protected_imports
from autoresearch.planning.leaks import find_leaks
from autoresearch.planning.mutants import mutants_of, slowed
from autoresearch.planning.proof import altered, builds, is_unnoticed, values_when_broken
from autoresearch.planning.scanning.paths import is_bench, is_test
from autoresearch.planning.screening import JUDGES, scripts_named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoresearch.core.contract import Contract
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.loop.bench import Bench
    from autoresearch.loop.measure import Randomness
    from autoresearch.planning.mutants import Mutant
    from autoresearch.planning.rehearsal import Rehearsal

MAX_CONTENTS = 300
MAX_CONTENT_BYTES = 256 * 1024
MAX_PARTS = 6
PARTS_S = 60.0
GUARDS_S = 120.0
"""What breaking parts, and mutants, may cost; the first mutant is always tried."""

GUARD_SLOT = 2
SLOW_FACTOR = 8
"""A slowed sample that takes so many times as long as usual has been noticed."""


class Examination(NamedTuple):
    """What came of it.

    Attributes:
        mutants: each broken function that the guard was shown, and whether it noticed.
        places: how many such functions there are.
        parts: each part of the scope that was broken, and whether verify noticed.
        slowed: whether the metric moved when every function in scope waited; None: not asked.
        profile_s: elapsed seconds of the profiler, None where there is none or it fails.
        findings: what a human should know, a sentence each.
    """

    mutants: tuple[tuple[str, bool], ...]
    places: int
    parts: tuple[tuple[str, bool], ...]
    slowed: bool | None
    profile_s: float | None
    findings: tuple[str, ...]


def examine(
    bench: Bench,
    tree: TreeMap,
    rehearsal: Rehearsal,
    randomness: Randomness,
    say: Callable[[str], None],
) -> Examination:
    """Ask the questions of a contract that has been rehearsed on `tree`."""
    scoped = scoped_paths(bench.contract, tree)
    contents = _contents(bench, tree, scoped)
    say("does the guard notice a broken function")
    places = mutants_of(contents)
    mutants = _mutants(bench, tree, places.chosen, rehearsal)
    say("does verify notice each part of the scope")
    parts = _parts(bench, tree, scoped, rehearsal, randomness)
    say("does the metric move when the code is slower")
    moved = _slowed(bench, tree, contents, rehearsal, randomness)
    profile_s, unprofiled = _profiled(bench, tree, say)
    findings = (
        *_mutant_findings(mutants),
        *(
            f"breaking {part} alone changed nothing that verify prints: it does not run it, or "
            "runs it from elsewhere"
            for part, noticed in parts
            if not noticed
        ),
        *_slow_findings(moved),
        *unprofiled,
        *import_findings(bench.contract, tree, contents),
        *_leak_findings(bench),
    )
    return Examination(
        mutants=mutants,
        places=places.places,
        parts=parts,
        slowed=moved,
        profile_s=profile_s,
        findings=findings,
    )


def _profiled(
    bench: Bench, tree: TreeMap, say: Callable[[str], None]
) -> tuple[float | None, tuple[str, ...]]:
    """Elapsed seconds of the profiler on the unchanged code, or the finding that it fails."""
    command = bench.contract.profile
    if command is None:
        return None, ()
    say("does the profiler run")
    try:
        built = bench.bring(bench.slots[GUARD_SLOT], tree, label="0000-profile")
        result, _ = bench.command(built, command, label="0000-profile")
    except ProtectedTouched as error:
        how = f"changes protected files ({clean_line(', '.join(error.paths[:3]), 120)})"
    else:
        if result.passed:
            return result.duration_s, ()
        how = "times out" if result.timed_out else f"fails with exit code {result.exit_code}"
    return None, (f"`profile` {how} in a bench checkout: it would not help the agent",)


def _contents(bench: Bench, tree: TreeMap, scoped: Sequence[str]) -> dict[str, bytes]:
    """The files in scope, as many as are worth a look."""
    looked_at = list(scoped)[:MAX_CONTENTS]
    held = zip(looked_at, bench.repo.blobs(tree[path].oid for path in looked_at), strict=True)
    return {path: content for path, (_, content) in held if len(content) <= MAX_CONTENT_BYTES}


def _mutants(
    bench: Bench, tree: TreeMap, chosen: Sequence[Mutant], rehearsal: Rehearsal
) -> tuple[tuple[str, bool], ...]:
    """Show the guard one broken function after the other, until it notices one."""
    guard = bench.contract.guard
    if guard is None:
        return ()
    allowed = max(1, int(GUARDS_S / max(rehearsal.guard_s or 0.0, 0.01)))
    shown: list[tuple[str, bool]] = []
    for mutant in chosen[:allowed]:
        slot = bench.slots[GUARD_SLOT]
        with altered(bench, slot, tree, {mutant.path: mutant.content}) as built:
            if not builds(bench, built):
                continue  # it says nothing about the guard
            outcome = bench.run(built, guard, timeout_s=bench.contract.guard_timeout_s)
        noticed = outcome.exit_code != 0 or outcome.timed_out
        shown.append((clean_line(f"{mutant.path}:{mutant.line} {mutant.what}", 120), noticed))
        if noticed:
            break
    return tuple(shown)


def _mutant_findings(mutants: Sequence[tuple[str, bool]]) -> tuple[str, ...]:
    if not mutants or any(noticed for _, noticed in mutants):
        return ()
    named = "; ".join(what for what, _ in mutants)
    return (f"the guard passes although code in scope is broken ({named}): it does not test that",)


def _parts(
    bench: Bench,
    tree: TreeMap,
    scoped: Sequence[str],
    rehearsal: Rehearsal,
    randomness: Randomness,
) -> tuple[tuple[str, bool], ...]:
    """Break one part of the scope after the other: a leak of one shows only alone."""
    parts = parts_of(scoped)
    allowed = min(MAX_PARTS, int(PARTS_S / max(2 * rehearsal.sample_s, 0.01)))
    if len(parts) < 2:  # noqa: PLR2004 - one part is the whole, which was broken already
        return ()
    sound = [sample.value for sample in rehearsal.samples]
    shown = []
    for name, paths in list(parts.items())[:allowed]:
        broken = values_when_broken(bench, tree, paths, randomness)
        shown.append((clean_line(name, 80), not is_unnoticed(sound, broken)))
    return tuple(shown)


def parts_of(scoped: Sequence[str]) -> dict[str, list[str]]:
    """The files by folder or file directly below what they all share, largest part first."""
    folders = [posixpath.dirname(path) for path in scoped]
    shared = posixpath.commonpath(folders) if all(folders) else ""
    start = f"{shared}/" if shared else ""
    parts: dict[str, list[str]] = {}
    for path in scoped:
        first = path.removeprefix(start).partition("/")[0]
        parts.setdefault(f"{start}{first}", []).append(path)
    return dict(sorted(parts.items(), key=lambda item: -len(item[1])))


def _slowed(
    bench: Bench,
    tree: TreeMap,
    contents: Mapping[str, bytes],
    rehearsal: Rehearsal,
    randomness: Randomness,
) -> bool | None:
    """Whether a time gets worse when every Python function in scope waits; None: no such case."""
    if rehearsal.deterministic or not is_time(bench.contract):
        return None
    changes = {
        path: changed
        for path, content in contents.items()
        if path.endswith(".py") and (changed := slowed(content, rehearsal.sample_s)) is not None
    }
    if not changes:
        return None
    value = _value_when_changed(bench, tree, changes, rehearsal, randomness)
    sound = [sample.value for sample in rehearsal.samples]
    if value is None:
        return None
    spread = max(sound) - min(sound)
    if bench.contract.metric.direction is Direction.LOWER:
        return value > max(sound) + spread
    return value < min(sound) - spread


def _value_when_changed(
    bench: Bench,
    tree: TreeMap,
    changes: Mapping[str, bytes],
    rehearsal: Rehearsal,
    randomness: Randomness,
) -> float | None:
    """What verify prints then, the worst there is where it takes too long; None where it fails.

    What the wait broke says nothing about the metric.
    """
    contract = bench.contract
    timeout_s = min(contract.timeout_s, SLOW_FACTOR * rehearsal.sample_s + 1.0)
    seed = randomness.getrandbits(SEED_BITS)
    try:
        with altered(bench, bench.slots[1], tree, changes) as built:
            if not builds(bench, built):
                return None
            outcome = bench.run(built, contract.verify, timeout_s=timeout_s, seed=seed)
            if outcome.timed_out:
                return math.inf if contract.metric.direction is Direction.LOWER else -math.inf
            return bench.read(outcome, rehearsal.samples[0].arm, "0000-slowed").value
    except (CandidateFailed, ProtectedTouched):
        return None


def is_time(contract: Contract) -> bool:
    """Whether slower code must show in the metric: a time, or a rate per second."""
    metric = contract.metric
    unit = metric.unit
    return metric.source is not Source.OUTPUT or (
        (unit != "" and unit in SECONDS_PER_UNIT) or unit.endswith("/s")
    )


def _slow_findings(moved: bool | None) -> tuple[str, ...]:
    if moved is not False:
        return ()
    return (
        "the metric did not get worse when every function in scope was slowed down: the number "
        "does not come from that code",
    )


def import_findings(
    contract: Contract, tree: Mapping[str, object], contents: Mapping[str, bytes]
) -> tuple[str, ...]:
    """What code in scope imports from outside it, when that is part of the evaluator."""
    named = set(scripts_named(contract, tree, JUDGES))
    found = [
        one
        for one in protected_imports(contents, tree)
        if one.imported in named or is_test(one.imported) or is_bench(one.imported)
    ]
    return tuple(
        f"{clean_line(one.path, 80)} in scope imports {clean_line(one.imported, 80)}, which "
        "measures or tests: code under test can reach into its judge"
        for one in found[:3]
    )


def _leak_findings(bench: Bench) -> tuple[str, ...]:
    environment = dict((*bench.frozen, *bench.contract.env))
    leaks = find_leaks(bench.repo.toplevel, bench.contract, environment)
    return tuple(f"{clean_line(leak.where, 120)} is {leak.remedy}" for leak in leaks[:3])
