"""How large the house is and what it costs: one table, the figures of the old house beside it.

Lines and modules, what one `try` loads, names and circles, repeated code, the suite's time and the
helper's own time. Limits are those of CONTRIBUTING.md. `--quick` leaves the helper's own time out.
"""

from __future__ import annotations

import argparse
import ast
import collections
import io
import json
import re
import subprocess
import sys
import tempfile
import tokenize
from pathlib import Path
from typing import NamedTuple

from bench_overhead import DEPENDENCIES, Repository, measure

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "helpers" / "autoresearch"
SUITE = ROOT / ".pytest_cache" / "v" / "house" / "suite"
WINDOW = 10
"""So many lines of the same shape are a repetition."""


class Row(NamedTuple):
    """One figure."""

    what: str
    old: str
    now: float | None
    limit: float
    unit: str = ""


def sources() -> dict[str, str]:
    """Module name -> source, without what ships as data."""
    data = ("share", "project")
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path.read_text("utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
        if not set(data) & set(path.relative_to(PACKAGE).parts)
    }


def twice(names: list[str]) -> list[str]:
    """Those that occur more than once."""
    return sorted(name for name, times in collections.Counter(names).items() if times > 1)


def classes(texts: dict[str, str]) -> list[str]:
    """The names of all classes at the top of modules."""
    trees = (ast.parse(text) for text in texts.values())
    return [node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]


def imports(texts: dict[str, str]) -> dict[str, set[str]]:
    """Module -> the modules of ours that it imports, wherever in it."""
    found: dict[str, set[str]] = {name: set() for name in texts}
    for name, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("autoresearch"):
                base = (node.module or "").removeprefix("autoresearch").lstrip(".")
                named = [f"{base}.{alias.name}".lstrip(".") for alias in node.names]
                found[name] |= {one if one in texts else base for one in named} & set(texts)
    return found


def circles(edges: dict[str, set[str]]) -> list[str]:
    """Modules that reach themselves through others."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(edges[start])
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += edges[name]
        return seen

    return [name for name in edges if name in reached(name)]


def shape(text: str) -> list[tuple[int, str]]:
    """(line number, its tokens) of code: without comments, docstrings and imports."""
    lines: dict[int, list[str]] = {}
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.stmt) and (is_import or is_text):
            skipped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in {tokenize.OP, tokenize.NAME, tokenize.NUMBER, tokenize.STRING}:
            lines.setdefault(token.start[0], []).append(token.string)
    return [(at, " ".join(tokens)) for at, tokens in sorted(lines.items()) if at not in skipped]


def repeated(texts: dict[str, str]) -> list[str]:
    """Where `WINDOW` lines and more of code stand a second time, as "module:line = module:line"."""
    seen: dict[tuple[str, ...], tuple[str, int]] = {}
    found = []
    for name, text in texts.items():
        lines = shape(text)
        last = -WINDOW
        for start in range(len(lines) - WINDOW + 1):
            window = tuple(line for _, line in lines[start : start + WINDOW])
            where = seen.setdefault(window, (name, lines[start][0]))
            if where != (name, lines[start][0]) and start >= last + WINDOW:
                found.append(f"{name}:{lines[start][0]} = {where[0]}:{where[1]}")
                last = start
    return found


def imported(repo: Repository, rounds: int, *command: str) -> dict[str, int]:
    """Module -> the least us that its own import took in so many runs of a command."""
    line = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +([\w.]+)")
    least: dict[str, int] = {}
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *command],
            cwd=repo.root,
            env=repo.env,
            capture_output=True,
            text=True,
            check=False,
        )
        for found in filter(None, map(line.fullmatch, done.stderr.splitlines())):
            least[found[2]] = min(int(found[1]), least.get(found[2], sys.maxsize))
    return least


def start_up(repo: Repository, rounds: int) -> tuple[float, float]:
    """Modules of ours that `try` loads; their import time over that of all dependencies."""
    command = ("-m", "autoresearch", "try", "--again", "-m", "a change")
    ours = [
        took
        for name, took in imported(repo, rounds, *command).items()
        if name.split(".")[0] == "autoresearch"
    ]
    bare = sum(imported(repo, rounds, "-c", "pass").values())
    theirs = sum(imported(repo, rounds, "-c", DEPENDENCIES).values())
    return len(ours), sum(ours) / (theirs - bare)


def suite() -> float | None:
    """Minutes of the last `make test` here, or None."""
    try:
        return float(json.loads(SUITE.read_text("utf-8"))["seconds"]) / 60
    except (OSError, ValueError, KeyError):
        return None


def rows(*, quick: bool) -> list[Row]:
    """All figures."""
    texts = sources()
    double_modules = twice([name.rpartition(".")[2] for name in texts if "__" not in name])
    double_classes = twice(classes(texts))
    turning = circles(imports(texts))
    same = repeated(texts)
    for what, names in (
        ("class names twice", double_classes),
        ("module names twice", double_modules),
        ("in a circle", turning),
        ("repeated", same),
    ):
        if names:
            print(f"{what}: {', '.join(names)}", file=sys.stderr)
    found = [
        Row("lines in helpers/", "40,423", sum(len(it.splitlines()) for it in texts.values()), 3e4),
        Row("modules", "274", len(texts), 160),
        Row("class names that stand twice", "29", len(double_classes), 0),
        Row("module names that stand twice", "12", len(double_modules), 0),
        Row("modules in a circle", "7", len(turning), 0),
        Row(f"repetitions of {WINDOW} lines", "", len(same), 0),
        Row("`make test`, the last one here", "13", suite(), 7, "min"),
    ]
    with tempfile.TemporaryDirectory(prefix="house-") as folder:
        repo = Repository(Path(folder), 100)
        modules, share = start_up(repo, 3 if quick else 9)
        found += [
            Row("modules of ours that `try` loads", "131", modules, 75),
            Row("their import over all dependencies'", "1.14", share, 0.5),
        ]
    if not quick:
        small, large = measure(100, 7), measure(30_000, 3)
        found += [
            Row("a keep at 100 files", "507", small["keep"] * 1e3, 300, "ms"),
            Row("a discard at 100 files", "477", small["discard"] * 1e3, 300, "ms"),
            Row(
                "a keep at 30,000 files over commit + reset", "13", large["keep"] / large["git"], 6
            ),
        ]
    return found


def shown(figure: float) -> str:
    """Whole from 20 on, else with three digits."""
    return f"{figure:,.0f}" if figure >= 20 else f"{figure:.3g}"


def main() -> None:
    """Print the table; the status is 1 when a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without the helper's own time")
    table = rows(quick=parser.parse_args().quick)
    print("| figure | old house | now | limit |\n|---|---|---|---|")
    for row in table:
        now = "not measured" if row.now is None else f"{shown(row.now)} {row.unit}".strip()
        print(f"| {row.what} | {row.old} | {now} | {shown(row.limit)} |")
    missed = [
        r.what for r in table if r.limit is not None and r.now is not None and r.now > r.limit
    ]
    if missed:
        sys.exit(f"over the limit: {', '.join(missed)}")


if __name__ == "__main__":
    main()
