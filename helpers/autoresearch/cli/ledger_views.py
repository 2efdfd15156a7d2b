"""Commands that read a security ledger: status, reports, the gate of CI."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from autoresearch.cli.app import few, picked
from autoresearch.cli.security import FILE, cells, coverage_line, security
from autoresearch.core import formatting, wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_block, clean_line, fence
from autoresearch.core.security import overview as sums
from autoresearch.core.security import page
from autoresearch.core.security import sarif as form
from autoresearch.core.security.ledger import LETTERS, Severity, Stride
from autoresearch.core.security.overview import Coverage, Row, Shown
from autoresearch.edges.files import atomic_write, read_bytes_limited
from autoresearch.security.books import Books

LEADS_SHOWN = 20
FINDINGS_SHOWN = 20
ROWS_SHOWN = 25
LIMITS = [severity.value for severity in Severity if severity is not Severity.NONE]
EXIT_GATE = 4
MAX_BASELINE_BYTES = 64 << 20


@security(write=False)
def leads_command(books: Books) -> Answer:
    """List leads that nobody has confirmed or dismissed.

    Example: autoresearch security leads
    """
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
        data={"leads": [wire.to_object(lead) for lead in leads[:LEADS_SHOWN]]},
        next_step="read the place, then `add` or `examined` with `lead: N`",
        max_bytes=WIDE_BYTES,
    )


@security(write=False)
def status_command(books: Books) -> Answer:
    """Show coverage, findings and what is open.

    Example: autoresearch security status
    """
    found = books.overview()
    drafted = found.model is not None and found.model.drafted
    rows = map(_finding_line, found.findings)
    return Answer(
        lines=(
            f"open findings: {sums.tally(found.open())}",
            coverage_line(found.coverage) + (" of a drafted model" if drafted else ""),
            f"leads not answered: {len(found.leads)}",
            *_matrix(found.coverage),
            *few(rows, FINDINGS_SHOWN, "… {} more findings: --json lists all"),
        ),
        data={
            "commit": found.commit,
            **cells(found.coverage),
            "open": len(found.open()),
            "leads": len(found.leads),
            "matrix": {
                row.element.name: {
                    threat.value: [look.label for look in looks]
                    for threat, looks in row.looks.items()
                }
                for row in found.coverage.rows
            },
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
    yield from few((_row(row, width) for row in found.rows), ROWS_SHOWN, "… {} more elements")


def _row(row: Row, width: int) -> str:
    marks = (
        " " if threat not in row.looks else str(min(len(row.looks[threat]), 9) or ".")
        for threat in Stride
    )
    return f"{clean_line(row.element.name, 40):<{width}}  {'  '.join(marks)}".rstrip()


def _finding_line(one: Shown) -> str:
    finding, place, proof = one.finding, one.where, one.standing.proof
    proven = "unproven" if proof is None else proof.result.value
    return (
        f"{one.label:>4} {one.state.value:<14} {finding.severity.value:<8} {finding.score:>4.1f} "
        f"{proven:<9} {clean_line(place.path, 80)}:{place.first}{clean_line(place.fate, 120)} "
        f"{clean_line(finding.title, 80)}"
    )


def _facts(one: Shown) -> dict[str, object]:
    finding, proof = one.finding, one.standing.proof
    return {
        "finding": finding.number,
        "title": finding.title,
        "state": one.state.value,
        **picked(finding, "severity score cwe element stride"),
        **picked(one.where, "path first last"),
        "evidence_stands": all(place.stands for place in one.evidence),
        "proof": None if proof is None else proof.result.value,
        "fingerprint": finding.fingerprint,
        **picked(one.where, "changed was"),
        "runs": None if proof is None else proof.runs.value,
    }


@security(write=False)
@click.argument("number", type=click.IntRange(min=1))
def show_command(books: Books, number: int) -> Answer:
    """Show one finding: evidence, attack, remedy, proof, decisions.

    Example: autoresearch security show 3
    """
    finding = books.finding(number)
    one = books.shown(books.ledger.standing(number))
    proof, decision = one.standing.proof, one.standing.decision
    said = "none"
    if proof is not None:
        said = f"{proof.result.value} at {proof.commit[:12]}, {sums.isolation(proof.sandbox)}"
        said += f"; runs the quoted lines: {proof.runs.value}"
    quoted: list[str] = []
    for place in one.evidence:
        where = f"{clean_line(place.path, 200)}:{place.first}-{place.last}"
        quoted.append(where + clean_line(place.fate, 300))
        quoted += fence(clean_block(place.text, 40), secrets.token_hex(4)).splitlines()
    return Answer(
        lines=(
            f"F{number} {clean_line(finding.title, 120)}",
            f"{one.state.value}; {finding.severity.value} {finding.score:.1f} {finding.vector}",
            f"{clean_line(finding.element, 60)}, {finding.stride.value}; "
            + ", ".join(f"CWE-{cwe}" for cwe in finding.cwe),
            *([] if decision is None else [f"decided: {clean_line(decision.reason)}"]),
            f"proof: {said}",
            *quoted,
            f"attack: {clean_line(finding.scenario)}",
            f"reproduction: {clean_line(finding.reproduction)}",
            f"remedy: {clean_line(finding.remedy)}",
        ),
        data={**_facts(one), "record": wire.to_object(finding)},
        next_step="mend it, commit, `autoresearch security recheck`",
        max_lines=120,
        max_bytes=WIDE_BYTES,
    )


@security(write=False)
@click.option("--sarif", type=FILE, help="Write SARIF 2.1.0 to this file.")
@click.option("--markdown", type=FILE, help="Write the report in Markdown.")
@click.option("--html", type=FILE, help="Write it as a section of HTML.")
@click.option("--badge", type=FILE, help="Write a badge's JSON (shields.io endpoint).")
def report_command(
    books: Books, sarif: Path | None, markdown: Path | None, html: Path | None, badge: Path | None
) -> Answer:
    """Write the findings in other formats.

    Without an option it only says what there is.

    Example: autoresearch security report --sarif security.sarif
    """
    found = books.overview()
    texts: tuple[tuple[Path | None, Callable[[], str]], ...] = (
        (sarif, lambda: json.dumps(form.document(found), indent=1) + "\n"),
        (markdown, lambda: page.markdown(found)),
        (html, lambda: page.section(found)),
        (badge, lambda: json.dumps(sums.badge(found)) + "\n"),
    )
    written = []
    for path, render in texts:
        if path is not None:
            atomic_write(path, render().encode("utf-8", "replace"))
            written.append(str(path))
    return Answer(
        lines=(
            f"open findings: {sums.tally(found.open())}",
            coverage_line(found.coverage),
            *(f"written: {clean_line(path)}" for path in written),
        ),
        data={"written": written, "open": len(found.open()), **cells(found.coverage)},
        next_step="`autoresearch security gate --fail-on high` judges them",
    )


@security(write=False)
@click.option("--fail-on", type=click.Choice(LIMITS), default="high", show_default=True)
@click.option("--baseline", type=FILE, help="SARIF report of findings that are already known.")
def gate_command(books: Books, fail_on: str, baseline: Path | None) -> Answer:
    """Exit with 4 if an open finding reaches the limit.

    Findings in the baseline do not count. In CI the ledger is read from
    `autoresearch.security.jsonl` if that is committed. A finding whose lines are gone stays open
    until `recheck` or `state` says that it is fixed.

    Example: autoresearch security gate --fail-on high --baseline known.sarif
    """
    found = books.overview()
    said = sums.judge(found, Severity(fail_on), _baseline(baseline))
    failing = [
        f"{one.label} {one.finding.severity.value} {one.finding.score:.1f} "
        f"{clean_line(one.where.path, 80)}:{one.where.first} {clean_line(one.finding.title, 80)}"
        for one in said.failing
    ]
    message = f"{formatting.count(len(failing), 'open finding')} at or above {fail_on}"
    facts: dict[str, object] = {
        "fail_on": fail_on,
        "failing": [one.finding.number for one in said.failing],
        "known": [one.finding.number for one in said.known],
        **cells(found.coverage),
    }
    if failing:
        hint = "mend them and `recheck`, or a human accepts them with `state`"
        facts["error"] = {"code": "gate", "message": message, "hint": hint}
    return Answer(
        lines=(
            f"gate: {'no' if failing else 'passed'}, {message}, {len(said.known)} known",
            *failing,
            coverage_line(found.coverage),
        ),
        data=facts,
        next_step="mend them and `autoresearch security recheck`" if failing else "go on",
        exit_code=EXIT_GATE if failing else 0,
        max_bytes=WIDE_BYTES,
    )


def _baseline(path: Path | None) -> frozenset[str]:
    """The fingerprints of an earlier SARIF report; none without one."""
    if path is None:
        return frozenset()
    try:
        return form.fingerprints(json.loads(read_bytes_limited(path, MAX_BASELINE_BYTES)))
    except ValueError as error:
        raise AutoresearchError(
            f"{path} is no baseline: {error}",
            code="baseline",
            hint="`autoresearch security report --sarif FILE` writes one.",
        ) from error
