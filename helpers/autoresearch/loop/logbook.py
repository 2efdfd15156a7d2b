"""Log, notes, document and their copies: what a session remembers, and where others read it.

The authority is the log in the state folder. `autoresearch.jsonl` and `autoresearch.md` in the
working tree are copies for people and agents, the session's state ref is the copy that travels
with a push. All three can be made again at any time.
"""

from __future__ import annotations

import hashlib
import re
import statistics
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core import budget, formatting, views, wire
from autoresearch.core.budget import Outlook, outlook_of
from autoresearch.core.contract import render_words
from autoresearch.core.errors import AutoresearchError, CorruptLogError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import History
from autoresearch.core.limits import is_due
from autoresearch.core.model import SCHEMA, Agreed, NoteKind
from autoresearch.core.noise import most_seconds, smallest_visible
from autoresearch.core.question import pairs_for
from autoresearch.core.records import SESSION, Note, Opened, Record, Recovery, Stop
from autoresearch.core.snapshot import PLAIN_MODE, Entry
from autoresearch.core.steps import Action
from autoresearch.core.views import Situation, brief, next_step
from autoresearch.edges import gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.environment import below
from autoresearch.edges.files import append_once, atomic_write
from autoresearch.edges.gitrepo import GitRepo, object_id
from autoresearch.edges.gitwrite import commit_changes
from autoresearch.edges.places import Places, shown_path
from autoresearch.edges.stored import Stored, keep_edited, plain_content
from autoresearch.loop.session import Session

NEIGHBOURS = 8
EXACT_PAIRS = 2
LATELY = 5
"""Experiments that tell how long the next one may take."""

LATELY_MARGIN = 1.2
"""What the next one may take longer: on a busy machine no two take the same."""


def briefing(session: Session) -> tuple[str, str]:
    """The brief without its last line, and what that line says."""
    situation = situation_of(session)
    text = brief(situation)
    body, _, _ = text.rpartition("\nnext: ")
    return body, next_step(situation)


def situation_of(session: Session, *, interrupted: str | None = None) -> Situation:
    """What the brief of this session is about."""
    history = session.history
    last = history.recent[0].paths if history.recent else ()
    return Situation(
        history=history,
        contract=session.contract,
        remaining=budget.remaining(history, session.contract.budget),
        outlook=budget.outlook_of(history, session.contract),
        halt=budget.halt(history, session.contract),
        neighbours=session.index.touching(last, NEIGHBOURS) if last else (),
        forecast_s=forecast_s(session, history),
        smallest_gain=smallest_gain(session, history),
        smallest_gain_scale=session.contract.metric.scale,
        interrupted=at_work(session) if interrupted is None else interrupted,
    )


def forecast_s(session: Session, history: History) -> float | None:
    """Seconds that the next `try` may take: race, guard and holdout, and no less than lately.

    What the latest experiments took holds what nobody measured apart: build, `same`.
    """
    epoch = history.epoch
    if epoch is None:
        return None
    pairs = pairs_for(session.contract, history.sample_s, history)
    pairs = EXACT_PAIRS if history.deterministic else pairs
    known = most_seconds(history.sample_s, pairs) + (epoch.guard_s or 0.0)
    holdout = session.contract.holdout
    if holdout is not None and is_due(history.kept_count, holdout.every):
        known += most_seconds(epoch.holdout_s or history.sample_s, pairs)
    lately = [tried.duration_s for tried in history.recent[:LATELY] if tried.epoch >= epoch.number]
    return max([known, *(LATELY_MARGIN * duration_s for duration_s in lately)])


def smallest_gain(session: Session, history: History) -> float | None:
    """Gain that a race finds about half the time; None when unknown or without noise.

    What the latest races saw counts where it is more: the machine may have been quieter before.
    """
    if history.epoch is None or history.deterministic:
        return None
    scale = session.contract.metric.scale
    pairs = pairs_for(session.contract, history.sample_s, history)
    known = smallest_visible(history.pool(scale), pairs, scale, session.contract.metric.direction)
    lately = [
        failed.smallest_visible
        for failed in history.failed
        if failed.number > history.last_number - LATELY
        and failed.epoch >= history.epoch.number
        and failed.effect is not None
        and failed.effect.scale is scale
        and failed.smallest_visible
    ]
    return max([known or 0.0, statistics.median(lately)]) if lately else known


