"""The folders in which a contract is checked, and the bench that runs it there.

Nothing of a refused contract stays but what its commands printed, in the cache, for its author.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from autoresearch.core.contract import Contract
from autoresearch.core.question import Randomness
from autoresearch.core.snapshot import TreeMap
from autoresearch.edges.environment import find_environment
from autoresearch.edges.files import remove_tree
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.lock import Held, Lock, turn_to_measure
from autoresearch.edges.places import Places, places_for
from autoresearch.loop.bench import Bench, BenchPlaces
from autoresearch.loop.confinement import SWITCHED_OFF
from autoresearch.planning.preconditions import StartingPoint
from autoresearch.planning.remedies import refused
from autoresearch.planning.screening import Reach, find_reaches, require_asked

CHECKED = ".check"
"""Name of the bench of a contract that is only checked; no session can be called so."""

SCRIPT_BYTES = 64 * 1024

FrozenEnvironment = tuple[tuple[str, str], ...]


class CheckContext(NamedTuple):
    """Where and how a contract is checked: the caller's repository and environment."""

    repo: GitRepo
    environ: Mapping[str, str]
    randomness: Randomness
    say: Callable[[str], None]

    def places(self, session: str) -> Places:
        """The folders of a session of this repository."""
        return places_for(self.environ, self.repo.toplevel, self.repo.common_dir, session)

    def measuring(self, session: str, command: str) -> Held:
        """The turn to measure: nobody else on this machine does meanwhile."""
        return turn_to_measure(self.places(session).measure_lock, command, self.say)

    def bench(self, contract: Contract, folders: Workspace) -> Bench:
        """The bench of a contract that is tried out."""
        frozen, roots = frozen_environment(self.environ), self.places(contract.session).roots
        places = BenchPlaces(
            cache=folders.bench, manifests=folders.manifests, output=folders.output, roots=roots
        )
        return Bench(
            places=places,
            repo=self.repo,
            contract=contract,
            frozen=frozen,
            environ=self.environ,
        )


class Workspace(NamedTuple):
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
    """Keep every other `check` and `init` of this repository out."""
    places.prepare()
    return Lock(places.state.with_name("rehearsal.lock")).acquire(command)


def clear_workspace(places: Places) -> Workspace:
    """Remove what a rehearsal of this session left; where it was. Needs `opening_lock`."""
    cache = places.cache.parent
    folders = Workspace(places.cache, places.manifests, cache / ".output", cache / ".tables")
    for folder in folders:
        remove_tree(folder)
    return folders


@contextmanager
def workspace(places: Places) -> Iterator[Workspace]:
    """Empty folders for a rehearsal; the bench goes when the block fails. Needs `opening_lock`."""
    folders = clear_workspace(places)
    try:
        yield folders
    except BaseException:
        remove_tree(folders.bench)
        remove_tree(folders.manifests)
        raise
    finally:
        remove_tree(folders.tables)


def require_inside(repo: GitRepo, start: StartingPoint, command: str, *, allowed: bool) -> None:
    """Stop before anything runs when commands reach outside and no human has agreed."""
    if not allowed:
        require_asked(reaches_in(repo, start.contract, start.tree), command)


def reaches_in(repo: GitRepo, contract: Contract, tree: TreeMap) -> tuple[Reach, ...]:
    """What the commands of a contract, and the scripts they name in a tree, do outside."""
    return find_reaches(contract, _Scripts(repo, tree))


class _Scripts(Mapping[str, str]):
    """The tracked files of a tree as text, each read when it is asked for."""

    def __init__(self, repo: GitRepo, tree: TreeMap) -> None:
        self._repo, self._tree = repo, tree
        self._read = dict[str, str]()

    def __getitem__(self, path: str) -> str:
        if path not in self._read:
            content = self._repo.blob(self._tree[path].oid)[:SCRIPT_BYTES]
            self._read[path] = content.decode("utf-8", "replace")
        return self._read[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tree)

    def __len__(self) -> int:
        return len(self._tree)


def shut_in(bench: Bench) -> None:
    """Let the bench run its commands only where a sandbox holds all of them, set-up included."""
    bench.confinement.offline = True
    gap = bench.confinement.gap()
    if gap:
        found = bench.confinement.found
        hint = "" if found.sandbox is not None or found.why == SWITCHED_OFF.why else found.remedy
        raise refused("not_confined", f"`--confined` cannot run anything here: {gap}", hint=hint)


def frozen_environment(environ: Mapping[str, str]) -> FrozenEnvironment:
    """The environment of every sample, found in the caller's."""
    return find_environment(environ, Path(environ.get("HOME", "/")))


def folder_below(repo: GitRepo, cwd: Path) -> str:
    """The caller's folder relative to the repository's root; "" for the root itself."""
    below = cwd.resolve().relative_to(repo.toplevel.resolve())
    return "" if below == Path() else below.as_posix()
