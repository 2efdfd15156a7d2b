"""Before a tool runs: may this file be edited, may this command pass without a question?

A courtesy. Hooks fail open, so nothing rests on them: `try` refuses what gets past.
"""

from __future__ import annotations

import os
import re

from autoresearch.core.inscope import covers, folded
from autoresearch.edges.whereabouts import cache_folder
from autoresearch.hosts.live import Live, has_ledger, live_in
from autoresearch.hosts.ruling import ALLOW, ASK, DENY, Ruling

TYPE_CHECKING = False  # typing is not worth its import on every call of a hook
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WITHOUT_QUESTION = frozenset(
    {
        "run",
        "brief",
        "try",
        "note",
        "drop",
        "apply",
        "profile",
        "status",
        "log",
        "show",
        "validate",
        "doctor",
        "recover",
        "scan",
        "gc",
    }
)
"""Calls of the loop. `check` and `init` run what no human has read yet: see `consent`."""

AUDIT = frozenset(
    {"model", "sweep", "next", "examined", "add", "leads", "status", "show", "report", "gate"}
)
"""Calls of `security` that run nothing an agent wrote; `prove`, `recheck` and `fix` do."""

HUMAN = frozenset({"amend", "stop", "undo", "finalize"})

CONTRACT, LOG, DOCUMENT = "autoresearch.yaml", "autoresearch.jsonl", "autoresearch.md"
NOTES_BEGIN = "<!-- autoresearch: notes begin -->"
_READERS = frozenset({"Read", "Grep"})
_NO_EDITS = frozenset({"plan"})
_SCOPE_SHOWN = 4
_UNTRACKED = 1
"""What `git ls-files --error-unmatch` ends with for a file that it does not track."""


class Call:
    """A tool call, as the host describes it.

    Attributes:
        tool: its name.
        given: its input.
        cwd: where it runs.
        host_session: the agent session.
        mode: the host's permission mode; empty when it names none.
        amending: whether the human asked to amend the contract in this turn.
        agreed: whether the human's command for this turn ended with `yes`.
        begun: the draft that this agent session began, or None.
    """

    def __init__(
        self, event: dict[str, Any], *, amending: bool, agreed: bool = False, begun: object = None
    ) -> None:
        given = event.get("tool_input")
        self.tool = str(event.get("tool_name", ""))
        self.given: dict[str, Any] = given if isinstance(given, dict) else {}
        self.cwd = str(event.get("cwd") or os.getcwd())
        self.host_session = str(event.get("session_id", ""))
        self.mode = str(event.get("permission_mode", ""))
        self.amending = amending
        self.agreed = agreed
        self.begun = begun

    def path(self) -> str | None:
        """The file it edits, by real path, or None."""
        named = self.given.get("file_path") or self.given.get("notebook_path")
        return os.path.realpath(os.path.join(self.cwd, named)) if isinstance(named, str) else None


def judge(call: Call, state: str, environ: Mapping[str, str]) -> Ruling | None:
    """What to answer before this call; None to leave it to the host."""
    if call.tool == "Bash":
        return _judge_command(call, state, environ)
    if call.tool in _READERS:
        from autoresearch.hosts import unseen  # noqa: PLC0415 - edits need none of it

        return unseen.judge_read(call.tool, call.given, call.cwd, state)
    path = call.path()
    return None if path is None else judge_edit(call, path, state, environ)


def judge_skill(given: object) -> Ruling | None:
    """Loading our own text needs no question: what it leads to is asked for where it is done."""
    named = given.get("skill") if isinstance(given, dict) else None
    if isinstance(named, str) and named.split(":", 1)[0] == "autoresearch":
        return Ruling(ALLOW, "autoresearch: its own skill")
    return None


