"""Faults in the calls of git's own processes: strace stands before one of them and injects.

A `git` of ours comes first in PATH. It counts the processes of a command; the planned one runs
under strace, which kills it at a system call, or lets that call fail. All others are plain git.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

SYSCALLS = (
    "openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link",
    "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir",
)  # fmt: skip
WRAPPER = """\
#!/bin/sh
number=$(($(cat "$FAULTS/count" 2>/dev/null || echo 0) + 1))
echo $number > "$FAULTS/count"
if [ "$FAULT_PROCESS" = 0 ]; then
    exec strace -qq -y -s 200 -e trace={calls} -o "$FAULTS/trace.$number" {git} "$@"
elif [ "$FAULT_PROCESS" = "$number" ]; then
    exec strace -qq -o "$FAULTS/hit" -e trace={calls} -e "inject=$FAULT" {git} "$@"
fi
exec {git} "$@"
"""
LINE = re.compile(r"^(\w+)\((.*)\) += -?\d+")
PATH = re.compile(r'"((?:[^"\\]|\\.)*)"|<(/[^>]*)>')
INJECTED = {0: "signal=KILL"}


def works():
    """Whether strace is there and may inject."""
    if shutil.which("strace") is None:
        return False
    done = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", "inject=close:error=EIO:when=9999", "true"],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


class GitCall(NamedTuple):
    """A system call of a git process of a command: which process, which call, which turn of it."""

    process: int
    name: str
    turn: int
    site: str


class Wrapped:
    """The git that comes first in PATH, and its folder."""

    def __init__(self, folder):
        self.folder = Path(folder) / "git-faults"
        self.folder.mkdir()
        program = self.folder / "bin" / "git"
        program.parent.mkdir()
        program.write_text(WRAPPER.format(calls=",".join(SYSCALLS), git=shutil.which("git")))
        program.chmod(0o755)

    def environ(self, call=None, error=0):
        """The variables for one command: all traced, or one call killed or failed."""
        for path in self.folder.glob("[ch]*"):
            path.unlink()
        what = INJECTED.get(error) or f"error={error}"
        return {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "FAULTS": str(self.folder),
            "FAULT_PROCESS": "0" if call is None else str(call.process),
            "FAULT": "" if call is None else f"{call.name}:{what}:when={call.turn}",
        }

    def calls(self, below):
        """The calls that change what lies below some folders, as a traced command made them."""
        found = []
        traces = sorted(self.folder.glob("trace.*"), key=lambda path: int(path.suffix[1:]))
        for trace in traces:
            turns = dict.fromkeys(SYSCALLS, 0)
            lines = trace.read_text("utf-8", "replace").splitlines()
            for line in lines:
                match = LINE.match(line)
                if match is None:
                    continue
                turns[match[1]] += 1
                if _changes(match[1], match[2], below):
                    number = int(trace.suffix[1:])
                    found.append(GitCall(number, match[1], turns[match[1]], f"{number} {match[1]}"))
            trace.unlink()
        return found


def _changes(name, arguments, below):
    """Whether a call changes a file below some folders."""
    if name == "openat" and "O_CREAT" not in arguments and "O_TRUNC" not in arguments:
        return False
    paths = [first or second for first, second in PATH.findall(arguments)]
    return any(path.startswith(below) for path in paths)
