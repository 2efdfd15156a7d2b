"""Finishes or rolls back what an interrupted command left, from the journal alone.

Until a verdict is decided nothing of the user's was touched, so the experiment is dropped and its
edit is still in the tree. From then on it is finished: every step of settling can be repeated.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from autoresearch.core import formatting, wire
from autoresearch.core.errors import AutoresearchError, CorruptLogError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import Progress
from autoresearch.core.model import SCHEMA
from autoresearch.core.pruning import survey
from autoresearch.core.records import REBUILT, Recovery
from autoresearch.core.steps import Pending
from autoresearch.edges import gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.environment import find_environment
from autoresearch.edges.files import atomic_write, named_errors, remove_tree, sync_folder
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.gitwrite import exclude, require_writable
from autoresearch.edges.index import Index
from autoresearch.edges.lock import Lock
from autoresearch.edges.log import Log
from autoresearch.edges.places import Places, places_for, shown_path, state_base
from autoresearch.edges.worktree import Walk, find_overrides
from autoresearch.loop import logbook
from autoresearch.loop.integrity import (
    astray,
    half_written,
    move_back,
    put_back_interrupted,
    require_frozen_terms,
)
from autoresearch.loop.session import (
    BRANCHES,
    CONTRACT_FILE,
    SESSION_FILE,
    Session,
    SessionFile,
    as_overrides,
    environment,
    environment_hash,
    loaded,
    read_session_file,
    write_session_file,
)
from autoresearch.loop.settle import catch_up, tell

FINISHERS = {
    "init": "logbook",
    "drop": "undo",
    "apply": "undo",
    "undo": "undo",
    "validate": "validate",
    "amend": "settle",
    "gc": "cleaning",
}
"""Command -> module of this package whose `finish_<command>` finishes it from its journal; few
commands find anything to finish, so it is imported then."""


@contextmanager
def writing(command: str, folder: Path | None = None) -> Iterator[Session]:
    """The session of a folder, else of the current one, ours alone and with nothing half done."""
    with loaded(folder or Path.cwd(), environment(), command=command, write=True) as session:
        recover(session)
        require_frozen_terms(session)
        yield session


def recover(session: Session, *, everything: bool = False) -> tuple[str, ...]:
    """Bring an interrupted session to a consistent state; what was done, a line each.

    Nothing to do is an empty answer. Repeating it is harmless.
    """
    logbook.require_newest(session)
    found = session.journal.load()
    done = _unlocked(session) if everything or session.after_kill else []
    if found.moved_aside is not None:
        done.append(f"the journal was unreadable ({found.problem}); it is now {found.moved_aside}")
    if told := put_back_interrupted(session):
        done.append(told)
    remove_tree(session.places.run)  # of a run that died, for whoever runs one has our lock
    if found.pending is not None:
        done.append(_settle(session, found.pending))
    done += catch_up(session)
    if everything or session.after_kill:
        for path in half_written(session):
            path.unlink(missing_ok=True)
    if everything:
        done += (*_branch_again(session), *_refs_again(session), *_excluded_again(session))
    anew = everything and bool(logbook.disagreements(session))
    if done or anew or not logbook.is_published(session):
        logbook.publish(session, anew=anew)
    session.news.extend(done)
    return tuple(done)


def _unlocked(session: Session) -> list[str]:
    """Set git's locks aside that a killed git left; what was done, a line."""
    moved = session.set_locks_aside()
    if not moved:
        return []
    named = ", ".join(path.name for path in moved[:5])
    return [f"a git was killed and left {clean_line(named)}; no git is at work, so it is set aside"]


def _branch_again(session: Session) -> list[str]:
    """Make a branch that was deleted again, where the incumbent is."""
    repo, incumbent = session.repo, session.progress.incumbent_commit
    if gitrefs.at(repo, session.branch) is not None or repo.resolve(incumbent) is None:
        return []
    gitrefs.update_ref(repo, session.branch, incumbent, None, "autoresearch: recover")
    short = session.short_branch
    return [f"the branch {short} was gone; it is at the incumbent again"]


