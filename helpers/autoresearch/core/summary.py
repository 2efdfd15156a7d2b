"""Experiments in few words: what is remembered of each beside its full record in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.history import PATHS_SHOWN, TEXT_LIMIT, Failed, Kept, Tried

if TYPE_CHECKING:
    from autoresearch.core.records import Experiment


def summary_of(record: Experiment) -> Tried:
    """An experiment without its samples, its texts cut."""
    return Tried(
        number=record.number,
        at=record.at,
        epoch=record.epoch,
        run=record.run,
        message=record.message[:TEXT_LIMIT],
        hypothesis=None if record.hypothesis is None else record.hypothesis[:TEXT_LIMIT],
        idea=record.idea,
        kind=record.kind,
        attempt=record.attempt,
        retest=record.retest,
        related=record.related,
        parent=record.parent,
        commit=record.commit,
        tree=record.tree,
        paths=tuple(path for _, path in record.paths[:PATHS_SHOWN]),
        path_count=len(record.paths),
        lines_added=record.lines_added,
        lines_removed=record.lines_removed,
        verdict=record.verdict,
        reason=record.reason,
        flags=record.flags,
        detail=record.detail[:TEXT_LIMIT],
        effect=record.effect,
        samples=0 if record.race is None else len(record.race.order),
        sandbox=record.sandbox,
        duration_s=record.duration_s,
        spent=record.spent,
    )


def failed_of(record: Experiment) -> Failed:
    """An experiment that was not kept, as a warning to later ones."""
    return Failed(
        number=record.number,
        message=record.message[:TEXT_LIMIT],
        verdict=record.verdict,
        reason=record.reason,
        change=None if record.effect is None else record.effect.change,
        scale=None if record.effect is None else record.effect.scale,
        smallest_visible=None if record.race is None else record.race.smallest_visible,
    )


def kept_of(record: Experiment) -> Kept:
    """A kept experiment, as the page lists it."""
    return Kept(
        number=record.number,
        at=record.at,
        message=record.message[:TEXT_LIMIT],
        kind=record.kind,
        flags=record.flags,
        effect=record.effect,
        commit=record.commit,
        lines_added=record.lines_added,
        lines_removed=record.lines_removed,
        undone=False,
        suspicions=record.suspicions,
    )
