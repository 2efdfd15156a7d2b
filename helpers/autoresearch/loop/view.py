"""What a host's hooks read instead of the log: one small file, written anew after every step.

Hooks run at every edit, by any Python, without our libraries. So whatever they need is said here
in plain JSON: whose run it is, what is in scope, what the brief says.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.core import formatting
from autoresearch.core.views import brief, next_step
from autoresearch.core.wire import dumps, to_object
from autoresearch.edges.files import atomic_write
from autoresearch.edges.visible import below
from autoresearch.loop.briefing import situation_of

if TYPE_CHECKING:
    from autoresearch.core.views import Situation
    from autoresearch.loop.session import Session

VIEW = "host.json"
SCHEMA = 1
"""Of the view. History: 1 (2026-11) first release. `hosts.sessions` reads exactly this one."""


def write(session: Session) -> None:
    """Bring the view up to the log."""
    text = dumps(_view(session))
    atomic_write(session.places.state / VIEW, text.encode("ascii") + b"\n", mode=0o600, sync=False)


def _view(session: Session) -> dict[str, object]:
    situation = situation_of(session, interrupted="")
    history, scope = situation.history, session.scope
    return {
        "schema": SCHEMA,
        "session": session.name,
        "toplevel": session.file.toplevel,
        "branch": session.branch,
        "stopped": history.stopped is not None,
        "scope": {
            "patterns": list(scope.patterns),
            "allowed": [pattern.pattern for pattern in scope.allowed],
            "denied": [
                [pattern.pattern, int(re.RegexFlag(pattern.flags) & (re.DOTALL | re.IGNORECASE))]
                for pattern in scope.denied
            ],
        },
        "unseen": _unseen(session),
        "run": None if history.run is None else to_object(history.run),
        "halt": None if situation.halt is None else situation.halt.text,
        "next": next_step(situation),
        "brief": brief(situation),
        "line": _line(situation),
    }


def _unseen(session: Session) -> list[str]:
    """What the holdout reads outside the repository, as the contract spells it and by real path."""
    holdout = session.contract.holdout
    named = [] if holdout is None else [Path(path) for path in holdout.paths]
    found = (str(one) for path in named for one in (path, path.resolve()))
    return [path for path in dict.fromkeys(found) if not below([path], [session.repo.toplevel])]


def _line(situation: Situation) -> str:
    """The session in one line, for a host's status line."""
    history, unit = situation.history, situation.contract.metric.unit
    run, validated = history.run, history.validation
    done = "DONE" if situation.halt is not None else ""
    parts = [
        f"autoresearch {situation.contract.session}",
        formatting.count(history.last_number, "experiment")
        if run is None
        else f"run {run.used}/{run.experiments}",
        f"{history.kept_count} kept",
        "" if validated is None else f"validated {formatting.effect(validated.effect, unit)}",
        "final guard fails" if validated is not None and validated.final_guard is False else "",
        done,
    ]
    return " · ".join(part for part in parts if part)
