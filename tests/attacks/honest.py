"""Honest changes of every shape: a referee that refuses them is of no use."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

from support.project import WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from attacks.arena import Arena
    from support.harness import Git

CHEAPER = WORK.replace("return 100", "return 90")


class Honest(NamedTuple):
    """A gain that must be kept.

    Attributes:
        name: the shape of the change.
        edit: makes it, gain included.
        message: what `try -m` says.
    """

    name: str
    edit: Callable[[Arena], None]
    message: str = "cheaper"


def prepare(repo: Git) -> None:
    """What the project holds beside its program, for changes to work on."""
    repo.write("src/helper.py", "def help():\n    return 1\n")
    repo.write("src/old/part.py", "A = 1\n")
    repo.write("src/run.sh", "#!/bin/sh\necho run\n", mode=0o755)
    repo.write("src/dos.py", b"A = 1\r\nB = 2\r\n")
    repo.write("src/blob.bin", bytes(range(256)) * 8)
    repo.write("src/grüße.py", "A = 1\n")
    (repo.root / "src" / "alias.py").symlink_to("helper.py")


def _cheaper(arena: Arena) -> None:
    arena.repo.write("src/work.py", CHEAPER)


def _with(edit: Callable[[Arena], object]) -> Callable[[Arena], None]:
    def both(arena: Arena) -> None:
        _cheaper(arena)
        edit(arena)

    return both


def _in(arena: Arena, path: str):
    return arena.root / "src" / path


def _moves_program(arena: Arena) -> None:
    arena.repo.write("src/core/impl.py", CHEAPER)
    arena.repo.write("src/core/__init__.py", "")
    arena.repo.write("src/work.py", "from core.impl import *\nfrom core.impl import SIZE\n")


def _module_to_package(arena: Arena) -> None:
    _in(arena, "work.py").unlink()
    arena.repo.write("src/work/__init__.py", CHEAPER)


def _many_files(arena: Arena) -> None:
    for number in range(300):
        arena.repo.write(f"src/many/part_{number}.py", f"X = {number}\n")


def _replaces_folder_by_file(arena: Arena) -> None:
    shutil.rmtree(_in(arena, "old"))
    arena.repo.write("src/old", "now a file\n")


def _retargets_link(arena: Arena) -> None:
    _in(arena, "alias.py").unlink()
    _in(arena, "alias.py").symlink_to("work.py")


def _file_for_link(arena: Arena) -> None:
    _in(arena, "alias.py").unlink()
    arena.repo.write("src/alias.py", "A = 1\n")


def _stages_it(arena: Arena) -> None:
    arena.repo("add", "src/work.py")


def _removes_by_git(arena: Arena) -> None:
    arena.repo("rm", "-q", "src/old/part.py")


def _touches_all(arena: Arena) -> None:
    for path in arena.root.glob("*.py"):
        os.utime(path, (1, 1))


def _leaves_trash(arena: Arena) -> None:
    """What tests and editors leave beside: ignored and untracked files, also outside the scope."""
    arena.repo.write("src/__pycache__/work.cpython-311.pyc", b"\0")
    arena.repo.write(".coverage", "x")
    arena.repo.write("notes.txt", "my notes\n")


def _writes_where_it_may(arena: Arena) -> None:
    """A program that keeps temporary files, as many do."""
    code = """
import os, tempfile
with tempfile.NamedTemporaryFile() as file:
    file.write(b"x")
os.makedirs(os.path.expanduser("~/.cache/tool"), exist_ok=True)
"""
    arena.candidate(code, cost=90)


def _talks(arena: Arena) -> None:
    arena.candidate(
        "import sys\nprint('loading tables')\nprint('note', file=sys.stderr)\n", cost=90
    )


def _large(arena: Arena) -> None:
    lines = "".join(f"TABLE_{number} = {number}\n" for number in range(20_000))
    arena.repo.write("src/work.py", CHEAPER + lines)


HONEST = (
    Honest("edits a line", _cheaper),
    Honest("adds a file", _with(lambda a: a.repo.write("src/new.py", "N = 1\n"))),
    Honest("adds a file in a new folder", _with(lambda a: a.repo.write("src/x/y/z.py", "N = 1\n"))),
    Honest(
        "deletes a file",
        _with(lambda a: _in(a, "helper.py").unlink() or _in(a, "alias.py").unlink()),
    ),
    Honest("deletes a folder", _with(lambda a: shutil.rmtree(_in(a, "old")))),
    Honest("renames a file", _with(lambda a: _in(a, "old/part.py").rename(_in(a, "old/piece.py")))),
    Honest("renames a folder", _with(lambda a: _in(a, "old").rename(_in(a, "young")))),
    Honest("moves the program into a package", _moves_program),
    Honest("turns a module into a package", _module_to_package),
    Honest("puts a file where a folder was", _with(_replaces_folder_by_file)),
    Honest("makes a file executable", _with(lambda a: _in(a, "helper.py").chmod(0o755))),
    Honest("takes the executable bit away", _with(lambda a: _in(a, "run.sh").chmod(0o644))),
    Honest(
        "adds a link inside the scope", _with(lambda a: _in(a, "link.py").symlink_to("work.py"))
    ),
    Honest(
        "adds a link to a folder of the scope", _with(lambda a: _in(a, "link").symlink_to("old"))
    ),
    Honest("retargets a link", _with(_retargets_link)),
    Honest("makes a link a file", _with(_file_for_link)),
    Honest(
        "edits a file with CR LF",
        _with(lambda a: _in(a, "dos.py").write_bytes(b"A = 2\r\nB = 3\r\n")),
    ),
    Honest("turns CR LF into LF", _with(lambda a: _in(a, "dos.py").write_bytes(b"A = 1\nB = 2\n"))),
    Honest("edits a binary file", _with(lambda a: _in(a, "blob.bin").write_bytes(b"\0\1\2" * 99))),
    Honest("adds an empty file", _with(lambda a: a.repo.write("src/empty.py", ""))),
    Honest(
        "edits a file with a Unicode name", _with(lambda a: a.repo.write("src/grüße.py", "A = 2\n"))
    ),
    Honest(
        "adds names with spaces, quotes and dashes",
        _with(lambda a: a.repo.write("src/-a 'b' \"c\" $d.py", "A = 1\n")),
    ),
    Honest(
        "adds a name in another script", _with(lambda a: a.repo.write("src/数据.py", "A = 1\n"))
    ),
    Honest("adds 300 files", _with(_many_files)),
    Honest("adds 20,000 lines", _large),
    Honest("has staged its change", _with(_stages_it)),
    Honest("removes a file by git", _with(_removes_by_git)),
    Honest("touches every file's time", _with(_touches_all)),
    Honest("leaves ignored and untracked files beside", _with(_leaves_trash)),
    Honest("writes to its temporary folder and home", _writes_where_it_may),
    Honest("prints beside the metric", _talks),
    Honest("is explained at length", _cheaper, message="cheaper, for: " + "many reasons, " * 200),
    Honest("is explained in other scripts", _cheaper, message="dépêche: 更快 ✓ быстрее"),
)
