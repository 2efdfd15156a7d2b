"""Commands without the start of Python: forks of a process that has all modules imported.

Imports took most of the suite's time. A command in a fork runs the console script's own code, in a
process of its own, with the arguments, environment, folder and streams of its call. What depends on
how Python starts (its variables, its path, the locale) takes a real start.
"""

from __future__ import annotations

import array
import atexit
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STARTS = ("PYTHON", "GIT_PYTHON", "LANG", "LC_", "PATH", "VIRTUAL_ENV")
"""Variables that Python or its libraries read as they start."""

REQUEST_BYTES = 1 << 20


def fits(environ: Mapping[str, str]) -> bool:
    """Whether a fork of this process's spare one is what a start with these variables would be."""
    if sys.platform != "linux":  # elsewhere there may be no socket of packets in order
        return False
    here = {name: value for name, value in os.environ.items() if name.startswith(STARTS)}
    return here == {name: value for name, value in environ.items() if name.startswith(STARTS)}


def run(args: tuple[str, ...], cwd: Path, environ: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Run the console script; its exit code (minus the signal that ended it), stdout, stderr."""
    if not fits(environ):
        command = [sys.executable, "-m", "autoresearch", *args]
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr
    request = json.dumps({"args": args, "cwd": str(cwd), "env": dict(environ)}).encode()
    assert len(request) < REQUEST_BYTES, "the request is too large"
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with mine, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with theirs:
            SPARE.send(request, [out.fileno(), err.fileno(), theirs.fileno()])
        status = array.array("i", mine.recv(4))
        if not status:
            raise RuntimeError(f"the spare process lost {args}")
        return os.waitstatus_to_exitcode(status[0]), _whole(out), _whole(err)


def _whole(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


class Spare:
    """The spare process of this one: started when first asked for, and again should it die.

    Its own environment and session are no test's, lest it be taken for what a test left running.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.requests: socket.socket | None = None

    def send(self, request: bytes, descriptors: list[int]) -> None:
        """Hand in a request; one at a time."""
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.start()
            assert self.requests is not None
            socket.send_fds(self.requests, [request], descriptors)

    def start(self) -> None:
        """Start it; it ends with this process."""
        self.end()
        self.requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.requests.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST_BYTES)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
                env={name: value for name, value in os.environ.items() if name.startswith(STARTS)},
                start_new_session=True,
            )

    def end(self) -> None:
        """Close its socket, which ends it."""
        if self.requests is not None and self.process is not None:
            self.requests.close()
            self.process.wait()


SPARE = Spare()
atexit.register(SPARE.end)


def serve(requests: socket.socket) -> None:
    """Fork for every request, until nobody can make one any more."""
    import autoresearch  # noqa: PLC0415 - in the spare process only

    for module in pkgutil.walk_packages(autoresearch.__path__, "autoresearch."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 3)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            _wait_for(json.loads(request), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _wait_for(request: dict[str, object], out: int, err: int, answer: int) -> None:
    """Run the request in a fork and say how that ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(answer)
        _command(request, out, err)
    _, status = os.waitpid(child, 0)
    socket.socket(fileno=answer).send(array.array("i", [status]).tobytes())
    os._exit(0)


def _command(request: dict[str, object], out: int, err: int) -> None:
    """Be the console script."""
    code = 70
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 64)
        os.chdir(str(request["cwd"]))
        os.environ.clear()
        os.environ.update(request["env"])  # type: ignore[call-overload]  # of strings
        sys.argv = ["autoresearch", *request["args"]]  # type: ignore[misc]  # of strings
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - the fork ends
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
        from autoresearch.__main__ import main  # noqa: PLC0415 - in the fork only

        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:  # noqa: BLE001 - as Python's own end shows it
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
