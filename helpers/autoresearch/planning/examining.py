"""What `check` asks beyond a rehearsal: do guard and metric notice what they are there to notice?

Each question changes files in a bench checkout on purpose and looks who complains. What goes
unnoticed is a finding for the human, no error: a guard may rightly leave parts alone.
"""

from __future__ import annotations

import ast
import math
import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from autoresearch.core.contract import Contract, verdict_keys
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Direction, Source
from autoresearch.core.question import Randomness
from autoresearch.core.snapshot import TreeMap
from autoresearch.loop.bench import SECONDS_PER_UNIT, Bench, CandidateFailed, ProtectedTouched
from autoresearch.loop.measure import SEED_BITS
from autoresearch.planning.preconditions import scoped_paths
from autoresearch.planning.proof import (
    altered,
    builds,
    is_unnoticed,
    leaks_of,
    values_when_broken,
)
from autoresearch.planning.rehearsal import Rehearsal
from autoresearch.planning.scanning.paths import is_bench, is_test
from autoresearch.planning.screening import scripts_named

_JS = re.compile(r"""(?:require\(|from\s+|import\s*(?:\(\s*)?)['"](\.{1,2}/[^'"]+)['"]""")
_RUBY = re.compile(r"""require_relative\s*\(?['"]([^'"]+)['"]""")
_INCLUDE = re.compile(r"""^[ \t]*#[ \t]*include[ \t]+"([^"\n]+)\"""", re.MULTILINE)
_AS_IT_IS: tuple[str, ...] = ("",)
_ENDINGS = ("", ".js", ".ts", ".tsx", ".jsx", ".mjs", ".cjs", "/index.js", "/index.ts")
_ROOTS = ("", "src/", "lib/", "python/")


class Import(NamedTuple):
    """A file in scope that imports one outside it."""

    path: str
    imported: str


def protected_imports(
    contents: Mapping[str, bytes], tracked: Collection[str]
) -> tuple[Import, ...]:
    """The imports that lead from files in scope to tracked files outside it."""
    found = [
        Import(path, target)
        for path, content in contents.items()
        for target in _targets(path, content, tracked)
        if target not in contents
    ]
    return tuple(dict.fromkeys(found))


def _targets(path: str, content: bytes, tracked: Collection[str]) -> Iterator[str]:
    if path.endswith((".py", ".pyi")):
        yield from _python(path, content, tracked)
        return
    text = content.decode("utf-8", "replace")
    folder = posixpath.dirname(path)
    pattern, endings = _INCLUDE, _AS_IT_IS
    if re.search(r"\.[cm]?[jt]sx?$", path):
        pattern, endings = _JS, _ENDINGS
    elif path.endswith(".rb"):
        pattern, endings = _RUBY, ("", ".rb")
    for said in pattern.finditer(text):
        base = posixpath.normpath(posixpath.join(folder, said[1]))
        yield from (base + ending for ending in endings if base + ending in tracked)


def _python(path: str, content: bytes, tracked: Collection[str]) -> Iterator[str]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module(alias.name, _ROOTS, tracked)
        elif isinstance(node, ast.ImportFrom):
            roots = _ROOTS if not node.level else (_above(path, node.level),)
            module = node.module or ""
            yield from _module(module, roots, tracked)
            for alias in node.names:
                yield from _module(f"{module}.{alias.name}".lstrip("."), roots, tracked)


def _above(path: str, level: int) -> str:
    """The folder that a relative import starts from, with its slash."""
    parts = path.split("/")[:-1]
    kept = parts[: len(parts) - (level - 1)] if level > 1 else parts
    return "".join(f"{part}/" for part in kept)


def _module(name: str, roots: Collection[str], tracked: Collection[str]) -> Iterator[str]:
    base = name.replace(".", "/")
    for root in roots:
        for ending in (".py", "/__init__.py"):
            if base and f"{root}{base}{ending}" in tracked:
                yield f"{root}{base}{ending}"
                return


MAX_MUTANTS = 3
SPIN_S = 50e-6
"""Of each call beyond the first ones: seen by a benchmark that takes the median of many."""

FIRST_CALLS = 20

_CODE = re.compile(r"\.(?:[cm]?[jt]sx?|go|rs|java|kt|rb|c|cc|cpp|cxx|h|hpp|cs|swift|scala|php)$")
_COMMENT = re.compile(r"^\s*(?://|/?\*|#|--|import\b|use\b|package\b)")
_FLIPS = {
    "===": "!==", "==": "!=", "!=": "==", "<=": ">", ">=": "<", "&&": "||", "<": ">=", ">": "<="
}  # fmt: skip


class Mutant(NamedTuple):
    """One changed file.

    Attributes:
        path: of the file.
        line: where it is changed, from 1.
        what: the change in words.
        content: the whole file, changed.
    """

    path: str
    line: int
    what: str
    content: bytes


