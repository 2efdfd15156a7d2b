"""A survey as plain objects for JSON: whole for the file, cut for the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoresearch.core.formatting import clean_line
from autoresearch.planning.scanning.findings import Candidate, Role, Topic

if TYPE_CHECKING:
    from autoresearch.planning.scanning.survey import Survey

CUT_FACTS = 6
CUT_CANDIDATES = {Role.METRIC: 6, Role.GUARD: 4, Role.SCOPE: 4}
CUT_OTHERS = 2
LONG = 300


def survey_object(found: Survey, *, cut: bool = False) -> dict[str, Any]:
    """The survey; with `cut` only the first of each kind, as many as fit an answer."""
    facts: dict[str, list[dict[str, Any]]] = {}
    for topic in Topic:
        held = [fact for fact in found.facts if fact.topic is topic]
        shown = held[:CUT_FACTS] if cut else held
        if shown:
            facts[topic.value] = [
                {"name": clean_line(fact.name, LONG), "at": clean_line(str(fact.evidence), LONG)}
                for fact in shown
            ]
    candidates = {
        role.value: [
            _candidate(one)
            for one in found.of(role)[: CUT_CANDIDATES.get(role, CUT_OTHERS) if cut else None]
        ]
        for role in Role
    }
    return {
        "files": found.files,
        "languages": [
            {"name": one.name, "files": one.files, "bytes": one.size, "share": round(one.share, 4)}
            for one in (found.languages[:CUT_FACTS] if cut else found.languages)
        ],
        "facts": facts,
        "candidates": candidates,
        "hot": [
            {"path": clean_line(path, LONG), "commits": commits}
            for path, commits in (found.hot[:CUT_FACTS] if cut else found.hot)
        ],
    }


def _candidate(one: Candidate) -> dict[str, Any]:
    key = "command" if one.role in {Role.METRIC, Role.GUARD} else "value"
    held: dict[str, Any] = {
        key: clean_line(one.value, LONG),
        "score": one.score,
        "evidence": [clean_line(str(place), LONG) for place in one.evidence],
        "unknown": list(one.unknown),
    }
    if one.measure is not None:
        held["metric"] = {
            "name": one.measure.name,
            "unit": one.measure.unit,
            "direction": one.measure.direction.value,
            "source": one.measure.source.value,
            "pattern": one.measure.pattern or None,
        }
        held["recipe"] = one.measure.recipe or None
    return held
