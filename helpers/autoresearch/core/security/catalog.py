"""The lists of a sweep, kept as data in `share/security/`, and CVSS ratings.

`owasp.json` says which categories a weakness falls into; `threats.yaml` what is asked of each
threat, by whom, and what the places look like where an attack begins or ends; `hypotheses.yaml`
what is asked of each kind of code, what shows nothing, and the words of `--focus` and `--depth`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
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
    fits: tuple[str, ...] = ()


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
    folder = resources.files("autoresearch.share").joinpath("security")
    return folder.joinpath(name).read_text("utf-8")


@cache
def lock_rules() -> tuple[tuple[re.Pattern[str], str, re.Pattern[str]], ...]:
    """Which files pin versions: their name, their packages' ecosystem, how a package reads."""
    return tuple(
        (re.compile(one["file"]), one["ecosystem"], re.compile(one["pattern"], re.MULTILINE))
        for one in yaml.safe_load(_text("lockfiles.yaml"))
    )


class Weakness(NamedTuple):
    """A weakness by its CWE number."""

    number: int
    name: str
    remedy: str

    @property
    def page(self) -> str:
        """Its page at MITRE."""
        return f"https://cwe.mitre.org/data/definitions/{self.number}.html"


@cache
def _weaknesses() -> Any:  # noqa: ANN401 - a YAML file of ours
    return yaml.safe_load(_text("weaknesses.yaml"))


def weakness(number: int) -> Weakness:
    """What is known of a weakness; of those that are not in our list only the page."""
    unknown = ("Weakness of that number", "See its page at cwe.mitre.org.")
    return Weakness(number, *_weaknesses().get(number, unknown))


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


class Check(NamedTuple):
    """What is asked of a kind of code: after "one can show that", the weaknesses it would be."""

    id: str
    kind: str
    stride: Stride
    cwe: tuple[int, ...]
    ask: str


class Focus(NamedTuple):
    """What a sweep looks at first."""

    strides: frozenset[Stride]
    kinds: frozenset[str]


class Depth(NamedTuple):
    """How many checks a cell is shown with, and how many records a cell gets."""

    checks: int
    per_cell: float


@cache
def _asked() -> Any:  # noqa: ANN401 - a YAML file of ours
    return yaml.safe_load(_text("hypotheses.yaml"))


@cache
def checks() -> Mapping[str, Check]:
    """What is asked of each kind of code, by id."""
    return {
        one["id"]: Check(**{**one, "stride": Stride(one["stride"]), "cwe": tuple(one["cwe"])})
        for one in _asked()["checks"]
    }


def kinds_of(places: Iterable[PlaceKind]) -> tuple[str, ...]:
    """The kinds of code that places show, what shows most first; that a file is long, last."""
    seen = [place.value for place in places]
    shown = {kind: sum(map(seen.count, of)) for kind, of in _asked()["kinds"].items()}
    return tuple(
        sorted(
            (kind for kind in shown if shown[kind]), key=lambda kind: (kind == "long", -shown[kind])
        )
    )


@cache
def focuses() -> Mapping[str, Focus]:
    """The words of `--focus`."""
    return {
        word: Focus(frozenset(map(Stride, one["strides"])), frozenset(one["kinds"]))
        for word, one in _asked()["focus"].items()
    }


@cache
def depths() -> Mapping[str, Depth]:
    """The words of `--depth`."""
    return {word: Depth(**one) for word, one in _asked()["depth"].items()}


@cache
def _whole(name: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in _asked()[name]))


def is_idle(line: str) -> bool:
    """Whether a line shows nothing by itself: blank, a bracket, a comment, an import."""
    return _whole("idle").fullmatch(line) is not None


def is_test(path: str) -> bool:
    """Whether a file is a test, and no part of the system."""
    return _whole("tests").fullmatch(path) is not None


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
    """The endings of a group of files; none of what is no group."""
    return frozenset(_data()["endings"].get(group, ()))


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
