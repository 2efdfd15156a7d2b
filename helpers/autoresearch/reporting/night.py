"""A session as a report shows it, gathered from its records in one walk over the log."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core.contract import Contract
from autoresearch.core.formatting import clean_head, clean_line
from autoresearch.core.history import History, Tried
from autoresearch.core.model import Arm, Direction, Effect, NoteKind, RaceRecord, Scale, Verdict
from autoresearch.core.noise import same_code_differences
from autoresearch.core.records import (
    Ablation,
    Epoch,
    Experiment,
    Note,
    Record,
    Refusal,
    Undo,
    Validation,
)
from autoresearch.core.security.overview import Overview
from autoresearch.edges.gitdiff import diffs
from autoresearch.edges.index import Search
from autoresearch.loop.holdout_log import HoldoutStanding, standing
from autoresearch.loop.session import Session

DIFF_BYTES = 700_000
"""Of all diffs on a page together; kept and suspicious changes come first."""

FEW_DIFF_BYTES = 100_000
"""The same where the table needs the room."""

ONE_DIFF_BYTES = 20_000
MOST_DIFFS = 1_000
MOST_LINES = 5_000


class Traced(NamedTuple):
    """What the log holds of an experiment beside what `log` lists.

    Attributes:
        value, memory: medians of the candidate's samples, in the metric's unit; of each secondary.
        level, low, high: where the running estimate would stand with it, in the metric's unit;
            None without an estimate. Estimates of single races, joined: never a claim.
        best: where it stands after it.
        noise: middle difference between two runs of the same code, on the race's scale.
        machine: number of the machine, counted from 1; 0 where none raced.
    """

    number: int
    value: float | None
    secondary: tuple[tuple[str, float], ...]
    level: float | None
    low: float | None
    high: float | None
    best: float | None
    noise: float | None
    machine: int


class Landmark(NamedTuple):
    """A change of the evaluator, or of the incumbent by `undo`, after an experiment."""

    after: int
    level: float | None
    what: str


class Night(Struct, frozen=True, kw_only=True):
    """All that a report shows; texts are as they were written, nothing is escaped yet.

    Attributes:
        experiments, seen: of the same numbers, oldest first.
        diffs: number -> its change, of as many as fit.
        turns: epochs and undos, oldest first.
        validation: the latest one.
    """

    session: str
    at: str
    history: History
    contract: Contract
    experiments: tuple[Tried, ...]
    seen: tuple[Traced, ...]
    diffs: dict[int, str]
    turns: tuple[Landmark, ...]
    epochs: tuple[Epoch, ...]
    validation: Validation | None
    ablations: tuple[Ablation, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[Note, ...]
    holdout: HoldoutStanding | None
    security: Overview | None = None

    @property
    def unit(self) -> str:
        """The metric's unit."""
        return clean_line(self.contract.metric.unit, 20)

    @property
    def kept(self) -> tuple[Tried, ...]:
        """The keeps, oldest first; those that were undone among them."""
        return tuple(one for one in self.experiments if one.verdict is Verdict.KEEP)

    def noted(self, kind: NoteKind) -> tuple[Note, ...]:
        """The notes of a kind; of ideas those that nobody took off the list."""
        retired = {one.number for one in self.notes if one.kind is NoteKind.RETIRE}
        gone = retired if kind is NoteKind.IDEA else set()
        return tuple(one for one in self.notes if one.kind is kind and one.number not in gone)


def gathered(session: Session, *, at: str, security: Overview | None = None) -> Night:
    """The whole session; nothing is changed and nobody waited for.

    Raises:
        CorruptLogError: the log's chain is broken, or a newer version wrote it.
    """
    walk = _Walk(session.contract.metric.scale)
    history = session.history
    for entry in session.index.log.records():
        walk.take(entry.record)
    last = min(history.last_number, len(walk.seen))
    found = session.index.experiments(Search(last=last, newest_first=False))
    return Night(
        session=session.name,
        at=at,
        history=history,
        contract=session.contract,
        experiments=found,
        seen=tuple(walk.seen[:last]),
        diffs=_diffs(session, found),
        turns=tuple(walk.turns),
        epochs=tuple(walk.epochs),
        validation=walk.validation,
        ablations=tuple(walk.ablations),
        refusals=tuple(walk.refusals),
        notes=tuple(walk.notes),
        holdout=standing(session),
        security=security,
    )


