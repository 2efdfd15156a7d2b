"""`check`: a contract is rehearsed, and nothing of the repository changes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from autoresearch.core.contract import Contract
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.question import Randomness
from autoresearch.edges.files import remove_tree
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.index import Index
from autoresearch.edges.log import Log
from autoresearch.edges.places import places_for, sessions_of
from autoresearch.planning import preconditions, workspace
from autoresearch.planning.examining import Examination, examine
from autoresearch.planning.rehearsal import Rehearsal, keep, rehearse
from autoresearch.planning.workspace import CHECKED, CheckContext


def tokens_each(environ: Mapping[str, str], toplevel: Path, common_dir: Path) -> float | None:
    """Tokens of one experiment, over all that are known; None where none is."""
    tokens, experiments = 0, 0
    for name in sessions_of(environ, toplevel, common_dir):
        places = places_for(environ, toplevel, common_dir, name)
        # A damaged session is its own commands' business; it tells nothing here.
        with contextlib.suppress(AutoresearchError), Index(places.index, Log(places.log)) as index:
            history = index.history()
            tokens += history.spending.tokens
            experiments += history.last_number - history.spending.unmetered
    return tokens / experiments if experiments else None


class Checked(NamedTuple):
    """A contract that held in the rehearsal.

    Attributes:
        contract: as it was written.
        rehearsal: what it did.
        examination: whether guard and metric notice what they should.
        toplevel: the repository's root, which its paths are relative to.
        obstacles: what would keep `init` from opening the session now.
        tokens_each: of one experiment in earlier sessions of this repository, None if unknown.
    """

    contract: Contract
    rehearsal: Rehearsal
    examination: Examination
    toplevel: Path
    obstacles: tuple[str, ...]
    tokens_each: float | None


def check(
    file: Path,
    cwd: Path,
    environ: Mapping[str, str],
    randomness: Randomness,
    say: Callable[[str], None],
    *,
    allow_outside: bool,
    confined: bool,
) -> Checked:
    """Rehearse a contract on the commit that is checked out, and leave nothing behind.

    Args:
        file: holds the contract.
        cwd: the caller's folder.
        environ: the caller's environment.
        randomness: of seeds.
        say: told what is done.
        allow_outside: a human agreed to commands that reach outside the checkout.
        confined: run nothing but what a sandbox shuts in, so that nobody need agree.
    """
    draft = preconditions.read_draft(file)
    with GitRepo.open(cwd) as repo:
        context = CheckContext(repo, environ, randomness, say)
        name = draft.contract.session
        is_taken = name in sessions_of(environ, repo.toplevel, repo.common_dir)
        # Where the session will be: paths are part of what some programs do, and of their size.
        places = context.places(CHECKED if is_taken else name)
        with workspace.opening_lock(places, "check"), workspace.workspace(places) as folders:
            below = workspace.folder_below(repo, cwd)
            start = preconditions.starting_point(repo, draft, folders.tables, below)
            workspace.require_inside(repo, start, "check", allowed=allow_outside)
            bench = context.bench(start.contract, folders)
            if confined:
                workspace.shut_in(bench)
            with context.measuring(name, "check"):
                rehearsal = rehearse(bench, start.tree, randomness, say)
                examination = examine(bench, start.tree, rehearsal, randomness, say)
            spell_ns = (rehearsal.spell_ns[0], time.time_ns())
            kept = replace(rehearsal, spell_ns=spell_ns)
            keep(places, bench, start, kept, examination.findings)
            in_the_way = preconditions.obstacles(repo, start)
            found = [error.message for error in in_the_way]
            for folder in (folders.bench, folders.manifests, folders.output):
                remove_tree(folder)
        if is_taken:
            found.append(f"this repository already has a session {name}")
        return Checked(
            contract=draft.contract,
            rehearsal=rehearsal,
            examination=examination,
            toplevel=repo.toplevel,
            obstacles=tuple(found),
            tokens_each=tokens_each(environ, repo.toplevel, repo.common_dir),
        )
