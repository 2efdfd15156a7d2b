"""What may not change while a candidate runs: git's set-up, our branch, HEAD, protected files.

Where a program could have changed it, it cannot be told from a human: it is never a keep. What is
ours is put back, and what was found is kept. Where a sandbox shut the programs out, git's set-up
is left to humans, and a branch or HEAD that moved is put back but charged to no candidate.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from autoresearch.core.errors import AutoresearchError, CorruptLogError, GitError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.core.limits import limits_again, recompute
from autoresearch.core.model import Reason, Verdict
from autoresearch.core.pruning import Survey, survey
from autoresearch.core.records import Epoch, Experiment, Record, Undo
from autoresearch.core.snapshot import CandidatePlan
from autoresearch.edges import dotgit, gitdiff, gitrefs
from autoresearch.edges.files import OURS, atomic_write
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.gitwrite import locks_of
from autoresearch.edges.lock import Lock
from autoresearch.loop import logbook
from autoresearch.loop.session import (
    CONTRACT_FILE,
    SESSION_FILE,
    Session,
    environment_hash,
    frozen_contract,
)
from autoresearch.loop.settle import behind

GONE = "repository_gone"


class GitBefore(NamedTuple):
    """What is there before a candidate runs.

    Attributes:
        git: config, hooks and info; None where no program can reach them.
    """

    git: Mapping[Path, dotgit.Kept] | None
    parent: str
    candidate: str | None
    number: int


def look(
    session: Session, parent: str, *, shut_out: bool, candidate: str | None = None, number: int = 0
) -> GitBefore:
    """Write down what must stay as it is; git's set-up durably, for nothing else remembers it."""
    git = None if shut_out else dotgit.capture(session.repo)
    if git is not None:
        dotgit.store(session.repo, git, session.places.git_setup)
    return GitBefore(git, parent, candidate, number)