class _Walk:
    """Reads the records, oldest first, and remembers what a report needs of each."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.best: float | None = None
        self.seen: list[Traced] = []
        self.turns: list[Landmark] = []
        self.epochs: list[Epoch] = []
        self.refusals: list[Refusal] = []
        self.notes: list[Note] = []
        self.validation: Validation | None = None
        self.ablations: list[Ablation] = []
        self._machines: dict[str, int] = {}

    def take(self, record: Record) -> None:
        """Take the next record in."""
        if isinstance(record, Experiment):
            self._experiment(record)
        elif isinstance(record, Epoch):
            self._epoch(record)
        elif isinstance(record, Undo):
            self._undo(record)
        elif isinstance(record, Validation):
            self.validation, self.ablations = record, []
        elif isinstance(record, Ablation):
            self.ablations.append(record)
        elif isinstance(record, Refusal):
            self.refusals.append(record)
        elif isinstance(record, Note):
            self.notes.append(record)

    def _epoch(self, record: Epoch) -> None:
        if record.values and (record.restarts_measuring or self.best is None):
            self.best = statistics.median(record.values)
        self.epochs.append(record)
        self.turns.append(Landmark(len(self.seen), self.best, f"epoch {record.number}"))

    def _undo(self, record: Undo) -> None:
        self.best = record.value if record.effect is None else self._moved(record.effect.change)
        self.turns.append(Landmark(len(self.seen), self.best, f"undo {record.experiment}"))

    def _experiment(self, record: Experiment) -> None:
        race, effect = record.race, record.effect
        known = effect is not None and effect.scale is self.scale
        level, low, high = (
            map(self._moved, (effect.change, effect.low, effect.high))
            if effect is not None and known
            else (None, None, None)
        )
        value = None if race is None else _middle(race, race.values)
        if record.verdict is Verdict.KEEP:
            self.best = value if level is None else level
        self.seen.append(
            Traced(
                number=record.number,
                value=value,
                secondary=() if race is None else _secondary(race),
                level=level,
                low=low,
                high=high,
                best=self.best,
                noise=None if race is None else _noise(race),
                machine=0 if race is None else self._machine(race.machine),
            )
        )

    def _moved(self, change: float) -> float | None:
        if self.best is None:
            return None
        return self.best * (1 + change) if self.scale is Scale.RATIO else self.best + change

    def _machine(self, name: str) -> int:
        return self._machines.setdefault(name, len(self._machines) + 1)


def _middle(race: RaceRecord, values: Sequence[float]) -> float | None:
    own = [v for letter, v in zip(race.order, values, strict=False) if letter == Arm.CANDIDATE]
    return statistics.median(own) if own else None


def _secondary(race: RaceRecord) -> tuple[tuple[str, float], ...]:
    found = ((name, _middle(race, values)) for name, values in race.secondary)
    return tuple((name, value) for name, value in found if value is not None)


def _noise(race: RaceRecord) -> float | None:
    if race.deterministic or len(race.order) != len(race.values):
        return None
    found = same_code_differences(race.order, race.values, race.scale)
    return statistics.median(found) if found else None


def _diffs(session: Session, experiments: Sequence[Tried]) -> dict[int, str]:
    """The changes as text, while there is room; one that no ref holds any more is left out."""
    told = {Verdict.KEEP, Verdict.VIOLATION}
    newest = reversed(experiments)
    first = sorted(newest, key=lambda one: one.verdict not in told)[:MOST_DIFFS]
    small = [one for one in first if one.lines_added + one.lines_removed < MOST_LINES]
    patches = diffs(session.repo, [(one.parent, one.commit) for one in small])
    room = DIFF_BYTES if len(experiments) <= MOST_DIFFS else FEW_DIFF_BYTES
    found: dict[int, str] = {}
    for one in small:
        patch = patches.get(one.commit)
        if patch is not None and room > 0:
            found[one.number] = clean_head(patch, 400, min(room, ONE_DIFF_BYTES))
            room -= len(found[one.number].encode())
    return found


def total(effects: Sequence[Effect], direction: Direction) -> float | None:
    """The changes of several effects of one scale, joined and signed so that better is positive."""
    if not effects or len({one.scale for one in effects}) > 1:
        return None
    sign = -1.0 if direction is Direction.LOWER else 1.0
    if effects[0].scale is Scale.DIFFERENCE:
        return sign * sum(one.change for one in effects)
    joined = 1.0
    for one in effects:
        joined *= 1 + one.change
    return sign * (joined - 1)
