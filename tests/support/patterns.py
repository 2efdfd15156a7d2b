"""Every regular expression of the package, and texts that make a careless one take for ever.

A pattern is quadratic where two of its repeats can share a run, or where a run can begin at many
places and is read to its end from each. Both show on a long run of what a repeat accepts, behind
what the pattern wants before it. The runs are made from the pattern itself.
"""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import autoresearch
import msgspec

if sys.version_info >= (3, 11):
    from re import _parser as parser  # type: ignore[attr-defined]  # private, and the only one
else:
    import sre_parse as parser

PACKAGE = Path(autoresearch.__file__).parent
ALPHABET = " a0\t\n.-_/\\\"'[](){}<>:=,#%@;|*!A"
"""One character of each kind that a pattern tells apart."""

JOINED = "READS"
"""Of scanning: made of the tables' patterns, which are looked at one by one."""

_compile: Callable[..., Any] = re.compile

ONLY_WHOLE = {"autoresearch.core.security.catalog.name_rules"}
"""Tables whose patterns must match a whole path."""

UNITS = (*ALPHABET, "a ", "a.", "a/", "[]", "\"'", '\\"', "a=", "- ", "a\n", "\n ", "//", "a:")
TAILS = ("", "\x01")
DEPTH = 8
"""Of containers within containers: tables are not deeper."""

LONG = 64
"""A repeat up to so often is bounded."""


class Use(NamedTuple):
    """A pattern and how it is applied.

    Attributes:
        where: module, and name or line.
        pattern: of text or bytes.
        anchored: whether it is only ever tried at the start of a text.
    """

    where: str
    pattern: re.Pattern[Any]
    anchored: bool

    def apply(self, text: str) -> None:
        """Let it read a text to its end."""
        subject = text.encode() if isinstance(self.pattern.pattern, bytes) else text
        if self.anchored:
            self.pattern.match(subject)
        else:
            for _ in self.pattern.finditer(subject):
                pass


def uses() -> list[Use]:
    """Constants of modules, at whatever depth, tables read from files, and patterns in calls."""
    called = methods_called()
    found: dict[tuple[str | bytes, int], Use] = {}
    for info in pkgutil.walk_packages(autoresearch.__path__, "autoresearch."):
        if info.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            where = f"{info.name}.{name}"
            if name == JOINED:
                continue
            how = called.get((info.name, name), {"search"})
            anchored = where in ONLY_WHOLE or how <= {"match", "fullmatch"}
            for pattern in patterns_in(value, info.name):
                found.setdefault((pattern.pattern, pattern.flags), Use(where, pattern, anchored))
    for use in literal_calls():
        found.setdefault((use.pattern.pattern, use.pattern.flags), use)
    return sorted(found.values(), key=lambda use: use.where)


