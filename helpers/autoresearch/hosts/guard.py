"""Before a tool runs: may this file be edited, may this command pass without a question?

A courtesy. Hooks fail open, so nothing rests on them: `try` refuses what gets past.

Before a session is open, whoever agrees to one must see what is frozen. So the question is the
host's, which an agent cannot answer; its words are read from the file, not told by the agent; and
the command carries the digest of what was shown, so that other bytes are refused.

An agent that has seen the holdout's inputs can fit them, and no verdict tells. Only what a call
names can be known here; a sandbox hides them from everything that is measured.
"""

from __future__ import annotations

import os
import re

from autoresearch.core.inscope import covers, folded
from autoresearch.edges.whereabouts import cache_folder, find_repository, repository_key
from autoresearch.hosts.sessions import Live, has_ledger, live_in, read_object

TYPE_CHECKING = False  # typing is not worth its import on every call of a hook
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WITHOUT_QUESTION = frozenset(
    ("run", "brief", "try", "note", "drop", "apply", "profile", "status", "log", "show", "validate",
     "doctor", "recover", "scan", "gc")
)  # fmt: skip
"""Calls of the loop. `check` and `init` run what no human has read yet."""

AUDIT = frozenset(
    ["model", "sweep", "next", "examined", "add", "leads", "status", "show", "report", "gate"]
)
"""Calls of `security` that run nothing an agent wrote; `prove`, `recheck` and `fix` do."""

PLANNING = frozenset({"check", "init"})
HUMAN = frozenset({"amend", "stop", "undo", "finalize"})

ALLOW, ASK, DENY = "allow", "ask", "deny"
CONTRACT, LOG, DOCUMENT = "autoresearch.yaml", "autoresearch.jsonl", "autoresearch.md"
NOTES_BEGIN = "<!-- autoresearch: notes begin -->"
_READERS = frozenset({"Read", "Grep"})
_NO_EDITS = frozenset({"plan"})
_SCOPE_SHOWN = 4
SHOWN_LINES, SHOWN_BYTES = 80, 4000
_DIGITS = 16
_WITH_VALUE = frozenset({"--worktree", "--sha256", "--experiments"})
_UNTRACKED = 1
"""What `git ls-files --error-unmatch` ends with for a file that it does not track."""


_WHY = (
    "autoresearch: {path} belongs to the holdout, which measures on inputs that the agent must "
    "not see; `autoresearch try` runs it and says whether it passed."
)


class HookRuling:
    """What to answer: allow, ask or deny, and why; without a decision only a word of warning.

    Attributes:
        given: what the tool is to be given instead, None for what it was given.
        begins: the draft of a contract that the call begins to write, or None.
    """

    def __init__(
        self,
        decision: str | None,
        reason: str,
        given: dict[str, Any] | None = None,
        begins: str | None = None,
    ) -> None:
        self.decision = decision
        self.reason = reason
        self.given = given
        self.begins = begins


