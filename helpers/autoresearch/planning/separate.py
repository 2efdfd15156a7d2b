"""The evaluator in a process of its own: its files for a project, and who does without it."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.text import clean_line
from autoresearch.edges.files import atomic_write, named_errors
from autoresearch.loop.measure import SEED_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from autoresearch.loop.bench import Bench, Built
    from autoresearch.loop.measure import Randomness

FILES = {"evaluator.py": "evaluator.py", "measure.py": "templates/measure.py.txt"}
"""File in the project -> where it lies in this package."""

_IMPORT_TIMES = "PYTHONPROFILEIMPORTTIME"
_IMPORTED = re.compile(
    rb"^import time:(?:(\s+self \[us\].*)|\s+\d+ \|\s+\d+ \|\s+([\w.]+))$", re.MULTILINE
)


class Laid(NamedTuple):
    """Files that were written, and those that were there already as they should be."""

    written: tuple[str, ...]
    there: tuple[str, ...]


def lay_out(folder: Path) -> Laid:
    """Put the evaluator's library and the template of a benchmark into a folder.

    Raises:
        AutoresearchError: `exists`: one of them is there with other content.
    """
    contents = {
        name: resources.files("autoresearch").joinpath(source).read_bytes()
        for name, source in FILES.items()
    }
    there = tuple(name for name in contents if (folder / name).exists())
    with named_errors(folder):
        other = [name for name in there if (folder / name).read_bytes() != contents[name]]
        if other:
            raise AutoresearchError(
                f"{folder / other[0]} exists and is another file",
                code="exists",
                hint="Name another folder, or move that file away.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            if name not in there:
                atomic_write(folder / name, content)
    return Laid(tuple(name for name in contents if name not in there), there)


def imports_of_scope(
    bench: Bench, built: Built, scoped: Sequence[str], randomness: Randomness
) -> tuple[str, ...]:
    """Files in scope that verify's own Python process imports, as far as Python says so.

    One more run of verify, with Python told to print what it imports. What comes after a process
    that can start others may be a worker's, and is not counted; Python under -I or -E, and other
    languages, say nothing.
    """
    if not any(path.endswith(".py") for path in scoped):
        return ()
    contract = bench.contract
    before = dict(bench.told)
    bench.told = {**before, _IMPORT_TIMES: "1"}
    try:
        seed = randomness.getrandbits(SEED_BITS)
        outcome = bench.run(built, contract.verify, timeout_s=contract.timeout_s, seed=seed)
    finally:
        bench.told = before
    built.slot.restore()
    return in_scope(own_modules(outcome.stderr), scoped)


def own_modules(said: bytes) -> list[bytes]:
    """The modules that verify's own processes import, by what Python said of imports.

    Each process begins with a headline. Once one has imported what starts processes, the next
    headline may be its worker's: from there on nobody can tell whose a line is.
    """
    found, may_start = [], False
    for headline, module in _IMPORTED.findall(said):
        if headline and may_start:
            break
        if module:
            found.append(module)
            may_start = may_start or module == b"_posixsubprocess"
    return found


def in_scope(modules: Sequence[bytes], scoped: Sequence[str]) -> tuple[str, ...]:
    """The files in scope that modules of these names can have come from, by path."""
    tails = {module.decode("ascii", "replace").replace(".", "/") for module in modules}
    found = []
    for path in scoped:
        if path.endswith(".py"):
            name = path.removesuffix(".py").removesuffix("/__init__")
            parts = name.split("/")
            if any("/".join(parts[start:]) in tails for start in range(len(parts))):
                found.append(path)
    return tuple(found)


def warning_about(imported: Sequence[str]) -> str:
    """The finding, in a sentence; empty for none."""
    if not imported:
        return ""
    return (
        f"verify imports {clean_line(imported[0], 80)} into its own process, where a candidate can "
        "change clock and metric: `autoresearch evaluator bench` writes a benchmark that keeps it "
        "out (docs/trust.md)"
    )
