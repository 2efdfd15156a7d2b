"""Where a contract is rehearsed, and what of it outlives the rehearsal.

Nothing of a refused contract stays but what its commands printed, in the cache, for its author.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import GateFailed
from autoresearch.core.scope import compile_scope
from autoresearch.edges.environment import find_environment, find_passed
from autoresearch.edges.files import remove_tree
from autoresearch.edges.lock import Lock, turn_to_measure
from autoresearch.edges.places import Places, places_for
from autoresearch.loop.bench import Bench, BenchPlaces
from autoresearch.loop.session import with_checks
from autoresearch.planning.rehearsal import rehearse
from autoresearch.planning.screening import find_reaches, require_asked, scripts_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from autoresearch.core.contract import Contract
    from autoresearch.core.question import Randomness
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.edges.lock import Held
    from autoresearch.planning.draft import Draft
    from autoresearch.planning.ground import Ground
    from autoresearch.planning.rehearsal import Rehearsal
    from autoresearch.planning.screening import Reach

CHECKED = ".check"
"""Name of the bench of a contract that is only checked; no session can be called so."""

SCRIPT_BYTES = 64 * 1024

FrozenEnvironment = tuple[tuple[str, str], ...]


class Theatre(NamedTuple):
    """Where and how a contract is rehearsed."""

    repo: GitRepo
    environ: Mapping[str, str]
    randomness: Randomness
    say: Callable[[str], None]


class Stage(NamedTuple):
    """The folders of one rehearsal.

    Attributes:
        bench: its checkouts. Those of a session to be opened lie where they will stay, for set-up
            and build may write absolute paths into what they make.
        manifests: what these were left as.
        output: what commands printed; it stays until the next rehearsal.
        tables: the table of the user's tree; gone afterwards.
    """

    bench: Path
    manifests: Path
    output: Path
    tables: Path


def opening_lock(places: Places, command: str) -> Held:
    """Keep every other `check` and `init` of this repository out.

    Raises:
        AutoresearchError: `locked`, or the state folder cannot be written.
    """
    places.prepare()
    return Lock(places.state.with_name("rehearsal.lock")).acquire(command)


def clear_stage(places: Places) -> Stage:
    """Remove what a rehearsal of this session left; where it was. Needs `opening_lock`."""
    cache = places.cache.parent
    folders = Stage(places.cache, places.manifests, cache / ".output", cache / ".tables")
    for folder in folders:
        remove_tree(folder)
    return folders


@contextmanager
def stage(places: Places) -> Iterator[Stage]:
    """Empty folders for a rehearsal; the bench goes when the block fails. Needs `opening_lock`."""
    folders = clear_stage(places)
    try:
        yield folders
    except BaseException:
        remove_tree(folders.bench)
        remove_tree(folders.manifests)
        raise
    finally:
        remove_tree(folders.tables)


def perform(theatre: Theatre, bench: Bench, draft: Draft, ground: Ground) -> Rehearsal:
    """Rehearse a contract on the ground it is to stand on; raises as `rehearse`."""
    with measuring(theatre, draft, "init"):
        return rehearse(bench, ground.tree, theatre.randomness, theatre.say)


def require_inside(
    theatre: Theatre, draft: Draft, ground: Ground, command: str, *, allowed: bool
) -> None:
    """Stop before anything runs when commands reach outside and no human has agreed.

    Raises:
        GateFailed: `reaches_outside`.
    """
    if allowed:
        return
    contract = with_checks(draft.contract, checks_guard=ground.has_checks_guard(draft.contract))
    require_asked(reaches_in(theatre.repo, contract, ground.tree), command)


def reaches_in(repo: GitRepo, contract: Contract, tree: TreeMap) -> tuple[Reach, ...]:
    """What the commands of a contract, and the scripts they name in a tree, do outside."""
    names = scripts_named(contract, tree)
    blobs = repo.blobs(tree[name].oid for name in names)
    texts = {
        name: content[:SCRIPT_BYTES].decode("utf-8", "replace")
        for name, (_, content) in zip(names, blobs, strict=True)
    }
    return find_reaches(contract, texts)


def shut_in(bench: Bench) -> None:
    """Let the bench run its commands only where a sandbox holds all of them, set-up included."""
    bench.confinement.offline = True
    gap = bench.confinement.gap()
    if gap:
        raise GateFailed(
            f"`--confined` cannot run anything here: {gap}",
            code="not_confined",
            hint="Remove that from the draft, or run `autoresearch check` without `--confined`; "
            "the host then asks its human.",
        )


def bench_for(theatre: Theatre, folders: Stage, draft: Draft, ground: Ground) -> Bench:
    """The bench of a contract that is tried out."""
    contract = with_checks(draft.contract, checks_guard=ground.has_checks_guard(draft.contract))
    return bench_of(theatre, folders, contract)


def bench_of(theatre: Theatre, folders: Stage, contract: Contract) -> Bench:
    """The bench in these folders for a contract that has no session yet."""
    return Bench(
        places=BenchPlaces(
            cache=folders.bench,
            manifests=folders.manifests,
            output=folders.output,
            roots=session_places(theatre, contract.session).roots,
        ),
        repo=theatre.repo,
        contract=contract,
        scope=compile_scope(contract.scope, contract.protect),
        frozen=frozen_environment(theatre.environ),
        passed=find_passed(theatre.environ, contract.pass_through),
    )


@contextmanager
def measuring(theatre: Theatre, draft: Draft, command: str) -> Iterator[None]:
    """The block measures, and nobody else on this machine meanwhile."""
    places = session_places(theatre, draft.contract.session)
    with turn_to_measure(places.measure_lock, command, theatre.say):
        yield


def session_places(theatre: Theatre, session: str) -> Places:
    """The folders of a session of this repository."""
    repo = theatre.repo
    return places_for(theatre.environ, repo.toplevel, repo.common_dir, session)


def frozen_environment(environ: Mapping[str, str]) -> FrozenEnvironment:
    """The environment of every sample, found in the caller's."""
    return find_environment(environ, Path(environ.get("HOME", "/")))


def folder_below(repo: GitRepo, cwd: Path) -> str:
    """The caller's folder relative to the repository's root; "" for the root itself."""
    below = cwd.resolve().relative_to(repo.toplevel.resolve())
    return "" if below == Path() else below.as_posix()
