"""Attacks that only a sandbox withstands."""

from __future__ import annotations

import pytest
from attacks.arena import Needs, arena_in, attacked
from attacks.catalogue import of
from support.confined import working_sandbox

ATTACKS = [pytest.param(attack, id=attack.name) for attack in of(Needs.SANDBOX)]


@pytest.mark.parametrize("attack", ATTACKS)
def test_withstood(tmp_path, attack):
    """An attack that is kept, leaves damage, or keeps the agent from going on."""
    working_sandbox()
    attacked(arena_in(tmp_path, attack.extra + "sandbox: require\n"), attack)
