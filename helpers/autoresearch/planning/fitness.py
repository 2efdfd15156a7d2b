"""Whether a contract fits a tree: what can be told without running anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autoresearch.core.contract import commands_of
from autoresearch.core.errors import AutoresearchError, GateFailed
from autoresearch.core.formatting import clean_line
from autoresearch.core.scope import compile_scope
from autoresearch.core.snapshot import GITLINK_MODE
from autoresearch.edges.gitrepo import object_id
from autoresearch.edges.worktree import with_crlf
from autoresearch.loop.logbook import DOCUMENT, LOG_COPY
from autoresearch.loop.session import CONTRACT_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from autoresearch.core.contract import Contract
    from autoresearch.core.snapshot import Entry, TreeMap
    from autoresearch.edges.gitrepo import GitRepo

_PATH_CHARS = r"[^\s'\";|&<>()`$]*"


def require_fitting(
    repo: GitRepo,
    contract: Contract,
    tree: TreeMap,
    overrides: Mapping[str, Entry | None],
    below: str = "",
) -> None:
    """Make sure that the contract can be worked with in this tree.

    Args:
        repo: the repository.
        contract: to be judged.
        tree: the commit's files, the contract's own included.
        overrides: where the working tree rightly differs from it.
        below: the folder the caller is in, relative to the root; for hints.

    Raises:
        AutoresearchError: `tracked_copy`, `link_missing`.
        GateFailed: `scope_empty`, `scope_all`, `scope_odd`, `absolute_path`.
    """
    for name in (DOCUMENT, LOG_COPY):
        if name in tree:
            raise AutoresearchError(
                f"{name} is tracked by git, but the session writes its own file there",
                code="tracked_copy",
                hint=f"Rename it, or `git rm --cached {name}` and commit.",
            )
    scoped = scoped_paths(contract, tree, below)
    _require_plain(repo, tree, overrides, scoped)
    _require_links(repo.toplevel, contract)
    _require_relative(repo.toplevel, contract, tree)


def scoped_paths(contract: Contract, tree: TreeMap, below: str = "") -> tuple[str, ...]:
    """The tracked files in scope.

    Raises:
        GateFailed: there is none, or there is no other.
    """
    scope = compile_scope(contract.scope, contract.protect)
    scoped = tuple(path for path in tree if scope.covers(path))
    patterns = ", ".join(contract.scope)
    if not scoped:
        raise GateFailed(
            f"the scope ({clean_line(patterns)}) matches none of {len(tree)} tracked files",
            code="scope_empty",
            hint=_remedy_for_empty(contract, tree, below),
        )
    if all(scope.covers(path) or path == CONTRACT_FILE for path in tree):
        raise GateFailed(
            f"the scope ({clean_line(patterns)}) covers all {len(scoped)} tracked files, "
            "including those that verify measures with",
            code="scope_all",
            hint="Name only the files to be improved, or exclude others with `protect`.",
        )
    return scoped


def _remedy_for_empty(contract: Contract, tree: TreeMap, below: str) -> str:
    from_root = "Patterns are relative to the repository's root"
    if below:
        moved = [f"{below}/{pattern}" for pattern in contract.scope]
        scope = compile_scope(moved, contract.protect)
        if any(scope.covers(path) for path in tree):
            return f"{from_root}, not to {clean_line(below)}: {clean_line(', '.join(moved))}."
    return f"{from_root}: name folders or globs, such as `src/**/*.py`. Is everything committed?"


def _require_plain(
    repo: GitRepo, tree: TreeMap, overrides: Mapping[str, Entry | None], scoped: tuple[str, ...]
) -> None:
    """Submodules and files behind a filter cannot be changed by an experiment."""
    odd = [path for path in scoped if tree[path].mode == GITLINK_MODE]
    if odd:
        raise GateFailed(
            f"a submodule is in scope: {clean_line(odd[0])}",
            code="scope_odd",
            hint="Exclude it with `protect`, or run the session inside the submodule.",
        )
    filtered = [p for p in scoped if p in overrides and _is_filtered(repo, tree[p], overrides[p])]
    if filtered:
        raise GateFailed(
            f"git stores {clean_line(filtered[0])} in another form than the checked-out one (a "
            "filter such as LFS, or a sparse checkout)",
            code="scope_odd",
            hint="Exclude such files with `protect`.",
        )


def _is_filtered(repo: GitRepo, stored: Entry, there: Entry | None) -> bool:
    """Whether the difference is more than line endings, which the helper converts itself."""
    if there is None:
        return True
    return object_id(repo.object_format, with_crlf(repo.blob(stored.oid))) != there.oid


def _require_links(toplevel: Path, contract: Contract) -> None:
    missing = [link for link in contract.link if not (toplevel / link).is_dir()]
    if missing:
        raise AutoresearchError(
            f"`link` names {clean_line(missing[0])}, which is not a folder in {toplevel}",
            code="link_missing",
            hint="Create it first (for example by installing), or use `setup` instead of `link`.",
        )


def _require_relative(toplevel: Path, contract: Contract, tree: TreeMap) -> None:
    """No command may name a tracked file of the user's tree by an absolute path.

    It would be measured where it lies: outside the checkout, and not frozen. What git does not
    track there, such as the Python of a virtual environment, may be named.
    """
    for key, text in _terms(contract):
        for path in _named_below(toplevel, text):
            if not path or path in tree or any(known.startswith(f"{path}/") for known in tree):
                relative = path or "."
                raise GateFailed(
                    f"`{key}` names {clean_line(str(toplevel / path))}: that is your working "
                    "tree, not the bench checkout that is measured",
                    code="absolute_path",
                    hint=f"Write it relative to the repository's root: `{clean_line(relative)}`.",
                )


def _terms(contract: Contract) -> Iterator[tuple[str, str]]:
    yield from (one for one in commands_of(contract) if one[0] != "holdout")
    for name, value in contract.env:
        yield f"env.{name}", value


def _named_below(toplevel: Path, text: str) -> Iterator[str]:
    """The paths below `toplevel` that a text names, relative to it; "" for the folder itself."""
    for root in {str(toplevel), str(toplevel.resolve())}:
        for found in re.finditer(rf"{re.escape(root)}(?![\w.-])(/{_PATH_CHARS})?", text):
            path = (found[1] or "").split(":", 1)[0]
            yield "/".join(part for part in path.split("/") if part not in {"", "."})