def put_back(session: Session, ground: GitBefore) -> tuple[str, ...]:
    """Restore what is ours, and tell where the rest is; the names of what may be the candidate's.

    A protected file that was edited in the user's tree is named and left: it may be their work.
    Repeating it is harmless.
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


def put_back_after(session: Session, ground: GitBefore, error: BaseException) -> None:
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


def _refs_put_back(session: Session, ground: GitBefore, *, moved_on: bool) -> tuple[str, ...]:
    """Our branch and the candidate's ref where they were, and HEAD unless somebody moved on.

    A human who switches to another branch changes files with it, the contract at least; then HEAD
    is theirs. Commits that stood on the branch are kept under a ref.
    """
    repo, branch = session.repo, session.branch
    touched = []
    wanted_at = {branch: ground.parent}
    if ground.candidate is not None:
        wanted_at[session.ref(ground.number)] = ground.candidate
    for ref, wanted in wanted_at.items():
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
    """Put a ref where it belongs; the ref that keeps what it was at (None: nothing), or empty."""
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


RECOVER = "Run `autoresearch recover`."
FETCH = (
    "Their commits are not in this repository: fetch refs/autoresearch/* from where they were "
    "pushed to, or from a backup; what is nowhere else is lost."
)


class Diagnosis(NamedTuple):
    """One thing looked at: whether it is fine, in words, and the remedy where it is not."""

    fine: bool
    text: str
    remedy: str


def finding(fine: bool, text: str, remedy: str) -> Diagnosis:
    """A finding; the remedy only where one is needed."""
    return Diagnosis(fine, text, "" if fine else remedy)


def good(text: str) -> Diagnosis:
    """A finding that is fine."""
    return Diagnosis(fine=True, text=text, remedy="")


def error_of(bad: Sequence[Diagnosis]) -> dict[str, object]:
    """What `--json` says of findings that are not fine: the first one as the error."""
    if not bad:
        return {}
    return {"error": {"code": "findings", "message": bad[0].text, "hint": bad[0].remedy}}


def invariants(session: Session) -> Iterator[Diagnosis]:
    """Every invariant of a session, in a fixed order; for whom it does not suffice to be told.

    Nothing is changed. While another command is at work only what holds all the time is looked at.
    """
    there = session.places.state.is_dir()
    yield finding(
        there,
        f"state: {session.places.state}{'' if there else ' is gone'}",
        "Restore it from a backup.",
    )
    owner = Lock(session.places.lock).holder()
    busy = owner is not None and owner.pid != os.getpid()
    try:
        records = _records(session)
        if not busy:
            logbook.require_newest(session)
    except (CorruptLogError, SessionBroken) as error:
        yield Diagnosis(fine=False, text=error.message, remedy=error.hint)
        return
    yield good(f"log: {len(records)} lines, every hash fits the line before")
    yield _numbers(records)
    if owner is not None and busy:
        yield good(f"at work: {owner.described()}; what it has under way is not looked at")
        yield from _tree(session)
        return
    yield from _branch(session, records)
    yield from _refs(session, records)
    yield from _steps(session)
    yield from _tree(session)
    yield from _leftovers(session)


def _steps(session: Session) -> Iterator[Diagnosis]:
    """The step in progress, and what is written after the last one."""
    half = session.places.journal.exists()
    text = "a command was interrupted, a step is half done" if half else ""
    yield _leftover("journal", text, "", "no step is half done")
    stale = logbook.disagreements(session)
    text = f"not as written: {', '.join(stale)}" if stale else ""
    yield _leftover("copies", text, "What was edited is set aside, not lost.", "as the log says")


def _records(session: Session) -> list[Record]:
    log = session.index.log
    log.verify_chain(session.index.position)
    return [entry.record for entry in log.records()]


def _numbers(records: list[Record]) -> Diagnosis:
    """Experiments from 1 without gap or double."""
    numbers = [record.number for record in records if isinstance(record, Experiment)]
    whole = numbers == list(range(1, len(numbers) + 1))
    return finding(
        whole,
        f"experiments: {len(numbers)}, numbered {'without gap' if whole else 'with gaps or twice'}",
        "The log was written by something else: bring it back from a copy.",
    )


def _branch(session: Session, records: list[Record]) -> Iterator[Diagnosis]:
    head, incumbent = gitrefs.head(session.repo), session.progress.incumbent_commit
    short = session.short_branch
    at = gitrefs.refs(session.repo, session.branch).get(session.branch)
    yield finding(
        at is not None and at.oid == incumbent,
        f"branch: {short} is at {'nothing' if at is None else at.oid[:12]}, "
        f"the incumbent is {incumbent[:12]}",
        f"`git update-ref {session.branch} {incumbent}` restores it; look what is there first."
        if at is not None
        else RECOVER,
    )
    made = _made(records)
    # Whatever lies between was taken in by a human: each of ours names all before it by its hash.
    found = [oid for oid in _commits(session, incumbent) if oid in set(made)]
    yield finding(
        found == made,
        f"commits: {len(made)} on the branch, as the log has them"
        if found == made
        else f"commits: the log made {len(made)}, the branch holds others",
        "Somebody rewrote the branch: `git reflog` shows what it was.",
    )
    here = head.branch == session.branch
    yield finding(
        here,
        f"HEAD: on {head.branch or 'no branch'}{'' if here else f', not on {short}'}",
        f"`git switch {short}`",
    )


def _made(records: list[Record]) -> list[str]:
    """The commits that the log says the branch got, newest first."""
    made: list[str] = []
    for record in records:
        if isinstance(record, Experiment) and record.verdict is not Verdict.KEEP:
            continue
        if isinstance(record, Experiment | Undo | Epoch):
            made.append(record.commit)
    return list(dict.fromkeys(reversed(made)))


def _commits(session: Session, tip: str) -> list[str]:
    """The session's commits from `tip` back, in the order of first parents."""
    since = f"^{session.progress.opened.base}"
    done = session.repo.run("rev-list", "--first-parent", tip, since, "--", check=False)
    return done.out.decode("ascii").split()


class Astray(NamedTuple):
    """A candidate whose ref is not at its commit; what it is at, None where it is gone."""

    number: int
    commit: str
    there: str | None


def astray(session: Session, found: Survey, refs: Mapping[str, gitrefs.Ref]) -> list[Astray]:
    """The candidates whose refs are not as the log has them, but for those that `gc` removed."""
    at = {known: refs.get(session.ref(known.number)) for known in found.tried}
    return [
        Astray(known.number, known.commit, None if ref is None else ref.oid)
        for known, ref in at.items()
        if (known.number not in found.pruned if ref is None else ref.oid != known.commit)
    ]


