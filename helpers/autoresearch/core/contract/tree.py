"""Values of the file that know their key and line, so that every error can name them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import yaml

from autoresearch.core.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

UNSUPPORTED: Mapping[str, str] = {
    "notify": "nothing is sent yet",
}
"""Known terms that this version would not honour, and why; refused rather than ignored."""

_SHOWN = 60
_NULL = "tag:yaml.org,2002:null"

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value of the file.

    Attributes:
        file: shown in errors.
        key: dotted path from the root, "" for the root itself; list items carry their list's.
        node: as PyYAML composed it.
    """

    file: str
    key: str
    node: yaml.Node

    @property
    def line(self) -> int:
        """Line of the file, from 1."""
        return self.node.start_mark.line + 1

    @property
    def shown(self) -> str:
        """The value for a message: quoted, escaped and cut."""
        return quoted(self.node.value) if isinstance(self.node, yaml.ScalarNode) else self.kind

    @property
    def kind(self) -> str:
        """The shape, in words, of a value that is no scalar."""
        return "a list" if isinstance(self.node, yaml.SequenceNode) else "a mapping"

    def error(self, problem: str, hint: str) -> ContractError:
        """The error that names this value's line and key."""
        subject = f"`{self.key}` " if self.key else "the contract "
        return failure(self.file, self.line, subject + problem, hint)

    def scalar(self, expected: str) -> str:
        """The text as written, without quotes.

        Raises:
            ContractError: it is a list, a mapping or empty.
        """
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.error(f"is {self.kind}, not {expected}", f"Write {expected}.")
        if self.node.tag == _NULL:
            raise self.error("has no value", f"Write {expected}, or remove the line.")
        return str(self.node.value)

    def items(self, expected: str) -> list[Value]:
        """The items of a list.

        Raises:
            ContractError: it is no list.
        """
        if not isinstance(self.node, yaml.SequenceNode):
            hint = f"Write {expected}, as in `{self.key}: [first, second]`."
            raise self.error(f"is {self.shown}, not a list", hint)
        return [Value(file=self.file, key=self.key, node=node) for node in self.node.value]

    def entries(self) -> list[tuple[Value, Value]]:
        """Key and value of each entry of a mapping; the values carry the dotted key.

        Raises:
            ContractError: it is no mapping, a key is no plain word, or one stands twice.
        """
        if not isinstance(self.node, yaml.MappingNode):
            hint = "Write `key: value` lines below it."
            raise self.error(f"is {self.shown}, not a mapping", hint)
        found: list[tuple[Value, Value]] = []
        lines: dict[str, int] = {}
        for key_node, node in self.node.value:
            at = Value(file=self.file, key=self.key, node=key_node)
            name = at.scalar("plain words as keys")
            if name in lines:
                problem = f"contains {quoted(name)} twice, first on line {lines[name]}"
                raise at.error(problem, "Remove one of the two.")
            lines[name] = at.line
            dotted = f"{self.key}.{name}" if self.key else name
            found.append((at, Value(file=self.file, key=dotted, node=node)))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A mapping whose keys are all known.

    Attributes:
        value: the mapping itself.
        entries: value of each key that is there.
    """

    value: Value
    entries: Mapping[str, Value]

    def required(self, key: str, read: Callable[[Value], T]) -> T:
        """What `read` makes of the value.

        Raises:
            ContractError: the key is missing.
        """
        if key not in self.entries:
            raise self.value.error(
                f"lacks the key `{key}`", f"Add `{key}: ...`; docs/contract.md describes it."
            )
        return read(self.entries[key])

    def optional(self, key: str, read: Callable[[Value], T], default: D) -> T | D:
        """What `read` makes of the value, or `default` when the key is missing."""
        return read(self.entries[key]) if key in self.entries else default


def section(value: Value, known: Collection[str]) -> Section:
    """The mapping, all of whose keys are in `known`.

    Raises:
        ContractError: a key is unknown, unsupported or doubled.
    """
    entries: dict[str, Value] = {}
    for at, entry in value.entries():
        name = str(at.node.value)
        if entry.key in UNSUPPORTED:
            raise unsupported(at, f"`{entry.key}`", UNSUPPORTED[entry.key])
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known keys: {', '.join(known)}."
            raise at.error(f"has the unknown key {quoted(name)}", hint)
        entries[name] = entry
    return Section(value=value, entries=entries)


def unsupported(at: Value, what: str, why: str) -> ContractError:
    """The error for a term of the contract that this version does not honour."""
    return failure(
        at.file, at.line, f"{what} is not supported by this version: {why}", "Remove it."
    )


def quoted(text: str) -> str:
    """Text of the file for a message: control characters escaped, cut at 60 characters."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def failure(file: str, line: int, message: str, hint: str) -> ContractError:
    """An error of the contract; every one is made here, so that every one names its file."""
    return ContractError(f"{message} (in {file})", line=line, hint=hint)
