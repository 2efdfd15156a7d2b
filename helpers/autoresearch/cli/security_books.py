"""Commands that look into a security ledger and decide about what is in it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli.app import answers
from autoresearch.cli.security import FILE, coverage_line, environment
from autoresearch.core import formatting, jsonform
from autoresearch.core.answer import WIDE_BYTES, Answer
from autoresearch.core.formatting import clean_block, clean_line, fence
from autoresearch.core.security.ledger import State
from autoresearch.core.security.stride import LETTERS, Stride

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoresearch.core.security.overview import Coverage, Place, Shown

LEADS_SHOWN = 20
FINDINGS_SHOWN = 20
ROWS_SHOWN = 25


@click.command("import")
@click.argument("file", type=FILE)
@answers
def import_command(file: Path) -> Answer:
    """Import a scanner's report as leads.

    Reads SARIF, or JSON of bandit, semgrep, pip-audit and npm. A lead is only the scanner's claim:
    confirm it with `add` or dismiss it with `examined`, with `lead: N` and evidence of your own.

    Example: autoresearch security import bandit.json
    """
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.scanners import take_in  # noqa: PLC0415 - start fast

    with writing(Path.cwd(), environment(), "security import") as books:
        found = take_in(books, file)
        open_leads = len(books.ledger.open_leads)
    return Answer(
        lines=(
            f"{formatting.count(len(found.fresh), 'lead')} taken in, {found.known} known before, "
            f"{open_leads} not answered",
        ),
        data={
            "leads": [lead.number for lead in found.fresh],
            "known": found.known,
            "open": open_leads,
        },
        next_step="`autoresearch security leads`",
    )


@click.command("leads")
@answers
def leads_command() -> Answer:
    """List leads that nobody has confirmed or dismissed.

    Example: autoresearch security leads
    """
    from autoresearch.security.books import reading  # noqa: PLC0415 - start fast

    with reading(Path.cwd(), environment()) as books:
        leads = books.ledger.open_leads
    return Answer(
        lines=(
            f"{formatting.count(len(leads), 'lead')} not answered",
            *(
                f"L{lead.number} {lead.tool} {clean_line(lead.rule, 60)} "
                f"{clean_line(lead.path, 100)}:{lead.line} {clean_line(lead.message, 100)}"
                for lead in leads[:LEADS_SHOWN]
            ),
        ),
        data={"leads": [jsonform.to_object(lead) for lead in leads[:LEADS_SHOWN]]},
        next_step="read the place, then `add` or `examined` with `lead: N`",
        max_bytes=WIDE_BYTES,
    )


@click.command("status")
@answers
def status_command() -> Answer:
    """Show coverage, findings and what is open.

    Example: autoresearch security status
    """
    from autoresearch.core.security.overview import tally  # noqa: PLC0415 - start fast
    from autoresearch.security.books import reading  # noqa: PLC0415 - start fast
    from autoresearch.security.look import overview  # noqa: PLC0415 - start fast

    with reading(Path.cwd(), environment()) as books:
        found = overview(books)
    drafted = found.model is not None and found.model.drafted
    return Answer(
        lines=(
            f"open findings: {tally(found.open())}",
            coverage_line(found.coverage) + (" of a drafted model" if drafted else ""),
            f"leads not answered: {len(found.leads)}",
            *_matrix(found.coverage),
            *(_finding_line(one) for one in found.findings[:FINDINGS_SHOWN]),
            *_more(len(found.findings) - FINDINGS_SHOWN, "findings: --json lists all"),
        ),
        data={
            "commit": found.commit,
            "covered": found.coverage.covered,
            "cells": found.coverage.cells,
            "open": len(found.open()),
            "leads": len(found.leads),
            "matrix": _cells(found.coverage),
            "findings": [_facts(one) for one in found.findings],
        },
        next_step="`autoresearch security show N`, or `autoresearch security next`",
        max_lines=ROWS_SHOWN + FINDINGS_SHOWN + 13,
        max_bytes=WIDE_BYTES,
    )


def _matrix(found: Coverage) -> Iterable[str]:
    if not found.rows:
        return
    width = max(len(clean_line(row.element.name, 40)) for row in found.rows)
    yield f"{'':<{width}}  {'  '.join(LETTERS[threat] for threat in Stride)}"
    for row in found.rows[:ROWS_SHOWN]:
        marks = (
            " " if threat not in row.looks else str(min(len(row.looks[threat]), 9) or ".")
            for threat in Stride
        )
        yield f"{clean_line(row.element.name, 40):<{width}}  {'  '.join(marks)}".rstrip()
    if len(found.rows) > ROWS_SHOWN:
        yield f"… {len(found.rows) - ROWS_SHOWN} more elements"


def _cells(found: Coverage) -> dict[str, dict[str, list[str]]]:
    return {
        row.element.name: {
            threat.value: [look.label for look in looks] for threat, looks in row.looks.items()
        }
        for row in found.rows
    }


def _finding_line(one: Shown) -> str:
    finding, place, proof = one.finding, one.where, one.standing.proof
    gone = "" if place.stands else " (lines gone)"
    proven = "unproven" if proof is None else proof.result.value
    return (
        f"{one.label:>4} {one.state.value:<14} {finding.severity.value:<8} {finding.score:>4.1f} "
        f"{proven:<9} {clean_line(place.path, 80)}:{place.first}{gone} "
        f"{clean_line(finding.title, 80)}"
    )


def _more(left_out: int, what: str) -> Iterable[str]:
    if left_out > 0:
        yield f"… {left_out} more {what}"


def _facts(one: Shown) -> dict[str, object]:
    finding, proof = one.finding, one.standing.proof
    return {
        "finding": finding.number,
        "title": finding.title,
        "state": one.state.value,
        "severity": finding.severity.value,
        "score": finding.score,
        "cwe": list(finding.cwe),
        "element": finding.element,
        "stride": finding.stride.value,
        "path": one.where.path,
        "first": one.where.first,
        "last": one.where.last,
        "evidence_stands": all(place.stands for place in one.evidence),
        "proof": None if proof is None else proof.result.value,
        "fingerprint": finding.fingerprint,
    }


@click.command("show")
@click.argument("number", type=click.IntRange(min=1))
@answers
def show_command(number: int) -> Answer:
    """Show one finding: evidence, attack, remedy, proof, decisions.

    Example: autoresearch security show 3
    """
    from autoresearch.security.books import reading  # noqa: PLC0415 - start fast
    from autoresearch.security.findings import require_finding  # noqa: PLC0415 - start fast
    from autoresearch.security.look import shown  # noqa: PLC0415 - start fast

    with reading(Path.cwd(), environment()) as books:
        finding = require_finding(books, number)
        one = shown(books, books.ledger.standing(number))
    proof, decision = one.standing.proof, one.standing.decision
    said = "none" if proof is None else f"{proof.result.value} at {proof.commit[:12]}"
    return Answer(
        lines=(
            f"F{number} {clean_line(finding.title, 120)}",
            f"{one.state.value}; {finding.severity.value} {finding.score:.1f} {finding.vector}",
            f"{clean_line(finding.element, 60)}, {finding.stride.value}; "
            + ", ".join(f"CWE-{cwe}" for cwe in finding.cwe),
            *([] if decision is None else [f"decided: {clean_line(decision.reason)}"]),
            f"proof: {said}",
            *(line for place in one.evidence for line in _quoted(place)),
            f"attack: {clean_line(finding.scenario)}",
            f"reproduction: {clean_line(finding.reproduction)}",
            f"remedy: {clean_line(finding.remedy)}",
        ),
        data={**_facts(one), "record": jsonform.to_object(finding)},
        next_step="mend it, commit, `autoresearch security recheck`",
        max_lines=120,
        max_bytes=WIDE_BYTES,
    )


def _quoted(place: Place) -> Iterable[str]:
    gone = "" if place.stands else " (no longer there)"
    yield f"{clean_line(place.path, 200)}:{place.first}-{place.last}{gone}"
    yield from fence(clean_block(place.text, 40), secrets.token_hex(4)).splitlines()


@click.command("prove")
@click.argument("number", type=click.IntRange(min=1))
@click.argument("file", type=FILE)
@click.option("--link", multiple=True, help="Ignored folder that it may read, such as .venv.")
@answers
def prove_command(number: int, file: Path, link: tuple[str, ...]) -> Answer:
    r"""Run and keep a proof of concept for finding NUMBER.

    It runs on HEAD in a clean checkout. FILE is .py, .js or .sh, runs at the root of the checkout,
    and ends with one line on stdout:

    \b
    PROOF exploited   and exit status 1, while the flaw stands (as it must now)
    PROOF withstood   and exit status 0, once the attack no longer works
    Anything else is broken and does not prove a fix. It can reach only loopback.

    Example: autoresearch security prove 3 /tmp/proof.py --link .venv
    """
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.findings import prove  # noqa: PLC0415 - start fast

    with writing(Path.cwd(), environment(), "security prove") as books:
        proof = prove(books, number, file, link)
    return Answer(
        lines=(
            f"F{number}: {proof.result.value} at {proof.commit[:12]} in "
            f"{formatting.duration(proof.duration_s)}, sandbox {proof.sandbox}",
        ),
        data={"finding": number, "proof": proof.result.value, "sandbox": proof.sandbox},
        next_step="`autoresearch security next`",
    )


@click.command("recheck")
@answers
def recheck_command() -> Answer:
    """Run all proofs on HEAD and look for all quoted lines.

    The states of the findings follow the results.

    Example: autoresearch security recheck
    """
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.findings import recheck  # noqa: PLC0415 - start fast

    with writing(Path.cwd(), environment(), "security recheck") as books:
        found = recheck(books)
    gone = [
        f"F{number}: its lines are gone; `state {number} fixed` records the fix"
        for number in found.gone
    ]
    return Answer(
        lines=(
            f"{formatting.count(found.ran, 'proof')} run at {books.tree.commit[:12]}",
            *found.news,
            *gone,
        ),
        data={"ran": found.ran, "gone": list(found.gone), "news": list(found.news)},
        next_step="`autoresearch security status`",
        max_bytes=WIDE_BYTES,
    )


@click.command("state")
@click.argument("number", type=click.IntRange(min=1))
@click.argument("state", type=click.Choice([state.value for state in State]))
@click.option("--reason", required=True, help="Why, in a sentence.")
@click.option("--until", metavar="YYYY-MM-DD", help="Last day on which an acceptance holds.")
@answers
def state_command(number: int, state: str, reason: str, until: str | None) -> Answer:
    """Decide what becomes of a finding (for humans).

    It becomes open, fixed, accepted or false-positive. `fixed` is accepted only if HEAD withstands
    the proof or, without a proof, if the quoted lines are gone. `accepted` needs a last day;
    afterwards the finding is open again.

    Example: autoresearch security state 3 accepted --until 2027-03-31 --reason "behind the VPN"
    """
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.findings import decide  # noqa: PLC0415 - start fast

    with writing(Path.cwd(), environment(), "security state") as books:
        decision = decide(books, number, State(state), reason, until)
    last = f" until {decision.until}" if decision.until else ""
    return Answer(
        lines=(f"F{number} is {decision.state.value}{last} (seen: {decision.checked})",),
        data={"finding": number, "state": decision.state.value, "checked": decision.checked},
        next_step="`autoresearch security status`",
    )
