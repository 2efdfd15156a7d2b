"""The metric and its secondaries, from their sections of the contract."""

from __future__ import annotations

import re
import warnings

from autoresearch.core.contract.scalars import choice, number, quantity, text, truth
from autoresearch.core.contract.tree import Section, Value, section
from autoresearch.core.contract.values import Metric, Secondary
from autoresearch.core.model import Direction, Source

MAX_UNIT = 16
MAX_PATTERN = 200

_SHARED_KEYS = ("name", "unit", "direction", "source", "pattern")


def read(value: Value) -> Metric:
    """The metric.

    Raises:
        ContractError: a term is missing, malformed or contradicts another.
    """
    entries = section(value, (*_SHARED_KEYS, "target", "min_effect", "deterministic"))
    source = _source(entries)
    deterministic = entries.optional("deterministic", truth, None)
    if deterministic and source is not Source.OUTPUT:
        problem = f"is true, but {source.value} time never repeats exactly"
        raise entries.entries["deterministic"].error(problem, "Remove it.")
    min_effect, relative = entries.optional("min_effect", _min_effect, (0.0, True))
    return Metric(
        name=entries.required("name", _name),
        unit=_unit(entries, source),
        direction=entries.required("direction", _direction),
        source=source,
        target=entries.optional("target", number, None),
        min_effect=min_effect,
        min_effect_relative=relative,
        deterministic=deterministic,
        pattern=_pattern_of(entries, source),
    )


def read_secondary(value: Value) -> Secondary:
    """A secondary metric.

    Raises:
        ContractError: a term is missing, malformed or contradicts another.
    """
    entries = section(value, (*_SHARED_KEYS, "limit"))
    source = _source(entries)
    direction = entries.required("direction", _direction)
    limit, relative = entries.optional("limit", lambda at: _limit(at, direction), (None, True))
    return Secondary(
        name=entries.required("name", _name),
        unit=_unit(entries, source),
        direction=direction,
        source=source,
        limit=limit,
        limit_relative=relative,
        pattern=_pattern_of(entries, source),
    )


def _direction(value: Value) -> Direction:
    return choice(value, Direction)


def _source(entries: Section) -> Source:
    return entries.optional("source", lambda value: choice(value, Source), Source.OUTPUT)


def _name(value: Value) -> str:
    name = text(value)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]{0,39}", name):
        hint = "Use at most 40 ASCII letters, digits, dots and underscores, such as parse_ms."
        raise value.error(f"is {value.shown}, which is not a valid name of a metric", hint)
    return name


def _unit(entries: Section, source: Source) -> str:
    """The unit; what the helper measures itself comes in seconds."""
    if source is Source.OUTPUT:
        return entries.optional("unit", _unit_text, "")
    if entries.optional("unit", _unit_text, "s") != "s":
        value = entries.entries["unit"]
        problem = f"is {value.shown}, but {source.value} time is measured in seconds"
        raise value.error(problem, "Write s, or remove the unit.")
    return "s"


def _unit_text(value: Value) -> str:
    unit = text(value)
    if len(unit) > MAX_UNIT or not unit.isprintable():
        raise value.error(f"is {value.shown}", f"Write at most {MAX_UNIT} characters, such as ms.")
    return unit


def _pattern_of(entries: Section, source: Source) -> str | None:
    if "pattern" in entries.entries and source is not Source.OUTPUT:
        problem = f"is set, but {source.value} time is not read from the output"
        raise entries.entries["pattern"].error(problem, "Remove it.")
    return entries.optional("pattern", _pattern, None)


def _pattern(value: Value) -> str:
    pattern = text(value)
    if len(pattern) > MAX_PATTERN:
        problem = f"has {len(pattern)} characters, more than {MAX_PATTERN}"
        raise value.error(problem, "Shorten it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python will read in another way tomorrow
            groups = re.compile(pattern).groups
    except (re.error, OverflowError, RecursionError, FutureWarning, DeprecationWarning) as error:
        problem = f"is {value.shown}, which is not a regular expression: {error}"
        raise value.error(problem, "Write it for Python's `re`, in single quotes.") from error
    if groups != 1:
        problem = f"is {value.shown}, with {groups} groups"
        hint = "Put exactly one pair of parentheses, around the number; `(?:...)` does not count."
        raise value.error(problem, hint)
    return pattern


def _min_effect(value: Value) -> tuple[float, bool]:
    amount, relative = quantity(value)
    if amount < 0 or (relative and amount >= 1):
        problem = f"is {value.shown}, out of range"
        raise value.error(problem, "Write 0% to below 100%, or an amount >= 0 in the unit.")
    return amount, relative or amount == 0


def _limit(value: Value, direction: Direction) -> tuple[float, bool]:
    """The magnitude of the loss that is allowed; a sign must point to the worse side."""
    amount, relative = quantity(value)
    worse = "+" if direction is Direction.LOWER else "-"
    written = value.scalar("a limit")
    magnitude = written.lstrip("+-")
    if written != magnitude and not written.startswith(worse):
        problem = f"is {value.shown}, which is a gain where {direction.value} is better"
        raise value.error(problem, f"Write {worse}{magnitude}: how much worse it may become.")
    return abs(amount), relative
