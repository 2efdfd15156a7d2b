"""The ledger's lines, and what they add up to."""

from __future__ import annotations

import pytest
from autoresearch.core import records
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.security.ledger import (
    LEDGER,
    ElementKind,
    Lead,
    Persona,
    Proof,
    Resolution,
    Runs,
    Severity,
    State,
    Stride,
    Sweep,
)
from autoresearch.core.security.overview import (
    Cell,
    Located,
    Standing,
    coverage,
    files_of,
    next_cell,
)
from autoresearch.share.proving import ProofResult
from hypothesis import given
from hypothesis import strategies as st
from support.ledgers import element, examined, finding, matrix, model, quote, read
from support.records import any_object, make

ANY = st.one_of(*(any_object(kind) for kind in LEDGER.kinds.values()))


@given(ANY)
def test_line_is_read_as_it_was_written(record):
    """A ledger that says something else after a restart."""
    line = LEDGER.to_line(record, records.FIRST_PREV)
    assert LEDGER.from_line(line) == (record, records.FIRST_PREV)


def test_line_of_a_session_is_no_line_of_the_ledger():
    """A session's log taken for the ledger."""
    line = records.SESSION.to_line(make(records.SESSION.kinds["stop"]), records.FIRST_PREV)
    with pytest.raises(CorruptLogError, match="not a kind of record"):
        LEDGER.from_line(line)


def decided(number, state, until=None):
    return make(Resolution, finding=number, state=state, until=until, reason="so it is")


def test_finding_is_open_until_somebody_decides():
    """A finding that closes itself, or an older decision that outlives a newer one."""
    ledger = read([finding(1), finding(2), decided(1, State.FIXED), decided(1, State.OPEN)])
    assert [one.state("2026-01-01") for one in ledger.standings] == [State.OPEN, State.OPEN]
    ledger.take(decided(2, State.FALSE_POSITIVE))
    assert ledger.standing(2).state("2026-01-01") is State.FALSE_POSITIVE


def test_acceptance_runs_out():
    """A risk that was accepted for a month and is forgotten for ever."""
    ledger = read([finding(1), decided(1, State.ACCEPTED, "2026-06-30")])
    one = ledger.standing(1)
    assert one.state("2026-06-30") is State.ACCEPTED
    assert one.state("2026-07-01") is State.OPEN


def test_latest_run_of_a_proof_counts():
    """A proof that was withstood once and exploits again."""
    ledger = read([finding(1), finding(2)])
    assert ledger.standing(1).proof is None
    for result in (ProofResult.WITHSTOOD, ProofResult.EXPLOITED):
        ledger.take(make(Proof, finding=1, result=result))
    proof = ledger.standing(1).proof
    assert proof is not None
    assert proof.result is ProofResult.EXPLOITED


def test_lead_is_answered_by_evidence_only():
    """A scanner's lead that disappears without anybody having looked."""
    leads = [make(Lead, number=number) for number in (1, 2, 3)]
    ledger = read([*leads, finding(1, lead=2), examined(1, lead=3), examined(2)])
    assert [lead.number for lead in ledger.open_leads] == [1]
    assert ledger.answered == {2: True, 3: False}


def test_sweep_counts_its_own_records():
    """A sweep that ends early, or never, because another's records are counted."""
    ledger = read(
        [make(Sweep, number=1), finding(1, sweep=1), examined(1, sweep=1), examined(2, sweep=None)]
    )
    ledger.take(make(Sweep, number=2))
    assert (ledger.used(1), ledger.used(2)) == (2, 0)
    assert ledger.sweep is not None
    assert ledger.sweep.number == 2


def test_severities_are_in_order():
    """A gate that lets critical pass because it is spelled before high."""
    assert [s.rank for s in Severity] == [0, 1, 2, 3, 4]
    assert Severity.CRITICAL.rank > Severity.HIGH.rank


MODEL = model(
    element("db", ElementKind.STORE, "app/db.py"), element("web", ElementKind.PROCESS, "app/**")
)


