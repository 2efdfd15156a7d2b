"""The report as Markdown and as one section of HTML; nothing in it can leave its place."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from autoresearch.core.formatting import clean_line, markdown_line
from autoresearch.core.security.catalog import categories
from autoresearch.core.security.ledger import LETTERS, Finding, State, Stride
from autoresearch.core.security.overview import (
    Coverage,
    Located,
    Overview,
    Row,
    Shown,
    isolation,
    tally,
)

LONG = 1_000


def markdown(overview: Overview) -> str:
    """The whole report."""
    return "\n".join(
        [
            f"# Security of {markdown_line(overview.name)}",
            "",
            f"Checked against commit {overview.commit[:12]} on {overview.today} by autoresearch "
            f"{overview.version}.",
            "",
            f"- Open findings: {tally(overview.open())}",
            f"- Coverage: {_share(overview.coverage)}",
            f"- Leads of scanners not answered yet: {len(overview.leads)}",
            "",
            "## Coverage",
            "",
            *_matrix(overview.coverage),
            "",
            "## Findings",
            "",
            *(line for one in overview.findings for line in _finding(one)),
            *([] if overview.findings else ["None.", ""]),
            "## Examined, and why it holds",
            "",
            *(
                f"- E{record.number} {markdown_line(record.element, 80)}, {record.stride.value}, "
                f"as {record.persona.value}: {markdown_line(record.reason, LONG)} "
                f"({_places((q.path, q.first, q.last) for q in record.evidence)})"
                for record in overview.examined
            ),
            *([] if overview.examined else ["Nothing yet."]),
            "",
        ]
    )


def _share(coverage: Coverage) -> str:
    return f"{coverage.covered} of {coverage.cells} cells ({coverage.share:.0%})"


def _matrix(coverage: Coverage) -> Iterable[str]:
    yield "| element | " + " | ".join(LETTERS[threat] for threat in Stride) + " |"
    yield "|---|" + "---|" * len(Stride)
    for row in coverage.rows:
        cells = (_cell(row, threat) for threat in Stride)
        yield f"| {markdown_line(row.element.name, 60)} | {' | '.join(cells)} |"


def _cell(row: Row, threat: Stride) -> str:
    """`E3 F1`; `-` where the threat does not apply; `?` where nobody looked."""
    if threat not in row.looks:
        return "-"
    return " ".join(look.label for look in row.looks[threat]) or "?"


def _finding(one: Shown) -> Iterable[str]:
    finding = one.finding
    labels = [category.label for category in categories(finding.cwe, finding.lists)]
    cwe = ", ".join(f"CWE-{number}" for number in finding.cwe)
    yield f"### {one.label} {markdown_line(finding.title, 120)}"
    yield ""
    yield f"- {finding.severity.value} {finding.score:.1f} ({finding.vector}); {_state(one)}"
    yield f"- {markdown_line(finding.element, 80)}, {finding.stride.value}; {cwe}"
    yield from (f"- {markdown_line(label)}" for label in labels)
    yield f"- Proof of concept: {_proof(one)}"
    yield ""
    for place in one.evidence:
        yield from _quoted(place)
    if one.flow:
        steps = [(place.path, place.first, place.last) for place in one.flow]
        yield f"Flow: {_places(steps)}"
        yield ""
    for title, text in _told(finding):
        yield f"**{title}.** {markdown_line(text, LONG)}"
        yield ""


def _told(finding: Finding) -> tuple[tuple[str, str], ...]:
    return (
        ("Attack", finding.scenario),
        ("Reproduction", finding.reproduction),
        ("Remedy", finding.remedy),
    )


def _state(one: Shown) -> str:
    decision = one.standing.decision
    if decision is None:
        return one.state.value
    until = f" until {decision.until}" if decision.until else ""
    ran_out = ", ran out" if decision.state is State.ACCEPTED and one.state is State.OPEN else ""
    return f"{decision.state.value}{until}{ran_out}: {markdown_line(decision.reason, LONG)}"


def _proof(one: Shown) -> str:
    proof = one.standing.proof
    if proof is None:
        return "none"
    return (
        f"{proof.result.value} at {proof.commit[:12]} ({isolation(proof.sandbox)}); "
        f"runs the quoted lines: {proof.runs.value}"
    )


def _places(places: Iterable[tuple[str, int, int]]) -> str:
    return ", ".join(
        f"{markdown_line(path, 200)}:{first}" + ("" if first == last else f"-{last}")
        for path, first, last in places
    )


def _fate(place: Located) -> str:
    return f" {markdown_line(place.fate, 300)}" if place.fate else ""


def _quoted(place: Located) -> Iterable[str]:
    note = f": {markdown_line(place.note, LONG)}" if place.note else ""
    yield f"{_places([(place.path, place.first, place.last)])}{_fate(place)}{note}"
    yield ""
    yield from ("    " + clean_line(line) for line in place.text.split("\n"))
    yield ""


def section(overview: Overview) -> str:
    """The report as an HTML section without scripts, for a page that brings its own style."""
    return "\n".join(
        [
            '<section class="autoresearch-security">',
            f"<h2>Security of {_escaped(overview.name)}</h2>",
            f"<p>Commit {_escaped(overview.commit[:12])}, {_escaped(overview.today)}. Open: "
            f"{_escaped(tally(overview.open()))}. Coverage: "
            f"{_escaped(_share(overview.coverage))}.</p>",
            *_table(overview.coverage),
            *(line for one in overview.findings for line in _article(one)),
            "</section>",
            "",
        ]
    )


def _table(coverage: Coverage) -> Iterable[str]:
    heads = "".join(f'<th title="{t.value}">{LETTERS[t]}</th>' for t in Stride)
    yield f"<table><thead><tr><th>element</th>{heads}</tr></thead><tbody>"
    for row in coverage.rows:
        cells = "".join(f"<td>{_escaped(_cell(row, threat))}</td>" for threat in Stride)
        yield f"<tr><th>{_escaped(row.element.name)}</th>{cells}</tr>"
    yield "</tbody></table>"


def _article(one: Shown) -> Iterable[str]:
    finding = one.finding
    labels: Sequence[str] = [
        f"{finding.severity.value} {finding.score:.1f}",
        one.state.value,
        finding.stride.value,
        *(f"CWE-{number}" for number in finding.cwe),
        *(category.label for category in categories(finding.cwe, finding.lists)),
    ]
    yield f'<article id="{one.label}" class="{finding.severity.value}">'
    yield f"<h3>{one.label} {_escaped(finding.title)}</h3>"
    yield f"<p>{_escaped(' · '.join(labels))}</p>"
    for place in one.evidence:
        where = f"{place.path}:{place.first}-{place.last}"
        code = "\n".join(clean_line(line) for line in place.text.split("\n"))
        yield f"<p>{_escaped(where)}{_escaped(place.fate)}</p>"
        yield f"<pre><code>{html.escape(code)}</code></pre>"
    for title, text in _told(finding):
        yield f"<p><strong>{title}.</strong> {_escaped(text)}</p>"
    yield "</article>"


def _escaped(text: str) -> str:
    return html.escape(clean_line(text, LONG))
