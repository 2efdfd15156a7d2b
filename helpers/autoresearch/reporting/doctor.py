"""`doctor`: what can be found wrong with the installation and the session, with the remedy."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch import __version__
from autoresearch.core.errors import AutoresearchError, CorruptLogError
from autoresearch.core.hostsandbox import setting
from autoresearch.core.model import RULE, Reason, Verdict
from autoresearch.core.records import Experiment
from autoresearch.core.replay import limits_again, recompute
from autoresearch.core.text import clean_line
from autoresearch.edges import gitrefs, whereabouts
from autoresearch.edges.files import is_writable
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.loop import memory
from autoresearch.loop.session import environment, loaded
from autoresearch.reporting.hosted import host_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.loop.session import Session

RECOVER = "Run `autoresearch recover`."


class Finding(NamedTuple):
    """One thing looked at: whether it is fine, in words, and the remedy where it is not."""

    fine: bool
    text: str
    remedy: str


def examine() -> tuple[Finding, ...]:
    """Everything that is looked at, in a fixed order; never raises for what it finds."""
    found = list(_installation())
    try:
        with loaded(Path.cwd(), environment(), command="doctor", write=False) as session:
            found += _session(session)
    except AutoresearchError as error:
        fine = error.code in {"no_session", "no_repository"}
        found.append(Finding(fine, error.message, error.hint))
    return tuple(found)


def _installation() -> Iterator[Finding]:
    python = platform.python_version()
    yield _good(f"autoresearch {__version__}, Python {python} ({sys.platform})")
    try:
        with GitRepo.open(Path.cwd()) as repo:
            version = repo.run("version").out.decode("ascii", "replace").strip()
            yield _good(f"{version}, {repo.object_format}, {clean_line(str(repo.toplevel))}")
            yield _access(Path(repo.common_dir))
    except AutoresearchError as error:
        yield Finding(error.code == "no_repository", error.message, error.hint)
    for seen in host_findings(environment()):
        yield _finding(not seen.remedy, seen.text, seen.remedy)
    yield _good("sandbox: none in this version; docs/decision.md says what is enforced")


def _access(git_folder: Path) -> Finding:
    """Whether the three places that every session writes to can be written."""
    environ = environment()
    ours = (whereabouts.state_folder(environ), whereabouts.cache_folder(environ))
    folders = [git_folder, *(Path(folder) for folder in ours if folder is not None)]
    closed = [str(folder) for folder in folders if not is_writable(folder)]
    return _finding(
        not closed,
        f"not writable: {', '.join(closed)}" if closed else "writable: git, state and cache",
        setting(environ, closed),
    )


def _session(session: Session) -> Iterator[Finding]:
    progress = session.progress
    yield _finding(
        session.places.state.is_dir(), f"state: {session.places.state}", "Restore it from a backup."
    )
    yield from _log(session)
    yield from _branch(session)
    refs = gitrefs.refs(session.repo, f"refs/autoresearch/{session.name}/exp/")
    missing = [n for n in range(1, progress.last_number + 1) if session.ref(n) not in refs]
    yield _finding(
        not missing,
        f"refs: {len(refs)} candidates kept" + (f", missing {missing[:5]}" if missing else ""),
        "Fetch refs/autoresearch/* from where they were pushed to.",
    )
    yield _finding(not session.places.journal.exists(), "journal: no step is half done", RECOVER)
    stale = memory.disagreements(session)
    yield _finding(
        not stale,
        "copies: " + (f"not as written: {', '.join(stale)}" if stale else "as the log says"),
        f"{RECOVER} What was edited is set aside, not lost.",
    )
    yield from _tree(session)


def _finding(fine: bool, text: str, remedy: str) -> Finding:
    return Finding(fine, text, "" if fine else remedy)


def _good(text: str) -> Finding:
    return Finding(fine=True, text=text, remedy="")


def _log(session: Session) -> Iterator[Finding]:
    log, progress = session.index.log, session.progress
    try:
        log.verify_chain(session.index.position)
    except CorruptLogError as error:
        yield Finding(fine=False, text=error.message, remedy=error.hint)
        return
    count, wrong, older = 0, [], 0
    for entry in log.records():
        count += 1
        record = entry.record
        if not isinstance(record, Experiment):
            continue
        if record.race is not None and record.race.rule != RULE:
            older += 1
        elif not is_reproduced(record):
            wrong.append(record.number)
    yield _good(f"log: {count} lines, every hash fits the line before")
    yield _finding(
        not wrong,
        f"decisions: {progress.last_number - older} experiments decided again from their samples"
        + (f"; these differ: {wrong[:5]}" if wrong else ", all the same")
        + (f"; {older} of another version of the rule were not" if older else ""),
        "The log and this version disagree: report it with the log.",
    )


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
    untold = {Reason.WORSE, Reason.UNDECIDED}
    return record.reason not in untold and within is (record.reason is not Reason.LIMITS)


def _branch(session: Session) -> Iterator[Finding]:
    head, incumbent = gitrefs.head(session.repo), session.progress.incumbent_commit
    short = session.branch.removeprefix("refs/heads/")
    at = gitrefs.refs(session.repo, session.branch).get(session.branch)
    yield _finding(
        at is not None and at.oid == incumbent,
        f"branch: {short} is at {'nothing' if at is None else at.oid[:12]}, "
        f"the incumbent is {incumbent[:12]}",
        f"`git update-ref {session.branch} {incumbent}` restores it; look what is there first.",
    )
    yield _finding(
        head.branch == session.branch,
        f"HEAD: on {head.branch or 'no branch'}",
        f"`git switch {short}`",
    )


def _tree(session: Session) -> Iterator[Finding]:
    tree = session.tree(session.progress.incumbent_commit)
    differing = sorted(session.walk().differing(tree, session.overrides))
    outside = [path for path in differing if not session.scope.covers(path)]
    inside = len(differing) - len(outside)
    yield _good(f"tree: {inside} files in scope differ from the incumbent")
    named = clean_line(", ".join(outside[:5]))
    yield _finding(
        not outside,
        f"protected files: {f'edited: {named}' if outside else 'as frozen'}",
        "`autoresearch drop --outside` puts them back, `amend` adopts them.",
    )
