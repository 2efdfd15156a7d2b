"""An answer: what a command prints, in words and as one JSON object.

Nothing is computed here but the cut to a bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from autoresearch.core.model import SCHEMA

MAX_LINES = 30
MAX_BYTES = 2048
WIDE_BYTES = 8192


class Answer(Struct, frozen=True, kw_only=True):
    """The result of a command.

    Attributes:
        lines: for people and agents, the most important first; `next:` is added from `next_step`.
        data: the same facts for programs; keys are only ever added.
        next_step: what the reader needs to act.
        exit_code: 0, or 1 for a refused experiment.
        max_lines, max_bytes: bound of the printed text.
    """

    lines: tuple[str, ...]
    data: Mapping[str, Any] = field(default_factory=dict)
    next_step: str = ""
    exit_code: int = 0
    max_lines: int = MAX_LINES
    max_bytes: int = MAX_BYTES

    def text(self, notices: Sequence[str] = ()) -> str:
        """The printed form, notices first, within its bound; the `next:` line always survives."""
        tail = f"next: {self.next_step}" if self.next_step else ""
        return bounded((*notices, *self.lines), tail, self.max_lines, self.max_bytes)

    def envelope(self, notices: Sequence[str] = ()) -> dict[str, Any]:
        """The `--json` form; `news` holds the notices, then what the command itself calls news."""
        head = {"schema": SCHEMA, "ok": self.exit_code == 0}
        news = {"news": [*notices, *self.data.get("news", ())]}
        tail = {"next": self.next_step} if self.next_step else {}
        return {**head, **self.data, **news, **tail}


def bounded(lines: Sequence[str], tail: str, max_lines: int, max_bytes: int) -> str:
    """Whole lines from the top that fit beside `tail`, then how many were left out."""
    room = max_bytes - len(tail.encode("utf-8", "replace")) - 40
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode("utf-8", "replace")) + 1
        if room < 0 or len(kept) >= max_lines - 2:
            kept.append(f"… {len(lines) - len(kept)} more lines")
            break
        kept.append(line)
    return "\n".join([*kept, tail] if tail else kept)
