"""What an agent hands in, YAML or JSON, to values: strict, and every complaint names the key."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

import yaml
from msgspec import Meta, Struct, structs

from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.scope import expression
from autoresearch.core.security.catalog import MAX_CWE, checks, is_code
from autoresearch.core.security.ledger import LETTERS, ElementKind, Opinion, Persona, Stride

F = TypeVar("F", bound=Struct)

MAX_BYTES = 64 * 1024
MAX_DEPTH = 4
MAX_ITEMS = 100
MIN_REASON = 20
"""Characters of a reason: less than a short sentence is no reason."""

Text = Annotated[str, Meta(min_length=1, max_length=4_000)]
Reason = Annotated[str, Meta(min_length=MIN_REASON, max_length=4_000)]
Block = Annotated[str, Meta(pattern=r"\S", max_length=4_000)]
Title = Annotated[str, Meta(min_length=1, max_length=120)]
Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9 ._/'()+:-]{0,59}\Z")]
Number = Annotated[int, Meta(ge=1)]
Cwe = Annotated[int, Meta(ge=1, le=MAX_CWE)]
Some = Meta(min_length=1, max_length=MAX_ITEMS)
Few = Meta(max_length=MAX_ITEMS)

_REMEDIES = {
    "evidence": "Quote the lines that show it.",
    "cwe": "Write `cwe: [89]`.",
    "files": "Name the files that implement or meet it.",
    "name": "Use letters, digits, blanks and ._/'()+:- only.",
    "title": "Say it in at most 120 characters.",
    "lists": "Use LLM01 … LLM10, API1 … API10.",
    **dict.fromkeys(
        ("reason", "hypothesis", "scenario", "reproduction", "remedy"),
        f"Say why, in a sentence of {MIN_REASON} characters at least.",
    ),
}
"""Key -> what to do about a value that does not fit."""

_LINES = re.compile(r"([0-9]{1,7})(?:\s*-\s*([0-9]{1,7}))?")
_CWE = re.compile(r"(?:CWE-)?([1-9][0-9]{0,3})")
_HOST = re.compile(
    r"\b[a-z][a-z0-9+.-]{0,30}://(?:[^\s/@'\"]*@)?(\[[^\]\s]{0,80}\]|[^\s/:'\"?#]*)", re.IGNORECASE
)
_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|\[::1\]|.*\{.*|.*%[sd].*|.*\$.*|")


class FormError(AutoresearchError):
    """Raised when what was handed in cannot be read; names the key."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, code="form", hint=hint)


class HandedIn(Struct, frozen=True, forbid_unknown_fields=True):
    """What an agent hands in, or a part of it."""


class Claim(HandedIn, frozen=True, kw_only=True):
    """A quote as handed in, not checked yet; `lines` is `12` or `12-15`, or left to be found."""

    file: Text
    lines: int | str | None = None
    quote: Block
    note: Text | None = None

    def __post_init__(self) -> None:
        """Refuse what is no range of lines."""
        if self.lines is not None and not _LINES.fullmatch(str(self.lines).strip()):
            raise ValueError("lines is no line or range of lines, such as `12` or `12-15`")

    @property
    def span(self) -> tuple[int, int] | None:
        """The first and the last line, where they are named."""
        if self.lines is None:
            return None
        first, last = _LINES.findall(str(self.lines))[0]
        return int(first), int(last or first)


class CellForm(HandedIn, frozen=True, kw_only=True):
    """What findings and examinations have in common.

    Attributes:
        lead: the scanner's lead that is answered with it, or None.
        check: the id of the check that is answered with it; empty for none.
    """

    element: Text
    stride: Stride
    persona: Persona
    hypothesis: Reason
    evidence: Annotated[tuple[Claim, ...], Some]
    lead: Number | None = None
    check: str = ""

    def __post_init__(self) -> None:
        """Refuse a check that nobody asked."""
        if self.check and self.check not in checks():
            raise ValueError(f"check names '{clean_line(self.check, 40)}', which `next` never asks")


class ExaminedForm(CellForm, frozen=True, kw_only=True):
    """A cell that holds."""

    reason: Reason


class FindingForm(CellForm, frozen=True, kw_only=True):
    """A flaw."""

    title: Title
    cwe: Annotated[tuple[Cwe, ...], Some]
    lists: Annotated[tuple[Text, ...], Few] = ()
    vector: Text
    flow: Annotated[tuple[Claim, ...], Few] = ()
    scenario: Reason
    reproduction: Reason
    remedy: Reason

    def __post_init__(self) -> None:
        """Refuse codes that neither list has."""
        super().__post_init__()
        if not all(map(is_code, self.lists)):
            raise ValueError("lists holds something else than LLM01 … LLM10, API1 … API10")


class ReviewForm(HandedIn, frozen=True, kw_only=True):
    """What a second mind says of a finding."""

    verdict: Opinion
    reason: Reason
    evidence: Annotated[tuple[Claim, ...], Some]


