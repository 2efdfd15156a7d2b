"""`amend`: a human adopts an edited contract, and other protected files edited with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import jsonform
from autoresearch.core.contract import differences, measures_differently
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.scope import compile_scope
from autoresearch.core.steps import Action
from autoresearch.core.text import clean_line
from autoresearch.edges.clock import now_utc
from autoresearch.edges.environment import find_passed
from autoresearch.edges.gitwrite import commit_changes, index_of, write_blobs
from autoresearch.edges.lock import Lock
from autoresearch.edges.worktree import take_snapshot
from autoresearch.loop import memory
from autoresearch.loop.adopt import adopt
from autoresearch.loop.bench import Bench, BenchPlaces
from autoresearch.loop.session import (
    CHECKS_FILE,
    CONTRACT_FILE,
    require_on_branch,
    with_checks,
)
from autoresearch.planning.opening import epoch_record, parsed
from autoresearch.planning.rehearsal import rehearse

if TYPE_CHECKING:
    from autoresearch.core.contract import Contract
    from autoresearch.core.records import Epoch
    from autoresearch.core.snapshot import Change
    from autoresearch.loop.measure import Randomness
    from autoresearch.loop.session import Session


class Amendment(NamedTuple):
    """What an amendment changes.

    Attributes:
        keys: (key, before, after) of the contract.
        paths: protected files that are adopted with it.
        measures: whether a new measuring epoch begins.
        epoch: its number, None on a dry run.
    """

    keys: tuple[tuple[str, str, str], ...]
    paths: tuple[str, ...]
    measures: bool
    epoch: int | None


def amend(
    session: Session, randomness: Randomness, say: Callable[[str], None], *, dry_run: bool
) -> Amendment:
    """Rehearse the edited contract and adopt it as a commit of its own.

    Raises:
        AutoresearchError: `nothing_to_amend`, `tree_edited` (an experiment is under way),
            `session_renamed`.
        ContractError, GateFailed: the edited contract does not hold; nothing is changed.
    """
    require_on_branch(session)
    changes = _edited(session)
    draft = next((c.content for c in changes if c.path == CONTRACT_FILE), None)
    new = session.contract if draft is None else _read(session, draft)
    paths = tuple(c.path for c in changes if c.path != CONTRACT_FILE)
    old = session.contract
    measures = bool(paths) or measures_differently(old, new)
    found = Amendment(differences(old, new), paths, measures, None)
    if dry_run:
        return found
    epoch, commit = _rehearsed(session, new, changes, draft, randomness, say, measures=measures)
    session.journal.begin(
        Action(
            command="amend",
            stage="decided",
            at=now_utc(),
            values=(
                ("parent", session.progress.incumbent_commit),
                ("commit", commit),
                ("epoch", jsonform.dumps(jsonform.to_object(epoch))),
            ),
        )
    )
    adopt(session, session.progress.incumbent_commit, commit, epoch)
    return found._replace(epoch=epoch.number)


def _edited(session: Session) -> tuple[Change, ...]:
    progress = session.progress
    snapshot = take_snapshot(
        session.walk(),
        session.repo,
        session.tree(progress.incumbent_commit),
        tree_oid=session.repo.tree_of(progress.incumbent_commit),
        covers=session.scope.covers,
        overrides=session.overrides,
        indexes=session.indexes,
    )
    scoped = [c.path for c in snapshot.changes if session.scope.covers(c.path)]
    if scoped:
        raise AutoresearchError(
            f"files in scope are edited too: {clean_line(', '.join(scoped[:5]))}",
            code="tree_edited",
            hint="`autoresearch try` or `autoresearch drop` that edit first.",
        )
    if not snapshot.changes:
        raise AutoresearchError(
            "nothing to amend: autoresearch.yaml and the other protected files are as committed",
            code="nothing_to_amend",
            hint="Edit autoresearch.yaml, then run `autoresearch amend`.",
        )
    blocked = [c.path for c in snapshot.changes if c.obstacle is not None]
    if blocked:
        raise AutoresearchError(
            f"{clean_line(blocked[0])} cannot be committed by the helper",
            code="obstacle",
            hint="Commit it by hand before the session starts.",
        )
    return snapshot.changes


def _read(session: Session, draft: bytes) -> Contract:
    contract = parsed(draft, session.repo.toplevel / CONTRACT_FILE)
    if contract.session != session.name:
        raise AutoresearchError(
            f"the session's name cannot change ({session.name} to {contract.session})",
            code="session_renamed",
            hint="Start another session with `autoresearch init`.",
        )
    return contract


def _rehearsed(
    session: Session,
    contract: Contract,
    changes: tuple[Change, ...],
    draft: bytes | None,
    randomness: Randomness,
    say: Callable[[str], None],
    *,
    measures: bool,
) -> tuple[Epoch, str]:
    repo, parent = session.repo, session.progress.incumbent_commit
    write_blobs(repo, [c.content for c in changes if c.content is not None])
    number = session.progress.epoch_number + 1
    commit = commit_changes(
        repo,
        parents=[parent],
        index=index_of(repo, repo.tree_of(parent), session.indexes),
        changes={c.path: c.new for c in changes},
        message=(
            f"autoresearch: amend the contract of session {session.name}\n\n"
            f"Autoresearch-Session: {session.name}\nAutoresearch-Epoch: {number}\n"
        ),
    )
    content = session.places.contract.read_bytes() if draft is None else draft
    if not measures and session.progress.epoch is not None:
        same = replace(
            session.progress.epoch,
            number=number,
            at=now_utc(),
            commit=commit.oid,
            contract_sha256=memory.sha256(content),
            restarts_measuring=False,
        )
        return same, commit.oid
    tree = repo.tree(commit.oid)
    contract = with_checks(contract, checks_guard=contract.guard is None and CHECKS_FILE in tree)
    bench = Bench(
        places=BenchPlaces(cache=session.places.cache, output=session.places.output),
        repo=repo,
        contract=contract,
        scope=compile_scope(contract.scope, contract.protect),
        frozen=session.file.environment,
        passed=find_passed(session.environ, contract.pass_through),
    )
    with Lock(session.places.measure_lock).wait("amend", lambda _: say("waiting to measure")):
        rehearsal = rehearse(bench, tree, randomness, say)
    return epoch_record(number, commit.oid, content, rehearsal, measures=True), commit.oid