def at_work(session: Session) -> str:
    """An interrupted or running step in one line, empty for none."""
    from autoresearch.edges.lock import Lock  # noqa: PLC0415 - only when there is a journal

    if not session.places.journal.exists():
        return ""
    holder = Lock(session.places.lock).holder()
    if holder is not None:
        return f"{holder.described()} is at work"
    return "a command was interrupted; the next one finishes it or rolls it back"


TEXT_LIMIT = 2000
HOST_FILE = "host.json"
HOST_SCHEMA = 1
"""Of the view. History: 1 (2026-11) first release. `hosts.sessions` reads exactly this one."""


def write_host_file(session: Session) -> None:
    """Bring the view up to the log."""
    text = wire.dumps(_view(session))
    atomic_write(
        session.places.state / HOST_FILE, text.encode("ascii") + b"\n", mode=0o600, sync=False
    )


def _view(session: Session) -> dict[str, object]:
    situation = situation_of(session, interrupted="")
    history, scope = situation.history, session.scope
    return {
        "schema": HOST_SCHEMA,
        "session": session.name,
        "toplevel": session.file.toplevel,
        "branch": session.branch,
        "stopped": history.stopped is not None,
        "scope": {
            "patterns": list(scope.patterns),
            "allowed": [pattern.pattern for pattern in scope.allowed],
            "denied": [
                [pattern.pattern, int(re.RegexFlag(pattern.flags) & (re.DOTALL | re.IGNORECASE))]
                for pattern in scope.denied
            ],
        },
        "unseen": _unseen(session),
        "run": None if history.run is None else wire.to_object(history.run),
        "halt": None if situation.halt is None else situation.halt.text,
        "next": next_step(situation),
        "brief": brief(situation),
        "line": _line(situation),
    }


def _unseen(session: Session) -> list[str]:
    """What the holdout reads outside the repository, as the contract spells it and by real path."""
    holdout = session.contract.holdout
    named = [] if holdout is None else [Path(path) for path in holdout.paths]
    found = (str(one) for path in named for one in (path, path.resolve()))
    return [path for path in dict.fromkeys(found) if not below([path], [session.repo.toplevel])]


def _line(situation: Situation) -> str:
    """The session in one line, for a host's status line."""
    history, unit = situation.history, situation.contract.metric.unit
    run, validated = history.run, history.validation
    done = "DONE" if situation.halt is not None else ""
    parts = [
        f"autoresearch {situation.contract.session}",
        formatting.count(history.last_number, "experiment")
        if run is None
        else f"run {run.used}/{run.experiments}",
        f"{history.kept_count} kept",
        "" if validated is None else f"validated {formatting.effect(validated.effect, unit)}",
        "final guard fails" if validated is not None and validated.final_guard is False else "",
        done,
    ]
    return " · ".join(part for part in parts if part)


LOG_COPY = "autoresearch.jsonl"
DOCUMENT = "autoresearch.md"
EXCLUDED = (f"/{DOCUMENT}", f"/{LOG_COPY}")
SEGMENT_BYTES = 256 * 1024
"""The state ref holds the log in parts of about this size, so that a step rewrites one of them."""


class Copies(Struct, frozen=True, kw_only=True):
    """What was last written where.

    Attributes:
        offset: bytes of the log that the copy in the working tree holds.
        stamp: size, inode, mtime and ctime of that copy: unchanged means unread.
        document: SHA-256 of the document without its notes.
        coming: that of the one about to be written, where a kill may have come between.
        part, part_start: number and first byte of the log's last part in the state ref.
        stored: bytes of the log that the state ref holds.
        state: commit of the state ref; another one there was not made by us.
    """

    schema: int
    offset: int
    stamp: tuple[int, ...]
    document: str
    part: int
    part_start: int
    stored: int
    state: str
    coming: str = ""


NOWHERE = Copies(
    schema=SCHEMA, offset=0, stamp=(), document="", part=0, part_start=0, stored=0, state=""
)


class _Page(NamedTuple):
    """A document as it is found; no notes where their marker is gone."""

    text: str
    notes: str | None


def record(session: Session, entry: Record) -> None:
    """Append a record to the log."""
    session.journal.require_lock()
    session.index.append(entry)