class Mutants(NamedTuple):
    """Those to be shown, and how many places in scope could have been broken so."""

    chosen: tuple[Mutant, ...]
    places: int


def mutants_of(contents: Mapping[str, bytes]) -> Mutants:
    """At most three, in different functions, of different files first, the largest first."""
    sites = sites_of(contents)
    first = {mutant.path: mutant for mutant in reversed(sites)}
    chosen = [mutant for mutant in sites if first[mutant.path] is mutant]
    rest = [mutant for mutant in sites if first[mutant.path] is not mutant]
    return Mutants(tuple((*chosen, *rest)[:MAX_MUTANTS]), len(sites))


def sites_of(contents: Mapping[str, bytes]) -> list[Mutant]:
    """Every place that can be broken, those in the largest functions first."""
    weighed: list[tuple[int, Mutant]] = []
    for path, content in contents.items():
        weighed += (_python_mutants if path.endswith(".py") else _other)(path, content)
    weighed.sort(key=lambda site: (-site[0], site[1].path, site[1].line))
    return [mutant for _, mutant in weighed]


def _tree(content: bytes) -> ast.Module | None:
    try:
        return ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def _python_mutants(path: str, content: bytes) -> Iterator[tuple[int, Mutant]]:
    """Each function that returns something returns None instead; weighed by its lines."""
    tree = _tree(content)
    if tree is None:
        return
    lines = content.split(b"\n")
    for function in _functions(tree):
        found = (node for node in ast.walk(function) if isinstance(node, ast.Return))
        returns = sorted(found, key=lambda node: (node.lineno, node.col_offset))
        site = next((node for node in returns if _says_something(node)), None)
        if site is None or site.end_lineno is None or site.end_col_offset is None:
            continue
        start, end = site.lineno - 1, site.end_lineno - 1
        changed = [
            *lines[:start],
            lines[start][: site.col_offset] + b"return None" + lines[end][site.end_col_offset :],
            *lines[end + 1 :],
        ]
        weight = (function.end_lineno or function.lineno) - function.lineno + 1
        what = f"{function.name}() returns None"
        yield weight, Mutant(path, site.lineno, what, b"\n".join(changed))


def _says_something(node: ast.Return) -> bool:
    return node.value is not None and not (
        isinstance(node.value, ast.Constant) and node.value.value is None
    )


def _other(path: str, content: bytes) -> Iterator[tuple[int, Mutant]]:
    """The first comparison of the file is turned round."""
    if not _CODE.search(path):
        return
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    for number, line in enumerate(lines, 1):
        if _COMMENT.match(line):
            continue
        for old, new in _FLIPS.items():
            spaced = f" {old} "
            if spaced in line and '"' not in line and "'" not in line:
                flipped = line.replace(spaced, f" {new} ", 1)
                changed = "\n".join([*lines[: number - 1], flipped, *lines[number:]])
                mutant = Mutant(
                    path, number, f"`{old}` became `{new}`",
                    changed.encode("utf-8", "surrogateescape"),
                )  # fmt: skip
                yield len(lines), mutant
                return


def slowed(content: bytes, sample_s: float) -> bytes | None:
    """A Python file whose every function waits, busily, before it begins; None where none can.

    Args:
        content: of the file.
        sample_s: elapsed seconds of a sample: the first calls together take as long again.
    """
    tree = _tree(content)
    if tree is None:
        return None
    lines = content.split(b"\n")
    places = {}
    for function in _functions(tree):
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        if body and body[0].lineno > function.lineno and _starts_line(lines, body[0]):
            places[_first_line(body[0])] = body[0].col_offset
    if not places:
        return None
    for line, indent in sorted(places.items(), reverse=True):
        lines.insert(line - 1, b" " * indent + b"_autoresearch_spin()")
    spin = _SPIN.format(first=sample_s / FIRST_CALLS, calls=FIRST_CALLS, later=SPIN_S)
    lines.insert(_prologue_end(tree), spin.encode("ascii"))
    changed = b"\n".join(lines)
    return changed if _tree(changed) is not None else None


_SPIN = """\
def _autoresearch_spin(_calls=[0]):
    import time
    _calls[0] += 1
    end = time.perf_counter() + ({first} if _calls[0] <= {calls} else {later})
    while time.perf_counter() < end:
        pass
"""


def _first_line(node: ast.stmt) -> int:
    """Where a statement begins, its decorators included."""
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(int(decorator.lineno) for decorator in decorators)])


def _starts_line(lines: list[bytes], node: ast.stmt) -> bool:
    return not lines[_first_line(node) - 1][: node.col_offset].strip()


