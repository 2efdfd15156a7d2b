"""Findings as SARIF 2.1.0 (OASIS, errata 01), as code scanning and other readers take them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote as percent

from autoresearch.core.formatting import clean_line
from autoresearch.core.security.catalog import categories, weakness
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
_UNPRINTABLE = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\u200a\u2010-\u2027\u202f-\u205f\u2070-\ud7ff\ue000-\U0010ffff]"
)
"""Control and direction characters: the region's text is the file's own but for them."""

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.NONE: "none",
}


def document(overview: Overview) -> Json:
    """The SARIF log: one run, and a result for each finding that is not fixed.

    Each weakness has a rule for each severity, because GitHub takes a result's severity from its
    rule. Accepted findings and false positives are there with a suppression, so that a reader
    knows why they do not count.
    """
    shown = [one for one in overview.findings if one.state is not State.FIXED]
    numbers = sorted({number for one in shown for number in one.finding.cwe})
    rules = list(dict.fromkeys(map(_rule_id, sorted(shown, key=lambda one: one.finding.cwe[0]))))
    origin = {
        "repositoryUri": overview.origin,
        "revisionId": overview.commit,
        "mappedTo": {"uriBaseId": ROOT},
    }
    return {
        "$schema": SCHEMA_URI,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(overview, shown, rules)},
                "invocations": [
                    {"executionSuccessful": True, "endTimeUtc": f"{overview.today}T00:00:00Z"}
                ],
                **({"versionControlProvenance": [origin]} if overview.origin else {}),
                "automationDetails": {"id": "autoresearch/security/"},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {
                    ROOT: {"description": {"text": "The repository's root folder."}}
                },
                "taxonomies": [_taxonomy(numbers)],
                "results": [_result(one, rules.index(_rule_id(one))) for one in shown],
                "properties": {
                    "commit": overview.commit,
                    "coveredCells": overview.coverage.covered,
                    "cells": overview.coverage.cells,
                },
            }
        ],
    }


def _rule_id(one: Shown) -> str:
    return f"CWE-{one.finding.cwe[0]}/{one.finding.severity.value}"


def _driver(overview: Overview, shown: list[Shown], rules: list[str]) -> Json:
    return {
        "name": "autoresearch security",
        "fullName": "autoresearch security, sweeps whose evidence is checked",
        "informationUri": CWE_URI,
        "version": overview.version,
        "semanticVersion": overview.version,
        "rules": [_rule([one for one in shown if _rule_id(one) == rule]) for rule in rules],
        "supportedTaxonomies": [{"name": "CWE", "index": 0}],
    }


def _rule(own: list[Shown]) -> Json:
    """The rule of a weakness and a severity, from its findings."""
    finding = own[0].finding
    known = weakness(finding.cwe[0])
    proven = all(one.standing.is_proven for one in own)
    title = f"CWE-{known.number}: {known.name}"
    return {
        "id": _rule_id(own[0]),
        "name": f"Cwe{known.number}{finding.severity.value.title()}",
        "shortDescription": {"text": f"{title}."},
        "fullDescription": {"text": f"{title}, of {finding.severity.value} severity here."},
        "help": {
            "text": f"{title}. {known.remedy} See {known.page}",
            "markdown": f"**{title}.** {known.remedy} See [its page]({known.page}).",
        },
        "helpUri": known.page,
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "relationships": [{"target": _reference(known.number), "kinds": ["superset"]}],
        "properties": {
            "tags": [
                "security",
                f"external/cwe/cwe-{known.number:03d}",
                *(c.label for c in categories((known.number,))),
            ],
            "security-severity": f"{max(one.finding.score for one in own):.1f}",
            "precision": "very-high" if proven else "medium",
        },
    }


def _taxonomy(numbers: list[int]) -> Json:
    return {
        "name": "CWE",
        "organization": "MITRE",
        "shortDescription": {"text": "The MITRE Common Weakness Enumeration"},
        "informationUri": CWE_URI,
        "isComprehensive": False,
        "taxa": [
            {
                "id": str(number),
                "shortDescription": {"text": f"{weakness(number).name}."},
                "helpUri": weakness(number).page,
            }
            for number in numbers
        ],
    }


def _result(one: Shown, rule: int) -> Json:
    finding = one.finding
    result: Json = {
        "ruleId": _rule_id(one),
        "ruleIndex": rule,
        "kind": "fail",
        "level": _LEVELS[finding.severity],
        "rank": finding.score * 10,
        "message": {"text": _message(one)},
        "locations": [_location(one.where)],
        "partialFingerprints": {
            FINGERPRINT: finding.fingerprint,
            "primaryLocationLineHash": f"{finding.fingerprint[:16]}:1",
        },
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
        "precision": "very-high" if one.standing.is_proven else "medium",
        "runsQuotedLines": "not known" if proof is None else proof.runs.value,
        "tags": [category.label for category in categories(finding.cwe, finding.lists)],
    }


def _message(one: Shown) -> str:
    """What is wrong, with a link to each related place; brackets of anybody's words are none."""
    finding = one.finding
    related = ", ".join(
        f"[{_unlinked(place.note or place.path)}]({number})"
        for number, place in enumerate(one.evidence[1:], 1)
    )
    parts = [finding.title, finding.scenario, f"Remedy: {finding.remedy}"]
    said = [_unlinked(part) for part in parts]
    return "\n\n".join([*said, f"See also {related}."] if related else said)


def _unlinked(text: str) -> str:
    return re.sub(r"([\\\[\]])", r"\\\1", clean_line(text, LONGEST))


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
                "startColumn": 1,
                "endLine": place.last,
                "endColumn": len(place.text.split("\n")[-1]) + 1,
                "snippet": {"text": _UNPRINTABLE.sub("\ufffd", place.text)},
            },
        }
    }
    if place.note:
        location["message"] = {"text": clean_line(place.note, LONGEST)}
    return location


def _reference(number: int) -> Json:
    return {"id": str(number), "toolComponent": {"name": "CWE", "index": 0}}


def fingerprints(log: Any) -> frozenset[str]:  # noqa: ANN401 - JSON of anybody's
    """The fingerprints of a SARIF log of ours: a baseline."""
    try:
        results = [result for run in log["runs"] for result in run["results"]]
        return frozenset(str(one["partialFingerprints"][FINGERPRINT]) for one in results)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it is no SARIF log of `autoresearch security report`") from error
