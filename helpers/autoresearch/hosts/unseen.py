"""Before a tool runs: would it read what the holdout reads?

The agent that has seen those inputs can fit them, and no verdict tells. Only what a call names
can be known here; a sandbox hides them from everything that is measured.
"""

from __future__ import annotations

import os

from autoresearch.hosts.live import live_in
from autoresearch.hosts.ruling import DENY, Ruling

TYPE_CHECKING = False  # typing is not worth its import on every call of a hook
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_WHY = (
    "autoresearch: {path} belongs to the holdout, which measures on inputs that the agent must "
    "not see; `autoresearch try` runs it and says whether it passed."
)


def judge_read(tool: str, given: Mapping[str, Any], cwd: str, state: str) -> Ruling | None:
    """May a file be read, or a folder be searched?"""
    named = given.get("file_path") or given.get("path") or cwd
    path = os.path.realpath(os.path.join(cwd, str(named)))
    for hidden in _hidden(state, cwd):
        if _is_below(path, hidden) or (tool == "Grep" and _is_below(hidden, path)):
            return Ruling(DENY, _WHY.format(path=hidden))
    return None


def judge_command(command: str, cwd: str, state: str) -> Ruling | None:
    """May a shell command run that names such a path?"""
    for hidden in _hidden(state, cwd):
        if hidden in command:
            return Ruling(DENY, _WHY.format(path=hidden))
    return None


def _hidden(state: str, cwd: str) -> list[str]:
    live = live_in(state, cwd)
    found = None if live is None else live.view.get("unseen")
    return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
