"""Whether a change leaves the program as it is: comments and white space alone, told with care.

A wrong yes would turn a real change away, a wrong no costs a race. So whatever is not plainly known
is a no: other languages, raw strings, comments that a tool may read.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoresearch.core.contract import Contract

_MOST_BYTES = 1 << 20
_PYTHON = (".py", ".pyi")
_REGEX = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx")
_SLASHES = (
    ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cu", ".java", ".cs", ".go", ".rs", ".swift", ".kt",
    ".scala", ".dart", *_REGEX,
)  # fmt: skip

_COMPILERS = re.compile(rb"#\s*(?:cython|distutils|pythran|mypyc)")
"""Comments that say how Python is compiled."""

_UNSURE = re.compile(r'R"|"""|`|\br#*"|__LINE__|line!|import "C"|\\\n')
"""Raw strings, which may hold anything; code that knows its line; comments that hold C; joined
lines."""

_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\\n])*"?|'(?:\\[^\n]{1,8}?|[^'\\\n])')|(?P<comment>//[^\n]*|/\*(?:.*?\*/|.*))""",
    re.DOTALL,
)
_PLAIN = re.compile(
    r"(?://|/\*)(?:\s(?!.*(?:@|#__|webpack|\+build|/\*|lint|pragma)).*)?", re.DOTALL
)

_COUNTS_SOURCE = re.compile(
    r"(?i)(?<![a-z])(?:s?loc|wc|cloc|tokei|scc|bytes?|chars?|lines?|size|[kmg]i?b|du|stat|gzip)"
    r"(?![a-z])"
)


def may_count_source(contract: Contract) -> bool:
    """Return whether the metric may be one of the source itself, such as its length."""
    metric = contract.metric
    return any(_COUNTS_SOURCE.search(text) for text in (metric.name, metric.unit, contract.verify))


def is_same_program(path: str, before: bytes, after: bytes) -> bool:
    """Return whether two contents of a file differ in comments and white space alone."""
    if max(len(before), len(after)) > _MOST_BYTES:
        return False
    if path.endswith(_PYTHON):
        if _COMPILERS.search(before) or _COMPILERS.search(after):
            return False
        one, other = (_parsed(text) for text in (before, after))
    elif path.endswith(_SLASHES):
        one, other = (_bare(text, path) for text in (before, after))
    else:
        return False
    return one is not None and one == other


def _parsed(content: bytes) -> list[str] | None:
    """What Python makes of it, docstrings included."""
    try:
        return [ast.dump(ast.parse(content))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _bare(content: bytes, path: str) -> list[str] | None:
    """The lines of code without plain comments and without white space that means nothing."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if _UNSURE.search(text):
        return None
    parts, last = [], 0
    for found in _TOKEN.finditer(text):
        parts += [text[last : found.start()], _kept(text, found)]
        last = found.end()
    parts.append(text[last:])
    if path.endswith(_REGEX) and any("/" in between for between in parts[::2]):
        return None  # it may begin a regular expression
    lines = (" ".join(line.split()) for line in "".join(parts).splitlines())
    return [line for line in lines if line]


def _kept(text: str, found: re.Match[str]) -> str:
    """What stands for a string or a comment; its own white space is no other's."""
    comment = found["comment"]
    if comment is None or not _PLAIN.fullmatch(comment):
        return found[0].translate({9: "\0", 10: "\1", 32: "\2"})
    if "\n" not in comment:
        return " "
    before = text[: found.start()].rpartition("\n")[2]
    after = text[found.end() :].partition("\n")[0]
    return comment if before.strip() or after.strip() else "\n"
