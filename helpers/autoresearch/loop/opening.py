"""How a command opens the session: found, locked, and tidied up after an interruption."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.loop.session import Session


@contextmanager
def writing(command: str) -> Iterator[Session]:
    """The session of the current folder, ours alone until the end, with nothing left half done."""
    from autoresearch.loop.recover import recover  # noqa: PLC0415 - readers need none of it
    from autoresearch.loop.session import environment, loaded  # noqa: PLC0415 - nor does `--help`
    from autoresearch.loop.unharmed import require_frozen_terms  # noqa: PLC0415 - as above

    with loaded(Path.cwd(), environment(), command=command, write=True) as session:
        recover(session)
        require_frozen_terms(session)
        yield session


@contextmanager
def reading(command: str) -> Iterator[Session]:
    """The session of the current folder, as its log tells it; another command may be at work."""
    from autoresearch.loop.session import environment, loaded  # noqa: PLC0415 - as above

    with loaded(Path.cwd(), environment(), command=command, write=False) as session:
        yield session
