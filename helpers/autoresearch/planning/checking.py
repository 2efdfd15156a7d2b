"""`check`: a contract is rehearsed, and nothing of the repository changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.edges.files import remove_tree
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.places import sessions_of
from autoresearch.planning.draft import read_draft
from autoresearch.planning.ground import obstacles, stand
from autoresearch.planning.stage import (
    CHECKED,
    Theatre,
    folder_below,
    opening_lock,
    perform,
    session_places,
    stage,
)

if TYPE_CHECKING:
    from autoresearch.core.contract import Contract
    from autoresearch.loop.measure import Randomness
    from autoresearch.planning.rehearsal import Rehearsal


class Checked(NamedTuple):
    """A contract that held in the rehearsal.

    Attributes:
        contract: as it was written.
        rehearsal: what it did.
        toplevel: the repository's root, which its paths are relative to.
        obstacles: what would keep `init` from opening the session now.
    """

    contract: Contract
    rehearsal: Rehearsal
    toplevel: Path
    obstacles: tuple[str, ...]


def check(
    file: Path,
    cwd: Path,
    environ: Mapping[str, str],
    randomness: Randomness,
    say: Callable[[str], None],
) -> Checked:
    """Rehearse a contract on the commit that is checked out, and leave nothing behind.

    Raises:
        AutoresearchError, ContractError, GateFailed: what is wrong and how to mend it.
    """
    draft = read_draft(file)
    with GitRepo.open(cwd) as repo:
        theatre = Theatre(repo, environ, randomness, say)
        places = session_places(theatre, CHECKED)
        with opening_lock(places, "check"), stage(places) as folders:
            ground = stand(repo, draft, folders.indexes, folder_below(repo, cwd))
            rehearsal = perform(theatre, folders, draft, ground)
            found = [error.message for error in obstacles(repo, draft, ground, folders.indexes)]
            remove_tree(folders.bench)
            remove_tree(folders.output)
        name = draft.contract.session
        if name in sessions_of(environ, repo.toplevel, repo.common_dir):
            found.append(f"this repository already has a session {name}")
        return Checked(draft.contract, rehearsal, repo.toplevel, tuple(found))
