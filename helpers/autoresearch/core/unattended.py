"""What stands between a run and a night without questions: the host's permission mode."""

from __future__ import annotations

WITHOUT_QUESTIONS = frozenset({"bypassPermissions", "auto", "dontAsk"})
"""Modes in which nothing waits for a human (`dontAsk` refuses instead)."""

ACCEPT = "acceptEdits"
PLAN = "plan"

_EDITS = "edits in scope and `autoresearch` commands need no approval"
_OTHERS = (
    "the host asks before other commands unless they are allowed, as with `--allowedTools "
    '"Bash(python3 *)"`'
)


def permission_advice(mode: str | None) -> str:
    """Which setting lets a night pass, in one line; empty when nothing stands in its way.

    Args:
        mode: the permission mode that a hook of ours was told; empty when the host names none,
            None when no hook was called.
    """
    if mode is None:
        return (
            "permissions: our hooks were not called, so edits may wait for a human; tell yours "
            f"that `--permission-mode {ACCEPT}` avoids questions overnight, and go on"
        )
    if mode == PLAN:
        return (
            "permissions: plan mode refuses every edit; leave it, or start the host with "
            f"`--permission-mode {ACCEPT}`"
        )
    if mode in WITHOUT_QUESTIONS:
        return ""
    if mode == ACCEPT:
        return f"permissions: {ACCEPT}, {_EDITS}; {_OTHERS}"
    return (
        f"permissions: {_EDITS} while the run lasts, edits elsewhere do; tell your human that "
        f"`--permission-mode {ACCEPT}` avoids questions overnight, and go on; {_OTHERS}"
    )
