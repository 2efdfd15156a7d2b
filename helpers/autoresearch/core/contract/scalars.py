"""Single values of the contract: how each kind is written, read, shown and asked for.

Numbers are read from the text as written, never through YAML's own rules, in which `1:30` is
ninety, `010` eight and `yes` a truth value.
"""

from __future__ import annotations

import math
import re
import unicodedata
import warnings
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

import yaml
from yaml.reader import ReaderError

from autoresearch.core.errors import ContractError
from autoresearch.core.inscope import is_never_in_scope
from autoresearch.core.scope import expression

MAX_BYTES = 64 * 1024
MAX_DEPTH = 3
"""A mapping in a list in the file; PyYAML composes by recursion."""

_SHOWN = 60


def compose(text: str, file: str) -> yaml.Node:
    """The root of the document; no anchors, aliases or tags, and nothing nested too deeply."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"the contract has {size} bytes, more than {MAX_BYTES}"
        raise failure(file, 1, message, "Move long commands into scripts in the repository.")
    try:
        loader = yaml.SafeLoader(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise failure(file, line, message, "Remove it.") from error
    try:
        _refuse_hidden(loader, file)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file) from error
    except (ValueError, OverflowError) as error:
        # PyYAML 6.0 hands escapes such as "\UFFFFFFFF" and long %YAML versions to chr() and int().
        message = f"not valid YAML: {quoted(str(error))}"
        raise failure(file, loader.line + 1, message, "Remove the escape or directive.") from error
    if node is None:
        remedy = "Write at least session, goal, metric, verify and scope."
        raise failure(file, 1, "the contract is empty", remedy)
    return node


def quoted(text: str) -> str:
    """Text of the file for a message: control characters escaped, cut at 60 characters."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def failure(file: str, line: int, message: str, hint: str) -> ContractError:
    """An error of the contract; every one is made here, so that every one names its file."""
    return ContractError(f"{message} (in {file})", line=line, hint=hint)


def _refuse_hidden(loader: yaml.SafeLoader, file: str) -> None:
    """Look at the events before anything recurses over them or expands."""
    depth = documents = 0
    while loader.check_event():
        event = loader.get_event()  # type: ignore[no-untyped-call]  # the stubs lack it
        line = event.start_mark.line + 1
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if getattr(event, "anchor", None) is not None:
            message = f"YAML anchor or alias {quoted(event.anchor)}"
            raise failure(file, line, message, "Write out the value where it is used.")
        if getattr(event, "tag", None) is not None:
            raise failure(file, line, f"YAML tag {quoted(event.tag)}", "Remove the tag.")
        if depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} deep"
            raise failure(file, line, message, "See docs/contract.md for the shape.")
        if documents > 1:
            raise failure(file, line, "a second YAML document starts", "Keep one document.")


def _syntax_error(error: yaml.MarkedYAMLError, file: str) -> ContractError:
    """PyYAML's complaint with our line, and the remedy for the usual causes."""
    problem = str(error.problem)
    hint = (
        "Quote values that contain `: ` or ` #`, or that start with one of `*&!%@[{` or a backtick."
    )
    if "'\\t'" in problem:
        hint = "Indent with spaces, not tabs."
    line = 1 if error.problem_mark is None else error.problem_mark.line + 1
    return failure(file, line, f"not valid YAML: {problem[:200]}", hint)


