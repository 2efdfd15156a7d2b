"""How an interrupted race goes on, whichever command runs it, and how its end gets into the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core import wire
from autoresearch.core.model import RULE, SCHEMA
from autoresearch.core.records import Ablation, Recovery, Validation
from autoresearch.core.steps import Action
from autoresearch.edges.clock import machine_id, now_utc
from autoresearch.loop import memory
from autoresearch.loop.checks import current_epoch
from autoresearch.loop.tape import Setting, Tape, open_tape

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.loop.bench import Bench
    from autoresearch.loop.measure import Randomness
    from autoresearch.loop.session import Session

_KINDS: dict[str, type[Validation | Ablation]] = {"validation": Validation, "ablation": Ablation}


def setting_of(
    session: Session,
    bench: Bench,
    *,
    candidate: str,
    simplify: bool = False,
    retest: int = 0,
) -> Setting:
    """What must be the same for a race against the incumbent to go on; see `Setting`."""
    epoch = current_epoch(session.progress)
    return Setting(
        machine=machine_id(),
        rule=RULE,
        epoch=epoch.number,
        contract_sha256=session.progress.contract_sha256 or "",
        environment_sha256=epoch.environment_sha256,
        sandbox=bench.confinement.name,
        incumbent=session.progress.incumbent_commit,
        candidate=candidate,
        simplify=simplify,
        retest=retest,
    )


def resumed(
    session: Session, path: Path, setting: Setting, randomness: Randomness, names: tuple[str, str]
) -> Tape:
    """What an interrupted race left, where it can go on; else a new tape. The caller is told.

    Args:
        session: open for writing.
        path: where the race is kept.
        setting: of the race.
        randomness: of what is drawn anew.
        names: whose race it is, and what goes on with it: `this tree`, `experiment 17`.
    """
    tape, why = open_tape(path, setting, randomness)
    if why:
        session.news.append(f"the race of {names[0]} was interrupted and starts anew: {why}")
    elif tape.samples:
        detail = f"{names[1]} goes on from {tape.samples} samples taken before"
        session.news.append(detail)
        memory.record(
            session,
            Recovery(schema=SCHEMA, at=now_utc(), step="race", action="resumed", detail=detail),
        )
    return tape


def log_measured(session: Session, record: Validation | Ablation, tape: Path) -> None:
    """Log what a race of `validate` found, once; its tape goes with it."""
    values = (
        ("kind", type(record).__name__.lower()),
        ("record", wire.text(record)),
        ("tape", tape.name),
    )
    session.journal.begin(Action(command="validate", stage="measured", at=now_utc(), values=values))
    memory.record(session, record)
    tape.unlink(missing_ok=True)
    session.journal.clear()


def finish_measured(session: Session, action: Action) -> str:
    """Finish an interrupted `validate` whose race had ended; what was done, in one line."""
    kind = action.value("kind") or ""
    record = action.record(_KINDS[kind])
    if all(entry.record != record for entry in session.index.log.records()):
        memory.record(session, record)
    (session.places.raw / (action.value("tape") or "")).unlink(missing_ok=True)
    session.journal.clear()
    return f"a {kind} was measured when it was interrupted; it is in the log"
