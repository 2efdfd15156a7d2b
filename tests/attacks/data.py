"""Broken data: programs, files and numbers that a reader may choke on."""

from __future__ import annotations

import os

from attacks.arena import Arena, Attack


def _empty_program(arena: Arena) -> None:
    arena.repo.write("src/work.py", "")


def _nul_bytes(arena: Arena) -> None:
    arena.repo.write("src/work.py", b"\0" * 5000)


def _syntax_error(arena: Arena) -> None:
    arena.repo.write("src/work.py", "def cost(:\n")


def _endless_recursion(arena: Arena) -> None:
    arena.candidate("cost = lambda: cost()\n")


def _name_not_utf8(arena: Arena) -> None:
    arena.worse()
    with open(os.fsencode(arena.root) + b"/src/\xff\xfe.py", "wb") as file:  # noqa: PTH123 - bytes
        file.write(b"X = 1\n")


def _long_name(arena: Arena) -> None:
    arena.worse()
    arena.repo.write(f"src/{'n' * 250}", "")


def _deep_path(arena: Arena) -> None:
    arena.worse()
    arena.repo.write("src/" + "/".join(["d" * 50] * 20) + "/f.py", "")


def _many_files(arena: Arena) -> None:
    arena.worse()
    for number in range(300):
        arena.repo.write(f"src/many/{number}.py", f"X = {number}\n")


def _unreadable(arena: Arena) -> None:
    arena.worse()
    arena.repo.write("src/secret.py", "X = 1\n", mode=0o000)


def _file_for_folder(arena: Arena) -> None:
    for path in (arena.root / "src").iterdir():
        path.unlink()
    (arena.root / "src").rmdir()
    (arena.root / "src").write_text("no folder any more\n")


def _folder_for_file(arena: Arena) -> None:
    (arena.root / "src" / "work.py").unlink()
    arena.repo.write("src/work.py/__init__.py", "def cost(): return 1\n")


def _unsettled(arena: Arena) -> None:
    (arena.root / "src").unlink()


ATTACKS = (
    Attack("empties the program", _empty_program, ends=("crash",)),
    Attack("fills the program with NUL bytes", _nul_bytes, ends=("crash",)),
    Attack("hands in a syntax error", _syntax_error, ends=("crash",)),
    Attack("recurses without end", _endless_recursion, ends=("crash",)),
    Attack("names a file in bytes that are no UTF-8", _name_not_utf8),
    Attack("names a file in 250 characters", _long_name),
    Attack("nests folders twenty deep", _deep_path),
    Attack("adds 300 files of data", _many_files),
    Attack("adds a file that cannot be read", _unreadable),
    Attack("makes the scope's folder a file", _file_for_folder, mend=_unsettled),
    Attack("makes the program a folder", _folder_for_file),
)
