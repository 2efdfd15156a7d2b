"""Which files a change reaches: the files that import it, and those that import them.

Imports are found by patterns, in Python and JavaScript; a name that no file of the repository
answers to leads nowhere.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PYTHON = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<base>\.*[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n#;]+)"
    r"|import[ \t]+(?P<plain>[^\n#;]+))",
    re.MULTILINE,
)
_SCRIPT = re.compile(
    r"""(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\()\s*\(?\s*["'](?P<path>\.{1,2}/[^"'\n]*)["']"""
)
_SCRIPT_ENDS = (".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".mts", ".cts", ".vue", ".svelte")
_ENDINGS = ("", *_SCRIPT_ENDS, *(f"/index{end}" for end in _SCRIPT_ENDS), ".json")


def is_source(path: str) -> bool:
    """Whether imports are looked for in a file."""
    return path.endswith((".py", *_SCRIPT_ENDS))


def imports(path: str, text: str, known: Mapping[str, str]) -> frozenset[str]:
    """The files of the repository that a file imports.

    Args:
        path: of the file.
        text: its content.
        known: from `module_names`.
    """
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


def reaching(changed: Iterable[str], graph: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The changed files, and all from which one of them is reached.

    Args:
        changed: paths.
        graph: file -> files it imports.
    """
    importers: dict[str, set[str]] = {}
    for path, targets in graph.items():
        for target in targets:
            importers.setdefault(target, set()).add(path)
    found, waiting = set(changed), list(changed)
    while waiting:
        fresh = importers.get(waiting.pop(), set()) - found
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
