"""Nothing is carried from one run to the next, seen where it would pay.

A program that is worse at first is discarded for its first run already, whatever it remembers. So
here each is honestly better at first, and far better once it remembers.
"""

from __future__ import annotations

import pytest
from attacks import carrying
from attacks.arena import Needs, arena_in
from support.confined import working_sandbox
from support.session import UNCONFINED


@pytest.mark.parametrize("attack", [pytest.param(a, id=a.name) for a in carrying.ATTACKS])
def test_only_what_is_new_counts(tmp_path, attack):
    """The second run of a race finds what the first one left, and a keep claims what it found."""
    confined = attack.needs is Needs.SANDBOX
    if confined:
        working_sandbox()
    policy = "sandbox: require\n" if confined else UNCONFINED
    arena = arena_in(tmp_path, attack.extra + policy)
    attack.plant(arena)
    program = arena.root / "src" / "work.py"
    program.write_text(program.read_text().replace("110", "95"))
    arena.attempt()
    record = arena.log()[-1]
    assert record["verdict"] == "keep", record
    assert record["effect"]["change"] == pytest.approx(-0.05)
