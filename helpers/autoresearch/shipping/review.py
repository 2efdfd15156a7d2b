"""What a human should look at before the merge, and what they said of it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core import formatting
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import Tried
from autoresearch.core.model import SCHEMA, Flag, Verdict
from autoresearch.core.records import Ablation, Review
from autoresearch.edges.clock import now_utc
from autoresearch.edges.index import Search
from autoresearch.edges.stored import Stored
from autoresearch.loop import logbook, undo
from autoresearch.loop.session import Session

MANY_FILES = 5
HAIR = 0.2
"""An interval that comes so near to no change, as a share of the estimate, is by a hair."""

USUAL_LEVEL = 0.95


class Cause(IntEnum):
    """Why a keep is to be looked at, the most urgent first."""

    SUSPICIOUS = 1
    HAIR = 2
    FILES = 3
    ONLY_BENCHMARK = 4
    UNTESTED = 5
    SUPERFLUOUS = 6


class Concern(NamedTuple):
    """One thing to look at: a keep, why, and in words what."""

    cause: Cause
    experiment: int
    what: str


class Probes(Struct, frozen=True, kw_only=True):
    """What `review --probe` found the last time: (cause, experiment, what) each."""

    schema: int
    found: tuple[tuple[int, int, str], ...]


class ReviewState(NamedTuple):
    """What is to be looked at, in order, and what was said so far: the latest word of each keep."""

    keeps: tuple[Tried, ...]
    concerns: tuple[Concern, ...]
    said: dict[int, Review]

    @property
    def accepted(self) -> frozenset[int]:
        """Keeps that a human accepted."""
        return frozenset(number for number, word in self.said.items() if word.accepted)

    @property
    def rejected(self) -> frozenset[int]:
        """Keeps that a human rejected."""
        return frozenset(number for number, word in self.said.items() if not word.accepted)


def state_of(session: Session) -> ReviewState:
    """What there is to look at by the log, and what was said; nothing is run."""
    keeps = standing(session)
    reviews: dict[int, Review] = {}
    ablations: dict[int, Ablation] = {}
    for entry in session.index.log.records():
        record = entry.record
        if isinstance(record, Review):
            reviews[record.experiment] = record
        elif isinstance(record, Ablation):
            ablations[record.experiment] = record
    kept, numbers = probes_file(session).load(), {keep.number for keep in keeps}
    probed = [Concern(Cause(c), n, what) for c, n, what in (kept.found if kept else ())]
    concerns = [concern for keep in keeps for concern in _concerns(keep, ablations)]
    concerns += [concern for concern in probed if concern.experiment in numbers]
    return ReviewState(keeps, tuple(sorted(concerns)), reviews)


def probes_file(session: Session) -> Stored[Probes]:
    """Where the findings of `--probe` lie."""
    return Stored(session.places.state / "probes.json", Probes)


def standing(session: Session) -> tuple[Tried, ...]:
    """The kept experiments that were not taken back, oldest first."""
    kept = session.index.experiments(Search(verdict=Verdict.KEEP, newest_first=False))
    return tuple(tried for tried in kept if not tried.undone)


def _concerns(keep: Tried, ablations: dict[int, Ablation]) -> Iterator[Concern]:
    if Flag.SUSPICIOUS in keep.flags:
        why = "; ".join(keep.suspicions) or "it looked too good to be true"
        yield Concern(Cause.SUSPICIOUS, keep.number, f"suspicious: {clean_line(why, 200)}")
    if by_a_hair(keep):
        moved = "" if keep.effect is None else f": {formatting.effect(keep.effect)}"
        yield Concern(Cause.HAIR, keep.number, f"kept by a hair{moved}")
    if keep.path_count >= MANY_FILES:
        yield Concern(Cause.FILES, keep.number, f"changes {keep.path_count} files")
    left_out = ablations.get(keep.number)
    if left_out is not None and left_out.doubtful:
        moved = "" if left_out.effect is None else formatting.effect(left_out.effect)
        what = f"may be superfluous: without it the metric moves by {moved}"
        yield Concern(Cause.SUPERFLUOUS, keep.number, what)


def by_a_hair(keep: Tried) -> bool:
    """Whether little more noise would have told otherwise; an exact gain never is."""
    effect = keep.effect
    if Flag.PROVISIONAL in keep.flags:
        return True
    if effect is None or effect.level == 1.0:
        return False
    near = min(abs(effect.low), abs(effect.high))
    crosses = effect.low <= 0 <= effect.high
    return crosses or effect.level < USUAL_LEVEL or near < HAIR * abs(effect.change)


def say(session: Session, number: int, *, accepted: bool, by: str, reason: str) -> Review:
    """Record what a human said of a kept experiment."""
    tried = undo.find(session, number)
    if tried.verdict is not Verdict.KEEP or tried.undone:
        kept = [keep.number for keep in standing(session)]
        raise AutoresearchError(
            f"experiment {number} was {'undone' if tried.undone else 'not kept'}",
            code="not_kept",
            hint=f"Kept: {formatting.numbers(kept) or 'none'}.",
        )
    if not by.strip():
        raise AutoresearchError(
            "nobody is named", code="no_name", hint="Say who decided: `--by NAME`."
        )
    record = Review(
        schema=SCHEMA,
        at=now_utc(),
        experiment=number,
        accepted=accepted,
        by=clean_line(by, 80),
        reason=clean_line(reason, 400),
    )
    logbook.record(session, record)
    logbook.publish(session)
    return record