_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,12}")
_DURATION = re.compile(r"((?:0|[1-9][0-9]*)(?:\.[0-9]+)?) ?(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


class RefusedValueError(ValueError):
    """Raised when a text is of the right kind, but cannot be taken; tells why, and the remedy."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


class Quantity(NamedTuple):
    """A number that is a share or carries the metric's unit.

    Attributes:
        amount: fraction when `relative`, else the metric's unit; as signed in the file.
        relative: whether it was written with a percent sign.
    """

    amount: float
    relative: bool


class Notation(NamedTuple):
    """One way to write a value.

    Attributes:
        form: in docs/contract.md.
        wanted: in `… is 'x', not …`.
        remedy: the sentence that helps who wrote something else.
        read: the text to a value; a text that it cannot read comes back as it is.
        show: the value in the file's notation.
        is_text: whether YAML must take it for text too.
    """

    form: str
    wanted: str
    remedy: str
    read: Callable[[str], object]
    show: Callable[[Any], str] = str
    is_text: bool = False


def digits(value: float) -> str:
    """All digits that tell the number from its neighbours."""
    return f"{value!r}".removesuffix(".0")


def percentage(fraction: float) -> str:
    """A fraction as an exact percentage."""
    return f"{(Decimal(repr(fraction)) * 100).normalize():f}%"


def choice(kind: type[Enum]) -> Notation:
    """One member of an enumeration."""
    values = [str(member.value) for member in kind]
    known = " or ".join(values)
    form = f"{', '.join(values[:-1])} or {values[-1]}"
    return Notation(form, known, f"Write {known}.", str, lambda member: str(member.value))


def _text(written: str) -> str:
    for character in written:
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in "\t\n":
            problem = f"contains the control character U+{ord(character):04X}"
            raise RefusedValueError(problem, "Remove it.")
    if not written.strip():
        raise RefusedValueError("is blank", "Write some text, or remove the line.")
    return written.strip()


def _line(written: str) -> str:
    return " ".join(_text(written).split())


def _unit(written: str) -> str:
    unit = _text(written)
    if not unit.isprintable():
        raise RefusedValueError(f"is {quoted(unit)}, not printable", "Write a unit such as ms.")
    return unit


def _literal(written: str) -> str:
    if "\0" in written or not written.isprintable():
        raise RefusedValueError(
            f"is {quoted(written)}, not printable text", "Write one line of text."
        )
    return written


def _truth(written: str) -> object:
    return {"true": True, "false": False}.get(written, written)


def _number(written: str) -> object:
    if not _NUMBER.fullmatch(written) or not math.isfinite(float(written)):
        return written
    return float(written)


def _whole(written: str) -> object:
    return int(written) if _WHOLE.fullmatch(written) else written


def _duration(written: str) -> object:
    match = _DURATION.fullmatch(written)
    return written if match is None else float(match[1]) * _SECONDS[match[2]]


def _share(written: str) -> object:
    number = _number(written[:-1].rstrip()) if written.endswith("%") else written
    return number / 100 if isinstance(number, float) else written


def _fraction(written: str) -> object:
    return _share(written) if written.endswith("%") else _number(written)


def _quantity(written: str) -> object:
    amount = _fraction(written)
    return Quantity(amount, written.endswith("%")) if isinstance(amount, float) else amount


def _least(written: str) -> object:
    """A size without direction; zero is a share, whatever it is written as."""
    found = _quantity(written)
    if not isinstance(found, Quantity):
        return found
    if found.amount < 0 or (found.relative and found.amount >= 1):
        problem = f"is {quoted(written)}, out of range"
        raise RefusedValueError(problem, "Write 0% to below 100%, or an amount >= 0 in the unit.")
    return found._replace(relative=found.relative or found.amount == 0)


def _expression(written: str) -> str:
    shown = quoted(_text(written))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python will read in another way tomorrow
            groups = re.compile(_text(written)).groups
    except (re.error, OverflowError, RecursionError, FutureWarning, DeprecationWarning) as error:
        problem = f"is {shown}, which is not a regular expression: {error}"
        raise RefusedValueError(problem, "Write it for Python's `re`, in single quotes.") from error
    if groups != 1:
        hint = "Put exactly one pair of parentheses, around the number; `(?:...)` does not count."
        raise RefusedValueError(f"is {shown}, with {groups} groups", hint)
    return _text(written)


def _pattern(written: str) -> str:
    pattern = _text(written)
    try:
        expression(pattern)
    except ValueError as error:
        hint = "See the wildcards in docs/contract.md."
        raise RefusedValueError(f"contains {quoted(pattern)}, which {error}", hint) from error
    return pattern


def _scoped(written: str) -> str:
    pattern = _pattern(written)
    if is_never_in_scope(pattern):
        problem = f"contains {quoted(pattern)}, which is never in scope"
        raise RefusedValueError(
            problem, "Remove it: the session's own files and git's are protected."
        )
    return pattern


def _folder(written: str) -> str:
    """A folder below the repository's root, without `./` and trailing slash."""
    path = _text(written)
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if any(character in "*?[]{}\\\n" for character in path):
        problem = f"contains {quoted(path)}, which is a pattern"
        raise RefusedValueError(problem, "List each folder by its name, without patterns.")
    if path.startswith(("/", "~")) or ".." in parts:
        problem = f"contains {quoted(path)}, which may lie outside the repository"
        raise RefusedValueError(problem, "Write a path below the root of the repository.")
    if not parts or any(part.casefold() == ".git" for part in parts):
        problem = f"contains {quoted(path)}, which is the repository itself"
        raise RefusedValueError(problem, "Name a folder of dependencies or build outputs.")
    return "/".join(parts)


def _absolute(written: str) -> str:
    path = _text(written)
    if not path.startswith("/") or path.rstrip("/") == "":
        problem = f"contains {quoted(path)}, which is not an absolute path"
        raise RefusedValueError(problem, "Write it from the root, such as /srv/data.")
    return path.rstrip("/")


def _texts(form: str, read: Callable[[str], object] = _text) -> Notation:
    return Notation(form, "text", "Write text.", read, is_text=True)


_DECIMAL = "Write a decimal number such as 0.5."

TEXT = _texts("text")
LINE = _texts("one line", _line)
LITERAL = _texts("text", _literal)
UNIT = _texts("text", _unit)
COMMAND = _texts("shell command")
EXPRESSION = _texts("regular expression with one group", _expression)
PATTERN = _texts("pattern", _pattern)
SCOPED = _texts("pattern", _scoped)
FOLDER = _texts("folder", _folder)
ABSOLUTE = _texts("absolute path", _absolute)
TRUTH = Notation(
    "true or false", "true or false", "Write true or false.", _truth, lambda on: str(on).lower()
)
NUMBER = Notation("number", "a number", _DECIMAL, _number, digits)
WHOLE = Notation("whole number", "a whole number", "Write a whole number.", _whole, digits)
FRACTION = NUMBER._replace(read=_fraction)
SHARE = Notation(
    "percentage", "a percentage", "Write it with a percent sign, such as 1%.", _share, percentage
)
DURATION = Notation(
    "duration", "a duration", "Write 500ms, 120s, 15m or 2h.", _duration, lambda s: f"{digits(s)}s"
)
AUTO_S = 0.0
AUTO_DURATION = Notation(
    "auto, or duration",
    "a duration or auto",
    "Write auto, 500ms, 120s, 15m or 2h.",
    lambda written: AUTO_S if written == "auto" else _duration(written) or written,
    lambda s: f"{digits(s)}s" if s else "auto",
)
"""0 stands for auto, which no duration is."""

LEAST = Notation("percentage below 100%, or amount", "a number", _DECIMAL, _least, digits)
LIMIT = Notation("percentage or amount", "a number", _DECIMAL, _quantity, digits)
BY_TYPE: dict[type, Notation] = {bool: TRUTH, int: WHOLE, float: NUMBER, str: TEXT}