def record_recovery(
    session: Session, step: str, action: str, detail: str, *, agreed: Agreed | None = None
) -> None:
    """Log that an interrupted step was gone on with, finished or rolled back."""
    at, detail = now_utc(), clean_line(detail)
    record(
        session,
        Recovery(schema=SCHEMA, at=at, step=step, action=action, detail=detail, agreed=agreed),
    )


def publish(session: Session, *, anew: bool = False) -> None:
    """Bring document, log copy, state ref and the hosts' file up to the log; idempotent.

    What somebody wrote into a copy is set aside and reported, but for the document's notes, which
    stay; where the document or their marker is gone, they are those of the state ref. With `anew`
    every byte is compared, as where the log itself is not the one that was copied.
    """
    copies = _load(session)
    if anew:
        copies = replace(copies, stamp=(), state="")
    copies = _publish_log(session, copies)
    copies, page = _publish_document(session, copies)
    copies = _publish_ref(session, copies, page)
    _file(session.places).save(copies)
    write_host_file(session)


def finish_init(session: Session, action: Action) -> str:
    """Finish an `init` that was interrupted when its log was already there; in one line."""
    publish(session)
    session.journal.clear()
    return f"`{action.command}` was interrupted when the session was open; its document is written"


def is_our_copy(path: Path) -> bool:
    """Whether a file under the name of a copy is one that some session of ours wrote."""
    content = plain_content(path)
    if content is None:
        return False
    if path.name == DOCUMENT:
        return not content or views.NOTES_BEGIN.encode() in content
    try:
        return not content or isinstance(SESSION.from_line(content.split(b"\n", 1)[0])[0], Opened)
    except CorruptLogError:
        return False


def is_published(session: Session) -> bool:
    """Whether the copies hold the whole log."""
    copies = _load(session)
    end = session.index.position.offset
    return copies.offset == end == copies.stored


def disagreements(session: Session) -> tuple[str, ...]:
    """The copies that do not hold what the authority says, each by its name; all bytes are read."""
    whole = _slice(session.places.log, 0, session.index.position.offset)
    found = []
    if plain_content(session.repo.toplevel / LOG_COPY) != whole:
        found.append(LOG_COPY)
    there = _read_document(session)
    if there.text != page_of(session, session.history, there.notes or ""):
        found.append(DOCUMENT)
    ref = state_ref(session.name)
    if gitrefs.at(session.repo, ref) is None or stored_log(session.repo, session.name) != whole:
        found.append(ref)
    return tuple(found)


def state_ref(session: str) -> str:
    """The ref that holds the history of log and document of a session."""
    return f"refs/autoresearch/{session}/state"


def stored_log(repo: GitRepo, session: str) -> bytes:
    """The log as the state ref of a session holds it, its parts joined."""
    tree = repo.tree(state_ref(session))
    parts = [tree[path].oid for path in sorted(tree) if path.startswith("log/")]
    return b"".join(content for _, content in repo.blobs(parts))


def require_newest(session: Session) -> None:
    """Make sure that neither the log nor the repository is an older copy of what it was."""
    at = gitrefs.at(session.repo, state_ref(session.name))
    if at is not None and at != _load(session).state:
        here = _slice(session.places.log, 0, session.index.position.offset)
        stored = stored_log(session.repo, session.name)
        if len(stored) > len(here) and stored.startswith(here):
            raise SessionBroken(
                f"the log ends at byte {len(here)}, that of {state_ref(session.name)} goes on: "
                "an older copy was put in its place",
                code="older_log",
                hint="`autoresearch recover --from-refs` takes the longer one.",
            )
    incumbent = session.progress.incumbent_commit
    if session.repo.resolve(incumbent) is None:
        raise SessionBroken(
            f"the incumbent {incumbent[:12]} is not in this repository: an older copy of it was "
            "put in its place, or commits were removed",
            code="lost_commit",
            hint="Fetch refs/autoresearch/* from where they were pushed to, if they were; else "
            "`autoresearch recover --from-refs` goes on from what the refs here hold and keeps "
            "the newer state aside.",
        )


def remember_document(repo: GitRepo, places: Places) -> None:
    """Write the state ref's document, for its notes, where none is; its copies are not known."""
    stored = _stored_document(repo, places.session)
    path = repo.toplevel / DOCUMENT
    if plain_content(path) is None:
        atomic_write(path, stored.encode("utf-8", "surrogateescape"))
    page = _fingerprint(stored)
    _file(places).save(replace(NOWHERE, document=page))


