"""Findings as SARIF 2.1.0 (OASIS, errata 01), as code scanning and other readers take them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote as percent

from autoresearch.core.formatting import clean_line
from autoresearch.core.security.catalog import categories
from autoresearch.core.security.ledger import Severity, State
from autoresearch.core.security.overview import Located, Overview, Shown

Json = dict[str, Any]

SCHEMA_URI = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
CWE_URI = "https://cwe.mitre.org/"
ROOT = "%SRCROOT%"
FINGERPRINT = "autoresearchFinding/v1"
LONGEST = 1_000

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.NONE: "none",
}


def document(overview: Overview) -> Json:
    """The SARIF log: one run, a rule for each CWE, a result for each finding that is not fixed.

    Accepted findings and false positives are there with a suppression, so that a reader knows
    why they do not count.
    """
    shown = [one for one in overview.findings if one.state is not State.FIXED]
    numbers = sorted({number for one in shown for number in one.finding.cwe})
    rules = sorted({one.finding.cwe[0] for one in shown})
    return {
        "$schema": SCHEMA_URI,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(overview, shown, rules)},
                "automationDetails": {"id": "autoresearch/security/"},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {
                    ROOT: {"description": {"text": "The repository's root folder."}}
                },
                "taxonomies": [_taxonomy(numbers)],
                "results": [_result(one, rules.index(one.finding.cwe[0])) for one in shown],
                "properties": {
                    "commit": overview.commit,
                    "coveredCells": overview.coverage.covered,
                    "cells": overview.coverage.cells,
                },
            }
        ],
    }


def _driver(overview: Overview, shown: list[Shown], rules: list[int]) -> Json:
    return {
        "name": "autoresearch security",
        "version": overview.version,
        "semanticVersion": overview.version,
        "rules": [_rule(number, shown) for number in rules],
        "supportedTaxonomies": [{"name": "CWE", "index": 0}],
    }


def _rule(number: int, shown: list[Shown]) -> Json:
    """The rule of a weakness; its severity, for readers that want one, is its gravest finding's."""
    own = [one.finding for one in shown if one.finding.cwe[0] == number]
    tags = ["security", f"external/cwe/cwe-{number:03d}"]
    return {
        "id": f"CWE-{number}",
        "name": f"Cwe{number}",
        "shortDescription": {"text": f"Weakness CWE-{number}"},
        "helpUri": _page(number),
        "relationships": [{"target": _reference(number), "kinds": ["superset"]}],
        "properties": {
            "tags": tags + [c.label for c in categories((number,))],
            "security-severity": f"{max(finding.score for finding in own):.1f}",
            "precision": "high",
        },
    }


def _taxonomy(numbers: list[int]) -> Json:
    return {
        "name": "CWE",
        "organization": "MITRE",
        "shortDescription": {"text": "The MITRE Common Weakness Enumeration"},
        "informationUri": CWE_URI,
        "isComprehensive": False,
        "taxa": [{"id": str(number), "helpUri": _page(number)} for number in numbers],
    }


def _result(one: Shown, rule: int) -> Json:
    finding = one.finding
    result: Json = {
        "ruleId": f"CWE-{finding.cwe[0]}",
        "ruleIndex": rule,
        "kind": "fail",
        "level": _LEVELS[finding.severity],
        "rank": finding.score * 10,
        "message": {"text": _message(one)},
        "locations": [_location(one.where)],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "taxa": [_reference(number) for number in finding.cwe],
        "properties": _properties(one),
    }
    if len(one.evidence) > 1:
        result["relatedLocations"] = [
            {"id": number, **_location(place)} for number, place in enumerate(one.evidence[1:], 1)
        ]
    if one.flow:
        steps = [{"location": _location(place)} for place in (*one.flow, one.where)]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    if one.state is not State.OPEN:
        result["suppressions"] = [_suppression(one)]
    return result


def _properties(one: Shown) -> Json:
    finding = one.finding
    proof = one.standing.proof
    return {
        "finding": one.label,
        "element": clean_line(finding.element),
        "stride": finding.stride.value,
        "cvssV4": finding.vector,
        "security-severity": f"{finding.score:.1f}",
        "evidenceStands": one.where.stands,
        "proof": "none" if proof is None else proof.result.value,
        "runsQuotedLines": "not known" if proof is None else proof.runs.value,
        "tags": [category.label for category in categories(finding.cwe, finding.lists)],
    }


def _message(one: Shown) -> str:
    finding = one.finding
    parts = [finding.title, finding.scenario, f"Remedy: {finding.remedy}"]
    return "\n\n".join(clean_line(part, LONGEST) for part in parts)


def _suppression(one: Shown) -> Json:
    decision = one.standing.decision
    reason = "" if decision is None else decision.reason
    until = f" (until {decision.until})" if decision is not None and decision.until else ""
    return {
        "kind": "external",
        "status": "accepted",
        "justification": clean_line(f"{one.state.value}: {reason}{until}", LONGEST),
    }


def _location(place: Located) -> Json:
    location: Json = {
        "physicalLocation": {
            "artifactLocation": {
                "uri": percent(place.path, errors="surrogateescape"),
                "uriBaseId": ROOT,
            },
            "region": {
                "startLine": place.first,
                "endLine": place.last,
                "snippet": {"text": _block(place.text)},
            },
        }
    }
    if place.note:
        location["message"] = {"text": clean_line(place.note, LONGEST)}
    return location


def _block(text: str) -> str:
    return "\n".join(clean_line(line) for line in text.split("\n"))


def _page(number: int) -> str:
    return f"{CWE_URI}data/definitions/{number}.html"


def _reference(number: int) -> Json:
    return {"id": str(number), "toolComponent": {"name": "CWE", "index": 0}}


def fingerprints(log: Any) -> frozenset[str]:  # noqa: ANN401 - JSON of anybody's
    """The fingerprints of a SARIF log of ours: a baseline."""
    try:
        results = [result for run in log["runs"] for result in run["results"]]
        return frozenset(str(one["partialFingerprints"][FINGERPRINT]) for one in results)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it is no SARIF log of `autoresearch security report`") from error
