"""The status line of a host: where the session of this folder stands, in one line."""

from __future__ import annotations

import json
import os
import sys

from autoresearch.hosts import sessions
from autoresearch.hosts.live import any_session, live_in, live_of_host

TYPE_CHECKING = False  # typing is not worth its import on every call
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def main(given: bytes) -> int:
    """Print the line for what the host says on stdin; 0 whatever happens."""
    try:
        text = line(given, os.environ)
        if text:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
    except Exception:  # noqa: BLE001 - a process of its own, and this is its last handler
        import traceback  # noqa: PLC0415 - only when something broke

        sessions.note_failure(os.environ, f"statusline: {traceback.format_exc()}")
    return 0


def line(given: bytes, environ: Mapping[str, str]) -> str:
    """The line, without newline; empty where no session is live."""
    state = any_session(environ)
    if state is None:
        return ""
    said = _object(given)
    live = live_of_host(state, str(said.get("session_id", "")))
    if live is None:
        live = live_in(state, _folder(said))
    if live is None:
        return ""
    doing = "measuring" if live.is_at_work() else ""
    parts = [str(live.view.get("line", "")), doing]
    text = " · ".join(part for part in parts if part)
    return text.encode(sys.stdout.encoding or "utf-8", "backslashreplace").decode()


def _object(given: bytes) -> dict[str, Any]:
    said = json.loads(given) if given.strip() else {}
    return said if isinstance(said, dict) else {}


def _folder(said: dict[str, Any]) -> str:
    workspace = said.get("workspace")
    current = workspace.get("current_dir") if isinstance(workspace, dict) else None
    return str(current or said.get("cwd") or os.getcwd())
