"""Records to log lines and back."""

from __future__ import annotations

import json

import pytest
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.model import NoteKind, RaceRecord, Verdict
from autoresearch.core.records import SESSION, Experiment, Note, Stop, line_hash
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import AT, any_record, effect, experiment, make, note, opened, race

PREV = "ab" * 32


def changed(line: bytes, **values: object) -> bytes:
    """A line with some of its keys set, or removed where the value is `...`."""
    value = json.loads(line)
    value.update(values)
    return json.dumps({key: found for key, found in value.items() if found is not ...}).encode()


@settings(deadline=None)
@given(record=any_record)
def test_line_reads_back_as_the_record_it_was_made_of(record):
    """A field whose type is written one way and read another."""
    line = SESSION.to_line(record, PREV)
    assert SESSION.from_line(line) == (record, PREV)
    assert line.isascii()
    assert b"\n" not in line


def test_line_has_the_documented_bytes():
    """Key order or separators that change, and with them every hash."""
    line = SESSION.to_line(make(Stop, reason="d\u00f6ne \u2028"), PREV)
    assert line == (
        b'{"schema":1,"kind":"stop","at":"2026-01-02T03:04:05Z",'
        b'"reason":"d\\u00f6ne \\u2028","prev":"' + PREV.encode() + b'"}'
    )


def test_own_kind_field_does_not_hide_the_kind_of_the_line():
    """A note's `kind` written over the line's."""
    line = SESSION.to_line(note(1, "x", NoteKind.LESSON), PREV)
    assert json.loads(line)["kind"] == "note"
    assert json.loads(line)["note_kind"] == "lesson"


def test_path_with_undecodable_bytes_survives():
    """A file name in Latin-1 that cannot be logged."""
    record = experiment(1, paths=(("A", "caf\udce9.txt"),))
    assert SESSION.from_line(SESSION.to_line(record, PREV))[0] == record


def test_hash_is_of_the_line_without_newline():
    """Another idea of the hash than the documented one."""
    assert line_hash(b"{}") == ("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1.0], "x", None, True])
def test_unreadable_record_is_not_written(value):
    """A record that poisons the log because nobody can read it back."""
    with pytest.raises(ValueError, match=r"cannot be logged|not JSON compliant"):
        SESSION.to_line(experiment(1, duration_s=value), PREV)


def test_record_that_would_change_is_not_written():
    """Two halves of a surrogate pair that reading joins into one character."""
    with pytest.raises(ValueError, match="would change"):
        SESSION.to_line(make(Stop, reason="\ud83d\ude00"), PREV)


def test_malformed_time_is_not_written():
    """A time that later arithmetic cannot read."""
    with pytest.raises(ValueError, match="key 'at'"):
        SESSION.to_line(make(Stop, at="yesterday"), PREV)


ADDED_LATER = {
    "first_race", "flaky", "guard_tests", "holdout", "meter", "raced_in", "spent", "suspicions",
}  # fmt: skip
"""Keys that logs of the first versions do not have."""


@pytest.mark.parametrize(
    "key", sorted(set(json.loads(SESSION.to_line(experiment(1), PREV))) - ADDED_LATER)
)
def test_every_key_is_required(key):
    """A missing key read as if it held a harmless value."""
    line = changed(SESSION.to_line(experiment(1), PREV), **{key: ...})
    with pytest.raises(CorruptLogError, match=f"'{key}'"):
        SESSION.from_line(line)


@pytest.mark.parametrize("key", sorted(ADDED_LATER))
def test_key_that_was_added_later_may_be_missing(key):
    """A log of an earlier version that nobody can read any more."""
    line = changed(SESSION.to_line(experiment(1), PREV), **{key: ...})
    assert SESSION.from_line(line)[0] == experiment(1)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"schema": 2}, "schema 2, this version reads up to 1"),
        ({"schema": 0}, "'schema' holds 0"),
        ({"schema": True}, "'schema' holds True"),
        ({"schema": "1"}, "'schema' holds '1'"),
        ({"kind": "guess"}, "'guess', which is not a kind"),
        ({"kind": None}, "'None', which is not a kind"),
        ({"prev": "AB" * 32}, "'prev'"),
        ({"prev": 7}, "'prev'"),
        ({"at": "2026-13-02T03:04:05Z"}, "'at'"),
        ({"at": "2026-01-02 03:04:05Z"}, "'at'"),
        ({"at": 5}, "'at'"),
        ({"number": 1.0}, "key 'number' holds 1.0 where a whole number belongs"),
        ({"number": True}, "key 'number' holds True where a whole number belongs"),
        ({"message": 7}, "key 'message' holds 7 where text belongs"),
        ({"duration_s": "1"}, "key 'duration_s' holds '1' where a number belongs"),
        ({"duration_s": 10**400}, "where a finite number belongs"),
        ({"verdict": "maybe"}, "key 'verdict' holds 'maybe' where one of keep, discard"),
        ({"verdict": 1}, "key 'verdict' holds 1"),
        ({"paths": "src"}, "key 'paths' holds 'src' where a list belongs"),
        ({"paths": [["M"]]}, "where a list of 2 belongs"),
        ({"effect": []}, r"key 'effect' holds \[\] where an object belongs"),
        ({"effect": {"scale": "ratio"}}, "key 'effect' lacks the key 'change'"),
    ],
)
def test_wrong_value_is_refused_by_key(values, complaint):
    """A value of another type read as if it were right."""
    with pytest.raises(CorruptLogError, match=complaint):
        SESSION.from_line(changed(SESSION.to_line(experiment(1), PREV), **values))


