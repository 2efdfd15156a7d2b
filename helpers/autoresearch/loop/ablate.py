"""`validate --ablate`: is every kept commit still worth its place in the last one?

A keep can be worthless by chance, or made useless by a later one. Each is left out of the
incumbent in turn, newest first, and both are raced. The answer is a suggestion: nothing is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.formatting import clean_line
from autoresearch.core.history import Search
from autoresearch.core.model import SCHEMA, Verdict
from autoresearch.core.race import pairs_of
from autoresearch.core.records import Ablation, Recovery, Validation
from autoresearch.core.suspicion import worth_of
from autoresearch.edges.clock import machine_id, now_utc
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


class Interrupted(NamedTuple):
    """A `validate --ablate` that did not come to its end: its validation, its answers so far."""

    validation: Validation
    answers: tuple[Ablation, ...]


def interrupted(session: Session) -> Interrupted | None:
    """What the last `validate --ablate` of this very commit left undone; None when nothing.

    It counts when machine, epoch, environment and sandbox are still the same, and at least one kept
    experiment was begun to be left out, but not all were.
    """
    validation, answers = None, list[Ablation]()
    for entry in session.index.log.records():
        if isinstance(entry.record, Validation):
            validation, answers = entry.record, []
        elif isinstance(entry.record, Ablation):
            answers.append(entry.record)
        elif isinstance(entry.record, Recovery) and entry.record.environment_sha256:
            validation = None  # of another environment
    if validation is None or (
        validation.last,
        validation.epoch,
        validation.race.machine,
        validation.sandbox,
    ) != (
        session.progress.incumbent_commit,
        current_epoch(session.progress).number,
        machine_id(),
        session.bench().confinement.name,
    ):
        return None
    left = {tried.number for tried in _standing(session)} - {a.experiment for a in answers}
    begun = bool(answers) or any(tape_file(session, _label(number)).exists() for number in left)
    return Interrupted(validation, tuple(answers)) if left and begun else None


def ablate(
    session: Session,
    randomness: Randomness,
    watchers: Watchers,
    done: tuple[Ablation, ...] = (),
) -> Iterator[Ablation]:
    """Leave out each kept experiment in turn, newest first; each answer is logged as it comes.

    Args:
        session: open for writing, with something kept.
        randomness: coins and seeds.
        watchers: told where the race stands.
        done: answers that are in the log already; they come first.

    Raises:
        SessionBroken: the incumbent itself does not run.
    """
    yield from done
    answered = {record.experiment for record in done}
    for tried in _standing(session):
        if tried.number in answered:
            continue
        label = _label(tried.number)
        record = _without(session, tried, label, randomness, watchers)
        log_measured(session, record, tape_file(session, label))
        yield record
    memory.publish(session)


def _label(number: int) -> str:
    return f"without-{number:04d}"


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
