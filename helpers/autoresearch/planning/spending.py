"""What one experiment cost the agent in earlier sessions of a repository."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from autoresearch.core.errors import AutoresearchError
from autoresearch.edges.index import Index
from autoresearch.edges.log import Log
from autoresearch.edges.places import places_for, sessions_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def tokens_each(environ: Mapping[str, str], toplevel: Path, common_dir: Path) -> float | None:
    """Tokens of one experiment, over all that are known; None where none is.

    Args:
        environ: says where sessions lie.
        toplevel: the working tree.
        common_dir: its git directory.
    """
    tokens, experiments = 0, 0
    for name in sessions_of(environ, toplevel, common_dir):
        places = places_for(environ, toplevel, common_dir, name)
        # A damaged session is its own commands' business; it tells nothing here.
        with contextlib.suppress(AutoresearchError), Index(places.index, Log(places.log)) as index:
            progress = index.progress()
            tokens += progress.spent_tokens
            experiments += progress.last_number - progress.unmetered
    return tokens / experiments if experiments else None
