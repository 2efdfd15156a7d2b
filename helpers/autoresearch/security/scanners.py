"""`security import`: other scanners' reports as leads, to be confirmed or dismissed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA
from autoresearch.core.security.catalog import Scanner, scanners
from autoresearch.core.security.ledger import Lead
from autoresearch.core.security.quotes import redact
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import read_bytes_limited
from autoresearch.security import advisories
from autoresearch.security.books import Books

MAX_MESSAGE = 300
MAX_LEADS = 2_000
MAX_ADVISORIES = 200_000
"""Files of a folder: OSV's export of PyPI has some 20,000."""
MAX_REPORT_BYTES = 64 << 20

_CWE = re.compile(r"\bCWE[-_: ]?0*([1-9][0-9]{0,3})\b", re.IGNORECASE)


class Hint(NamedTuple):
    """A lead before it gets its number."""

    tool: str
    rule: str
    message: str
    level: str
    path: str
    line: int
    cwe: tuple[int, ...]

    @property
    def key(self) -> str:
        """The same for the same lead imported twice."""
        parts = "\0".join((self.tool, self.rule, self.path, str(self.line), self.message))
        return hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()[:32]


def hints(report: object) -> tuple[Hint, ...]:
    """The leads of a scanner's report; ValueError where it has no known format."""
    for tool, scanner in scanners().items():
        if isinstance(report, dict) and all(mark in report for mark in scanner.marks):
            try:
                items = _READERS.get(tool, _listed)(report)
                found = list(islice((_hint(tool, scanner, one) for one in items), MAX_LEADS + 1))
            except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
                raise ValueError(
                    f"a key is missing or odd: {clean_line(str(error), 80)}"
                ) from error
            if len(found) > MAX_LEADS:
                raise ValueError(f"more than {MAX_LEADS} leads")
            return tuple(dict.fromkeys(found))
    raise ValueError(
        "neither SARIF nor JSON of bandit, semgrep, pip-audit, npm, detect-secrets or OSV"
    )


def _hint(tool: str, scanner: Scanner, item: Mapping[str, Any]) -> Hint:
    named = {name: f"{name}?" for name in Hint._fields} if not scanner.keys else scanner.keys
    at = {name: _value(item, path) for name, path in named.items()}
    path = str(at["path"]).replace("\\", "/").removeprefix("file://").removeprefix("./")
    cwe = f"CWE-{at['cwe']}" if isinstance(at["cwe"], int) else str(at["cwe"])
    return Hint(
        tool=clean_line(at.get("tool") or tool, 40),
        rule=clean_line(str(at["rule"]), 120),
        message=clean_line(redact(str(at["message"])), MAX_MESSAGE),
        level=clean_line(at.get("level", "").lower(), 20),
        path=clean_line(path, 400),
        line=int(at["line"] or 0),
        cwe=tuple(dict.fromkeys(map(int, _CWE.findall(cwe)))),
    )


def _value(item: Any, path: str) -> Any:  # noqa: ANN401 - JSON of anybody's
    if path.startswith("="):
        return path[1:]
    for key in path.removesuffix("?").split("."):
        if path.endswith("?") and key not in item:
            return ""
        item = item[key]
    return item


def _listed(report: Any) -> Iterable[Mapping[str, Any]]:  # noqa: ANN401 - as above
    """The results: one after the other, or by file."""
    if isinstance(report["results"], list):
        return list(report["results"])
    return [{**one, "path": path} for path, found in report["results"].items() for one in found]


def _sarif(log: Any) -> Iterable[Mapping[str, Any]]:  # noqa: ANN401 - as above
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        rules = {rule["id"]: rule for rule in driver.get("rules", ())}
        for result in run.get("results") or ():
            rule = rules.get(str(result.get("ruleId", "")), {})
            place = (result.get("locations") or [{}])[0].get("physicalLocation", {})
            yield {
                "tool": driver["name"],
                "rule": result.get("ruleId", ""),
                "message": result["message"].get("text", ""),
                "level": result.get("level", "warning"),
                "path": unquote(place.get("artifactLocation", {}).get("uri", "")),
                "line": place.get("region", {}).get("startLine", 0),
                "cwe": [result.get("taxa"), rule.get("properties"), rule.get("id")],
            }


