"""`note` and `stop`: what was learned, what is still to be tried, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA, NoteKind
from autoresearch.core.records import Note, Stop
from autoresearch.edges.clock import now_utc
from autoresearch.loop import logbook

if TYPE_CHECKING:
    from autoresearch.loop.session import Session

TEXT_LIMIT = 2000


def add_note(session: Session, kind: NoteKind, text: str) -> Note:
    """Record an idea, a lesson or a dead end; they are numbered together."""
    progress = session.progress
    return _record(session, kind, progress.last_note + 1, text)


def retire_idea(session: Session, number: int, text: str) -> Note:
    """Take an open idea off the list."""
    open_ideas = {idea.number for idea in session.history.ideas.newest}
    if number not in open_ideas:
        raise AutoresearchError(
            f"there is no open idea {number}",
            code="no_idea",
            hint=f"Open ideas: {', '.join(map(str, sorted(open_ideas))) or 'none'}.",
        )
    return _record(session, NoteKind.RETIRE, number, text)


def close_idea(session: Session, number: int, experiment: int) -> None:
    """Take an open idea off the list because an experiment that tried it was kept; idempotent."""
    if number in {idea.number for idea in session.history.ideas.newest}:
        note = _note(session, NoteKind.RETIRE, number, f"kept as experiment {experiment}")
        logbook.record(session, note)


def _record(session: Session, kind: NoteKind, number: int, text: str) -> Note:
    if not text.strip() and kind is not NoteKind.RETIRE:
        raise AutoresearchError(
            "the note is empty",
            code="empty_note",
            hint="Say in one sentence what a successor needs.",
        )
    note = _note(session, kind, number, text.strip()[:TEXT_LIMIT])
    logbook.record(session, note)
    logbook.publish(session)
    return note


def _note(session: Session, kind: NoteKind, number: int, text: str) -> Note:
    return Note(
        schema=SCHEMA,
        at=now_utc(),
        kind=kind,
        number=number,
        text=text,
        experiment=session.progress.last_number,
    )


def stop_session(session: Session, reason: str) -> Stop:
    """End the session; branch, log and refs stay."""
    stopped = session.progress.stopped
    if stopped is not None:
        raise AutoresearchError(
            f"the session is stopped already: {stopped}",
            code="stopped",
            hint="Nothing is left to do.",
        )
    record = Stop(schema=SCHEMA, at=now_utc(), reason=reason)
    logbook.record(session, record)
    logbook.publish(session)
    return record