def patterns_in(value: object, module: str, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    """The patterns that a constant, or what a cached function without arguments returns, holds."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth < DEPTH:
        for held in held_by(value, module):
            yield from patterns_in(held, module, depth + 1)


def held_by(value: object, module: str) -> Iterator[object]:
    """What a container, a record or a cached function of this module holds."""
    if isinstance(value, functools._lru_cache_wrapper):
        function = value.__wrapped__
        if function.__module__ == module and not function.__code__.co_argcount:
            yield value()
    elif isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    elif isinstance(value, msgspec.Struct):
        yield from (getattr(value, name) for name in value.__struct_fields__)


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """The syntax of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "demo" not in path.parts:
            yield path, ast.parse(path.read_text("utf-8"))


def methods_called() -> dict[tuple[str, str], set[str]]:
    """Module and name of a constant -> the methods that are called on it there."""
    found: dict[tuple[str, str], set[str]] = {}
    for path, tree in trees():
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found.setdefault((module, node.value.id), set()).add(node.attr)
    return found


def literal_calls() -> Iterator[Use]:
    """Patterns that stand as text in a call of `re`, or of a function that searches lines."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            is_re = (
                isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "re"
            )
            is_line = getattr(function, "id", "") == "first_line"
            source = node.args[int(is_line)] if len(node.args) > int(is_line) else None
            method = getattr(function, "attr", "search")
            if not (is_re or is_line) or not isinstance(source, ast.Constant) or method == "escape":
                continue
            flags = re.MULTILINE if is_line else 0
            for word in ast.walk(node):
                if isinstance(word, ast.Attribute) and word.attr.isupper():
                    flags |= getattr(re, word.attr, 0)
            where = f"{path.relative_to(PACKAGE)}:{node.lineno}"
            pattern: Any = _compile(source.value, flags)
            yield Use(where, pattern, method in {"match", "fullmatch"})


def runs(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str]]:
    """What stands first and what is repeated, chosen to hurt this pattern."""
    yield from (("", unit) for unit in UNITS)
    tree: Any = parser.parse(pattern.pattern, pattern.flags)
    yield from dict.fromkeys(_pumped(list(tree), ""))


def _pumped(nodes: list[Any], head: str) -> Iterator[tuple[str, str]]:
    for operation, argument in nodes:
        name = str(operation)
        if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            _, most, body = argument
            if int(most) > LONG:
                for unit in _examples(list(body)):
                    yield head, unit
                    yield "", head + unit
            yield from _pumped(list(body), head)
        elif name == "SUBPATTERN":
            yield from _pumped(list(argument[3]), head)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from _pumped(list(branch), head)
        elif name in {"ASSERT", "ATOMIC_GROUP"}:
            yield from _pumped(list(argument[1] if name == "ASSERT" else argument), head)
        head += _example([(operation, argument)])


def _examples(body: list[Any]) -> list[str]:
    """Short texts that a repeat's body accepts: for a class, one of each kind."""
    if len(body) == 1 and str(body[0][0]) in {"IN", "ANY", "NOT_LITERAL", "CATEGORY"}:
        return [char for char in ALPHABET if _accepts(body[0], char)][:12]
    text = _example(body)
    return [text] if text else []


def _example(nodes: list[Any]) -> str:
    """A text that a sequence accepts, as far as that is easily said."""
    text = ""
    for operation, argument in nodes:
        name = str(operation)
        if name == "LITERAL":
            text += chr(argument)
        elif name in {"IN", "ANY", "NOT_LITERAL"}:
            text += next((c for c in "a0 " + ALPHABET if _accepts((operation, argument), c)), "")
        elif name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            text += _example(list(argument[2])) * min(max(int(argument[0]), 0), LONG)
        elif name == "SUBPATTERN":
            text += _example(list(argument[3]))
        elif name == "BRANCH":
            text += _example(list(argument[1][0]))
        elif name == "ATOMIC_GROUP":
            text += _example(list(argument))
    return text


def _accepts(node: tuple[Any, Any], char: str) -> bool:
    accepts = _ACCEPTS.get(str(node[0]))
    return accepts is not None and accepts(node[1], char)


def _is_in(members: list[tuple[Any, Any]], char: str) -> bool:
    is_negated = str(members[0][0]) == "NEGATE"
    return any(_accepts(one, char) for one in members) != is_negated


_ACCEPTS: dict[str, Callable[[Any, str], bool]] = {
    "ANY": lambda _, char: char != "\n",
    "LITERAL": lambda code, char: ord(char) == code,
    "NOT_LITERAL": lambda code, char: ord(char) != code,
    "RANGE": lambda ends, char: bool(ends[0] <= ord(char) <= ends[1]),
    "CATEGORY": lambda name, char: _CATEGORIES[str(name)](char),
    "IN": _is_in,
}


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_NOT_DIGIT": lambda char: not char.isdigit(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda char: not char.isspace(),
    "CATEGORY_WORD": _is_word,
    "CATEGORY_NOT_WORD": lambda char: not _is_word(char),
}
