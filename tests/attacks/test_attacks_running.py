"""Attacks by code that runs: metric, memory, processes, text, races, data."""

from __future__ import annotations

import pytest
from attacks import carrying, data, injection, metric, racing, resources
from attacks.arena import Arena, Needs, planted, require_going_on, require_unharmed
from support.session import open_session

ATTACKS = [
    pytest.param(attack, id=attack.name)
    for family in (metric, carrying, resources, injection, racing, data)
    for attack in family.ATTACKS
    if attack.needs is Needs.NOTHING
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_withstood(tmp_path, attack):
    """An attack that is kept, leaves damage, or keeps the agent from going on."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine\n")
    arena = Arena(open_session(tmp_path, extra=attack.extra), outside)
    before = planted(arena, attack)
    answer = arena.attempt(attack.message)
    require_unharmed(arena, before, answer, attack)
    if not attack.stops:
        require_going_on(arena, before, attack)
