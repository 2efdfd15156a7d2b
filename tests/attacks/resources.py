"""A run floods the machine, or something of it outlives its end."""

from __future__ import annotations

import socket

from attacks.arena import Arena, Attack, Needs

TIMEOUT = "timeout: 1s\n"


def _running(code: str, cost: object = 110):
    def plant(arena: Arena) -> None:
        arena.candidate(code, cost=cost)

    return plant


DAEMON = """
import os, signal
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {ignore}
        {body}
    os._exit(0)
"""
FOREVER = "while True: signal.pause()"
IGNORE = (
    "[signal.signal(n, signal.SIG_IGN) for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]"
)


def _reaches_a_server(arena: Arena) -> None:
    """A program that is cheap where it can talk to a server of this machine."""
    server = socket.create_server(("127.0.0.1", 0))
    arena.closing(server)
    port = server.getsockname()[1]
    code = f"""
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=1).close()
    cost = lambda: 1
except OSError:
    pass
"""
    arena.candidate(code, cost=110)


def _writes_outside(arena: Arena) -> None:
    target = str(arena.outside / "precious")
    arena.candidate(f"try: open({target!r}, 'w').close()\nexcept OSError: pass\n", cost=110)


def _deletes_users_files(arena: Arena) -> None:
    arena.repo.write("notes.txt", "mine, and in no commit\n")
    code = f"""
import os
for folder, _, names in os.walk({str(arena.root)!r}):
    for name in names:
        try: os.unlink(os.path.join(folder, name))
        except OSError: pass
"""
    arena.candidate(code, cost=110)


ATTACKS = (
    Attack("talks to a server of the machine", _reaches_a_server, needs=Needs.SANDBOX),
    Attack("writes to a file outside", _writes_outside, needs=Needs.SANDBOX),
    Attack("deletes every file of the user's tree", _deletes_users_files, needs=Needs.SANDBOX),
    Attack(
        "kills its parents",
        _running("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n", cost=90),
        needs=Needs.SANDBOX,
        ends=("crash",),
    ),
    Attack(
        "kills every process it may",
        _running("import os, signal\nos.kill(-1, signal.SIGKILL)\n", cost=90),
        needs=Needs.SANDBOX,
        ends=("crash",),
    ),
    Attack("hangs", _running("import signal\nsignal.pause()\n"), extra=TIMEOUT, ends=("crash",)),
    Attack(
        "hangs and ignores every signal it may",
        _running(f"import signal\n{IGNORE}\n{FOREVER}\n"),
        extra=TIMEOUT,
        ends=("crash",),
    ),
    Attack(
        "leaves a daemon that holds its output",
        _running(DAEMON.format(ignore=IGNORE, body=FOREVER)),
    ),
    Attack(
        "leaves a daemon that closed its output",
        _running(DAEMON.format(ignore="os.close(1); os.close(2)", body=FOREVER)),
    ),
    Attack(
        "leaves a daemon that writes a cheap metric late",
        _running(
            DAEMON.format(
                ignore="parent = os.getppid()",
                body="os.write(1, b'METRIC cost=1\\n'); " + "signal.pause()",
            )
        ),
    ),
    Attack(
        "starts fifty children",
        _running(
            "import os, signal\nfor _ in range(50):\n"
            "    if os.fork() == 0:\n        signal.pause()\n"
        ),
    ),
    Attack(
        "forks without end",
        _running(
            "import os, signal\nfor _ in range(200):\n"
            "    if os.fork():\n        os._exit(0)\n    os.setsid()\nsignal.pause()\n"
        ),
    ),
    Attack(
        "prints without end to stdout", _running("while True: print('x' * 65536)\n"), extra=TIMEOUT
    ),
    Attack(
        "prints fifty megabytes to stderr",
        _running("import sys\nfor _ in range(800): sys.stderr.write('x' * 65536)\n"),
        ends=("discard",),
    ),
    Attack(
        "writes a file beyond the limit",
        _running("import resource, os\nf = open('big', 'wb')\nos.truncate('big', 1 << 45)\n"),
    ),
    Attack(
        "fills its checkout with small files",
        _running("for n in range(500): open(f'src/{n}', 'w').close()\n"),
    ),
    Attack(
        "makes its checkout unreadable",
        _running("import os\nos.chmod('src', 0)\nos.chmod('.', 0)\n"),
    ),
    Attack(
        "makes folders too deep for a path",
        _running(
            "import os\nhere = os.getcwd()\nfor _ in range(40):\n"
            "    os.mkdir('d' * 200)\n    os.chdir('d' * 200)\nos.chdir(here)\n"
        ),
    ),
    Attack(
        "stops itself",
        _running("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n"),
        extra=TIMEOUT,
        ends=("violation",),
    ),
    Attack(
        "closes its streams", _running("import os\nos.close(1)\nos.close(2)\n"), ends=("crash",)
    ),
)
