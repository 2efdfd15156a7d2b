"""The ground a session is to stand on: the repository as it is, before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.core.errors import AutoresearchError, GateFailed
from autoresearch.core.scope import compile_scope
from autoresearch.core.snapshot import GITLINK_MODE, PLAIN_MODE, Entry
from autoresearch.core.text import clean_line
from autoresearch.edges import gitdiff, gitrefs
from autoresearch.edges.gitwrite import commit_changes, index_of, untracked, write_blobs
from autoresearch.edges.walk import Walk
from autoresearch.edges.worktree import find_overrides
from autoresearch.loop.session import CHECKS_FILE, CONTRACT_FILE

if TYPE_CHECKING:
    from autoresearch.core.contract import Contract
    from autoresearch.edges.gitrepo import GitRepo

MAX_CONTRACT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a session starts from.

    Attributes:
        base: the commit that is checked out.
        start_branch: full name of the branch, None when HEAD is detached.
        first: the commit that adds the contract to `base`; no ref names it yet.
        tree: files of `first`.
        overrides: see `edges.worktree.Overrides`.
    """

    base: str
    start_branch: str | None
    first: str
    first_tree: str
    tree: dict[str, Entry]
    overrides: dict[str, Entry | None]

    def has_checks_guard(self, contract: Contract) -> bool:
        """Whether `autoresearch.checks.sh` is the guard: it is there, the contract names none."""
        return contract.guard is None and CHECKS_FILE in self.tree


def read_draft(path: Path) -> bytes:
    """The bytes of a contract file.

    Raises:
        AutoresearchError: `no_file` or `too_large`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONTRACT_BYTES + 1)
    except OSError as error:
        raise AutoresearchError(
            f"cannot read {clean_line(str(path))}: {error.strerror}",
            code="no_file",
            hint="Name the file that holds the contract; docs/contract.md has an example.",
        ) from error
    if len(content) > MAX_CONTRACT_BYTES:
        raise AutoresearchError(
            f"{clean_line(str(path))} is larger than {MAX_CONTRACT_BYTES // 1024} KiB",
            code="too_large",
            hint="A contract is a page of YAML; is this the right file?",
        )
    return content


def stand(repo: GitRepo, contract: Contract, draft: bytes, indexes: Path) -> Ground:
    """Look at the repository and build the contract's commit; nothing of the user's changes.

    Raises:
        AutoresearchError: `no_commit`, `dirty_tree`, `untracked_in_scope`, `tracked_copy`.
        GateFailed: `scope_all`, `scope_odd`: the scope cannot be worked with.
    """
    head = gitrefs.head(repo)
    if head.commit is None:
        raise AutoresearchError(
            "the repository has no commit yet",
            code="no_commit",
            hint="Commit the project first: `git add . && git commit`.",
        )
    base = repo.tree(head.commit)
    _require_clean(repo)
    first = commit_changes(
        repo,
        parents=[head.commit],
        index=index_of(repo, repo.tree_of(head.commit), indexes),
        changes={CONTRACT_FILE: Entry(PLAIN_MODE, write_blobs(repo, [draft])[0])},
        message=_first_message(contract),
    )
    tree = repo.tree(first.oid)
    overrides = find_overrides(Walk(repo, indexes / "worktree.stat"), repo, base)
    overrides.pop(CONTRACT_FILE, None)
    _require_workable(repo, contract, tree, overrides)
    _require_no_untracked(repo, contract, first.tree, indexes)
    return Ground(
        base=head.commit,
        start_branch=head.branch,
        first=first.oid,
        first_tree=first.tree,
        tree=tree,
        overrides=overrides,
    )


def _first_message(contract: Contract) -> str:
    return (
        f"autoresearch: contract of session {contract.session}\n\n"
        f"{clean_line(contract.goal)}\n\nAutoresearch-Session: {contract.session}\n"
    )


def _require_clean(repo: GitRepo) -> None:
    edited = [path for path in gitdiff.edited(repo) if path != CONTRACT_FILE]
    if edited:
        raise AutoresearchError(
            f"{len(edited)} tracked files are edited: {clean_line(', '.join(edited[:5]))}",
            code="dirty_tree",
            hint="Commit or stash them: a session starts from a commit.",
        )


def _require_workable(
    repo: GitRepo,
    contract: Contract,
    tree: dict[str, Entry],
    overrides: dict[str, Entry | None],
) -> None:
    for name in ("autoresearch.md", "autoresearch.jsonl"):
        if name in tree:
            raise AutoresearchError(
                f"{name} is tracked by git, and the session writes its own there",
                code="tracked_copy",
                hint=f"Rename it, or `git rm --cached {name}` and commit.",
            )
    scope = compile_scope(contract.scope, contract.protect)
    scoped = [path for path in tree if scope.covers(path)]
    protected = [path for path in tree if not scope.covers(path) and path != CONTRACT_FILE]
    if scoped and not protected:
        raise GateFailed(
            f"the scope covers all {len(scoped)} tracked files, also what verify measures with",
            code="scope_all",
            hint="Name only the files to be improved, or take others out with `protect`.",
        )
    odd = [path for path in scoped if tree[path].mode == GITLINK_MODE]
    if odd:
        raise GateFailed(
            f"a submodule is in scope: {clean_line(odd[0])}",
            code="scope_odd",
            hint="Take it out with `protect`, or run the session inside the submodule.",
        )
    filtered = [
        path for path in scoped if path in overrides and _is_filtered(repo, tree, overrides, path)
    ]
    if filtered:
        raise GateFailed(
            f"git stores {clean_line(filtered[0])} in another form than it is checked out "
            "(a filter such as LFS, or a sparse checkout)",
            code="scope_odd",
            hint="Take such files out with `protect`.",
        )


def _is_filtered(
    repo: GitRepo, tree: dict[str, Entry], overrides: dict[str, Entry | None], path: str
) -> bool:
    """Whether the difference is more than line endings, which the helper converts itself."""
    from autoresearch.edges.gitobjects import object_id  # noqa: PLC0415 - rare
    from autoresearch.edges.worktree import with_crlf  # noqa: PLC0415 - rare

    there = overrides[path]
    if there is None:
        return True
    return object_id(repo.object_format, with_crlf(repo.blob(tree[path].oid))) != there.oid


def _require_no_untracked(repo: GitRepo, contract: Contract, tree: str, indexes: Path) -> None:
    scope = compile_scope(contract.scope, contract.protect)
    found = [
        p for p in untracked(repo, index_of(repo, tree, indexes)) if scope.covers(p.rstrip("/"))
    ]
    if found:
        raise AutoresearchError(
            f"{len(found)} untracked files are in scope: {clean_line(', '.join(found[:5]))}",
            code="untracked_in_scope",
            hint="Commit, ignore or move them: they would be taken for an experiment.",
        )
