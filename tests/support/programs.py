"""Small fake programs to be run under test, and a search for what they leave behind."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.edges.command import Limits, Outcome, run_command
from autoresearch.edges.processes import children

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRELUDE = """\
import os, signal, sys

def say(text):
    os.write(1, text.encode())

def hang():
    while True:
        signal.pause()

def daemon(body, *, close=False):
    # Double fork with a session of its own; returns once it runs.
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        os.close(reader)
        if close:
            os.close(1)
            os.close(2)
        os.write(writer, b"x")
        os.close(writer)
        body()
        os._exit(0)
    os.close(writer)
    os.wait()
    os.read(reader, 1)

"""


class Programs:
    """Writes programs into a folder; all processes of them carry the same unique mark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"mark-{uuid.uuid4().hex}"

    def write(self, source: str, name: str = "program") -> str:
        """A shell command that runs `source`, Python with `say`, `hang` and `daemon` at hand."""
        path = self.folder / f"{name}.py"
        path.write_text(_PRELUDE + source, encoding="utf-8")
        return shlex.join([sys.executable, "-I", "-S", str(path), self.mark])

    def running(self) -> list[str]:
        """Command lines of the processes that carry the mark; zombies have none."""
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                command = _command_line(process)
                if self.mark.encode() in command:
                    found.append(command.replace(b"\0", b" ").decode())
        return found


@contextlib.contextmanager
def leaving_nothing(folder: Path) -> Iterator[Programs]:
    """Programs in `folder`; fails when a process of theirs or a child of ours outlives it."""
    folder.mkdir()
    programs = Programs(folder)
    before = children()
    yield programs
    assert programs.running() == []
    assert children() - before == frozenset()


def run_shell(command: str, cwd: Path, limits: Limits | None = None) -> Outcome:
    """Run a command with nothing but PATH in its environment, for at most 20 s unless told."""
    return run_command(
        command,
        cwd=cwd,
        env={"PATH": os.environ["PATH"]},
        limits=limits or Limits(timeout_s=20.0),
    )


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return b""
