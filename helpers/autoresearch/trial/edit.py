"""Edits a Python file by whole definitions, so that an edit fits wherever its subject still stands.

A patch needs the lines around it as they were; a definition only needs its name. The scripted
proposals are told this way because which of the earlier ones were kept is not known beforehand.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple


class Block(NamedTuple):
    """A statement at the top of a module.

    Attributes:
        names: what it defines; empty for an import and any other statement.
        lines: its text, decorators included.
        gap: the blank lines that follow it.
        start, stop: its place among the module's lines, half open, from 0.
        is_import: whether it is an import.
    """

    names: frozenset[str]
    lines: tuple[str, ...]
    gap: tuple[str, ...]
    start: int
    stop: int
    is_import: bool


class Splice(NamedTuple):
    """Lines to put in the place of those from `start` to `stop`, half open, from 0."""

    start: int
    stop: int
    lines: tuple[str, ...]


def merge(text: str, fragment: str) -> str:
    """The module `text` with every definition of `fragment` in the place of its namesake.

    What `text` does not define yet is put before the first definition that is replaced, imports
    after the last import. Raises ValueError when `fragment` replaces nothing in `text`: its
    subject is gone. Raises SyntaxError when either is no Python.
    """
    present = _blocks(text)
    homes = {name: block for block in present for name in block.names}
    splices: list[Splice] = []
    imports: list[str] = []
    added: list[str] = []
    for new in _blocks(fragment):
        home = next((homes[name] for name in new.names if name in homes), None)
        if home is not None:
            splices.append(Splice(home.start, home.stop, new.lines))
        elif new.is_import:
            imports += new.lines
        else:
            added += [*new.lines, *new.gap]
    if not splices:
        names = sorted(name for new in _blocks(fragment) for name in new.names)
        raise ValueError(f"there is no {' or '.join(names)} to replace")
    first = min(splice.start for splice in splices)
    after_imports = max((block.stop for block in present if block.is_import), default=first)
    splices.append(Splice(first, first, tuple(added)))
    splices.append(Splice(after_imports, after_imports, tuple(imports)))
    lines = text.splitlines()
    for start, stop, content in sorted(splices, reverse=True):  # from the end: places stay true
        lines[start:stop] = content
    return "\n".join(lines) + "\n"


def _blocks(text: str) -> list[Block]:
    lines = text.splitlines()
    return [_block(node, lines) for node in ast.parse(text).body]


def _block(node: ast.stmt, lines: Sequence[str]) -> Block:
    names: frozenset[str] = frozenset()
    start = node.lineno
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        names = frozenset({node.name})
        start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    elif isinstance(node, ast.Assign):
        names = frozenset(target.id for target in node.targets if isinstance(target, ast.Name))
    stop = node.end_lineno or node.lineno
    return Block(
        names=names,
        lines=tuple(lines[start - 1 : stop]),
        gap=tuple(takewhile(lambda line: not line, lines[stop:])),
        start=start - 1,
        stop=stop,
        is_import=isinstance(node, ast.Import | ast.ImportFrom),
    )
