"""What an agent hands in, YAML or JSON, to values: strict, and every complaint names the key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import yaml

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.scope import expression
from autoresearch.core.security.catalog import MAX_CWE, is_code
from autoresearch.core.security.ledger import Asset, Boundary, Element
from autoresearch.core.security.stride import LETTERS, ElementKind, Persona, Stride

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import Enum

T = TypeVar("T")
E = TypeVar("E", bound="Enum")

MAX_BYTES = 64 * 1024
MAX_DEPTH = 4
MAX_ITEMS = 100
MAX_TEXT = 4_000
MAX_TITLE = 120
MIN_REASON = 20
"""Characters of a reason: less than a short sentence is no reason."""

_NAME = re.compile(r"[a-z0-9][a-z0-9 ._/-]{0,59}")
_LINES = re.compile(r"\s*([0-9]{1,7})(?:\s*-\s*([0-9]{1,7}))?\s*")
_HOST = re.compile(
    r"\b[a-z][a-z0-9+.-]{0,30}://(?:[^\s/@'\"]*@)?(\[[^\]\s]{0,80}\]|[^\s/:'\"?#]*)", re.IGNORECASE
)
_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|\[::1\]|.*\{.*|.*%[sd].*|.*\$.*|")


class FormError(AutoresearchError):
    """Raised when what was handed in cannot be read; names the key."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, code="form", hint=hint)


class Claim(NamedTuple):
    """A quote as handed in, not checked yet."""

    path: str
    first: int
    last: int
    quote: str
    note: str


class CellClaim(NamedTuple):
    """What findings and examinations have in common.

    Attributes:
        lead: the scanner's lead that is answered with it, or None.
    """

    element: str
    stride: Stride
    persona: Persona
    hypothesis: str
    evidence: tuple[Claim, ...]
    lead: int | None


class ExaminedForm(NamedTuple):
    """A cell that holds."""

    cell: CellClaim
    reason: str


class FindingForm(NamedTuple):
    """A flaw."""

    cell: CellClaim
    title: str
    cwe: tuple[int, ...]
    lists: tuple[str, ...]
    vector: str
    flow: tuple[Claim, ...]
    scenario: str
    reproduction: str
    remedy: str


class ModelForm(NamedTuple):
    """A completed model."""

    elements: tuple[Element, ...]
    boundaries: tuple[Boundary, ...]
    assets: tuple[Asset, ...]


class Section:
    """A mapping of the form: every key is asked for by name, what is left over is an error."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise FormError(f"{where} is not a mapping of keys")
        self._left: dict[str, object] = dict(value)
        self.where = where

    def take(self, key: str, read: Callable[[object, str], T]) -> T:
        """The value of a key that must be there."""
        if not self.has(key):
            raise FormError(f"{self.where} lacks the key '{key}'")
        return read(self._left.pop(key), f"{self.where}, key '{key}'")

    def has(self, key: str) -> bool:
        """Whether a key is there and not null."""
        if self._left.get(key) is not None:
            return True
        self._left.pop(key, None)
        return False

    def each(self, key: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        """The items of a list that may be missing."""
        return self.take(key, lambda v, w: _each(v, w, read)) if self.has(key) else ()

    def end(self) -> None:
        """Refuse what nobody asked for."""
        if self._left:
            raise FormError(
                f"{self.where} has the unknown key '{clean_line(next(iter(self._left)), 60)}'",
                hint="`autoresearch security COMMAND --help` shows the keys.",
            )


def load(text: str, what: str) -> Section:
    """The mapping that a text holds.

    Raises:
        FormError: too large, not YAML, not a mapping, anchors, tags, nested too deeply.
    """
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise FormError(f"{what} has more than {MAX_BYTES} bytes")
    try:
        _refuse_hidden(text, what)
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise FormError(
            f"{what} is not YAML: {clean_line(str(error), 200)}",
            hint="Put code into a block (`quote: |`), and other text with `: ` in it into quotes.",
        ) from error
    return Section(value, what)


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


def read_model(text: str) -> ModelForm:
    """A model; names are unique, flows connect elements, boundaries and assets name elements."""
    form = load(text, "the model")
    elements = form.each("elements", _element)
    boundaries = form.each("boundaries", _boundary)
    assets = form.each("assets", _asset)
    form.end()
    names = [element.name for element in elements]
    if not names or len(set(names)) != len(names):
        raise FormError("the model needs elements, each with a name of its own")
    named = [(e.name, end) for e in elements for end in (e.source, e.target) if end]
    named += [(b.name, end) for b in boundaries for end in b.inside]
    named += [(a.name, end) for a in assets for end in a.where]
    for owner, end in named:
        if end not in names:
            raise FormError(f"'{owner}' names '{clean_line(end, 60)}', which is no element")
    return ModelForm(elements, boundaries, assets)


def read_examined(text: str) -> ExaminedForm:
    """An examined cell."""
    form = load(text, "the record")
    cell = _cell(form)
    reason = form.take("reason", _reason)
    form.end()
    return ExaminedForm(cell, reason)


def read_finding(text: str) -> FindingForm:
    """A finding."""
    form = load(text, "the finding")
    cell = _cell(form)
    found = FindingForm(
        cell=cell,
        title=form.take("title", lambda v, w: _text(v, w, MAX_TITLE)),
        cwe=form.take("cwe", _cwes),
        lists=tuple(dict.fromkeys(form.each("lists", _code))),
        vector=form.take("vector", _text),
        flow=form.each("flow", _claim),
        scenario=form.take("scenario", _reason),
        reproduction=form.take("reproduction", _reason),
        remedy=form.take("remedy", _reason),
    )
    form.end()
    return found


def foreign_hosts(script: str) -> tuple[str, ...]:
    """Hosts in a script's URLs that are not loopback, sorted: a proof talks to nobody else."""
    hosts = {host.lower() for host in _HOST.findall(script)}
    return tuple(sorted(host for host in hosts if not _LOOPBACK.fullmatch(host)))


