"""Attacks by code that runs, without a sandbox: metric, memory, processes, text, races, data."""

from __future__ import annotations

import pytest
from attacks.arena import Needs, arena_in, attacked
from attacks.catalogue import RUNNING, of
from support.session import UNCONFINED

ATTACKS = [pytest.param(attack, id=attack.name) for attack in of(Needs.NOTHING, RUNNING)]


@pytest.mark.parametrize("attack", ATTACKS)
def test_withstood(tmp_path, attack):
    """An attack that is kept, leaves damage, or keeps the agent from going on."""
    attacked(arena_in(tmp_path, attack.extra + UNCONFINED), attack)
