"""What may not change while a candidate runs: git's set-up, our branch, HEAD, protected files.

Where a program could have changed it, it cannot be told from a human: it is never a keep. What is
ours is put back, and what was found is kept. Where a sandbox shut the programs out, git's set-up
is left to humans, and a branch or HEAD that moved is put back but charged to no candidate.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError, GitError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.edges import dotgit, gitdiff, gitrefs
from autoresearch.edges.files import atomic_write
from autoresearch.loop.session import (
    CONTRACT_FILE,
    SESSION_FILE,
    environment_hash,
    frozen_contract,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from autoresearch.core.snapshot import CandidatePlan
    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.loop.session import Session

GONE = "repository_gone"


class Ground(NamedTuple):
    """What is there before a candidate runs.

    Attributes:
        git: config, hooks and info; None where no program can reach them.
        parent: the incumbent, where the session's branch is.
        candidate: the commit under test.
        number: of the experiment.
    """

    git: Mapping[Path, dotgit.Kept] | None
    parent: str
    candidate: str
    number: int


def look(session: Session, number: int, parent: str, candidate: str, *, shut_out: bool) -> Ground:
    """Write down what must stay as it is; git's set-up durably, for nothing else remembers it.

    Args:
        session: open for writing.
        number: of the experiment.
        parent: the incumbent's commit.
        candidate: the commit under test.
        shut_out: whether a sandbox keeps all programs from the repository.
    """
    if shut_out:
        return Ground(None, parent, candidate, number)
    git = dotgit.capture(session.repo)
    dotgit.store(session.repo, git, session.places.git_setup)
    return Ground(git, parent, candidate, number)


def put_back(session: Session, ground: Ground) -> tuple[str, ...]:
    """Restore what is ours, and tell where the rest is; the names of what may be the candidate's.

    A protected file that was edited in the user's tree is named and left: it may be their work.
    Repeating it is harmless.

    Raises:
        GitError: `repository_gone`.
        AutoresearchError: as the disk refuses.
    """
    _require_there(session.repo, session.repo.common_dir)
    touched: tuple[str, ...] = ()
    if ground.git is not None:
        found = dotgit.put_back(
            session.repo, ground.git, _aside(session, f"git-{ground.number:04d}")
        )
        touched = found.names
        if touched:
            session.news.append(f"{_named(touched)} changed while it ran: {_kept_at(found)}")
    _require_there(session.repo, session.repo.toplevel)
    strayed = _strayed(session, ground.parent)
    moved = _refs_put_back(session, ground, moved_on=bool(strayed))
    session.places.git_setup.unlink(missing_ok=True)
    if ground.git is not None:
        return (*touched, *moved, *strayed)
    elsewhere = gitrefs.head(session.repo).branch != session.branch
    return () if elsewhere else strayed


def put_back_after(session: Session, ground: Ground, error: BaseException) -> None:
    """Restore what is ours after an error, which stays what the caller is told."""
    try:
        put_back(session, ground)
    except (AutoresearchError, OSError) as second:
        if isinstance(error, AutoresearchError) and getattr(second, "code", "") == GONE:
            raise second from error
        session.news.append(
            f"what changed while it ran is not all put back: {clean_line(str(second))}; "
            "the next command does that"
        )


def put_back_interrupted(session: Session) -> str:
    """Restore git's set-up after a kill in the middle of a race; what was done, or empty."""
    file = session.places.git_setup
    git = dotgit.stored(session.repo, file)
    told = ""
    if git is not None:
        found = dotgit.put_back(session.repo, git, _aside(session, "git"))
        if found.names:
            told = (
                f"{_named(found.names)} changed since an experiment began that was interrupted, "
                f"whose program may have done it: {_kept_at(found)}"
            )
    file.unlink(missing_ok=True)
    return told


def _aside(session: Session, name: str) -> Path:
    return session.places.state / "set-aside" / name


def _named(names: tuple[str, ...]) -> str:
    more = len(names) - len(names[:5])
    return clean_line(", ".join(names[:5])) + (f" and {more} more" if more else "")


def _kept_at(found: dotgit.PutBack) -> str:
    where = "" if found.aside is None else f"; what was found is kept in {found.aside}"
    return clean_line(f"put back as before{where}")


def _require_there(repo: GitRepo, folder: Path) -> None:
    """Make sure that nothing is made, or charged to anybody, where the repository was."""
    if not folder.is_dir():
        raise GitError(
            f"{repo.toplevel}, or its .git, was moved or removed while an experiment ran",
            code=GONE,
            hint="Run `autoresearch recover` where it is now, and repeat the experiment.",
        )