def judge_edit(call: Call, path: str, state: str, environ: Mapping[str, str]) -> Ruling | None:
    """May the file be edited?

    Args:
        call: what edits it.
        path: real path of the file, which need not exist.
        state: the folder of all state.
        environ: of the process.
    """
    for folder in (state, cache_folder(environ)):
        if folder is not None and _is_below(path, os.path.realpath(folder)):
            return Ruling(DENY, "autoresearch: only autoresearch writes the session's own files.")
    live = live_in(state, os.path.dirname(path))
    if live is None:
        return _judge_draft(call, path)
    if not _is_below(path, live.toplevel):
        return None
    return _judge_below(call, live, os.path.relpath(path, live.toplevel))


def _judge_draft(call: Call, path: str) -> Ruling | None:
    """Without a session the contract is a draft, and writing it changes nothing."""
    if os.path.basename(path) != CONTRACT or call.mode in _NO_EDITS:
        return None
    from autoresearch.hosts.consent import is_own_draft  # noqa: PLC0415 - other edits need none

    own = is_own_draft(path, call.cwd, call.begun)
    return Ruling(ALLOW, "autoresearch: a draft, until `init`", begins=path) if own else None


def _judge_below(call: Call, live: Live, relative: str) -> Ruling | None:
    named = folded(relative)
    ours = _judge_ours(call, live, relative, named)
    if ours is not None or named == DOCUMENT:
        return ours
    if in_scope(live, relative):
        # Hidden files may steer the host itself, whatever the scope says: those it asks for.
        plain = not relative.startswith(".") and "/." not in relative
        if plain and call.mode not in _NO_EDITS and live.is_running(call.host_session):
            return Ruling(ALLOW, "autoresearch: in the scope of the run in progress")
        return None
    if named != CONTRACT and not _is_tracked(live.toplevel, relative):
        return None  # `try` leaves it alone as well
    if call.amending:
        return Ruling(ASK, f"autoresearch: {relative} is frozen until `amend` adopts the change.")
    return Ruling(DENY, _why_protected(live, relative, is_contract=named == CONTRACT))


def _judge_ours(call: Call, live: Live, relative: str, named: str) -> Ruling | None:
    """What the helper writes, and git's own folder."""
    if named == LOG:
        return Ruling(
            DENY,
            f"autoresearch: {LOG} is the log, which only `autoresearch` writes; `autoresearch "
            "note` records what you learned.",
        )
    if named == DOCUMENT:
        return _judge_document(call, live)
    if relative.split("/", 1)[0] == ".git":
        return Ruling(DENY, "autoresearch: `.git` belongs to git; `autoresearch try` commits.")
    return None


def in_scope(live: Live, relative: str) -> bool:
    """Whether an experiment may change the file, by the session's frozen contract."""
    scope = live.view.get("scope", {})
    allowed = [re.compile(text, re.DOTALL) for text in scope.get("allowed", ())]
    denied = [re.compile(text, flags) for text, flags in scope.get("denied", ())]
    return covers(relative, allowed, denied)


def _why_protected(live: Live, relative: str, *, is_contract: bool) -> str:
    patterns = live.view.get("scope", {}).get("patterns", [])
    shown = ", ".join(patterns[:_SCOPE_SHOWN]) + (", …" if len(patterns) > _SCOPE_SHOWN else "")
    if is_contract:
        what = f"{relative} is the contract, frozen since the session was opened"
    else:
        what = f"{relative} is outside the scope ({shown}), so it is protected"
    return (
        f"autoresearch: {what}; `autoresearch try` would refuse the change. Improve the files in "
        "scope instead. If this must change, tell the human, who can use `/autoresearch:amend`."
    )


def _judge_document(call: Call, live: Live) -> Ruling | None:
    """The document may be edited behind its notes marker; the rest is rendered from the log."""
    try:
        with open(os.path.join(live.toplevel, DOCUMENT), "rb") as file:
            before = file.read().decode("utf-8", "replace")
    except OSError:
        before = ""
    after = _edited(call.given, before)
    if before and after.partition(NOTES_BEGIN)[:2] == before.partition(NOTES_BEGIN)[:2]:
        return None
    return Ruling(
        DENY,
        f"autoresearch: {DOCUMENT} is rendered from the log, except for the text between its "
        "notes markers; write there, or use `autoresearch note`.",
    )