class ElementForm(HandedIn, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    """An element; a flow has two ends."""

    name: Name
    kind: ElementKind
    files: Annotated[tuple[Text, ...], Some]
    description: Text
    source: str = ""
    target: str = ""

    def __post_init__(self) -> None:
        """Refuse patterns that are none, a flow without ends, and ends of anything else."""
        for pattern in self.files:
            _require_pattern(pattern)
        flows = self.kind is ElementKind.FLOW
        if (bool(self.source), bool(self.target)) != (flows, flows):
            raise ValueError("every flow has the keys 'from' and 'to', and nothing else has them")


def _require_pattern(pattern: str) -> None:
    try:
        expression(pattern)
    except ValueError as error:
        raise ValueError(f"pattern '{clean_line(pattern, 60)}' {error}") from error


class BoundaryForm(HandedIn, frozen=True, kw_only=True):
    """A line across which trust changes."""

    name: Name
    inside: Annotated[tuple[Text, ...], Few] = ()
    description: Text


class AssetForm(HandedIn, frozen=True, kw_only=True):
    """What an attacker is after."""

    name: Name
    where: Annotated[tuple[Text, ...], Few] = ()
    description: Text


class ModelForm(HandedIn, frozen=True, kw_only=True):
    """A completed model."""

    elements: Annotated[tuple[ElementForm, ...], Some]
    boundaries: Annotated[tuple[BoundaryForm, ...], Few] = ()
    assets: Annotated[tuple[AssetForm, ...], Few] = ()


def read_model(text: str) -> ModelForm:
    """A model; names are unique, flows connect elements, boundaries and assets name elements."""
    form = _converted(_load(text, "the model"), ModelForm, "the model")
    names = [element.name for element in form.elements]
    if len(set(names)) != len(names):
        raise FormError("every element of the model needs a name of its own")
    named = [(e.name, end) for e in form.elements for end in (e.source, e.target) if end]
    named += [(b.name, end) for b in form.boundaries for end in b.inside]
    named += [(a.name, end) for a in form.assets for end in a.where]
    for owner, end in named:
        if end not in names:
            raise FormError(f"'{owner}' names '{clean_line(end, 60)}', which is no element")
    return form


def read_examined(text: str) -> ExaminedForm:
    """An examined cell."""
    return _converted(_spelled_out(_load(text, "the record")), ExaminedForm, "the record")


def read_review(text: str) -> ReviewForm:
    """A review of a finding."""
    return _converted(_load(text, "the review"), ReviewForm, "the review")


def read_finding(text: str) -> FindingForm:
    """A finding; weaknesses and codes that are named twice count once."""
    value = _spelled_out(_load(text, "the finding"))
    if value.get("cwe") is not None:
        cwe = value["cwe"]
        value["cwe"] = list(dict.fromkeys(map(_number, cwe if isinstance(cwe, list) else [cwe])))
    form = _converted(value, FindingForm, "the finding")
    return structs.replace(form, lists=tuple(dict.fromkeys(form.lists)))


def foreign_hosts(script: str) -> tuple[str, ...]:
    """Hosts in a script's URLs that are not loopback, sorted: a proof talks to nobody else."""
    hosts = {host.lower() for host in _HOST.findall(script)}
    return tuple(sorted(host for host in hosts if not _LOOPBACK.fullmatch(host)))


def _load(text: str, what: str) -> dict[Any, Any]:
    """The mapping that a text holds: plain, of bounded size and depth."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise FormError(f"{what} has more than {MAX_BYTES} bytes")
    try:
        _refuse_hidden(text, what)
        value = _tidied(yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise FormError(
            f"{what} is not YAML: {clean_line(str(error), 200)}",
            hint="Put code into a block: `quote: |`, or `quote: |2` and two more blanks before "
            "each line where the first is indented deeper than a later one. Put other text with "
            "`: ` in it into quotes.",
        ) from error
    if not isinstance(value, dict):
        raise FormError(f"{what} is not a mapping of keys")
    return value


def _refuse_hidden(text: str, what: str) -> None:
    """Look at the events before anything recurses over them or expands."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or any(getattr(event, odd, None) for odd in ("anchor", "tag")):
            raise FormError(
                f"{what} has anchors, tags or more than {MAX_DEPTH} levels",
                hint="Write every value out, as the example of --help does.",
            )


def _tidied(value: Any, key: object = "") -> Any:  # noqa: ANN401 - any YAML
    """Texts but quotes without blanks around them; a key that is null is not there."""
    if isinstance(value, dict):
        return {name: _tidied(v, name) for name, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_tidied(item) for item in value]
    return value.strip() if isinstance(value, str) and key != "quote" else value


def _spelled_out(value: dict[Any, Any]) -> dict[Any, Any]:
    """A cell whose threat may be named by its letter."""
    threats = [threat.value for threat, letter in LETTERS.items() if letter == value.get("stride")]
    return {**value, "stride": threats[0]} if threats else value


def _number(cwe: object) -> int | str:
    """`CWE-89` as 89; what is none stays text, for the complaint."""
    found = _CWE.fullmatch(str(cwe))
    return int(found[1]) if found else str(cwe)


def _converted(value: object, kind: type[F], what: str) -> F:
    try:
        return wire.convert(value, kind)
    except wire.MismatchError as error:
        hint = "`autoresearch security COMMAND --help` shows the keys."
        if not error.unknown:
            keys = [error.missing, *(key for key in reversed(error.path) if isinstance(key, str))]
            hint = next((_REMEDIES[key] for key in keys if key in _REMEDIES), hint)
        where = f", {error}" if error.path else f" {error}"
        raise FormError(f"{what}{where}", hint=hint) from error
