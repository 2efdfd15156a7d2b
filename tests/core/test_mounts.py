"""What of a checkout a sandbox locks, and what stays writable."""

from __future__ import annotations

import pytest
from autoresearch.core.scope import Mounts, compile_scope, lock_mounts
from autoresearch.core.snapshot import Entry

FILE = Entry("100644", "0" * 40)


def covered(scope: str, *paths: str, most: int = 40) -> Mounts:
    """The cover of these files under a scope of one pattern."""
    return lock_mounts(dict.fromkeys(paths, FILE), compile_scope((scope,), ()).covers, most)


def test_folders_without_scope_are_locked_whole() -> None:
    """A mount for each of a thousand files, or a new module dropped beside the evaluator."""
    found = covered("src/**/*.py", "src/a.py", "tests/a/one.py", "tests/b/two.py", "docs/x/y/z")
    assert found == Mounts((), ("docs", "tests"))


def test_protected_files_beside_the_scope_are_locked_singly() -> None:
    """New files cannot be made where the project's own are, or an evaluator there is open."""
    found = covered("src/**/*.py", "src/a.py", "src/pkg/b.py", "src/pkg/data.json", "bench.sh")
    assert found == Mounts(("src", "src/pkg"), ("bench.sh", "src/pkg/data.json"))


def test_the_folder_of_a_locked_folder_is_pinned() -> None:
    """`src` is moved aside and another put in its place, with another `src/tests` in it."""
    assert covered("src/*.py", "src/a.py", "src/tests/deep/t.py") == Mounts(
        ("src",), ("src/tests",)
    )


def test_folders_in_scope_are_neither() -> None:
    """The candidate's own files are mounted for nothing."""
    assert covered("src", "src/a.py", "src/pkg/b.py") == Mounts((), ())


def test_links_and_submodules_are_left_out() -> None:
    """A mount on a link lands on what it leads to."""
    tree = {
        "link": Entry("120000", "0" * 40),
        "sub": Entry("160000", "0" * 40),
        "src/a.py": FILE,
        "deep/link": Entry("120000", "0" * 40),
    }
    assert lock_mounts(tree, compile_scope(("src",), ()).covers) == Mounts((), ())


@pytest.mark.parametrize(
    ("most", "pinned", "locked"),
    [
        (0, (), ()),
        (1, (), ("big",)),
        (3, (), ("a", "big")),
        (4, ("src",), ("a", "big", "src/data")),
    ],
)
def test_what_locks_most_comes_first(
    most: int, pinned: tuple[str, ...], locked: tuple[str, ...]
) -> None:
    """A flat repository of many files makes every sample start late."""
    paths = ("src/x.py", "src/data", "a", "big/1", "big/2", "big/deep/3")
    assert covered("src/*.py", *paths, most=most) == Mounts(pinned, locked)
