"""What stops a contract or its session, and what to do: every refusal's code with its remedy.

The second half reads what a failed command printed: what it misses in the bench checkout, what the
sandbox kept from it, and which key of the contract brings it there.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from autoresearch.core.errors import AutoresearchError, GateFailed
from autoresearch.core.formatting import clean_line
from autoresearch.edges.gitdiff import is_ignored
from autoresearch.edges.places import RUN
from autoresearch.loop.bench import Bench
from autoresearch.planning.causes import Failure, cause_of
from autoresearch.planning.screening import words_named

_SESSION = {
    "branch_exists": "Choose another `session:`, or rename it: `git branch -m {branch} NAME`.",
    "contract": "Save it as UTF-8.",
    "contract_deleted": "`autoresearch drop --outside` restores it; then edit it.",
    "contract_exists": (
        "Use it with `autoresearch init autoresearch.yaml`, or move it out of the way."
    ),
    "dirty_tree": "Commit or stash them: a session starts from a commit.",
    "exists": "Name another folder, or move that file elsewhere.",
    "foreign_file": "Rename it or move it elsewhere: the session writes a file of that name.",
    "foreign_contract": "Rename it with `git mv` and commit: autoresearch needs that name.",
    "link_missing": (
        "Create it first (for example by installing), or use `setup` instead of `link`."
    ),
    "lost_log": "`autoresearch recover --from-refs` restores it; or move the folder elsewhere.",
    "moved_meanwhile": "Repeat `autoresearch init` on what is checked out now.",
    "no_baseline": "Start it anew with `init`.",
    "no_commit": "Commit the project first: `git add . && git commit`.",
    "no_commits": "Edit the files and use `autoresearch amend` without `--commits`.",
    "no_file": "Name the file that holds the contract; docs/contract.md has an example.",
    "no_parent": "Create it first, or name another place.",
    "nothing_to_amend": (
        "Edit autoresearch.yaml, or `git add` a new protected file, then repeat the command."
    ),
    "obstacle": "Move it out of the working tree, or put it back, then repeat the command.",
    "operation_under_way": "Finish or abort the {what} first: a session starts from a commit.",
    "other_contract": "Show the human its present content, and ask again.",
    "path_exists": "Name a folder that does not exist yet: git creates it.",
    "path_inside": "Name a folder beside it, such as `--worktree ../night`.",
    "refs_exist": "Choose another `session:`, so that the earlier experiments stay reachable.",
    "session_exists": ("Choose another `session:`, or continue that one: `autoresearch status`."),
    "session_renamed": "Start another session with `autoresearch init`.",
    "tracked_copy": "Rename it, or `git rm --cached {name}` and commit.",
    "tree_edited": "Run `autoresearch try` or `autoresearch drop` on that edit first.",
    "untracked_in_scope": ("Commit, ignore or move them: they would become part of an experiment."),
    "worktree_used": (
        "Move what you need out of it, then remove it with `git worktree remove --force`."
    ),
}
_GATE = {
    "absolute_path": "Write it relative to the repository's root: `{relative}`.",
    "not_confined": (
        "Remove that from the draft, or run `autoresearch check` without `--confined`; the host "
        "then asks its human."
    ),
    "not_deterministic": (
        "Remove `deterministic: true`, or make verify print the same value every time."
    ),
    "same_too_long": "Let it print less, or a digest: `| sha256sum`.",
    "same_varies": "Remove times, addresses and hash order from its output.",
    "scope_all": "Name only the files to be improved, or exclude others with `protect`.",
    "scope_odd": "Exclude it with `protect`{otherwise}.",
    "touched": "Let it write to $TMPDIR or to an untracked path.",
}
"""Codes of a contract that does not hold (exit code 4); those above are for the caller to mend.

A code of neither table is of such a contract too, and brings its remedy as `hint`.
"""


def refused(code: str, message: str, **words: str) -> AutoresearchError:
    """The error of a code of the tables, with its remedy.

    Args:
        code: as `--json` has it.
        message: what happened, with the offending value.
        words: what the remedy names.
    """
    kind = AutoresearchError if code in _SESSION else GateFailed
    hint = words.pop("hint", "") or {**_SESSION, **_GATE}.get(code, "")
    return kind(message, code=code, hint=hint.format(**words) if words else hint)


MAX_NAMED = 3


class Missing(NamedTuple):
    """Something that a command looked for in vain: what it is, and as the command spelled it."""

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
            (said.start(), Missing(kind, tail(clean_line(said[1], 4096))))
            for said in re.finditer(pattern, text, re.MULTILINE)
        ]
    return tuple(dict.fromkeys(missing for _, missing in sorted(found)))


def tail(name: str, most: int = 80) -> str:
    """A name whose beginning is cut: its end is what tells it from others."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


REMEDIES = {
    "Ruby library": "`setup: bundle install --local`, or gems below the root named in `link`.",
    "gem": "`setup: bundle install --local`, or gems below the root named in `link`.",
    "Go package": "`env: {pass: [GOMODCACHE]}` with that variable set, or a committed `vendor`.",
    "Go module": "`env: {pass: [GOMODCACHE]}` with that variable set, or a committed `vendor`.",
    "crate": "`env: {pass: [CARGO_HOME]}` with that variable set, or a committed `vendor`.",
    "Maven artifact": "Name the local repository in the command: `-o -Dmaven.repo.local=…`.",
    "program": "Install it, name it by its path, or add its folder to PATH before `init`.",
    "file": "Commit it, let `setup` or `build` write it, or name its ignored folder in `link`.",
    "header": "Install it on this machine; `setup` may install it inside the checkout.",
    "library": "Install it on this machine; `setup` may install it inside the checkout.",
}


