"""Secrets in quoted code: replaced before anything is stored, by rules that give the same again.

What is stored can then be compared with the file later: both sides go through `redact`.
"""

from __future__ import annotations

import re

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
    r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",  # JWT
)
_SHAPE = re.compile("|".join(_SHAPES))

_IN_URL = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:)(?P<secret>[^\s/@'\"]+)(?=@)")

_WORDS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"signing[_-]?key|encryption[_-]?key|credential|pepper|salt"
)
_NAME = rf"(?<![A-Za-z0-9_.-])[A-Za-z0-9_.-]{{0,40}}?(?:{_WORDS})[A-Za-z0-9_.-]{{0,40}}"

_QUOTED = re.compile(
    rf"(?P<head>(?:{_NAME})[\"']?\]?\s*(?::[^=\n\"']*)?(?:=>|[=:]=?)\s*[rbfu]{{0,2}}[\"'])"
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
