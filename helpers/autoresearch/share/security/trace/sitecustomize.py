"""Writes down which lines of one file Python runs, in every process that a proof starts.

`reach.py` puts this folder on PYTHONPATH. Standard library only; any Python 3.
"""

# ruff: noqa: PTH118, PTH119 - it starts with every Python that a proof starts

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_OPTIMIZED = 1
"""Flag of the code of functions: what a class or a module runs, it runs by being imported."""


def _watch() -> None:  # noqa: C901 - closures, which cost the least in a traced program
    notes = os.environ.get("AUTORESEARCH_REACH_NOTES", "")
    wanted = os.environ.get("AUTORESEARCH_REACH_FILE", "")
    if not notes or not wanted:
        return
    name = os.path.basename(wanted)
    first, last = map(int, os.environ.get("AUTORESEARCH_REACH_LINES", "0 0").split())
    known: dict[str, bool] = {}
    seen: set[tuple[int, int]] = set()
    file = os.path.join(notes, "python")

    def note(words: str) -> None:
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, (words + "\n").encode("ascii"))
        finally:
            os.close(descriptor)

    def is_wanted(path: str) -> bool:
        if path not in known:
            known[path] = path.endswith(name) and os.path.realpath(path) == wanted
            if known[path]:
                note("-1 0")
        return known[path]

    def line(frame: FrameType, event: str, _: object) -> object:
        if event == "line" and first <= frame.f_lineno <= last:
            own = frame.f_code.co_flags & _OPTIMIZED
            hit = (frame.f_lineno, own)
            if hit not in seen:
                seen.add(hit)
                note("{} {}".format(*hit))
            if own:  # nothing more to learn: what is measured by its time must not be slowed down
                sys.settrace(None)
                threading.settrace(None)
                return None
        return line

    def call(frame: FrameType, _event: str, _: object) -> object:
        code = frame.f_code
        if not is_wanted(code.co_filename):
            return None
        own = code.co_flags & _OPTIMIZED
        return line if not own or code.co_firstlineno <= last else None

    note("0 0")
    threading.settrace(call)  # type: ignore[arg-type]  # typeshed wants one function for both
    sys.settrace(call)  # type: ignore[arg-type]  # as above


_watch()