def remedy(missing: Missing, tracked: Collection[str], folders: Collection[str]) -> str:
    """What the contract lacks, in a sentence; `folders` are those at the root that git ignores."""
    if missing.kind == "Python module":
        return _python(missing.name, tracked, folders)
    if missing.kind == "Node module":
        return _node(missing.name, folders)
    return REMEDIES[missing.kind]


def _node(name: str, folders: Collection[str]) -> str:
    if name.startswith((".", "/")):
        return "A build writes this file: run it as `build`."
    if "node_modules" in folders:
        return "`link: [node_modules]` lets the bench read the installed packages."
    return "`setup: npm ci` installs it there, or install it here and `link: [node_modules]`."


def _python(name: str, tracked: Collection[str], folders: Collection[str]) -> str:
    top = name.partition(".")[0]
    for place in ("src", "lib", "python"):
        if any(path.startswith((f"{place}/{top}/", f"{place}/{top}.py")) for path in tracked):
            return f"It belongs to this project: `env: {{PYTHONPATH: {place}}}`."
    if any(path.startswith((f"{top}/", f"{top}.py")) for path in tracked):
        return "It belongs to this project: `env: {PYTHONPATH: .}`."
    for folder in (".venv", "venv", "env"):
        if folder in folders:
            return f"Call `{folder}/bin/python`, and add `link: [{folder}]`."
    return (
        "`setup: python3 -m venv .venv && .venv/bin/pip install …` and call `.venv/bin/python`, "
        "or install it for the python3 on PATH."
    )


def uncommitted(
    found: Collection[Missing], named: Collection[str], untracked: Collection[str]
) -> str:
    """What to do about a file that a command lacks because no commit holds it; or empty."""
    for path in untracked:
        name = path.rpartition("/")[2]
        modules = {path.removesuffix(".py").replace("/", "."), name.partition(".")[0]}
        wanted = {one.name.removeprefix("./") for one in found}
        if path in named or not wanted.isdisjoint({path, name, *modules}):
            folder = path.rpartition("/")[0]
            beside = [other for other in untracked if other.rpartition("/")[0] == folder]
            added = path if len(beside) == 1 or not folder else folder
            return (
                f"{path} exists but is not committed, and a bench checkout contains only "
                f"committed files: `git add {added}` and commit it, preferably on a separate "
                "branch."
            )
    return ""


def describe(found: tuple[Missing, ...], tracked: Collection[str], folders: Collection[str]) -> str:
    """What is missing and what to do about the first of it; empty where nothing was named."""
    if not found:
        return ""
    named = ", ".join(f"{one.kind} {one.name}" for one in found[:MAX_NAMED])
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return f"Missing there: {named}{more}. {remedy(found[0], tracked, folders)}"


_NO_NETWORK = (
    "The sandbox has no network: download in `setup`, or allow the network with `network: true`."
)
FORBIDDEN = {
    "Read-only file system": (
        "In the sandbox, protected files and folders without files in scope are read-only: write "
        "to $TMPDIR or to the root, compile in `build`, or name the folder in `cache`."
    ),
    "Network is unreachable": _NO_NETWORK,
    "ame resolution": _NO_NETWORK,
}
"""What a command prints that the sandbox keeps from something, and the remedy."""

INSTALLED = ("node_modules", ".venv", "venv", "env")
"""Folders that hold what was installed, and that git usually ignores."""


def explained(bench: Bench, output: str, known: str = "") -> str:
    """What leads out of a failure, by what the command printed; empty where nothing is known.

    `known` is what its reader has to say, where no row of the causes fits.
    """
    if not output:
        return known
    said = printed(bench, output).decode("utf-8", "replace")
    head, _, stderr = said.partition("\n--- stderr\n")
    confined = bench.confinement.found.sandbox is not None
    failure = Failure(
        contract=bench.contract,
        stdout=head.partition("--- stdout\n")[2],
        stderr=stderr,
        root=bench.slots[0].root,
        own=bench.places.cache / RUN,
        toplevel=bench.repo.toplevel,
        environ=bench.environ,
        frozen=dict(bench.frozen),
        confined=confined,
        ignored=lambda path: is_ignored(bench.repo, path),
    )
    forbidden = (hint for sign, hint in FORBIDDEN.items() if confined and sign in said)
    return cause_of(failure) or known or next(forbidden, "") or _missing(bench, said)


def _missing(bench: Bench, said: str) -> str:
    """What a failed command misses in the bench checkout, and the key that brings it there."""
    found = find_missing(said)
    left_out = uncommitted(found, words_named(bench.contract), _left_out(bench))
    if left_out:
        return clean_line(left_out, 400)
    root = bench.slots[0].root
    there = [str(path.relative_to(root)) for path in (*root.glob("*/*"), *root.glob("*/*/*"))]
    tops = [path.name for path in root.glob("*")]
    toplevel = bench.repo.toplevel
    folders = [name for name in INSTALLED if name not in tops and (toplevel / name).is_dir()]
    return describe(found, (*tops, *there), folders)


def _left_out(bench: Bench) -> list[str]:
    """What lies in the user's working tree, neither ignored nor in the checkout."""
    listed = bench.repo.run("ls-files", "-c", "-o", "--exclude-standard", "-z").out
    paths = listed.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return [path for path in paths if not (bench.slots[0].root / path).exists()]


def printed(bench: Bench, output: str) -> bytes:
    """All that a command printed."""
    return (bench.places.output.parent / output).read_bytes()


def where(bench: Bench, output: str) -> str:
    """Where all that a command printed can be read."""
    return f"All of its output: {bench.places.output.parent / output}" if output else ""
