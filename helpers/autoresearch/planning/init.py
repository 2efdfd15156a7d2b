"""`init`: a contract is rehearsed and frozen, and its session opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from autoresearch import __version__
from autoresearch.core.model import SCHEMA
from autoresearch.core.question import Randomness
from autoresearch.core.records import Epoch, Opened
from autoresearch.edges import gitrefs
from autoresearch.edges.clock import machine_id, now_utc
from autoresearch.edges.files import named_errors, remove_tree, sync_folder
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.gitwrite import require_writable
from autoresearch.edges.index import Index
from autoresearch.edges.journal import Journal
from autoresearch.edges.lock import Lock
from autoresearch.edges.log import Log
from autoresearch.edges.places import Places, places_for, sessions_of
from autoresearch.loop import logbook, surroundings
from autoresearch.loop.session import (
    BRANCHES,
    Session,
    environment_hash,
    frozen_contract,
    read_session_file,
)
from autoresearch.planning import preconditions, workspace
from autoresearch.planning.freeze import freeze, take_back_interrupted
from autoresearch.planning.preconditions import StartingPoint
from autoresearch.planning.rehearsal import Rehearsal, recall, rehearse
from autoresearch.planning.remedies import refused
from autoresearch.planning.workspace import CheckContext, FrozenEnvironment


class Started(NamedTuple):
    """A session that was opened.

    Attributes:
        session: as it stands.
        rehearsal: of its contract.
        rehearsed_at: when `check` measured it, "" where `init` did.
        toplevel: its working tree.
        notes: what its human should know, a sentence each.
    """

    session: Session
    rehearsal: Rehearsal
    rehearsed_at: str
    toplevel: Path
    notes: tuple[str, ...]


def initialise(
    file: Path,
    cwd: Path,
    environ: Mapping[str, str],
    randomness: Randomness,
    say: Callable[[str], None],
    *,
    worktree: Path | None,
    allow_outside: bool = False,
    digest: str | None = None,
) -> Started:
    """Rehearse a contract, freeze it, and open its session on a branch of its own.

    Until the rehearsal has passed nothing of the repository changes; from then on a failure takes
    back what was done, and a kill leaves that to the next `init`.

    Args:
        file: holds the contract.
        cwd: the caller's folder.
        environ: the caller's environment.
        randomness: of seeds.
        say: told what is done.
        allow_outside: a human agreed to commands that reach outside the checkout.
        digest: first digits of the SHA-256 of what a human agreed to, or None.
        worktree: where to make a linked working tree, relative to `cwd`; None for the caller's.
    """
    draft = preconditions.read_draft(file, digest)
    name = draft.contract.session
    with ExitStack() as held:
        repo = held.enter_context(GitRepo.open(cwd))
        require_writable(repo)
        context = CheckContext(repo, environ, randomness, say)
        places = context.places(name)
        held.enter_context(workspace.opening_lock(places, "init"))
        _take_back_interrupted(repo, environ, places)
        path = None if worktree is None else cwd.resolve() / worktree
        preconditions.raise_first(preconditions.at_once(repo, places, draft, path))
        folders = held.enter_context(workspace.workspace(places))
        below = workspace.folder_below(repo, cwd)
        start = preconditions.starting_point(repo, draft, folders.tables, below)
        preconditions.raise_first(preconditions.obstacles(repo, start))
        workspace.require_inside(repo, start, "init", allowed=allow_outside)
        bench = context.bench(start.contract, folders)
        known = recall(places, bench, start)
        if known is None:
            with context.measuring(name, "init"):
                rehearsal, rehearsed_at = rehearse(bench, start.tree, randomness, say), ""
        else:
            rehearsal, rehearsed_at = known.rehearsal, known.at
        _require_unmoved(repo, start)
        with _all_or_nothing(repo, places), _other_session_idle(context, start):
            places.create()
            held.enter_context(Lock(places.lock).acquire("init"))
            environment = workspace.frozen_environment(environ)
            toplevel, notes = freeze(repo, start, folders, places, environment, path)
            tree, spell_ns = start.tree, rehearsal.spell_ns
            surrounded = surroundings.freeze(bench, tree, places.state, toplevel, spell_ns)
            _write_log(places, start, rehearsal, environment, rehearsed_at, surrounded)
        session = _published(toplevel, start, places, environ)
        return Started(session, rehearsal, rehearsed_at, toplevel, notes)


def take_back_half_opened(repo: GitRepo, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Take back each `init` of a repository that was killed before its session was there."""

    def places_of(name: str) -> Places:
        return places_for(environ, repo.toplevel, repo.common_dir, name)

    def half_opened() -> tuple[str, ...]:
        folder = places_of("x").state.parent
        found = sorted(folder.iterdir()) if os.access(folder, os.R_OK | os.X_OK) else ()
        return tuple(path.name for path in found if places_of(path.name).is_half_opened())

    names = half_opened()
    if not names:
        return ()
    with workspace.opening_lock(places_of(names[0]), "recover"):
        names = half_opened()
        _take_back_interrupted(repo, environ, places_of("x"))
        for name in names:
            workspace.clear_workspace(places_of(name))
    return names


