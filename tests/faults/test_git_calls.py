"""A killed git, and a disk that fails git, at every call of git's that changes something."""

from __future__ import annotations

import os

import pytest
from faults.every import EVERY, chosen, drawn, kind_of, note
from faults.gitfaults import Wrapped, works
from faults.theatre import CASES, goes_on, lines_of

pytestmark = pytest.mark.skipif(
    not works() and os.environ.get("AUTORESEARCH_REQUIRE_STRACE") != "1",
    reason="no strace that may inject",
)
KINDS = {"kill": 0, "ENOSPC": "ENOSPC", "EIO": "EIO"}
NAMES = ("init", "keep", "undo", "drop", "discard", "amend", "note")
TAKEN = NAMES if EVERY else NAMES[:4]


@pytest.fixture(scope="module")
def wrapped(theatre):
    """The git that fails as planned."""
    return Wrapped(theatre.exact.folder)


@pytest.fixture(scope="module")
def counted():
    """Case -> git's calls, listed once."""
    return {}


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("asked", drawn(KINDS))
def test_fault_in_a_call_of_gits(theatre, wrapped, counted, name, asked, monkeypatch):
    """A ref, an index or an object half written, or a lock left, that stops what comes next."""
    kind = kind_of(asked, KINDS)
    case, error = CASES[name], KINDS[kind]
    rig = theatre.rig(case, monkeypatch)
    if name not in counted:
        _, deed = theatre.ready(case)
        whole = rig.run(*deed.command, environ=wrapped.environ())
        assert whole.code == 0, whole
        counted[name] = wrapped.calls(tuple(map(str, rig.places)))
    calls = counted[name]
    sites = [call.site for call in calls]
    taken = chosen(name, f"git, {kind}", sites)
    violations = []
    for fault in taken:
        stage, deed = theatre.ready(case)
        before = len(lines_of(rig))
        call = calls[fault - 1]
        ended = rig.run(*deed.command, environ=wrapped.environ(call, error))
        wrong = ended.wrong({0, 1, 5}) + goes_on(stage.rig, case, deed, before, fault)
        violations += [(call, wrong)] * bool(wrong)
    note(f"{name}, git", kind, sites, len(taken), len(violations))
    assert not violations, "\n".join(map(str, violations))
