"""What the live view shows, gathered from index, tape and locks; nothing is waited for."""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import NamedTuple

from autoresearch.core import wire
from autoresearch.core.budget import outlook_of
from autoresearch.core.contract import Contract
from autoresearch.core.decision import gain_of
from autoresearch.core.history import History, Tried
from autoresearch.core.model import Arm, Effect, Pair, Sample, Scale, Verdict
from autoresearch.core.question import Question
from autoresearch.core.stats import effect_of
from autoresearch.edges.index import Search
from autoresearch.edges.lock import Lock
from autoresearch.edges.places import Places
from autoresearch.loop.logbook import plateau_line, smallest_gain
from autoresearch.loop.measure import kept_in
from autoresearch.loop.session import Session

CHARTED = 200
"""Experiments that the chart looks back on."""

STILL_S = 5.0
"""A race that wrote nothing for so long, or for five samples, is at its guard."""


class RaceSeen(NamedTuple):
    """The race that is running, from its tape.

    Attributes:
        runs: samples that count; `pairs` of at most `planned` are whole.
        effect: the estimate so far, None before a pair or for an exact metric.
        left_s: at most.
    """

    runs: int
    pairs: int
    planned: int
    effect: Effect | None
    left_s: float


class Scene(NamedTuple):
    """A session as the live view shows it, between two experiments.

    Attributes:
        charted: the newest experiments, oldest first.
        sample_s: what a sample takes lately.
        gain: what a race finds about every second time: the band of noise.
        running: the command at work, as people say it; empty for none.
    """

    places: Places
    history: History
    contract: Contract
    charted: tuple[Tried, ...]
    sample_s: float
    gain: float | None
    outlook: str


def scene_of(session: Session) -> Scene:
    """The session as its index tells it."""
    history = session.history
    found = session.index.experiments(Search(limit=CHARTED))
    return Scene(
        places=session.places,
        history=history,
        contract=session.contract,
        charted=found[::-1],
        sample_s=history.sample_s if history.walls else 0.0,
        gain=smallest_gain(session, history),
        outlook=plateau_line(outlook_of(history, session.contract)),
    )


def at_work(places: Places) -> str:
    """The command that works on the session, as people say it; empty for none."""
    if not places.journal.exists():
        return ""
    holder = Lock(places.lock).holder()
    return "" if holder is None else holder.described()


def tape_of(places: Places) -> Path | None:
    """The tape that was written last; None where no race was begun."""
    found = [(_written(path), path) for path in kept_in(places.raw) if path.suffix == ".jsonl"]
    return max(found)[1] if found else None


def race_on(tape: Path, sample_s: float) -> RaceSeen | None:
    """Where the race on a tape stands; None before its question, or where it cannot be read."""
    try:
        content = tape.read_bytes()
        entries = [wire.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]
        asked = next(entry["question"] for entry in entries if "question" in entry)
        question = wire.convert(asked, Question)
        taken = [wire.convert(entry["sample"], Sample) for entry in entries if "sample" in entry]
    except (OSError, ValueError, StopIteration):
        return None
    planned = question.policy.pairs
    samples = taken[1:] if question.recorded is None else taken  # the first one warms up
    pairs = [_pair(*samples[at : at + 2]) for at in range(0, len(samples) - 1, 2)]
    exact = question.recorded is not None
    effect = None if exact or not pairs else effect_of(pairs, question.policy.scale)
    walls = [sample.wall_s for sample in samples] or [sample_s]
    left_s = max(0, 2 * planned - len(samples)) * statistics.median(walls)
    return RaceSeen(len(samples), len(pairs), planned, effect, left_s)


def is_sampling(scene: Scene, tape: Path | None, now: float) -> bool:
    """Whether samples of less than a second may be running: then nothing may be drawn."""
    if scene.sample_s >= 1.0 or tape is None:
        return False
    return now - _written(tape) < max(STILL_S, 5 * scene.sample_s)


def load_line() -> str:
    """How busy the machine is."""
    one, five, _ = os.getloadavg()
    return f"load {one:.1f}, {five:.1f} over five minutes; {os.cpu_count() or 1} cores"


def levels(scene: Scene) -> list[tuple[float, float | None, bool]]:
    """For each charted experiment the gain before it, with it, and whether it was kept.

    Gains are joined estimates of single races from the first charted one on, in per cent or in the
    metric's unit; None where nothing was estimated.
    """
    scale, direction = scene.contract.metric.scale, scene.contract.metric.direction
    best, found = 0.0, list[tuple[float, float | None, bool]]()
    for one in scene.charted:
        level = None
        if one.effect is not None and one.effect.scale is scale:
            gain = gain_of(one.effect, direction)
            factor = 100.0 if scale is Scale.RATIO else 1.0
            level = best + gain * factor * ((1 - best / 100) if scale is Scale.RATIO else 1.0)
        kept = one.verdict is Verdict.KEEP and not one.undone
        found.append((best, level, kept))
        best = level if kept and level is not None else best
    return found


def _pair(one: Sample, other: Sample) -> Pair:
    a, b = (one, other) if one.arm is Arm.INCUMBENT else (other, one)
    return Pair(incumbent=a.value, candidate=b.value, first=one.arm)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