def _cell(form: Section) -> CellClaim:
    return CellClaim(
        element=form.take("element", _text),
        stride=form.take("stride", _stride),
        persona=form.take("persona", lambda v, w: _member(v, w, Persona)),
        hypothesis=form.take("hypothesis", _reason),
        evidence=form.each("evidence", _claim) or _nothing(form),
        lead=form.take("lead", _number) if form.has("lead") else None,
    )


def _nothing(form: Section) -> tuple[Claim, ...]:
    raise FormError(f"{form.where} has no evidence", hint="Quote the lines that show it.")


def _claim(value: object, where: str) -> Claim:
    form = Section(value, where)
    path = form.take("file", _text)
    first, last = form.take("lines", _lines)
    quote = form.take("quote", _block)
    note = form.take("note", _text) if form.has("note") else ""
    form.end()
    return Claim(path, first, last, quote, note)


def _element(value: object, where: str) -> Element:
    form = Section(value, where)
    kind = form.take("kind", lambda v, w: _member(v, w, ElementKind))
    flows = kind is ElementKind.FLOW
    element = Element(
        name=form.take("name", _name),
        kind=kind,
        files=form.take("files", _patterns),
        description=form.take("description", _text),
        source=form.take("from", _text) if flows else "",
        target=form.take("to", _text) if flows else "",
    )
    form.end()
    return element


def _boundary(value: object, where: str) -> Boundary:
    name, inside, description = _about(value, where, "inside")
    return Boundary(name=name, inside=inside, description=description)


def _asset(value: object, where: str) -> Asset:
    name, places, description = _about(value, where, "where")
    return Asset(name=name, where=places, description=description)


def _about(value: object, where: str, key: str) -> tuple[str, tuple[str, ...], str]:
    """A name, the elements below `key`, and a description."""
    form = Section(value, where)
    found = form.take("name", _name), form.each(key, _text), form.take("description", _text)
    form.end()
    return found


# --- single values ---------------------------------------------------------------------------


def _text(value: object, where: str, most: int = MAX_TEXT) -> str:
    if not isinstance(value, str) or not value.strip():
        raise FormError(f"{where} is not text")
    if len(value) > most:
        raise FormError(f"{where} has more than {most} characters")
    return value.strip()


def _block(value: object, where: str) -> str:
    _text(value, where)
    return str(value)


def _reason(value: object, where: str) -> str:
    text = _text(value, where)
    if len(text) < MIN_REASON:
        raise FormError(f"{where} has fewer than {MIN_REASON} characters", hint="Say why.")
    return text


def _name(value: object, where: str) -> str:
    text = _text(value, where, 60)
    if not _NAME.fullmatch(text):
        raise FormError(f"{where} is no name", hint="Use a-z, 0-9, blanks and ._/- only.")
    return text


def _number(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise FormError(f"{where} is no number from 1")
    return value


def _lines(value: object, where: str) -> tuple[int, int]:
    found = _LINES.fullmatch(str(value)) if isinstance(value, (int, str)) else None
    if found is None:
        raise FormError(f"{where} is no line or range of lines", hint="Write `12` or `12-15`.")
    return int(found[1]), int(found[2] or found[1])


def _member(value: object, where: str, kind: type[E]) -> E:
    known: dict[str, Any] = {member.value: member for member in kind}
    if value not in known:
        raise FormError(f"{where} is none of: {', '.join(known)}")
    found: E = known[str(value)]
    return found


def _stride(value: object, where: str) -> Stride:
    for threat, letter in LETTERS.items():
        if value == letter:
            return threat
    return _member(value, where, Stride)


def _each(value: object, where: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise FormError(f"{where} is no list of at most {MAX_ITEMS}")
    return tuple(read(item, f"{where}, item {number}") for number, item in enumerate(value, 1))


def _cwes(value: object, where: str) -> tuple[int, ...]:
    items = value if isinstance(value, list) else [value]
    texts = [re.fullmatch(r"(?:CWE-)?([1-9][0-9]{0,3})", str(item)) for item in items]
    numbers = [int(text[1]) for text in texts if text is not None]
    if not numbers or len(numbers) != len(items) or max(numbers) > MAX_CWE:
        raise FormError(f"{where} is no list of CWE numbers", hint="Write `cwe: [89]`.")
    return tuple(dict.fromkeys(numbers))


def _code(value: object, where: str) -> str:
    code = _text(value, where)
    if not is_code(code):
        raise FormError(f"{where} is none of LLM01 … LLM10, API1 … API10")
    return code


def _patterns(value: object, where: str) -> tuple[str, ...]:
    patterns = _each(value, where, _pattern)
    if not patterns:
        raise FormError(f"{where} is empty", hint="Name the files that implement or meet it.")
    return patterns


def _pattern(value: object, where: str) -> str:
    pattern = _text(value, where)
    try:
        expression(pattern)
    except ValueError as error:
        raise FormError(f"{where}: pattern '{clean_line(pattern, 60)}' {error}") from error
    return pattern
