"""Progress on stderr: one line that is redrawn on a terminal, and nothing anywhere else."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoresearch.core import formatting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.loop.measure import Standing


class Screen:
    """What is said while a command works.

    Args:
        live: whether stderr is a terminal that can redraw a line.
    """

    def __init__(self, *, live: bool) -> None:
        self.live = live
        self._shown = False

    def say(self, text: str) -> None:
        """Name the step that begins."""
        self._draw(f"{text} …")

    def watch(self, standing: Standing) -> None:
        """Show where a race stands: sample, estimate so far, time left at most."""
        change = "" if standing.change is None else f", so far {standing.change:+.1%}"
        left = formatting.duration(standing.left_s)
        self._draw(
            f"sample {standing.runs}, pair {standing.pairs} of at most "
            f"{standing.planned}{change}, at most {left} left"
        )

    def close(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False

    def _draw(self, text: str) -> None:
        if not self.live:
            return
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        sys.stderr.write(f"\r\x1b[K{text[: width - 1]}")
        sys.stderr.flush()
        self._shown = True


@contextmanager
def screen() -> Iterator[Screen]:
    """A screen for one command, wiped at its end."""
    plain = os.environ.get("TERM") == "dumb" or not sys.stderr.isatty()
    shown = Screen(live=not plain)
    try:
        yield shown
    finally:
        shown.close()
