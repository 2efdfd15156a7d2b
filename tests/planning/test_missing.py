"""What a command misses in a bench checkout, by what programs really print."""

from __future__ import annotations

import pytest
from autoresearch.planning.remedies import Missing, describe, find_missing, remedy, uncommitted


@pytest.mark.parametrize(
    ("said", "kind", "name"),
    [
        ("ModuleNotFoundError: No module named 'numpy.linalg'", "Python module", "numpy.linalg"),
        ("/usr/bin/python3: No module named pytest", "Python module", "pytest"),
        ("Error: Cannot find module 'tape'\nRequire stack:", "Node module", "tape"),
        ("[ERR_MODULE_NOT_FOUND]: Cannot find package 'x' imported from /a", "Node module", "x"),
        ("/bin/sh: 1: hyperfine: not found", "program", "hyperfine"),
        ("bash: line 1: hyperfine: command not found", "program", "hyperfine"),
        ("cannot load such file -- mini/autorun (LoadError)", "Ruby library", "mini/autorun"),
        ("a.go:3:2: no required module provides package o.org/x; to add", "Go package", "o.org/x"),
        ("error: no matching package named `serde` found", "crate", "serde"),
        ("a.c:1:10: fatal error: zlib.h: No such file or directory", "header", "zlib.h"),
        ("/usr/bin/ld: cannot find -lpcre2", "library", "pcre2"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'd/x.bin'", "file", "d/x.bin"),
        ("Error: ENOENT: no such file or directory, open 'x.json'", "file", "x.json"),
    ],
)  # fmt: skip
def test_what_programs_print(said: str, kind: str, name: str) -> None:
    """A message that is not understood leaves its reader with `exit code 1`."""
    assert find_missing(f"before\n{said}\nafter\n") == (Missing(kind, name),)


def test_honest_output_names_nothing() -> None:
    """A failing test about missing things is no missing dependency."""
    assert find_missing("3 failed, 2 passed\nAssertionError: 404 page not found here\n") == ()


@pytest.mark.parametrize(
    ("missing", "tracked", "folders", "words"),
    [
        (Missing("Python module", "pkg.a"), ["src/pkg/a.py"], [], "PYTHONPATH: src"),
        (Missing("Python module", "pkg"), ["pkg.py"], [], "PYTHONPATH: ."),
        (Missing("Python module", "numpy"), [], [".venv"], "link: [.venv]"),
        (Missing("Python module", "numpy"), [], [], "setup: python3 -m venv"),
        (Missing("Node module", "tape"), [], ["node_modules"], "link: [node_modules]"),
        (Missing("Node module", "tape"), [], [], "setup: npm ci"),
        (Missing("Node module", "./dist/x.js"), [], ["node_modules"], "`build`"),
        (Missing("crate", "serde"), [], [], "CARGO_HOME"),
    ],
)
def test_the_remedy_fits_what_lies_there(
    missing: Missing, tracked: list[str], folders: list[str], words: str
) -> None:
    """`link` of a folder that is not there, or an installation of the project's own module."""
    assert words in remedy(missing, tracked, folders)


def test_what_no_commit_holds_is_to_be_committed() -> None:
    """`link`, or an installation, for a benchmark that was just written."""
    module, file = Missing("Python module", "bench.util"), Missing("file", "./data.txt")
    assert "`git add bench.sh` and commit" in uncommitted((), ["bench.sh"], ["a.c", "bench.sh"])
    both = ["bench/run.py", "bench/util.py"]
    assert "bench/run.py exists" in uncommitted((), ["bench/run.py"], both)
    assert "`git add bench` and" in uncommitted((), ["bench/run.py"], both)
    assert "bench/util.py exists" in uncommitted((module,), [], ["bench/util.py"])
    assert "lib/util.py exists" in uncommitted((module._replace(name="util"),), [], ["lib/util.py"])
    assert "data.txt exists" in uncommitted((file,), [], ["data.txt"])
    assert uncommitted((module, file), ["bench.sh"], ["notes.md"]) == ""


def test_every_kind_has_a_remedy() -> None:
    """A kind without a remedy would end in a KeyError, just when help is needed."""
    from autoresearch.planning.remedies import SAYINGS  # noqa: PLC0415 - one use

    assert all(remedy(Missing(kind, "x"), [], []) for kind, _ in SAYINGS)


def test_the_sentence_is_short() -> None:
    """A hundred missing modules in one line."""
    found = tuple(Missing("program", f"p{number}") for number in range(9))
    text = describe(found, [], [])
    assert text.startswith("Missing there: program p0, program p1, program p2 and 6 more. Install")
    assert describe((), [], []) == ""
