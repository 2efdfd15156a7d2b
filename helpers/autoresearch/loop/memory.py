"""Log, document and their copies: what a session remembers, and where others can read it.

The authority is the log in the state folder. `autoresearch.jsonl` and `autoresearch.md` in the
working tree are copies for people and agents, the session's state ref is the copy that travels
with a push. All three can be made again at any time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import document, jsonform, phrases
from autoresearch.core.budget import outlook_of
from autoresearch.core.contract import render_words
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.model import SCHEMA
from autoresearch.core.snapshot import PLAIN_MODE, Entry
from autoresearch.edges import gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import append_once, atomic_write
from autoresearch.edges.gitwrite import commit_changes, index_of, write_blobs

if TYPE_CHECKING:
    from autoresearch.core.history import History
    from autoresearch.core.plateau import Outlook
    from autoresearch.core.records import Record
    from autoresearch.loop.session import Session

LOG_COPY = "autoresearch.jsonl"
DOCUMENT = "autoresearch.md"
EXCLUDED = (f"/{DOCUMENT}", f"/{LOG_COPY}")
SEGMENT_BYTES = 256 * 1024
"""The state ref holds the log in parts of about this size, so that a step rewrites one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What was last written where.

    Attributes:
        offset: bytes of the log that the copy in the working tree holds.
        stamp: size, inode, mtime and ctime of that copy: unchanged means unread.
        document: SHA-256 of the document without its notes.
        part, part_start: number and first byte of the log's last part in the state ref.
        stored: bytes of the log that the state ref holds.
    """

    schema: int
    offset: int
    stamp: tuple[int, ...]
    document: str
    part: int
    part_start: int
    stored: int


class _Read(NamedTuple):
    text: str
    notes: str


def record(session: Session, entry: Record) -> None:
    """Append a record to the log."""
    session.index.append(entry)


def publish(session: Session) -> None:
    """Bring document, log copy and state ref up to the log; idempotent.

    What somebody wrote into a copy is set aside and reported, but for the document's notes, which
    stay.
    """
    copies = _load(session)
    copies = _publish_log(session, copies)
    copies, page = _publish_document(session, copies)
    copies = _publish_ref(session, copies, page)
    _save(session, copies)


def is_published(session: Session) -> bool:
    """Whether the copies hold the whole log."""
    copies = _load(session)
    end = session.index.position.offset
    return copies.offset == end == copies.stored


def page_of(session: Session, history: History, notes: str) -> str:
    """The document's text."""
    return document.render(
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


def notes_of(session: Session) -> str:
    """The free notes as they stand in the working tree's document."""
    return _read_document(session).notes


def _publish_log(session: Session, copies: Copies) -> Copies:
    source, copy = session.places.log, session.repo.toplevel / LOG_COPY
    end = session.index.position.offset
    if _stamp(copy) != copies.stamp and copy.exists():
        whole = _slice(source, 0, end)
        found = copy.read_bytes()
        if not whole.startswith(found) or copy.is_symlink():
            _set_aside(session, copy)
            copies = replace(copies, offset=0)
        else:
            copies = replace(copies, offset=len(found))
    elif not copy.exists():
        copies = replace(copies, offset=0)
    if copies.offset == 0:
        atomic_write(copy, _slice(source, 0, end))
    elif copies.offset < end:
        append_once(copy, _slice(source, copies.offset, end))
    return replace(copies, offset=end, stamp=_stamp(copy))


def _publish_document(session: Session, copies: Copies) -> tuple[Copies, str]:
    path = session.repo.toplevel / DOCUMENT
    found = _read_document(session)
    if found.text and _fingerprint(found.text) != copies.document:
        _set_aside(session, path)
    page = page_of(session, session.index.history(), found.notes)
    if page != found.text or path.is_symlink():
        atomic_write(path, page.encode("utf-8", "surrogateescape"))
    return replace(copies, document=_fingerprint(page)), page


def _publish_ref(session: Session, copies: Copies, page: str) -> Copies:
    """Commit log and document to the session's state ref."""
    end = session.index.position.offset
    repo, ref = session.repo, f"refs/autoresearch/{session.name}/state"
    if copies.stored == end and gitrefs.refs(repo, ref):
        return copies
    at = gitrefs.refs(repo, ref).get(ref)
    parts: list[bytes] = []
    number, start = copies.part, copies.part_start
    if at is None:
        number, start = 0, 0
    changes_at = number
    for line in _slice(session.places.log, start, end).splitlines(keepends=True):
        if not parts or len(parts[-1]) + len(line) > SEGMENT_BYTES:
            parts.append(b"")
        parts[-1] += line
    last_start = end - len(parts[-1]) if parts else start
    names = [f"log/{changes_at + i:06d}.jsonl" for i in range(len(parts))]
    contents = [*parts, page.encode("utf-8", "surrogateescape"), _frozen(session)]
    oids = write_blobs(repo, contents)
    paths = [*names, DOCUMENT, "session.json"]
    commit = commit_changes(
        repo,
        parents=[] if at is None else [at.oid],
        index=index_of(repo, _base_tree(session, at), session.places.state / "state-index"),
        changes={p: Entry(PLAIN_MODE, oid) for p, oid in zip(paths, oids, strict=True)},
        message=f"autoresearch {session.name}: state\n",
    )
    gitrefs.update_ref(repo, ref, commit.oid, None if at is None else at.oid)
    part = changes_at + max(0, len(parts) - 1)
    return replace(copies, part=part, part_start=last_start, stored=end)


def _base_tree(session: Session, at: gitrefs.Ref | None) -> str:
    if at is not None:
        return session.repo.tree_of(at.oid)
    return session.repo.run("mktree", stdin=b"").out.decode("ascii").strip()


def _frozen(session: Session) -> bytes:
    """What a new machine needs beside log and branch; the environment stays at home."""
    portable = replace(session.file, environment=())
    return jsonform.dumps(jsonform.to_object(portable)).encode("ascii") + b"\n"


def _slice(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def _read_document(session: Session) -> _Read:
    path = session.repo.toplevel / DOCUMENT
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except (FileNotFoundError, IsADirectoryError):
        return _Read("", "")
    return _Read(text, document.extract_notes(text))


def sha256(content: bytes) -> str:
    """Hex digest of some bytes."""
    return hashlib.sha256(content).hexdigest()


def _fingerprint(page: str) -> str:
    """Hash of a page without its notes."""
    head = page.partition(document.NOTES_BEGIN)[0]
    return hashlib.sha256(head.encode("utf-8", "surrogateescape")).hexdigest()


def _set_aside(session: Session, path: Path) -> None:
    folder = session.places.state / "set-aside"
    folder.mkdir(exist_ok=True, mode=0o700)
    name = f"{path.name}.{now_utc().replace(':', '')}"
    number = sum(1 for _ in folder.iterdir())
    target = folder / f"{number:03d}-{name}"
    atomic_write(target, path.read_bytes(), mode=0o600)
    if path.is_symlink():
        path.unlink()
    session.news.append(
        f"{path.name} was edited; the edit is kept as {phrases_path(target)} and the file made anew"
    )


def phrases_path(path: Path) -> str:
    """A path as it is shown: below the home it starts with `~`."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        st = path.lstat()
    except FileNotFoundError:
        return ()
    return (st.st_size, st.st_ino, st.st_mtime_ns, st.st_ctime_ns)


def _load(session: Session) -> Copies:
    path = session.places.state / "copies.json"
    try:
        return jsonform.from_object(Copies, json.loads(path.read_bytes()))
    except (OSError, ValueError, CorruptLogError):
        # Not written yet, or damaged: then everything is compared and written anew.
        return Copies(
            schema=SCHEMA, offset=0, stamp=(), document="", part=0, part_start=0, stored=0
        )


def _save(session: Session, copies: Copies) -> None:
    text = jsonform.dumps(jsonform.to_object(copies))
    atomic_write(session.places.state / "copies.json", text.encode("ascii") + b"\n", mode=0o600)


def headline(history: History) -> str:
    """Where the session stands, in one line."""
    return f"{phrases.count(history.last_number, 'experiment')}, {history.kept_count} kept"
