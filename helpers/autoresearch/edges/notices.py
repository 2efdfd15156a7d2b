"""Notices: what a command did beside its answer, such as tidying up after an interruption.

They travel by themselves. Whoever runs a command collects them, whoever has one appends it to
`current()`, and whatever ends the command, an answer or an error, is printed below them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_COLLECTED: ContextVar[list[str] | None] = ContextVar("notices", default=None)


def current() -> list[str]:
    """The notices of the command at work, oldest first; a fresh list where nobody collects them."""
    collected = _COLLECTED.get()
    return [] if collected is None else collected


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect the notices of one command until the end of the block."""
    told: list[str] = []
    token = _COLLECTED.set(told)
    try:
        yield told
    finally:
        _COLLECTED.reset(token)