def _take_back_interrupted(repo: GitRepo, environ: Mapping[str, str], places: Places) -> None:
    """Tidy up after an `init` of any session that was killed, and after its bench."""
    known = sessions_of(environ, repo.toplevel, repo.common_dir)
    with named_errors(places.state.parent):
        names = {
            folder.name
            for parent in (places.state.parent, places.cache.parent)
            for folder in parent.iterdir()
            if folder.is_dir() and not folder.name.startswith(".") and folder.name not in known
        }
    for name in sorted(names):
        unfinished_places = places_for(environ, repo.toplevel, repo.common_dir, name)
        take_back_interrupted(repo, unfinished_places)
        if not unfinished_places.state.exists():
            remove_tree(unfinished_places.cache)
            remove_tree(unfinished_places.manifests)


def _require_unmoved(repo: GitRepo, start: StartingPoint) -> None:
    """What was rehearsed must be what is checked out: somebody may have worked meanwhile."""
    head = gitrefs.head(repo)
    if (head.branch, head.commit) != (start.branch, start.base):
        raise refused("moved_meanwhile", "HEAD moved during the rehearsal of the contract")
    preconditions.raise_first(preconditions.edits(repo, start.draft))


@contextmanager
def _all_or_nothing(repo: GitRepo, places: Places) -> Iterator[None]:
    """Take everything back when the block fails before the session's log is there."""
    try:
        yield
    except BaseException:
        take_back_interrupted(repo, places)
        raise


@contextmanager
def _other_session_idle(context: CheckContext, start: StartingPoint) -> Iterator[None]:
    """Keep the session whose branch is checked out from working while it is left."""
    name = (start.branch or "").removeprefix(BRANCHES)
    other = context.places(name) if name and "/" not in name else None
    if other is None or not other.log.exists():
        yield
        return
    with Lock(other.lock).acquire("init"):
        yield


def _write_log(
    places: Places,
    start: StartingPoint,
    rehearsal: Rehearsal,
    environment: FrozenEnvironment,
    rehearsed_at: str,
    surrounded: str,
) -> None:
    """Write the log's first lines; from its renaming on there is a session."""
    contract = start.draft.contract
    fresh = Log(places.log.with_name("log.new"))
    fresh.append(
        Opened(
            schema=SCHEMA,
            at=now_utc(),
            session=contract.session,
            goal=contract.goal,
            branch=BRANCHES + contract.session,
            base=start.base,
            start_branch=start.branch,
            version=__version__,
        )
    )
    content = start.draft.content
    epoch = epoch_record(0, start.first, content, rehearsal, environment, surrounded)
    fresh.append(replace(epoch, rehearsed_at=rehearsed_at))
    with named_errors(places.log):
        fresh.path.rename(places.log)
        sync_folder(places.state)


def _published(
    toplevel: Path, start: StartingPoint, places: Places, environ: Mapping[str, str]
) -> Session:
    """The session, its document and the copies of its log written for the first time."""
    with GitRepo.open(toplevel) as repo, Index(places.index, Log(places.log)) as index:
        session = Session(
            repo=repo,
            places=places,
            file=read_session_file(places),
            contract=frozen_contract(places, checks_guard=start.checks_guard),
            index=index,
            journal=Journal(places.journal),
            environ=environ,
        )
        try:
            logbook.publish(session)
            session.journal.clear()
        finally:
            if repo.lost_one:
                session.set_locks_aside()
    return session


def epoch_record(
    number: int,
    commit: str,
    draft: bytes,
    rehearsal: Rehearsal,
    environment: FrozenEnvironment,
    surrounded: str,
) -> Epoch:
    """The log's line for an epoch that starts measuring anew, from its rehearsal."""
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
        machine=machine_id(),
        sandbox=rehearsal.sandbox,
        restarts_measuring=True,
        holdout_s=rehearsal.holdout_s,
        guard_tests=rehearsal.guard_tests,
        environment_sha256=environment_hash(environment),
        units=samples[0].units,
        surroundings_sha256=surrounded,
    )
