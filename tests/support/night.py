"""A session of many keeps over shared files, of which it is known what needs what."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from support.session import Helper, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from support.harness import Git

PYTHON = f"{sys.executable} -S"
PARTS = 14

BENCH = """\
import sys
sys.path.insert(0, "src")
import one, two
print(f"METRIC cost={one.cost() + two.cost()}")
"""

CHECK = """\
import sys
sys.path.insert(0, "src")
import one, two
assert one.NEEDED or not two.FAST, "two.FAST needs one.NEEDED"
"""

CONTRACT = """\
session: night
goal: Make the parts cheaper
metric: {{name: cost, direction: lower, deterministic: true}}
verify: {python} bench.py
guard: {python} check.py
scope: ["src/**"]
race: {{seconds: 60, max_runs: 8}}
sandbox: off
"""


def source(parts: int) -> str:
    """A file of many parts, each with a cost of its own, far enough apart to be edited alone."""
    functions = "\n\n\n".join(
        f"def part_{number:02d}():\n    # part {number}\n    return 100" for number in range(parts)
    )
    total = " + ".join(f"part_{number:02d}()" for number in range(parts))
    return f"NEEDED = False\nFAST = False\n\n\n{functions}\n\n\ndef cost():\n    return {total}\n"


def with_parts(repo: Git) -> None:
    """Add the parts to the tiny project."""
    repo.write("src/one.py", source(PARTS))
    repo.write("src/two.py", source(PARTS))
    repo.write("bench.py", BENCH)
    repo.write("check.py", CHECK)


def four_keeps(helper: Helper) -> None:
    """Two parts of one file, one of another file, and a second step on the first of them."""
    night = Night(helper)
    night.cheaper("one", 2)
    night.cheaper("one", 8)
    night.cheaper("two", 5)
    night.cheaper("one", 2, 80, before=90)


def open_night(folder: Path, worked: Callable[[Helper], None] | None = None) -> Night:
    """The project with a session on it; what `worked` did in it is done once for all tests."""
    text = CONTRACT.format(python=PYTHON)
    return Night(open_session(folder, contract=text, prepare=with_parts, worked=worked))


class Night:
    """The project and its session."""

    def __init__(self, helper: Helper) -> None:
        self.helper = helper
        self.repo = helper.repo

    @property
    def base(self) -> str:
        """The commit that the session started from."""
        return self.repo("rev-parse", "main")

    def keep(self, message: str, edits: Mapping[str, tuple[tuple[str, str], ...]]) -> None:
        """One experiment that is kept: (old, new) texts of each file, each of them once."""
        for path, changes in edits.items():
            text = (self.repo.root / path).read_text("utf-8")
            for old, new in changes:
                assert text.count(old) == 1, (path, old)
                text = text.replace(old, new)
            self.repo.write(path, text)
        assert self.helper.verdict(message) == ("keep", None)

    def cheaper(self, name: str, part: int, cost: int = 90, before: int = 100) -> None:
        """A keep that makes one part of one file cheaper."""
        old = f"# part {part}\n    return {before}\n"
        new = f"# part {part}\n    return {cost}\n"
        self.keep(f"{name} part {part} at {cost}", {f"src/{name}.py": ((old, new),)})

    def together(self, branches: list[str]) -> str:
        """The tree of branches merged by git itself onto the base, one after the other."""
        self.repo("checkout", "-q", "--detach", self.base)
        for name in branches:
            self.repo("merge", "-q", "--no-edit", name)
        tree = self.repo("rev-parse", "HEAD^{tree}")
        self.repo("checkout", "-q", "autoresearch/night")
        return tree