def page_of(session: Session, history: History, notes: str) -> str:
    """The document's text."""
    return views.document(
        history,
        render_words(session.contract),
        plateau=plateau_line(outlook_of(history, session.contract)),
        notes=notes,
        unit=session.contract.metric.unit,
    )


def plateau_line(found: Outlook) -> str:
    """The outlook in one line."""
    chance = f"a keep in the next 10 experiments: {found.keep_soon:.0%}"
    return f"{chance}; consider stopping: {found.reason}" if found.stop else chance


def _publish_log(session: Session, copies: Copies) -> Copies:
    source, copy = session.places.log, session.repo.toplevel / LOG_COPY
    end = session.index.position.offset
    stamp, offset = _stamp(copy), copies.offset
    if not stamp:
        offset = 0
    elif stamp != copies.stamp:
        found = plain_content(copy)
        if found is not None and _slice(source, 0, end).startswith(found):
            offset = len(found)
        else:
            _keep_edited(session, copy, known=bool(copies.stamp))
            offset = 0
    if offset == 0:
        atomic_write(copy, _slice(source, 0, end), sync=False)
    elif offset < end:
        append_once(copy, _slice(source, offset, end), sync=False)
    return replace(copies, offset=end, stamp=_stamp(copy))


def _publish_document(session: Session, copies: Copies) -> tuple[Copies, str]:
    path = session.repo.toplevel / DOCUMENT
    found = _read_document(session)
    known = {copies.document, copies.coming}
    if _stamp(path) and (not found.text or _fingerprint(found.text) not in known):
        _keep_edited(session, path, known=bool(copies.document))
    notes = _remembered_notes(session) if found.notes is None else found.notes
    page = page_of(session, session.history, notes)
    if page != found.text:
        _file(session.places).save(replace(copies, coming=_fingerprint(page)))
        atomic_write(path, page.encode("utf-8", "surrogateescape"), sync=False)
    return replace(copies, document=_fingerprint(page), coming=""), page


def _remembered_notes(session: Session) -> str:
    """The notes of the state ref's document, where the file has no place for any; it is told."""
    ref = state_ref(session.name)
    if gitrefs.at(session.repo, ref) is None:
        return ""
    notes = views.extract_notes(_stored_document(session.repo, session.name)) or ""
    if notes:
        session.news.append(
            f"{DOCUMENT} was gone or had no place for notes; they are taken from {ref}"
        )
    return notes


def _publish_ref(session: Session, copies: Copies, page: str) -> Copies:
    """Commit log and document to the session's state ref."""
    end = session.index.position.offset
    repo, ref = session.repo, state_ref(session.name)
    at = gitrefs.at(repo, ref)
    ours = at is not None and at == copies.state
    if copies.stored == end and ours:
        return copies
    parts: list[bytes] = []
    changes_at, start = (copies.part, copies.part_start) if ours else (0, 0)
    for line in _slice(session.places.log, start, end).splitlines(keepends=True):
        if not parts or len(parts[-1]) + len(line) > SEGMENT_BYTES:
            parts.append(b"")
        parts[-1] += line
    last_start = end - len(parts[-1]) if parts else start
    names = [f"log/{changes_at + i:06d}.jsonl" for i in range(len(parts))]
    # A new machine gets the session's file, too; the environment stays at home.
    contents = [
        *parts,
        page.encode("utf-8", "surrogateescape"),
        wire.line(replace(session.file, environment=())),
    ]
    paths = [*names, DOCUMENT, "session.json"]
    commit = commit_changes(
        repo,
        # Everything the log speaks of travels with this one ref.
        parents=[*([] if at is None else [at]), session.progress.incumbent_commit],
        base=repo.tree_of(at) if at is not None and ours else None,
        changes={
            path: Entry(PLAIN_MODE, object_id(repo.object_format, content))
            for path, content in zip(paths, contents, strict=True)
        },
        contents=contents,
        message=f"autoresearch {session.name}: state\n",
    )
    gitrefs.update_ref(repo, ref, commit.oid, at)
    part = changes_at + max(0, len(parts) - 1)
    return replace(copies, part=part, part_start=last_start, stored=end, state=commit.oid)