def _refs_again(session: Session) -> list[str]:
    """Candidates' refs that somebody deleted or moved, as the log has them; what was done."""
    found = session.survey()
    wrong = astray(session, found, gitrefs.refs(session.repo, session.refs_of("exp")))
    again = [it for it in wrong if session.repo.resolve(it.commit) is not None]
    for it in again:
        move_back(session, it.number, session.ref(it.number), it.commit, it.there)
    moved = [it.number for it in again if it.there is not None]
    if not again:
        return []
    told = f"; what {moved[:5]} stood at is kept in {session.refs_of('set-aside')}*"
    return [
        f"{formatting.count(len(again), 'ref')} of candidates were not as the log has them and are "
        f"again{told if moved else ''}"
    ]


def _excluded_again(session: Session) -> list[str]:
    """What git is to ignore, where somebody emptied its list; what was done, a line."""
    if not exclude(session.repo, logbook.EXCLUDED):
        return []
    return ["info/exclude named document and log copy no more; it does again"]


def accept_log(repo: GitRepo, places: Places) -> None:
    """Take the log as it lies there for the true one, as after it was brought back from a copy.

    A log that is gone or empty is brought back from the session's state ref. What was read from
    the former one is forgotten and read again; its own chain must hold.
    """
    with Lock(places.lock).acquire("recover"):
        if not places.log.exists() or places.log.stat().st_size == 0:
            atomic_write(places.log, logbook.stored_log(repo, places.session), mode=0o600)
        for suffix in ("", "-wal", "-shm"):
            places.index.with_name(places.index.name + suffix).unlink(missing_ok=True)


def _settle(session: Session, pending: Pending) -> str:
    """Finish the step, or roll it back where no verdict was decided; what was done, in one line."""
    step, how, action = "try", "finished", pending.action
    if pending.decided is not None:
        from autoresearch.loop.experiment import finish  # noqa: PLC0415 - only after a kill

        record = pending.decided.experiment
        tell(session, finish(session, record))
        detail = (
            f"experiment {record.number} was decided and is now settled: {record.verdict.value}"
        )
    elif action is not None and action.command not in FINISHERS:
        session.journal.clear()
        return f"`{action.command}` was interrupted at {action.stage}; repeat it"
    elif action is not None:
        module = importlib.import_module(f"autoresearch.loop.{FINISHERS[action.command]}")
        step, detail = action.command, getattr(module, f"finish_{action.command}")(session, action)
    else:
        number = 0 if pending.begun is None else pending.begun.number
        how, where = "rolled back", "before its verdict; its edit is still in the tree"
        detail = f"experiment {number} was interrupted {where}"
    logbook.record_recovery(session, step, how, detail)
    session.journal.clear()
    return detail


MOST_NAMED = 10
FETCH = "git fetch origin 'refs/autoresearch/*:refs/autoresearch/*'"


