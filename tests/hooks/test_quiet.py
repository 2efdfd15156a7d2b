"""Values picked out of a host's JSON without reading it."""

from __future__ import annotations

import json

import pytest
from autoresearch.hosts.entry import value_of
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.recursive(
    st.text(max_size=8) | st.sampled_from(["cwd", '"cwd"', "\\", '"cwd":"x"']) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(
    before=st.dictionaries(st.sampled_from(["a", "tool_input", "b"]), VALUES, max_size=3),
    value=st.text(max_size=12) | st.none() | st.integers(),
    indent=st.sampled_from([None, 2]),
)
def test_value_is_that_of_the_key_or_unknown(before, value, indent):
    """A path in a message taken for the folder of the host, so that a session is overlooked."""
    text = json.dumps({**before, "cwd": value}, indent=indent, ensure_ascii=False)
    found = value_of(text.encode("utf-8", "surrogateescape"), b"cwd")
    inner = json.dumps(before, ensure_ascii=False).count('"cwd":')
    if found is not None and inner == 0:
        assert found == value
    if isinstance(value, str) and value.isalnum() and not before:
        assert found == value


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"cwd"', '{"cwd":', '{"cwd":"', '{"cwd":"x', '{"cwd":7}', '["cwd", "x"]',
     '{"a":"\\"cwd\\":\\"x\\""}', '{"cwd":"a\\\\b"}'],
)  # fmt: skip
def test_what_is_not_plainly_there_is_unknown(text):
    """Half a value taken for a whole one."""
    assert value_of(text.encode(), b"cwd") is None
