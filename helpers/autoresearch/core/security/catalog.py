"""The lists of a sweep, kept as data beside this module, and CVSS ratings.

`owasp.json` says which categories a weakness falls into; `threats.yaml` says what is asked of each
threat, by whom, and what the places look like where an attack begins or ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import yaml
from cvss import CVSS4
from cvss.exceptions import CVSS4Error

from autoresearch.core.security.ledger import Persona, PlaceKind, Severity, Stride

MAX_CWE = 1500
"""Above MITRE's highest number (CWE 4.18 ends below 1430), with room for the next editions."""
MAX_VECTOR = 300


class Category(NamedTuple):
    """One entry of an OWASP list: with the CWE numbers that map to it, or chosen by its code."""

    edition: str
    code: str
    title: str
    cwes: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """As its publisher writes it: `A05:2025 Injection`."""
        return f"{self.code}:{self.edition} {self.title}"


class Threat(NamedTuple):
    """What is asked about a threat: after "one can", by whom in turn, where it usually shows."""

    question: str
    personas: tuple[Persona, ...]
    shows_in: frozenset[PlaceKind]


class LineRule(NamedTuple):
    """A line that matches, of a file with such an ending, is a place of that kind."""

    kind: PlaceKind
    endings: frozenset[str]
    pattern: re.Pattern[str]


class Scanner(NamedTuple):
    """Another scanner: how its report is made, known and read; see `threats.yaml`."""

    marks: tuple[str, ...]
    call: str = ""
    keys: Mapping[str, str] = {}


class Rated(NamedTuple):
    """A CVSS 4.0 vector in its canonical form, and what it is worth."""

    vector: str
    score: float
    severity: Severity


def rate(vector: str) -> Rated:
    """The rating of a vector (https://www.first.org/cvss/v4.0/); ValueError says what is wrong."""
    if len(vector) > MAX_VECTOR:
        raise ValueError("it is too long")
    try:
        rated = CVSS4(vector.strip())
    except CVSS4Error as error:
        raise ValueError(str(error)) from error
    return Rated(
        rated.clean_vector(), float(rated.base_score), Severity(str(rated.severity).lower())
    )


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


@cache
def every_category() -> tuple[Category, ...]:
    """All entries of the OWASP lists."""
    listed = json.loads(_text("owasp.json"))["categories"]
    return tuple(
        Category(one["edition"], one["code"], one["title"], tuple(one.get("cwes", ())))
        for one in listed
    )


def is_code(code: str) -> bool:
    """Whether the LLM or the API list has such an entry (`LLM01`, `API3`)."""
    return any(code == one.code and not one.cwes for one in every_category())


def categories(cwes: tuple[int, ...], lists: tuple[str, ...] = ()) -> tuple[Category, ...]:
    """Every category of a finding, 2025 before 2021, each once; `lists` names chosen codes."""
    every = every_category()
    found = [
        one for year in ("2025", "2021") for cwe in cwes for one in every
        if one.edition == year and cwe in one.cwes
    ]  # fmt: skip
    found += [one for code in lists for one in every if one.code == code]
    return tuple(dict.fromkeys(found))


@cache
def _data() -> Any:  # noqa: ANN401 - a YAML file of ours
    return yaml.safe_load(_text("threats.yaml"))


@cache
def threats() -> Mapping[Stride, Threat]:
    """What is asked about each threat."""
    return {
        Stride(name): Threat(
            one["question"],
            tuple(Persona(each) for each in one["personas"]),
            frozenset(PlaceKind(each) for each in one["shows_in"]),
        )
        for name, one in _data()["threats"].items()
    }


def endings(group: str) -> frozenset[str]:
    """The endings of a group of files."""
    return frozenset(_data()["endings"][group])


@cache
def line_rules() -> tuple[LineRule, ...]:
    """How places show in lines of code."""
    return tuple(
        LineRule(PlaceKind(one["kind"]), endings(one["in"]), re.compile("|".join(one["any"])))
        for one in _data()["lines"]
    )


@cache
def name_rules() -> tuple[tuple[PlaceKind, re.Pattern[str]], ...]:
    """Which whole paths are places by themselves."""
    return tuple(
        (PlaceKind(one["kind"]), re.compile("|".join(one["any"]))) for one in _data()["names"]
    )


@cache
def scanners() -> Mapping[str, Scanner]:
    """Tool -> how it is called and read."""
    return {name: Scanner(**one) for name, one in _data()["scanners"].items()}
