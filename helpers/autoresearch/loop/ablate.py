"""`validate --ablate`: is every kept commit still worth its place in the last one?

A keep can be worthless by chance, or made useless by a later one. Each is left out of the
incumbent in turn, newest first, and both are raced. The answer is a suggestion: nothing is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.ablation import worth_of
from autoresearch.core.history import Search
from autoresearch.core.model import SCHEMA, Verdict
from autoresearch.core.race import pairs_of
from autoresearch.core.records import Ablation
from autoresearch.core.text import clean_line
from autoresearch.edges.clock import now_utc
from autoresearch.edges.lock import turn_to_measure
from autoresearch.loop import memory
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.checks import current_epoch
from autoresearch.loop.resume import log_measured
from autoresearch.loop.without import leave_out, race_without, tape_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.core.history import Tried
    from autoresearch.loop.measure import Raced, Randomness
    from autoresearch.loop.session import Session
    from autoresearch.loop.without import Watchers


def ablate(session: Session, randomness: Randomness, watchers: Watchers) -> Iterator[Ablation]:
    """Leave out each kept experiment in turn, newest first; each answer is logged as it comes.

    Args:
        session: open for writing, with something kept.
        randomness: coins and seeds.
        watchers: told where the race stands.

    Raises:
        SessionBroken: the incumbent itself does not run.
    """
    for tried in _standing(session):
        label = f"without-{tried.number:04d}"
        record = _without(session, tried, label, randomness, watchers)
        log_measured(session, record, tape_file(session, label))
        yield record
    memory.publish(session)


def _standing(session: Session) -> tuple[Tried, ...]:
    """The kept experiments that were not taken back, newest first."""
    total = session.progress.last_number
    kept = session.index.experiments(Search(verdict=Verdict.KEEP, limit=total))
    return tuple(tried for tried in kept if tried.number not in session.progress.undone)


def _without(
    session: Session, tried: Tried, label: str, randomness: Randomness, watchers: Watchers
) -> Ablation:
    bench = session.bench()
    sandbox = bench.confinement.name
    merged = leave_out(session, tried)
    if merged.conflicts:
        named = clean_line(", ".join(merged.conflicts[:5]))
        return _record(session, tried, sandbox, None, f"later keeps build on it: {named}")
    if not merged.changes:
        return _record(session, tried, sandbox, None, "nothing of it is left in the last commit")
    tree = dict(session.tree(session.progress.incumbent_commit))
    for path, entry in merged.changes.items():
        if entry is None:
            del tree[path]
        else:
            tree[path] = entry
    watchers.say(f"without experiment {tried.number}")

    with turn_to_measure(session.places.measure_lock, "validate", watchers.say):
        try:
            raced = race_without(session, bench, tree, label, randomness, watchers)
        except (CandidateFailed, ProtectedTouched) as error:
            return _record(
                session, tried, sandbox, None, f"does not measure without it: {error.message}"
            )
    return _record(session, tried, sandbox, raced, "")


def _record(
    session: Session, tried: Tried, sandbox: str, raced: Raced | None, why: str
) -> Ablation:
    """The log line; a commit that cannot be left out is needed, not doubtful."""
    p_value, doubtful = None, False
    if raced is not None:
        direction = session.contract.metric.direction
        p_value, doubtful = worth_of(pairs_of(raced.record.order, raced.record.values), direction)
    return Ablation(
        schema=SCHEMA,
        at=now_utc(),
        epoch=current_epoch(session.progress).number,
        experiment=tried.number,
        tip=session.progress.incumbent_commit,
        effect=None if raced is None else raced.decision.effect,
        race=None if raced is None else raced.record,
        p_value=p_value,
        doubtful=doubtful,
        detail=clean_line(why),
        sandbox=sandbox,
    )
