"""Records for tests: any record class filled with plain values, whatever fields it has."""

from __future__ import annotations

import inspect
import types
import typing
from enum import Enum
from typing import Any, TypeVar

from autoresearch.core import model, records
from autoresearch.core.model import Effect, Kind, NoteKind, RaceRecord, Reason, Scale, Verdict
from autoresearch.core.records import Epoch, Experiment, Note, Opened, Record, Refusal
from hypothesis import strategies as st

T = TypeVar("T")

AT = "2026-01-02T03:04:05Z"
BASE = "0" * 40


def make(kind: type[T], /, **values: object) -> T:
    """A record of a class: the given values, and the plainest one for every other field."""
    hints = typing.get_type_hints(kind, localns=vars(model))
    plain = {
        name: AT if name == "at" else _plain(name, hints[name])
        for name in inspect.signature(kind).parameters
    }
    return kind(**{**plain, **values})


def _plain(name: str, hint: Any) -> Any:
    if name == "schema":
        return 1
    origin = typing.get_origin(hint)
    if origin in {typing.Union, types.UnionType}:
        return None
    if origin is tuple:
        return ()
    if issubclass(hint, Enum):
        return next(iter(hint))
    return hint() if hint in _SCALARS else make(hint)


def experiment(number: int, verdict: Verdict = Verdict.DISCARD, **values: object) -> Experiment:
    """An experiment that ended so; a discard was `undecided` unless a reason is given."""
    return make(
        Experiment,
        **{
            "number": number,
            "message": f"change {number}",
            "kind": Kind.PLAIN,
            "verdict": verdict,
            "reason": Reason.UNDECIDED if verdict is Verdict.DISCARD else None,
            "commit": f"{number:040x}",
            "tree": f"{number:040x}",
            "patch_id": f"{number:040x}",
            "paths": (("M", "src/a.py"),),
            "sandbox": "none",
            "duration_s": 1.0,
            **values,
        },
    )


def effect(change: float, scale: Scale = Scale.RATIO) -> Effect:
    """An effect with an interval of one point to either side."""
    return Effect(scale=scale, change=change, low=change - 0.01, high=change + 0.01, level=0.95)


def race(order: str, values: tuple[float, ...], **fields: object) -> RaceRecord:
    """A race of these runs."""
    return make(
        RaceRecord, order=order, values=values, **{"alpha": 0.02, "pairs_planned": 20, **fields}
    )


def opened(**values: object) -> Opened:
    """The first line of a log."""
    return make(Opened, **{"session": "speed", "goal": "go faster", "base": BASE, **values})


def epoch(number: int = 0, **values: object) -> Epoch:
    """A baseline of eight equal samples of noise."""
    return make(
        Epoch,
        **{
            "number": number,
            "commit": f"{number + 1:x}" * 40,
            "contract_sha256": "c" * 64,
            "values": (10.0, 11.0),
            "restarts_measuring": True,
            **values,
        },
    )


def note(number: int, text: str, kind: NoteKind = NoteKind.IDEA) -> Note:
    """A note."""
    return make(Note, number=number, text=text, kind=kind)


def refusal(reason: Reason = Reason.OUTSIDE) -> Refusal:
    """A refused candidate."""
    return make(Refusal, message="no", reason=reason)


def chain(entries: typing.Iterable[Record]) -> bytes:
    """The log file that holds these records."""
    lines, prev = [], records.FIRST_PREV
    for record in entries:
        line = records.SESSION.to_line(record, prev)
        prev = records.line_hash(line)
        lines.append(line + b"\n")
    return b"".join(lines)


_TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        # What git's odd file names decode to.
        st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]),
    ),
    max_size=30,
)
_FLOAT = st.floats(allow_nan=False, allow_infinity=False)
_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXT,
    bool: st.booleans(),
    int: st.integers(-(2**70), 2**70),
    float: _FLOAT,
    type(None): st.none(),
}


def any_value(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    found = _SCALARS.get(hint)
    if found is None and origin in {typing.Union, types.UnionType}:
        found = st.one_of(*(any_value(argument) for argument in arguments))
    elif found is None and arguments[1:] == (...,):
        found = st.lists(any_value(arguments[0]), max_size=3).map(tuple)
    elif found is None and origin is tuple:
        found = st.tuples(*(any_value(argument) for argument in arguments))
    elif found is None and issubclass(hint, Enum):
        found = st.sampled_from(hint)
    return any_object(hint) if found is None else found


def any_object(kind: type[T]) -> st.SearchStrategy[T]:
    """Objects of a record class."""
    hints = typing.get_type_hints(kind)
    names = inspect.signature(kind).parameters
    return st.builds(kind, **{name: _any_field(name, hints[name]) for name in names})


def _any_field(name: str, hint: Any) -> st.SearchStrategy[Any]:
    if name == "schema":
        return st.just(1)
    if name == "at":
        return st.datetimes().map(lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20))
    return any_value(hint)


any_record: st.SearchStrategy[Any] = st.one_of(
    *(any_object(kind) for kind in records.SESSION.kinds.values())
)
"""Any log line's record."""
