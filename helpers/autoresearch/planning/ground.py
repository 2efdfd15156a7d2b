"""The ground a session is to stand on: the repository as it is, before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from autoresearch.core import formatting
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.scope import compile_scope
from autoresearch.core.snapshot import PLAIN_MODE, Entry
from autoresearch.edges import gitdiff, gitrefs
from autoresearch.edges.gitrepo import object_id, under_way
from autoresearch.edges.gitwrite import commit_changes
from autoresearch.edges.worktree import Walk, find_overrides, untracked
from autoresearch.loop.session import CHECKS_FILE, CONTRACT_FILE
from autoresearch.planning.fitness import require_fitting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autoresearch.core.contract import Contract
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.planning.draft import Draft

SHOWN = 5


class Ground(Struct, frozen=True, kw_only=True):
    """What a session starts from.

    Attributes:
        base: the commit that is checked out.
        start_branch: full name of the branch, None when HEAD is detached.
        first: the commit that adds the contract to `base`; no ref names it yet.
        tree: files of `first`.
        base_contract: `autoresearch.yaml` in `base`, None when it is not there.
        overrides: see `edges.worktree.Overrides`.
    """

    base: str
    start_branch: str | None
    first: str
    first_tree: str
    tree: dict[str, Entry]
    base_contract: Entry | None
    overrides: dict[str, Entry | None]

    def has_checks_guard(self, contract: Contract) -> bool:
        """Whether `autoresearch.checks.sh` is the guard: it is there, the contract names none."""
        return has_checks_guard(contract, self.tree)


def has_checks_guard(contract: Contract, tree: dict[str, Entry]) -> bool:
    """Whether `autoresearch.checks.sh` stands in for the guard that the contract does not name."""
    return contract.guard is None and CHECKS_FILE in tree


def stand(repo: GitRepo, draft: Draft, tables: Path, below: str) -> Ground:
    """Look at the repository and build the contract's commit; nothing of the user's changes.

    Args:
        repo: where the session is to be.
        draft: its contract.
        tables: a folder of ours.
        below: the folder the caller is in, relative to the root; for hints.

    Raises:
        AutoresearchError: `no_commit`, `tracked_copy`, `link_missing`.
        GateFailed: `scope_empty`, `scope_all`, `scope_odd`, `absolute_path`.
    """
    head = gitrefs.head(repo)
    if head.commit is None:
        raise AutoresearchError(
            "the repository has no commit yet",
            code="no_commit",
            hint="Commit the project first: `git add . && git commit`.",
        )
    base = repo.tree(head.commit)
    first = commit_changes(
        repo,
        parents=[head.commit],
        base=repo.tree_of(head.commit),
        changes={CONTRACT_FILE: Entry(PLAIN_MODE, object_id(repo.object_format, draft.content))},
        contents=[draft.content],
        message=_first_message(draft.contract),
    )
    tree = repo.tree(first.oid)
    overrides = find_overrides(Walk(repo, tables / "worktree.stat"), repo, base)
    overrides.pop(CONTRACT_FILE, None)
    require_fitting(repo, draft.contract, tree, overrides, below)
    return Ground(
        base=head.commit,
        start_branch=head.branch,
        first=first.oid,
        first_tree=first.tree,
        tree=tree,
        base_contract=base.get(CONTRACT_FILE),
        overrides=overrides,
    )


def _first_message(contract: Contract) -> str:
    return (
        f"autoresearch: contract of session {contract.session}\n\n"
        f"{clean_line(contract.goal)}\n\nAutoresearch-Session: {contract.session}\n"
    )


def obstacles(repo: GitRepo, draft: Draft, ground: Ground) -> Iterator[AutoresearchError]:
    """What keeps a session from being opened here now; a dry run only warns of it."""
    yield from unfinished(repo)
    yield from edits(repo, draft)
    found = untracked_in_scope(repo, draft.contract, ground.tree)
    if found is not None:
        yield found


def unfinished(repo: GitRepo) -> Iterator[AutoresearchError]:
    """An operation of git's that waits for its user."""
    what = under_way(repo)
    if what is not None:
        yield AutoresearchError(
            f"a {what} is under way in this working tree",
            code="operation_under_way",
            hint=f"Finish or abort the {what} first: a session starts from a commit.",
        )


def edits(repo: GitRepo, draft: Draft) -> Iterator[AutoresearchError]:
    """Tracked files that are not as committed, and an autoresearch.yaml that would be lost."""
    edited = gitdiff.edited(repo)
    others = [path for path in edited if path != CONTRACT_FILE]
    if others:
        verb = "differs" if len(others) == 1 else "differ"
        yield AutoresearchError(
            f"{formatting.count(len(others), 'file')} {verb} from the commit (edited, staged or "
            f"deleted): {shown(others)}",
            code="dirty_tree",
            hint="Commit or stash them: a session starts from a commit.",
        )
    path = repo.toplevel / CONTRACT_FILE
    there = path.is_symlink() or path.exists()
    is_clean = CONTRACT_FILE not in edited and _is_tracked(repo)
    if there and not is_clean and not _holds(path, draft.content):
        yield AutoresearchError(
            f"{CONTRACT_FILE} already exists, is not committed, and is not the contract that you "
            "named",
            code="contract_exists",
            hint=f"Use it with `autoresearch init {CONTRACT_FILE}`, or move it out of the way.",
        )


def _is_tracked(repo: GitRepo) -> bool:
    return repo.object_at(f"HEAD:{CONTRACT_FILE}") is not None


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and not path.is_symlink() and path.read_bytes() == content


def untracked_in_scope(
    repo: GitRepo, contract: Contract, tree: TreeMap
) -> AutoresearchError | None:
    """The refusal of untracked files that an experiment would take for its own; None without."""
    scope = compile_scope(contract.scope, contract.protect)
    listed = untracked(repo, tree)
    found = [path for path in listed if scope.covers(path.rstrip("/"))]
    if not found:
        return None
    verb = "is" if len(found) == 1 else "are"
    return AutoresearchError(
        f"{formatting.count(len(found), 'untracked file')} {verb} in scope: {shown(found)}",
        code="untracked_in_scope",
        hint="Commit, ignore or move them: they would become part of an experiment.",
    )


def shown(paths: list[str]) -> str:
    """The first of some paths, cleaned, and how many more there are."""
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return clean_line(", ".join(paths[:SHOWN])) + more
