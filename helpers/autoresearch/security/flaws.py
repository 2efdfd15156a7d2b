"""`security add`, `prove`, `state`, `recheck`: findings, and what still holds of them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA
from autoresearch.core.security.catalog import rate
from autoresearch.core.security.forms import MIN_REASON, FormError, read_finding
from autoresearch.core.security.ledger import Finding, Proof, Resolution, State
from autoresearch.core.security.quotes import fingerprint, occurrence, redact
from autoresearch.edges.clock import now_utc
from autoresearch.security import proofs
from autoresearch.security.sweeping import checked_cell, sweep_number
from autoresearch.share.proving import ProofResult

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.security.books import Books

MAX_DAYS = 366
"""Longest acceptance of a risk: then somebody looks again."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Rechecked(NamedTuple):
    """How many proofs ran, whose lines are gone without a proof, and what changed, in words."""

    ran: int
    gone: tuple[int, ...]
    news: tuple[str, ...]


def add(books: Books, text: str) -> Finding:
    """Record a finding whose evidence holds; the form or a quote is refused otherwise."""
    form = read_finding(text)
    evidence = checked_cell(books, form)
    own = evidence[0]
    try:
        rated = rate(form.vector)
    except ValueError as error:
        raise AutoresearchError(
            f"the vector is no CVSS 4.0 vector: {error}",
            code="vector",
            hint="Shape: CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N",
        ) from error
    above = occurrence(books.tree.content(own.path), own.text, own.first)
    finding = Finding(
        schema=SCHEMA,
        at=now_utc(),
        number=max(books.ledger.findings, default=0) + 1,
        sweep=sweep_number(books),
        commit=books.tree.commit,
        title=redact(form.title),
        element=form.element,
        stride=form.stride,
        persona=form.persona,
        hypothesis=redact(form.hypothesis),
        cwe=form.cwe,
        lists=form.lists,
        vector=rated.vector,
        score=rated.score,
        severity=rated.severity,
        fingerprint=fingerprint(own.path, own.text, form.cwe[0], above),
        evidence=evidence,
        flow=books.tree.verified(form.flow),
        scenario=redact(form.scenario),
        reproduction=redact(form.reproduction),
        remedy=redact(form.remedy),
        lead=form.lead,
    )
    _refuse_duplicate(books, finding)
    books.write(finding)
    return finding


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


def prove(books: Books, number: int, path: Path, link: tuple[str, ...]) -> Proof:
    """Run a proof of concept and file it, once it succeeds on the commit that is checked out."""
    books.finding(number)
    script = proofs.load(path, link)
    ran = proofs.run(books, number, script)
    if ran.proof.result is not ProofResult.EXPLOITED:
        raise AutoresearchError(
            f"the proof says {ran.proof.result.value} (exit {ran.proof.exit_code}) on "
            f"{books.tree.commit[:12]}, so it proves no flaw: {ran.output[-300:]}",
            code="proof",
            hint="It must print `PROOF exploited` and end with status 1 while the flaw stands.",
        )
    proofs.file_away(books, ran.proof, script)
    books.write(ran.proof)
    return ran.proof


def decide(books: Books, number: int, state: State, reason: str, until: str | None) -> Resolution:
    """Record what is to be done about a finding; `fixed` has to be seen."""
    books.finding(number)
    if len(reason.strip()) < MIN_REASON:
        raise AutoresearchError("the reason says too little", code="reason", hint="Say why.")
    if state is State.ACCEPTED:
        _require_day(until, books.today)
    elif until is not None:
        raise FormError("only an acceptance has a last day", hint="Leave out --until.")
    checked = _checked_fixed(books, number) if state is State.FIXED else "word"
    return _decide(books, number, state, redact(reason.strip()), checked, until)


def _require_day(until: str | None, today: str) -> None:
    """Refuse an acceptance without a last day, or with one that is none or too far away."""
    ahead = None
    with suppress(ValueError):
        if until is not None and _DAY.fullmatch(until):
            ahead = (date.fromisoformat(until) - date.fromisoformat(today)).days
    if until is None:
        problem = "an accepted finding needs its last day"
    elif ahead is None:
        problem = f"{until[:20]} is no day"
    elif not 0 <= ahead <= MAX_DAYS:
        problem = f"{until} is not within the next {MAX_DAYS} days"
    else:
        return
    raise AutoresearchError(
        problem, code="until", hint=f"`--until YYYY-MM-DD`, at most {MAX_DAYS} days ahead."
    )


def _checked_fixed(books: Books, number: int) -> str:
    """What the helper saw of a fix; raises AutoresearchError `not_fixed`."""
    if number in books.ledger.proofs:
        ran = proofs.run_filed(books, number)
        if ran.proof.result is ProofResult.WITHSTOOD:
            return "proof"
        raise AutoresearchError(
            f"the proof of F{number} says {ran.proof.result.value} on {books.tree.commit[:12]}: "
            f"{ran.output[-300:]}",
            code="not_fixed",
            hint="Mend the flaw and commit; a proof that breaks proves no fix.",
        )
    if _stands(books, number):
        raise AutoresearchError(
            f"the lines of F{number} are still there, and it has no proof that they are harmless",
            code="not_fixed",
            hint="Commit the fix, or have a human decide `false-positive` or `accepted`.",
        )
    return "gone"


def _decide(
    books: Books, number: int, state: State, reason: str, checked: str, until: str | None = None
) -> Resolution:
    decision = Resolution(
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
        number, state = standing.finding.number, standing.state(books.today)
        if state not in {State.OPEN, State.FIXED}:
            continue
        if standing.proof is None:
            held, checked, reason = not _stands(books, number), "gone", "its lines are back"
            if held and state is State.OPEN:
                gone.append(number)
                continue
        else:
            result = proofs.run_filed(books, number).proof.result
            ran += 1
            held, checked = result is ProofResult.WITHSTOOD, "proof"
            reason = "its proof is withstood" if held else f"its proof says {result.value}"
        if held is not (state is State.FIXED):
            _decide(books, number, State.FIXED if held else State.OPEN, reason, checked)
            news.append(f"F{number} is {'fixed' if held else 'open again'}: {reason}")
    return Rechecked(ran, tuple(gone), tuple(news))


def _stands(books: Books, number: int) -> bool:
    """Whether the flaw's own lines are still there."""
    return books.tree.stands(books.ledger.findings[number].evidence[0])
