"""Offline advisories in OSV's format, matched against the versions that lock files pin.

https://ossf.github.io/osv-schema/: an advisory names packages by ecosystem, and versions one by one
or by the events of a range.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from autoresearch.core.security.catalog import lock_rules
from autoresearch.security.books import Books


class Pinned(NamedTuple):
    """A package at a version, where a lock file names it."""

    ecosystem: str
    name: str
    version: str
    path: str
    line: int


def pinned(books: Books) -> list[Pinned]:
    """Every package that the commit's lock files pin."""
    found = []
    for path in books.tree.entries:
        for file, ecosystem, pattern in lock_rules():
            if file.fullmatch(path.rpartition("/")[2]):
                text = books.tree.content(path).decode("utf-8", "replace")
                for one in pattern.finditer(text):
                    line = text.count("\n", 0, one.start("name")) + 1
                    found.append(Pinned(ecosystem, one["name"], one["version"], path, line))
    return found


def matched(books: Books, advisories: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """A lead's fields for each package that an advisory affects."""
    by_name: dict[tuple[str, str], list[Pinned]] = {}
    for one in pinned(books):
        by_name.setdefault((one.ecosystem, _plain(one.name)), []).append(one)
    for advisory in advisories:
        for affected in advisory.get("affected", ()):
            package = affected.get("package", {})
            ecosystem = str(package.get("ecosystem", "")).partition(":")[0]
            for one in by_name.get((ecosystem, _plain(str(package.get("name", "")))), ()):
                if is_affected(one.version, affected):
                    yield lead(advisory, one.name, one.version, one.path, one.line)


def lead(
    advisory: Any,  # noqa: ANN401 - JSON of anybody's
    name: str,
    version: str,
    path: str,
    line: int,
) -> Mapping[str, Any]:
    """The fields of a lead from an advisory about a package."""
    fixed = [event["fixed"] for event in _events(advisory.get("affected", ())) if "fixed" in event]
    own = advisory.get("database_specific", {})
    aliases = [alias for alias in advisory.get("aliases", ()) if alias.startswith("CVE-")]
    words = advisory.get("summary") or advisory.get("details", "")
    return {
        "rule": ", ".join([advisory["id"], *aliases]),
        "message": f"{name} {version}, fixed in {', '.join(fixed) or 'no version yet'}: {words}",
        "level": str(own.get("severity", "")),
        "path": path,
        "line": line,
        "cwe": own.get("cwe_ids") or ["CWE-1395"],
    }


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Whether a version is one of those that an advisory names."""
    if version in affected.get("versions", ()):
        return True
    return any(
        _is_within(version, found["events"])
        for found in affected.get("ranges", ())
        if found.get("type") in {"SEMVER", "ECOSYSTEM"}
    )


def _is_within(version: str, events: Iterable[Mapping[str, str]]) -> bool:
    """Whether the events up to a version leave it affected."""
    key, inside = order(version), False
    for event in sorted(events, key=lambda one: order(next(iter(one.values())))):
        ((kind, at),) = event.items()
        if kind == "introduced" and order(at) <= key:
            inside = True
        elif (kind == "fixed" and order(at) <= key) or (
            kind == "last_affected" and order(at) < key
        ):
            inside = False
    return inside


_NUMBER, _END = 3, (1, 0, "")
_RANKS = {"dev": -1, **dict.fromkeys(("post", "patch", "sp", "r"), 2)}
"""Words that stand elsewhere than just before the release."""


def order(version: str) -> tuple[tuple[int, int, str], ...]:
    """What sorts versions as their ecosystems do.

    `1.0.dev1 < 1.0a1 < 1.0 = 1.0.0 < 1.0.post1 < 1.0.1`; what stands behind a plus does not count.
    """
    words = re.findall(r"\d+|[a-z]+", version.lower().partition("+")[0].removeprefix("v"))
    key = [
        (_NUMBER, int(word), "") if word.isdigit() else (_RANKS.get(word, 0), 0, word)
        for word in words
    ]
    numbers = next((n for n, part in enumerate(key) if part[0] != _NUMBER), len(key))
    while numbers and key[numbers - 1] == (_NUMBER, 0, ""):
        numbers -= 1
        del key[numbers]
    return (*key, _END)


def _events(affected: Iterable[Any]) -> Iterator[Any]:
    for one in affected:
        for found in one.get("ranges", ()):
            if found.get("type") != "GIT":
                yield from found.get("events", ())


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
