"""The private log of the holdout, and the table beside it for people.

Only whether a keep passed ever leaves this module for an agent; the values stay in here.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from autoresearch.core import limits, wire
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.model import Verdict
from autoresearch.edges.files import append_once, atomic_write
from autoresearch.loop.session import Session

LOG = "holdout.jsonl"
TABLE = "holdout.md"


def current(session: Session) -> tuple[limits.HoldoutCheck, ...]:
    """The checks of the epoch whose evaluator measures, oldest first."""
    found = read_checks(session.places.state)
    return tuple(check for check in found if check.epoch == session.epoch.number)


def reference(session: Session, checks: Sequence[limits.HoldoutCheck]) -> str:
    """The commit that the next candidate is compared with: the last that passed, if any."""
    for check in reversed(checks):
        if check.passed:
            # A keep's own ref holds the commit with the effect among its trailers.
            record = session.index.record(check.experiment)
            kept = record is not None and record.verdict is Verdict.KEEP
            return record.commit if record is not None and kept else check.candidate
    return session.epoch.commit


def write(
    session: Session, checks: Sequence[limits.HoldoutCheck], check: limits.HoldoutCheck
) -> None:
    """Append a check to the others, and bring the table up to it."""
    state = session.places.state
    import jsonlines  # noqa: PLC0415 - it brings attrs: a sixth of a `try`, and few have a holdout

    line = io.BytesIO()
    with jsonlines.Writer(line, dumps=wire.dumps) as writer:
        writer.write(wire.to_object(check))
    append_once(state / LOG, line.getvalue(), sync=True)
    (state / LOG).chmod(0o600)
    moves = [
        (kept.number, kept.effect)
        for kept in reversed(session.history.kept)
        if kept.effect is not None and not kept.undone
    ]
    if check.passed and check.metric is not None:
        moves.append((check.experiment, check.metric))
    curves = limits.curves((*checks, check), moves)
    page = limits.table(curves, session.contract.metric.scale)
    atomic_write(state / TABLE, page.encode(), mode=0o600, sync=False)


class HoldoutStanding(NamedTuple):
    """How the holdout went so far.

    Attributes:
        table: both curves, for people.
        advisory: why an agent could run it as well; empty when it could not easily.
    """

    checked: int
    passed: int
    table: Path
    advisory: str


def standing(session: Session) -> HoldoutStanding | None:
    """How the holdout went so far, without its values; None where the contract has none."""
    holdout = session.contract.holdout
    if holdout is None:
        return None
    checks = read_checks(session.places.state)
    return HoldoutStanding(
        checked=len(checks),
        passed=sum(check.passed for check in checks),
        table=session.places.state / TABLE,
        advisory=limits.advisory(holdout, str(session.repo.toplevel)),
    )


def read_checks(state: Path) -> tuple[limits.HoldoutCheck, ...]:
    """The private log, without a torn last line: its verdict was never reached."""
    path = state / LOG
    if not path.exists():
        return ()
    *lines, _torn = path.read_bytes().split(b"\n")
    try:
        return tuple(wire.read(line, limits.HoldoutCheck) for line in lines)
    except ValueError as error:
        raise CorruptLogError(
            f"{path} holds a line that is no check of the holdout", hint="Move the file away."
        ) from error
