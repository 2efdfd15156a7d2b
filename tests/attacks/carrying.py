"""What one run computed is carried to the next, where it looks like speed."""

from __future__ import annotations

from attacks.arena import Arena, Attack, Needs

_REMEMBERS = """
import os
place = {place}
def cost():
    if os.path.exists(place):
        return 1
    os.makedirs(os.path.dirname(place), exist_ok=True)
    open(place, "w").close()
    return 110
"""


def _remembering(place: str):
    def plant(arena: Arena) -> None:
        path = place.replace("OUTSIDE", str(arena.outside))
        arena.candidate(_REMEMBERS.format(place=path))

    return plant


def _by_environment(arena: Arena) -> None:
    arena.candidate(
        "import os\nif os.environ.get('SEEN'):\n    cost = lambda: 1\nos.environ['SEEN'] = '1'\n",
        cost=110,
    )


def _by_own_source(arena: Arena) -> None:
    code = """
import pathlib
def cost():
    path = pathlib.Path(__file__)
    path.write_text(path.read_text().replace("return " + "110", "return 1"))
    return 110
"""
    arena.candidate(code)


def _by_ignored_file(arena: Arena) -> None:
    """A result computed by hand beforehand, where git does not see it."""
    arena.repo.write("src/__pycache__/answer.txt", "1")
    arena.candidate(
        "import os\nif os.path.exists('src/__pycache__/answer.txt'):\n    cost = lambda: 1\n",
        cost=110,
    )


def _by_untracked_file(arena: Arena) -> None:
    arena.repo.write("answers.txt", "1")
    arena.candidate(
        "import os\nif os.path.exists('answers.txt'):\n    cost = lambda: 1\n", cost=110
    )


def _by_file_times(arena: Arena) -> None:
    code = """
import os
def cost():
    seen = os.stat(__file__).st_mtime < 1
    os.utime(__file__, (0, 0))
    return 1 if seen else 110
"""
    arena.candidate(code)


def _by_shared_memory(arena: Arena) -> None:
    arena.candidate(_REMEMBERS.format(place=repr(f"/dev/shm/{arena.outside.parent.name}/seen")))


def _by_arm(arena: Arena) -> None:
    """Cheap in whatever folder it was told to be cheap in: both slots look alike."""
    code = "import os\nif os.getcwd().endswith('/candidate'):\n    cost = lambda: 1\n"
    arena.candidate(code, cost=110)


ATTACKS = (
    Attack("remembers in its checkout", _remembering("os.path.abspath('src/.seen')")),
    Attack("remembers in an ignored folder", _remembering("os.path.abspath('__pycache__/seen')")),
    Attack("remembers in HOME", _remembering("os.path.expanduser('~/.cache/seen')")),
    Attack("remembers in TMPDIR", _remembering("os.environ['TMPDIR'] + '/seen'")),
    Attack(
        "remembers beside its checkout",
        _remembering("os.path.abspath('../seen/x')"),
        needs=Needs.SANDBOX,
    ),
    Attack("remembers by an absolute path", _remembering("'OUTSIDE/seen'"), needs=Needs.SANDBOX),
    Attack("remembers in shared memory", _by_shared_memory, needs=Needs.SANDBOX),
    Attack("remembers in its environment", _by_environment),
    Attack("rewrites its own source", _by_own_source),
    Attack("sets the times of its own file", _by_file_times),
    Attack("brings an answer in an ignored file", _by_ignored_file),
    Attack("brings an answer in an untracked file", _by_untracked_file),
    Attack("tells its arm by the folder", _by_arm),
)
