"""`gc`: what a session can do without, looked up by anybody, removed only when a human asks.

Refs of old candidates that were not kept, captured output of old experiments, races that cannot
go on, bench checkouts that no session uses. Kept commits, dropped edits and the log never go.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from autoresearch.core import formatting, wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA
from autoresearch.core.pruning import Prunable, numbers_of, prunable, ranges
from autoresearch.core.records import Pruned
from autoresearch.core.steps import Action
from autoresearch.edges import gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import named_errors, remove_tree
from autoresearch.edges.lock import Lock
from autoresearch.edges.places import Places
from autoresearch.loop import logbook, measure
from autoresearch.loop.session import Session

KEEP = 100
"""So many of the newest experiments stay unless another number is asked for."""

_OUTPUT = re.compile(r"([0-9]{4,})-.*\.txt")
_INTERRUPTED = re.compile(r".*/interrupted/([0-9]+)-[0-9a-f]+")


class Checkout(NamedTuple):
    """Bench checkouts that nobody uses, why that is so, and the bytes in them."""

    places: Places
    why: str
    size: int


class Removable(NamedTuple):
    """What may go.

    Attributes:
        keep: so many of the newest experiments stay.
        named: experiments that stay only because an open idea names them.
        refs, interrupted: of `experiments`, and of candidates as old that never got a verdict.
        files, size: captured output, races that cannot go on; bytes in them.
    """

    keep: int
    experiments: tuple[int, ...]
    named: tuple[int, ...]
    refs: tuple[gitrefs.RefUpdate, ...]
    interrupted: tuple[gitrefs.RefUpdate, ...]
    files: tuple[Path, ...]
    size: int
    checkouts: tuple[Checkout, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.refs or self.interrupted or self.files or self.checkouts)


def look(session: Session, keep: int) -> Removable:
    """What `prune` would remove; nothing is changed."""
    may = prunable(session.survey(), keep)
    border = session.progress.last_number - keep
    numbers, refs = _refs(session, may)
    incumbent, races = session.progress.incumbent_commit, measure.kept_in(session.places.raw)
    dead = [path for path in races if not measure.may_go_on(path, incumbent)]
    files = (*_output(session.places.output, border), *dead)
    return Removable(
        keep=keep,
        experiments=numbers,
        named=may.named,
        refs=refs,
        interrupted=_interrupted(session, border),
        files=files,
        size=_bytes_in(files),
        checkouts=tuple(_unused(session)),
    )


def prune(session: Session, keep: int) -> Removable:
    """Remove what `look` finds; what was removed.

    The log says which refs went, so that nobody takes them for lost.
    """
    with ExitStack() as stack:
        found = look(session, keep)
        free = tuple(c for c in found.checkouts if _held(stack, session, c.places))
        if found.refs:
            _prune_refs(session, found)
        if found.interrupted:
            gitrefs.update_refs(session.repo, found.interrupted, "autoresearch: gc")
        for path in found.files:
            with named_errors(path):
                path.unlink(missing_ok=True)
        for checkout in free:
            remove_tree(checkout.places.manifests)  # first: without it the rest counts as unknown
            remove_tree(checkout.places.cache)
        return found._replace(checkouts=free)


def finish_gc(session: Session, action: Action) -> str:
    """Write down what an interrupted `gc` removed; the rest stays until it is asked for again."""
    planned = action.record(Pruned)
    gone = _write_down(session, planned)
    return f"gc was interrupted when {formatting.count(gone, 'ref')} of candidates were removed"


def _refs(session: Session, may: Prunable) -> tuple[tuple[int, ...], tuple[gitrefs.RefUpdate, ...]]:
    """The refs that are there and hold what was tried; one that somebody moved is theirs."""
    there = gitrefs.refs(session.repo, session.refs_of("exp"))
    found = [
        (known.number, gitrefs.RefUpdate(session.ref(known.number), None, known.commit))
        for known in may.candidates
        if (ref := there.get(session.ref(known.number))) is not None and ref.oid == known.commit
    ]
    return tuple(number for number, _ in found), tuple(update for _, update in found)


def _interrupted(session: Session, border: int) -> tuple[gitrefs.RefUpdate, ...]:
    there = gitrefs.refs(session.repo, session.refs_of("interrupted"))
    return tuple(
        gitrefs.RefUpdate(name, None, ref.oid)
        for name, ref in sorted(there.items())
        if (named := _INTERRUPTED.fullmatch(name)) is not None and int(named[1]) <= border
    )


def _output(folder: Path, border: int) -> Iterable[Path]:
    return (
        path
        for path in sorted(folder.glob("*.txt"))
        if (named := _OUTPUT.fullmatch(path.name)) is not None and int(named[1]) <= border
    )


def _unused(session: Session) -> Iterable[Checkout]:
    """Bench checkouts of this repository whose session is stopped, or is not here any more."""
    ours = session.places
    folders = ours.cache.parent.iterdir() if ours.cache.parent.is_dir() else ()
    for folder in sorted(folders):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        places = Places(state=ours.state.with_name(folder.name), cache=folder)
        if folder.name == session.name:
            why = "stopped" if session.progress.stopped is not None else ""
        else:
            why = _why_over(places)
        if why:
            yield Checkout(places, why, _size_of(folder))


def _why_over(places: Places) -> str:
    if not places.state.exists():
        return "its state is gone"
    try:
        seen = json.loads((places.state / logbook.HOST_FILE).read_bytes())
    except (OSError, ValueError):
        return ""  # not known to be over
    return "stopped" if isinstance(seen, dict) and seen.get("stopped") is True else ""


def _size_of(folder: Path) -> int:
    return _bytes_in(
        os.path.join(where, name)  # noqa: PTH118  (names come in bulk)
        for where, _, names in os.walk(folder)
        for name in names
    )


def _bytes_in(files: Iterable[Path | str]) -> int:
    """The sum of their sizes; a command at work may remove some meanwhile."""
    size = 0
    for path in files:
        with contextlib.suppress(FileNotFoundError):
            size += os.lstat(path).st_size
    return size


def _held(stack: ExitStack, session: Session, places: Places) -> bool:
    """Whether nobody can use these checkouts until the end of the block."""
    if places.session == session.name:
        return True
    lock = places.lock if places.state.exists() else places.state.with_name("rehearsal.lock")
    try:
        stack.enter_context(Lock(lock).acquire("gc"))
    except AutoresearchError:
        return False  # somebody is at work there: then they are used
    return True


def _prune_refs(session: Session, found: Removable) -> None:
    record = Pruned(
        schema=SCHEMA, at=now_utc(), experiments=ranges(found.experiments), keep=found.keep
    )
    session.begin("gc", "chosen", record=wire.text(record))
    try:
        gitrefs.update_refs(session.repo, found.refs, "autoresearch: gc")
    finally:
        _write_down(session, record)


def _write_down(session: Session, planned: Pruned) -> int:
    """Log which of the planned refs are gone; how many. Repeating it is harmless."""
    there = gitrefs.refs(session.repo, session.refs_of("exp"))
    written = session.survey().pruned
    planned_and_gone = {n for n in numbers_of(planned.experiments) if session.ref(n) not in there}
    # Not by the time of the newest record: two calls of `gc` may fall into the same second.
    if unwritten := sorted(planned_and_gone - written):
        logbook.record(session, replace(planned, experiments=ranges(unwritten)))
    logbook.publish(session)
    session.journal.clear()
    return len(planned_and_gone)
