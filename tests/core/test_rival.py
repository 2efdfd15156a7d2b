"""What the guard hears of the incumbent."""

from __future__ import annotations

from autoresearch.core.limits import incumbent_metrics
from support.records import race


def test_last_sample_of_the_incumbent_counts():
    """A guard that holds the candidate against its own numbers, or against an old sample."""
    found = race("abba", (9.0, 1.0, 2.0, 8.0), secondary=(("finding_1", (0.0, 1.0, 1.0, 0.5)),))
    assert incumbent_metrics(found, "open_weight") == {"open_weight": 8.0, "finding_1": 0.5}


def test_no_sample_is_no_number():
    """A made-up number where the incumbent did not run."""
    assert incumbent_metrics(race("bb", (1.0, 1.0)), "open_weight") == {}
