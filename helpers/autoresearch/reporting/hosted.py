"""What `doctor` finds about the host that it is called in: hooks, their failures, prices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.text import clean_line
from autoresearch.core.usage import AS_OF
from autoresearch.edges.files import file_error
from autoresearch.edges.hostfiles import NO_HOST, host_session, known
from autoresearch.edges.places import shown_path
from autoresearch.edges.transcript import price_trouble, prices_path, transcripts
from autoresearch.edges.whereabouts import FAILURES, state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Seen(NamedTuple):
    """One thing looked at; no remedy where it is fine."""

    text: str
    remedy: str = ""


def host_findings(environ: Mapping[str, str]) -> Iterator[Seen]:
    """What there is to say of the host; at most three lines."""
    yield from _failures(environ)
    host = host_session(environ)
    if host != NO_HOST:
        told = known(environ, host)
        hooks = "no hook was called yet" if told is None else f"hooks work, mode {told.mode or '?'}"
        found = "found" if transcripts(environ, host) else "not found, so no cost is known"
        yield Seen(f"host: {clean_line(hooks)}; transcript {found}")
    trouble = price_trouble(environ)
    if trouble:
        yield Seen(f"prices: {clean_line(trouble)}", "Mend the file or remove it.")
    elif prices_path(environ).is_file():
        yield Seen(f"prices: {shown_path(prices_path(environ))}, then those of {AS_OF}")


def _failures(environ: Mapping[str, str]) -> Iterator[Seen]:
    state = state_folder(environ)
    path = None if state is None else Path(state) / FAILURES
    if path is None:
        return
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        told = file_error(error, path)
        yield Seen(told.message, told.hint)
        return
    last = clean_line(lines[-1] if lines else "", 160)
    yield Seen(
        f"hooks: one failed, which stopped nobody: {last}",
        f"Report it with {shown_path(path)}, then remove the file.",
    )
