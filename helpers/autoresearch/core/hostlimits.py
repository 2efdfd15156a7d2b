"""What a host grants: how long a command may run, and what it asks a human before."""

from __future__ import annotations

import math

from autoresearch.core import formatting

FOREGROUND_S = 120.0
"""After so long Claude Code ends a command that was started plainly; others are no more patient."""

NEAR = 0.6
"""From this share of it on a forecast counts as near: on a busy machine all takes longer."""

BACKGROUND_S = 7200.0
"""The longest time-out that Claude Code gives a command in the background."""

_MARGIN = 2
_MINUTE_S = 60


def is_long(forecast_s: float | None) -> bool:
    """Whether a command may outlast what a host grants in the foreground."""
    return forecast_s is not None and forecast_s >= NEAR * FOREGROUND_S


def time_out_s(forecast_s: float) -> int:
    """The time-out to start it with: twice the forecast, in whole minutes, at most two hours."""
    minutes = math.ceil(_MARGIN * forecast_s / _MINUTE_S)
    return int(min(minutes * _MINUTE_S, BACKGROUND_S))


def time_advice(forecast_s: float | None) -> str:
    """How to start the next `try`, in one line; empty when plainly will do."""
    if forecast_s is None or not is_long(forecast_s):
        return ""
    if forecast_s > BACKGROUND_S:
        return (
            f"the next try may take {formatting.duration(forecast_s)}, longer than hosts let a "
            "command run: a human should shorten race.seconds or the guard (`amend`)"
        )
    return (
        f"the next try may take {formatting.duration(forecast_s)}: start it in the background "
        f"with a time-out of {time_out_s(forecast_s)} s and wait to be woken, do not poll"
    )


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
    """Which setting lets a night pass, in one line; empty when nothing stands in its way."""
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
