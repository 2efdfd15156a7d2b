"""The report as Markdown and as one section of HTML; nothing in it can leave its place."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from autoresearch.core.formatting import clean_block, clean_line, markdown_line
from autoresearch.core.security.catalog import categories, weakness
from autoresearch.core.security.ledger import LETTERS, Finding, State, Stride
from autoresearch.core.security.overview import (
    Coverage,
    Located,
    Overview,
    Row,
    Shown,
    cautions,
    isolation,
    second_mind,
    tally,
)

LONG = 1_000
MOST_LEADS = 200
_PLAIN = re.compile(r"[A-Za-z0-9_][\w./@+-]*", re.ASCII)


def markdown(overview: Overview) -> str:
    """The whole report."""
    chapters = (
        ("Model", model_lines(overview), "There is none yet."),
        ("Leads and dependencies", lead_lines(overview), "No lead waits for an answer."),
        ("The next look", next_lines(overview), "Every cell was looked at."),
    )
    model, leads, following = (
        ["", f"## {title}", "", *(f"- {markdown_line(one, LONG)}" for one in found or (none,))]
        for title, found, none in chapters
    )
    return "\n".join(
        [
            f"# Security of {markdown_line(overview.name)}",
            "",
            f"Checked against commit {overview.commit[:12]} on {overview.today} by autoresearch "
            f"{overview.version}.",
            "",
            f"- Open findings: {tally(overview.open())}",
            f"- Coverage: {share_text(overview.coverage)}",
            f"- {places_text(overview)}",
            *(f"- Caution: {markdown_line(one, LONG)}" for one in cautions(overview)),
            f"- Leads of scanners not answered yet: {len(overview.leads)}",
            *model,
            "",
            "## Coverage",
            "",
            *_matrix(overview.coverage),
            "",
            "## Findings",
            "",
            *(line for one in overview.findings for line in _finding(overview, one)),
            *([] if overview.findings else ["None.", ""]),
            "## Examined, and why it holds",
            "",
            *(f"- {markdown_line(line, 2 * LONG)}" for line in examined_lines(overview)),
            *([] if overview.examined else ["Nothing yet."]),
            *leads,
            *following,
            "",
        ]
    )


def share_text(coverage: Coverage) -> str:
    """`3 of 12 cells (25%)`."""
    return f"{coverage.covered} of {coverage.cells} cells ({coverage.share:.0%})"


def places_text(overview: Overview) -> str:
    """How many places stand in quotes, by kind."""
    kinds = (f"{one.kind.value} {one.touched} of {one.places}" for one in overview.places)
    return f"Places in quotes: {', '.join(kinds) or 'none known'}."


def model_lines(overview: Overview) -> list[str]:
    """Assets, boundaries, flows and the other elements, a line each."""
    model = overview.model
    if model is None:
        return []
    return [
        *(
            f"asset {a.name}, kept in {', '.join(a.where) or '?'}: {a.description}"
            for a in model.assets
        ),
        *(
            f"boundary {b.name} around {', '.join(b.inside) or 'nothing'}: {b.description}"
            for b in model.boundaries
        ),
        *(
            f"{e.kind.value} {e.name}"
            + (f" from {e.source} to {e.target}" if e.source else "")
            + f": {e.description}"
            for e in model.elements
        ),
    ]


def examined_lines(overview: Overview) -> list[str]:
    """What holds, and why."""
    return [
        f"E{record.number} {record.element}, {record.stride.value}, as {record.persona.value}: "
        f"{clean_line(record.reason, LONG)} "
        f"({', '.join(_at(q.path, q.first, q.last) for q in record.evidence)})"
        for record in overview.examined
    ]


def lead_lines(overview: Overview) -> list[str]:
    """Leads that nobody answered."""
    return [
        f"L{lead.number} {lead.tool} {lead.rule}, {lead.path}:{lead.line}: {lead.message}"
        for lead in overview.leads[:MOST_LEADS]
    ]


def next_lines(overview: Overview) -> list[str]:
    """Where nobody looked, and what no quote touches."""
    blank = [
        f"{row.element.name}: {', '.join(t.value for t, looks in row.looks.items() if not looks)}"
        for row in overview.coverage.rows
        if not all(row.looks.values())
    ]
    left = [one for one in overview.places if one.touched < one.places]
    kinds = (f"{one.places - one.touched} {one.kind.value}" for one in left)
    return [*blank, *([f"places that no quote touches: {', '.join(kinds)}"] if left else [])]


def _matrix(coverage: Coverage) -> Iterable[str]:
    yield "| element | " + " | ".join(LETTERS[threat] for threat in Stride) + " |"
    yield "|---|" + "---|" * len(Stride)
    for row in coverage.rows:
        cells = (cell(row, threat) for threat in Stride)
        yield f"| {markdown_line(row.element.name, 60)} | {' | '.join(cells)} |"


def cell(row: Row, threat: Stride) -> str:
    """`E3 F1`; `-` where the threat does not apply; `?` where nobody looked."""
    if threat not in row.looks:
        return "-"
    return " ".join(look.label for look in row.looks[threat]) or "?"


def facts(overview: Overview, one: Shown) -> list[str]:
    """What is known of a finding beside its words."""
    finding = one.finding
    return [
        f"{finding.severity.value} {finding.score:.1f} ({finding.vector}); {_state(one)}",
        f"{clean_line(finding.element, 80)}, {finding.stride.value}; "
        + ", ".join(f"CWE-{number} {weakness(number).name}" for number in finding.cwe),
        *(category.label for category in categories(finding.cwe, finding.lists)),
        f"Proof of concept: {_proof(one)}",
        f"Second mind: {second_mind(overview, one)}",
    ]


def _finding(overview: Overview, one: Shown) -> Iterable[str]:
    yield f"### {one.label} {markdown_line(one.finding.title, 120)}"
    yield ""
    yield from (f"- {markdown_line(fact, LONG)}" for fact in facts(overview, one))
    yield ""
    for place in one.evidence:
        yield from _quoted(place)
    if one.flow:
        steps = (_at(place.path, place.first, place.last) for place in one.flow)
        yield f"Flow: {markdown_line(', '.join(steps), LONG)}"
        yield ""
    for title, text in told(one.finding):
        yield f"**{title}.** {markdown_line(text, LONG)}"
        yield ""


def told(finding: Finding) -> tuple[tuple[str, str], ...]:
    """What somebody says of a finding, under titles."""
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
    return f"{decision.state.value}{until}{ran_out}: {clean_line(decision.reason, LONG)}"


def _proof(one: Shown) -> str:
    proof = one.standing.proof
    if proof is None:
        return "none"
    return (
        f"{proof.result.value} at {proof.commit[:12]} ({isolation(proof.sandbox)}); "
        f"runs the quoted lines: {proof.runs.value}"
    )


def _at(path: str, first: int, last: int) -> str:
    return f"{clean_line(path, 200)}:{first}" + ("" if first == last else f"-{last}")


def where(place: Located) -> str:
    """`app/db.py:6-7`."""
    return _at(place.path, place.first, place.last)


def link(place: Located) -> str:
    """The address of its lines, from the repository's root; empty where the name is odd."""
    if not place.stands or not _PLAIN.fullmatch(place.path):
        return ""
    return f"{place.path}#L{place.first}-L{place.last}"


