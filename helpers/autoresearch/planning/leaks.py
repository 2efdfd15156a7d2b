"""Finds what leads a bench checkout back to the user's own tree.

An editable install, a `.pth` file or a workspace link makes a program import the user's files
wherever it runs: both arms of a race would then be the same code. These are the places where
that is written down, so that the error can name the cause and the remedy.
"""

from __future__ import annotations

import os
import shlex
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.text import clean_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from autoresearch.core.contract import Contract

MAX_FILE_BYTES = 1 << 20
MAX_ENTRIES = 20_000
PYTHON_HINTS = ("*.pth", "__editable__*.py", "*.egg-link", "*.dist-info/direct_url.json")
SEARCH_PATHS = ("PYTHONPATH", "NODE_PATH", "CLASSPATH", "GOFLAGS", "RUBYLIB", "PERL5LIB")


class Leak(NamedTuple):
    """One place that points back, and how to break it."""

    where: str
    remedy: str


def find_leaks(
    toplevel: Path, contract: Contract, environment: Mapping[str, str]
) -> tuple[Leak, ...]:
    """Everything found that leads to `toplevel`, in a fixed order.

    Args:
        toplevel: the user's working tree.
        contract: its links lead into that tree, its commands name interpreters.
        environment: what samples run with; PATH and VIRTUAL_ENV name the Python that is used.
    """
    linked = [toplevel / link for link in contract.link]
    commands = [text for text in (contract.verify, contract.build) if text is not None]
    roots = [*linked, *_pythons(toplevel, commands, environment)]
    return (
        *_python_leaks(toplevel, _site_packages(roots)),
        *_node_leaks(toplevel, linked),
        *_environment_leaks(toplevel, environment),
    )


def _pythons(
    toplevel: Path, commands: Iterable[str], environment: Mapping[str, str]
) -> Iterator[Path]:
    """The installation folders of the interpreters that commands may start."""
    active = environment.get("VIRTUAL_ENV")
    if active:
        yield Path(active)
    for folder in environment.get("PATH", "").split(os.pathsep):
        if folder:
            yield Path(folder).parent
    for word in (word for command in commands for word in _words(command)):
        if "/" in word:
            yield (toplevel / word).parent.parent


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quote without its partner: the shell will say so
        return command.split()


def _site_packages(roots: Iterable[Path]) -> Iterator[Path]:
    folders = (folder for root in roots for folder in root.glob("lib/python*/site-packages"))
    yield from dict.fromkeys(folder.resolve() for folder in folders)


def _python_leaks(toplevel: Path, folders: Iterable[Path]) -> Iterator[Leak]:
    for folder in folders:
        for pattern in PYTHON_HINTS:
            for file in sorted(folder.glob(pattern)):
                if file.stat().st_size <= MAX_FILE_BYTES and _mentions(file, toplevel):
                    yield Leak(
                        str(file),
                        "an editable install of your working tree: put the checkout's own folder "
                        "first with `env: {PYTHONPATH: src}` (the folder that holds the package)",
                    )


def _mentions(file: Path, toplevel: Path) -> bool:
    text = file.read_text("utf-8", "replace")
    return str(toplevel) in text or str(toplevel.resolve()) in text


def _node_leaks(toplevel: Path, linked: Iterable[Path]) -> Iterator[Leak]:
    for root in linked:
        entries = sorted([*root.glob("*"), *root.glob("@*/*")])
        for entry in islice(entries, MAX_ENTRIES):
            target = entry.resolve()
            if not entry.is_symlink() or target.is_relative_to(root.resolve()):
                continue
            if target.is_relative_to(toplevel.resolve()):
                yield Leak(
                    str(entry),
                    f"a workspace link to your working tree: take {root.name} out of `link` and "
                    "use `setup: npm ci`, so that each bench checkout links to itself",
                )


def _environment_leaks(toplevel: Path, environment: Mapping[str, str]) -> Iterator[Leak]:
    for name in SEARCH_PATHS:
        if str(toplevel) in environment.get(name, ""):
            yield Leak(
                f"${name}",
                "an absolute path to your working tree: write it relative to the repository in "
                "`env`",
            )


def describe(leaks: tuple[Leak, ...]) -> str:
    """One sentence for an error: the first cause with its remedy, or the general advice."""
    if not leaks:
        return (
            "check that verify runs the code in scope: a relative path, "
            "no absolute import, no installed copy (`env`, `setup` and `link` help)"
        )
    first = leaks[0]
    return f"{clean_line(first.where)} is {first.remedy}"
