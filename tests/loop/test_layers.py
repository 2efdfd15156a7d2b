"""Imports point down only, and each third-party library has one home."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import autoresearch
import pytest

PACKAGE = Path(autoresearch.__file__).parent
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if "project" not in path.relative_to(PACKAGE).parts
)

BELOW = {
    "share": set(),
    "core": set(),
    "edges": {"core"},
    "loop": {"core", "edges"},
    "planning": {"core", "edges", "loop"},
    "importing": {"core", "edges", "loop", "planning", "shipping"},
    "trial": {"core", "edges", "loop", "planning"},
    "hosts": {"core", "edges", "loop"},
    "security": {"core", "edges", "loop"},
    "shipping": {"core", "edges", "loop", "planning"},
    "reporting": {"core", "edges", "loop"},
    "cli": {
        *("core", "edges", "loop", "planning", "trial", "hosts", "security", "shipping"),
        "reporting",
        "importing",
    },
}
"""Layer -> the layers that it may import, beside itself."""

IMPURE = {"os", "subprocess", "git", "time", "random", "click", "shutil", "socket", "tempfile"}
HOMES = {
    "git": {"edges/gitrepo.py"},
    "jsonlines": {"loop/holdout_log.py"},
    "yaml": {
        "core/contract",
        "importing/continuing.py",
        "core/security/catalog.py",
        "core/security/forms.py",
        "core/suspicion.py",
    },
    "cvss": {"core/security/catalog.py"},
    "click": {"cli"},
    "rich": {"reporting/watching.py"},
    "jinja2": {"reporting/webpage.py", "security/webreport.py"},
    "vl_convert": {"reporting/charts.py"},
}


def imported(path):
    """Every module that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path):
    """A core that reaches for the disk, an edge that knows a use case, a use case that prints."""
    layer = path.relative_to(PACKAGE).parts[0]
    if layer not in BELOW:
        assert name_of(path) in {"__init__.py", "__main__.py"}
        return
    if layer == "share":  # copied into projects that know nothing of us; proving.py beside weigh.py
        known = {*sys.stdlib_module_names, "proving"}
        assert {module.split(".")[0] for module in imported(path)} <= known
        return
    for module in imported(path):
        parts = module.split(".")
        if parts[0] == "autoresearch" and len(parts) > 1:
            assert parts[1] in BELOW[layer] | {layer, "share"}, module


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_libraries_stay_at_home(path):
    """A second home of a library, or a clock, process or file in the pure core."""
    layer = path.relative_to(PACKAGE).parts[0]
    for module in imported(path):
        top = module.split(".")[0]
        assert not (layer == "core" and top in IMPURE), module
        if top in HOMES:
            here = name_of(path)
            assert any(here == home or here.startswith(f"{home}/") for home in HOMES[top]), module


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_stay_small_enough_to_be_read(path):
    """A module that grows beyond 600 lines, or a function beyond 60."""
    text = path.read_text("utf-8")
    assert text.count("\n") <= 600
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 60, node.name


def test_no_name_is_taken_twice():
    """A reader who opens the wrong `snapshot`, or takes one `Step` for another."""
    ours = [path for path in MODULES if path.stem != "__init__"]
    modules = [path.stem for path in ours]
    classes = [
        node.name
        for path in ours
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    for names in (modules, classes):
        assert not {name for name in names if names.count(name) > 1}


def imports_within():
    """Module -> the modules of the package that it imports, be it for types only."""
    names = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in MODULES
    }
    found = {name: set[str]() for name in names}
    for name, path in names.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("autoresearch"):
                base = (node.module or "").removeprefix("autoresearch").removeprefix(".")
                for alias in node.names:
                    whole = f"{base}.{alias.name}".removeprefix(".")
                    found[name] |= {whole if whole in names else base} & names.keys() - {name}
    return found


def test_no_module_imports_itself_in_a_circle():
    """Two modules of which neither can be read, moved or tested without the other."""
    graph = imports_within()
    while ends := {name for name, below in graph.items() if not below & graph.keys()}:
        for name in ends:
            del graph[name]
    assert not graph  # each of these stands in a circle, or imports one
