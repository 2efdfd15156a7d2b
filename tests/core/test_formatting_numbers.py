"""Numbers, times and effects in words."""

from __future__ import annotations

import pytest
from autoresearch.core import formatting
from autoresearch.core.model import Direction, Flag, Reason, Scale, Verdict
from msgspec.structs import replace
from support.records import effect


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (41.7, "41.7"),
        (-41.74999, "-41.75"),
        (1204.0, "1204"),
        (123456.7, "123457"),
        (1.2e9, "1.2e+09"),
        (0.00001, "1e-05"),
        (0.0123456, "0.01235"),
        (9.99999, "10"),
        (float("inf"), "inf"),
    ],
)
def test_number(value, text):
    """A number with more digits than the measurement carries."""
    assert formatting.number(value) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "+0.0%"),
        (-0.0, "+0.0%"),
        (0.0312, "+3.1%"),
        (-0.5, "-50.0%"),
        (0.00042, "+0.042%"),
        (-0.00999, "-1%"),
        (12.0, "+1200.0%"),
    ],
)
def test_percent(fraction, text):
    """A small gain shown as no gain, or a sign lost."""
    assert formatting.percent(fraction) == text


def test_effect_says_how_much_its_interval_covers():
    """Two pairs' range that poses as a 95 % interval, or an exact value with an interval."""
    few = replace(effect(-0.03), level=0.5)
    assert formatting.effect(few) == "-3.0% [-4.0%, -2.0%] (50% interval)"
    assert formatting.effect(replace(few, level=1.0)) == "-3.0%"


def test_effect_names_its_unit_only_where_it_is_a_difference():
    """Milliseconds printed behind a percentage."""
    assert formatting.effect(effect(-0.03), "ms") == "-3.0% [-4.0%, -2.0%]"
    shown = formatting.effect(effect(-3.0, Scale.DIFFERENCE), "ms")
    assert shown == "-3 ms [-3.01 ms, -2.99 ms]"
    assert formatting.change(2.5, Scale.DIFFERENCE) == "+2.5"
    assert formatting.magnitude(-0.012, Scale.RATIO) == "1.2%"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.04, "0 s"),
        (0.44, "0.4 s"),
        (12.4, "12 s"),
        (119, "119 s"),
        (180, "3 min"),
        (9000, "2.5 h"),
        (270000, "3.1 days"),
    ],
)
def test_duration(seconds, text):
    """A duration nobody would say."""
    assert formatting.duration(seconds) == text


def test_seconds_between_two_times_of_the_log():
    """A difference that ignores the date, or fails on Python 3.10 because of the Z."""
    assert formatting.seconds_between("2026-01-02T23:59:58Z", "2026-01-03T00:00:01Z") == 3.0
    assert formatting.seconds_between("2026-01-02T00:00:01Z", "2026-01-02T00:00:00Z") == -1.0


def test_verdict_with_its_reason_or_its_flags():
    """A discard that does not say which of two things is true."""
    assert formatting.verdict(Verdict.DISCARD, Reason.UNDECIDED) == "discard (undecided)"
    assert formatting.verdict(Verdict.KEEP, None, (Flag.PROVISIONAL,)) == "keep (provisional)"
    assert formatting.verdict(Verdict.KEEP, None) == "keep"


def test_small_words():
    """A plural of one, a list without end."""
    assert formatting.count(1, "keep") == "1 keep"
    assert formatting.count(2, "keep") == "2 keeps"
    assert formatting.numbers([3, 2, 1]) == "3, 2, 1"
    assert formatting.numbers(range(20, 0, -1), 2) == "20, 19 and 18 more"
    assert formatting.better(Direction.LOWER) == "lower is better"
    assert formatting.better(Direction.HIGHER) == "higher is better"
    assert formatting.short_hash("abcdef0123456789") == "abcdef01"


def test_sizes_are_said_as_people_say_them():
    """Bytes that nobody can read, or a thousand times too much."""
    found = [formatting.size(amount) for amount in (0, 999, 1000, 12_400, 3_440_000)]
    assert found == ["0 B", "999 B", "1 kB", "12 kB", "3.4 MB"]