def test_cell_is_covered_by_verified_evidence_of_its_own_files_only():
    """Coverage that is claimed: by another cell's record, other files, or lines that are gone."""
    ledger = read(
        [
            MODEL,
            examined(1, stride=Stride.TAMPERING),
            examined(2, stride=Stride.DENIAL, evidence=(quote("app/web.py"),)),
            examined(3, stride=Stride.DISCLOSURE, evidence=(quote(text="gone"),)),
            examined(4, stride=Stride.SPOOFING),
            examined(5, element="cache"),
            finding(1, element="web", stride=Stride.ELEVATION),
        ]
    )
    found = coverage(
        ledger,
        lambda q, _: Standing(q.path, q.first, q.last) if q.text != "gone" else None,
        lambda _: True,
    )
    labels = {
        (row.element.name, threat.value): [look.label for look in looks]
        for row in found.rows
        for threat, looks in row.looks.items()
        if looks
    }
    assert labels == {
        ("db", "tampering"): ["E1"],
        ("web", "elevation-of-privilege"): ["F1"],
    }
    assert (found.cells, found.covered, found.share) == (9, 2, 2 / 9)


def test_element_outside_the_sweep_has_no_cells():
    """A sweep of a change that counts, or asks for, the rest of the code."""
    found = coverage(read([MODEL]), lambda _: True, lambda one: one.name == "db")
    assert [row.element.name for row in found.rows] == ["db"]
    empty = coverage(read([MODEL]), lambda _: True, lambda _: False)
    assert (empty.cells, empty.share, next_cell(empty, {})) == (0, 0.0, None)


def test_least_looked_at_cell_comes_first_then_the_heaviest():
    """A sweep that goes round in one corner."""
    lines = [MODEL]
    assert next_cell(matrix(read(lines)), {}) == (
        Cell("db", Stride.TAMPERING),
        Persona.CUSTOMER,
    )
    weight = {Cell("web", Stride.DENIAL): 3.0, Cell("web", Stride.ELEVATION): 2.0}
    cell = next_cell(matrix(read(lines)), weight)
    assert cell == (Cell("web", Stride.DENIAL), Persona.ANONYMOUS)
    lines.append(examined(1, element="web", stride=Stride.DENIAL))
    cell = next_cell(matrix(read(lines)), weight)
    assert cell == (Cell("web", Stride.ELEVATION), Persona.CUSTOMER)


def test_second_look_takes_other_eyes():
    """A cell that is looked at twice by the same attacker."""
    one = model(element("log", ElementKind.EXTERNAL))
    seen = [
        examined(n, element="log", stride=threat, persona=persona)
        for n, (threat, persona) in enumerate(
            [
                (Stride.SPOOFING, Persona.ANONYMOUS),
                (Stride.REPUDIATION, Persona.INSIDER),
                (Stride.REPUDIATION, Persona.CUSTOMER),
            ],
            1,
        )
    ]
    found = next_cell(matrix(read([one, *seen])), {})
    assert found == (Cell("log", Stride.SPOOFING), Persona.CUSTOMER)


def test_files_of_an_element():
    """A pattern that covers too much."""
    paths = ("app/db.py", "app/web/x.py", "tests/db.py")
    assert files_of(element("x", ElementKind.STORE, "app/*"), paths) == ("app/db.py",)


def test_proof_counts_when_it_ran_the_quoted_lines():
    """A script that prints the word and touches nothing, counted as proven."""
    for result, runs, proven in (
        (ProofResult.EXPLOITED, Runs.YES, True),
        (ProofResult.EXPLOITED, Runs.UNKNOWN, False),
        (ProofResult.EXPLOITED, Runs.NO, False),
        (ProofResult.WITHSTOOD, Runs.YES, False),
    ):
        ledger = read([finding(1), make(Proof, finding=1, result=result, runs=runs)])
        assert ledger.standing(1).is_proven is proven
    assert not read([finding(1)]).standing(1).is_proven


def test_place_says_what_became_of_its_lines():
    """A moved line that is shown as if it had always stood there."""
    place = Located("b.py", 1, 1, "x", "", stands=True)
    assert place.fate == ""
    assert place._replace(changed=True).fate == " (the file changed since)"
    assert place._replace(was="a.py", changed=True).fate == " (moved from a.py)"
    assert place._replace(stands=False).fate == " (no longer there)"
