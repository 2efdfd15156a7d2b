"""Evidence: lines that somebody quotes, checked against the file's content at a commit.

A quote is compared line by line, without trailing blanks and common indentation; nothing else is
forgiven. Later, when the file has changed, the same lines are looked for elsewhere in it.
"""

from __future__ import annotations

import hashlib
import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "[redacted]"

_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)

_SHAPES = (
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])",  # AWS access key
    r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{20,}",  # GitHub
    r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{20,}",
    r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{16,}",  # GitLab
    r"(?<![A-Za-z0-9])xox[abeprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"(?<![A-Za-z0-9])(?:sk|rk|pk)[-_](?:live|test|ant|proj)[-_][A-Za-z0-9_-]{10,}",
    r"(?<![A-Za-z0-9])sk-[A-Za-z0-9]{20,}",
    r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{30,}",  # Google
    r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{30,}",
    r"(?<![A-Za-z0-9])pypi-[A-Za-z0-9_-]{40,}",
    r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,999}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",  # JWT
)
_SHAPE = re.compile("|".join(_SHAPES))

_IN_URL = re.compile(
    r"(?P<head>[a-z][a-z0-9+.-]{0,30}://[^\s/:@'\"]*:)(?P<secret>[^\s/@'\"]+)(?=@)"
)

_WORDS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"signing[_-]?key|encryption[_-]?key|credential|pepper|salt"
)
_NAME = rf"(?<![A-Za-z0-9_.-])[A-Za-z0-9_.-]{{0,40}}?(?:{_WORDS})[A-Za-z0-9_.-]{{0,40}}"

_QUOTED = re.compile(
    rf"(?P<head>(?:{_NAME})[\"']?\]?\s*(?::[^=\n\"']{{0,200}})?(?:=>|[=:]=?)\s*[rbfu]{{0,2}}[\"'])"
    r"(?P<secret>[^\"'\n]{3,})(?=[\"'])",
    re.IGNORECASE,
)
"""`PASSWORD = "…"`, `"token": "…"`, `secret: '…'`; also `config["secret"] = "…"`."""

_TYPES = r"(?:str|string|bytes|number|boolean|any|Optional|Secret\w*|None|null|true|false)\b"

_ENV = re.compile(
    rf"(?P<head>^[ \t]*(?:export[ \t]+|-[ \t]+|ENV[ \t]+)?(?:{_NAME})(?:=|:[ \t]+))"
    rf"(?P<secret>(?!{_TYPES})[^\s\"'#$({{\[<][^\s#({{\[\"'<>]{{5,}})(?=[ \t]*(?:#.*)?$)",
    re.IGNORECASE | re.MULTILINE,
)
"""`PASSWORD=…` of env files and shell, `password: …` of YAML: a word to the end of the line, no
call, no variable, no type."""

_SPACED = re.compile(
    rf"(?P<head>^[ \t]*(?:{_NAME})[ \t]+=[ \t]+)"
    r"(?P<secret>(?![\w.]*$)[^\s\"'#$({\[<][^\s#({\[\"'<>]{5,})(?=[ \t]*(?:#.*)?$)",
    re.IGNORECASE | re.MULTILINE,
)
"""`secret = …` of INI files: as above, but no name either, which code would have there."""


def redact(text: str) -> str:
    """The text with every secret it shows replaced, as many lines as before.

    Redact whole files and take lines then: a line of a key is one only by the lines around it.
    """
    shown = _KEY_BLOCK.sub(lambda found: "\n".join([MASK] * (found[0].count("\n") + 1)), text)
    shown = _SHAPE.sub(MASK, shown)
    for pattern in (_IN_URL, _QUOTED, _ENV, _SPACED):
        shown = pattern.sub(lambda found: found["head"] + MASK, shown)
    return shown


def holds_secret(text: str) -> bool:
    """Whether `redact` would change the text."""
    return redact(text) != text


MAX_LINES = 40
"""Of one quote: more is no evidence but a file."""
MAX_CHARS = 4_000
MIN_CHARS = 8
"""Of what a quote shows beside blanks and brackets, so that `}` proves nothing."""

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]")


class Mismatch(NamedTuple):
    """Why a quote is refused, and what helps."""

    problem: str
    hint: str


