"""`security add`, `prove`, `state`, `recheck`: findings, and what still holds of them."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA
from autoresearch.core.security.catalog import rate
from autoresearch.core.security.forms import MIN_REASON, FindingForm, FormError, read_finding
from autoresearch.core.security.ledger import Decision, Finding, Quote, State
from autoresearch.core.security.quotes import fingerprint, occurrence, redact
from autoresearch.edges.clock import now_utc
from autoresearch.security import proofs
from autoresearch.security.sweeping import checked_cell, sweep_number
from autoresearch.share.proving import Result

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.core.security.ledger import Proof
    from autoresearch.security.books import Books

MAX_DAYS = 366
"""Longest acceptance of a risk: then somebody looks again."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Rechecked(NamedTuple):
    """What changed since the findings were looked at last, each in words.

    Attributes:
        ran: how many proofs were run.
        gone: open findings without a proof whose lines are no longer there.
        news: a line for each finding whose state changed.
    """

    ran: int
    gone: tuple[int, ...]
    news: tuple[str, ...]


def add(books: Books, text: str) -> Finding:
    """Record a finding whose evidence holds.

    Raises:
        FormError, EvidenceError: it cannot be read, or a quote does not hold.
        AutoresearchError: `vector`, `duplicate`; or as `checked_cell`.
    """
    form = read_finding(text)
    evidence = checked_cell(books, form.cell)
    finding = _finding(books, form, evidence, books.tree.verified(form.flow))
    _refuse_duplicate(books, finding)
    books.write(finding)
    return finding


def prove(books: Books, number: int, path: Path, link: tuple[str, ...]) -> Proof:
    """Run a proof of concept and file it, once it succeeds on the commit that is checked out.

    Args:
        books: open for writing.
        number: of the finding.
        path: the script.
        link: ignored folders of the repository that it may read.

    Raises:
        AutoresearchError: `no_finding`; `proof` when it does not show the flaw.
    """
    require_finding(books, number)
    script = proofs.load(path, link)
    ran = proofs.run(books, number, script)
    if ran.proof.result is not Result.EXPLOITED:
        raise AutoresearchError(
            f"the proof says {ran.proof.result.value} (exit {ran.proof.exit_code}) on "
            f"{books.tree.commit[:12]}, so it proves no flaw: {ran.output[-300:]}",
            code="proof",
            hint="It must print `PROOF exploited` and end with status 1 while the flaw stands.",
        )
    proofs.file_away(books, number, script)
    books.write(ran.proof)
    return ran.proof


def _finding(
    books: Books, form: FindingForm, evidence: tuple[Quote, ...], flow: tuple[Quote, ...]
) -> Finding:
    try:
        rated = rate(form.vector)
    except ValueError as error:
        raise AutoresearchError(
            f"the vector is no CVSS 4.0 vector: {error}",
            code="vector",
            hint="Shape: CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N",
        ) from error
    own = evidence[0]
    number = occurrence(books.tree.content(own.path), own.text, own.first)
    return Finding(
        schema=SCHEMA,
        at=now_utc(),
        number=max(books.ledger.findings, default=0) + 1,
        sweep=sweep_number(books),
        commit=books.tree.commit,
        title=redact(form.title),
        element=form.cell.element,
        stride=form.cell.stride,
        persona=form.cell.persona,
        hypothesis=redact(form.cell.hypothesis),
        cwe=form.cwe,
        lists=form.lists,
        vector=rated.vector,
        score=rated.score,
        severity=rated.severity,
        fingerprint=fingerprint(own.path, own.text, form.cwe[0], number),
        evidence=evidence,
        flow=flow,
        scenario=redact(form.scenario),
        reproduction=redact(form.reproduction),
        remedy=redact(form.remedy),
        lead=form.cell.lead,
    )


def _refuse_duplicate(books: Books, finding: Finding) -> None:
    own = finding.evidence[0]
    for standing in books.ledger.standings:
        other = standing.finding
        place = books.tree.place(other.evidence[0])
        overlaps = (
            other.cwe[0] == finding.cwe[0]
            and other.evidence[0].path == own.path
            and place is not None
            and place.first <= own.last
            and own.first <= place.last
        )
        if overlaps or other.fingerprint == finding.fingerprint:
            state = standing.state(books.today)
            raise AutoresearchError(
                f"the same flaw is F{other.number} already ({state.value})",
                code="duplicate",
                hint=f"`autoresearch security show {other.number}` shows it; "
                "`state N open` opens it again.",
            )


