"""A few hundred kills at random instants; `make kill-test N=…` goes on for as long as asked."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import pytest
from faults.every import environment, memory
from faults.kills import Clock, sitting

KILLS = int(os.environ.get("AUTORESEARCH_KILLS", "60"))


@pytest.mark.timeout(1200)
def test_random_kills_violate_nothing():
    """A kill at an instant that no list of calls names, as between two threads of one call."""
    seed = random.SystemRandom().randrange(1 << 31)
    with tempfile.TemporaryDirectory(dir=memory()) as folder, environment(folder):
        last, violation = sitting(KILLS, seed, Path(folder), Clock())
    assert violation is None, f"seeds {seed} to {last}: {violation}"
