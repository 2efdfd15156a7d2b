"""What measures outside the checkouts, as it was when the epoch began.

Linked folders, interpreters with their packages, toolchains, files named by absolute path: no
commit holds them, so a keep means something only while they stay as they were. They are looked at
before and after every race; what changed is put back, or adopted by a human (`amend`).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoresearch.core.contract import commands_of
from autoresearch.core.errors import AutoresearchError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.edges import fingerprint
from autoresearch.edges.premises import find_roots
from autoresearch.loop import logbook, measure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autoresearch.core.snapshot import TreeMap
    from autoresearch.edges.fingerprint import Looked
    from autoresearch.loop.bench import Bench
    from autoresearch.loop.session import Session

TABLE = "surroundings.stat"
TOUCHED = "a file that measures was touched meanwhile and put back"
UNKNOWN = (1, 0)
"""Of a rehearsal of which it is not known when it wrote something."""

_SHOWN = 5


class EnvironmentChanged(AutoresearchError):
    """Raised when what measures outside the checkouts is not as it was.

    Attributes:
        paths: what differs.
    """

    def __init__(self, paths: tuple[str, ...]) -> None:
        super().__init__(
            said(paths),
            code="environment_changed",
            hint="Put it back, or a human adopts it with `autoresearch amend` (a new epoch).",
        )
        self.paths = paths


def said(paths: tuple[str, ...]) -> str:
    """What changed, in one line."""
    more = len(paths) - _SHOWN
    named = ", ".join(paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"environment changed: {clean_line(named, 400)}"


def freeze(
    bench: Bench, tree: TreeMap, state: Path, toplevel: Path, rehearsed_ns: tuple[int, int]
) -> str:
    """Write down what is there now; its digest. See `fingerprint.take`."""
    contract, environment = bench.contract, bench.confinement.environment
    unseen = [] if contract.holdout is None else [contract.holdout.command]
    commands = [command for _, command in commands_of(contract) if command not in unseen]
    words = (word.strip("'\"();&|<>") for command in commands for word in command.split())
    named = dict.fromkeys(word.removeprefix("./") for word in words)
    scripts = [tree[word].oid for word in named if word in tree and tree[word].mode != "160000"]
    roots = find_roots(
        commands,
        unseen,
        [content for _, content in bench.repo.blobs(scripts)],
        environment,
        own=[name for name, _ in contract.env],
        links=contract.link,
        toplevel=toplevel,
        names={path.rpartition("/")[2] for path in tree},
    )
    return fingerprint.take(roots, state / TABLE, toplevel, rehearsed_ns=rehearsed_ns)


def look(session: Session) -> Looked:
    """What changed since the epoch began; nothing of an epoch of which nothing was written down.

    Where only times moved, the races that were interrupted are void: they may have seen more.
    """
    path = dict(session.file.environment).get("PATH", "")
    found = fingerprint.look(session.places.state / TABLE, session.repo.toplevel, path)
    if found is None:
        watched = bool(session.epoch.surroundings_sha256)
        return fingerprint.Looked((TABLE,) if watched else (), (), stirred=False, files=0)
    tapes = [*session.places.raw.glob("*.jsonl")] if found.changed or found.stirred else []
    for tape in tapes:
        measure.discard(tape)
    if tapes:
        session.news.append("what measures was touched meanwhile: an interrupted race starts anew")
    if found.broken:
        raise SessionBroken(
            said(found.broken),
            code="benchmark_broken",
            hint="Put it back, then repeat the command; the edit is untouched. A human adopts it "
            "with `autoresearch amend`.",
        )
    return found


def find_anew(session: Session) -> None:
    """Write down what is there where the table was lost with the state; the log says so."""
    state = session.places.state
    if not (state / TABLE).exists():
        tree, top = session.tree(session.epoch.commit), session.repo.toplevel
        freeze(session.bench(), tree, state, top, UNKNOWN)
        detail = "what measures outside the checkouts was looked up anew"
        logbook.record_recovery(session, "recover", "surroundings", detail)


def require_unchanged(session: Session) -> None:
    """Raise EnvironmentChanged where something is not as it was."""
    found = look(session)
    if found.changed:
        raise EnvironmentChanged(found.changed)


@contextmanager
def watched(session: Session) -> Iterator[None]:
    """Look before and after what is measured in this block; raises EnvironmentChanged."""
    require_unchanged(session)
    yield
    found = look(session)
    if found.changed or found.stirred:
        raise EnvironmentChanged(found.changed or (TOUCHED,))
