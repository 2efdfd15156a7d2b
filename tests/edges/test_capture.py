"""Captured streams: start and end are kept, the rest is counted."""

from __future__ import annotations

import os

from autoresearch.edges.command import Capture
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.binary(max_size=12), max_size=30), st.integers(min_value=2, max_value=40))
def test_keeps_start_and_end_of_any_stream(chunks, limit):
    """Bytes are lost, doubled or swapped where chunks meet the limit."""
    capture = Capture(limit)
    for chunk in chunks:
        capture.add(chunk)
    whole = b"".join(chunks)
    assert capture.total == len(whole)
    assert capture.truncated is (len(whole) > limit)
    if len(whole) <= limit:
        assert capture.content() == whole
    else:
        start, end = whole[: limit - limit // 2], whole[-(limit // 2) :]
        count = b"\n[%d bytes left out]\n" % (len(whole) - limit)
        assert capture.content() == start + count + end


def test_a_long_stream_costs_a_bounded_buffer():
    """The end of a stream is kept by keeping all of it."""
    capture = Capture(1000)
    for number in range(1000):
        capture.add(b"%05d" % number * 100)
    assert len(capture._tail) <= 2 * 500 + (1 << 16)
    assert capture.content().endswith(b"00999" * 100)


def test_reading_ends_when_the_last_writer_closes():
    """An empty pipe is taken for a closed one, or the other way round."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    capture = Capture(100)
    assert capture.read_from(reader) is True
    os.write(writer, b"abc")
    assert capture.read_from(reader) is True
    os.close(writer)
    assert capture.read_from(reader) is False
    os.close(reader)
    assert capture.content() == b"abc"
