"""Imports that lead from the scope to protected files."""

from __future__ import annotations

from autoresearch.planning.examining import Import, protected_imports

TRACKED = {
    "src/pkg/__init__.py", "src/pkg/a.py", "src/pkg/sub/b.py", "tests/helpers.py", "bench.py",
    "web/a.js", "web/lib/index.js", "lib/a.rb", "lib/b.rb", "c/a.c", "c/a.h", "src/pkg/c.py",
}  # fmt: skip


def found(path: str, text: str, *others: str) -> list[str]:
    """What a file in scope imports outside it."""
    contents = {path: text.encode(), **dict.fromkeys(others, b"")}
    return [one.imported for one in protected_imports(contents, TRACKED)]


def test_python_absolute_and_relative() -> None:
    """A judge that is imported by its dotted name, or from the package above."""
    assert found("src/pkg/a.py", "import bench\nimport os, json\n") == ["bench.py"]
    assert found("src/pkg/a.py", "from tests.helpers import x\n") == ["tests/helpers.py"]
    assert found("src/pkg/sub/b.py", "from ..a import x\n") == ["src/pkg/a.py"]
    assert found("src/pkg/a.py", "from . import c\n") == ["src/pkg/c.py"]
    assert found("src/pkg/a.py", "from pkg.sub import b\n") == ["src/pkg/sub/b.py"]
    assert found("src/pkg/a.py", "def (") == []


def test_files_in_scope_are_no_finding() -> None:
    """What an experiment may change is not protected."""
    assert found("src/pkg/a.py", "from pkg import c\n", "src/pkg/c.py", "src/pkg/__init__.py") == []


def test_javascript_ruby_and_c() -> None:
    """Relative paths, with and without their ending."""
    assert found("web/a.js", "const x = require('./lib')\nimport y from 'react'\n") == [
        "web/lib/index.js"
    ]
    assert found("lib/a.rb", "require_relative 'b'\nrequire 'json'\n") == ["lib/b.rb"]
    assert found("c/a.c", '#include "a.h"\n#include <stdio.h>\n') == ["c/a.h"]
    assert protected_imports({"c/a.c": b'#include "a.h"'}, TRACKED) == (Import("c/a.c", "c/a.h"),)
