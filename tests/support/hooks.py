"""A host's side of our hooks: the real hook program as a process, JSON on its stdin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "hooks" / "autoresearch.py"
HOST_SESSION = "3f0c9a1e-agent"
AGENT = {"CLAUDE_CODE_SESSION_ID": HOST_SESSION}
"""What a command sees that this agent session runs."""


def run_hook(
    event: str,
    said: Mapping[str, object] | bytes,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    python: str = sys.executable,
) -> subprocess.CompletedProcess[bytes]:
    """One call of the program, as `hooks.json` makes it."""
    given = said if isinstance(said, bytes) else json.dumps(said).encode()
    return subprocess.run(
        [python, "-I", "-S", str(PROGRAM), event],
        input=given,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        check=False,
    )


class Host:
    """An agent session in a folder, as the host describes it to hooks."""

    def __init__(self, cwd: Path, host_session: str = HOST_SESSION) -> None:
        self.cwd = cwd
        self.host_session = host_session
        self.mode = "default"

    def said(self, event: str, **more: object) -> dict[str, object]:
        """The fields that all events share, and some more."""
        return {
            "session_id": self.host_session,
            "transcript_path": str(self.cwd / "none.jsonl"),
            "cwd": str(self.cwd),
            "hook_event_name": event,
            "permission_mode": self.mode,
            **more,
        }

    def raw(self, event: str, **more: object) -> str:
        """What the hook printed; it must end with 0 and say nothing on stderr."""
        done = run_hook(event, self.said(event, **more), cwd=self.cwd)
        assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout.decode()

    def answer(self, event: str, **more: object) -> dict[str, Any]:
        """The hook's answer; empty when it said nothing."""
        text = self.raw(event, **more)
        return dict(json.loads(text)) if text else {}

    def before(self, tool: str, **given: object) -> tuple[str | None, str]:
        """Decision and reason before a tool call; (None, "") when the hook said nothing."""
        answer = self.answer("PreToolUse", tool_name=tool, tool_input=given)
        told = answer.get("hookSpecificOutput", {})
        reason = told.get("permissionDecisionReason") or told.get("additionalContext") or ""
        return told.get("permissionDecision"), reason

    def edit(self, path: Path | str) -> str | None:
        """Decision before an edit of a file."""
        return self.before("Edit", file_path=str(path), old_string="a", new_string="b")[0]

    def bash(self, command: str) -> str | None:
        """Decision before a shell command."""
        return self.before("Bash", command=command)[0]

    def stop(self, **more: object) -> str | None:
        """The reason for which the agent is kept going, or None."""
        given: dict[str, object] = {
            "stop_hook_active": False,
            "background_tasks": [],
            "session_crons": [],
        }
        answer = self.answer("Stop", **{**given, **more})
        return answer.get("reason") if answer.get("decision") == "block" else None

    def context(self, source: str = "startup") -> str:
        """What the agent is told when its session starts."""
        answer = self.answer("SessionStart", source=source)
        return str(answer.get("hookSpecificOutput", {}).get("additionalContext", ""))
