"""The `holdout` key: a second verify command whose values the agent never learns."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import yaml

from autoresearch.core.contract.scalars import integer, quantity, text
from autoresearch.core.contract.tree import section
from autoresearch.core.contract.values import Holdout

if TYPE_CHECKING:
    from autoresearch.core.contract.tree import Value

DEFAULT_LIMIT = (0.01, True)
MAX_EVERY = 100
MAX_READS = 20
_PROGRAM = re.compile(
    r"/(?:python|pypy|node|deno|bun|ruby|perl|php|java|go|cargo|julia|Rscript|dotnet|sh|bash|env)"
    r"[0-9.]*$"
)
"""Interpreters, wherever they are installed."""


def read(value: Value) -> Holdout:
    """The holdout: a command, or a mapping with `command`, `every`, `limit` and `reads`.

    Raises:
        ContractError: a term is missing, malformed or out of range.
    """
    if not isinstance(value.node, yaml.MappingNode):
        command = text(value)
        return Holdout(
            command=command,
            every=1,
            limit=DEFAULT_LIMIT[0],
            limit_relative=DEFAULT_LIMIT[1],
            paths=_absolute_words(command),
        )
    entries = section(value, ("command", "every", "limit", "reads"))
    command = entries.required("command", text)
    limit, relative = entries.optional("limit", _limit, DEFAULT_LIMIT)
    reads = entries.optional("reads", _reads, ())
    return Holdout(
        command=command,
        every=entries.optional("every", lambda at: integer(at, 1, MAX_EVERY), 1),
        limit=limit,
        limit_relative=relative,
        paths=tuple(dict.fromkeys((*_absolute_words(command), *reads))),
    )


def _limit(value: Value) -> tuple[float, bool]:
    amount, relative = quantity(value)
    if amount < 0 or (relative and amount >= 1):
        problem = f"is {value.shown}, out of range"
        raise value.error(problem, "Write 0% to below 100%, or an amount >= 0 in the unit.")
    return amount, relative or amount == 0


def _reads(value: Value) -> tuple[str, ...]:
    items = value.items("a list of absolute paths")
    if len(items) > MAX_READS:
        problem = f"lists {len(items)} paths; at most {MAX_READS} are allowed"
        raise value.error(problem, "Name the folder that holds them.")
    found = []
    for item in items:
        path = text(item)
        if not path.startswith("/") or path.rstrip("/") == "":
            raise item.error(
                f"contains {item.shown}, which is not an absolute path",
                "Write it from the root, such as /srv/data.",
            )
        found.append(path.rstrip("/"))
    return tuple(found)


def _absolute_words(command: str) -> tuple[str, ...]:
    """The words of a command that are absolute paths, but for programs of the system."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:  # an open quote: the shell will say so
        words = command.split()
    # The programs that run it are no secret; hiding them would break everything else.
    system = ("/usr/", "/bin/", "/sbin/", "/lib", "/dev/", "/proc/", "/nix/store/")
    found = (word.rstrip("/") for word in words if word.startswith("/"))
    return tuple(
        dict.fromkeys(
            word
            for word in found
            if word and not word.startswith(system) and not _PROGRAM.search(word)
        )
    )
