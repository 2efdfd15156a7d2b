"""Breaks or slows one program on purpose, as text: what a guard and a metric must notice.

Pure: files' bytes in, changed bytes out. Python is changed by its syntax tree, other languages by
one operator on one line, which keeps the types so that it still compiles.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

MAX_MUTANTS = 3
SPIN_S = 50e-6
"""Of each call beyond the first ones: seen by a benchmark that takes the median of many."""

FIRST_CALLS = 20

_CODE = re.compile(r"\.(?:[cm]?[jt]sx?|go|rs|java|kt|rb|c|cc|cpp|cxx|h|hpp|cs|swift|scala|php)$")
_COMMENT = re.compile(r"^\s*(?://|/?\*|#|--|import\b|use\b|package\b)")
_FLIPS = (
    ("===", "!=="),
    ("==", "!="),
    ("!=", "=="),
    ("<=", ">"),
    (">=", "<"),
    ("&&", "||"),
    ("<", ">="),
    (">", "<="),
)


class Mutant(NamedTuple):
    """One changed file.

    Attributes:
        path: of the file.
        line: where it is changed, from 1.
        what: the change in words.
        content: the whole file, changed.
    """

    path: str
    line: int
    what: str
    content: bytes


class _Site(NamedTuple):
    """A place that can be broken, and how much code it stands for."""

    weight: int
    mutant: Mutant


class Mutants(NamedTuple):
    """Those to be shown, and how many places in scope could have been broken so."""

    chosen: tuple[Mutant, ...]
    places: int


def mutants_of(contents: Mapping[str, bytes]) -> Mutants:
    """At most three, in different functions, of different files first, the largest first."""
    sites = [
        site
        for path, content in contents.items()
        for site in (_python(path, content) if path.endswith(".py") else _other(path, content))
    ]
    sites.sort(key=lambda site: (-site.weight, site.mutant.path, site.mutant.line))
    first = {site.mutant.path: site.mutant for site in reversed(sites)}
    chosen = [site.mutant for site in sites if first[site.mutant.path] is site.mutant]
    rest = [site.mutant for site in sites if first[site.mutant.path] is not site.mutant]
    return Mutants(tuple((*chosen, *rest)[:MAX_MUTANTS]), len(sites))


def _tree(content: bytes) -> ast.Module | None:
    try:
        return ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def _python(path: str, content: bytes) -> Iterator[_Site]:
    """Each function that returns something returns None instead."""
    tree = _tree(content)
    if tree is None:
        return
    lines = content.split(b"\n")
    for function in _functions(tree):
        found = (node for node in ast.walk(function) if isinstance(node, ast.Return))
        returns = sorted(found, key=lambda node: (node.lineno, node.col_offset))
        site = next((node for node in returns if _says_something(node)), None)
        if site is None or site.end_lineno is None or site.end_col_offset is None:
            continue
        start, end = site.lineno - 1, site.end_lineno - 1
        changed = [
            *lines[:start],
            lines[start][: site.col_offset] + b"return None" + lines[end][site.end_col_offset :],
            *lines[end + 1 :],
        ]
        weight = (function.end_lineno or function.lineno) - function.lineno + 1
        what = f"{function.name}() returns None"
        yield _Site(weight, Mutant(path, site.lineno, what, b"\n".join(changed)))


def _says_something(node: ast.Return) -> bool:
    return node.value is not None and not (
        isinstance(node.value, ast.Constant) and node.value.value is None
    )


def _other(path: str, content: bytes) -> Iterator[_Site]:
    """The first comparison of the file is turned round."""
    if not _CODE.search(path):
        return
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    for number, line in enumerate(lines, 1):
        if _COMMENT.match(line):
            continue
        for old, new in _FLIPS:
            spaced = f" {old} "
            if spaced in line and '"' not in line and "'" not in line:
                flipped = line.replace(spaced, f" {new} ", 1)
                changed = "\n".join([*lines[: number - 1], flipped, *lines[number:]])
                mutant = Mutant(
                    path, number, f"`{old}` became `{new}`",
                    changed.encode("utf-8", "surrogateescape"),
                )  # fmt: skip
                yield _Site(len(lines), mutant)
                return


def slowed(content: bytes, sample_s: float) -> bytes | None:
    """A Python file whose every function waits, busily, before it begins; None where none can.

    Args:
        content: of the file.
        sample_s: elapsed seconds of a sample: the first calls together take as long again.
    """
    tree = _tree(content)
    if tree is None:
        return None
    lines = content.split(b"\n")
    places = {}
    for function in _functions(tree):
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        if body and body[0].lineno > function.lineno and _starts_line(lines, body[0]):
            places[_first_line(body[0])] = body[0].col_offset
    if not places:
        return None
    for line, indent in sorted(places.items(), reverse=True):
        lines.insert(line - 1, b" " * indent + b"_autoresearch_spin()")
    spin = _SPIN.format(first=sample_s / FIRST_CALLS, calls=FIRST_CALLS, later=SPIN_S)
    lines.insert(_prologue_end(tree), spin.encode("ascii"))
    changed = b"\n".join(lines)
    return changed if _tree(changed) is not None else None


_SPIN = """\
def _autoresearch_spin(_calls=[0]):
    import time
    _calls[0] += 1
    end = time.perf_counter() + ({first} if _calls[0] <= {calls} else {later})
    while time.perf_counter() < end:
        pass
"""


def _first_line(node: ast.stmt) -> int:
    """Where a statement begins, its decorators included."""
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(int(decorator.lineno) for decorator in decorators)])


def _starts_line(lines: list[bytes], node: ast.stmt) -> bool:
    return not lines[_first_line(node) - 1][: node.col_offset].strip()


def _prologue_end(tree: ast.Module) -> int:
    """The number of lines that hold the docstring and `from __future__`."""
    end = 0
    for node in tree.body:
        is_docstring = (
            not end and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        )
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not is_docstring and not is_future:
            break
        end = node.end_lineno or node.lineno
    return end
