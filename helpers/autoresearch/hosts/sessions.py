"""What the hooks remember of an agent session: one small file each, and one for their failures.

Only sessions that work with `autoresearch` are remembered, so that nothing is written elsewhere.
"""

from __future__ import annotations

import json
import os
import time

from autoresearch.edges.whereabouts import FAILURES, HOSTS, host_file, state_folder
from autoresearch.hosts.live import read_object

TYPE_CHECKING = False  # typing is not worth its import on every call of a hook
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FAILURE_BYTES = 16 * 1024
_KEPT = ("permission_mode", "transcript_path", "cwd")


def remember(state: str, said: dict[str, Any]) -> None:
    """Keep what the helper will want to know: permission mode, transcript, folder."""
    kept = {key: str(said[key]) for key in _KEPT if said.get(key)}
    _update(state, str(said.get("session_id", "")), kept, create=True)


def reopened(state: str, host_session: str) -> None:
    """The agent session began or was taken up again."""
    _update(state, host_session, {"ended": None})


def ended(state: str, host_session: str, reason: str) -> None:
    """The agent session is over; its run is free for another one."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    gone = {"amending": None, "agreed": None, "draft": None}
    _update(state, host_session, {"ended": at, "reason": reason[:100], **gone})


def set_amending(state: str, host_session: str) -> None:
    """The human asked, in this turn, to change the contract."""
    _update(state, host_session, {"amending": True}, create=True)


def end_turn(state: str, host_session: str) -> None:
    """What the human asked for in this turn is asked no longer."""
    _update(state, host_session, {"amending": None, "agreed": None})


def is_amending(state: str, host_session: str) -> bool:
    """Whether the human asked, in this turn, to change the contract."""
    return bool(_known(state, host_session).get("amending"))


def agree(state: str, said: dict[str, Any]) -> None:
    """The human's own command for this turn ended with `yes`."""
    turn = str(said.get("prompt_id") or True)
    _update(state, str(said.get("session_id", "")), {"agreed": turn}, create=True)


def has_agreed(state: str, said: dict[str, Any]) -> bool:
    """Whether the human's own command for this turn ended with `yes`.

    A turn that was interrupted has no end that a hook hears of; so its prompt is compared as well.
    """
    known = _known(state, str(said.get("session_id", ""))).get("agreed")
    return known is not None and known == str(said.get("prompt_id") or True)


def begin_draft(state: str, host_session: str, path: str) -> None:
    """The agent session writes the draft of a contract, which it may go on editing."""
    _update(state, host_session, {"draft": path}, create=True)


def draft_of(state: str, host_session: str) -> object:
    """The draft that the agent session began, or None."""
    return _known(state, host_session).get("draft")


def has_grown(state: str, host_session: str, session: str, length: int) -> bool:
    """Whether the log grew since the agent was last sent on; from now on this length counts."""
    now = [session, length]
    grown = _known(state, host_session).get("blocked") != now
    _update(state, host_session, {"blocked": now}, create=True)
    return grown


def note_failure(environ: Mapping[str, str], text: str) -> None:
    """Add a failure to a bounded file; where even that fails there is nobody left to tell."""
    state = state_folder(environ)
    if state is None or not os.path.isdir(state):
        return
    path = os.path.join(state, FAILURES)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        known = b""
        if os.path.exists(path):
            with open(path, "rb") as file:
                known = file.read()[-FAILURE_BYTES // 2 :]
        entry = f"{at} {text.rstrip()}\n".encode("utf-8", "replace")
        _write(path, (known + entry)[-FAILURE_BYTES:])
    except OSError:
        return


def _known(state: str, host_session: str) -> dict[str, Any]:
    path = host_file(state, host_session, ".json")
    return (read_object(path) if path is not None else None) or {}


def _update(state: str, host_session: str, now: dict[str, Any], *, create: bool = False) -> None:
    """Merge into the session's file, which is written only when something changed."""
    path = host_file(state, host_session, ".json")
    if path is None:
        return
    before = read_object(path)
    if before is None and not create:
        return
    after = {key: value for key, value in {**(before or {}), **now}.items() if value is not None}
    if after != before:
        os.makedirs(os.path.join(state, HOSTS), mode=0o700, exist_ok=True)
        _write(path, json.dumps(after).encode("ascii"))


def _write(path: str, content: bytes) -> None:
    """Replace a file by rename, so that nobody reads half of it."""
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(temporary, path)