def code(place: Located) -> str:
    """Its lines as they are, with their indentation, clean."""
    return clean_block(place.text.expandtabs(4), 60, 8_000)


def _quoted(place: Located) -> Iterable[str]:
    note = f": {markdown_line(place.note, LONG)}" if place.note else ""
    fate = f" {markdown_line(place.fate, 300)}" if place.fate else ""
    shown, target = markdown_line(where(place), 300), link(place)
    yield f"{f'[{shown}]({target})' if target else shown}{fate}{note}"
    yield ""
    yield from ("    " + line for line in code(place).split("\n"))
    yield ""


def section(overview: Overview) -> str:
    """The report as an HTML section without scripts, for a page that brings its own style."""
    return "\n".join(
        [
            '<section class="autoresearch-security">',
            f"<h2>Security of {_escaped(overview.name)}</h2>",
            f"<p>Commit {_escaped(overview.commit[:12])}, {_escaped(overview.today)}. Open: "
            f"{_escaped(tally(overview.open()))}. Coverage: "
            f"{_escaped(share_text(overview.coverage))}.</p>",
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
        cells = "".join(f"<td>{_escaped(cell(row, threat))}</td>" for threat in Stride)
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
        yield f"<p>{_escaped(where(place))} {_escaped(place.fate)}</p>"
        yield f"<pre><code>{html.escape(code(place))}</code></pre>"
    for title, text in told(finding):
        yield f"<p><strong>{title}.</strong> {_escaped(text)}</p>"
    yield "</article>"


def _escaped(text: str) -> str:
    return html.escape(clean_line(text, LONG))
