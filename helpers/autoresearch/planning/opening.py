"""`check` and `init`: a contract is rehearsed; `init` then freezes it and opens the session."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch import __version__
from autoresearch.core.contract import parse
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA
from autoresearch.core.records import Epoch, Opened
from autoresearch.core.scope import compile_scope
from autoresearch.core.steps import Action
from autoresearch.edges import gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.environment import find_environment, find_passed
from autoresearch.edges.files import atomic_write, remove_tree
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.gitwrite import (
    IndexChange,
    add_worktree,
    exclude,
    require_writable,
    sync_index,
)
from autoresearch.edges.index import Index
from autoresearch.edges.journal import Journal
from autoresearch.edges.lock import Lock
from autoresearch.edges.log import Log
from autoresearch.edges.places import Places, places_for, sessions_of
from autoresearch.loop import memory
from autoresearch.loop.bench import Bench, BenchPlaces
from autoresearch.loop.referee import SANDBOX
from autoresearch.loop.session import (
    BRANCHES,
    CONTRACT_FILE,
    Session,
    SessionFile,
    as_overrides,
    frozen_contract,
    read_session_file,
    with_checks,
    write_session_file,
)
from autoresearch.planning.ground import Ground, read_draft, stand
from autoresearch.planning.rehearsal import rehearse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autoresearch.core.contract import Contract
    from autoresearch.loop.measure import Randomness
    from autoresearch.planning.rehearsal import Rehearsal

REHEARSAL = ".rehearsal"
"""Name of the folder in which a contract is tried out before there is a session."""


class Checked(NamedTuple):
    """A contract that held in the rehearsal."""

    contract: Contract
    rehearsal: Rehearsal


class Started(NamedTuple):
    """A session that was opened."""

    session: Session
    rehearsal: Rehearsal
    toplevel: Path


def check(
    file: Path,
    cwd: Path,
    environ: Mapping[str, str],
    randomness: Randomness,
    say: Callable[[str], None],
) -> Checked:
    """Rehearse a contract and leave nothing behind.

    Raises:
        AutoresearchError, ContractError, GateFailed: what is wrong and how to mend it.
    """
    draft = read_draft(file)
    contract = parsed(draft, file)
    with GitRepo.open(cwd) as repo, _rehearsal_folder(repo, environ, "check") as places:
        rehearsal = _rehearsed(repo, contract, draft, places, environ, randomness, say)[1]
    return Checked(contract, rehearsal)


def initialise(
    file: Path,
    cwd: Path,
    environ: Mapping[str, str],
    randomness: Randomness,
    say: Callable[[str], None],
    *,
    worktree: Path | None,
) -> Started:
    """Rehearse a contract, freeze it, and open its session on a branch of its own.

    Until the rehearsal has passed nothing of the repository changes; from then on every step can
    be repeated, and a failure takes back those before it.

    Raises:
        AutoresearchError: `session_exists`, `branch_exists` and what `check` raises.
    """
    draft = read_draft(file)
    contract = parsed(draft, file)
    with GitRepo.open(cwd) as repo:
        require_writable(repo)
        _require_new(repo, contract, environ)
        places = places_for(environ, repo.toplevel, repo.common_dir, contract.session)
        with _rehearsal_folder(repo, environ, "init") as scratch:
            ground, rehearsal = _rehearsed(repo, contract, draft, scratch, environ, randomness, say)
            _adopt(scratch, places)
        toplevel = repo.toplevel
        try:
            _freeze(repo, contract, draft, ground, places, environ)
            if worktree is not None:
                toplevel = _in_worktree(repo, contract, places, worktree)
            else:
                _check_out(repo, contract, ground, draft)
        except BaseException:
            branch = BRANCHES + contract.session
            _take_back(repo, branch, ground.first, ground.start_branch, places)
            raise
    with GitRepo.open(toplevel) as repo:
        session = _opened(repo, contract, ground, places, rehearsal, environ, draft)
        return Started(session, rehearsal, toplevel)


@contextmanager
def _rehearsal_folder(repo: GitRepo, environ: Mapping[str, str], command: str) -> Iterator[Places]:
    """A place to try a contract out, ours alone and gone afterwards."""
    places = places_for(environ, repo.toplevel, repo.common_dir, REHEARSAL)
    places.create()  # the lock lies beside it
    with Lock(places.state.with_name("rehearsal.lock")).acquire(command):
        _remove(places)
        places.create()
        try:
            yield places
        finally:
            _remove(places)


def parsed(draft: bytes, file: Path) -> Contract:
    """The contract in these bytes; raises ContractError or AutoresearchError."""
    try:
        text = draft.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AutoresearchError(
            f"{file.name} is not UTF-8 (byte {error.start})",
            code="contract",
            hint="Save it as UTF-8.",
        ) from error
    return parse(text, name=file.name)


def _require_new(repo: GitRepo, contract: Contract, environ: Mapping[str, str]) -> None:
    if contract.session in sessions_of(environ, repo.toplevel, repo.common_dir):
        raise AutoresearchError(
            f"this repository already has a session {contract.session}",
            code="session_exists",
            hint="Choose another `session:`, or go on with that one: `autoresearch status`.",
        )
    branch = BRANCHES + contract.session
    _clear_interrupted(repo, places_for(environ, repo.toplevel, repo.common_dir, contract.session))
    if gitrefs.refs(repo, branch):
        raise AutoresearchError(
            f"the branch autoresearch/{contract.session} exists already",
            code="branch_exists",
            hint="Choose another `session:`, or rename that branch.",
        )


def _clear_interrupted(repo: GitRepo, places: Places) -> None:
    """Take back an `init` that was killed before its log was there."""
    pending = Journal(places.journal).load().pending if places.journal.exists() else None
    if pending is None or pending.action is None:
        return
    first, start = pending.action.value("first"), pending.action.value("start")
    _take_back(repo, BRANCHES + places.session, first or "", start or None, places)


def _rehearsed(
    repo: GitRepo,
    contract: Contract,
    draft: bytes,
    places: Places,
    environ: Mapping[str, str],
    randomness: Randomness,
    say: Callable[[str], None],
) -> tuple[Ground, Rehearsal]:
    ground = stand(repo, contract, draft, places.state / "indexes")
    contract = with_checks(contract, checks_guard=ground.has_checks_guard(contract))
    bench = Bench(
        places=BenchPlaces(cache=places.cache, output=places.output),
        repo=repo,
        contract=contract,
        scope=compile_scope(contract.scope, contract.protect),
        frozen=frozen_environment(environ),
        passed=find_passed(environ, contract.pass_through),
    )
    with Lock(places.measure_lock).wait("init", lambda _: say("waiting: another session measures")):
        return ground, rehearse(bench, ground.tree, randomness, say)


def frozen_environment(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The environment of every sample, found in the caller's."""
    return find_environment(environ, Path(environ.get("HOME", "/")))