class ToolCall:
    """A tool call, as the host describes it.

    Attributes:
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


def judge(call: ToolCall, state: str, environ: Mapping[str, str]) -> HookRuling | None:
    """What to answer before this call; None to leave it to the host."""
    if call.tool == "Bash":
        return _judge_command(call, state, environ)
    if call.tool in _READERS:
        return _judge_read(call, state)
    path = call.path()
    return None if path is None else _judge_edit(call, path, state, environ)


def _judge_read(call: ToolCall, state: str) -> HookRuling | None:
    """May a file be read, or a folder be searched?"""
    named = call.given.get("file_path") or call.given.get("path") or call.cwd
    path = os.path.realpath(os.path.join(call.cwd, str(named)))
    for hidden in _hidden(state, call.cwd):
        if _is_below(path, hidden) or (call.tool == "Grep" and _is_below(hidden, path)):
            return HookRuling(DENY, _WHY.format(path=hidden))
    return None


def _hidden(state: str, cwd: str) -> list[str]:
    live = live_in(state, cwd)
    found = None if live is None else live.view.get("unseen")
    return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []


def judge_skill(given: object) -> HookRuling | None:
    """Loading our own text needs no question: what it leads to is asked for where it is done."""
    named = given.get("skill") if isinstance(given, dict) else None
    if isinstance(named, str) and named.split(":", 1)[0] == "autoresearch":
        return HookRuling(ALLOW, "autoresearch: its own skill")
    return None


def _judge_edit(
    call: ToolCall, path: str, state: str, environ: Mapping[str, str]
) -> HookRuling | None:
    """May the file be edited? Its path is the real one; it need not exist."""
    for folder in (state, cache_folder(environ)):
        if folder is not None and _is_below(path, os.path.realpath(folder)):
            return HookRuling(
                DENY, "autoresearch: only autoresearch writes the session's own files."
            )
    live = live_in(state, os.path.dirname(path))
    if live is None:
        return _judge_draft(call, path)
    if not _is_below(path, live.toplevel):
        return None
    return _judge_below(call, live, os.path.relpath(path, live.toplevel))


def _judge_draft(call: ToolCall, path: str) -> HookRuling | None:
    """Without a session the contract is a draft, and writing it changes nothing."""
    if os.path.basename(path) != CONTRACT or call.mode in _NO_EDITS:
        return None
    own = _is_own_draft(path, call.cwd, call.begun)
    return HookRuling(ALLOW, "autoresearch: a draft, until `init`", begins=path) if own else None


def _judge_below(call: ToolCall, live: Live, relative: str) -> HookRuling | None:
    named = folded(relative)
    ours = _judge_ours(call, live, relative, named)
    if ours is not None or named == DOCUMENT:
        return ours
    if _in_scope(live, relative):
        # Hidden files may steer the host itself, whatever the scope says: those it asks for.
        plain = not relative.startswith(".") and "/." not in relative
        if plain and call.mode not in _NO_EDITS and live.is_running(call.host_session):
            return HookRuling(ALLOW, "autoresearch: in the scope of the run in progress")
        return None
    if named != CONTRACT and not _is_tracked(live.toplevel, relative):
        return None  # `try` leaves it alone as well
    if call.amending:
        return HookRuling(
            ASK, f"autoresearch: {relative} is frozen until `amend` adopts the change."
        )
    return HookRuling(DENY, _why_protected(live, relative, is_contract=named == CONTRACT))


def _judge_ours(call: ToolCall, live: Live, relative: str, named: str) -> HookRuling | None:
    """What the helper writes, and git's own folder."""
    if named == LOG:
        return HookRuling(
            DENY,
            f"autoresearch: {LOG} is the log, which only `autoresearch` writes; `autoresearch "
            "note` records what you learned.",
        )
    if named == DOCUMENT:
        return _judge_document(call, live)
    if relative.split("/", 1)[0] == ".git":
        return HookRuling(DENY, "autoresearch: `.git` belongs to git; `autoresearch try` commits.")
    return None


def _in_scope(live: Live, relative: str) -> bool:
    """Whether an experiment may change the file, by the session's frozen contract."""
    scope = live.view.get("scope", {})
    allowed = [re.compile(text, re.DOTALL) for text in scope.get("allowed", ())]
    denied = [re.compile(text, flags) for text, flags in scope.get("denied", ())]
    return covers(relative, allowed, denied)


def _why_protected(live: Live, relative: str, *, is_contract: bool) -> str:
    patterns = live.view.get("scope", {}).get("patterns", [])
    shown = ", ".join(patterns[:_SCOPE_SHOWN]) + (", …" if len(patterns) > _SCOPE_SHOWN else "")
    what = f"{relative} is outside the scope ({shown}), so it is protected"
    if is_contract:
        what = f"{relative} is the contract, frozen since the session was opened"
    return (
        f"autoresearch: {what}; `autoresearch try` would refuse the change. Improve the files in "
        "scope instead. If this must change, tell the human, who can use `/autoresearch:amend`."
    )


