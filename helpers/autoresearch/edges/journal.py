"""The journal: the step in progress, written before it is taken.

One small file, replaced whole. While it is there, a command was interrupted: the next one
finishes it or rolls it back, then clears it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from autoresearch.core.model import SCHEMA
from autoresearch.core.steps import Pending, Step
from autoresearch.edges.files import file_error, named_errors, sync_folder
from autoresearch.edges.stored import Stored, set_aside


class _Written(Struct, frozen=True, kw_only=True):
    """What the file holds: steps, oldest first."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    steps: Annotated[tuple[Step, ...], Meta(min_length=1)]


class JournalContent(NamedTuple):
    """What the journal held.

    Attributes:
        pending: None when no command was interrupted.
        moved_aside: where an unreadable journal was put, else None.
        problem: what was wrong with it, else empty.
    """

    pending: Pending | None
    moved_aside: Path | None
    problem: str


class Journal:
    """One session's journal. Every use needs the session's lock.

    Args:
        path: where it lies.
        require_lock: raises where the lock was lost; asked before each change.
    """

    def __init__(self, path: Path, require_lock: Callable[[], None] | None = None) -> None:
        self.path = path
        self.require_lock = require_lock or (lambda: None)
        self._file = Stored(path, _Written)
        self._steps: tuple[Step, ...] = ()

    def load(self) -> JournalContent:
        """What an interrupted command left; an unreadable journal is moved aside and reported.

        The file is replaced whole, so an unreadable one was damaged from outside; the candidate
        refs and the log still tell what was tried.
        """
        self._steps = ()
        try:
            self._steps = self._file.read().steps
        except FileNotFoundError:
            return JournalContent(None, None, "")
        except OSError as error:
            raise file_error(error, self.path) from error
        except ValueError as error:
            aside = set_aside(self.path, self.path.with_name(f"{self.path.name}.corrupt"))
            return JournalContent(None, aside, str(error))
        return JournalContent(Pending(self._steps), None, "")

    def begin(self, step: Step) -> None:
        """Write the first step of a command; whatever stood here is settled."""
        self._write((step,))

    def add(self, step: Step) -> None:
        """Write the next step behind those before it."""
        self._write((*self._steps, step))

    def clear(self) -> None:
        """Forget the steps: the command is complete."""
        self.require_lock()
        with named_errors(self.path):
            self.path.unlink(missing_ok=True)
            sync_folder(self.path.parent)
        self._steps = ()

    def _write(self, steps: tuple[Step, ...]) -> None:
        self.require_lock()
        self._file.save(_Written(schema=SCHEMA, steps=steps))
        self._steps = steps
