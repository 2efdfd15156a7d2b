"""Commands that read a security ledger: status, reports, the gate of CI."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import click

from autoresearch.cli.app import few, picked
from autoresearch.cli.security import FILE, cells, coverage_line, places_line, security
from autoresearch.core import formatting, wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_block, clean_line, fence
from autoresearch.core.security import overview as sums
from autoresearch.core.security import page
from autoresearch.core.security import sarif as form
from autoresearch.core.security.ledger import LETTERS, Severity, Stride
from autoresearch.core.security.overview import Coverage, Row, Shown
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import atomic_write, read_bytes_limited
from autoresearch.security import gating, webreport
from autoresearch.security.books import Books

LEADS_SHOWN = 20
FINDINGS_SHOWN = 20
ROWS_SHOWN = 25
LIMITS = [severity.value for severity in Severity if severity is not Severity.NONE]
EXIT_GATE = 4
EXIT_UNLOOKED = 5
CHANGED_SHOWN = 10
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
    rows = map(partial(_finding_line, found), found.findings)
    counted = sums.by_category(found)
    categories = "; ".join(
        f"{label.partition(':')[0]} {flaws} found, {held} held"
        for label, (flaws, held) in counted.items()
        if flaws or held
    )
    categories = (
        f"{categories or 'nothing recorded'}; {list(counted.values()).count((0, 0))} unseen"
    )
    return Answer(
        lines=(
            f"open findings: {sums.tally(found.open())}",
            coverage_line(found.coverage) + (" of a drafted model" if drafted else ""),
            places_line(found.places),
            *sums.cautions(found),
            f"OWASP 2025: {categories}",
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
            "places": {one.kind.value: [one.touched, one.places] for one in found.places},
            "owasp": {label: list(numbers) for label, numbers in counted.items()},
            "reviews": {one.label: sums.second_mind(found, one) for one in found.findings},
        },
        next_step="`autoresearch security show N`, or `autoresearch security next`",
        max_lines=ROWS_SHOWN + FINDINGS_SHOWN + 18,
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


def _finding_line(overview: sums.Overview, one: Shown) -> str:
    finding, place, proof = one.finding, one.where, one.standing.proof
    proven = "unproven" if proof is None else proof.result.value
    where = f"{clean_line(place.path, 80)}:{place.first}{clean_line(place.fate, 120)}"
    return (
        f"{one.label:>4} {one.state.value:<14} {finding.severity.value:<8} {finding.score:>4.1f} "
        f"{proven:<9} {sums.second_mind(overview, one):<9} {where} "
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


def _reviewed(books: Books, number: int) -> str:
    review = books.ledger.reviews.get(number)
    return "unread" if review is None else f"{review.verdict.value}: {clean_line(review.reason)}"


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
            f"second mind: {_reviewed(books, number)}",
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
@click.option("--html", type=FILE, help="Write it as a page of HTML (needs the extra `report`).")
@click.option("--vex", type=FILE, help="Write OpenVEX: what was decided not to be fixed.")
@click.option("--badge", type=FILE, help="Write a badge's JSON (shields.io endpoint).")
def report_command(
    books: Books,
    sarif: Path | None,
    markdown: Path | None,
    html: Path | None,
    vex: Path | None,
    badge: Path | None,
) -> Answer:
    """Write the findings in other formats.

    Without an option it only says what there is.

    Example: autoresearch security report --sarif security.sarif
    """
    found = books.overview()
    texts: tuple[tuple[Path | None, Callable[[], str]], ...] = (
        (sarif, lambda: json.dumps(form.document(found), indent=1) + "\n"),
        (markdown, lambda: page.markdown(found)),
        (html, lambda: webreport.whole_page(found)),
        (vex, lambda: json.dumps(webreport.vex(found, now_utc()), indent=1) + "\n"),
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
@click.option("--base", metavar="REV", help="The ledger must continue the one of this revision.")
@click.option("--diff", metavar="REV", help="Judge what changed since REV and what it reaches.")
@click.option("--min-coverage", type=click.IntRange(0, 100), help="Percent of cells and places.")
@click.option("--max-age", metavar="AGE", help="Of the last look: 50 (commits) or 30d.")
@click.option("--proven-only", is_flag=True, help="Only findings with a proof count.")
def gate_command(
    books: Books,
    /,
    baseline: Path | None,
    fail_on: str,
    **terms: Any,  # noqa: ANN401 - the other options, which `gating.GateTerms` names
) -> Answer:
    """Exit with 4 if an open finding reaches the limit, or too little was looked at.

    Findings in the baseline do not count. In CI the ledger is read from
    `autoresearch.security.jsonl` if that is committed. A ledger that lost records, and a sweep that
    was never brought to its end, are exit 5. A finding whose lines are gone stays open until
    `recheck` or `state` says that it is fixed.

    Example: autoresearch security gate --fail-on high --base origin/main --max-age 100
    """
    limit = Severity(fail_on)
    said = gating.rule(books, gating.GateTerms(limit=limit, baseline=_baseline(baseline), **terms))
    found, gate = said.overview, said.gate
    message = f"{formatting.count(len(gate.failing), 'open finding')} at or above {fail_on}"
    code, word, hint = _verdict(said)
    facts: dict[str, object] = {
        "fail_on": fail_on,
        "failing": [one.finding.number for one in gate.failing],
        "known": [one.finding.number for one in gate.known],
        **cells(found.coverage),
        "unproven": [one.finding.number for one in gate.unproven],
        **picked(said, "problems changed relevant commits days"),
    }
    if code:
        problem = word if code == EXIT_UNLOOKED else "; ".join([message, *said.problems])
        name = "not_looked" if code == EXIT_UNLOOKED else "gate"
        facts["error"] = {"code": name, "message": problem, "hint": hint}
    listed = (clean_line(path, 120) for path in said.changed)
    changed = ", ".join(few(listed, CHANGED_SHOWN, "and {} more"))
    return Answer(
        lines=(
            f"gate: {word}, {message}, {len(gate.known)} known"
            + (f", {len(gate.unproven)} not proven" if gate.unproven else ""),
            *(
                f"{one.label} {one.finding.severity.value} {one.finding.score:.1f} "
                f"{clean_line(one.where.path, 80)}:{one.where.first} "
                f"{clean_line(one.finding.title, 80)}"
                for one in gate.failing
            ),
            *said.problems,
            coverage_line(found.coverage),
            places_line(found.places),
            *([f"changed since somebody looked: {changed}"] if said.changed else []),
        ),
        data=facts,
        next_step=hint,
        exit_code=code,
        max_bytes=WIDE_BYTES,
    )


def _verdict(said: gating.Ruling) -> tuple[int, str, str]:
    """The exit code, what is said first, and what to do next."""
    if not said.relevant:
        return 0, "passed, no relevant change", "go on"
    if said.gate.failing:
        hint = "mend them and `autoresearch security recheck`, or a human accepts them with `state`"
        return EXIT_GATE, "no", hint
    if said.unlooked:
        hint = "`autoresearch security sweep N`, then `next` until DONE"
        return EXIT_UNLOOKED, "nobody has looked yet: no sweep was brought to its end", hint
    if said.problems:
        return EXIT_GATE, "no", "look again: `autoresearch security sweep N`"
    return 0, "passed", "go on"


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
