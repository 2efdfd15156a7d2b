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
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import jsonform
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.text import clean_line
from autoresearch.edges import bubblewrap, seatbelt
from autoresearch.edges.files import atomic_write, named_errors, remove_tree
from autoresearch.edges.proc import Limits, run_command
from autoresearch.edges.view import NOTHING_HIDDEN, View

if TYPE_CHECKING:
    from collections.abc import Iterator

NONE = "none"
"""What records say where nothing confined a command."""

_SHAPE = 1
"""Raised when the arguments change in kind, so that what was remembered is probed anew."""

_PROBE_TIMEOUT_S = 10.0

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one command may see and change; absolute paths without links.

    Attributes:
        slot: the checkout, its working directory; writable but for `locked`.
        pinned: folders of it that cannot be renamed.
        locked: files and folders of it that are read-only.
        kept: folders of it that are writable whatever they lie in.
        writable: folders beside it that are its own: home and temporary folder.
        view: what of the machine is hidden.
        network: whether it may use the network; the loopback it always has.
    """

    slot: Path
    pinned: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    view: View = NOTHING_HIDDEN
    network: bool = False


class Sandbox(NamedTuple):
    """A sandbox that works here.

    Attributes:
        name: as records say it, with its version.
        program: absolute path of what confines.
    """

    name: str
    program: str

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
    key = _key(program)
    known = _remembered(memory, key)
    if known is not None:
        return Found(Sandbox(known, program), "", "")
    problem = _problem(program, ground)
    if problem:
        memory.unlink(missing_ok=True)
        return Found(None, f"{Path(program).name} does not work here: {problem}", _advice())
    name = _name(program)
    with named_errors(memory):
        memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stored = jsonform.dumps({"schema": 1, "key": key, "name": name})
    atomic_write(memory, stored.encode("ascii") + b"\n", mode=0o600)
    return Found(Sandbox(name, program), "", "")


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


def _key(program: str) -> str:
    """What a probe's outcome depends on."""
    st = Path(program).stat()
    facts = (_SHAPE, program, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
    here = (platform.release(), os.getuid(), *map(_namespace, ("user", "mnt")))
    return hashlib.sha256(repr((facts, here)).encode()).hexdigest()


def _namespace(kind: str) -> str:
    try:
        return str(Path(f"/proc/self/ns/{kind}").readlink())
    except OSError:  # no such file elsewhere than on Linux
        return ""


def _remembered(memory: Path, key: str) -> str | None:
    try:
        stored = jsonform.loads(memory.read_text("ascii"))
    except (OSError, ValueError):  # none yet, or damaged: the probe decides
        return None
    name = stored.get("name")
    return name if stored.get("key") == key and isinstance(name, str) else None


def _name(program: str) -> str:
    if program == seatbelt.PROGRAM:  # pragma: no cover - not run on macOS
        return "seatbelt"
    asked = run_command(
        f"exec '{program}' --version", cwd=Path("/"), env={}, limits=Limits(timeout_s=10)
    )
    version = asked.stdout.decode("ascii", "replace").split()
    return f"bubblewrap {version[-1]}" if version else "bubblewrap"


# --- the probe -----------------------------------------------------------------------------


def _problem(program: str, ground: Path) -> str:
    """What is wrong with the sandbox, in words; empty when it holds what it promises."""
    with named_errors(ground):
        ground.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = Path(tempfile.mkdtemp(prefix=".probe-", dir=ground)).resolve()
    try:
        return _probed(program, place)
    finally:
        remove_tree(place)


def _probed(program: str, place: Path) -> str:
    slot, hidden, home = place / "slot", place / "hidden", place / "home"
    for folder in (slot / "folder" / "locked", hidden, home):
        folder.mkdir(parents=True)
    for file in (slot / "locked", slot / "folder" / "locked" / "file", hidden / "secret"):
        file.touch()
    cell = Cell(
        slot=slot,
        pinned=(str(slot / "folder"),),
        locked=(str(slot / "folder" / "locked"), str(slot / "locked")),
        writable=(str(home),),
        view=View((str(hidden),), (), ()),
    )
    env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home)}
    command = "; ".join(_trials(slot, hidden, home))
    try:
        outcome = run_command(
            command, cwd=slot, env=env, limits=Limits(timeout_s=_PROBE_TIMEOUT_S),
            prefix=_prefix(program, cell),
        )  # fmt: skip
    except AutoresearchError as error:
        return error.message
    said = outcome.stdout.decode("utf-8", "replace").splitlines()
    if sys.platform == "linux":
        same = [kind for kind in ("pid", "net") if _namespace(kind) in said]
        said = [line for line in said if not line.startswith(("pid:", "net:"))]
        said += [f"the {kind} namespace is the machine's" for kind in same]
    if said != ["done"]:
        last = outcome.stderr.decode("utf-8", "replace").splitlines()[-1:]
        return clean_line("; ".join([line for line in said if line != "done"] or last), 200)
    return ""


def _trials(slot: Path, hidden: Path, home: Path) -> Iterator[str]:
    """Shell commands that say what should not be, and `done` at their end."""
    for file in ("locked", "folder/locked/file", "folder/locked/new", "/new-file-of-autoresearch"):
        yield f"(: > {file}) 2>/dev/null && echo '{file} could be written'"
    for folder in ("folder", "folder/locked", "locked"):
        yield f"mv {folder} moved 2>/dev/null && echo '{folder} could be moved'"
    yield f"test -e '{hidden}/secret' && echo 'a hidden file could be seen'"
    yield f"(: > '{slot}/new' && : > '{home}/new') || echo 'nothing could be written'"
    if sys.platform == "linux":
        yield "readlink /proc/self/ns/pid /proc/self/ns/net"
    yield "echo done"
