"""What confines a command: bubblewrap on Linux, sandbox-exec on macOS, else nothing.

A sandbox is believed only after a probe: a program that is run with the very arguments used and
tries what must fail. That it passed is remembered until the program, the kernel or the namespace
that the helper itself runs in is another one; that it failed is never remembered.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import jsonform
from autoresearch.edges import bubblewrap, seatbelt
from autoresearch.edges.files import atomic_write, named_errors
from autoresearch.edges.probe import namespace, problem_of
from autoresearch.edges.proc import Limits, run_command

if TYPE_CHECKING:
    from autoresearch.edges.cell import Cell

NONE = "none"
"""What records say where nothing confined a command."""

_SHAPE = 2
"""Raised when the arguments change in kind, so that what was remembered is probed anew."""

_MANAGERS = {
    "apt-get": "sudo apt-get install bubblewrap",
    "dnf": "sudo dnf install bubblewrap",
    "pacman": "sudo pacman -S bubblewrap",
    "zypper": "sudo zypper install bubblewrap",
    "apk": "sudo apk add bubblewrap",
    "nix-env": "nix-env -iA nixpkgs.bubblewrap",
}
"""Package manager -> the command that installs bubblewrap."""

_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")


class Sandbox(NamedTuple):
    """A sandbox that works here.

    Attributes:
        name: as records say it, with its version.
        program: absolute path of what confines.
        no_overlay: why it cannot lay a folder over a checkout; empty when it can.
    """

    name: str
    program: str
    no_overlay: str

    def prefix(self, cell: Cell) -> list[str]:
        """The words before a command that confine it to `cell`."""
        return _prefix(self.program, cell)


class Found(NamedTuple):
    """What there is to confine commands with.

    Attributes:
        sandbox: None where nothing works.
        why: then why not, in words.
        remedy: and what would change that.
    """

    sandbox: Sandbox | None
    why: str
    remedy: str

    @property
    def name(self) -> str:
        """What records say."""
        return NONE if self.sandbox is None else self.sandbox.name


def find_sandbox(path: str, memory: Path, ground: Path) -> Found:
    """The sandbox that works here, after a probe or the memory of one.

    Args:
        path: PATH on which the program is looked for.
        memory: the file that remembers a probe that passed.
        ground: a folder of the disk that checkouts lie on, for the probe's own.

    Raises:
        AutoresearchError: as the disk refuses.
    """
    program = _program(path)
    if program is None:
        return Found(None, *_missing(path))
    with named_errors(ground):
        ground.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = _key(program, ground)
    known = _remembered(memory, key)
    if known is not None:
        return Found(known._replace(program=program), "", "")
    confines = partial(_prefix, program)
    problem = problem_of(confines, ground, overlay=False)
    if problem:
        memory.unlink(missing_ok=True)
        return Found(None, f"{Path(program).name} does not work here: {problem}", _advice())
    sandbox = Sandbox(_name(program), program, _no_overlay(program, ground))
    with named_errors(memory):
        memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stored = {"schema": 1, "key": key, "name": sandbox.name, "no_overlay": sandbox.no_overlay}
    atomic_write(memory, jsonform.dumps(stored).encode("ascii") + b"\n", mode=0o600)
    return Found(sandbox, "", "")


def _no_overlay(program: str, ground: Path) -> str:
    """Why it cannot lay a folder over a checkout; empty when it can."""
    if program == seatbelt.PROGRAM:  # pragma: no cover - not run on macOS
        return "macOS has none"
    problem = problem_of(partial(_prefix, program), ground, overlay=True)
    return "it comes with bubblewrap 0.11" if "--overlay-src" in problem else problem


def _prefix(program: str, cell: Cell) -> list[str]:
    if program == seatbelt.PROGRAM:
        return seatbelt.prefix(program, cell)
    return bubblewrap.prefix(program, cell)


def _program(path: str) -> str | None:
    if sys.platform == "darwin":  # pragma: no cover - not run there
        return shutil.which(seatbelt.PROGRAM)
    found = shutil.which(bubblewrap.PROGRAM, path=path)
    return None if found is None else str(Path(found).resolve())


def _missing(path: str) -> tuple[str, str]:
    if sys.platform == "darwin":  # pragma: no cover - not run there
        return f"{seatbelt.PROGRAM} is missing", "It comes with macOS; nothing replaces it."
    for manager, command in _MANAGERS.items():
        if shutil.which(manager, path=path):
            return "bubblewrap is not installed", f"Install it: `{command}`."
    return "bubblewrap is not installed", "Install the package bubblewrap of your system."


def _advice() -> str:
    if _APPARMOR.exists() and _APPARMOR.read_text("ascii").strip() == "1":
        return (
            "AppArmor forbids user namespaces: add a profile for bwrap, or "
            "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`."
        )
    return "A container or a host's own sandbox may forbid user namespaces; allow them there."


def _key(program: str, ground: Path) -> str:
    """What a probe's outcome depends on."""
    st = Path(program).stat()
    facts = (_SHAPE, program, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
    disk = ground.stat().st_dev
    here = (platform.release(), os.getuid(), disk, *map(namespace, ("user", "mnt")))
    return hashlib.sha256(repr((facts, here)).encode()).hexdigest()


def _remembered(memory: Path, key: str) -> Sandbox | None:
    """What a probe found; its program is not remembered."""
    try:
        stored = jsonform.loads(memory.read_text("ascii"))
    except (OSError, ValueError):  # none yet, or damaged: the probe decides
        return None
    name, no_overlay = stored.get("name"), stored.get("no_overlay")
    if stored.get("key") != key or not isinstance(name, str) or not isinstance(no_overlay, str):
        return None
    return Sandbox(name, "", no_overlay)


def _name(program: str) -> str:
    if program == seatbelt.PROGRAM:  # pragma: no cover - not run on macOS
        return "seatbelt"
    asked = run_command(
        f"exec '{program}' --version", cwd=Path("/"), env={}, limits=Limits(timeout_s=10)
    )
    version = asked.stdout.decode("ascii", "replace").split()
    return f"bubblewrap {version[-1]}" if version else "bubblewrap"