def _adopt(scratch: Places, places: Places) -> None:
    """Turn the rehearsal's bench and folders into the session's."""
    places.create()
    for source, target in ((scratch.cache, places.cache), (scratch.output, places.output)):
        remove_tree(target)
        shutil.move(source, target)


def _freeze(
    repo: GitRepo,
    contract: Contract,
    draft: bytes,
    ground: Ground,
    places: Places,
    environ: Mapping[str, str],
) -> None:
    """Write the frozen contract and make the branch."""
    atomic_write(places.contract, draft, mode=0o600)
    write_session_file(
        places,
        SessionFile(
            schema=SCHEMA,
            session=contract.session,
            toplevel=str(repo.toplevel),
            branch=BRANCHES + contract.session,
            checks_guard=ground.has_checks_guard(contract),
            environment=frozen_environment(environ),
            overrides=as_overrides(ground.overrides),
        ),
    )
    Journal(places.journal).begin(
        Action(
            command="init",
            stage="freezing",
            at=now_utc(),
            values=(("first", ground.first), ("start", ground.start_branch or "")),
        )
    )
    gitrefs.update_ref(repo, BRANCHES + contract.session, ground.first, None)


def _check_out(repo: GitRepo, contract: Contract, ground: Ground, draft: bytes) -> None:
    """Switch the user's tree to the branch: only the contract's file differs."""
    exclude(repo, memory.EXCLUDED)
    atomic_write(repo.toplevel / CONTRACT_FILE, draft)
    gitrefs.set_head(repo, BRANCHES + contract.session, "autoresearch: init")
    entry = ground.tree[CONTRACT_FILE]
    base = repo.tree(ground.base).get(CONTRACT_FILE)
    expected = {entry.oid} | ({base.oid} if base else set())
    sync_index(repo, [IndexChange(CONTRACT_FILE, frozenset(expected), entry)])


