"""`run`: one bounded stretch of the loop, shared by all ticks of an agent session."""

from __future__ import annotations

from autoresearch.core import budget, hostlimits
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.history import OpenRun
from autoresearch.core.model import SCHEMA
from autoresearch.core.records import Run, RunEnd
from autoresearch.edges.clock import now_utc
from autoresearch.edges.hostfiles import (
    CLAUDE_CODE,
    host_session,
    is_over,
    known,
    mark,
    read_meter,
    transcripts,
)
from autoresearch.loop import logbook
from autoresearch.loop.logbook import forecast_s
from autoresearch.loop.session import Session

DEFAULT_EXPERIMENTS = 5
"""Of a run for which nobody named a number: a bounded batch, then a report."""


def open_run(session: Session, experiments: int | None, *, new: bool = False) -> bool:
    """Open a run, or go on with the one in progress; whether one was opened.

    A call that names the number of the run in progress is another tick of it. A finished run is
    not opened again by its own ticks: without a number they hear that it is done. A run whose
    agent session is over is taken over by whoever calls next.
    """
    history = session.history
    host = host_session(session.environ)
    current = history.run
    halt = budget.halt(history, session.contract)
    same = current is not None and experiments in {None, current.experiments}
    if halt is not None and halt.ends_session:
        return False
    if current is not None and halt is None:
        _require_free(session, current, host, same=same)
        if same:
            _go_on(session, current, host)
            return False
    if current is not None and host in current.shared_by and same and not new:
        return False
    _end(session, "another run was asked for" if halt is None else halt.text)
    number = history.last_run + 1
    _record(session, host, number, experiments or DEFAULT_EXPERIMENTS, history.last_number)
    return True


def _require_free(session: Session, current: OpenRun, host: str, *, same: bool) -> None:
    if same or current.host_session == host or is_over(session.environ, current.host_session):
        return
    raise AutoresearchError(
        f"run {current.number} of another agent session is in progress "
        f"({current.used} of {current.experiments} experiments)",
        code="run_elsewhere",
        hint="`autoresearch run` without a number goes on with it.",
    )


def _go_on(session: Session, current: OpenRun, host: str) -> None:
    """Make the run in progress this agent session's."""
    if current.host_session != host:
        _record(session, host, current.number, current.experiments, current.after)
    else:
        mark(session.environ, host, session.places.state)


def _record(session: Session, host: str, number: int, experiments: int, after: int) -> None:
    opened = Run(
        schema=SCHEMA,
        at=now_utc(),
        number=number,
        host_session=host,
        experiments=experiments,
        after=after,
        meter=read_meter(session.environ, host),
    )
    logbook.record(session, opened)
    logbook.publish(session)
    mark(session.environ, host, session.places.state)


def run_advice(session: Session) -> tuple[str, ...]:
    """What the agent, or its human, should know before a run: time, permissions, budgets."""
    environ, host = session.environ, host_session(session.environ)
    told = known(environ, host)
    in_claude = bool(environ.get(CLAUDE_CODE))
    mode = None if told is None else told.mode
    time = hostlimits.time_advice(forecast_s(session, session.history))
    found = (
        f"time: {time}" if time else "",
        hostlimits.permission_advice(mode) if in_claude else "",
        budget.blind_spot(
            session.history,
            session.contract.budget,
            readable=bool(transcripts(environ, host)),
        ),
    )
    return tuple(line for line in found if line)


def _end(session: Session, reason: str) -> None:
    run = session.progress.run
    if run is not None:
        logbook.record(
            session, RunEnd(schema=SCHEMA, at=now_utc(), number=run.number, reason=reason)
        )