def bring_along(repo: GitRepo, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Move the state of a repository that was moved to where it is looked for now; what was done.

    A state belongs to this repository when its working tree is gone from where it was, and the
    state ref here is the one it wrote last.
    """
    done = []
    for former in _former(repo, environ):
        now = places_for(environ, repo.toplevel, repo.common_dir, former.session)
        if now.state == former.state or now.state.exists():
            continue
        now.prepare()
        with Lock(former.lock).acquire("recover"), named_errors(now.state):
            # First what it says, then where it lies: a kill between the two leaves it findable.
            write_session_file(
                former, replace(read_session_file(former), toplevel=str(repo.toplevel))
            )
            former.state.rename(now.state)
            sync_folder(now.state.parent)
        now.create()
        done.append(f"the repository was moved; session {now.session} is brought along")
    return tuple(done)


def _former(repo: GitRepo, environ: Mapping[str, str]) -> list[Places]:
    found = []
    for path in sorted(state_base(environ).glob(f"*/*/{SESSION_FILE}")):
        places = Places(state=path.parent, cache=path.parent)
        try:
            toplevel = Path(read_session_file(places).toplevel)
            wrote = json.loads(places.copies.read_bytes()).get("state")
        except (OSError, ValueError, SessionBroken):
            continue  # damaged, or of a newer version: not known to be ours
        # A link at the old place leads here, too.
        here = toplevel.resolve() == repo.toplevel.resolve() or not toplevel.exists()
        if here and wrote and wrote == gitrefs.at(repo, logbook.state_ref(places.session)):
            found.append(places)
    return found


def rebuild(repo: GitRepo, environ: Mapping[str, str]) -> str:
    """Make a session's state again from its refs; what was done, in a sentence.

    The log is the state ref's, the contract that of the incumbent, the environment this machine's.
    A log that is here already is only replaced by one that it is the beginning of; one that is
    damaged, or whose incumbent is not in this repository, is kept aside with its state. Where a
    whole log lacks the files beside it, these alone are made again.
    """
    require_writable(repo)
    name = _which(repo)
    places = places_for(environ, repo.toplevel, repo.common_dir, name)
    content = logbook.stored_log(repo, name)
    places.create()
    with Lock(places.lock).acquire("recover"):
        told = _why_replaced(repo, places, content)
        if told is None:
            return _completed(repo, places, environ)
        fresh = Log(places.log.with_name("log.new"))
        atomic_write(fresh.path, content, mode=0o600)
        progress = _folded(fresh)
        _require_checked_out(repo, progress)
        contract = _contract(repo, progress)
        file = _session_file(repo, places, environ, progress)
        lines = content.count(b"\n")
        detail = f"rebuilt from refs/autoresearch/{name}/*, {formatting.count(lines, 'line')}{told}"
        kept = f"; the state here is kept in {shown_path(_keep_aside(places))}" if told else ""
        fresh.append(_rebuilt(detail, file))
        atomic_write(places.contract, contract, mode=0o600)
        write_session_file(places, file)
        logbook.remember_document(repo, places)
        exclude(repo, logbook.EXCLUDED)
        _forget(places)
        with named_errors(places.log):
            fresh.path.replace(places.log)
            sync_folder(places.state)
    return f"session {name} is {detail}; captured output and unfinished races stayed behind{kept}"


def _which(repo: GitRepo) -> str:
    refs = gitrefs.refs(repo, "refs/autoresearch")
    parts = [ref.split("/") for ref in refs]
    names = [name for _, _, name, *rest in parts if rest == ["state"]]
    current = (gitrefs.head(repo).branch or "").removeprefix(BRANCHES)
    if current in names:
        return current
    if len(names) == 1:
        return names[0]
    if not names:
        raise AutoresearchError(
            "there are no refs of a session here", code="no_refs", hint=f"Run `{FETCH}`."
        )
    raise AutoresearchError(
        f"there are refs of {len(names)} sessions: {', '.join(names)}",
        code="which_session",
        hint=f"Check its branch out first: `git switch autoresearch/{names[0]}`.",
    )


def _why_replaced(repo: GitRepo, places: Places, content: bytes) -> str | None:
    """What is said of a log that the refs' one replaces; None where the one here stays.

    It stays when it is whole, of this repository, and not the beginning of the refs' one.
    """
    here = places.log.read_bytes() if places.log.exists() else b""
    if content.startswith(here) and len(content) > len(here):
        return ""
    log = Log(places.log)
    try:
        progress = _folded(log)
        with Index(places.index, log):
            pass  # it knows the last line that was read
    except CorruptLogError:
        return ", for the log here was damaged"
    if repo.resolve(progress.incumbent_commit) is not None:
        return None
    found = survey(entry.record for entry in log.records())
    there = [known for known in found.tried if known.number not in found.pruned]
    lost = [str(known.number) for known in there if repo.resolve(known.commit) is None]
    return f", older than the state here: no commits of experiments {_listed(lost)}"


def _completed(repo: GitRepo, places: Places, environ: Mapping[str, str]) -> str:
    """Make again what is missing beside a log that stays; what was done.

    The line in the log comes first: a kill behind it leaves the file missing, so that it is made
    again, and none leaves an environment that the log does not name.
    """
    file = _session_file_here(places)
    if file is not None and places.contract.exists():
        raise AutoresearchError(
            f"session {places.session} has its log here, and the refs hold no longer one",
            code="session_here",
            hint="`autoresearch recover` without --from-refs tidies up.",
        )
    log = Log(places.log)
    progress = _folded(log)
    _require_checked_out(repo, progress)
    contract = _contract(repo, progress)
    done = "autoresearch.yaml is made again from the incumbent"
    if file is None:
        file = _session_file(repo, places, environ, progress)
        done = f"{SESSION_FILE} is made again from {logbook.state_ref(places.session)}"
        if (places.state / SESSION_FILE).exists():
            done += f"; what was there is kept in {shown_path(_keep_aside(places))}"
        log.repair()
        log.append(_rebuilt(done, file))
        write_session_file(places, file)
    if not places.contract.exists():
        atomic_write(places.contract, contract, mode=0o600)
    return f"session {places.session}: {done}; its log goes on"


def _session_file_here(places: Places) -> SessionFile | None:
    try:
        return read_session_file(places)
    except SessionBroken as error:
        if error.code != "session_file":
            raise  # of a newer version
        return None


def _rebuilt(detail: str, file: SessionFile) -> Recovery:
    return Recovery(
        schema=SCHEMA,
        at=now_utc(),
        step="recover",
        action=REBUILT,
        detail=detail,
        environment_sha256=environment_hash(file.environment),
    )


def _listed(numbers: list[str]) -> str:
    more = len(numbers) - MOST_NAMED
    return ", ".join(numbers[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _keep_aside(places: Places) -> Path:
    """Copy what a rebuild replaces; where to."""
    folder = places.state / "set-aside" / f"state-{logbook.sha256(places.log.read_bytes())[:12]}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = (places.log, places.contract, places.state / SESSION_FILE, places.journal)
    for path in (*kept, places.git_setup):
        if path.exists():
            atomic_write(folder / path.name, path.read_bytes(), mode=0o600)
    return folder


def _folded(log: Log) -> Progress:
    """What a log adds up to; every hash is checked."""
    log.verify_chain()
    with TemporaryDirectory() as folder, Index(Path(folder) / "index.db", log) as index:
        return index.progress()


def _require_checked_out(repo: GitRepo, progress: Progress) -> None:
    """The session's branch is there, at the incumbent where it was missing, and checked out."""
    branch, incumbent = progress.opened.branch, progress.incumbent_commit
    short = branch.removeprefix("refs/heads/")
    if repo.resolve(incumbent) is None:
        raise AutoresearchError(
            f"the incumbent {incumbent[:12]} is not in this repository",
            code="lost_commit",
            hint=f"Fetch the branch: `git fetch origin {short}`, and repeat the command.",
        )
    if gitrefs.at(repo, branch) is None:
        gitrefs.update_ref(repo, branch, incumbent, None, "autoresearch: recover")
    if gitrefs.head(repo).branch != branch:
        raise AutoresearchError(
            f"the session's branch {short} is not checked out",
            code="wrong_branch",
            hint=f"Run `git switch {short}`, then repeat the command.",
        )


def _contract(repo: GitRepo, progress: Progress) -> bytes:
    entry = repo.tree(progress.incumbent_commit).get(CONTRACT_FILE)
    content = b"" if entry is None else repo.blob(entry.oid)
    if hashlib.sha256(content).hexdigest() != progress.contract_sha256:
        raise SessionBroken(
            "the incumbent's autoresearch.yaml is not the contract that the log names",
            code="no_contract",
            hint="Fetch refs/autoresearch/* again, from where the session was last at work.",
        )
    return content


def _session_file(
    repo: GitRepo, places: Places, environ: Mapping[str, str], progress: Progress
) -> SessionFile:
    ref = logbook.state_ref(places.session)
    stored = repo.blob(repo.tree(ref)[SESSION_FILE].oid)
    try:
        file = wire.read(stored, SessionFile)
    except ValueError as error:
        raise CorruptLogError(
            f"{ref} holds no {SESSION_FILE} of this version: {error}", hint=f"Run `{FETCH}`."
        ) from error
    tree = repo.tree(progress.incumbent_commit)
    overrides = find_overrides(Walk(repo, places.state / "worktree.stat"), repo, tree)
    return replace(
        file,
        toplevel=str(repo.toplevel),
        environment=find_environment(environ, Path(environ.get("HOME", "/"))),
        overrides=as_overrides(overrides),
    )


def _forget(places: Places) -> None:
    """What was read from, or begun on, another log."""
    for name in ("index.db", "index.db-wal", "index.db-shm"):
        (places.state / name).unlink(missing_ok=True)
    places.git_setup.unlink(missing_ok=True)
    if places.journal.exists():
        places.journal.replace(places.journal.with_name("journal.older"))
