"""The catalogue is large enough, without doublets, and what the documentation says."""

from __future__ import annotations

from attacks.arena import Needs
from attacks.catalogue import CATALOGUE, LIMITS, PAGE, of, page_with_table
from attacks.honest import HONEST


def test_every_threat_is_attacked():
    """A threat of the model that no attack tries."""
    assert all(len(attacks) >= 5 for attacks in CATALOGUE.values())
    assert len(of(Needs.NOTHING)) >= 80
    assert len(HONEST) >= 25
    names = [attack.name for attacks in CATALOGUE.values() for attack in attacks]
    assert len(set(names)) == len(names)
    assert all(limit.why and limit.helps for limit in LIMITS)


def test_documented_table_is_the_declared_one():
    """A page that promises what nobody tries. `python tests/attacks/catalogue.py` mends it."""
    page = PAGE.read_text("utf-8")
    assert page == page_with_table(page)