def _strayed(session: Session, parent: str) -> tuple[str, ...]:
    """Tracked files outside the scope that changed in the user's tree."""
    covers = session.scope.covers
    found = session.walk().differing(session.tree(parent), session.overrides)
    return tuple(sorted(path for path in found if not covers(path)))


def _refs_put_back(session: Session, ground: Ground, *, moved_on: bool) -> tuple[str, ...]:
    """Our branch and the candidate's ref where they were, and HEAD unless somebody moved on.

    A human who switches to another branch changes files with it, the contract at least; then HEAD
    is theirs. Commits that stood on the branch are kept under a ref.
    """
    repo, branch = session.repo, session.branch
    touched = []
    for ref, wanted in ((branch, ground.parent), (session.ref(ground.number), ground.candidate)):
        there = gitrefs.at(repo, ref)
        if there == wanted:
            continue
        kept = move_back(session, ground.number, ref, wanted, there)
        told = f"was moved to {kept[-12:]}, which is kept as {kept}," if kept else "was deleted"
        session.news.append(f"{clean_line(ref)} {told} while it ran: put back")
        touched.append(ref)
    head = gitrefs.head(repo)
    if not moved_on and head.branch != branch:
        gitrefs.set_head(repo, branch, "autoresearch: put back")
        where = head.branch or f"the commit {head.commit}"
        session.news.append(f"HEAD was moved to {clean_line(where)} while it ran: put back")
        touched.append("HEAD")
    return tuple(touched)


def move_back(session: Session, number: int, ref: str, wanted: str, there: str | None) -> str:
    """Put a ref where it belongs; the ref that keeps what it was at (None: nothing), or empty.

    Args:
        session: open for writing.
        number: of the experiment at which it is found.
        ref: the full name.
        wanted: a commit that is there.
        there: what the ref is at.
    """
    updates = [gitrefs.RefUpdate(ref, wanted, there)]
    kept = "" if there is None else f"{session.refs_of('set-aside')}{number:04d}-{there[:12]}"
    if kept and gitrefs.at(session.repo, kept) is None:
        updates.append(gitrefs.RefUpdate(kept, there, None))
    gitrefs.update_refs(session.repo, updates, "autoresearch: put back")
    return kept


def require_frozen_terms(session: Session) -> None:
    """Contract and environment must be those that the log names; an edited contract is put back."""
    _require_environment(session)
    progress, places = session.progress, session.places
    found = places.contract.read_bytes()
    if progress.contract_sha256 in {None, hashlib.sha256(found).hexdigest()}:
        return
    entry = session.tree(progress.incumbent_commit).get(CONTRACT_FILE)
    logged = b"" if entry is None else session.repo.blob(entry.oid)
    if hashlib.sha256(logged).hexdigest() != progress.contract_sha256:
        raise SessionBroken(
            f"the frozen contract {places.contract} is not the one that the log names",
            code="contract_edited",
            hint="Copy autoresearch.yaml of the epoch's commit there; `autoresearch log` is safe.",
        )
    aside = places.state / "set-aside" / f"contract-{hashlib.sha256(found).hexdigest()[:12]}.yaml"
    aside.parent.mkdir(exist_ok=True, mode=0o700)
    atomic_write(aside, found, mode=0o600)
    atomic_write(places.contract, logged, mode=0o600)
    session.contract = frozen_contract(places, checks_guard=session.file.checks_guard)
    session.news.append(f"the frozen contract was edited; it is put back, the edit is {aside.name}")


def _require_environment(session: Session) -> None:
    epoch = session.progress.epoch
    known = "" if epoch is None else epoch.environment_sha256
    if known and known != environment_hash(session.file.environment):
        raise SessionBroken(
            "the frozen environment is not the one that the log names",
            code="environment_edited",
            hint=f"Bring {session.places.state / SESSION_FILE} back from a backup, or start anew.",
        )


def meanwhile(session: Session, plan: CandidatePlan) -> tuple[str, ...]:
    """Files in scope that are no longer what was captured: somebody is working on them."""
    walk = session.walk()
    return tuple(
        change.path for change in plan.changes if not walk.same(walk.at(change.path), change.found)
    )


def require_frozen(session: Session, incumbent: str, epoch: str) -> None:
    """The incumbent's protected files must be those of the epoch's commit."""
    covers = session.scope.covers
    differing = [
        path
        for _, path in gitdiff.changed_paths(session.repo, epoch, incumbent)
        # The frozen copy of the contract counts, and a new budget is no new epoch.
        if path != CONTRACT_FILE and not covers(path)
    ]
    if differing:
        raise SessionBroken(
            f"protected files differ from the epoch's: {', '.join(differing[:5])}",
            code="not_frozen",
            hint="A human adopts them with `autoresearch amend`.",
        )