def test_nested_key_is_named_from_the_outside_in():
    """An error that names `low` and leaves to guess which."""
    line = SESSION.to_line(experiment(1, effect=effect(0.1)), PREV)
    value = json.loads(line)
    value["effect"]["low"] = "deep"
    with pytest.raises(CorruptLogError, match=r"'effect.low' holds 'deep'"):
        SESSION.from_line(json.dumps(value).encode())


def test_boolean_is_not_taken_for_truth():
    """The number 1 read as True."""
    line = SESSION.to_line(experiment(1, race=race("ab", (1.0, 2.0))), PREV)
    value = json.loads(line)
    value["race"]["deterministic"] = 1
    with pytest.raises(CorruptLogError, match=r"'race.deterministic' holds 1 where true or false"):
        SESSION.from_line(json.dumps(value).encode())


def test_unknown_key_of_the_same_schema_is_ignored():
    """A later minor version's log that this one cannot read."""
    line = changed(SESSION.to_line(experiment(1), PREV), colour="red")
    assert SESSION.from_line(line)[0] == experiment(1)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "not JSON"),
        (b"[]", "not an object"),
        (b"{", "not JSON"),
        (b'{"schema":NaN}', "NaN is not a number"),
        (b'{"schema":-Infinity}', "-Infinity is not a number"),
        (b'{"schema":1,"schema":1}', "a key stands twice"),
        (b"\xff", "not JSON"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply|not JSON"),
    ],
)
def test_line_that_is_not_strict_json_is_refused(line, complaint):
    """Python's lenient JSON let through."""
    with pytest.raises(CorruptLogError, match=complaint):
        SESSION.from_line(line)


@given(st.text(max_size=40))
def test_no_text_reads_as_a_record_by_accident(text):
    """A stray line taken for a record."""
    with pytest.raises(CorruptLogError):
        SESSION.from_line(text.encode("utf-8", "surrogatepass"))


def test_kinds_are_all_records_by_their_lower_case_name():
    """A record class that cannot be read because it was not registered."""
    assert sorted(SESSION.kinds) == [
        "ablation", "epoch", "experiment", "note", "opened", "pruned", "recovery", "refusal",
        "review", "run", "runend", "shipment", "stop",
        "transfer", "undo", "validation",
    ]  # fmt: skip
    assert SESSION.kinds["experiment"] is Experiment
    assert SESSION.kinds["note"] is Note


def test_support_makes_plain_records():
    """A factory that invents values a test does not expect."""
    assert make(RaceRecord).values == ()
    assert opened().at == AT
    assert experiment(3, Verdict.KEEP).reason is None
