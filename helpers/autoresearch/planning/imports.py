"""Which protected files the code in scope imports: what it can reach into while it is measured."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

_JS = re.compile(r"""(?:require\(|from\s+|import\s*\(?\s*)['"](\.{1,2}/[^'"]+)['"]""")
_RUBY = re.compile(r"""require_relative\s*\(?['"]([^'"]+)['"]""")
_INCLUDE = re.compile(r"""^\s*#\s*include\s+"([^"]+)\"""", re.MULTILINE)
_AS_IT_IS: tuple[str, ...] = ("",)
_ENDINGS: tuple[str, ...] = (
    "",
    ".js",
    ".ts",
    ".tsx",
    ".jsx",
    ".mjs",
    ".cjs",
    "/index.js",
    "/index.ts",
)
_ROOTS = ("", "src/", "lib/", "python/")


class Import(NamedTuple):
    """A file in scope that imports one outside it."""

    path: str
    imported: str


def protected_imports(
    contents: Mapping[str, bytes], tracked: Collection[str]
) -> tuple[Import, ...]:
    """The imports that lead from files in scope to tracked files outside it.

    Args:
        contents: of the files in scope, by path.
        tracked: all paths of the tree.
    """
    found = [
        Import(path, target)
        for path, content in contents.items()
        for target in _targets(path, content, tracked)
        if target not in contents
    ]
    return tuple(dict.fromkeys(found))


def _targets(path: str, content: bytes, tracked: Collection[str]) -> Iterator[str]:
    if path.endswith((".py", ".pyi")):
        yield from _python(path, content, tracked)
        return
    text = content.decode("utf-8", "replace")
    folder = posixpath.dirname(path)
    pattern, endings = _INCLUDE, _AS_IT_IS
    if re.search(r"\.[cm]?[jt]sx?$", path):
        pattern, endings = _JS, _ENDINGS
    elif path.endswith(".rb"):
        pattern, endings = _RUBY, ("", ".rb")
    for said in pattern.finditer(text):
        base = posixpath.normpath(posixpath.join(folder, said[1]))
        yield from (base + ending for ending in endings if base + ending in tracked)


def _python(path: str, content: bytes, tracked: Collection[str]) -> Iterator[str]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module(alias.name, _ROOTS, tracked)
        elif isinstance(node, ast.ImportFrom):
            roots = _ROOTS if not node.level else (_above(path, node.level),)
            module = node.module or ""
            yield from _module(module, roots, tracked)
            for alias in node.names:
                yield from _module(f"{module}.{alias.name}".lstrip("."), roots, tracked)


def _above(path: str, level: int) -> str:
    """The folder that a relative import starts from, with its slash."""
    parts = path.split("/")[:-1]
    kept = parts[: len(parts) - (level - 1)] if level > 1 else parts
    return "".join(f"{part}/" for part in kept)


def _module(name: str, roots: Collection[str], tracked: Collection[str]) -> Iterator[str]:
    base = name.replace(".", "/")
    for root in roots:
        for ending in (".py", "/__init__.py"):
            if base and f"{root}{base}{ending}" in tracked:
                yield f"{root}{base}{ending}"
                return