def _refs(session: Session, records: list[Record]) -> Iterator[Diagnosis]:
    """Every experiment's commit under a ref of its own, but for those that `gc` removed."""
    refs = gitrefs.refs(session.repo, session.refs_of("exp"))
    found = survey(records)
    wrong = astray(session, found, refs)
    gone = {known.number for known in found.tried if session.ref(known.number) not in refs}
    missing = sorted(it.number for it in wrong if it.there is None)
    moved = [it.number for it in wrong if it.there is not None]
    yield finding(
        not wrong,
        f"refs: {len(found.tried) - len(gone) - len(moved)} candidates kept"
        + (f", {len(gone & found.pruned)} pruned by gc" if gone & found.pruned else "")
        + (f", missing {missing[:5]}" if missing else "")
        + (f", not what was tried {moved[:5]}" if moved else ""),
        f"{RECOVER} It makes them again."
        if any(session.repo.resolve(it.commit) for it in wrong)
        else FETCH,
    )


def _tree(session: Session) -> Iterator[Diagnosis]:
    differing = sorted(session.walk().differing(session.incumbent_tree, session.overrides))
    outside = [path for path in differing if not session.scope.covers(path)]
    inside = len(differing) - len(outside)
    yield good(f"tree: {inside} files in scope differ from the incumbent")
    named = clean_line(", ".join(outside[:5]))
    yield finding(
        not outside,
        f"protected files: {f'edited: {named}' if outside else 'as frozen'}",
        "`autoresearch drop --outside` puts them back, `amend` adopts them.",
    )


def _leftovers(session: Session) -> Iterator[Diagnosis]:
    """Processes, lock files and half-written files of a command that died."""
    places = session.places
    stray = sorted(Lock(places.lock).left_running() | Lock(places.measure_lock).left_running())
    text = f"left running: {stray[:5]}" if stray else ""
    yield _leftover("processes", text, "It ends them.", "none left running")
    held = ", ".join(map(str, [*locks_of(session.repo, session.name, session.branch)][:3]))
    text = f"held: {clean_line(held)}" if held else ""
    yield _leftover("git's locks", text, "It sets them aside unless a git is at work.")
    text = f"left in {clean_line(str(places.run))}" if places.run.exists() else ""
    yield _leftover("folders of a run", text, "It removes them.")
    late = clean_line(", ".join(behind(session)[:5]))
    text = f"staged as an earlier incumbent had it: {late}" if late else ""
    yield _leftover("git's index", text, "It brings it up to date.", "up to date")
    halves = clean_line(", ".join(map(str, sorted(half_written(session))[:3])))
    yield _leftover("half-written files", halves, "It removes them.")


def _leftover(what: str, found: str, remedy: str, none: str = "none") -> Diagnosis:
    return finding(not found, f"{what}: {found or none}", f"{RECOVER} {remedy}".rstrip())


def half_written(session: Session) -> Iterator[Path]:
    """Temporary files of ours that nobody moved to their place."""
    places = session.places
    for folder in (places.state, places.output, places.raw, session.repo.toplevel):
        yield from folder.glob(f"{OURS}*")


def broken(session: Session) -> tuple[str, ...]:
    """The invariants that do not hold, in words; empty when all is well."""
    return tuple(found.text for found in invariants(session) if not found.fine)


def is_reproduced(record: Experiment) -> bool:
    """Whether the recorded samples lead to the recorded decision again, limits included."""
    race = record.race
    if race is None:
        return record.verdict in {Verdict.CRASH, Verdict.VIOLATION}
    try:
        decision, limits = recompute(race), limits_again(race, record.limits)
    except ValueError:  # runs are missing from the record
        return False
    same = decision.ended and decision.effect == record.effect and limits == record.limits
    if not same or record.verdict is Verdict.VIOLATION:
        return same
    if not decision.keep:
        return decision.reason is record.reason
    # Limits, guard and `same` only speak once the race said keep.
    within = all(limit.held for limit in limits)
    untold = {Reason.WORSE, Reason.NOT_BETTER, Reason.UNDECIDED}
    return record.reason not in untold and within is (record.reason is not Reason.LIMITS)
