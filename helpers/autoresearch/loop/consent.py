"""Who agreed to what changes a session: seen on a terminal, by a host's question, or by a flag.

An agent has its user's rights: it can type a flag, and write what a hook wrote. So this is what
was seen, which people read beside every gain; it is no lock.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from autoresearch.core.errors import GateFailed
from autoresearch.core.model import Agreed
from autoresearch.edges.hostfiles import has_asked, host_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def seen(environ: Mapping[str, str], command: str) -> Agreed | None:
    """Whether somebody sits at the terminal, or was asked by the host; None where nobody was."""
    if has_asked(environ, host_session(environ), command):
        return Agreed.HOST
    return Agreed.TERMINAL if is_terminal() else None


def is_terminal() -> bool:
    """Whether a person can be asked here."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def require(
    environ: Mapping[str, str], command: str, *, flag: bool, ask: Callable[[], bool]
) -> Agreed:
    """How somebody agreed; asks where that can be done.

    Raises:
        GateFailed: `not_agreed`.
    """
    if flag:
        return Agreed.FLAG
    how = seen(environ, command)
    if how is Agreed.HOST or (how is Agreed.TERMINAL and ask()):
        return how
    refused = "declined" if how is Agreed.TERMINAL else "there is no terminal to ask on"
    raise GateFailed(
        f"nobody has agreed to this: {refused}",
        code="not_agreed",
        hint=f"Nothing was changed. Show a human what `autoresearch {command} --dry-run` prints; "
        f"after their yes run `autoresearch {command} --yes`.",
    )


def trailer(agreed: Agreed | None) -> str:
    """A commit's line about it."""
    return f"Autoresearch-Agreed: {'nobody seen' if agreed is None else agreed.value}\n"
