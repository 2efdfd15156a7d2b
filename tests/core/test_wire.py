"""The strict reader: what is let through, and how it says what is wrong and where."""

from __future__ import annotations

import math
from enum import Enum
from typing import Annotated, Literal

import msgspec
import pytest
from autoresearch.core import wire
from hypothesis import given, settings
from hypothesis import strategies as st


class Scale(str, Enum):
    """A closed set."""

    RATIO = "ratio"
    DIFFERENCE = "difference"


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """A nested record that has a rule of its own."""

    scale: Scale
    low: wire.Finite

    def __post_init__(self) -> None:
        if self.low == 13:
            raise ValueError("odd one")


class Measured(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="measured"):
    """One of two kinds; every sort of field."""

    number: int
    text: str
    cost_s: wire.Finite
    sure: bool
    effect: Effect | None
    paths: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...] = ()
    share: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    above: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=3, pattern="^[a-z]+$")] = "a"
    some: Annotated[tuple[int, ...], msgspec.Meta(min_length=1)] = (1,)
    env: dict[str, int] = {}
    mode: Literal["auto", "off"] = "auto"
    either: int | str = 1
    own_kind: str = msgspec.field(default="z", name="measured_kind")


class Noted(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="noted",
    forbid_unknown_fields=True,
):  # fmt: skip
    """The other kind, which refuses unknown keys."""

    number: int
    message: str = ""


GOOD = {
    "kind": "measured",
    "number": 1,
    "text": "caf\udce9",
    "cost_s": 2,
    "sure": True,
    "effect": {"scale": "ratio", "low": 1},
    "paths": [["M", "a"]],
}
UNKNOWN = {"kind": "noted", "number": 1}


def refusal(value: object, kind: object = Measured | Noted) -> wire.MismatchError:
    """The complaint about a value."""
    with pytest.raises(wire.MismatchError) as caught:
        wire.convert(value, kind)
    return caught.value


def test_right_values_become_the_record_they_were():
    """A list that stays one, a whole number refused where a float belongs, a renamed key."""
    found = wire.convert({**GOOD, "measured_kind": "y", "colour": "red"}, Measured | Noted)
    assert found == Measured(
        number=1,
        text="caf\udce9",
        cost_s=2.0,
        sure=True,
        effect=Effect(scale=Scale.RATIO, low=1.0),
        paths=(("M", "a"),),
        own_kind="y",
    )
    assert wire.read(wire.line(found), Measured | Noted) == found


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"number": 1.0}, "key 'number' holds 1.0 where a whole number belongs"),
        ({"number": True}, "key 'number' holds True where a whole number belongs"),
        ({"text": None}, "key 'text' holds None where text belongs"),
        ({"cost_s": "1"}, "key 'cost_s' holds '1' where a number belongs"),
        ({"cost_s": math.inf}, "key 'cost_s' holds inf where a finite number belongs"),
        ({"cost_s": -math.inf}, "key 'cost_s' holds -inf where a finite number belongs"),
        ({"cost_s": math.nan}, "key 'cost_s' holds nan where a finite number belongs"),
        ({"sure": 1}, "key 'sure' holds 1 where true or false belongs"),
        ({"effect": []}, "key 'effect' holds [] where an object belongs"),
        (
            {"effect": {"scale": "nope", "low": 1}},
            "key 'effect.scale' holds 'nope' where one of ratio, difference belongs",
        ),
        (
            {"effect": {"scale": 1, "low": 1}},
            "key 'effect.scale' holds 1 where one of ratio, difference belongs",
        ),
        ({"effect": {"scale": "ratio"}}, "key 'effect' lacks the key 'low'"),
        ({"effect": {"scale": "ratio", "low": 13}}, "key 'effect' is refused: odd one"),
        ({"paths": "src"}, "key 'paths' holds 'src' where a list belongs"),
        ({"paths": [["M"]]}, "key 'paths[0]' holds ['M'] where a list of 2 belongs"),
        ({"paths": [["M", "a"], ["M", 1]]}, "key 'paths[1][1]' holds 1 where text belongs"),
        ({"seeds": [1, "a"]}, "key 'seeds[1]' holds 'a' where a whole number belongs"),
        ({"share": 0}, "key 'share' holds 0 where a whole number of at least 1 belongs"),
        ({"share": 10}, "key 'share' holds 10 where a whole number of at most 9 belongs"),
        ({"above": 0}, "key 'above' holds 0 where a number above 0.0 belongs"),
        ({"above": 1}, "key 'above' holds 1 where a number below 1.0 belongs"),
        ({"name": ""}, "key 'name' holds '' where text of at least 1 characters belongs"),
        ({"name": "abcd"}, "key 'name' holds 'abcd' where text of at most 3 characters belongs"),
        ({"name": "A"}, "key 'name' holds 'A' where text that matches '^[a-z]+$' belongs"),
        ({"some": []}, "key 'some' holds [] where a list of at least 1 items belongs"),
        ({"env": {"A": 1, "B": "b"}}, "key 'env.B' holds 'b' where a whole number belongs"),
        ({"env": {"A": 1, 2: 3}}, "key 'env' has the key 2 where text belongs"),
        ({"mode": "of"}, "key 'mode' holds 'of' where one of auto, off belongs"),
        ({"either": 1.5}, "key 'either' holds 1.5 where a whole number or text belongs"),
        ({"measured_kind": 1}, "key 'measured_kind' holds 1 where text belongs"),
        ({"kind": "guess"}, "key 'kind' holds 'guess' where a known one belongs"),
        ({"kind": None}, "key 'kind' holds None where text belongs"),
    ],
)
def test_wrong_value_is_named_with_its_key_and_what_belongs_there(values, complaint):
    """A complaint from which the key, the value or the remedy cannot be read."""
    assert str(refusal({**GOOD, **values})) == complaint


