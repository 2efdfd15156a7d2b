"""The report as a page of its own, and as OpenVEX."""

from __future__ import annotations

from typing import Any

from autoresearch import share
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.security import overview as sums
from autoresearch.core.security import page
from autoresearch.core.security.ledger import State, Stride

LONG = page.LONG
VEX_CONTEXT = "https://openvex.dev/ns/v0.2.0"


def whole_page(overview: sums.Overview) -> str:
    """The page; every text in it is escaped.

    Raises:
        AutoresearchError: `no_report_extra` where Jinja is not installed.
    """
    try:
        from jinja2 import (  # noqa: PLC0415 - an extra, only where a page is made
            Environment,
            FileSystemLoader,
            StrictUndefined,
        )
    except ImportError as error:
        raise AutoresearchError(
            "the page needs Jinja, which is not installed",
            code="no_report_extra",
            hint="pip install 'autoresearch[report]', or use --markdown.",
        ) from error
    made = Environment(
        loader=FileSystemLoader(share.FOLDER / "security"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    model = overview.model
    reviews = [(one, overview.reviews.get(one.finding.number)) for one in overview.findings]
    facts: dict[str, Any] = {
        "name": clean_line(overview.name, 200),
        "open": bool(overview.open()),
        "tally": sums.tally(overview.open()),
        "coverage": page.share_text(overview.coverage),
        "places": page.places_text(overview),
        "commit": overview.commit[:12],
        "today": overview.today,
        "version": overview.version,
        "cautions": sums.cautions(overview),
        "drafted": model is not None and model.drafted,
        "model": page.model_lines(overview),
        "threats": [threat.value for threat in Stride],
        "rows": [
            (clean_line(row.element.name, 80), [page.cell(row, threat) for threat in Stride])
            for row in overview.coverage.rows
        ],
        "owasp": sums.by_category(overview),
        "findings": [_finding(overview, one) for one in overview.findings],
        "examined": page.examined_lines(overview),
        "contested": [
            f"{one.label}: {clean_line(review.reason, LONG)}"
            for one, review in reviews
            if review is not None and sums.second_mind(overview, one) == "contested"
        ],
        "unread": ", ".join(one.label for one, review in reviews if review is None) or "none",
        "leads": page.lead_lines(overview),
        "next": page.next_lines(overview),
    }
    return made.get_template("report.html.j2").render(facts)


def _finding(overview: sums.Overview, one: sums.Shown) -> dict[str, Any]:
    return {
        "label": one.label,
        "severity": one.finding.severity.value,
        "closed": one.state is not State.OPEN,
        "title": clean_line(one.finding.title, 120),
        "facts": [clean_line(fact, LONG) for fact in page.facts(overview, one)],
        "places": [
            {
                "where": page.where(place),
                "link": page.link(place),
                "fate": place.fate,
                "note": clean_line(place.note, LONG),
                "code": page.code(place),
            }
            for place in (*one.evidence, *one.flow)
        ],
        "told": [(title, clean_line(text, LONG)) for title, text in page.told(one.finding)],
    }


def vex(overview: sums.Overview, at: str) -> dict[str, Any]:
    """OpenVEX 0.2.0: what humans decided not to fix, and why; other findings as they stand."""
    said = []
    for one in overview.findings:
        statement: dict[str, Any] = {
            "vulnerability": {
                "name": f"autoresearch-{one.finding.fingerprint}",
                "description": clean_line(one.finding.title, 120),
                "aliases": [f"CWE-{number}" for number in one.finding.cwe],
            },
            "products": [{"@id": overview.origin or f"pkg:generic/{_purl(overview.name)}"}],
        }
        decision = one.standing.decision
        reason = "" if decision is None else clean_line(decision.reason, LONG)
        if one.state is State.FALSE_POSITIVE:
            statement |= {"status": "not_affected", "impact_statement": reason}
        elif one.state is State.ACCEPTED and decision is not None:
            until = f"Accepted until {decision.until}: {reason}"
            statement |= {"status": "affected", "action_statement": until}
        elif one.state is State.FIXED:
            statement |= {"status": "fixed"}
        else:
            statement |= {"status": "under_investigation"}
            if one.standing.is_proven:
                remedy = clean_line(one.finding.remedy, LONG)
                statement |= {"status": "affected", "action_statement": remedy}
        said.append(statement)
    return {
        "@context": VEX_CONTEXT,
        "@id": f"https://openvex.dev/docs/autoresearch/{overview.commit}",
        "author": f"autoresearch security {overview.version}",
        "timestamp": at,
        "version": 1,
        "statements": said,
    }


def _purl(name: str) -> str:
    return "".join(char if char.isalnum() or char in ".-_" else "-" for char in name)
