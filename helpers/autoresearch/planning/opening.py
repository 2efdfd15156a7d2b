"""`init`: a contract is rehearsed and frozen, and its session opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from autoresearch import __version__
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA
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
from autoresearch.loop import logbook
from autoresearch.loop.session import (
    BRANCHES,
    Session,
    environment_hash,
    frozen_contract,
    read_session_file,
)
from autoresearch.planning.draft import read_draft
from autoresearch.planning.freeze import freeze, take_back_interrupted
from autoresearch.planning.ground import edits, obstacles, stand, unfinished
from autoresearch.planning.linked import require_free
from autoresearch.planning.reuse import recall
from autoresearch.planning.stage import (
    Theatre,
    bench_for,
    clear_stage,
    folder_below,
    frozen_environment,
    opening_lock,
    perform,
    require_inside,
    session_places,
    stage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autoresearch.core.question import Randomness
    from autoresearch.planning.draft import Draft
    from autoresearch.planning.ground import Ground
    from autoresearch.planning.rehearsal import Rehearsal
    from autoresearch.planning.stage import FrozenEnvironment


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

    Raises:
        AutoresearchError: `session_exists`, `branch_exists`, `refs_exist`, `moved_meanwhile`, what
            `obstacles`, `require_free` and `check` raise.
    """
    draft = read_draft(file, digest)
    with ExitStack() as held:
        repo = held.enter_context(GitRepo.open(cwd))
        require_writable(repo)
        theatre = Theatre(repo, environ, randomness, say)
        places = session_places(theatre, draft.contract.session)
        held.enter_context(opening_lock(places, "init"))
        _take_back_interrupted(repo, environ, places)
        _require_new(theatre, places)
        path = None if worktree is None else cwd.resolve() / worktree
        if path is not None:
            require_free(repo, path)
        _first_of(chain(unfinished(repo), edits(repo, draft)))
        folders = held.enter_context(stage(places))
        ground = stand(repo, draft, folders.tables, folder_below(repo, cwd))
        _first_of(obstacles(repo, draft, ground))
        require_inside(theatre, draft, ground, "init", allowed=allow_outside)
        bench = bench_for(theatre, folders, draft, ground)
        known = recall(places, bench, draft, ground)
        rehearsal = perform(theatre, bench, draft, ground) if known is None else known.rehearsal
        rehearsed_at = "" if known is None else known.at
        _require_unmoved(repo, draft, ground)
        with _all_or_nothing(repo, places), _other_session_idle(theatre, ground):
            places.create()
            held.enter_context(Lock(places.lock).acquire("init"))
            environment = frozen_environment(environ)
            toplevel, notes = freeze(repo, draft, ground, folders, places, environment, path)
            _write_log(places, draft, ground, rehearsal, environment, rehearsed_at)
        session = _published(toplevel, draft, ground, places, environ)
        return Started(session, rehearsal, rehearsed_at, toplevel, notes)


def _first_of(errors: Iterable[AutoresearchError]) -> None:
    for error in errors:
        raise error


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
    with opening_lock(places_of(names[0]), "recover"):
        names = half_opened()
        _take_back_interrupted(repo, environ, places_of("x"))
        for name in names:
            clear_stage(places_of(name))
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


def _require_new(theatre: Theatre, places: Places) -> None:
    name, repo = places.session, theatre.repo
    if places.log.exists():
        raise AutoresearchError(
            f"this repository already has a session {name}",
            code="session_exists",
            hint="Choose another `session:`, or continue that one: `autoresearch status`.",
        )
    # A branch `autoresearch`, or one below ours, leaves no room for it.
    above = BRANCHES.rstrip("/")
    taken = gitrefs.refs(repo, above)
    blocking = [ref for ref in taken if ref == above or _is_at(ref, BRANCHES + name)]
    if blocking:
        short = blocking[0].removeprefix("refs/heads/")
        raise AutoresearchError(
            f"the branch {short} already exists",
            code="branch_exists",
            hint=f"Choose another `session:`, or rename it: `git branch -m {short} NAME`.",
        )
    kept = gitrefs.refs(repo, f"refs/autoresearch/{name}")
    if kept:
        raise AutoresearchError(
            f"the repository contains {len(kept)} refs of an earlier session {name}, such as "
            f"{next(iter(kept))}",
            code="refs_exist",
            hint="Choose another `session:`, so that the earlier experiments stay reachable.",
        )


def _is_at(ref: str, name: str) -> bool:
    return ref == name or ref.startswith(f"{name}/")


def _require_unmoved(repo: GitRepo, draft: Draft, ground: Ground) -> None:
    """What was rehearsed must be what is checked out: somebody may have worked meanwhile."""
    head = gitrefs.head(repo)
    if (head.branch, head.commit) != (ground.start_branch, ground.base):
        raise AutoresearchError(
            "HEAD moved during the rehearsal of the contract",
            code="moved_meanwhile",
            hint="Repeat `autoresearch init` on what is checked out now.",
        )
    _first_of(edits(repo, draft))


@contextmanager
def _all_or_nothing(repo: GitRepo, places: Places) -> Iterator[None]:
    """Take everything back when the block fails before the session's log is there."""
    try:
        yield
    except BaseException:
        take_back_interrupted(repo, places)
        raise


@contextmanager
def _other_session_idle(theatre: Theatre, ground: Ground) -> Iterator[None]:
    """Keep the session whose branch is checked out from working while it is left."""
    name = (ground.start_branch or "").removeprefix(BRANCHES)
    other = session_places(theatre, name) if name and "/" not in name else None
    if other is None or not other.log.exists():
        yield
        return
    with Lock(other.lock).acquire("init"):
        yield


def _write_log(
    places: Places,
    draft: Draft,
    ground: Ground,
    rehearsal: Rehearsal,
    environment: FrozenEnvironment,
    rehearsed_at: str,
) -> None:
    """Write the log's first lines; from its renaming on there is a session."""
    fresh = Log(places.log.with_name("log.new"))
    fresh.append(
        Opened(
            schema=SCHEMA,
            at=now_utc(),
            session=draft.contract.session,
            goal=draft.contract.goal,
            branch=BRANCHES + draft.contract.session,
            base=ground.base,
            start_branch=ground.start_branch,
            version=__version__,
        )
    )
    epoch = epoch_record(0, ground.first, draft.content, rehearsal, environment)
    fresh.append(replace(epoch, rehearsed_at=rehearsed_at))
    with named_errors(places.log):
        fresh.path.rename(places.log)
        sync_folder(places.state)


def _published(
    toplevel: Path, draft: Draft, ground: Ground, places: Places, environ: Mapping[str, str]
) -> Session:
    """The session, its document and the copies of its log written for the first time."""
    with GitRepo.open(toplevel) as repo, Index(places.index, Log(places.log)) as index:
        session = Session(
            repo=repo,
            places=places,
            file=read_session_file(places),
            contract=frozen_contract(places, checks_guard=ground.has_checks_guard(draft.contract)),
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
    )
