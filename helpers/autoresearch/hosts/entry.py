"""`hook EVENT` and `statusline`: is this call any of our business? Only then import more.

Hooks run at every edit in every repository; reading JSON alone doubles what that costs. So a few
values are picked out of the text as it is. Whatever is not plainly written there counts as ours,
and is read properly.
"""

from __future__ import annotations

import os
import sys

from autoresearch.edges.whereabouts import (
    NOT_REPOSITORIES,
    cache_folder,
    find_repository,
    host_file,
    repository_name,
    state_folder,
)

TYPE_CHECKING = False  # typing is not worth its import on every call of a hook
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SKILL, OURS, DRAFT = b'"Skill"', b"autoresearch", b"autoresearch.yaml"
_PATHS = (b"cwd", b"file_path", b"notebook_path", b"current_dir")


def main(arguments: list[str]) -> int:
    """Run `hook EVENT` or `statusline`; the exit code. A hook may leave out the word `hook`."""
    given = sys.stdin.buffer.read()  # to its end, or the host would meet a closed pipe
    words = arguments[1:] if arguments[:1] == ["hook"] else arguments
    event = words[0] if words else ""
    if is_quiet(event, given, os.environ):
        return 0
    from autoresearch.hosts import hook  # noqa: PLC0415 - a quiet call needs none of it

    return hook.main(event, given, planning=is_planning(event, given))


def is_quiet(event: str, given: bytes, environ: Mapping[str, str]) -> bool:
    """Whether nothing has to be said or written for this event; False when in doubt."""
    called = event == "PreToolUse" and (SKILL in given or _is_call_of_ours(given))
    if called or is_planning(event, given):
        return False
    state = state_folder(environ)
    if state is None or not os.path.isdir(state):
        return True
    if _is_known(state, given):
        return False
    names = _repositories(state)
    if not names or event in {"Stop", "SessionEnd"}:
        return True
    try:
        return not any(_is_ours(path, names, state, environ) for path in _paths(given))
    except ValueError:  # not plainly written
        return False


def is_planning(event: str, given: bytes) -> bool:
    """Whether the event may be a step of planning, which happens where no session is yet."""
    if event == "UserPromptExpansion":
        return OURS in given and b"yes" in given
    if event != "PreToolUse":
        return False
    begins = _is_call_of_ours(given) and (b" init" in given or b" check" in given)
    return begins or DRAFT in given


def _repositories(state: str) -> list[str]:
    try:
        return [name for name in os.listdir(state) if name not in NOT_REPOSITORIES]
    except OSError:
        return []


def _is_call_of_ours(given: bytes) -> bool:
    return b'"Bash"' in given and OURS in given


def _is_known(state: str, given: bytes) -> bool:
    """Whether there is something about this agent session, or its name cannot be read."""
    named = value_of(given, b"session_id")
    if named is None:
        return True
    files = (host_file(state, named, suffix) for suffix in (".json", ".run.json"))
    return any(path is not None and os.path.exists(path) for path in files)


def _paths(given: bytes) -> Iterator[str]:
    folder = value_of(given, b"cwd") or os.getcwd()
    for key in _PATHS:
        if b'"' + key + b'"' in given:
            named = value_of(given, key)
            if named is None:
                raise ValueError(key)
            yield os.path.realpath(os.path.join(folder, named))


def _is_ours(path: str, names: list[str], state: str, environ: Mapping[str, str]) -> bool:
    """Whether a path lies in our own folders, or in a repository that may have a session."""
    for ours in (state, cache_folder(environ)):
        if ours is not None and path.startswith(os.path.realpath(ours)):
            return True
    repository = find_repository(path)
    if repository is None:
        return False
    name = f"{repository_name(repository.toplevel, repository.common_dir)}-"
    return any(known.startswith(name) for known in names)


def value_of(given: bytes, key: bytes) -> str | None:
    """The text that stands behind the only such key; None unless it is written without escapes.

    Within a string a quote would be escaped, so `"cwd"` can only be a key, or a whole value that
    no colon follows.
    """
    _, found, rest = given.partition(b'"' + key + b'"')
    rest = rest.lstrip(b" \t\r\n")
    if not found or rest[:1] != b":" or b'"' + key + b'"' in rest:
        return None
    rest = rest[1:].lstrip(b" \t\r\n")
    text, end, _ = rest[1:].partition(b'"')
    if rest[:1] != b'"' or not end or b"\\" in text:
        return None
    return os.fsdecode(text)
