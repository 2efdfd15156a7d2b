"""What is known of agent sessions: small files, and what their hosts' transcripts say they cost.

The hooks write what the host told them (`hosts.sessions`), the helper where a run is open. All of
it is a convenience: a missing or damaged file says nothing, and nothing fails for it. Of a
transcript a call reads only what was added since the one before.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from autoresearch import share
from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import Meter
from autoresearch.core.usage import Price, Prices, ReadSoFar, Sum, Turn, meter_of, read_on
from autoresearch.edges.files import atomic_write
from autoresearch.edges.stored import Stored
from autoresearch.edges.whereabouts import OURS, host_file, state_folder

CLAUDE_CODE = "CLAUDE_CODE_SESSION_ID"
HOST_SESSION_VARIABLES = (CLAUDE_CODE, "CODEX_SESSION_ID", "AUTORESEARCH_HOST_SESSION")
NO_HOST = "local"

ASKED_S = 86_400.0
"""How long a question of the host's may wait for its answer, which starts the command."""

KEPT_S = 30 * 86_400.0
"""How long a file about an agent session is kept after its last change."""


class HostSession(NamedTuple):
    """What the hooks know of an agent session; empty text for what nobody said.

    Attributes:
        mode: the host's permission mode at the latest call of ours.
        transcript: path of its transcript.
        over: whether it ended.
    """

    mode: str
    transcript: str
    over: bool


def host_session(environ: Mapping[str, str]) -> str:
    """The agent session that calls, as its host names it; `local` where none does."""
    named = (environ.get(variable, "") for variable in HOST_SESSION_VARIABLES)
    return next((name for name in named if name), NO_HOST)


def known(environ: Mapping[str, str], host_session: str) -> HostSession | None:
    """What the hooks told of an agent session; None when they told nothing."""
    path = _path(environ, host_session, ".json")
    if path is None:
        return None
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(said, dict):
        return None
    mode, transcript = (str(said.get(key, "")) for key in ("permission_mode", "transcript_path"))
    return HostSession(mode, transcript, bool(said.get("ended")))


def has_asked(environ: Mapping[str, str], host_session: str, command: str) -> bool:
    """Whether the host put a question to its user before this call, by what its hook wrote down.

    A file that the agent could write as well: what is known by it was seen, not proven.
    """
    path = _path(environ, host_session, ".json")
    try:
        said = {} if path is None else json.loads(path.read_bytes())
        words, at = said.get("asked") or ("", 0.0)
        fresh = 0 <= time.time() - float(at) < ASKED_S
    except (OSError, ValueError, TypeError, AttributeError):
        return False
    return (
        bool(said.get("amending"))
        if command == "amend" and not fresh
        else (fresh and command in str(words).split())
    )


def is_over(environ: Mapping[str, str], host_session: str) -> bool:
    """Whether the host said that this agent session ended."""
    told = known(environ, host_session)
    return told is not None and told.over


def mark(environ: Mapping[str, str], host_session: str, state: Path) -> None:
    """Tell the hooks in which session's state folder this agent session has a run."""
    path = _path(environ, host_session, ".run.json")
    if path is None or host_session == NO_HOST:
        return
    content = json.dumps({"state": str(state)}).encode("ascii")
    with contextlib.suppress(OSError, AutoresearchError):  # then the hooks keep quiet
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _forget_old(path.parent)
        atomic_write(path, content + b"\n", mode=0o600, sync=False)


def _forget_old(folder: Path) -> None:
    oldest = time.time() - KEPT_S
    for path in folder.glob("s-*.json"):
        with contextlib.suppress(OSError):  # another command was faster
            if path.stat().st_mtime < oldest:
                path.unlink()


def _path(environ: Mapping[str, str], host_session: str, suffix: str) -> Path | None:
    state = state_folder(environ)
    found = None if state is None else host_file(state, host_session, suffix)
    return None if found is None else Path(found)


PRICES_VARIABLE = "AUTORESEARCH_PRICES"
PRICES_FILE = "prices.json"
MOST_BYTES = 64 * 1024 * 1024
"""Most of a transcript that one call reads; a later call goes on from there."""

_PART = 1024 * 1024