class Span(NamedTuple):
    """Where a quote stands, and its text as it is stored."""

    first: int
    last: int
    text: str


def lines_of(content: bytes) -> list[str]:
    """The lines of a file, without their ends; what is no UTF-8 becomes U+FFFD."""
    return content.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")


def normalised(lines: Sequence[str]) -> list[str]:
    """Lines as they are compared: no common indentation, no trailing blanks."""
    text = "\n".join(line.rstrip().expandtabs(8) for line in lines)
    return textwrap.dedent(text).split("\n")


def check(content: bytes, first: int, last: int, quote: str) -> Span | Mismatch:
    """Compare a quote with the lines it names, from 1; blank lines around it do not count."""
    there = lines_of(content)
    refusal = _out_of_bounds(there, first, last)
    if refusal is not None:
        return refusal
    actual = normalised(there[first - 1 : last])
    handed = normalised(quote.strip("\r\n").splitlines())
    if len("".join(_WORD.findall(quote))) < MIN_CHARS:
        return Mismatch(
            f"the quote shows fewer than {MIN_CHARS} letters and digits",
            "Quote the lines that prove it.",
        )
    if _trimmed(handed) != _trimmed(actual):
        return Mismatch(
            f"lines {first}-{last} do not read like the quote",
            _where(there, handed) or "Copy the lines from the file as it is at that commit.",
        )
    text = "\n".join(normalised(_shown(there)[first - 1 : last]))
    if len(text) > MAX_CHARS:
        return Mismatch(f"the quote has more than {MAX_CHARS} characters", "Quote fewer lines.")
    return Span(first, last, text)


def _out_of_bounds(there: Sequence[str], first: int, last: int) -> Mismatch | None:
    count = len(there) - (there[-1] == "")
    if first < 1 or last < first:
        return Mismatch(f"{first}-{last} is no range of lines", "Lines count from 1.")
    if last > count:
        return Mismatch(f"the file has {count} lines, not {last}", "Look at the file again.")
    if last - first >= MAX_LINES:
        return Mismatch(f"more than {MAX_LINES} lines are quoted", "Quote the lines that prove it.")
    return None


def _trimmed(lines: Sequence[str]) -> list[str]:
    """Lines with their indentation relative to the least; blank ones at the ends left out."""
    return normalised("\n".join(lines).strip("\n").split("\n"))


def _where(there: Sequence[str], handed: Sequence[str]) -> str:
    """Where the quote does stand, in words; empty when nowhere."""
    places = positions(there, _trimmed(handed))
    if not places:
        return ""
    last = places[0] + len(_trimmed(handed)) - 1
    return f"Those lines stand at {places[0]}-{last}."


def positions(there: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """First line (from 1) of every place where the lines stand, indentation apart."""
    stripped = [_bare(line) for line in there]
    needle = [_bare(line) for line in wanted]
    width = len(needle)
    return [
        start + 1
        for start in range(len(stripped) - width + 1)
        if stripped[start] == needle[0] and stripped[start : start + width] == needle
    ]


def relocate(content: bytes, text: str, near: int) -> Span | None:
    """Where a stored quote stands in a later version of the file; None when it is gone."""
    wanted = text.split("\n")
    there = _shown(lines_of(content))
    places = positions(there, wanted)
    if not places:
        return None
    first = min(places, key=lambda place: (abs(place - near), place))
    return Span(first, first + len(wanted) - 1, text)


def occurrence(content: bytes, text: str, first: int) -> int:
    """How many equal quotes stand above this one: tells two flaws of the same text apart."""
    there = _shown(lines_of(content))
    return sum(place < first for place in positions(there, text.split("\n")))


def fingerprint(path: str, text: str, cwe: int, number: int) -> str:
    """An id of a flaw that survives moved lines and other indentation: 32 hexadecimal digits.

    `number` tells flaws of the same text in a file apart, see `occurrence`.
    """
    shown = _SPACE.sub(" ", text).strip()
    return hashlib.sha256(f"{path}\0{shown}\0{cwe}\0{number}".encode()).hexdigest()[:32]


def _shown(lines: Sequence[str]) -> list[str]:
    """The file as it may be stored; line for line, for `redact` keeps their number."""
    return redact("\n".join(lines)).split("\n")


def _bare(line: str) -> str:
    return _SPACE.sub(" ", line).strip()
