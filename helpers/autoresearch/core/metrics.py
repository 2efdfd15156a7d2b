"""Reads the metric from what verify printed, and nothing that only looks like one.

A value is taken when exactly one reading of the output is possible. Everything else is a
MetricError, never a guess: the program measured may print whatever it likes beside the evaluator.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from autoresearch.core.errors import MetricError
from autoresearch.core.formatting import clean_line

MAX_DIGITS = 30
"""Most digits of a number, exponent included; a double needs 17 + 3."""

_SHOWN_CHARS = 80

# `5.` is refused: it may be the head of a number that was cut.
_NUMBER = r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{1,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,4})?"
_LONE_NUMBER = re.compile(_NUMBER.encode())
_NUMBER_TEXT = re.compile(_NUMBER)
_CHECKSUM = re.compile(
    rb"^CHECKSUM ([A-Za-z_][A-Za-z0-9_.]{0,39})=([A-Za-z0-9+/=_.:-]{1,200})$", re.MULTILINE
)
_EXPONENT = re.compile(r"[eE][+-]?[0-9]")
_UNIT = re.compile(r"[ \t\u00a0\u202f]{0,2}(%|[A-Za-zµμ]+(?:/[A-Za-z]+)?)(?![A-Za-z0-9_])")
_UNIT_WORDS = (
    "% h hr hrs hours m min mins minutes s sec secs second seconds ms msec us usec ns nsec ps fs "
    "b bit bits kbit Mbit Gbit B byte bytes kB KB MB GB TB KiB MiB GiB TiB k K M G T n u "
    "Hz kHz MHz GHz J mJ kJ W mW kW ops op req rps qps fps FLOPS GFLOPS it"
)
_UNITS = frozenset(_UNIT_WORDS.split())
"""What a number can be followed by that changes what it means; other words are prose."""

_NAME_CHARS = rb"[A-Za-z0-9_.\-]"


class Reading(NamedTuple):
    """What one sample's output says.

    Attributes:
        value: the primary metric, in its own unit; finite.
        secondary: (name, value), in the order asked for.
    """

    value: float
    secondary: tuple[tuple[str, float], ...]


def read_metrics(
    stdout: bytes,
    *,
    truncated: bool,
    primary: str,
    pattern: str | None,
    secondary: Sequence[tuple[str, str | None]],
) -> Reading:
    """The primary and the secondary metrics in the output of verify.

    A metric with a pattern is what the pattern's group matches, at exactly one place. One without
    is the line `METRIC <name>=<number>`, present exactly once and mentioned nowhere else. The
    primary may also be a lone number, where the output holds no METRIC and nothing else at all.

    Args:
        stdout: standard output of verify, in any encoding; standard error is never read.
        truncated: whether part of it was lost, in which case it may have held a second reading.
        primary: name of the primary metric; any characters.
        pattern: regular expression with one group, applied to the output as UTF-8 text with
            MULTILINE set; None for the METRIC line.
        secondary: (name, pattern) of each secondary metric.

    Raises:
        MetricError: none, several, a malformed or an unusable value; says what was found.
    """
    _refuse_truncated(stdout, truncated=truncated)
    value = _read_one(stdout, primary, pattern, lone=True)
    return Reading(value, _read_each(stdout, secondary))


def read_secondary(
    stdout: bytes, *, truncated: bool, secondary: Sequence[tuple[str, str | None]]
) -> tuple[tuple[str, float], ...]:
    """The secondary metrics alone, for a primary that the helper measures itself (CPU, wall)."""
    if not secondary:
        return ()
    _refuse_truncated(stdout, truncated=truncated)
    return _read_each(stdout, secondary)


def read_checksums(stdout: bytes) -> tuple[tuple[str, str], ...]:
    """The lines `CHECKSUM <name>=<value>` of an output, by name; of a doubled name all values.

    Other lines that mention CHECKSUM are none: whoever spoils its line has another one than before.
    """
    found: dict[str, list[str]] = {}
    for name, value in _CHECKSUM.findall(stdout):
        found.setdefault(name.decode("ascii"), []).append(value.decode("ascii"))
    return tuple((name, " ".join(values)) for name, values in sorted(found.items()))


def read_units(
    stdout: bytes, measured: Sequence[tuple[str, str | None]]
) -> tuple[tuple[str, str], ...]:
    """The unit behind what each pattern finds, by name; empty for none that is known.

    Benchmarks choose units by size: what grows from 940 us to 1.4 ms is not 1.4 us.
    """
    text = stdout.decode("utf-8", "replace")
    found = []
    for name, pattern in measured:
        match = re.compile(pattern, re.MULTILINE).search(text) if pattern is not None else None
        if match is not None:
            found.append((name, _unit_at(text, match.end(1))))
    return tuple(found)


def _unit_at(text: str, place: int) -> str:
    found = _UNIT.match(text, place)
    unit = "" if found is None else found[1].replace("µ", "u").replace("μ", "u")
    return unit if unit.partition("/")[0] in _UNITS else ""


def require_units(units: Sequence[tuple[str, str]], known: dict[str, str]) -> None:
    """Make sure that metrics stand in the units they stood in before; new ones are remembered.

    Raises:
        MetricError: one stands in another unit, so that its number is of another size.
    """
    for name, unit in units:
        before = known.setdefault(name, unit)
        if unit != before:
            raise MetricError(
                f"{name} stands in {unit or 'no unit'}, and stood in {before or 'no unit'} before",
                hint="Let verify print it in one unit always, whatever its size.",
            )


def _read_each(
    stdout: bytes, wanted: Sequence[tuple[str, str | None]]
) -> tuple[tuple[str, float], ...]:
    return tuple((name, _read_one(stdout, name, pattern, lone=False)) for name, pattern in wanted)


def _refuse_truncated(stdout: bytes, *, truncated: bool) -> None:
    if truncated:
        raise MetricError(
            f"verify printed more than the {len(stdout)} bytes that are read",
            hint=(
                "Let verify print less to stdout: for example, send its log to stderr or to a file."
            ),
        )


def _read_one(stdout: bytes, name: str, pattern: str | None, *, lone: bool) -> float:
    if pattern is not None:
        return _read_pattern(stdout, name, pattern)
    if lone and b"METRIC" not in stdout:
        return _read_lone(stdout, name)
    return _read_line(stdout, name)


def _read_line(stdout: bytes, name: str) -> float:
    """The value of the one METRIC line of `name`; every other mention of it is refused.

    A mention is METRIC, then anything but letters and digits, then the whole name, at any place
    of a line: so it also finds what other programs take for a line (CR, U+2028, leading spaces).
    """
    quoted = re.escape(name.encode("utf-8", "surrogateescape"))
    mention = re.compile(rb"METRIC[^A-Za-z0-9_\n]+" + quoted + rb"(?!" + _NAME_CHARS + rb")")
    places = [found.start() for found in mention.finditer(stdout)]
    if not places:
        raise MetricError(f"stdout has no line METRIC {name}=…", hint=_remedy(name))
    if len(places) > 1:
        raise MetricError(
            f"stdout mentions METRIC {name} {len(places)} times: "
            f"{_line_at(stdout, places[0])} and {_line_at(stdout, places[1])}",
            hint=_remedy(name),
            plain=f"stdout mentions METRIC {name} {len(places)} times",
        )
    exact = re.compile(rb"^METRIC " + quoted + rb"=(" + _LONE_NUMBER.pattern + rb")$", re.MULTILINE)
    line = exact.search(stdout)
    if line is None:
        raise MetricError(
            f"stdout has a malformed METRIC line: {_line_at(stdout, places[0])}",
            hint=_remedy(name) + _without_controls(stdout, places[0]),
            plain="stdout has a malformed METRIC line",
        )
    return _number(line[1].decode("ascii"), name)


def _read_lone(stdout: bytes, name: str) -> float:
    content = stdout.strip(b" \t\r\n")
    if _LONE_NUMBER.fullmatch(content) is None:
        found = _shown(content[: 4 * _SHOWN_CHARS]) if content else "nothing"
        raise MetricError(
            f"stdout has neither a METRIC line nor a single number, but {found}",
            hint=_remedy(name),
            plain="stdout has neither a METRIC line nor a single number",
        )
    return _number(content.decode("ascii"), name)


def _read_pattern(stdout: bytes, name: str, pattern: str) -> float:
    compiled = re.compile(pattern, re.MULTILINE)
    matches = list(compiled.finditer(stdout.decode("utf-8", "replace")))
    hint = f"The pattern of {name} must match the output of verify at exactly one place."
    if len(matches) != 1:
        shown = " and ".join(_shown(match[0]) for match in matches[:2])
        plain = f"the pattern of {name} matches {len(matches)} times"
        raise MetricError(plain + (f": {shown}" if shown else ""), hint=hint, plain=plain)
    found = matches[0][1] or ""
    if _NUMBER_TEXT.fullmatch(found) is None:
        raise MetricError(
            f"the pattern of {name} matches {_shown(found)}, which is not a decimal number",
            hint=hint,
            plain=f"the match of the pattern of {name} is not a decimal number",
        )
    if _EXPONENT.match(matches[0].string, matches[0].end(1)):
        raise MetricError(f"the pattern of {name} leaves out the exponent of the number", hint=hint)
    return _number(found, name)


def _number(text: str, name: str) -> float:
    """The double nearest to a well-formed decimal, unless it is too long, large or small."""
    mantissa = re.split("[eE]", text)[0]
    value = float(text)
    if sum(char.isdigit() for char in text) > MAX_DIGITS:
        reason = f"has more than {MAX_DIGITS} digits"
    elif not math.isfinite(value):
        reason = "is too large for a double"
    elif value == 0.0 and mantissa.strip("+-0."):
        reason = "is too small for a double"
    else:
        return value + 0.0  # -0.0 becomes 0.0: one zero, one tie
    raise MetricError(
        f"the value of {name}, {clean_line(text, _SHOWN_CHARS)}, {reason}", hint=_remedy(name)
    )


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NAMED_CONTROLS = {"\r": "\\r", "\x1b": "\\x1b", "\0": "\\0"}


def _without_controls(stdout: bytes, place: int) -> str:
    """What to do about bytes that a terminal does not show; empty where there are none."""
    line = stdout[stdout.rfind(b"\n", 0, place) + 1 :].split(b"\n", 1)[0]
    if b"\x1b" in line:
        return (
            " Here colours stand around it (\\x1b): switch them off, mostly by "
            "`env: {NO_COLOR: '1'}`."
        )
    if b"\r" in line:
        return " Here it holds a carriage return (\\r): run `docker` without `-t`, or print none."
    return ""


def _line_at(stdout: bytes, place: int) -> str:
    start = stdout.rfind(b"\n", 0, place) + 1
    # A mention far into its line is shown from shortly before it, or the cut would hide it.
    start = max(start, place - _SHOWN_CHARS // 4)
    end = stdout.find(b"\n", place)
    end = len(stdout) if end < 0 else end
    shown = stdout[start : min(end, start + 4 * _SHOWN_CHARS)].decode("utf-8", "replace")
    return _shown(
        _CONTROL.sub(lambda at: _NAMED_CONTROLS.get(at[0], f"\\x{ord(at[0]):02x}"), shown)
    )


def _shown(found: str | bytes) -> str:
    return f"`{clean_line(found, _SHOWN_CHARS)}`"


def _remedy(name: str) -> str:
    return (
        f"verify must print `METRIC {clean_line(name)}=<decimal number>` on a line of its own, "
        "exactly once, on stdout."
    )
