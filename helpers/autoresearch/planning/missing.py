"""Names what a command misses in a bench checkout, by what it printed, and suggests a remedy.

A bench checkout holds what git tracks and nothing else, and a home of its own: installed
packages, build outputs and downloaded data must be linked, set up, or committed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from autoresearch.core.text import clean_line

MAX_NAMED = 3


class Missing(NamedTuple):
    """Something that a command looked for in vain.

    Attributes:
        kind: `Python module`, `program`, …
        name: as the command spelled it.
    """

    kind: str
    name: str


SAYINGS = (
    ("Python module", r"No module named '?([\w.]+)'?"),
    ("Node module", r"Cannot find (?:module|package) '([^']+)'"),
    ("program", r"(?:^|: )(?:\d+: |line \d+: )?([\w./+-]+): (?:command )?not found$"),
    ("program", r"No such file or directory \(os error 2\).*?`([\w./-]+)`"),
    ("Ruby library", r"cannot load such file -- (\S+)"),
    ("gem", r"Could not find (?:gem '|)([\w-]+)[^\n]* in (?:any of the sources|locally installed)"),
    ("Go package", r"no required module provides package (\S+?)[;:\s]"),
    ("Go module", r"^go: ([\w./-]+)@[^\n]*(?:dial tcp|module lookup disabled|cannot find)"),
    ("crate", r"no matching package named `([\w-]+)` found"),
    ("crate", r"can't find crate for `(\w+)`"),
    ("Maven artifact", r"Could not (?:find artifact|resolve dependencies for project) ([\w.:-]+)"),
    ("header", r"fatal error: ([\w./+-]+\.h(?:pp)?): No such file"),
    ("library", r"cannot find -l(\w+)"),
    ("file", r"FileNotFoundError: [^\n]*No such file or directory: '([^'\n]+)'"),
    ("file", r"ENOENT: no such file or directory, [a-z]+ '([^'\n]+)'"),
)


def find_missing(text: str) -> tuple[Missing, ...]:
    """What the output of a failed command complains of, each once, in order."""
    found = []
    for kind, pattern in SAYINGS:
        found += [
            (said.start(), Missing(kind, clean_line(said[1], 80)))
            for said in re.finditer(pattern, text, re.MULTILINE)
        ]
    return tuple(dict.fromkeys(missing for _, missing in sorted(found)))


REMEDIES = {
    "Ruby library": "`setup: bundle install --local`, or gems below the root named in `link`.",
    "gem": "`setup: bundle install --local`, or gems below the root named in `link`.",
    "Go package": "`env: {pass: [GOMODCACHE]}` with that variable set, or a committed `vendor`.",
    "Go module": "`env: {pass: [GOMODCACHE]}` with that variable set, or a committed `vendor`.",
    "crate": "`env: {pass: [CARGO_HOME]}` with that variable set, or a committed `vendor`.",
    "Maven artifact": "Name the local repository in the command: `-o -Dmaven.repo.local=…`.",
    "program": "Install it, name it by its path, or add its folder to PATH before `init`.",
    "file": "Commit it, write it by `setup` or `build`, or name its ignored folder in `link`.",
    "header": "Install it on this machine; `setup` may do so below the checkout.",
    "library": "Install it on this machine; `setup` may do so below the checkout.",
}


def remedy(missing: Missing, tracked: Collection[str], folders: Collection[str]) -> str:
    """What the contract lacks, in a sentence.

    Args:
        missing: what was not found.
        tracked: paths that git tracks.
        folders: folders at the root that git ignores.
    """
    if missing.kind == "Python module":
        return _python(missing.name, tracked, folders)
    if missing.kind == "Node module":
        return _node(missing.name, folders)
    return REMEDIES[missing.kind]


def _node(name: str, folders: Collection[str]) -> str:
    if name.startswith((".", "/")):
        return "It is a file that a build writes: run that as `build`."
    if "node_modules" in folders:
        return "`link: [node_modules]` lets the bench read what is installed."
    return "`setup: npm ci` installs it there, or install it here and `link: [node_modules]`."


def _python(name: str, tracked: Collection[str], folders: Collection[str]) -> str:
    top = name.partition(".")[0]
    for place in ("src", "lib", "python"):
        if any(path.startswith((f"{place}/{top}/", f"{place}/{top}.py")) for path in tracked):
            return f"It is this project's own: `env: {{PYTHONPATH: {place}}}`."
    if any(path.startswith((f"{top}/", f"{top}.py")) for path in tracked):
        return "It is this project's own: `env: {PYTHONPATH: .}`."
    for folder in (".venv", "venv", "env"):
        if folder in folders:
            return f"Call `{folder}/bin/python`, and `link: [{folder}]`."
    return (
        "`setup: python3 -m venv .venv && .venv/bin/pip install …` and call `.venv/bin/python`, "
        "or install it for the python3 on PATH."
    )


def uncommitted(
    found: Collection[Missing], named: Collection[str], untracked: Collection[str]
) -> str:
    """The file that a command lacks because no commit holds it, and what to do; empty: none such.

    Args:
        found: what commands said is missing.
        named: paths that commands name.
        untracked: paths that lie in the working tree, are not ignored, and not committed.
    """
    for path in untracked:
        name = path.rpartition("/")[2]
        modules = {path.removesuffix(".py").replace("/", "."), name.partition(".")[0]}
        wanted = {one.name.removeprefix("./") for one in found}
        if path in named or not wanted.isdisjoint({path, name, *modules}):
            folder = path.rpartition("/")[0]
            beside = [other for other in untracked if other.rpartition("/")[0] == folder]
            added = path if len(beside) == 1 or not folder else folder
            return (
                f"{path} is there, but no commit holds it, and a bench checkout holds what is "
                f"committed: `git add {added}` and commit it, best on a branch of its own."
            )
    return ""


def describe(found: tuple[Missing, ...], tracked: Collection[str], folders: Collection[str]) -> str:
    """What is missing and what to do about the first of it; empty where nothing was named."""
    if not found:
        return ""
    named = ", ".join(f"{one.kind} {one.name}" for one in found[:MAX_NAMED])
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return f"Missing there: {named}{more}. {remedy(found[0], tracked, folders)}"
