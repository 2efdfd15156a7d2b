"""What one run computed is carried to the next, where it looks like speed."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import TYPE_CHECKING

from attacks.arena import Arena, Attack, Needs

if TYPE_CHECKING:
    from collections.abc import Iterator

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


_BY_KERNEL = """
import ctypes
libc = ctypes.CDLL(None)
{code}
def cost():
    return 1 if seen else 110
"""


def _by_kernel(code: str):
    """The kernel's own memory, that no file shows; numbers of calls are those of x86-64."""

    def plant(arena: Arena) -> None:
        number = int.from_bytes(os.fsencode(arena.outside.parent.name)[-3:], "big")
        arena.candidate(_BY_KERNEL.format(code=code.replace("NUMBER", str(number))))
        arena.closing(_removing(number))

    return plant


@contextlib.contextmanager
def _removing(number: int) -> Iterator[None]:
    """What an attack without a sandbox would leave on this machine is removed."""
    yield
    libc = ctypes.CDLL(None)
    libc.shmctl(libc.shmget(number, 0, 0), 0, None)
    libc.msgctl(libc.msgget(number, 0), 0, None)
    libc.semctl(libc.semget(number, 0, 0), 0, 0)


_KEYS = """
found = libc.syscall(250, 10, {ring}, b"user", b"seen-NUMBER", 0)
seen = found > 0
libc.syscall(248, b"user", b"seen-NUMBER", b"1", ctypes.c_size_t(1), {ring})
"""
_BY_DESCRIPTOR = """
import os
seen = False
for name in os.listdir("/proc/self/fd"):
    if int(name) > 2:
        try:
            seen |= os.pread(int(name), 1, 0) == b"1"
            os.pwrite(int(name), b"1", 0)
        except OSError:
            pass
"""


def _by_session_keyring(arena: Arena) -> None:
    """The helper has one, as everything that a login started."""
    ctypes.CDLL(None).syscall(250, 1, None)
    _by_kernel(_KEYS.format(ring=-3))(arena)


def _by_arm(arena: Arena) -> None:
    """Cheap in whatever folder it was told to be cheap in: both slots look alike."""
    code = "import os\nif os.getcwd().endswith('/candidate'):\n    cost = lambda: 1\n"
    arena.candidate(code, cost=110)


ATTACKS = (
    Attack("remembers in its checkout", _remembering("os.path.abspath('src/.seen')")),
    Attack("remembers in an ignored folder", _remembering("os.path.abspath('__pycache__/seen')")),
    Attack(
        "remembers in a cache folder",
        _remembering("os.path.abspath('made/seen')"),
        extra="cache: [made]\nbuild: mkdir -p made && date > made/built\n",
    ),
    Attack("remembers in HOME", _remembering("os.path.expanduser('~/.cache/seen')")),
    Attack("remembers in TMPDIR", _remembering("os.environ['TMPDIR'] + '/seen'")),
    Attack(
        "remembers beside its checkout",
        _remembering("os.path.abspath('../seen/x')"),
        needs=Needs.SANDBOX,
    ),
    Attack("remembers by an absolute path", _remembering("'OUTSIDE/seen'"), needs=Needs.SANDBOX),
    Attack("remembers in shared memory", _by_shared_memory, needs=Needs.SANDBOX),
    Attack("remembers in the session keyring", _by_session_keyring),
    Attack(
        "remembers in the user's keyring", _by_kernel(_KEYS.format(ring=-4)), needs=Needs.SANDBOX
    ),
    Attack(
        "remembers in a shared memory segment",
        _by_kernel("seen = libc.shmget(NUMBER, 1, 0o3600) < 0"),
        needs=Needs.SANDBOX,
    ),
    Attack(
        "remembers in a message queue",
        _by_kernel("seen = libc.msgget(NUMBER, 0o3600) < 0"),
        needs=Needs.SANDBOX,
    ),
    Attack(
        "remembers in a semaphore",
        _by_kernel("seen = libc.semget(NUMBER, 1, 0o3600) < 0"),
        needs=Needs.SANDBOX,
    ),
    Attack("remembers in an inherited descriptor", _by_kernel(_BY_DESCRIPTOR)),
    Attack("remembers in its environment", _by_environment),
    Attack("rewrites its own source", _by_own_source),
    Attack("sets the times of its own file", _by_file_times),
    Attack("brings an answer in an ignored file", _by_ignored_file),
    Attack("brings an answer in an untracked file", _by_untracked_file),
    Attack("tells its arm by the folder", _by_arm),
)