def _pip_audit(report: Any) -> Iterable[Mapping[str, Any]]:  # noqa: ANN401 - as above
    for package in report["dependencies"]:
        for flaw in package.get("vulns", ()):
            fixed = ", ".join(flaw.get("fix_versions", ())) or "no version yet"
            name = f"{package['name']} {package['version']}, fixed in {fixed}"
            text = f"{name}: {flaw.get('description', '')}"
            yield {"rule": flaw["id"], "message": text, "cwe": _SUPPLY}


def _npm_audit(report: Any) -> Iterable[Mapping[str, Any]]:  # noqa: ANN401 - as above
    for name, entry in report["vulnerabilities"].items():
        for via in entry["via"]:
            if isinstance(via, dict):
                yield {
                    "rule": via.get("url") or via["source"],
                    "message": f"{name} {entry.get('range', '')}: {via.get('title', '')}",
                    "level": entry.get("severity", ""),
                    "path": "package-lock.json",
                    "cwe": via.get("cwe") or _SUPPLY,
                }


def _osv_scanner(report: Any) -> Iterable[Mapping[str, Any]]:  # noqa: ANN401 - as above
    for source in report["results"]:
        for package in source["packages"]:
            named = package["package"]
            for flaw in package.get("vulnerabilities", ()):
                path = source.get("source", {}).get("path", "")
                yield advisories.lead(flaw, named["name"], named["version"], path, 0)


_SUPPLY = "CWE-1395"
_READERS = {
    "SARIF": _sarif,
    "npm audit": _npm_audit,
    "pip-audit": _pip_audit,
    "osv-scanner": _osv_scanner,
}


class Imported(NamedTuple):
    """What a report held: leads that are new, and how many were known."""

    fresh: tuple[Lead, ...]
    known: int


def take_in(books: Books, path: Path) -> Imported:
    """Record the leads of a scanner's report that are not known yet."""
    try:
        if path.is_dir():
            files = sorted(path.rglob("*.json"))[:MAX_ADVISORIES]
            report: object = [
                json.loads(read_bytes_limited(one, MAX_REPORT_BYTES)) for one in files
            ]
        else:
            report = json.loads(read_bytes_limited(path, MAX_REPORT_BYTES))
        of_osv = _affected(books, report)
        found = hints(report) if of_osv is None else of_osv
    except (ValueError, RecursionError) as error:
        raise AutoresearchError(
            f"{clean_line(str(path), 200)} is no report that is read here: {error}",
            code="report",
            hint="Read are SARIF, JSON of bandit, semgrep, pip-audit, npm, detect-secrets and "
            "osv-scanner, and advisories in OSV's format, a file or a folder.",
        ) from error
    known = {lead.key for lead in books.ledger.leads.values()}
    new = [hint for hint in found if hint.key not in known]
    first = max(books.ledger.leads, default=0) + 1
    fresh = tuple(
        Lead(schema=SCHEMA, at=now_utc(), number=number, key=hint.key, **_in_tree(books, hint))
        for number, hint in enumerate(new, first)
    )
    books.write(*fresh)
    return Imported(fresh, len(found) - len(fresh))


def _affected(books: Books, report: object) -> tuple[Hint, ...] | None:
    """The leads of advisories in OSV's own format; None where it is something else."""
    every = report if isinstance(report, list) else [report]
    if not every or not all(
        isinstance(one, dict) and {"id", "affected"} <= one.keys() for one in every
    ):
        return None
    unkeyed = Scanner(marks=())
    found = (_hint("osv", unkeyed, one) for one in advisories.matched(books, every))
    return tuple(dict.fromkeys(found))


def _in_tree(books: Books, hint: Hint) -> dict[str, Any]:
    """The fields of a hint; a scanner's absolute path is one of the repository, where it can be."""
    path = hint.path.removeprefix(f"{books.repo.toplevel}/")
    return hint._replace(path=path)._asdict()
