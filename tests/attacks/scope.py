"""The candidate reaches, or takes in, what lies outside its scope."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from attacks.arena import Arena, Attack

if TYPE_CHECKING:
    from collections.abc import Callable


def _link_out_relative(arena: Arena) -> None:
    arena.worse()
    (arena.root / "src" / "bench_link.py").symlink_to("../bench.py")


def _link_out_absolute(arena: Arena) -> None:
    arena.worse()
    (arena.root / "src" / "precious").symlink_to(arena.outside / "precious")


def _program_is_link_out(arena: Arena) -> None:
    (arena.root / "src" / "work.py").unlink()
    (arena.root / "src" / "work.py").symlink_to("../bench.py")


def _folder_is_link_out(arena: Arena) -> None:
    arena.worse()
    (arena.root / "src" / "all").symlink_to("..", target_is_directory=True)


def _scope_is_link(arena: Arena) -> None:
    moved = arena.outside.parent / "elsewhere"
    (arena.root / "src").rename(moved)
    (moved / "work.py").write_text("SIZE = 1000\ndef cost(): return 1\ndef answer(): return 42\n")
    (arena.root / "src").symlink_to(moved, target_is_directory=True)


def _renames_benchmark_into_scope(arena: Arena) -> None:
    arena.worse()
    (arena.root / "bench.py").rename(arena.root / "src" / "bench.py")


def _renames_guard_away(arena: Arena) -> None:
    arena.candidate(cost=90, answer=0)
    arena.repo("mv", "check.py", "src/check.py")


def _changes_mode_outside(arena: Arena) -> None:
    arena.worse()
    (arena.root / "bench.py").chmod(0o755)


def _nested_repository(arena: Arena) -> None:
    arena.worse()
    inner = arena.root / "src" / "inner"
    inner.mkdir()
    arena.repo("init", "-q", str(inner))
    (inner / "a.py").write_text("A = 1\n")


def _submodule(arena: Arena) -> None:
    arena.worse()
    arena.repo("update-index", "--add", "--cacheinfo", f"160000,{arena.start},src/module")


def _fifo(arena: Arena) -> None:
    (arena.root / "src" / "work.py").unlink()
    os.mkfifo(arena.root / "src" / "work.py")


def _fifo_beside(arena: Arena) -> None:
    arena.worse()
    os.mkfifo(arena.root / "src" / "pipe")


def _hard_link(arena: Arena) -> None:
    arena.worse()
    os.link(arena.outside / "precious", arena.root / "src" / "precious")


def _assume_unchanged(arena: Arena) -> None:
    arena.worse()
    arena.repo("update-index", "--assume-unchanged", "bench.py")
    arena.repo.write("bench.py", "print('METRIC cost=1')\nprint('METRIC size=1000')\n")


def _skip_worktree(arena: Arena) -> None:
    arena.worse()
    arena.repo("update-index", "--skip-worktree", "check.py")
    arena.repo.write("check.py", "")


def _staged_only(arena: Arena) -> None:
    arena.worse()
    arena.repo.write("bench.py", "print('METRIC cost=1')\nprint('METRIC size=1000')\n")
    arena.repo("add", "bench.py")
    arena.repo("show", f"{arena.start}:bench.py")
    (arena.root / "bench.py").write_text(arena.repo("show", f"{arena.start}:bench.py") + "\n")


def _attributes_file(arena: Arena) -> None:
    arena.worse()
    arena.repo.write("src/.gitattributes", "* filter=evil\n")


def _modules_file(arena: Arena) -> None:
    arena.worse()
    arena.repo.write("src/.gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ../x\n')


def _other_case(arena: Arena) -> None:
    arena.worse()
    arena.repo.write("SRC/work.py", "def cost(): return 1\n")


def _deletes_program(arena: Arena) -> None:
    (arena.root / "src" / "work.py").unlink()


def _without(*names: str) -> Callable[[Arena], None]:
    """What `drop` asks for where it cannot save a thing: it is moved out by hand."""

    def move_out(arena: Arena) -> None:
        for name in names:
            path = arena.root / "src" / name if name else arena.root / "src"
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    return move_out


ATTACKS = (
    Attack("links to the benchmark from inside the scope", _link_out_relative, ends=("refused",)),
    Attack("links to an absolute path", _link_out_absolute, ends=("refused",)),
    Attack("makes the program a link to the benchmark", _program_is_link_out, ends=("refused",)),
    Attack("links a folder to the root", _folder_is_link_out, ends=("refused",)),
    Attack("makes the scope's folder a link to elsewhere", _scope_is_link, mend=_without("")),
    Attack("renames the benchmark into the scope", _renames_benchmark_into_scope),
    Attack("renames the guard into the scope by git", _renames_guard_away, ends=("refused",)),
    Attack("changes the mode of the benchmark", _changes_mode_outside, ends=("refused",)),
    Attack(
        "puts a repository into the scope",
        _nested_repository,
        ends=("refused",),
        mend=_without("inner"),
    ),
    Attack("stages a submodule in scope", _submodule),
    Attack("makes the program a FIFO", _fifo, ends=("refused",), mend=_without("work.py")),
    Attack("puts a FIFO beside the program", _fifo_beside),
    Attack(
        "hard-links a file from elsewhere", _hard_link, ends=("refused",), mend=_without("precious")
    ),
    Attack("hides an edit by assume-unchanged", _assume_unchanged, ends=("refused",)),
    Attack("hides an edit by skip-worktree", _skip_worktree, ends=("refused",)),
    Attack("stages another benchmark and puts the file back", _staged_only),
    Attack("adds .gitattributes in scope", _attributes_file),
    Attack("adds .gitmodules in scope", _modules_file),
    Attack("writes the scope's folder in another case", _other_case),
    Attack("deletes the program", _deletes_program, ends=("crash",)),
)
