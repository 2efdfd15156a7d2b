"""`notify`: the contract's command hears of what a human may want to know, after it is recorded."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from autoresearch.core import budget, formatting, wire
from autoresearch.core.budget import StopRule
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Flag, Verdict
from autoresearch.core.records import Experiment, Record
from autoresearch.edges.clock import now_utc
from autoresearch.edges.command import Limits, run_command
from autoresearch.edges.files import atomic_write
from autoresearch.loop.session import Session

TIMEOUT_S = 20.0
_NEEDS_HUMAN = {StopRule.REFUSALS, StopRule.VIOLATIONS}


def notify_of(session: Session, record: Record) -> None:
    """Tell the contract's command of a record, where a human wants to know; it fails nothing.

    Nothing of ours is measured now, and what it leaves running is ended with it.
    """
    for event, text in _events(session, record):
        number = record.number if isinstance(record, Experiment) else None
        _run(session, {"event": event, "text": text, "experiment": number})


def _events(session: Session, record: Record) -> Iterator[tuple[str, str]]:
    history, unit = session.history, session.contract.metric.unit
    if isinstance(record, Experiment):
        moved = "" if record.effect is None else f" {formatting.effect(record.effect, unit)}"
        told = f"experiment {record.number}{moved}: {clean_line(record.message, 120)}"
        if record.verdict is Verdict.KEEP:
            yield "keep", told
        if record.verdict is Verdict.VIOLATION:
            yield "violation", f"{told} ({clean_line(record.detail, 200)})"
        if Flag.SUSPICIOUS in record.flags:
            yield "human", f"suspicious, please review: {told}"
    halt = budget.halt(history, session.contract)
    if halt is not None:
        yield "human" if halt.rule in _NEEDS_HUMAN else "end", clean_line(halt.text)


def _run(session: Session, facts: Mapping[str, object]) -> None:
    """Run the command with one object on its standard input; its failure is a notice."""
    path = session.places.state / "notify.json"
    told = {
        "schema": 1,
        "at": now_utc(),
        "session": session.name,
        "repository": str(session.repo.toplevel),
        "experiments": session.progress.last_number,
        "kept": session.history.kept_count,
        **facts,
    }
    atomic_write(path, wire.dumps(told).encode("ascii") + b"\n", mode=0o600, sync=False)
    command = f"exec <{shlex.quote(str(path))}\n{session.contract.notify}"
    try:
        outcome = run_command(
            command,
            cwd=session.repo.toplevel,
            env=session.environ,
            limits=Limits(timeout_s=TIMEOUT_S, output_bytes=4096),
        )
    except AutoresearchError as error:
        session.news.append(f"notify could not be run: {error.message}")
        return
    if outcome.timed_out or outcome.exit_code:
        how = "took too long" if outcome.timed_out else f"failed with {outcome.exit_code}"
        session.news.append(f"notify {how} on {facts['event']!r}")