def _judge_document(call: ToolCall, live: Live) -> HookRuling | None:
    """The document may be edited behind its notes marker; the rest is rendered from the log."""
    try:
        with open(os.path.join(live.toplevel, DOCUMENT), "rb") as file:
            before = file.read().decode("utf-8", "replace")
    except OSError:
        before = ""
    after = _edited(call.given, before)
    if before and after.partition(NOTES_BEGIN)[:2] == before.partition(NOTES_BEGIN)[:2]:
        return None
    return HookRuling(
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


def _judge_command(call: ToolCall, state: str, environ: Mapping[str, str]) -> HookRuling | None:
    from autoresearch.hosts import shell  # noqa: PLC0415 - edits need none of it

    command = str(call.given.get("command", ""))
    ours = "autoresearch" in command
    words = shell.plain_words(command.strip()) if ours else None
    if words and _is_ours(words[0]):
        if PLANNING.issuperset(words[1:2]) and words[1:]:
            return _judge_planning(words[1:], call, state)
        ruling = _judge_call(words[1:])
    else:
        asked = shell.asked_for(command) if ours else None
        if asked is not None and asked[0] == "init" and "--help" not in asked[1]:
            return HookRuling(ASK, "autoresearch: `init` freezes a contract and opens its session.")
        ruling = None if asked is None else _judge_call([asked[0], *asked[1].split()])
    if ruling is not None:
        concerned = live_in(state, call.cwd) is not None or has_ledger(state, call.cwd)
        return ruling if concerned else None
    for hidden in _hidden(state, call.cwd):
        if hidden in command:
            return HookRuling(DENY, _WHY.format(path=hidden))
    return _warning(call, command, state, environ)


def _judge_planning(arguments: list[str], call: ToolCall, state: str) -> HookRuling | None:
    """What to answer before `check` and `init`, which run what an agent wrote; None: the host's."""
    if "--help" in arguments:
        return None
    outside = "--allow-outside" in arguments
    if arguments[0] == "check":
        confined = "--confined" in arguments and not outside
        return (
            HookRuling(ALLOW, "autoresearch: runs in a sandbox, or not at all")
            if confined
            else None
        )
    if call.agreed and not outside:
        return HookRuling(ALLOW, "autoresearch: the human's command said yes")
    return _asked(arguments, call, state)


def _asked(arguments: list[str], call: ToolCall, state: str) -> HookRuling:
    named = [word for word in _files(arguments[1:]) if word]
    content = _content(os.path.join(call.cwd, named[0])) if len(named) == 1 else None
    if content is None:
        return HookRuling(
            ASK, "autoresearch: `init` freezes a contract, but it could not be read here."
        )
    import hashlib  # noqa: PLC0415 - only this question needs it

    whole = hashlib.sha256(content).hexdigest()
    digest = whole[:_DIGITS]
    reason = (
        f"autoresearch: `init` needs the human's consent. It freezes {named[0]} and opens its "
        "session, whose commands then run without a "
        f"question:\n\n{_shown(content)}\n\n{_checked(whole, call.cwd, state)}"
    )
    command = str(call.given.get("command", "")).strip()
    if not command.endswith(f" --sha256 {digest}"):  # the last one counts, not the agent's own
        command = f"{command} --sha256 {digest}"
    return HookRuling(ASK, reason, {**call.given, "command": command})


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
    return _shown(f"`check` at {kept.get('at')}:\n{facts}".encode("utf-8", "replace"))


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


def _shown(content: bytes) -> str:
    """The text of a draft for a prompt: no control characters, bounded, and it says what is cut."""
    text = content.decode("utf-8", "replace")
    plain = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    lines = plain.rstrip().split("\n")
    kept = "\n".join(lines[:SHOWN_LINES])[:SHOWN_BYTES]
    left = len(lines) - kept.count("\n") - 1
    if len(kept) < len(plain.rstrip()):
        kept += f"\n[cut here: {max(left, 1)} more lines; read the file before you agree]"
    return kept


def _is_own_draft(path: str, cwd: str, begun: object) -> bool:
    """Whether an edit writes the draft of a contract, and nothing of anybody else's."""
    if os.path.basename(path) != CONTRACT:
        return False
    repository = find_repository(cwd)
    if repository is None or path != os.path.join(repository.toplevel, CONTRACT):
        return False
    return path == begun or not os.path.lexists(path)


def _is_ours(word: str) -> bool:
    if word == "autoresearch":
        return True
    here = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    return os.path.isabs(word) and os.path.realpath(word) == f"{here}/bin/autoresearch"


def _judge_call(arguments: list[str]) -> HookRuling | None:
    command = arguments[0] if arguments else ""
    if command in HUMAN and "--dry-run" not in arguments and "--help" not in arguments:
        return HookRuling(ASK, f"autoresearch: `{command}` is for the human to decide.")
    if command == "recover" and "--accept-log" in arguments:
        return HookRuling(ASK, "autoresearch: the human decides which log is the true one.")
    if command == "gc" and any("prune" in argument for argument in arguments):
        return HookRuling(ASK, "autoresearch: the human decides what is removed for good.")
    said = command == "review" and any(word[:5] in {"--acc", "--rej"} for word in arguments)
    if said or (command == "security" and arguments[1:2] == ["state"]):
        return HookRuling(ASK, "autoresearch: the human decides what becomes of it.")
    audits = command == "security" and not AUDIT.isdisjoint(arguments[1:2])
    if command in WITHOUT_QUESTION or audits:
        return HookRuling(ALLOW, "autoresearch: a command of the loop")
    return None


def _warning(
    call: ToolCall, command: str, state: str, environ: Mapping[str, str]
) -> HookRuling | None:
    """A word about an obvious write to a protected file; it never stops the command."""
    from autoresearch.hosts.shell import written_paths  # noqa: PLC0415 - as above

    for word in written_paths(command):
        path = os.path.realpath(os.path.join(call.cwd, os.path.expanduser(word)))
        found = _judge_edit(call, path, state, environ) if os.path.exists(path) else None
        if found is not None and found.decision == DENY:
            return HookRuling(None, found.reason)
    return None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_tracked(toplevel: str, relative: str) -> bool:
    """Whether git tracks a file that exists; a protected one is, a scratch file is not."""
    if not os.path.lexists(os.path.join(toplevel, relative)):
        return False
    git = ["git", "-c", "core.fsmonitor=false", "--literal-pathspecs", "-C", toplevel]
    git += ["ls-files", "--error-unmatch", "--", relative]
    silent = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    # Half the time of importing subprocess.
    asked = os.posix_spawnp("git", git, os.environ, file_actions=silent)
    _, status = os.waitpid(asked, 0)
    return not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == _UNTRACKED)
