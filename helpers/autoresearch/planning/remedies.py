"""What a command that failed in a bench checkout lacks, by what it printed, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.text import clean_line
from autoresearch.planning.missing import describe, find_missing, uncommitted
from autoresearch.planning.screening import words_named

if TYPE_CHECKING:
    from autoresearch.loop.bench import Bench

FORBIDDEN = {
    "Read-only file system": (
        "In the sandbox protected files are read-only, and folders without files in scope: write "
        "to $TMPDIR or to the root, compile in `build`, or name the folder in `cache`."
    ),
    "Network is unreachable": (
        "The sandbox has no network: fetch in `setup`, or allow it with `network: true`."
    ),
    "ame resolution": (
        "The sandbox has no network: fetch in `setup`, or allow it with `network: true`."
    ),
}
"""What a command prints that the sandbox keeps from something, and the remedy."""

INSTALLED = ("node_modules", ".venv", "venv", "env")
"""Folders that hold what was installed, and that git usually ignores."""


def confined(bench: Bench, output: str) -> str:
    """What the sandbox forbade, by what the failed command printed, and the way around."""
    if not output or bench.confinement.found.sandbox is None:
        return ""
    said = (bench.places.output.parent / output).read_bytes().decode("utf-8", "replace")
    for sign, hint in FORBIDDEN.items():
        if sign in said:
            return hint
    return ""


def missing(bench: Bench, output: str) -> str:
    """What a failed command misses in the bench checkout, and the key that brings it there."""
    if not output:
        return ""
    said = (bench.places.output.parent / output).read_bytes().decode("utf-8", "replace")
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


def where(bench: Bench, output: str) -> str:
    """Where all that a command printed can be read."""
    return f"All it printed: {bench.places.output.parent / output}" if output else ""
