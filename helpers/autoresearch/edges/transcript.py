"""What an agent session used, read from its host's transcripts: best effort, never an error.

A call reads only what was added since the one before; how far it got stands in a small file
beside those of `hostfiles`. Where nothing can be read the answer is None.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from autoresearch import share
from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.usage import Price, Prices, ReadSoFar, Sum, Turn, meter_of, read_on
from autoresearch.edges.hostfiles import known
from autoresearch.edges.stored import Stored
from autoresearch.edges.whereabouts import OURS, host_file, state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autoresearch.core.model import Meter

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
    """What the agent session used so far; None when its host shows no transcript.

    Args:
        environ: of the process.
        host_session: as its host names it.
    """
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
    path = _path(environ, host_session)
    return None if path is None else Stored(path, dict[str, _Bookmark], sync=False)


def _path(environ: Mapping[str, str], host_session: str) -> Path | None:
    state = state_folder(environ)
    found = None if state is None else host_file(state, host_session, ".meter.json")
    return None if found is None else Path(found)
