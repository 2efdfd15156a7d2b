"""Clocks: the stamp of the log, and time that was lost."""

from __future__ import annotations

import re

import pytest
from autoresearch.edges.clock import SYSTEM_CLOCK, Instant, now_utc, time_lost


def test_now_is_utc_in_whole_seconds(monkeypatch):
    """The log's times depend on the user's time zone, or carry fractions."""
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", now_utc())


def test_the_clocks_of_this_machine_agree_at_rest():
    """A clock that runs at another rate voids every sample."""
    start = SYSTEM_CLOCK.read()
    end = SYSTEM_CLOCK.read()
    assert end.monotonic_s >= start.monotonic_s
    assert time_lost(start, end) < 0.1


@pytest.mark.parametrize(
    ("end", "lost_s"),
    [
        (Instant(2.0, 12.0, 102.0), 0.0),
        (Instant(2.0, 42.0, 132.0), 30.0),
        (Instant(2.0, 12.0, 109.0), 7.0),
        (Instant(2.0, 12.0, 95.0), 7.0),
        (Instant(2.0, 42.0, 102.0), 30.0),
    ],
    ids=["at rest", "slept", "set forward", "set back", "slept, then set back"],
)
def test_time_lost_is_the_larger_disagreement(end, lost_s):
    """Sleep counts twice, or a clock set back hides it."""
    assert time_lost(Instant(0.0, 10.0, 100.0), end) == lost_s
