"""What in the code an attacker would look at first: a starting point, found by patterns.

Patterns miss things and see things that are none: the agent completes the model. Nothing found
here is a finding.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from autoresearch.core.security.catalog import (
    endings,
    is_test,
    line_rules,
    name_rules,
    threats,
)
from autoresearch.core.security.ledger import Boundary, Element, ElementKind, PlaceKind, Stride
from autoresearch.core.security.quotes import holds_secret

MAX_FILE_BYTES = 1 << 20
MAX_LINE = 2_000
"""Longer lines are generated or minified; nobody reads them."""
MAX_ELEMENTS = 40
LONG_FILE = 600
STRETCH = 200
"""Lines: a longer file is many places, one for each stretch, whatever stands in it."""


class Site(NamedTuple):
    """A place: line 0 stands for the whole file."""

    kind: PlaceKind
    path: str
    line: int


def sites_in(path: str, content: bytes) -> tuple[Site, ...]:
    """The places of one file, by line; one of each kind a line."""
    named = tuple(Site(kind, path, 0) for kind, rule in name_rules() if rule.fullmatch(path))
    if is_test(path) or len(content) > MAX_FILE_BYTES or b"\0" in content[:8_000]:
        return named
    ending = path.rpartition(".")[2].lower()
    rules = [rule for rule in line_rules() if ending in rule.endings]
    secrets = ending in endings("code") | endings("settings")
    found = list(named)
    lines = content.decode("utf-8", "replace").split("\n")
    if len(lines) > LONG_FILE and ending in endings("code"):
        stretches = range(1, len(lines), STRETCH)
        found += [Site(PlaceKind.STRETCH, path, first) for first in stretches]
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            continue
        kinds = dict.fromkeys(rule.kind for rule in rules if rule.pattern.search(line))
        found += [Site(kind, path, number) for kind in kinds]
        if secrets and holds_secret(line):
            found.append(Site(PlaceKind.SECRET, path, number))
    return tuple(found)


def draft_elements(sites: Sequence[Site]) -> tuple[Element, ...]:
    """Elements as a first guess: one process a folder with code, the callers, stores, flows."""
    folders: dict[str, list[str]] = {}
    paths: dict[PlaceKind, list[str]] = {kind: [] for kind in PlaceKind}
    for site in sites:
        paths[site.kind].append(site.path)
        if site.kind not in {PlaceKind.DEPENDENCY, PlaceKind.CI} and not is_test(site.path):
            folders.setdefault(_folder(site.path), []).append(site.path)
    doors = paths[PlaceKind.ROUTE] + paths[PlaceKind.ENTRY]
    supply = paths[PlaceKind.DEPENDENCY] + paths[PlaceKind.CI]
    sql, files, logs = paths[PlaceKind.SQL], paths[PlaceKind.FILES], paths[PlaceKind.LOGGING]
    found = [
        _element(_named(folder), ElementKind.PROCESS, used, f"code in {folder or 'the root'}")
        for folder, used in sorted(folders.items())
    ][:MAX_ELEMENTS]
    inside = found[0].name if found else ""
    guesses = (
        ("callers", ElementKind.EXTERNAL, doors, "whoever calls from outside"),
        ("database", ElementKind.STORE, sql, "what SQL reads and writes"),
        ("files", ElementKind.STORE, files, "files that are read, written"),
        ("records", ElementKind.LOG, logs, "who did what"),
        ("supply", ElementKind.PROCESS, supply, "dependencies, build, CI, containers"),
    )
    found += [_element(*guess) for guess in guesses if guess[2]]
    flows = (("requests", "callers", inside, doors), ("queries", inside, "database", sql))
    for name, source, target, used in flows if inside else ():
        if used:
            text = f"from {source} to {target}"
            found.append(_element(name, ElementKind.FLOW, used, text, source, target))
    return tuple(found)


def draft_boundaries(elements: Sequence[Element]) -> tuple[Boundary, ...]:
    """The one line that every system has: what is ours, against whoever calls."""
    inside = tuple(
        e.name for e in elements if e.kind not in {ElementKind.EXTERNAL, ElementKind.FLOW}
    )
    text = "ours, against whoever calls (complete it: accounts, hosts, networks, suppliers)"
    return (Boundary(name="system", inside=inside, description=text),) if inside else ()


def is_touched(site: Site, path: str, first: int, last: int) -> bool:
    """Whether quoted lines touch a place: its line, its stretch, or its whole file."""
    width = STRETCH if site.kind is PlaceKind.STRETCH else 1
    return site.path == path and (
        site.line == 0 or (first < site.line + width and site.line <= last)
    )


def weights(sites: Iterable[Site], paths: Iterable[str]) -> Mapping[Stride, float]:
    """How much there is to see of each threat in some files: the places that look like it."""
    own = set(paths)
    kinds = [site.kind for site in sites if site.path in own]
    return {
        threat: float(sum(kind in asked.shows_in for kind in kinds))
        for threat, asked in threats().items()
    }


def _element(
    name: str,
    kind: ElementKind,
    paths: Iterable[str],
    text: str,
    source: str = "",
    target: str = "",
) -> Element:
    return Element(
        name=name,
        kind=kind,
        files=tuple(_literal(path) for path in dict.fromkeys(paths)),
        description=f"{text} (found by patterns; complete it)",
        source=source,
        target=target,
    )


def _literal(path: str) -> str:
    """A pattern that covers exactly this path."""
    return re.sub(r"[*?\[\]\\{}]", lambda found: f"[{found[0]}]", path)


def _folder(path: str) -> str:
    """The folder that stands for a file: its first two levels."""
    return "/".join(path.split("/")[:-1][:2])


def _named(folder: str) -> str:
    return re.sub(r"[^a-z0-9 ._/-]+", "-", folder.lower()).strip("./- ") or "root"


_PYTHON = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<base>[\w.]+)[ \t]+import[ \t]+(?P<names>\([^()]*\)|[^\n#;]+)"
    r"|import[ \t]+(?P<plain>[^\n#;]+))",
    re.MULTILINE,
)
_SCRIPT = re.compile(
    r"""(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\()\s*(?:\(\s*)?["'](?P<path>\.{1,2}/[^"'\n]*)["']"""
)
_SCRIPT_ENDS = (".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".mts", ".cts", ".vue", ".svelte")
_ENDINGS = ("", *_SCRIPT_ENDS, *(f"/index{end}" for end in _SCRIPT_ENDS), ".json")


def is_source(path: str) -> bool:
    """Whether imports are looked for in a file."""
    return path.endswith((".py", *_SCRIPT_ENDS))


def imports(path: str, text: str, known: Mapping[str, str]) -> frozenset[str]:
    """The files of the repository that a file imports; `known` is from `module_names`."""
    found = _python(path, text) if path.endswith(".py") else _script(path, text)
    return frozenset(known[name] for name in found if name in known) - {path}


def module_names(paths: Iterable[str]) -> dict[str, str]:
    """Every name under which a file can be imported -> its path.

    A Python module is known by its dotted path and by every end of it that starts at a folder
    (`src/app/db.py`: `src.app.db`, `app.db`, `db`); the shortest path wins where two files share
    a name. Other files are known by their path.
    """
    names: dict[str, str] = {}
    for path in sorted(paths, key=lambda each: (each.count("/"), each)):
        names.setdefault(path, path)
        if path.endswith(".py"):
            parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
            for start in range(len(parts)):
                names.setdefault(".".join(parts[start:]), path)
    return names


def turned(graph: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """A graph with every arrow turned round."""
    found: dict[str, set[str]] = {}
    for path, targets in graph.items():
        for target in targets:
            found.setdefault(target, set()).add(path)
    return {path: frozenset(sources) for path, sources in found.items()}


def reaching(changed: Iterable[str], graph: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The changed files, and all from which one of them is reached by imports."""
    importers = turned(graph)
    found, waiting = set(changed), list(changed)
    while waiting:
        fresh = importers.get(waiting.pop(), frozenset()) - found
        found |= fresh
        waiting += fresh
    return frozenset(found)


def _python(path: str, text: str) -> Iterator[str]:
    package = path.split("/")[:-1]
    for match in _PYTHON.finditer(text):
        if match["plain"] is not None:
            yield from (part.split(" as ")[0].strip() for part in match["plain"].split(","))
            continue
        dots = len(match["base"]) - len(match["base"].lstrip("."))
        above = package[: len(package) - dots + 1] if dots else []
        base = ".".join([*above, *filter(None, match["base"].lstrip(".").split("."))])
        yield base
        for name in match["names"].strip("() \n").split(","):
            yield ".".join(filter(None, [base, name.split(" as ")[0].strip()]))


def _script(path: str, text: str) -> Iterator[str]:
    folder = posixpath.dirname(path)
    for match in _SCRIPT.finditer(text):
        target = posixpath.normpath(posixpath.join(folder, match["path"]))
        yield from (target + end for end in _ENDINGS)
        yield from (target.removesuffix(".js") + end for end in (".ts", ".tsx"))