def _prologue_end(tree: ast.Module) -> int:
    """The number of lines that hold the docstring and `from __future__`."""
    end = 0
    for node in tree.body:
        is_docstring = (
            not end and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        )
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not is_docstring and not is_future:
            break
        end = node.end_lineno or node.lineno
    return end


MAX_CONTENTS = 300
MAX_CONTENT_BYTES = 256 * 1024
MAX_PARTS = 6
PARTS_S = 60.0
GUARDS_S = 120.0
"""What breaking parts, and mutants, may cost; the first mutant is always tried."""

GUARD_SLOT = 2
SLOW_FACTOR = 8
"""A slowed sample that takes so many times as long as usual has been noticed."""


class Examination(NamedTuple):
    """What came of it.

    Attributes:
        mutants: each broken function that the guard was shown, and whether it noticed.
        places: how many such functions there are.
        parts: each part of the scope that was broken, and whether verify noticed.
        slowed: whether the metric moved when every function in scope waited; None: not asked.
        profile_s: elapsed seconds of the profiler, None where there is none or it fails.
        findings: what a human should know, a sentence each.
    """

    mutants: tuple[tuple[str, bool], ...]
    places: int
    parts: tuple[tuple[str, bool], ...]
    slowed: bool | None
    profile_s: float | None
    findings: tuple[str, ...]


def examine(
    bench: Bench,
    tree: TreeMap,
    rehearsal: Rehearsal,
    randomness: Randomness,
    say: Callable[[str], None],
) -> Examination:
    """Ask the questions of a contract that has been rehearsed on `tree`."""
    asked = _Questions(bench, tree, rehearsal, randomness, scoped_paths(bench.contract, tree))
    contents = asked.contents()
    say("does the guard notice a broken function")
    places = mutants_of(contents)
    mutants = asked.mutants(places.chosen)
    say("does verify notice each part of the scope")
    parts = asked.parts()
    say("does the metric move when the code is slower")
    moved = asked.slowed(contents)
    if bench.contract.profile is not None:
        say("does the profiler run")
    profile_s, unprofiled = asked.profiled()
    return Examination(
        mutants=mutants,
        places=places.places,
        parts=parts,
        slowed=moved,
        profile_s=profile_s,
        findings=(
            *_unnoticed(mutants, parts, moved),
            *([unprofiled] if unprofiled else []),
            *import_findings(bench.contract, tree, contents),
            *(f"{clean_line(one.where, 120)} is {one.remedy}" for one in leaks_of(bench)[:3]),
        ),
    )


def _unnoticed(
    mutants: Sequence[tuple[str, bool]], parts: Sequence[tuple[str, bool]], moved: bool | None
) -> Iterator[str]:
    """The findings about what was broken on purpose, a sentence each."""
    if mutants and not any(noticed for _, noticed in mutants):
        named = "; ".join(what for what, _ in mutants)
        yield (
            f"the guard passes although code in scope is broken ({named}): it does not test that "
            "code"
        )
    for part, noticed in parts:
        if not noticed:
            yield (
                f"breaking only {part} changed nothing that verify prints: verify does not run "
                "it, or runs it from elsewhere"
            )
    if moved is False:
        yield (
            "the metric did not get worse when every function in scope was slowed down: it does "
            "not measure that code"
        )


