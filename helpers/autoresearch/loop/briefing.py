"""`brief`: gathers what a brief is about."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from autoresearch.core import budget
from autoresearch.core.limits import is_due
from autoresearch.core.noise import most_seconds, smallest_visible
from autoresearch.core.question import pairs_for
from autoresearch.core.views import Situation, brief, next_step

if TYPE_CHECKING:
    from autoresearch.core.history import History
    from autoresearch.loop.session import Session

NEIGHBOURS = 8
EXACT_PAIRS = 2
LATELY = 5
"""Experiments that tell how long the next one may take."""

LATELY_MARGIN = 1.2
"""What the next one may take longer: on a busy machine no two take the same."""


def briefing(session: Session) -> tuple[str, str]:
    """The brief without its last line, and what that line says."""
    situation = situation_of(session)
    text = brief(situation)
    body, _, _ = text.rpartition("\nnext: ")
    return body, next_step(situation)


def situation_of(session: Session, *, interrupted: str | None = None) -> Situation:
    """What the brief of this session is about."""
    history = session.history
    last = history.recent[0].paths if history.recent else ()
    return Situation(
        history=history,
        contract=session.contract,
        remaining=budget.remaining(history, session.contract.budget),
        outlook=budget.outlook_of(history, session.contract),
        halt=budget.halt(history, session.contract),
        neighbours=session.index.touching(last, NEIGHBOURS) if last else (),
        forecast_s=forecast_s(session, history),
        smallest_gain=smallest_gain(session, history),
        smallest_gain_scale=session.contract.metric.scale,
        interrupted=at_work(session) if interrupted is None else interrupted,
    )


def forecast_s(session: Session, history: History) -> float | None:
    """Seconds that the next `try` may take: race, guard and holdout, and no less than lately.

    What the latest experiments took holds what nobody measured apart: build, `same`.
    """
    epoch = history.epoch
    if epoch is None:
        return None
    pairs = pairs_for(session.contract, history.sample_s)
    pairs = EXACT_PAIRS if history.deterministic else pairs
    known = most_seconds(history.sample_s, pairs) + (epoch.guard_s or 0.0)
    holdout = session.contract.holdout
    if holdout is not None and is_due(history.kept_count, holdout.every):
        known += most_seconds(epoch.holdout_s or history.sample_s, pairs)
    lately = [tried.duration_s for tried in history.recent[:LATELY] if tried.epoch >= epoch.number]
    return max([known, *(LATELY_MARGIN * duration_s for duration_s in lately)])


def smallest_gain(session: Session, history: History) -> float | None:
    """Gain that a race finds about every second time; None when unknown or without noise.

    What the latest races saw counts where it is more: the machine may have been quieter before.
    """
    if history.epoch is None or history.deterministic:
        return None
    scale = session.contract.metric.scale
    pairs = pairs_for(session.contract, history.sample_s)
    known = smallest_visible(history.pool(scale), pairs, scale, session.contract.metric.direction)
    lately = [
        failed.smallest_visible
        for failed in history.failed
        if failed.number > history.last_number - LATELY
        and failed.epoch >= history.epoch.number
        and failed.effect is not None
        and failed.effect.scale is scale
        and failed.smallest_visible
    ]
    return max([known or 0.0, statistics.median(lately)]) if lately else known


def at_work(session: Session) -> str:
    """An interrupted or running step in one line, empty for none."""
    from autoresearch.edges.lock import Lock  # noqa: PLC0415 - only when there is a journal

    if not session.places.journal.exists():
        return ""
    holder = Lock(session.places.lock).holder()
    if holder is not None:
        return f"{holder.described()} is at work"
    return "a command was interrupted; the next one finishes it or rolls it back"