def test_number_beyond_any_float_is_refused():
    """An overflow that ends as a crash."""
    assert "where a finite number belongs" in str(refusal({**GOOD, "cost_s": 10**400}))


def test_long_value_is_cut():
    """A value of a megabyte in an error of one line."""
    assert len(str(refusal({**GOOD, "number": "x" * 1000}))) < 120


def test_missing_key_is_named():
    """A missing key read as if it held a harmless value."""
    lacking = {key: value for key, value in GOOD.items() if key != "sure"}
    found = refusal(lacking)
    assert (str(found), found.missing, found.path) == ("lacks the key 'sure'", "sure", ())
    assert str(refusal({"number": 1})) == "lacks the key 'kind'"


def test_what_is_no_object_is_refused():
    """A list taken for an empty record."""
    assert str(refusal([])) == "holds [] where an object belongs"
    assert str(refusal("x", int)) == "holds 'x' where a whole number belongs"


def test_unknown_key_is_refused_where_asked_for_and_the_nearest_one_told():
    """A misspelt key that is silently ignored."""
    found = refusal({**UNKNOWN, "mesage": "x"})
    assert str(found) == "has the unknown key 'mesage'; did you mean 'message'?"
    assert (found.unknown, found.near) == ("mesage", "message")
    assert str(refusal({**UNKNOWN, "zz": "x"})) == "has the unknown key 'zz'"


def test_parts_of_a_complaint_can_be_used_apart():
    """A reader with lines of its own that must take a sentence to pieces."""
    found = refusal({**GOOD, "paths": [["M", "a"], ["M", 1]]})
    assert (found.path, found.where) == (("paths", 1, 1), "paths[1][1]")
    assert (found.value, found.wanted) == (1, "text")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", "not an object"),
        ("{", "Expecting"),
        ('{"a":NaN}', "NaN is not a number"),
        ('{"a":-Infinity}', "-Infinity is not a number"),
        ('{"a":1,"a":1}', "a key stands twice"),
        (b"\xff", "codec can't decode"),
        ('{"a":' + "[" * 100_000, "nested too deeply|Expecting"),
    ],
)
def test_text_that_is_not_strict_json_is_refused(text, complaint):
    """Python's lenient JSON let through."""
    with pytest.raises(ValueError, match=complaint):
        wire.loads(text)


def test_text_is_written_in_ascii_on_one_line():
    """A U+2028 that splits a line, a nan that no other reader takes."""
    assert wire.line(Noted(number=1, message="d\u00f6ne \u2028")) == (
        b'{"kind":"noted","number":1,"message":"d\\u00f6ne \\u2028"}\n'
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        wire.dumps({"a": math.nan})


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(key=st.sampled_from([*GOOD, "seeds", "env", "either", "name"]), value=PLAIN)
def test_any_value_is_read_or_refused_with_words(key, value):
    """A complaint that fails itself, and leaves the reader as a crash."""
    try:
        wire.convert({**GOOD, key: value}, Measured | Noted)
    except wire.MismatchError as error:
        assert error.path[:1] in {(key,), ()}  # noqa: PT017  (either way is right)
