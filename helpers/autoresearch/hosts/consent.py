"""Planning, before a session is open: the draft, its check, and the one question to the human.

Whoever agrees to a session must see what is frozen. So the question is the host's, which an agent
cannot answer; its words are read from the file, not told by the agent; and the command carries the
digest of what was shown, so that other bytes are refused.
"""

from __future__ import annotations

import os

from autoresearch.edges.whereabouts import find_repository, repository_key
from autoresearch.hosts.live import read_object
from autoresearch.hosts.ruling import ALLOW, ASK, Ruling

TYPE_CHECKING = False  # typing is not worth its import on every call of a hook
if TYPE_CHECKING:
    from typing import Any

CONTRACT = "autoresearch.yaml"
PLANNING = frozenset({"check", "init"})
SHOWN_LINES, SHOWN_BYTES = 80, 4000
_DIGITS = 16
_WITH_VALUE = frozenset({"--worktree", "--sha256", "--experiments"})


def judge_planning(
    arguments: list[str], given: dict[str, Any], cwd: str, state: str, *, agreed: bool
) -> Ruling | None:
    """What to answer before `check` and `init`, which run what an agent wrote; None: the host's."""
    if "--help" in arguments:
        return None
    outside = "--allow-outside" in arguments
    if arguments[0] == "check":
        confined = "--confined" in arguments and not outside
        return Ruling(ALLOW, "autoresearch: runs in a sandbox, or not at all") if confined else None
    if agreed and not outside:
        return Ruling(ALLOW, "autoresearch: the human's command said yes")
    return _asked(arguments, given, cwd, state)


def _asked(arguments: list[str], given: dict[str, Any], cwd: str, state: str) -> Ruling:
    named = [word for word in _files(arguments[1:]) if word]
    content = _content(os.path.join(cwd, named[0])) if len(named) == 1 else None
    if content is None:
        return Ruling(
            ASK, "autoresearch: `init` freezes a contract, but it could not be read here."
        )
    import hashlib  # noqa: PLC0415 - only this question needs it

    whole = hashlib.sha256(content).hexdigest()
    digest = whole[:_DIGITS]
    reason = (
        f"autoresearch: `init` needs the human's consent. It freezes {named[0]} and opens its "
        "session, whose commands then run without a "
        f"question:\n\n{shown(content)}\n\n{_checked(whole, cwd, state)}"
    )
    command = str(given.get("command", "")).strip()
    if not command.endswith(f" --sha256 {digest}"):  # the last one counts, not the agent's own
        command = f"{command} --sha256 {digest}"
    return Ruling(ASK, reason, {**given, "command": command})


def _checked(digest: str, cwd: str, state: str) -> str:
    """What `check` found of these very bytes, as it wrote it down, or that it did not look."""
    repository = find_repository(cwd)
    kept = None
    if repository is not None:
        key = repository_key(repository.toplevel, repository.common_dir)
        kept = read_object(os.path.join(state, key, "rehearsed.json"))
    if kept is None or kept.get("contract_sha256") != digest:
        return "`check` was not run on it."
    facts = "\n".join(f"- {fact}" for fact in kept.get("facts", ()))
    return shown(f"`check` at {kept.get('at')}:\n{facts}".encode("utf-8", "replace"))


def _files(words: list[str]) -> list[str]:
    """The words that are no option and no option's value."""
    found, skip = [], False
    for word in words:
        if skip or word.startswith("-"):
            skip = not skip and word in _WITH_VALUE
        else:
            found.append(word)
    return found


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(64 * 1024 + 1)
    except OSError:
        return None


def shown(content: bytes) -> str:
    """The text of a draft for a prompt: no control characters, bounded, and it says what is cut."""
    text = content.decode("utf-8", "replace")
    plain = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    lines = plain.rstrip().split("\n")
    kept = "\n".join(lines[:SHOWN_LINES])[:SHOWN_BYTES]
    left = len(lines) - kept.count("\n") - 1
    if len(kept) < len(plain.rstrip()):
        kept += f"\n[cut here: {max(left, 1)} more lines; read the file before you agree]"
    return kept


def is_own_draft(path: str, cwd: str, begun: object) -> bool:
    """Whether an edit writes the draft of a contract, and nothing of anybody else's."""
    if os.path.basename(path) != CONTRACT:
        return False
    repository = find_repository(cwd)
    if repository is None or path != os.path.join(repository.toplevel, CONTRACT):
        return False
    return path == begun or not os.path.lexists(path)
