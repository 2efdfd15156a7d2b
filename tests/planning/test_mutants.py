"""Programs broken and slowed on purpose, as text."""

from __future__ import annotations

import ast

from autoresearch.planning.examining import mutants_of, slowed

SMALL = b"def one():\n    return 1\n"
LARGE = b"""\
class A:
    def big(self, x):
        y = x
        if y: return (
            y +
            1
        )
        return y


def nothing():
    return None
"""


def test_the_largest_function_of_each_file_is_broken_first() -> None:
    """Three mutants of one trivial file say little about a guard."""
    found = mutants_of({"a.py": SMALL, "b.py": LARGE}).chosen
    assert [(m.path, m.line, m.what) for m in found] == [
        ("b.py", 4, "big() returns None"),
        ("a.py", 2, "one() returns None"),
    ]
    assert b"        if y: return None\n        return y\n" in found[0].content


def test_mutants_still_parse() -> None:
    """A guard that fails over a syntax error has noticed nothing."""
    for mutant in mutants_of({"a.py": SMALL, "b.py": LARGE, "c.py": b"def \xff("}).chosen:
        ast.parse(mutant.content)


def test_at_most_three_and_none_of_what_is_no_code() -> None:
    """Each mutant costs a run of the guard."""
    many = {f"{name}.py": SMALL for name in "abcde"}
    found = mutants_of(many)
    assert (len(found.chosen), found.places) == (3, len(many))
    assert mutants_of({"a.txt": b"x == 1\n", "b.json": b"{}"}) == ((), 0)


def test_other_languages_by_one_operator() -> None:
    """A change of type would not compile, and so prove nothing."""
    code = b"// a == b\nint f(int a) {\n  return a == 1;\n}\n"
    ((found,), _) = mutants_of({"a.c": code})
    assert (found.line, found.what) == (3, "`==` became `!=`")
    assert found.content == code.replace(b"return a ==", b"return a !=")


def test_a_slowed_file_does_the_same_later() -> None:
    """A slow-down that changes results or breaks the file would be noticed for the wrong reason."""
    code = (
        b'"""Doc."""\nfrom __future__ import annotations\n\n@property\ndef f(x=(1,\n  2)):\n'
        b'    "doc"\n    return x\n\n\ndef g(): return 3\n\n\nclass C:\n'
        b"    def h(self):\n        @staticmethod\n        def i():\n            return 4\n"
        b"        return i\n"
    )
    changed = slowed(code, 0.001)
    assert changed is not None
    assert changed.count(b"    _autoresearch_spin()\n") == 3
    names: dict[str, object] = {}
    exec(compile(changed, "x", "exec"), names)
    assert names["C"]().h()() == 4
    assert names["__doc__"] == "Doc."


def test_files_without_functions_cannot_be_slowed() -> None:
    """A claim that the metric does not move, from a file that was not changed."""
    assert slowed(b"X = 1\n", 1.0) is None
    assert slowed(b"def f(): return 1\n", 1.0) is None
    assert slowed(b"def (", 1.0) is None
