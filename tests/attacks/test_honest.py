"""Honest changes must pass: a gate that stops them would be useless."""

from __future__ import annotations

import pytest
from attacks.arena import Arena, require_clean
from attacks.honest import HONEST, prepare
from support.session import open_session


@pytest.mark.parametrize("change", HONEST, ids=lambda change: change.name)
def test_kept_as_it_is(tmp_path, change):
    """A gain refused for its shape, or kept with other bytes than were measured."""
    arena = Arena(open_session(tmp_path, prepare=prepare), tmp_path)
    change.edit(arena)
    wanted = {p: c for p, c in arena.repo.state().items() if p.startswith("src/")}
    modes = {p: (arena.root / p).lstat().st_mode & 0o100 for p in wanted}
    answer = arena.attempt(change.message)
    assert answer.out.startswith("experiment 1: keep"), answer
    require_clean(answer)
    after = {p: c for p, c in arena.repo.state().items() if p.startswith("src/")}
    assert after == wanted
    assert {p: (arena.root / p).lstat().st_mode & 0o100 for p in after} == modes
    assert arena.repo("rev-parse", "HEAD~1") == arena.start
    assert arena.repo("status", "--porcelain", "--untracked-files=no") == ""
