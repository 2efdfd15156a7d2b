"""A crash, and a failing disk, at every call of a command that touches anything."""

from __future__ import annotations

import signal

import pytest
from faults.every import EVERY, chosen, drawn, kind_of, note
from faults.rig import ERRORS, Plan
from faults.theatre import CASES, goes_on, lines_of

KINDS = {"kill": 0, "ENOSPC": ERRORS[0], "EIO": ERRORS[1]}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("asked", drawn(KINDS))
def test_fault_at_a_call(theatre, name, asked, monkeypatch):
    """A step that is left half done for good, done twice, or forgotten; a disk called a bug."""
    kind = kind_of(asked, KINDS)
    case, error = CASES[name], KINDS[kind]
    rig = theatre.rig(case, monkeypatch)
    sites = theatre.sites(name, error)
    taken = chosen(name, kind, sites, theatre.known(name, error) if EVERY else frozenset())
    violations = []
    for fault in taken:
        stage, deed = theatre.ready(case)
        before = len(lines_of(rig))
        ended = rig.run(*deed.command, plan=Plan(at=fault, error=error))
        fine = {0, 1, 5} if error else {0, -signal.SIGKILL}
        wrong = ended.wrong(fine) + goes_on(stage.rig, case, deed, before, fault)
        violations += [(fault, sites[fault - 1], wrong)] * bool(wrong)
    note(name, kind, sites, len(taken), len(violations))
    assert not violations, "\n".join(map(str, violations))
