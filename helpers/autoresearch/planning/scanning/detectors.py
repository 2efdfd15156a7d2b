"""What no table can say: Go's benchmarks by package, JMH's profile, programs that make builds.

Each function is a detector, which rules name: it yields places below a home, as path, line (0 for
the file) and variables for texts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from autoresearch.planning.scanning import outline, paths
from autoresearch.planning.scanning.outline import Home

Place = tuple[str, int, dict[str, str]]

MAX_PACKAGES = 3
MAX_FOREIGN = 20
MAKEFILES = ("Makefile", "GNUmakefile", "makefile")

_CI_FILE = re.compile(
    r"^\.github/workflows/[^/]+\.ya?ml$|^\.gitlab-ci\.yml$|^\.travis\.yml$|^\.circleci/config\.yml$"
    r"|^azure-pipelines\.yml$|^\.cirrus\.yml$|^appveyor\.yml$"
)
_GO_BENCHMARK = re.compile(r"^func (Benchmark\w+)\(", re.MULTILINE)
_PROFILE_ID = re.compile(r"<id>\s*([^<\s]+)")
_INSTALLS = re.compile(r"prereq|install|setup")
_BENCH_NAME = re.compile(r"bench", re.IGNORECASE)


def go_benchmarks(home: Home) -> Iterator[Place]:
    """The packages with the most Benchmark functions, each by its first function."""
    by_package: dict[str, list[Place]] = defaultdict(list)
    for path in home.files():
        if path.endswith("_test.go") and not paths.is_vendored(path):
            for line, found in outline.lined(home.text(path), _GO_BENCHMARK):
                by_package[path.rpartition("/")[0]].append((path, line, {"function": found[1]}))
    ordered = sorted(by_package.items(), key=lambda item: (-len(item[1]), item[0]))
    for package, places in ordered[:MAX_PACKAGES]:
        path, line, names = places[0]
        is_module = bool(package) and home.has(f"{package}/go.mod")
        many = len(places)
        yield path, line, {
            **names,
            "many": str(many),
            "target": "." if is_module or not package else f"./{package}",
            "inside": f"cd {package} && " if is_module else "",
            "others": f"which of {many} benchmarks matters" if many > 1 else "its input",
        }  # fmt: skip


def jmh_of_maven(home: Home) -> Iterator[Place]:
    """JMH in a pom.xml, and the option for the profile that holds it."""
    text = home.text("pom.xml")
    line = outline.first_line(text, "jmh")
    if not line:
        return
    named = ""
    for block in text.split("<profile>")[1:]:
        inner, closed, _ = block.partition("</profile>")
        found = _PROFILE_ID.search(inner)
        if closed and found and "jmh" in inner:
            named = f" -P{found[1]}"
            break
    yield "pom.xml", line, {"profile": named}


def built_by_make(home: Home) -> Iterator[Place]:
    """Benchmark programs of C and C++ that a Makefile builds: a target of its name, and how."""
    seen: set[str] = set()
    known = {
        path: {target.name for target in outline.targets(home.text(path)) if target.recipe}
        for path in home.files()
        if paths.name_of(path) in MAKEFILES
    }
    for path in home.files():
        name = paths.name_of(path)
        if paths.language_of(path) not in {"C", "C++"} or not _BENCH_NAME.search(name):
            continue
        folder, stem = path.rpartition("/")[0], paths.stem_of(path)
        for place in dict.fromkeys((folder, "")):
            prefix = f"{place}/" if place else ""
            makes = any(stem in known.get(f"{prefix}{make}", ()) for make in MAKEFILES)
            if makes and stem not in seen:
                seen.add(stem)
                make = f"make -C {place}" if place else "make"
                program = f"{place or '.'}/{stem}"
                yield path, 0, {"make": f"{make} {stem}", "program": program}
                break


def bench_targets(home: Home) -> Iterator[Place]:
    """Targets called a benchmark; without a recipe it is the program that they need which runs."""
    name = next((name for name in MAKEFILES if home.has(name)), "")
    for target in outline.targets(home.text(name)):
        if _BENCH_NAME.search(target.name) and "/" not in target.name:
            program = next((need for need in target.needs.split() if paths.is_bench(need)), "")
            runs = f" && {program}" if program and not target.recipe else ""
            yield name, target.line, {"target": target.name, "runs": runs}


def bench_scripts(home: Home) -> Iterator[Place]:
    """Scripts that are called a benchmark and that no table of a language looks at."""
    for path in sorted(home.files(), key=paths.depth_of):
        name = paths.name_of(path)
        is_other = paths.is_foreign(path) or paths.is_test(path) or _INSTALLS.search(path)
        is_script = home.text(path).startswith("#!")
        is_run = name.endswith((".sh", ".pl")) or ("." not in name and is_script)
        if paths.is_bench(name) and is_run and not is_other:
            yield path, int(is_script), {}


def broken_json(home: Home) -> Iterator[Place]:
    """A package.json that is none."""
    if outline.json_object(home.text("package.json")) is None:
        yield "package.json", 0, {}


def ci_lines(home: Home) -> Iterator[Place]:
    """Every command that CI runs, and where."""
    for path in home.project.texts:
        if _CI_FILE.search(path):
            for command in outline.ci_commands(home.text(path)):
                yield path, command.line, {"command": command.text}


def foreign_trees(home: Home) -> Iterator[Place]:
    """Trees that nobody here writes by hand, each once, with the number of their files."""
    seen: dict[tuple[str, str], int] = {}
    for path in home.files():
        if paths.is_vendored(path):
            parts = path.split("/")
            heads = ("/".join(parts[: n + 1]) for n in range(len(parts)))
            key = ("vendored", next(f"{head}/" for head in heads if paths.is_vendored(f"{head}/")))
        elif paths.is_generated(path) and paths.language_of(path):
            key = ("generated", f"{path.rpartition('/')[0] or '.'}/")
        else:
            continue
        seen[key] = seen.get(key, 0) + 1
    for (kind, tree), count in list(seen.items())[:MAX_FOREIGN]:
        yield tree, 0, {"tree": f"{kind} {tree} ({count} files)"}
