"""The proof that a bench checkout measures itself: break what is in scope and see who notices.

An editable install, a workspace link or an absolute import that leads back to the user's tree
would race a program against itself, and every verdict would be noise.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from autoresearch import share
from autoresearch.core.contract import Contract
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Arm
from autoresearch.core.question import Randomness
from autoresearch.core.snapshot import TreeMap
from autoresearch.edges.checkout import Slot
from autoresearch.edges.files import atomic_write, named_errors, remove_tree, replace_file
from autoresearch.loop.bench import (
    PREPARE_TIMEOUT_S,
    Bench,
    Built,
    CandidateFailed,
    ProtectedTouched,
    last_words,
)
from autoresearch.loop.confinement import Purpose
from autoresearch.loop.measure import SEED_BITS
from autoresearch.planning.remedies import refused

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
    """Everything found that leads to the user's working tree, in a fixed order.

    The contract's links lead into that tree, its commands name interpreters; PATH and VIRTUAL_ENV
    of what samples run with name the Python that is used.
    """
    linked = [toplevel / link for link in contract.link]
    commands = [text for text in (contract.verify, contract.build) if text is not None]
    roots = [*linked, *_pythons(toplevel, commands, environment)]
    return (
        *_python_leaks(toplevel, _site_packages(roots)),
        *_node_leaks(toplevel, linked),
        *_environment_leaks(toplevel, environment),
    )


def leaks_of(bench: Bench) -> tuple[Leak, ...]:
    """What leads from a bench back to the user's working tree."""
    environment = dict((*bench.frozen, *bench.contract.env))
    return find_leaks(bench.repo.toplevel, bench.contract, environment)


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
                        "first with `env: {PYTHONPATH: src}` (the folder that contains the "
                        "package)",
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
                    f"a workspace link to your working tree: remove {root.name} from `link` and "
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


def describe_leaks(leaks: tuple[Leak, ...]) -> str:
    """One sentence for an error: the first cause with its remedy, or the general advice."""
    if not leaks:
        return (
            "check that verify runs the code in scope: a relative path, "
            "no absolute import, no installed copy (`env`, `setup` and `link` help)"
        )
    first = leaks[0]
    return f"{clean_line(first.where)} is {first.remedy}"


BROKEN_TEXT = b"\x01 this file was broken on purpose by autoresearch, to see who notices {[(<\n"
"""Neither Python nor any other language, format or prose parses as intended after this."""

TRIES = 3
"""How often a broken checkout that still prints a number is asked: one odd value may be noise."""


@contextmanager
def altered(
    bench: Bench, slot: Slot, tree: TreeMap, changes: Mapping[str, bytes]
) -> Iterator[Built]:
    """A slot that holds `tree` with some files changed, and is as before when the block ends.

    Raises:
        CandidateFailed, ProtectedTouched: the unchanged tree does not set up or build.
    """
    try:
        built = bench.bring(slot, tree, label="0000-proof")
        for path, content in changes.items():
            full = slot.root / path
            with named_errors(full):
                replace_file(str(full), content, mode=0o755, sync=False)
        yield built
    finally:
        slot.restore()
        for folder in bench.contract.cache:
            # A build may have put what it made of the changed files there.
            remove_tree(slot.root / folder)


def builds(bench: Bench, built: Built) -> bool:
    """Whether the changed slot builds; a contract without `build` always does."""
    contract = bench.contract
    if not contract.build:
        return True
    outcome = bench.run(built, contract.build, timeout_s=PREPARE_TIMEOUT_S, purpose=Purpose.BUILD)
    return not (outcome.exit_code or outcome.timed_out)


def values_when_broken(
    bench: Bench,
    tree: TreeMap,
    scoped: Sequence[str],
    randomness: Randomness,
    beside: Built | None = None,
) -> tuple[float, ...]:
    """What verify prints with these files broken; empty when build or verify fails then.

    `beside` is a whole checkout that must not notice.
    """
    try:
        with altered(bench, bench.slots[1], tree, dict.fromkeys(scoped, BROKEN_TEXT)) as built:
            try:
                return _values(bench, built, randomness)
            finally:
                if beside is not None:
                    _require_apart(bench, beside, randomness)
    except (CandidateFailed, ProtectedTouched):
        return ()


def _require_apart(bench: Bench, beside: Built, randomness: Randomness) -> None:
    """Make sure that a whole checkout measures itself while another one is broken."""
    contract, seed = bench.contract, randomness.getrandbits(SEED_BITS)
    outcome = bench.run(beside, contract.verify, timeout_s=contract.timeout_s, seed=seed)
    beside.slot.restore()
    if outcome.exit_code or outcome.timed_out:
        raise refused(
            "not_measured",
            "verify fails in a whole checkout while another one is broken: they share what set-up "
            f"or build put outside them{last_words(outcome)}",
            hint="Let set-up and build write into the checkout alone: its own environment, "
            "database and container, named after its folder (`$PWD`).",
        )


def _values(bench: Bench, built: Built, randomness: Randomness) -> tuple[float, ...]:
    contract = bench.contract
    if not builds(bench, built):
        return ()
    values = []
    for _ in range(TRIES):
        seed = randomness.getrandbits(SEED_BITS)
        outcome = bench.run(built, contract.verify, timeout_s=contract.timeout_s, seed=seed)
        values.append(bench.read(outcome, Arm.CANDIDATE, "0000-proof").value)
    return tuple(values)


def is_unnoticed(sound: Sequence[float], broken: Sequence[float]) -> bool:
    """Whether a value of the broken checkout lies in the range of the sound ones, widened by it."""
    spread = max(sound) - min(sound)
    low, high = min(sound) - spread, max(sound) + spread
    return any(low <= value <= high for value in broken)


def require_noticed(bench: Bench, sound: Sequence[float], broken: Sequence[float]) -> None:
    """Make sure that breaking the scope changed what verify prints."""
    if not is_unnoticed(sound, broken):
        return
    raise refused(
        "not_measured",
        "verify did not notice that every file in scope was broken in its checkout: it measures "
        "other files than those that an experiment changes",
        hint=describe_leaks(leaks_of(bench)),
    )


FILES = {"evaluator.py": "evaluator.py", "measure.py": "measure.py.txt"}
"""File in the project -> its template."""

_IMPORT_TIMES = "PYTHONPROFILEIMPORTTIME"
_IMPORTED = re.compile(
    rb"^import time:(?:(\s+self \[us\].*)|\s+\d+ \|\s+\d+ \|\s+([\w.]+))$", re.MULTILINE
)


class Laid(NamedTuple):
    """Files that were written, and those that were there already as they should be."""

    written: tuple[str, ...]
    there: tuple[str, ...]


def lay_out(folder: Path) -> Laid:
    """Put the evaluator's library and the template of a benchmark into a folder."""
    contents = {name: (share.FOLDER / source).read_bytes() for name, source in FILES.items()}
    there = tuple(name for name in contents if (folder / name).exists())
    with named_errors(folder):
        other = [name for name in there if (folder / name).read_bytes() != contents[name]]
        if other:
            raise refused("exists", f"{folder / other[0]} exists and is a different file")
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
