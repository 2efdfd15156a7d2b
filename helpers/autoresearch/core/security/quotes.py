"""Evidence: lines that somebody quotes, checked against the file's content at a commit.

A quote is compared line by line, without trailing blanks and common indentation; nothing else is
forgiven. Later, when the code has changed, the same lines are looked for wherever they may stand,
with other blanks or split in another way.
"""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

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
AROUND = 400
"""Lines that are redacted with a quote, for a line of a key is one only by those around it."""

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]")
_TOKEN = re.compile(r"\[redacted\]|\w+|[^\w\s]")


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


def shown(content: bytes, first: int, last: int) -> str:
    """Lines of a file as they may be stored: their own indentation, secrets redacted."""
    there = lines_of(content)
    start = max(first - 1 - AROUND, 0)
    clean = redact("\n".join(there[start : last + AROUND])).split("\n")
    return "\n".join(line.rstrip() for line in clean[first - 1 - start : last - start])


def normalised(lines: Sequence[str]) -> list[str]:
    """Lines as they are compared: no common indentation, no trailing blanks."""
    text = "\n".join(line.rstrip().expandtabs(8) for line in lines)
    return textwrap.dedent(text).split("\n")


def check(content: bytes, lines: tuple[int, int] | None, quote: str) -> Span | Mismatch:
    """Find a quote: at the lines it names, or where it stands once; blank lines around are free."""
    there = lines_of(content)
    wanted = _trimmed(quote.strip("\r\n").splitlines())
    if len("".join(_WORD.findall(quote))) < MIN_CHARS:
        return Mismatch(
            f"the quote shows fewer than {MIN_CHARS} letters and digits",
            "Add the line above or below it.",
        )
    if len(wanted) > MAX_LINES:
        return Mismatch(f"more than {MAX_LINES} lines are quoted", "Quote the lines that prove it.")
    places = [
        n
        for n, line in enumerate(there, 1)
        if line.strip() == wanted[0].strip()
        and _trimmed(there[n - 1 : n - 1 + len(wanted)]) == wanted
    ]
    named = _named(there, wanted, lines)
    if named is None and len(places) != 1:
        return _nowhere(content, len(there) - (there[-1] == ""), lines, wanted, places)
    first, last = named or (places[0], places[0] + len(wanted) - 1)
    text = shown(content, first, last)
    if len(text) > MAX_CHARS:
        return Mismatch(f"the quote has more than {MAX_CHARS} characters", "Quote fewer lines.")
    return Span(first, last, text)


def _named(
    there: Sequence[str], wanted: Sequence[str], lines: tuple[int, int] | None
) -> tuple[int, int] | None:
    """The lines that somebody named, where they hold the quote."""
    if lines is None or not 1 <= lines[0] <= lines[1] < lines[0] + MAX_LINES:
        return None
    held = there[lines[0] - 1 : lines[1]]
    return lines if lines[1] <= len(there) and _trimmed(held) == wanted else None


def _nowhere(
    content: bytes,
    count: int,
    lines: tuple[int, int] | None,
    wanted: Sequence[str],
    places: Sequence[int],
) -> Mismatch:
    """Why a quote that stands at no place, or at several, is refused."""
    named = "" if lines is None else f"lines {lines[0]}-{lines[1]} do not read like the quote"
    if lines is not None and (lines[0] < 1 or lines[1] < lines[0]):
        named = f"{lines[0]}-{lines[1]} is no range of lines"
    elif lines is not None and lines[1] > count:
        named = f"the file has {count} lines, not {lines[1]}"
    if places:
        stand = ", ".join(f"{first}-{first + len(wanted) - 1}" for first in places[:6])
        return Mismatch(
            named or f"the quote stands in {len(places)} places",
            f"Those lines stand at {stand}. Say which with `lines`.",
        )
    near = matches(content, "\n".join(wanted))
    if near:
        first, last = near[0]
        return Mismatch(
            (named and f"{named}: only the blanks differ, ")
            + f"those at {first}-{last} have other blanks than the quote",
            "Copy them with their indentation and inner blanks, as the file has them.",
        )
    return Mismatch(
        named or "no lines read like the quote",
        "Copy the lines from the file as it is at that commit, whole and one below the other.",
    )


def _trimmed(lines: Sequence[str]) -> list[str]:
    """Lines with their indentation relative to the least; blank ones at the ends left out."""
    return normalised("\n".join(lines).strip("\n").split("\n"))


def matches(content: bytes, text: str) -> list[tuple[int, int]]:
    """Lines (from 1) of every place where a stored quote stands, whatever its blanks.

    Lines may be split or joined, quotes changed, a last comma or a comment added: what formatters
    do. A redacted secret stands for any other secret.
    """
    if MASK not in text and _longest(text).encode() not in content:
        return []
    whole = "\n".join(lines_of(content))
    whole = redact(whole) if MASK in text else whole
    return [
        (whole.count("\n", 0, found.start("code")) + 1, whole.count("\n", 0, found.end("code")) + 1)
        for found in _loosely(text).finditer(whole)
    ]


def _longest(text: str) -> str:
    return max(_SPACE.split(re.sub(r"\W+", " ", text)), key=len)


@lru_cache(maxsize=64)
def _loosely(text: str) -> re.Pattern[str]:
    """What finds whole lines that differ from these as a formatter would make them differ."""
    found, before = "", ""
    for word in _TOKEN.findall(text):
        both = bool(before) and (before[-1] + word[0]).replace("_", "a").isalnum()
        found += r"\s+" if both else r"\s*"
        if word in {"'", '"'}:
            found += "[\"']"
        else:
            found += (r",?\s*" if word in {")", "]", "}"} else "") + re.escape(word)
        before = word
    return re.compile(
        rf"^[ \t]*(?P<code>{found.removeprefix(chr(92) + 's*')})[ \t]*[,;]?[ \t]*(?:(?:#|//).*)?$",
        re.MULTILINE,
    )


def relocate(content: bytes, text: str, near: int) -> Span | None:
    """Where a stored quote stands in a later version of the file; None when it is gone."""
    places = matches(content, text)
    if not places:
        return None
    return Span(*min(places, key=lambda place: (abs(place[0] - near), place)), text)


def occurrence(content: bytes, text: str, first: int) -> int:
    """How many equal quotes stand above this one: tells two flaws of the same text apart."""
    return sum(place < first for place, _ in matches(content, text))


def fingerprint(path: str, text: str, cwe: int, number: int) -> str:
    """An id of a flaw that survives moved lines and other indentation: 32 hexadecimal digits.

    `number` tells flaws of the same text in a file apart, see `occurrence`.
    """
    squeezed = _SPACE.sub(" ", text).strip()
    return hashlib.sha256(f"{path}\0{squeezed}\0{cwe}\0{number}".encode()).hexdigest()[:32]
