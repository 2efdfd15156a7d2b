"""Looks at a keep that is about to be: gathers the facts that `core.suspicion` judges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core import suspicion
from autoresearch.core.model import Arm, Source
from autoresearch.core.suspicion import count_tests
from autoresearch.edges import gitdiff
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.reading import SECONDS_PER_UNIT

if TYPE_CHECKING:
    from autoresearch.core.contract import Contract
    from autoresearch.core.model import CommandResult, Effect
    from autoresearch.loop.bench import Bench, Built
    from autoresearch.loop.candidate import Prepared
    from autoresearch.loop.measure import Raced
    from autoresearch.loop.session import Session

DATA_SUFFIXES = (
    ".csv", ".dat", ".html", ".in", ".ini", ".json", ".jsonl", ".md", ".sql", ".toml", ".tsv",
    ".txt", ".xml", ".yaml", ".yml",
)  # fmt: skip
DATA_FILES = 200
DATA_BYTES = 4 << 20
"""Most protected data that is searched for literals of the change."""


def tests_run(session: Session, guard: CommandResult | None) -> int | None:
    """How many tests the guard said it ran, None where it does not say."""
    if guard is None:
        return None
    return count_tests((session.places.state / guard.output).read_bytes())


def suspicions(
    session: Session,
    prepared: Prepared,
    raced: Raced,
    guard: CommandResult | None,
    incumbent: tuple[Bench, Built],
) -> tuple[str, ...]:
    """What looks too good in a candidate that race and guard would keep, a sentence each.

    Args:
        session: open for writing.
        prepared: the candidate.
        raced: its race.
        guard: its guard's run.
        incumbent: where the incumbent can be sampled again.
    """
    progress, metric = session.progress, session.contract.metric
    begun, effect = prepared.begun, raced.decision.effect
    patch = gitdiff.patch(session.repo, begun.parent, prepared.candidate.commit)
    values = sorted(sample.value for sample, _ in raced.rounds)
    return suspicion.suspicions(
        suspicion.Facts(
            effect=effect,
            direction=metric.direction,
            earlier=_earlier(session, effect),
            incumbent=values[len(values) // 2] if values else 0.0,
            rounds=raced.rounds,
            unit_s=_unit_s(session.contract),
            tests=tests_run(session, guard),
            tests_before=progress.guard_tests,
            added=suspicion.added_lines(patch),
            data=_data(session, begun.parent),
            unsteady=_unsteady(raced, *incumbent),
        )
    )


def _earlier(session: Session, effect: Effect | None) -> tuple[float, ...]:
    return tuple(
        suspicion.size_of(kept.effect)
        for kept in session.progress.kept
        if kept.effect is not None
        and effect is not None
        and kept.effect.scale is effect.scale
        and not kept.undone
    )


def _unit_s(contract: Contract) -> float | None:
    """Seconds of one unit of a time that verify prints; None where the metric is none."""
    metric = contract.metric
    if metric.source is not Source.OUTPUT or not metric.unit:
        return None
    return SECONDS_PER_UNIT.get(metric.unit)


def _data(session: Session, incumbent: str) -> dict[str, bytes]:
    """Protected files that look like data, as many as may be searched."""
    covers, tree = session.scope.covers, session.tree(incumbent)
    paths = [
        path
        for path, entry in tree.items()
        if path.endswith(DATA_SUFFIXES) and entry.mode.startswith("100") and not covers(path)
    ]
    chosen = sorted(paths)[:DATA_FILES]
    sizes = gitdiff.blob_sizes(session.repo, [tree[path].oid for path in chosen])
    room, read = DATA_BYTES, []
    for path, size in zip(chosen, sizes, strict=True):
        if size <= room:
            room -= size
            read.append(path)
    contents = session.repo.blobs(tree[path].oid for path in read)
    return {path: content for path, (_, content) in zip(read, contents, strict=True)}


def _unsteady(raced: Raced, bench: Bench, best: Built) -> frozenset[str]:
    """Of the checksums that differ, those that the incumbent itself does not repeat."""
    differing = suspicion.differing_checksums(raced.rounds)
    if not differing:
        return frozenset()
    seed = raced.record.seeds[-1]
    try:
        again = bench.sample(best, Arm.INCUMBENT, seed=seed, label="checksum")
    except (CandidateFailed, ProtectedTouched):
        return frozenset()  # then they stay suspicious
    before = dict(raced.rounds[-1][0].checksums)
    now = dict(again.checksums)
    return frozenset(name for name in differing if before.get(name) != now.get(name))
