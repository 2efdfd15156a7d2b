"""`doctor`: what can be found wrong with the installation and the session, with the remedy."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch import __version__
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.hostsandbox import setting
from autoresearch.core.model import RULE, Reason, Verdict
from autoresearch.core.records import Experiment
from autoresearch.core.replay import limits_again, recompute
from autoresearch.core.text import clean_line
from autoresearch.edges import whereabouts
from autoresearch.edges.files import is_writable
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.places import bases_of
from autoresearch.edges.sandbox import find_sandbox
from autoresearch.loop.confinement import MEMORY
from autoresearch.loop.invariants import Finding, finding, good, invariants
from autoresearch.loop.session import environment, loaded
from autoresearch.reporting.hosted import host_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.edges.sandbox import Confiner
    from autoresearch.loop.session import Session


def examine() -> tuple[Finding, ...]:
    """Everything that is looked at, in a fixed order; never raises for what it finds."""
    found = list(_installation())
    try:
        with loaded(Path.cwd(), environment(), command="doctor", write=False) as session:
            found += invariants(session)
            found += [_decisions(session), _confined(session)]
    except AutoresearchError as error:
        fine = error.code in {"no_session", "no_repository"}
        way = f": {error.hint}" if error.code == "no_session" else ""
        told = Finding(fine, error.message + way, error.hint)
        found += [] if told in found else [told]
    return tuple(found)


def _installation() -> Iterator[Finding]:
    python = platform.python_version()
    yield good(f"autoresearch {__version__}, Python {python} ({sys.platform})")
    try:
        with GitRepo.open(Path.cwd()) as repo:
            version = repo.run("version").out.decode("ascii", "replace").strip()
            yield good(f"{version}, {repo.object_format}, {clean_line(str(repo.toplevel))}")
            yield _access(Path(repo.common_dir))
    except AutoresearchError as error:
        yield Finding(error.code == "no_repository", error.message, error.hint)
    for seen in host_findings(environment()):
        yield finding(not seen.remedy, seen.text, seen.remedy)
    yield from _sandbox()


def _sandbox() -> Iterator[Finding]:
    """What confines commands here. None is no fault: a session may do without, and says so."""
    try:
        state, cache = bases_of(environment())
        found = find_sandbox(environment().get("PATH", ""), state / MEMORY, cache)
    except AutoresearchError as error:
        yield Finding(fine=False, text=error.message, remedy=error.hint)
        return
    yield good(f"sandbox: {clean_line(_described(found))}")


def _described(found: Confiner) -> str:
    if found.sandbox is None:
        return f"none, {found.absence}"
    why = found.sandbox.no_overlay
    return f"{found.name}, {f'without overlays: {why}' if why else 'with overlays'}"


def _confined(session: Session) -> Finding:
    try:
        in_force = session.bench().confinement.in_force
    except AutoresearchError as error:  # it requires one, and none works
        return Finding(fine=False, text=error.message, remedy=error.hint)
    return good(f"sandbox of this session: {clean_line(in_force)}")


def _access(git_folder: Path) -> Finding:
    """Whether the three places that every session writes to can be written."""
    environ = environment()
    ours = (whereabouts.state_folder(environ), whereabouts.cache_folder(environ))
    folders = [git_folder, *(Path(folder) for folder in ours if folder is not None)]
    closed = [str(folder) for folder in folders if not is_writable(folder)]
    return finding(
        not closed,
        f"not writable: {', '.join(closed)}" if closed else "writable: git, state and cache",
        setting(environ, closed),
    )


def _decisions(session: Session) -> Finding:
    """Whether every recorded race leads to its recorded decision again."""
    count, wrong, older = session.progress.last_number, [], 0
    for entry in session.index.log.records():
        record = entry.record
        if not isinstance(record, Experiment):
            continue
        if record.race is not None and record.race.rule != RULE:
            older += 1
        elif not is_reproduced(record):
            wrong.append(record.number)
    return finding(
        not wrong,
        f"decisions: {count - older} experiments decided again from their samples"
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
