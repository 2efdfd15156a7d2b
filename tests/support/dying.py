"""A command that is sent a signal at a chosen step, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from pathlib import Path

SCRIPT = """\
import importlib, os, sys
name, count, number, *command = sys.argv[1:]
parts = name.split(".")
place = importlib.import_module(".".join(parts[:-1]))
real, left = getattr(place, parts[-1]), int(count)

def dying(*args, **kwargs):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), int(number))
    return real(*args, **kwargs)

setattr(place, parts[-1], dying)
from autoresearch.cli import main
main(command)
"""


def die(folder: Path, step: tuple[str, int], number: signal.Signals, *command: str) -> int:
    """Run a command; when it calls a function for the n-th time, it gets a signal instead.

    Args:
        folder: where it runs.
        step: full name of the function where it is looked up, and n.
        number: the signal.
        command: of the console script.

    Returns:
        The exit code; minus the signal's number where that ended the process.
    """
    name, count = step
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, str(count), str(int(number)), *command],
        cwd=folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode
