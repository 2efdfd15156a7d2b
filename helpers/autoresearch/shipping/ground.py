"""What a session's branches are built on: the commits, the evaluator, and whether all is sound."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from autoresearch.core import formatting
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import Validated
from autoresearch.core.snapshot import Entry, TreeMap, differing_paths, with_changes
from autoresearch.edges import gitrefs
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.loop.bench import Bench
from autoresearch.loop.session import Session
from autoresearch.loop.settle import merge_change

FETCH_ALL = "`git fetch --unshallow` brings it; then repeat the command."


class Ground(NamedTuple):
    """What the branches of a session stand on.

    Attributes:
        base: the commit that the stacks stand on, `tree` its files.
        tip: the session's incumbent.
        moved: whether the base is another than the session's.
        validation: of the tip; None where it was never validated.
        old, new: what the session's protected files were at its base and are now, as far as they
            differ: what measures is laid over every tree that is measured.
    """

    repo: GitRepo
    base: str
    tree: TreeMap
    tip: str
    moved: bool
    validation: Validated | None
    old: dict[str, Entry]
    new: dict[str, Entry]

    def measured(self, tree: TreeMap) -> TreeMap:
        """A tree with what measures laid over it; what was committed stays without it."""
        merged = merge_change(self.repo, self.old, self.new, tree)
        if merged.conflicts:
            named = clean_line(", ".join(merged.conflicts[:5]))
            raise AutoresearchError(
                f"what measures was changed on both sides: {named}",
                code="evaluator_conflict",
                hint="Merge the new base into a session of its own, or leave out `--onto`.",
            )
        return with_changes(tree, merged.changes)

    def same_on(self, bench: Bench, tree: TreeMap, say: Callable[[str], None]) -> str | None:
        """The hash of what `same` prints on a tree; None without `same`."""
        if bench.contract.same is None:
            return None
        say("same on the new base")
        built = bench.bring(bench.slots[2], self.measured(tree), label="ship-base")
        result, outcome = bench.command(built, bench.contract.same, label="ship-base-same")
        if not result.passed or outcome.stdout_truncated:
            raise AutoresearchError(
                "`same` fails on the new base", code="same_failed", hint="Mend it there first."
            )
        return hashlib.sha256(outcome.stdout).hexdigest()


def ground_of(session: Session, onto: str | None, *, unvalidated: bool) -> Ground:
    """The ground of a session's branches.

    Raises:
        AutoresearchError: something about repository or session forbids it; nothing was changed.
    """
    repo, progress = session.repo, session.progress
    tip, first = progress.incumbent_commit, progress.opened.base
    _require_whole(repo, first)
    _require_own_branch(session)
    validation = progress.validation
    if validation is not None and validation.last != tip:
        validation = None
    if validation is None and not unvalidated:
        why = "was never validated" if progress.validation is None else "moved on since validated"
        raise AutoresearchError(
            f"{session.short_branch} {why}",
            code="not_validated",
            hint="`autoresearch validate` first; or `finalize --unvalidated`, and every text says "
            "that it was not.",
        )
    base = first if onto is None else _resolved(repo, onto, first)
    _tell_of_others(session, base)
    began, now, covers = session.tree(first), session.tree(tip), session.scope.covers
    paths = [path for path in differing_paths(began, now) if not covers(path)]
    return Ground(
        repo=repo,
        base=base,
        tree=session.tree(base),
        tip=tip,
        moved=base != first,
        validation=validation,
        old={path: began[path] for path in paths if path in began},
        new={path: now[path] for path in paths if path in now},
    )


def _require_whole(repo: GitRepo, first: str) -> None:
    """Make sure that the session's base is here, and its files."""
    if repo.resolve(first) is None:
        raise AutoresearchError(
            f"the session's base {first[:12]} is not in this repository"
            + (", which is a shallow clone" if is_shallow(repo) else ""),
            code="shallow" if is_shallow(repo) else "lost_commit",
            hint=FETCH_ALL if is_shallow(repo) else "Fetch it from where it was pushed to.",
        )


def is_shallow(repo: GitRepo) -> bool:
    """Whether the history was cut off when the repository was cloned."""
    return (repo.common_dir / "shallow").is_file()


def is_ancestor(repo: GitRepo, one: str, other: str) -> bool:
    """Whether one commit is the other, or leads to it."""
    return repo.run("merge-base", "--is-ancestor", one, other, check=False).code == 0


def _require_own_branch(session: Session) -> None:
    """Make sure that the branch holds what the log says, and nothing else."""
    repo, progress = session.repo, session.progress
    tip, short = progress.incumbent_commit, session.short_branch
    there = gitrefs.at(repo, session.branch)
    if there is not None and there != tip:
        count = repo.run("rev-list", "--count", f"{tip}..{there}", "--").out.strip()
        merges = repo.run("rev-list", "--count", "--merges", f"{tip}..{there}", "--").out.strip()
        what = f"{count.decode()} commits that no experiment made"
        raise AutoresearchError(
            f"{short} holds {what}, {merges.decode()} of them merges",
            code="branch_moved",
            hint=f"Keep them elsewhere (`git branch mine {short}`), then `git branch -f {short} "
            f"{tip[:12]}`; for a base that moved there is `finalize --onto REV`.",
        )
    if not is_ancestor(repo, progress.opened.base, tip):
        raise AutoresearchError(
            f"the session's base {progress.opened.base[:12]} does not lead to its tip {tip[:12]}",
            code="not_ancestor",
            hint=FETCH_ALL
            if is_shallow(repo)
            else "`autoresearch doctor` says what was rewritten.",
        )


def _resolved(repo: GitRepo, onto: str, first: str) -> str:
    found = repo.resolve(onto)
    if found is None:
        raise AutoresearchError(
            f"there is no commit {clean_line(onto, 80)} here",
            code="no_revision",
            hint=FETCH_ALL if is_shallow(repo) else "Check the name, or fetch it.",
        )
    if repo.run("merge-base", first, found, check=False).code != 0:
        raise AutoresearchError(
            f"{clean_line(onto, 80)} has no history in common with the session's base",
            code="not_related",
            hint=FETCH_ALL if is_shallow(repo) else "Name a commit of the same project.",
        )
    return found


def _tell_of_others(session: Session, base: str) -> None:
    """Tell of edits that no branch will hold, and of a start branch that moved on."""
    repo = session.repo
    if gitrefs.head(repo).branch == session.branch:
        edited = session.walk().differing(session.incumbent_tree, session.overrides)
        if edited:
            named = clean_line(", ".join(sorted(edited)[:3]))
            session.news.append(f"edits in the working tree are in no branch: {named}")
    start = session.progress.opened.start_branch
    there = None if start is None else gitrefs.at(repo, start)
    if start is None or there is None or there == base or not is_ancestor(repo, base, there):
        return
    count = int(repo.run("rev-list", "--count", f"{base}..{there}", "--").out)
    short = start.removeprefix("refs/heads/")
    session.news.append(
        f"{short} has moved on by {formatting.count(count, 'commit')} since the base; "
        f"`finalize --onto {short}` rebuilds on it and races again"
    )
