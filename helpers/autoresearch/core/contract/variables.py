"""The `env` section: what is added to the scrubbed environment, and what may pass through."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoresearch.core.contract.tree import Value
    from autoresearch.core.errors import ContractError

_FORBIDDEN = {
    "PATH": "the search path is recorded once by `init`",
    "HOME": "each sample gets a home of its own",
    "TMPDIR": "each sample gets a temporary folder of its own",
    "ENV": "shells run the file it names",
    "BASH_ENV": "shells run the file it names",
    "SHELLOPTS": "it changes how the shell reads the command",
    "BASHOPTS": "it changes how the shell reads the command",
    "IFS": "it changes how the shell reads the command",
}
_FORBIDDEN_PREFIXES = {
    "GIT_": "it redirects git",
    "LD_": "it loads code into every program",
    "DYLD_": "it loads code into every program",
    "BASH_FUNC_": "it replaces commands of the shell",
    "AUTORESEARCH_": "the helper sets it",
}
_HINT = "Set it inside the command, as in `verify: env NAME=value ./bench.sh`."


def read(value: Value) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Variables with their values, and names passed through; both sorted.

    Raises:
        ContractError: a name is malformed, forbidden or listed twice, or a value is no text.
    """
    env: list[tuple[str, str]] = []
    names: set[str] = set()
    passed: list[Value] = []
    for at, entry in value.entries():
        name = str(at.node.value)
        if name == "pass":
            passed = entry.items("names of variables")
            continue
        _check_name(at, name)
        names.add(name)
        env.append((name, _content(entry)))
    pass_through: set[str] = set()
    for item in passed:
        name = item.scalar("the name of a variable")
        _check_name(item, name)
        if name in names | pass_through:
            raise item.error(f"names {name} again", "Either set a variable or pass it, once.")
        pass_through.add(name)
    return tuple(sorted(env)), tuple(sorted(pass_through))


def _content(value: Value) -> str:
    """The value as written; numbers need no quotes here, truth values do."""
    written = value.scalar("text")
    kind = value.node.tag.rpartition(":")[2]
    if kind not in {"str", "int", "float"}:
        raise value.error(f"is {value.shown}, which YAML reads as {kind}", "Put it in quotes.")
    if "\0" in written or not written.isprintable():
        raise value.error(f"is {value.shown}, not printable text", "Write one line of text.")
    return written


def _check_name(at: Value, name: str) -> None:
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        hint = "Use ASCII letters, digits and underscores; no digit first."
        raise at.error(f"names {at.shown}, which is not a valid name of a variable", hint)
    if name in _FORBIDDEN:
        raise _forbidden(at, name, _FORBIDDEN[name])
    for prefix, reason in _FORBIDDEN_PREFIXES.items():
        if name.startswith(prefix):
            raise _forbidden(at, name, reason)


def _forbidden(at: Value, name: str, reason: str) -> ContractError:
    return at.error(f"may not name {name}: {reason}", _HINT)