def decide(books: Books, number: int, state: State, reason: str, until: str | None) -> Decision:
    """Record what is to be done about a finding.

    Raises:
        AutoresearchError: `no_finding`, `not_fixed`, `until`, `reason`.
    """
    require_finding(books, number)
    if len(reason.strip()) < MIN_REASON:
        raise AutoresearchError("the reason says too little", code="reason", hint="Say why.")
    _check_until(books, state, until)
    checked = _checked_fixed(books, number) if state is State.FIXED else "word"
    return _decide(books, number, state, redact(reason.strip()), checked, until)


def require_finding(books: Books, number: int) -> Finding:
    """A finding; raises AutoresearchError `no_finding`."""
    if number not in books.ledger.findings:
        raise AutoresearchError(
            f"there is no finding F{number}",
            code="no_finding",
            hint="`autoresearch security status` lists them.",
        )
    return books.ledger.findings[number]


def _check_until(books: Books, state: State, until: str | None) -> None:
    if state is not State.ACCEPTED:
        if until is not None:
            raise FormError("only an acceptance has a last day", hint="Leave out --until.")
        return
    problem = "an accepted finding needs its last day"
    if until is not None:
        problem = _problem_of_day(until, books.today)
    if problem:
        raise AutoresearchError(
            problem, code="until", hint=f"`--until YYYY-MM-DD`, at most {MAX_DAYS} days ahead."
        )


def _problem_of_day(until: str, today: str) -> str:
    try:
        days = (date.fromisoformat(until) - date.fromisoformat(today)).days
    except ValueError:
        days = None
    if days is None or not _DAY.fullmatch(until):
        return f"{until[:20]} is no day"
    if not 0 <= days <= MAX_DAYS:
        return f"{until} is not within the next {MAX_DAYS} days"
    return ""


def _checked_fixed(books: Books, number: int) -> str:
    """What the helper saw of a fix; raises AutoresearchError `not_fixed`."""
    if number in books.ledger.proofs:
        ran = proofs.run(books, number, proofs.filed(books, number))
        books.write(ran.proof)
        if ran.proof.result is Result.WITHSTOOD:
            return "proof"
        raise AutoresearchError(
            f"the proof of F{number} says {ran.proof.result.value} on {books.tree.commit[:12]}: "
            f"{ran.output[-300:]}",
            code="not_fixed",
            hint="Mend the flaw and commit; a proof that breaks proves no fix.",
        )
    if books.tree.stands(books.ledger.findings[number].evidence[0]):
        raise AutoresearchError(
            f"the lines of F{number} are still there, and it has no proof that they are harmless",
            code="not_fixed",
            hint="Commit the fix, or have a human decide `false-positive` or `accepted`.",
        )
    return "gone"


def _decide(
    books: Books, number: int, state: State, reason: str, checked: str, until: str | None = None
) -> Decision:
    decision = Decision(
        schema=SCHEMA,
        at=now_utc(),
        finding=number,
        commit=books.tree.commit,
        state=state,
        reason=reason,
        until=until,
        checked=checked,
    )
    books.write(decision)
    return decision


def recheck(books: Books) -> Rechecked:
    """Run every proof on the commit that is checked out, and look for every quoted line.

    An open finding whose proof is withstood becomes fixed; a fixed one whose proof succeeds again,
    or whose lines are back, is open again. An open finding without a proof is never closed by it.
    """
    ran, gone, news = 0, [], []
    for standing in books.ledger.standings:
        finding, state = standing.finding, standing.state(books.today)
        if state not in {State.OPEN, State.FIXED}:
            continue
        if standing.proof is None:
            stands = books.tree.stands(finding.evidence[0])
            if stands and state is State.FIXED:
                _decide(books, finding.number, State.OPEN, "its lines are back", "gone")
                news.append(f"F{finding.number} is open again: its lines are back")
            elif not stands and state is State.OPEN:
                gone.append(finding.number)
            continue
        proof = proofs.run(books, finding.number, proofs.filed(books, finding.number)).proof
        ran += 1
        books.write(proof)
        held = proof.result is Result.WITHSTOOD
        if held and state is State.OPEN:
            _decide(books, finding.number, State.FIXED, "its proof is withstood", "proof")
            news.append(f"F{finding.number} is fixed: its proof is withstood")
        elif not held and state is State.FIXED:
            _decide(books, finding.number, State.OPEN, f"proof {proof.result.value}", "proof")
            news.append(f"F{finding.number} is open again: its proof says {proof.result.value}")
    return Rechecked(ran, tuple(gone), tuple(news))
