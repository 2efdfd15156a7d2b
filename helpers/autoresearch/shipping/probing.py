"""`review --probe`: is what a keep changed tested by the guard, or reached by the benchmark alone?

Functions near the changed lines are broken, one at a time, in a bench checkout of the keep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoresearch.core.errors import MetricError
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import Tried
from autoresearch.core.model import SCHEMA, Arm
from autoresearch.core.question import Caller
from autoresearch.edges import gitdiff
from autoresearch.edges.lock import turn_to_measure
from autoresearch.loop.bench import Bench, CandidateFailed, ProtectedTouched
from autoresearch.loop.measure import SEED_BITS
from autoresearch.loop.session import Session
from autoresearch.planning.examining import Mutant, sites_of
from autoresearch.planning.proof import altered, builds, is_unnoticed
from autoresearch.shipping.review import Cause, Concern, Probes, probes_file, standing

MOST_A_KEEP = 3
NEAR = 60
"""A function whose first returned value stands so far from a change, in lines, may be meant."""

_HUNK = re.compile(rb"^(?:\+\+\+ b/(.*)|@@ -\S+ \+(\d+)(?:,(\d+))? @@)", re.MULTILINE)


def probe(session: Session, caller: Caller) -> tuple[Concern, ...]:
    """Break what each keep changed, and remember who noticed."""
    found: list[Concern] = []
    with turn_to_measure(session.places.measure_lock, "review", caller.say):
        bench = session.bench()
        for keep in standing(session):
            caller.say(f"breaking what experiment {keep.number} changed")
            found += _of(session, bench, caller, keep)
    kept = tuple((int(one.cause), one.experiment, one.what) for one in found)
    probes_file(session).save(Probes(schema=SCHEMA, found=kept))
    return tuple(found)


def _of(session: Session, bench: Bench, caller: Caller, keep: Tried) -> Iterator[Concern]:
    guard, tree = session.contract.guard, session.tree(keep.commit)
    if guard is None:
        return
    for mutant in _near(session, keep)[:MOST_A_KEEP]:
        place = clean_line(f"{mutant.path}:{mutant.line}, {mutant.what}", 120)
        try:
            changes = {mutant.path: mutant.content}
            with altered(bench, bench.slots[2], tree, changes) as built:
                if not builds(bench, built):
                    continue
                outcome = bench.run(built, guard, timeout_s=session.contract.guard_timeout_s)
                if outcome.exit_code or outcome.timed_out:
                    continue  # the guard noticed
                seed, limit = caller.randomness.getrandbits(SEED_BITS), session.contract.timeout_s
                outcome = bench.run(built, session.contract.verify, timeout_s=limit, seed=seed)
        except (CandidateFailed, ProtectedTouched):
            continue  # it says nothing
        try:
            values = [bench.read(outcome, Arm.CANDIDATE, "0000-probe").value]
        except (CandidateFailed, MetricError):
            values = []
        if values and is_unnoticed(_sound(session, keep), values):
            yield Concern(Cause.UNTESTED, keep.number, f"nothing tests {place}")
        else:
            what = f"only the benchmark's inputs reach {place}: the guard passes"
            yield Concern(Cause.ONLY_BENCHMARK, keep.number, what)


def _sound(session: Session, keep: Tried) -> list[float]:
    """What the keep's own program printed in its race."""
    record = session.index.record(keep.number)
    race = None if record is None else record.race
    runs = () if race is None else zip(race.order, race.values, strict=False)
    return [value for letter, value in runs if letter == Arm.CANDIDATE.value] or [0.0]


def _near(session: Session, keep: Tried) -> list[Mutant]:
    """Functions near what the keep changed, the nearest first."""
    patch = gitdiff.diff(session.repo, keep.parent, keep.commit)
    spans: dict[str, list[tuple[int, int]]] = {}
    path = ""
    for match in _HUNK.finditer(patch):
        if match[1] is not None:
            path = match[1].decode("utf-8", "surrogateescape")
        else:
            start, length = int(match[2]), int(match[3] or 1)
            spans.setdefault(path, []).append((start, start + length))
    tree = session.tree(keep.commit)
    held = {path: session.repo.blob(tree[path].oid) for path in spans if path in tree}

    def distance(mutant: Mutant) -> int:
        lines = spans[mutant.path]
        return min(max(low - mutant.line, mutant.line - high, 0) for low, high in lines)

    sites = [mutant for mutant in sites_of(held) if distance(mutant) <= NEAR]
    sites.sort(key=lambda mutant: (distance(mutant), mutant.path, mutant.line))
    return [mutant for mutant in sites if not distance(mutant)] or sites[:1]