class _Questions(NamedTuple):
    """What is asked, and of what: a contract's bench, the commit, and its files in scope."""

    bench: Bench
    tree: TreeMap
    rehearsal: Rehearsal
    randomness: Randomness
    scoped: tuple[str, ...]

    def contents(self) -> dict[str, bytes]:
        """The files in scope, as many as are worth a look."""
        some = self.scoped[:MAX_CONTENTS]
        blobs = self.bench.repo.blobs(self.tree[path].oid for path in some)
        held = zip(some, blobs, strict=True)
        return {path: content for path, (_, content) in held if len(content) <= MAX_CONTENT_BYTES}

    def mutants(self, chosen: Sequence[Mutant]) -> tuple[tuple[str, bool], ...]:
        """Show the guard one broken function after the other, until it notices one."""
        guard, bench = self.bench.contract.guard, self.bench
        if guard is None:
            return ()
        allowed = max(1, int(GUARDS_S / max(self.rehearsal.guard_s or 0.0, 0.01)))
        shown: list[tuple[str, bool]] = []
        for mutant in chosen[:allowed]:
            slot = bench.slots[GUARD_SLOT]
            with altered(bench, slot, self.tree, {mutant.path: mutant.content}) as built:
                if not builds(bench, built):
                    continue  # it says nothing about the guard
                outcome = bench.run(built, guard, timeout_s=bench.contract.guard_timeout_s)
            noticed = outcome.exit_code != 0 or outcome.timed_out
            shown.append((clean_line(f"{mutant.path}:{mutant.line} {mutant.what}", 120), noticed))
            if noticed:
                break
        return tuple(shown)

    def parts(self) -> tuple[tuple[str, bool], ...]:
        """Break one part of the scope after the other: a leak of one shows only alone."""
        parts = parts_of(self.scoped)
        if len(parts) < 2:  # noqa: PLR2004 - one part is the whole, which was broken already
            return ()
        allowed = min(MAX_PARTS, int(PARTS_S / max(2 * self.rehearsal.sample_s, 0.01)))
        sound = [sample.value for sample in self.rehearsal.samples]
        shown = []
        for name, paths in list(parts.items())[:allowed]:
            broken = values_when_broken(self.bench, self.tree, paths, self.randomness)
            shown.append((clean_line(name, 80), not is_unnoticed(sound, broken)))
        return tuple(shown)

    def slowed(self, contents: Mapping[str, bytes]) -> bool | None:
        """Whether a time gets worse when every Python function waits; None: no such case."""
        if self.rehearsal.deterministic or not is_time(self.bench.contract):
            return None
        changes = {
            path: changed
            for path, content in contents.items()
            if path.endswith(".py")
            and (changed := slowed(content, self.rehearsal.sample_s)) is not None
        }
        value = self._value_when_changed(changes) if changes else None
        if value is None:
            return None
        sound = [sample.value for sample in self.rehearsal.samples]
        spread = max(sound) - min(sound)
        if self.bench.contract.metric.direction is Direction.LOWER:
            return value > max(sound) + spread
        return value < min(sound) - spread

    def _value_when_changed(self, changes: Mapping[str, bytes]) -> float | None:
        """What verify prints then, the worst there is where it takes too long; None if it fails.

        What the wait broke says nothing about the metric.
        """
        bench, contract = self.bench, self.bench.contract
        timeout_s = min(contract.timeout_s, SLOW_FACTOR * self.rehearsal.sample_s + 1.0)
        seed = self.randomness.getrandbits(SEED_BITS)
        try:
            with altered(bench, bench.slots[1], self.tree, changes) as built:
                if not builds(bench, built):
                    return None
                outcome = bench.run(built, contract.verify, timeout_s=timeout_s, seed=seed)
                if outcome.timed_out:
                    return math.inf if contract.metric.direction is Direction.LOWER else -math.inf
                return bench.read(outcome, self.rehearsal.samples[0].arm, "0000-slowed").value
        except (CandidateFailed, ProtectedTouched):
            return None

    def profiled(self) -> tuple[float | None, str]:
        """Elapsed seconds of the profiler on the unchanged code, or the finding that it fails."""
        bench, command = self.bench, self.bench.contract.profile
        if command is None:
            return None, ""
        try:
            built = bench.bring(bench.slots[GUARD_SLOT], self.tree, label="0000-profile")
            result, _ = bench.command(built, command, label="0000-profile")
        except ProtectedTouched as error:
            how = f"changes protected files ({clean_line(', '.join(error.paths[:3]), 120)})"
        else:
            if result.passed:
                return result.duration_s, ""
            how = "times out" if result.timed_out else f"fails with exit code {result.exit_code}"
        return None, f"`profile` {how} in a bench checkout, so it would not help the agent"


def parts_of(scoped: Sequence[str]) -> dict[str, list[str]]:
    """The files by folder or file directly below what they all share, largest part first."""
    folders = [posixpath.dirname(path) for path in scoped]
    shared = posixpath.commonpath(folders) if all(folders) else ""
    start = f"{shared}/" if shared else ""
    parts: dict[str, list[str]] = {}
    for path in scoped:
        first = path.removeprefix(start).partition("/")[0]
        parts.setdefault(f"{start}{first}", []).append(path)
    return dict(sorted(parts.items(), key=lambda item: -len(item[1])))


def is_time(contract: Contract) -> bool:
    """Whether slower code must show in the metric: a time, or a rate per second."""
    unit = contract.metric.unit
    is_rate = unit.endswith("/s") or (unit != "" and unit in SECONDS_PER_UNIT)
    return is_rate or contract.metric.source is not Source.OUTPUT


def import_findings(
    contract: Contract, tree: Mapping[str, object], contents: Mapping[str, bytes]
) -> tuple[str, ...]:
    """What code in scope imports from outside it, when that is part of the evaluator."""
    named = set(scripts_named(contract, tree, verdict_keys()))
    found = [
        one
        for one in protected_imports(contents, tree)
        if one.imported in named or is_test(one.imported) or is_bench(one.imported)
    ]
    return tuple(
        f"{clean_line(one.path, 80)} in scope imports {clean_line(one.imported, 80)}, which "
        "measures or tests: code under test can tamper with its judge"
        for one in found[:3]
    )
