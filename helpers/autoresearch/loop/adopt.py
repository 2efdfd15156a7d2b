"""Adopts an amended contract that has been rehearsed: branch, frozen copy, log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from autoresearch.core.records import Epoch
from autoresearch.edges.files import atomic_write
from autoresearch.loop import memory, settle
from autoresearch.loop.session import (
    CHECKS_FILE,
    CONTRACT_FILE,
    frozen_contract,
    with_checks,
    write_session_file,
)

if TYPE_CHECKING:
    from autoresearch.core.steps import Action
    from autoresearch.loop.session import Session


def adopt(session: Session, parent: str, commit: str, epoch: Epoch) -> None:
    """Move the branch, freeze the new contract, log the epoch; repeating it is harmless."""
    trees = session.tree(parent), session.tree(commit)
    changes = settle.changes_between(session, *trees)
    settle.tell(session, settle.keep(session, parent=parent, commit=commit, changes=changes))
    text = session.repo.blob(trees[1][CONTRACT_FILE].oid)
    atomic_write(session.places.contract, text, mode=0o600)
    bare = frozen_contract(session.places, checks_guard=False)
    checks = bare.guard is None and CHECKS_FILE in trees[1]
    session.file = replace(session.file, checks_guard=checks)
    write_session_file(session.places, session.file)
    session.contract = with_checks(bare, checks_guard=checks)
    if session.progress.epoch_number < epoch.number:
        memory.record(session, epoch)
    memory.publish(session)
    session.journal.clear()


def finish_interrupted(session: Session, action: Action) -> str:
    """Finish an interrupted `amend` from its journal; what was done, in one line."""
    epoch = action.record(Epoch, "epoch")
    adopt(session, action.value("parent") or "", action.value("commit") or "", epoch)
    return f"the amendment of epoch {epoch.number} was interrupted and is now finished"


def finish_opened(session: Session, action: Action) -> str:
    """Finish an `init` that was interrupted when its log was already there; in one line."""
    memory.publish(session)
    session.journal.clear()
    return f"`{action.command}` was interrupted when the session was open; its document is written"
