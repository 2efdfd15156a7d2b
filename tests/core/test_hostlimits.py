"""How long the next `try` may take, and how to start it."""

from __future__ import annotations

import pytest
from autoresearch.core.hostlimits import is_long, time_advice, time_out_s


@pytest.mark.parametrize(
    ("seconds", "long"), [(None, False), (71.9, False), (72, True), (7201, True)]
)
def test_what_a_foreground_command_can_hold(seconds, long):
    """An experiment that its host kills after two minutes."""
    assert is_long(seconds) is long
    assert bool(time_advice(seconds)) is long


def test_background_with_a_time_out_of_twice_the_forecast():
    """A time-out that ends the race it was made for, or one that the host refuses."""
    assert time_out_s(72) == 180
    assert time_out_s(300) == 600
    assert time_out_s(301) == 660
    assert time_out_s(7000) == 7200
    assert time_advice(300) == (
        "the next try may take 5 min: start it in the background with a time-out of 600 s and "
        "wait to be woken, do not poll"
    )
    assert "should shorten race.seconds or the guard" in time_advice(7201)
