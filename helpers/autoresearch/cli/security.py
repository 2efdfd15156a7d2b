"""`autoresearch security`: sweeps for flaws whose evidence is checked."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from autoresearch.cli.app import LazyGroup
from autoresearch.core.formatting import Answer
from autoresearch.core.security.overview import Coverage, PlaceCount
from autoresearch.edges.files import read_bytes_limited
from autoresearch.security.books import Books

P = ParamSpec("P")

MAX_FORM_BYTES = 64 * 1024
FILE = click.Path(path_type=Path)

_VIEWS = {"leads", "status", "show", "report", "gate"}
COMMANDS = {
    command: "ledger_views" if command in _VIEWS else "audit"
    for command in (
        "init", "model", "sweep", "next", "examined", "add", "prove", "refute", "import", "leads",
        "status", "show", "recheck", "state", "report", "gate", "fix",
    )
}  # fmt: skip
"""Subcommand -> module of this package that defines it."""


class SecurityGroup(LazyGroup):
    """The group of a sweep's commands, in its order."""

    table = COMMANDS


@click.group("security", cls=SecurityGroup, no_args_is_help=True)
def security_command() -> None:
    """Sweep code for security flaws. Example: autoresearch security init."""


def form_text(file: str) -> str:
    """What is handed in: a file, or standard input for `-`.

    It is read before the ledger is locked: whoever types may take their time.
    """
    if file == "-":
        content = sys.stdin.buffer.read(MAX_FORM_BYTES + 1)
    else:
        content = read_bytes_limited(Path(file), MAX_FORM_BYTES)
    return content.decode("utf-8", "replace")


FORM = click.argument("text", metavar="FILE", type=form_text)


def security(
    *, write: bool, begin: bool = False
) -> Callable[[Callable[Concatenate[Books, P], Answer]], Callable[P, Answer]]:
    """Hand a command the open books, locked to `write`; only some may `begin` a ledger."""

    def decorated(function: Callable[Concatenate[Books, P], Answer]) -> Callable[P, Answer]:
        @functools.wraps(function)
        def opened(*args: P.args, **kwargs: P.kwargs) -> Answer:
            cwd, environ = Path.cwd(), dict(os.environ)
            if write:
                from autoresearch.security import publishing  # noqa: PLC0415 - start fast

                what = f"security {function.__name__.removesuffix('_command')}"
                with publishing.writing(cwd, environ, what, begin=begin) as books:
                    return function(books, *args, **kwargs)
            from autoresearch.security.books import reading  # noqa: PLC0415 - start fast

            with reading(cwd, environ) as books:
                return function(books, *args, **kwargs)

        return opened

    return decorated


def coverage_line(found: Coverage) -> str:
    """How much of the matrix is covered."""
    return f"coverage: {found.covered} of {found.cells} cells ({found.share:.0%})"


def places_line(found: Iterable[PlaceCount]) -> str:
    """Which places stand in a quote, by kind."""
    counted = tuple(found)
    kinds = ", ".join(f"{one.kind.value} {one.touched} of {one.places}" for one in counted)
    touched, every = sum(one.touched for one in counted), sum(one.places for one in counted)
    return f"places in quotes: {touched} of {every}" + (f" ({kinds})" if kinds else "")


def cells(found: Coverage) -> dict[str, int]:
    """The same for programs."""
    return {"covered": found.covered, "cells": found.cells}