def _edited(given: dict[str, Any], before: str) -> str:
    """The text that an edit would leave; of a whole new content, that content."""
    if "content" in given:
        return str(given["content"])
    edits = given.get("edits")
    text = before
    for edit in edits if isinstance(edits, list) else [given]:
        old, new = str(edit.get("old_string", "")), str(edit.get("new_string", ""))
        text = text.replace(old, new, -1 if edit.get("replace_all") else 1)
    return text


def _judge_command(call: Call, state: str, environ: Mapping[str, str]) -> Ruling | None:
    from autoresearch.hosts import shell  # noqa: PLC0415 - edits need none of it

    command = str(call.given.get("command", ""))
    ours = "autoresearch" in command
    words = shell.plain_words(command.strip()) if ours else None
    if words and _is_ours(words[0]):
        from autoresearch.hosts import consent  # noqa: PLC0415 - as above

        if consent.PLANNING.issuperset(words[1:2]) and words[1:]:
            return consent.judge_planning(
                words[1:], call.given, call.cwd, state, agreed=call.agreed
            )
        ruling = _judge_call(words[1:])
    else:
        asked = shell.asked_for(command) if ours else None
        if asked is not None and asked[0] == "init" and "--help" not in asked[1]:
            return Ruling(ASK, "autoresearch: `init` freezes a contract and opens its session.")
        ruling = None if asked is None else _judge_call([asked[0], *asked[1].split()])
    if ruling is not None:
        concerned = live_in(state, call.cwd) is not None or has_ledger(state, call.cwd)
        return ruling if concerned else None
    from autoresearch.hosts import unseen  # noqa: PLC0415 - as above

    refused = unseen.judge_command(command, call.cwd, state)
    return refused or _warning(call, command, state, environ)


def _is_ours(word: str) -> bool:
    if word == "autoresearch":
        return True
    here = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    return os.path.isabs(word) and os.path.realpath(word) == f"{here}/bin/autoresearch"


def _judge_call(arguments: list[str]) -> Ruling | None:
    command = arguments[0] if arguments else ""
    if command in HUMAN and "--dry-run" not in arguments and "--help" not in arguments:
        return Ruling(ASK, f"autoresearch: `{command}` is for the human to decide.")
    if command == "gc" and any("prune" in argument for argument in arguments):
        return Ruling(ASK, "autoresearch: the human decides what is removed for good.")
    if command == "security" and arguments[1:2] == ["state"]:
        return Ruling(ASK, "autoresearch: the human decides what becomes of a finding.")
    audits = command == "security" and not AUDIT.isdisjoint(arguments[1:2])
    if command in WITHOUT_QUESTION or audits:
        return Ruling(ALLOW, "autoresearch: a command of the loop")
    return None


def _warning(call: Call, command: str, state: str, environ: Mapping[str, str]) -> Ruling | None:
    """A word about an obvious write to a protected file; it never stops the command."""
    from autoresearch.hosts.shell import written_paths  # noqa: PLC0415 - as above

    for word in written_paths(command):
        path = os.path.realpath(os.path.join(call.cwd, os.path.expanduser(word)))
        found = judge_edit(call, path, state, environ) if os.path.exists(path) else None
        if found is not None and found.decision == DENY:
            return Ruling(None, found.reason)
    return None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_tracked(toplevel: str, relative: str) -> bool:
    """Whether git tracks a file that exists; a protected one is, a scratch file is not."""
    if not os.path.lexists(os.path.join(toplevel, relative)):
        return False
    git = ["git", "-c", "core.fsmonitor=false", "--literal-pathspecs", "-C", toplevel]
    silent = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    asked = os.posix_spawnp(  # half the time of importing subprocess
        "git",
        [*git, "ls-files", "--error-unmatch", "--", relative],
        os.environ,
        file_actions=silent,
    )
    _, status = os.waitpid(asked, 0)
    return not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == _UNTRACKED)
