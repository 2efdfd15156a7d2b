"""The linked working tree of `init --worktree`: where it may lie, and how it is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.edges.files import named_errors, remove_tree
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.gitwrite import exclude
from autoresearch.edges.worktree import Walk, untracked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autoresearch.core.snapshot import TreeMap


def require_free(repo: GitRepo, path: Path) -> None:
    """Make sure that a linked working tree can be made at an absolute path."""
    shown = clean_line(str(path))
    if path.exists() or path.is_symlink():
        raise AutoresearchError(
            f"{shown} already exists",
            code="path_exists",
            hint="Name a folder that does not exist yet: git creates it.",
        )
    if not path.parent.is_dir():
        raise AutoresearchError(
            f"the folder {clean_line(str(path.parent))} does not exist",
            code="no_parent",
            hint="Create it first, or name another place.",
        )
    real = path.parent.resolve() / path.name
    if real.is_relative_to(repo.toplevel.resolve()) and not _is_ignored(repo, real):
        raise AutoresearchError(
            f"{shown} is inside the working tree {repo.toplevel} and not ignored there",
            code="path_inside",
            hint="Name a folder beside it, such as `--worktree ../night`.",
        )


def _is_ignored(repo: GitRepo, path: Path) -> bool:
    # It refuses to work under the literal pathspecs that are pinned, and takes none but literal.
    literal = {"GIT_LITERAL_PATHSPECS": "0"}
    command = ("check-ignore", "-q", "--no-index", str(path))
    return repo.run(*command, env=literal, check=False).code == 0


def bring_links(repo: GitRepo, toplevel: Path, links: Iterable[str]) -> None:
    """Let the new working tree share the ignored folders that the contract links to.

    They hold what was installed, which git does not check out; without them neither the bench
    checkouts nor whoever works there would find it.
    """
    for link in links:
        target = toplevel / link
        with named_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(repo.toplevel / link, target_is_directory=True)
    with GitRepo.open(toplevel) as there:
        # `node_modules/` in .gitignore means a folder, which a link to one is not.
        exclude(there, [f"/{link}" for link in links if not _is_ignored(there, toplevel / link)])


def remove_unfinished(repo: GitRepo, path: Path, tree: TreeMap, links: Iterable[str]) -> None:
    """Remove a linked working tree that an `init` began to make; it may be half written."""
    admin = [
        folder
        for folder in sorted((repo.common_dir / "worktrees").glob("*"))
        if _content(folder / "gitdir").strip() == str(path / ".git")
    ]
    if path.exists():
        foreign = _foreign(path, tree, set(links)) if admin else ()
        if foreign:
            raise AutoresearchError(
                f"{clean_line(str(path))} was left by an interrupted init and contains "
                f"{clean_line(foreign[0])}",
                code="worktree_used",
                hint=(
                    "Move what you need out of it, then remove it with `git worktree remove "
                    "--force`."
                ),
            )
        remove_tree(path)
    for folder in admin:
        remove_tree(folder)


def _foreign(path: Path, tree: TreeMap, links: set[str]) -> tuple[str, ...]:
    """Files that are neither as checked out nor missing."""
    if not (path / ".git").is_file() or len(list(path.iterdir())) == 1:
        return ()  # git had not begun to check out
    with GitRepo.open(path) as there:
        scratch = there.git_dir / "autoresearch"
        listed = untracked(there, there.tree("HEAD"))
        found = Walk(there, scratch / "stat").differing(tree, {})
        edited = [name for name, here in found.items() if here.entry is not None]
        return (*(name for name in listed if name not in links), *edited)


def _content(path: Path) -> str:
    return path.read_text("utf-8", "surrogateescape") if path.is_file() else ""