def _in_worktree(repo: GitRepo, contract: Contract, places: Places, path: Path) -> Path:
    """Open the session in a linked working tree, and leave the user's as it is."""
    exclude(repo, memory.EXCLUDED)
    add_worktree(repo, path, f"autoresearch/{contract.session}")
    toplevel = path.resolve()
    write_session_file(places, replace(read_session_file(places), toplevel=str(toplevel)))
    return toplevel


def _take_back(
    repo: GitRepo, branch: str, first: str, start_branch: str | None, places: Places
) -> None:
    """Undo a start that failed half-way; only what we made goes."""
    head = gitrefs.head(repo)
    if head.branch == branch and start_branch is not None:
        gitrefs.set_head(repo, start_branch, "autoresearch: init failed")
    there = gitrefs.refs(repo, branch).get(branch)
    if there is not None and there.oid == first and there.worktree is None:
        gitrefs.delete_ref(repo, branch, first)
    _remove(places)


def _opened(
    repo: GitRepo,
    contract: Contract,
    ground: Ground,
    places: Places,
    rehearsal: Rehearsal,
    environ: Mapping[str, str],
    draft: bytes,
) -> Session:
    """Write the log's first lines and the first document."""
    fresh = Log(places.log.with_name("log.new"))
    fresh.append(
        Opened(
            schema=SCHEMA,
            at=now_utc(),
            session=contract.session,
            goal=contract.goal,
            branch=BRANCHES + contract.session,
            base=ground.base,
            start_branch=ground.start_branch,
            version=__version__,
        )
    )
    fresh.append(epoch_record(0, ground.first, draft, rehearsal, measures=True))
    fresh.path.rename(places.log)  # from here on there is a session
    index = Index(places.index, Log(places.log))
    session = Session(
        repo=repo,
        places=places,
        file=read_session_file(places),
        contract=frozen_contract(places, checks_guard=ground.has_checks_guard(contract)),
        index=index,
        journal=Journal(places.journal),
        environ=environ,
    )
    memory.publish(session)
    session.journal.clear()
    index.close()
    return session


def epoch_record(
    number: int, commit: str, draft: bytes, rehearsal: Rehearsal, *, measures: bool
) -> Epoch:
    """The log's line for an epoch, from its rehearsal."""
    samples = rehearsal.samples
    names = [name for name, _ in samples[0].secondary]
    return Epoch(
        schema=SCHEMA,
        number=number,
        at=now_utc(),
        commit=commit,
        contract_sha256=hashlib.sha256(draft).hexdigest(),
        values=tuple(sample.value for sample in samples),
        wall_s=tuple(round(sample.wall_s, 6) for sample in samples),
        cpu_s=tuple(round(sample.cpu_s, 6) for sample in samples),
        secondary=tuple(
            (name, tuple(dict(sample.secondary)[name] for sample in samples)) for name in names
        ),
        deterministic=rehearsal.deterministic,
        sample_s=rehearsal.sample_s,
        guard_s=rehearsal.guard_s,
        same_sha256=rehearsal.same_sha256,
        sandbox=SANDBOX,
        restarts_measuring=measures,
    )


def _remove(places: Places) -> None:
    remove_tree(places.state)
    remove_tree(places.cache)
