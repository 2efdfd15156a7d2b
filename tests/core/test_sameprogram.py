"""Comments and white space are no change of a program; whatever is not plainly so is one."""

from __future__ import annotations

import pytest
from autoresearch.core.contract import Metric
from autoresearch.core.model import Direction
from autoresearch.core.sameprogram import is_same_program, may_count_source
from support.histories import contract
from support.records import make

GO = 'package a\n\nfunc f() string {\n\treturn "a // b  c"\n}\n'

SAME = {
    "comment": ("a.py", "x = 1\n", "x = 1  # one\n"),
    "comment line": ("a.py", "x = 1\n", "# why\n\nx = 1\n"),
    "wrapped": ("a.py", "f(a, b)\n", "f(\n    a,\n    b,\n)\n"),
    "quotes": ("a.py", "x = 'a'\n", 'x = "a"\n'),
    "go comment": ("a.go", GO, GO.replace("\treturn", "\t// why\n\n    return")),
    "c block": ("a.c", "int a;\nint b;\n", "int a; /* one */\n/* two\n three */\nint b;\n"),
    "c spaces": ("a.c", "int  a;\n\n\nint b;\n", "  int a;\nint b; //\n"),
    "rust lifetime": ("a.rs", "fn f<'a>(x: &'a str) {}\n", "fn f<'a>(x: &'a str) {} // it's\n"),
    "script": ("a.ts", "const a = 1\n", "// why\nconst a = 1\n"),
}

OTHER = {
    "value": ("a.py", "x = 1\n", "x = 2\n"),
    "docstring": ("a.py", 'def f():\n    "a"\n', 'def f():\n    "b"\n'),
    "string": ("a.py", "x = '# a'\n", "x = '# b'\n"),
    "compiled python": ("a.py", "# cython: boundscheck=True\n", "# cython: boundscheck=False\n"),
    "no python": ("a.py", "x = (\n", "x = (  # a\n"),
    "string with slashes": ("a.go", GO, GO.replace("b  c", "b c")),
    "directive": ("a.go", GO, GO.replace("func", "//go:noinline\nfunc")),
    "old directive": ("a.go", GO, f"// +build linux\n{GO}"),
    "raw string": ("a.go", "var a = `x`\n", "var a = `x` // y\n"),
    "cgo": ("a.go", '// int a;\nimport "C"\n', '// int b;\nimport "C"\n'),
    "joined lines": ("a.go", "a()\nb()\n", "a() b()\n"),
    "doc comment": ("a.rs", "fn f() {}\n", "/// help\nfn f() {}\n"),
    "line number": ("a.c", "int a = __LINE__;\n", "// b\nint a = __LINE__;\n"),
    "continued comment": ("a.c", "int a;\n", "// b \\\nint a;\n"),
    "comment that joins lines": ("a.c", "#define A 1\nx\n", "#define A 1 /* b\n */ x\n"),
    "nested comment": ("a.c", "int a;\n", "/* /* */ int a;\n"),
    "regular expression": ("a.js", "a = /x/\n", "a = /x/ // y\n"),
    "regular expression at the end": ("a.js", "// y\na = /x/\n", "a = /x/\n"),
    "pure mark": ("a.js", "f()\n", "/*#__PURE__*/ f()\n"),
    "chunk name": ("a.js", "f()\n", "/* webpackChunkName: 'a' */ f()\n"),
    "other language": ("a.sh", "a\n", "a # b\n"),
    "bytes": ("a.c", "int a;\n", "int a; // \udcff\n"),
    "long": ("a.py", "x = 1\n", "x = 1\n" + "#" * (1 << 20)),
}


@pytest.mark.parametrize(("path", "before", "after"), SAME.values(), ids=SAME)
def test_comments_and_white_space_are_no_change(path, before, after):
    """A race that takes a minute to find nothing."""
    assert is_same_program(path, before.encode(), after.encode())
    assert is_same_program(path, after.encode(), before.encode())


@pytest.mark.parametrize(("path", "before", "after"), OTHER.values(), ids=OTHER)
def test_whatever_may_be_a_change_is_one(path, before, after):
    """A real change that is turned away."""
    pair = [text.encode("utf-8", "surrogateescape") for text in (before, after)]
    assert not is_same_program(path, *pair)
    assert not is_same_program(path, *pair[::-1])


@pytest.mark.parametrize(
    ("name", "unit", "verify", "counts"),
    [
        ("parse_ms", "ms", "python bench.py", False),
        ("cost", "", "./bench.sh", False),
        ("outline_ms", "ms", "./bench.sh", False),
        ("source_lines", "", "./bench.sh", True),
        ("cost", "kB", "./bench.sh", True),
        ("cost", "", "wc -c < src/a.py", True),
    ],
)
def test_metric_of_the_source_itself(name, unit, verify, counts):
    """A comment whose removal is the gain that was asked for."""
    metric = make(Metric, name=name, unit=unit, direction=Direction.LOWER)
    assert may_count_source(contract(metric=metric, verify=verify)) is counts
