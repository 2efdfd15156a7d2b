"""`security gate`: whether a merge may pass, from a ledger that only ever grew."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import date
from typing import NamedTuple

from autoresearch.core.errors import AutoresearchError, SessionBroken
from autoresearch.core.security import overview as sums
from autoresearch.core.security.ledger import Severity
from autoresearch.edges.gitdiff import changed_paths
from autoresearch.security import sweeping
from autoresearch.security.books import LOG_COPY, Books

_AGE = re.compile(r"([0-9]{1,6}) ?(d|days?|commits?)?")


class GateTerms(NamedTuple):
    """What must hold.

    Attributes:
        base: the revision whose ledger this one must begin with.
        diff: only findings in what changed since, and in what that reaches, count.
        min_coverage: percent of the cells, and of the places.
        max_age: of the last look, `50` commits or `30d`.
    """

    limit: Severity
    baseline: Collection[str]
    base: str | None
    diff: str | None
    min_coverage: int | None
    max_age: str | None
    proven_only: bool


class Ruling(NamedTuple):
    """What the gate says.

    Attributes:
        problems: why it does not pass, beside failing findings.
        changed: files of examined cells that changed since somebody looked.
        unlooked: whether no sweep was ever brought to its end.
        relevant: False where nothing that the model names changed.
        commits, days: since the last look; None where it is not known.
    """

    overview: sums.Overview
    gate: sums.Gate
    problems: tuple[str, ...]
    changed: tuple[str, ...]
    unlooked: bool
    relevant: bool
    commits: int | None
    days: int | None


def rule(books: Books, terms: GateTerms) -> Ruling:
    """Judge the ledger by some terms.

    Raises:
        SessionBroken: `ledger_cut` when the ledger lost something that git knows.
        AutoresearchError: `no_revision`, `max_age`.
    """
    require_grown(books, terms.base)
    found = books.overview()
    said = sums.judge(found, terms.limit, terms.baseline, proven_only=terms.proven_only)
    relevant = True
    if terms.diff is not None:
        paths = set(sweeping.reached(books, sweeping.resolved(books, terms.diff)))
        elements = found.model.elements if found.model else ()
        relevant = any(sums.files_of(element, paths) for element in elements)
        said = said._replace(failing=tuple(one for one in said.failing if one.where.path in paths))
    last = books.ledger.closed
    commits = days = None
    if last is not None:
        count = books.repo.run("rev-list", "--count", f"{last.commit}..HEAD", check=False)
        commits = int(count.out) if count.code == 0 else None
        days = (date.fromisoformat(books.today) - date.fromisoformat(last.at[:10])).days
    problems = [*_uncovered(found, terms.min_coverage), *_aged(terms.max_age, commits, days)]
    return Ruling(
        overview=found,
        gate=said,
        problems=tuple(problems),
        changed=_changed(books),
        unlooked=last is None,
        relevant=relevant,
        commits=commits,
        days=days,
    )


def require_grown(books: Books, base: str | None) -> None:
    """Make sure that the ledger holds all that commits before it held.

    The ledger at `base` must be its beginning. Without one, no version on the first-parent line of
    HEAD may be longer, or hold a finding that this one does not.
    """
    whole = books.chain.path.read_bytes()
    if base is not None:
        oid = sweeping.resolved(books, base)
        old = books.repo.object_at(f"{oid}:{LOG_COPY}")
        if old is None:
            books.news.append(f"{base[:40]} has no ledger to compare with")
        elif not whole.startswith(old.content):
            raise _cut(books, old.content, f"is no continuation of the one at {base[:40]}")
    listed = books.repo.run("rev-list", "--first-parent", "HEAD", "--", LOG_COPY, check=False)
    for commit in listed.out.decode("ascii").split():
        old = books.repo.object_at(f"{commit}:{LOG_COPY}")
        if old is None or whole.startswith(old.content):
            continue
        if len(old.content) > len(whole) or _lost(books, old.content):
            raise _cut(books, old.content, f"is shorter than at {commit[:12]}")
    if base is None and books.repo.run("rev-parse", "--is-shallow-repository").out == b"true\n":
        books.news.append(
            "the history is cut here: fetch it whole to see whether the ledger shrank"
        )


def _lost(books: Books, old: bytes) -> list[str]:
    """Findings of another version of the ledger that this one does not hold."""
    known = {finding.fingerprint for finding in books.ledger.findings.values()}
    lines = [json.loads(line) for line in old.splitlines() if line.strip()]
    found = [line for line in lines if line.get("kind") == "finding"]
    return [f"F{line['number']}" for line in found if line.get("fingerprint") not in known]


def _cut(books: Books, old: bytes, problem: str) -> SessionBroken:
    lost = ", ".join(_lost(books, old)) or "no finding, but other records"
    return SessionBroken(
        f"the ledger {problem}: it lacks {lost}",
        code="ledger_cut",
        hint=f"Bring back the longer {LOG_COPY}; after a merge take the base's and record your own "
        "findings again.",
    )


def _uncovered(found: sums.Overview, least: int | None) -> list[str]:
    """What is covered too little."""
    shares = {"cells": found.coverage.share, "places": sums.share_of(found.places)}
    return [
        f"coverage of {what} is {share:.0%}, below {least}%"
        for what, share in shares.items()
        if least is not None and share is not None and share * 100 < least
    ]


def _aged(most: str | None, commits: int | None, days: int | None) -> list[str]:
    """What makes the last look too old."""
    if most is None:
        return []
    found = _AGE.fullmatch(most.strip().lower())
    if found is None:
        raise AutoresearchError(
            f"{most[:20]} is no age", code="max_age", hint="`--max-age 50` commits, or `30d`."
        )
    unit = "days" if (found[2] or "").startswith("d") else "commits"
    age = days if unit == "days" else commits
    if age is None:
        return [f"how many {unit} ago somebody looked is not known here"]
    return (
        [f"the last look is {age} {unit} old, more than {found[1]}"] if age > int(found[1]) else []
    )


def _changed(books: Books) -> tuple[str, ...]:
    """Files of examined cells that are others than when somebody looked last."""
    model = books.ledger.model
    elements = {element.name: element for element in (model.elements if model else ())}
    seen = {(record.element, record.stride): record.commit for _, record in books.ledger.records}
    found: set[str] = set()
    for element, commit in {(name, commit) for (name, _), commit in seen.items()}:
        if element in elements and commit != books.tree.commit and books.repo.resolve(commit):
            changed = (path for _, path in changed_paths(books.repo, commit, books.tree.commit))
            found.update(sums.files_of(elements[element], changed))
    return tuple(sorted(found))
