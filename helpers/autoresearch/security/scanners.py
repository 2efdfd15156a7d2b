"""`security import`: other scanners' reports as leads, to be confirmed or dismissed."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA
from autoresearch.core.security.ledger import Lead
from autoresearch.core.security.quotes import redact
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import read_bytes_limited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from autoresearch.security.books import Books


MAX_MESSAGE = 300
MAX_LEADS = 2_000

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
    """The leads of a scanner's report, whatever of the known formats it has.

    Raises:
        ValueError: no known format, or not what that format promises.
    """
    for is_it, read in _FORMATS:
        if is_it(report):
            try:
                found = tuple(dict.fromkeys(_limited(read(report))))
            except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
                raise ValueError(
                    f"a key is missing or odd: {clean_line(str(error), 80)}"
                ) from error
            return found
    raise ValueError("neither SARIF nor JSON of bandit, semgrep, pip-audit, npm, detect-secrets")


def _limited(found: Iterable[Hint]) -> list[Hint]:
    listed: list[Hint] = []
    for hint in found:
        if len(listed) == MAX_LEADS:
            raise ValueError(f"more than {MAX_LEADS} leads")
        listed.append(
            hint._replace(
                rule=clean_line(hint.rule, 120),
                message=clean_line(redact(hint.message), MAX_MESSAGE),
                level=clean_line(hint.level, 20),
                path=_relative(hint.path),
            )
        )
    return listed


def _relative(path: str) -> str:
    """A path of the repository as the ledger writes it."""
    return clean_line(path.replace("\\", "/").removeprefix("file://").removeprefix("./"), 400)


def _numbers(text: object) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(number) for number in _CWE.findall(str(text))))


def _has(*keys: str) -> Callable[[Any], bool]:
    return lambda report: isinstance(report, dict) and all(key in report for key in keys)


def _sarif(log: Any) -> Iterable[Hint]:  # noqa: ANN401 - JSON of anybody's
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        rules = {rule["id"]: rule for rule in driver.get("rules", ())}
        for result in run.get("results") or ():
            rule = rules.get(str(result.get("ruleId", "")), {})
            places = result.get("locations") or [{}]
            where: Mapping[str, Any] = places[0].get("physicalLocation", {})
            yield Hint(
                tool=clean_line(driver["name"], 40),
                rule=str(result.get("ruleId", "")),
                message=str(result["message"].get("text", "")),
                level=str(result.get("level", "warning")),
                path=unquote(where.get("artifactLocation", {}).get("uri", "")),
                line=int(where.get("region", {}).get("startLine", 0)),
                cwe=_numbers([result.get("taxa"), rule.get("properties"), rule.get("id")]),
            )


def _bandit(report: Any) -> Iterable[Hint]:  # noqa: ANN401 - as above
    for item in report["results"]:
        yield Hint(
            tool="bandit",
            rule=item["test_id"],
            message=item["issue_text"],
            level=item["issue_severity"].lower(),
            path=item["filename"],
            line=int(item["line_number"]),
            cwe=_numbers(f"CWE-{item.get('issue_cwe', {}).get('id', '')}"),
        )


def _semgrep(report: Any) -> Iterable[Hint]:  # noqa: ANN401 - as above
    for item in report["results"]:
        extra = item["extra"]
        yield Hint(
            tool="semgrep",
            rule=item["check_id"],
            message=extra["message"],
            level=extra.get("severity", "").lower(),
            path=item["path"],
            line=int(item["start"]["line"]),
            cwe=_numbers(extra.get("metadata", {}).get("cwe", "")),
        )


def _pip_audit(report: Any) -> Iterable[Hint]:  # noqa: ANN401 - as above
    for package in report["dependencies"]:
        for flaw in package.get("vulns", ()):
            name = f"{package['name']} {package['version']}"
            fixed = ", ".join(flaw.get("fix_versions", ())) or "no version yet"
            text = flaw.get("description", "")
            yield Hint(
                "pip-audit", flaw["id"], f"{name}, fixed in {fixed}: {text}", "", "", 0, (1395,)
            )


def _npm_audit(report: Any) -> Iterable[Hint]:  # noqa: ANN401 - as above
    for name, entry in report["vulnerabilities"].items():
        for via in entry["via"]:
            if isinstance(via, dict):
                yield Hint(
                    tool="npm audit",
                    rule=str(via.get("url") or via["source"]),
                    message=f"{name} {entry.get('range', '')}: {via.get('title', '')}",
                    level=entry.get("severity", ""),
                    path="package-lock.json",
                    line=0,
                    cwe=_numbers(via.get("cwe", "")) or (1395,),
                )


def _detect_secrets(report: Any) -> Iterable[Hint]:  # noqa: ANN401 - as above
    for path, items in report["results"].items():
        for item in items:
            yield Hint(
                tool="detect-secrets",
                rule=item["type"],
                message="a secret may stand here",
                level="",
                path=path,
                line=int(item["line_number"]),
                cwe=(798,),
            )


_FORMATS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Iterable[Hint]]], ...] = (
    (_has("runs", "version"), _sarif),
    (_has("vulnerabilities", "auditReportVersion"), _npm_audit),
    (_has("dependencies"), _pip_audit),
    (_has("results", "plugins_used"), _detect_secrets),
    (_has("results", "metrics"), _bandit),
    (_has("results", "paths"), _semgrep),
)


MAX_REPORT_BYTES = 64 << 20


class Imported(NamedTuple):
    """What a report held: leads that are new, and how many were known."""

    fresh: tuple[Lead, ...]
    known: int


def take_in(books: Books, path: Path) -> Imported:
    """Record the leads of a scanner's report that are not known yet."""
    try:
        found = hints(json.loads(read_bytes_limited(path, MAX_REPORT_BYTES)))
    except (ValueError, RecursionError) as error:
        raise AutoresearchError(
            f"{clean_line(str(path), 200)} is no report that is read here: {error}",
            code="report",
            hint="Read are SARIF and the JSON of bandit, semgrep, pip-audit, npm audit and "
            "detect-secrets.",
        ) from error
    known = {lead.key for lead in books.ledger.leads.values()}
    new = [hint for hint in found if hint.key not in known]
    first = max(books.ledger.leads, default=0) + 1
    fresh = tuple(
        Lead(
            schema=SCHEMA,
            at=now_utc(),
            number=number,
            tool=hint.tool,
            rule=hint.rule,
            message=hint.message,
            level=hint.level,
            path=_in_tree(books, hint.path),
            line=hint.line,
            cwe=hint.cwe,
            key=hint.key,
        )
        for number, hint in enumerate(new, first)
    )
    books.write_all(fresh)
    return Imported(fresh, len(found) - len(fresh))


def _in_tree(books: Books, path: str) -> str:
    """A scanner's absolute path as one of the repository, where it is one."""
    root = f"{books.repo.toplevel}/"
    return path.removeprefix(root)
