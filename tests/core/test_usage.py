"""What an agent session used, from its host's transcript."""

from __future__ import annotations

import json

from autoresearch.core.model import Meter, Spent
from autoresearch.core.usage import (
    RECENT,
    ReadSoFar,
    Sum,
    meter_of,
    read_on,
    spent_between,
    turn_of,
)
from autoresearch.edges.hostfiles import our_prices
from hypothesis import given
from hypothesis import strategies as st
from support.records import make

OURS = our_prices().dollars_for_a_million_tokens
USAGE = {
    "input_tokens": 10,
    "output_tokens": 20,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 40,
}


def line(key="m1", model="claude-sonnet-4-5", **usage):
    message = {"id": key, "model": model, "usage": {**USAGE, **usage}}
    return json.dumps({"type": "assistant", "message": message}).encode()


def test_answer_is_counted_once_by_its_last_line():
    """Three blocks of one answer counted as three answers, or the first, unfinished count kept."""
    lines = [line(output_tokens=1), line(output_tokens=5), line(output_tokens=20), line("m2")]
    reading = read_on(ReadSoFar(), lines, OURS)
    assert reading.total[:4] == (20, 40, 60, 80)
    assert reading.total.unpriced == 0
    assert [turn.key for turn in reading.recent] == ["m1", "m2"]


def test_answer_that_spans_two_readings_is_counted_once():
    """An answer whose last line comes after the helper looked."""
    first = read_on(ReadSoFar(), [line(output_tokens=1)], OURS)
    second = read_on(first, [line(output_tokens=20), line("m2", model="who-knows")], OURS)
    whole = read_on(ReadSoFar(), [line(output_tokens=20), line("m2", model="who-knows")], OURS)
    assert second.total[:4] == whole.total[:4] == (20, 40, 60, 80)
    assert second.total.unpriced == 100
    assert abs(second.total.usd - whole.total.usd) < 1e-12
    assert whole.total.usd == (10 * 3 + 20 * 15 + 30 * 3.75 + 40 * 0.3) / 1e6


def test_what_is_remembered_is_bounded():
    """A file that grows with every answer of a night."""
    reading = read_on(ReadSoFar(), [line(f"m{number}") for number in range(200)], OURS)
    assert len(reading.recent) == RECENT
    assert reading.recent[-1].key == "m199"
    assert reading.total.input == 2000


def test_details_of_the_usage_are_read():
    """Long-lived cache entries, faster answers and searches billed like the rest."""
    turn = turn_of(
        line(
            cache_creation={"ephemeral_1h_input_tokens": 7},
            speed="fast",
            inference_geo="us",
            server_tool_use={"web_search_requests": 2},
        )
    )
    assert turn is not None
    assert (turn.cache_write_1h, turn.speed, turn.geography, turn.web_searches) == (
        7,
        "fast",
        "us",
        2,
    )
    assert turn.tokens == 100


def test_other_lines_say_nothing():
    """A format of another release that ends a night with an error."""
    for text in (
        b"",
        b'{"type":"user","message":{"content":"assistant"}}',
        b'{"type":"assistant"',
        b'["assistant"]',
        b'{"type":"assistant"}',
        b'{"type":"assistant","message":{"id":"x"}}',
        b'{"type":"assistant","message":{"id":7,"usage":{"input_tokens":1}}}',
        b'{"type":"system","about":"assistant","message":{"id":"x","usage":{"input_tokens":1}}}',
        b'{"kind":"assistant","message":{"id":"x","usage":{"input_tokens":1}}}',
        b'"assistant"' + b"[" * 100_000,
    ):
        assert turn_of(text) is None, text[:80]
    odd = turn_of(line(input_tokens="many", output_tokens=True, cache_read_input_tokens=-4))
    assert odd is not None
    assert (odd.input, odd.output, odd.cache_read) == (0, 0, 0)


@given(st.binary(max_size=60))
def test_no_line_is_an_error(text):
    """A transcript that a crash cut anywhere."""
    assert turn_of(b'{"type":"assistant"' + text) is None or True
    read_on(ReadSoFar(), text.splitlines(), OURS)


def meter(**values):
    return make(Meter, host_session="h", **values)


def test_meter_adds_up_sub_agents():
    """A sub-agent whose tokens nobody pays."""
    found = meter_of("h", [Sum(1, 2, 3, 4, 0.5, 6), Sum(10, 20, 30, 40, 0.25, 0)])
    assert found == meter(input=11, output=22, cache_write=33, cache_read=44, usd=0.75, unpriced=6)
    assert found.tokens == 110
    assert meter_of("h", []) == meter()


def test_spent_is_the_difference_of_two_readings():
    """Planning before the run, or an earlier experiment, billed to this one."""
    before = meter(input=100, output=50, usd=1.0)
    after = meter(input=160, output=70, cache_read=1000, usd=1.5)
    assert spent_between(before, after) == Spent(tokens=1080, output=20, usd=0.5)
    assert spent_between(before, before) == Spent(tokens=0, output=0, usd=0.0)
    strange = meter(input=160, output=70, usd=1.5, unpriced=3)
    assert spent_between(before, strange) == Spent(tokens=80, output=20, usd=None)


def test_readings_that_cannot_be_compared_tell_nothing():
    """A negative cost, or the whole history of another session billed to one experiment."""
    one = meter(input=100)
    assert spent_between(None, one) is None
    assert spent_between(one, None) is None
    assert spent_between(one, make(Meter, host_session="other", input=200)) is None
    assert spent_between(one, meter(input=99)) is None