def _slice(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def _read_document(session: Session) -> _Page:
    content = plain_content(session.repo.toplevel / DOCUMENT)
    text = (content or b"").decode("utf-8", "surrogateescape")
    return _Page(text, views.extract_notes(text))


def _stored_document(repo: GitRepo, session: str) -> str:
    stored = repo.blob(repo.tree(state_ref(session))[DOCUMENT].oid)
    return stored.decode("utf-8", "surrogateescape")


def sha256(content: bytes) -> str:
    """Hex digest of some bytes."""
    return hashlib.sha256(content).hexdigest()


def _fingerprint(page: str) -> str:
    """Hash of a page without its notes."""
    head = page.partition(views.NOTES_BEGIN)[0]
    return hashlib.sha256(head.encode("utf-8", "surrogateescape")).hexdigest()


def _keep_edited(session: Session, path: Path, *, known: bool) -> None:
    """Keep an unexpected copy and tell; `known`: what was written last is known.

    The copy of an earlier session that its own ref holds is kept there already.
    """
    if not known and _is_former(session, path):
        return
    kept = keep_edited(path, session.places.state / "set-aside")
    what = "was edited; the edit" if known else "was there before the session; it"
    session.news.append(f"{path.name} {what} is kept as {shown_path(kept)}, the file made anew")


def _is_former(session: Session, path: Path) -> bool:
    """Whether the ref of another session of this repository holds the very bytes of a copy."""
    repo, found = session.repo, plain_content(path)
    for ref in gitrefs.refs(repo, "refs/autoresearch"):
        name = ref.split("/")[2]
        if ref != state_ref(name) or name == session.name:
            continue
        held = stored_log(repo, name)
        if path.name == DOCUMENT:
            held = _stored_document(repo, name).encode("utf-8", "surrogateescape")
        if found == held:
            if path.name == LOG_COPY:
                session.news.append(
                    f"{LOG_COPY} is this session's from now on; {ref} keeps {name}'s"
                )
            return True
    return False


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        st = path.lstat()
    except FileNotFoundError:
        return ()
    return (st.st_size, st.st_ino, st.st_mtime_ns, st.st_ctime_ns)


def _file(places: Places) -> Stored[Copies]:
    return Stored(places.copies, Copies, sync=False)


def _load(session: Session) -> Copies:
    """What was published last; where that is not known, everything is compared and written."""
    return _file(session.places).load() or NOWHERE


def add_note(session: Session, kind: NoteKind, text: str) -> Note:
    """Record an idea, a lesson or a dead end; they are numbered together."""
    if not text.strip():
        raise AutoresearchError(
            "the note is empty",
            code="empty_note",
            hint="Say in one sentence what a successor needs.",
        )
    note = _noted(session, kind, session.progress.last_note + 1, text)
    publish(session)
    return note


def retire_idea(session: Session, number: int, text: str) -> Note:
    """Take an open idea off the list."""
    open_ideas = {idea.number for idea in session.history.ideas.newest}
    if number not in open_ideas:
        raise AutoresearchError(
            f"there is no open idea {number}",
            code="no_idea",
            hint=f"Open ideas: {', '.join(map(str, sorted(open_ideas))) or 'none'}.",
        )
    note = _noted(session, NoteKind.RETIRE, number, text)
    publish(session)
    return note


def close_idea(session: Session, number: int, experiment: int) -> None:
    """Take an open idea off the list because an experiment that tried it was kept; idempotent."""
    if number in {idea.number for idea in session.history.ideas.newest}:
        _noted(session, NoteKind.RETIRE, number, f"kept as experiment {experiment}")


def _noted(session: Session, kind: NoteKind, number: int, text: str) -> Note:
    note = Note(
        schema=SCHEMA,
        at=now_utc(),
        kind=kind,
        number=number,
        text=text.strip()[:TEXT_LIMIT],
        experiment=session.progress.last_number,
    )
    record(session, note)
    return note


def stop_session(session: Session, reason: str) -> Stop:
    """End the session; branch, log and refs stay."""
    stopped = session.progress.stopped
    if stopped is not None:
        raise AutoresearchError(
            f"the session is stopped already: {stopped}",
            code="stopped",
            hint="Nothing is left to do.",
        )
    stop = Stop(schema=SCHEMA, at=now_utc(), reason=reason)
    record(session, stop)
    publish(session)
    return stop
