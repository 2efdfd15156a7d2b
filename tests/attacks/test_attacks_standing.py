"""Attacks on what stands still, without a sandbox: files, git, environment, state."""

from __future__ import annotations

import pytest
from attacks.arena import Needs, arena_in, attacked
from attacks.catalogue import STANDING, of
from support.session import UNCONFINED

ATTACKS = [pytest.param(attack, id=attack.name) for attack in of(Needs.NOTHING, STANDING)]


@pytest.mark.parametrize("attack", ATTACKS)
def test_withstood(tmp_path, attack):
    """An attack that is kept, leaves damage, or keeps the agent from going on."""
    attacked(arena_in(tmp_path, attack.extra + UNCONFINED), attack)
