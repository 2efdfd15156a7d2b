"""Small files about agent sessions, which the helper and a host's hooks leave for each other.

The hooks write what the host told them (`hosts.sessions`), the helper where a run is open. All of
it is a convenience: a missing or damaged file says nothing, and nothing fails for it.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.edges.files import atomic_write
from autoresearch.edges.whereabouts import host_file, state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

CLAUDE_CODE = "CLAUDE_CODE_SESSION_ID"
HOST_SESSION_VARIABLES = (CLAUDE_CODE, "CODEX_SESSION_ID", "AUTORESEARCH_HOST_SESSION")
NO_HOST = "local"

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