class _Bookmark(Struct, frozen=True):
    """How far a transcript was read: where its last whole line ended, and see `usage.ReadSoFar`."""

    offset: int
    total: Sum
    recent: tuple[Turn, ...]


_NOTHING = _Bookmark(0, *ReadSoFar())


def read_meter(environ: Mapping[str, str], host_session: str) -> Meter | None:
    """What the agent session used so far; None when its host shows no transcript."""
    paths = transcripts(environ, host_session)
    if not paths:
        return None
    known_prices = prices(environ)
    file = _file(environ, host_session)
    before = (file.load() if file is not None else None) or {}
    now: dict[str, _Bookmark] = {}
    for path in paths:
        known = before.get(str(path), _NOTHING)
        with contextlib.suppress(OSError):  # it was removed meanwhile
            now[str(path)] = _read_on(path, known, known_prices)
    if file is not None:
        with contextlib.suppress(OSError, AutoresearchError):  # read again next time
            file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.save(now)
    return meter_of(host_session, (read.total for read in now.values()))


def transcripts(environ: Mapping[str, str], host_session: str) -> tuple[Path, ...]:
    """The transcript of an agent session and those of its sub-agents; empty when not found."""
    told = known(environ, host_session)
    main = Path(told.transcript) if told is not None and told.transcript else None
    if main is None or not main.is_file():
        main = next(_claude_transcripts(environ, host_session), None)
    if main is None:
        return ()
    return (main, *sorted((main.parent / main.stem / "subagents").glob("agent-*.jsonl")))


def prices(environ: Mapping[str, str]) -> dict[str, Price]:
    """Ours and the user's own, which come first unless `price_trouble` has something to say."""
    try:
        own = _own_prices(environ)
    except (OSError, ValueError):
        own = {}
    return our_prices().dollars_for_a_million_tokens | own


def our_prices() -> Prices:
    """Those that come with the helper."""
    return wire.convert(wire.loads((share.FOLDER / "prices.json").read_bytes()), Prices)


def price_trouble(environ: Mapping[str, str]) -> str:
    """What is wrong with the user's file of prices, in one line; empty when nothing is."""
    try:
        _own_prices(environ)
    except (OSError, ValueError) as error:
        return f"{prices_path(environ)}: {error}"
    return ""


def prices_path(environ: Mapping[str, str]) -> Path:
    """Where the user's own prices are looked for."""
    named = environ.get(PRICES_VARIABLE, "")
    if named:
        return Path(named)
    config = environ.get("XDG_CONFIG_HOME", "")
    base = Path(config) if config.startswith("/") else Path(environ.get("HOME", "/")) / ".config"
    return base / OURS / PRICES_FILE


def _own_prices(environ: Mapping[str, str]) -> dict[str, Price]:
    path = prices_path(environ)
    if not path.is_file() and PRICES_VARIABLE not in environ:
        return {}
    return wire.convert(wire.loads(path.read_bytes()), dict[str, Price])


def _claude_transcripts(environ: Mapping[str, str], host_session: str) -> Iterator[Path]:
    config = environ.get("CLAUDE_CONFIG_DIR") or f"{environ.get('HOME', '/')}/.claude"
    if host_file("/", host_session, "") is None:  # no name that a pattern could hold
        return
    yield from sorted(Path(config).glob(f"projects/*/{host_session}.jsonl"))


def _read_on(path: Path, known: _Bookmark, prices: Mapping[str, Price]) -> _Bookmark:
    """With the lines that were added since."""
    offset, reading = known.offset, ReadSoFar(known.total, known.recent)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size < offset:  # not the file that was read before
            offset, reading = 0, ReadSoFar()
        file.seek(offset)
        end = min(size, offset + MOST_BYTES)
        rest = b""
        while (part := file.read(min(_PART, end - offset - len(rest)))) != b"":
            *lines, rest = (rest + part).split(b"\n")
            reading = read_on(reading, lines, prices)
            offset += sum(len(line) + 1 for line in lines)
    return _Bookmark(offset, *reading)


def _file(environ: Mapping[str, str], host_session: str) -> Stored[dict[str, _Bookmark]] | None:
    path = _path(environ, host_session, ".meter.json")
    return None if path is None else Stored(path, dict[str, _Bookmark], sync=False)
