"""What must hold of a session whenever no command is at work: looked at by one function.

`doctor` prints it, `recover` ends with it, and the tests ask it after every kill.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import CorruptLogError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Verdict
from autoresearch.core.pruning import survey
from autoresearch.core.records import Epoch, Experiment, Undo
from autoresearch.edges import gitrefs
from autoresearch.edges.files import OURS
from autoresearch.edges.gitlocks import locks_of
from autoresearch.edges.lock import Lock
from autoresearch.loop import memory
from autoresearch.loop.staging import behind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from autoresearch.core.pruning import Survey
    from autoresearch.core.records import Record
    from autoresearch.loop.session import Session

RECOVER = "Run `autoresearch recover`."
FETCH = (
    "Their commits are not in this repository: fetch refs/autoresearch/* from where they were "
    "pushed to, or from a backup; what is nowhere else is lost."
)


class Finding(NamedTuple):
    """One thing looked at: whether it is fine, in words, and the remedy where it is not."""

    fine: bool
    text: str
    remedy: str


def finding(fine: bool, text: str, remedy: str) -> Finding:
    """A finding; the remedy only where one is needed."""
    return Finding(fine, text, "" if fine else remedy)


def good(text: str) -> Finding:
    """A finding that is fine."""
    return Finding(fine=True, text=text, remedy="")


def invariants(session: Session) -> Iterator[Finding]:
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
            memory.require_newest(session)
    except (CorruptLogError, SessionBroken) as error:
        yield Finding(fine=False, text=error.message, remedy=error.hint)
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


def _steps(session: Session) -> Iterator[Finding]:
    """The step in progress, and what is written after the last one."""
    half = session.places.journal.exists()
    yield finding(
        not half,
        f"journal: {'a command was interrupted, a step is' if half else 'no step is'} half done",
        RECOVER,
    )
    stale = memory.disagreements(session)
    yield finding(
        not stale,
        "copies: " + (f"not as written: {', '.join(stale)}" if stale else "as the log says"),
        f"{RECOVER} What was edited is set aside, not lost.",
    )


def _records(session: Session) -> list[Record]:
    log = session.index.log
    log.verify_chain(session.index.position)
    return [entry.record for entry in log.records()]


def _numbers(records: list[Record]) -> Finding:
    """Experiments from 1 without gap or double."""
    numbers = [record.number for record in records if isinstance(record, Experiment)]
    whole = numbers == list(range(1, len(numbers) + 1))
    return finding(
        whole,
        f"experiments: {len(numbers)}, numbered {'without gap' if whole else 'with gaps or twice'}",
        "The log was written by something else: bring it back from a copy.",
    )


def _branch(session: Session, records: list[Record]) -> Iterator[Finding]:
    head, incumbent = gitrefs.head(session.repo), session.progress.incumbent_commit
    short = session.branch.removeprefix("refs/heads/")
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
    found = _commits(session, incumbent, len(made))
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


def _commits(session: Session, tip: str, most: int) -> list[str]:
    """The newest commits from `tip` back, in the order of first parents."""
    done = session.repo.run(
        "rev-list", "--first-parent", f"--max-count={most}", tip, "--", check=False
    )
    return done.out.decode("ascii").split()


class Astray(NamedTuple):
    """A candidate whose ref is not at its commit; what it is at, None where it is gone."""

    number: int
    commit: str
    there: str | None


def astray(session: Session, found: Survey, refs: Mapping[str, gitrefs.Ref]) -> list[Astray]:
    """The candidates whose refs are not as the log has them, but for those that `gc` removed.

    Args:
        session: open.
        found: of its log.
        refs: of its candidates, as they are.
    """
    at = {known: refs.get(session.ref(known.number)) for known in found.tried}
    return [
        Astray(known.number, known.commit, None if ref is None else ref.oid)
        for known, ref in at.items()
        if (known.number not in found.pruned if ref is None else ref.oid != known.commit)
    ]


def _refs(session: Session, records: list[Record]) -> Iterator[Finding]:
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


def _tree(session: Session) -> Iterator[Finding]:
    tree = session.tree(session.progress.incumbent_commit)
    differing = sorted(session.walk().differing(tree, session.overrides))
    outside = [path for path in differing if not session.scope.covers(path)]
    inside = len(differing) - len(outside)
    yield good(f"tree: {inside} files in scope differ from the incumbent")
    named = clean_line(", ".join(outside[:5]))
    yield finding(
        not outside,
        f"protected files: {f'edited: {named}' if outside else 'as frozen'}",
        "`autoresearch drop --outside` puts them back, `amend` adopts them.",
    )


def _leftovers(session: Session) -> Iterator[Finding]:
    """Processes, lock files and half-written files of a command that died."""
    places = session.places
    stray = sorted(Lock(places.lock).left_running() | Lock(places.measure_lock).left_running())
    yield finding(
        not stray,
        f"processes: {f'left running: {stray[:5]}' if stray else 'none left running'}",
        f"{RECOVER} It ends them.",
    )
    locks = list(locks_of(session.repo, session.name, session.branch))
    yield finding(
        not locks,
        "git's locks: "
        + (f"held: {clean_line(', '.join(map(str, locks[:3])))}" if locks else "none"),
        f"{RECOVER} It sets them aside unless a git is at work.",
    )
    left = clean_line(str(places.run)) if places.run.exists() else ""
    yield finding(
        not left,
        f"folders of a run: {f'left in {left}' if left else 'none'}",
        f"{RECOVER} It removes them.",
    )
    late = behind(session)
    yield finding(
        not late,
        "git's index: "
        + (
            f"staged as an earlier incumbent had it: {clean_line(', '.join(late[:5]))}"
            if late
            else "up to date"
        ),
        f"{RECOVER} It brings it up to date.",
    )
    halves = sorted(half_written(session))
    yield finding(
        not halves,
        "half-written files: "
        + (clean_line(", ".join(map(str, halves[:3]))) if halves else "none"),
        f"{RECOVER} It removes them.",
    )


def half_written(session: Session) -> Iterator[Path]:
    """Temporary files of ours that nobody moved to their place."""
    places = session.places
    for folder in (places.state, places.output, places.raw, session.repo.toplevel):
        yield from folder.glob(f"{OURS}*")
    yield from (places.state / "indexes").glob("scratch-*")


def broken(session: Session) -> tuple[str, ...]:
    """The invariants that do not hold, in words; empty when all is well."""
    return tuple(found.text for found in invariants(session) if not found.fine)
