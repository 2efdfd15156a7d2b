"""What waits for its user in a working tree: an operation of git's, a conflict in its index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.edges.gitrepo import to_text

if TYPE_CHECKING:
    from autoresearch.edges.gitrepo import GitRepo

UNDER_WAY = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply/applying": "patch",
    "rebase-apply": "rebase",
    "BISECT_LOG": "bisection",
}
"""What git leaves in its folder while an operation waits for its user."""

ENDED_BY = {
    "rebase": "`git rebase --abort` takes it back.",
    "patch": "`git am --abort` takes it back.",
    "bisection": "`git bisect reset` ends it.",
}


def under_way(repo: GitRepo) -> str | None:
    """The operation that waits for its user, in a word; None where there is none."""
    return next((what for name, what in UNDER_WAY.items() if (repo.git_dir / name).exists()), None)


def ended_by(what: str) -> str:
    """How an operation that is under way is ended without a commit, in a sentence."""
    both = f"`git {what} --abort` takes it back, `git {what} --quit` ends it and leaves the files."
    return ENDED_BY.get(what, both)


def unmerged(repo: GitRepo) -> list[str]:
    """The paths that the user's index holds in conflict, sorted."""
    listed = to_text(repo.run("ls-files", "-u", "-z").out).split("\0")[:-1]
    return sorted({line.split("\t", 1)[1] for line in listed})
