"""Single values of the contract: text, numbers, durations, shares, names, folders.

Numbers are read from the text as written, never through YAML's own rules, in which `1:30` is
ninety, `010` eight and `yes` a truth value.
"""

from __future__ import annotations

import math
import re
import unicodedata
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from autoresearch.core.contract.tree import Value

MAX_LINE = 400
"""Longest goal: it is repeated in every brief."""

_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_DURATION = re.compile(r"((?:0|[1-9][0-9]*)(?:\.[0-9]+)?) ?(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PERCENT = 100.0
_STRING = "tag:yaml.org,2002:str"

E = TypeVar("E", bound=Enum)


class Quantity(NamedTuple):
    """A number that is a share or carries the metric's unit.

    Attributes:
        amount: fraction when `relative`, else the metric's unit; as signed in the file.
        relative: whether it was written with a percent sign.
    """

    amount: float
    relative: bool


def text(value: Value) -> str:
    """Text without surrounding blanks.

    Raises:
        ContractError: blank, with control characters, or plain YAML of another type.
    """
    written = value.scalar("text")
    if value.node.tag != _STRING:
        kind = value.node.tag.rpartition(":")[2]
        raise value.error(f"is {value.shown}, which YAML reads as {kind}", "Put it in quotes.")
    for character in written:
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in "\t\n":
            problem = f"contains the control character U+{ord(character):04X}"
            raise value.error(problem, "Remove it.")
    if not written.strip():
        raise value.error("is blank", "Write some text, or remove the line.")
    return written.strip()


def line(value: Value) -> str:
    """Text of one line of at most 400 characters; line breaks of the file become blanks.

    Raises:
        ContractError: no text, or too long.
    """
    found = " ".join(text(value).split())
    if len(found) > MAX_LINE:
        raise value.error(f"has {len(found)} characters, more than {MAX_LINE}", "Shorten it.")
    return found


def choice(value: Value, kind: type[E]) -> E:
    """The member of an enumeration.

    Raises:
        ContractError: none of its values.
    """
    known = " or ".join(str(member.value) for member in kind)
    written = value.scalar(known)
    for member in kind:
        if member.value == written:
            return member
    raise value.error(f"is {value.shown}", f"Write {known}.")


def truth(value: Value) -> bool:
    """True or false.

    Raises:
        ContractError: any other word.
    """
    written = value.scalar("true or false")
    if written not in {"true", "false"}:
        raise value.error(f"is {value.shown}", "Write true or false.")
    return written == "true"


def number(value: Value) -> float:
    """A finite number without a unit.

    Raises:
        ContractError: anything else, `nan` and `inf` included.
    """
    return _number(value, value.scalar("a number"))


def integer(value: Value, low: int, high: int) -> int:
    """A whole number from `low` to `high`.

    Raises:
        ContractError: anything else.
    """
    hint = f"a whole number from {low} to {high}"
    written = value.scalar(hint)
    if not re.fullmatch("0|[1-9][0-9]{0,8}", written) or not low <= int(written) <= high:
        raise value.error(f"is {value.shown}", f"Write {hint}.")
    return int(written)


def duration(value: Value, high_s: float) -> float:
    """Seconds, above 0 and up to `high_s`; written as `500ms`, `120s`, `15m`, `2h` or a number.

    Raises:
        ContractError: not a duration, or out of range.
    """
    written = value.scalar("a duration such as 120s")
    match = _DURATION.fullmatch(written)
    if match is None:
        raise value.error(f"is {value.shown}, not a duration", "Write 500ms, 120s, 15m or 2h.")
    seconds = float(match[1]) * _SECONDS[match[2] or "s"]
    if not 0 < seconds <= high_s:
        hint = f"Write more than 0 and at most {high_s:.0f}s."
        raise value.error(f"is {value.shown}, out of range", hint)
    return seconds


def quantity(value: Value) -> Quantity:
    """A share (`0.5%`) or an amount in the metric's unit (`3`), with or without sign.

    Raises:
        ContractError: neither.
    """
    written = value.scalar("a number or a percentage")
    if written.endswith("%"):
        return Quantity(_number(value, written[:-1].rstrip()) / _PERCENT, relative=True)
    return Quantity(_number(value, written), relative=False)


def share(value: Value, high: float) -> float:
    """A fraction from 0 to `high`, written with a percent sign.

    Raises:
        ContractError: no percentage, or out of range.
    """
    amount, relative = quantity(value)
    if not relative or not 0 <= amount <= high:
        problem = f"is {value.shown}, not a percentage from 0% to {high:.0%}"
        raise value.error(problem, "Write it with a percent sign, such as 1%.")
    return amount


def folder(value: Value) -> str:
    """A folder below the repository's root, without `./` and trailing slash.

    Raises:
        ContractError: absolute, leading upwards, inside `.git`, the root itself or a pattern.
    """
    written = text(value)
    parts = [part for part in written.split("/") if part not in {"", "."}]
    if any(character in "*?[]{}\\\n" for character in written):
        raise value.error(
            f"contains {value.shown}, which is a pattern",
            "List each folder by its name, without patterns.",
        )
    if written.startswith(("/", "~")) or ".." in parts:
        problem = f"contains {value.shown}, which may lie outside the repository"
        raise value.error(problem, "Write a path below the root of the repository.")
    if not parts or any(part.casefold() == ".git" for part in parts):
        problem = f"contains {value.shown}, which is the repository itself"
        raise value.error(problem, "Name a folder of dependencies or build outputs.")
    return "/".join(parts)


def _number(value: Value, written: str) -> float:
    if not _NUMBER.fullmatch(written) or not math.isfinite(float(written)):
        raise value.error(f"is {value.shown}, not a number", "Write a decimal number such as 0.5.")
    return float(written)
