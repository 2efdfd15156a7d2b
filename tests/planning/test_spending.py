"""The cost of one experiment, from the logs of earlier sessions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from autoresearch.core.model import Spent
from autoresearch.edges.index import Index
from autoresearch.edges.log import Log
from autoresearch.edges.places import places_for
from autoresearch.planning.checking import tokens_each
from support.records import epoch, experiment, opened

if TYPE_CHECKING:
    from pathlib import Path


def session(root: Path, name: str, spent: list[int | None]) -> None:
    """A session whose experiments used so many tokens; None: nobody knows."""
    places = places_for(os.environ, root, root / ".git", name)
    places.create()
    with Index(places.index, Log(places.log)) as index:
        index.append(opened(session=name))
        index.append(epoch())
        for number, tokens in enumerate(spent, 1):
            known = None if tokens is None else Spent(tokens=tokens, output=1, usd=None)
            index.append(experiment(number, spent=known))


def test_tokens_are_those_of_the_experiments_that_are_known(tmp_path: Path) -> None:
    """Unknown costs counted as none would promise a cheap night."""
    assert tokens_each(os.environ, tmp_path, tmp_path / ".git") is None
    session(tmp_path, "blind", [None, None])
    assert tokens_each(os.environ, tmp_path, tmp_path / ".git") is None
    session(tmp_path, "first", [1000, None, 3000])
    session(tmp_path, "second", [8000])
    assert tokens_each(os.environ, tmp_path, tmp_path / ".git") == 4000.0


def test_a_damaged_session_tells_nothing(tmp_path: Path) -> None:
    """A torn log of another session that forbids planning a new one."""
    session(tmp_path, "sound", [5000])
    session(tmp_path, "torn", [1])
    places = places_for(os.environ, tmp_path, tmp_path / ".git", "torn")
    places.index.unlink()
    places.log.write_text("no record\n")
    assert tokens_each(os.environ, tmp_path, tmp_path / ".git") == 5000.0
