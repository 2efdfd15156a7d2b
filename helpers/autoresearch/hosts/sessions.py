"""What hooks know: the session that a folder belongs to, and the agent sessions at work on it.

`host.json` in the state folder is written by the helper after every step. A session counts as
live while its branch is checked out in its own working tree and nobody stopped it; everywhere
else the hooks keep quiet. Of an agent session that works with `autoresearch` one small file is
kept; of others none, so that nothing is written elsewhere.
"""

from __future__ import annotations

import json
import os
import time

from autoresearch.edges.whereabouts import (
    FAILURES,
    HOSTS,
    NOT_REPOSITORIES,
    Repository,
    branch_of,
    find_repository,
    host_file,
    repository_key,
    repository_name,
    state_folder,
)

TYPE_CHECKING = False  # typing is not worth its import on every call of a hook
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VIEW = "host.json"
SCHEMA = 1
FAILURE_BYTES = 16 * 1024


class Live:
    """A live session.

    Attributes:
        toplevel: its working tree, by real path.
        state: its state folder.
        view: what the helper wrote for hosts.
    """

    def __init__(self, toplevel: str, state: str, view: dict[str, Any]) -> None:
        self.toplevel = toplevel
        self.state = state
        self.view = view

    def run_of(self, host_session: str) -> dict[str, Any] | None:
        """The run in progress, if it belongs to this agent session."""
        run = self.view.get("run")
        if isinstance(run, dict) and run.get("host_session") == host_session:
            return run
        return None

    def is_running(self, host_session: str) -> bool:
        """Whether a run of this agent session has something left to do."""
        return self.run_of(host_session) is not None and not self.view.get("halt")

    def log_bytes(self) -> int:
        """How long the log is by now; 0 when it is gone."""
        try:
            return os.stat(os.path.join(self.state, "log.jsonl")).st_size
        except OSError:
            return 0

    def is_at_work(self) -> bool:
        """Whether one of our commands works on the session right now."""
        owner = read_object(os.path.join(self.state, "lock")) or {}
        pid = owner.get("pid")
        if not isinstance(pid, int) or pid <= 0:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except OSError:  # somebody else's process: it is alive
            return True
        return not _is_dead(pid)

    def is_interrupted(self) -> bool:
        """Whether a step was begun and its command died before the end."""
        begun = os.path.exists(os.path.join(self.state, "journal.json"))
        return begun and not self.is_at_work()


def _is_dead(pid: int) -> bool:
    """Whether a process has ended and only waits for its parent to take note of it (Linux)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])
    except OSError:
        return False


def any_session(environ: Mapping[str, str]) -> str | None:
    """The folder of all state if it holds a repository's folder at all, else None."""
    state = state_folder(environ)
    if state is None:
        return None
    try:
        names = os.listdir(state)
    except OSError:
        return None
    return state if not NOT_REPOSITORIES.issuperset(names) else None


def live_in(state: str, folder: str) -> Live | None:
    """The live session of the working tree that a folder lies in; the folder need not exist."""
    repository = find_repository(folder)
    if repository is None:
        return None
    branch = branch_of(repository)
    for ours in _folders_like(state, repository):
        for session in sorted(os.listdir(ours)):
            live = _live(repository, branch, os.path.join(ours, session))
            if live is not None:
                return live
    return None


def has_ledger(state: str, folder: str) -> bool:
    """Whether the repository that a folder lies in is being audited (`autoresearch security`)."""
    repository = find_repository(folder)
    if repository is None or not _folders_like(state, repository):
        return False
    key = repository_key(repository.toplevel, repository.common_dir)
    return os.path.exists(os.path.join(state, key, ".security", "security.jsonl"))


def _folders_like(state: str, repository: Repository) -> list[str]:
    """The folders of state of all repositories with this one's name.

    Which of them is the repository's own is told by the working tree that a view names: that is
    as sure as the key, and needs no hash.
    """
    name = f"{repository_name(repository.toplevel, repository.common_dir)}-"
    try:
        names = os.listdir(state)
    except OSError:  # nothing was ever opened here
        return []
    found = (os.path.join(state, known) for known in names if known.startswith(name))
    return [folder for folder in found if os.path.isdir(folder)]


def live_of_host(state: str, host_session: str) -> Live | None:
    """The live session that an agent session opened a run in, wherever it works now."""
    path = host_file(state, host_session, ".run.json")
    marker = read_object(path) if path is not None else None
    folder = None if marker is None else marker.get("state")
    if not isinstance(folder, str):
        return None
    view = read_view(folder)
    repository = None if view is None else find_repository(str(view.get("toplevel")))
    if repository is None:
        return None
    return _live(repository, branch_of(repository), folder)


def read_view(state: str) -> dict[str, Any] | None:
    """What the helper left for hosts in a session's state folder; None when it is no such thing."""
    view = read_object(os.path.join(state, VIEW))
    return view if view is not None and view.get("schema") == SCHEMA else None


def read_object(path: str) -> dict[str, Any] | None:
    """A file's JSON object; None when there is none."""
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _live(repository: Repository, branch: str, state: str) -> Live | None:
    view = read_view(state)
    if view is None or view.get("stopped") or view.get("branch") != branch:
        return None
    if os.path.realpath(str(view.get("toplevel"))) != repository.toplevel:
        return None
    return Live(repository.toplevel, state, view)


def known(state: str, host_session: str) -> dict[str, Any]:
    """What is remembered of an agent session."""
    path = host_file(state, host_session, ".json")
    return (read_object(path) if path is not None else None) or {}


def update(state: str, host_session: str, *, create: bool = False, **now: object) -> None:
    """Merge into what is remembered; None forgets. Written only when something changed.

    Keys: `permission_mode`, `transcript_path`, `cwd`; what the human asked for in this turn,
    `amending` and `agreed` (with the prompt); the `draft` of a contract; `blocked`, the session
    and its log's length when the agent was last sent on; `ended` and its `reason`; the command
    that the user was `asked` about last, and when.
    """
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


def _write(path: str, content: bytes) -> None:
    """Replace a file by rename, so that nobody reads half of it."""
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(temporary, path)
