"""What confines a command: bubblewrap on Linux, elsewhere nothing.

A sandbox is believed only after a probe: a program that is run with the very arguments used and
tries what must fail. That it passed is remembered until the program, the kernel or the namespace
that the helper itself runs in is another one; that it failed is never remembered.

With bubblewrap 0.11 or newer every sample gets a pristine checkout: the kernel lays an empty
folder over it (overlayfs). The checkout itself stays as it is, nothing is copied, and what was
written can be looked at afterwards, however large the checkout is.
"""

# Names come from listdir in bulk; a Path for each would cost more than the call it makes.
# ruff: noqa: PTH101, PTH112, PTH114, PTH208

from __future__ import annotations

import errno
import hashlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.edges.command import Limits, Outcome, run_command
from autoresearch.edges.environment import NOTHING_HIDDEN, SCRATCH, Visible
from autoresearch.edges.files import is_folder, is_there, named_errors, remove_tree
from autoresearch.edges.stored import Stored

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

_NAMESPACES = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")

_FIRST_PROCESS = "--as-pid-1"
"""Our shell is the namespace's first process. bubblewrap's own would report the end before all
others are gone, and would keep their CPU time to itself."""

_MACHINE = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
_ACCELERATORS = ("nvidia*", "dri", "kfd")
"""Graphics and compute devices, which `--dev` leaves out."""

_OPAQUE = "user.overlay.opaque"
"""Marks a folder that took the place of another one: nothing of that shines through (kernel
documentation, filesystems/overlayfs, "whiteouts and opaque directories")."""


class Overlay(NamedTuple):
    """Where what is written into a checkout goes; two folders of one disk.

    Attributes:
        written: what was written, and a device file for what was removed; empty at first.
        work: the kernel's own, empty at first.
    """

    written: Path
    work: Path


class Private(NamedTuple):
    """Folders that one command has for itself."""

    home: Path
    tmp: Path
    overlay: Overlay | None


class Rules(NamedTuple):
    """What one command may see and change; absolute paths without links.

    Attributes:
        slot: the checkout, its working directory; writable but for `locked`.
        pinned: folders of it that cannot be renamed.
        locked: files and folders of it that are read-only.
        kept: folders of it that are writable whatever they lie in.
        writable: folders beside it that are its own: home and temporary folder.
        visible: what of the machine is hidden.
        network: whether it may use the network; the loopback it always has.
        scratch: folders beside it that it may write to, of which nothing stays; takes overlays.
        overlay: where what it writes into the checkout goes instead; None for the checkout itself.
    """

    slot: Path
    pinned: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    visible: Visible = NOTHING_HIDDEN
    network: bool = False
    scratch: tuple[str, ...] = ()
    overlay: Overlay | None = None


class Bubblewrap(NamedTuple):
    """A bubblewrap that works here.

    Attributes:
        name: as records say it, with its version.
        program: its absolute path.
        no_overlay: why it cannot lay a folder over a checkout; empty when it can.
    """

    name: str
    program: str
    no_overlay: str

    def prefix(self, rules: Rules) -> list[str]:
        """The words before a command that confine it.

        Mounts are made in the order of the arguments, so that what comes later lies on top: the
        machine read-only, empty folders over what is hidden, what of it stays readable, the
        private folders, the checkout, and last what of the checkout is locked.
        """
        devices = (path for name in _ACCELERATORS for path in sorted(Path("/dev").glob(name)))
        emptied = [path for path in _emptied(rules) if is_folder(path)]
        return [
            self.program,
            *_NAMESPACES,
            _FIRST_PROCESS,
            *(("--share-net",) if rules.network else ()),
            *_MACHINE,
            *_each("--dev-bind-try", map(str, devices)),
            *_hiding(rules),
            *_each("--bind", rules.writable),
            *_checkout(rules),
            *_each("--ro-bind", rules.locked),
            *_each("--bind", rules.kept),
            *(word for path in emptied for word in ("--remount-ro", path)),
            "--chdir",
            str(rules.slot),
            "--",
        ]


class Confiner(NamedTuple):
    """What there is to confine commands with.

    Attributes:
        sandbox: None where nothing works.
        why: then why not, in words.
        remedy: and what would change that.
    """

    sandbox: Bubblewrap | None
    why: str
    remedy: str

    @property
    def name(self) -> str:
        """What records say."""
        return NONE if self.sandbox is None else self.sandbox.name

    @property
    def absence(self) -> str:
        """Why nothing works and what would change that, in sentences."""
        return f"{self.why}. {self.remedy}".rstrip()


@contextmanager
def private_folders(root: Path, *, overlay: bool) -> Iterator[Private]:
    """Empty private folders below `root`, at paths that are always the same; gone at the end.

    Args:
        root: the folder that holds them.
        overlay: whether what the command writes into its checkout is to go there too.
    """
    remove_tree(root)
    home, tmp = root / "home", root / "tmp"
    over = Overlay(root / "written", root / "work") if overlay else None
    for folder in (home, tmp, *(over or ())):
        folder.mkdir(parents=True, mode=0o700)
    try:
        yield Private(home, tmp, over)
    finally:
        remove_tree(root)


def replaced(written: Path, files: Collection[str], folders: AbstractSet[str]) -> tuple[str, ...]:
    """The files of a checkout that a command wrote to, changed, replaced or removed; sorted.

    A file that was opened for writing counts, whatever was written to it.

    Args:
        written: see `Overlay`.
        files: all files of the checkout.
        folders: and the folders above them.
    """
    found: set[str] = set()
    waiting = [""]
    with named_errors(written):
        while waiting:
            folder = waiting.pop()
            for name in _names(f"{written}/{folder}"):
                path = folder + name
                full = f"{written}/{path}"
                merged = os.path.isdir(full) and not os.path.islink(full)
                if path in files:
                    found.add(path)
                elif merged and path in folders and not _is_opaque(full):
                    waiting.append(f"{path}/")
                elif path in folders:
                    found.update(one for one in files if one.startswith(f"{path}/"))
    return tuple(sorted(found))


class _Probed(Struct, frozen=True, kw_only=True):
    """A probe that passed; the program's path is not remembered."""

    schema: int
    key: str
    name: str
    no_overlay: str


def find_sandbox(path: str, memory: Path, ground: Path) -> Confiner:
    """The sandbox that works here, after a probe or the memory of one.

    Args:
        path: PATH on which the program is looked for.
        memory: the file that remembers a probe that passed.
        ground: a folder of the disk that checkouts lie on, for the probe's own.
    """
    if sys.platform != "linux":
        system = "macOS" if sys.platform == "darwin" else sys.platform
        return Confiner(None, f"there is no sandbox for {system} yet", "")
    found = shutil.which("bwrap", path=path)
    if found is None:
        return _missing(path)
    program = str(Path(found).resolve())
    with named_errors(ground):
        ground.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = _key(program, ground)
    known = Stored(memory, _Probed).load()
    if known is not None and known.key == key:
        return Confiner(Bubblewrap(known.name, program, known.no_overlay), "", "")
    sandbox = Bubblewrap("", program, "")
    problem = problem_of(sandbox, ground, overlay=False)
    if problem:
        memory.unlink(missing_ok=True)
        return Confiner(None, f"bwrap does not work here: {problem}", _advice())
    without = problem_of(sandbox, ground, overlay=True)
    if "--overlay-src" in without:
        without = "it needs bubblewrap 0.11"
    sandbox = Bubblewrap(_name(program), program, without)
    with named_errors(memory):
        memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    Stored(memory, _Probed).save(_Probed(schema=1, key=key, name=sandbox.name, no_overlay=without))
    return Confiner(sandbox, "", "")


# --- arguments -----------------------------------------------------------------------------


def _checkout(rules: Rules) -> Iterator[str]:
    """The checkout, writable. Under an overlay no folder that holds something can be renamed."""
    slot = str(rules.slot)
    if rules.overlay is None:
        yield from _each("--bind", (slot, *rules.pinned))
    else:
        yield from ("--overlay-src", slot, "--overlay", *map(str, rules.overlay), slot)


def _hiding(rules: Rules) -> Iterator[str]:
    yield from _covering((*SCRATCH, *_emptied(rules)))
    yield from _each("--ro-bind-try", rules.visible.readable)
    for path in rules.scratch:
        yield from ("--overlay-src", path, "--tmp-overlay", path)
    yield from _covering(rules.visible.secrets)
    for place, target in rules.visible.links:
        yield from ("--symlink", target, place)


def _covering(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if is_folder(path):
            yield from ("--tmpfs", path)
        elif is_there(path):
            # With its device: in a plain bind it could not even be opened.
            yield from ("--dev-bind", "/dev/null", path)


def _emptied(rules: Rules) -> Iterator[str]:
    """What is hidden; what lies in a folder for scratch is gone with that already."""
    for folder in rules.visible.hidden:
        if not folder.startswith(tuple(f"{scratch}/" for scratch in SCRATCH)):
            yield folder


def _each(option: str, paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield from (option, path, path)


# --- overlays ------------------------------------------------------------------------------


def _names(folder: str) -> list[str]:
    """Names in a folder that the command may have closed to its owner."""
    try:
        return os.listdir(folder)
    except PermissionError:
        os.chmod(folder, 0o700)
        return os.listdir(folder)


def _is_opaque(folder: str) -> bool:
    try:
        return os.getxattr(folder, _OPAQUE) == b"y"
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.ENOTSUP}:
            return False
        raise


# --- finding one ---------------------------------------------------------------------------


def _missing(path: str) -> Confiner:
    installs = (command for name, command in _MANAGERS.items() if shutil.which(name, path=path))
    command = next(installs, "")
    remedy = f"`{command}`" if command else ""
    return Confiner(
        None,
        "bubblewrap is not installed",
        f"Install it: {remedy}." if remedy else "Install your system's package bubblewrap.",
    )


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
    here = (platform.release(), os.getuid(), disk, *map(_namespace, ("user", "mnt")))
    return hashlib.sha256(repr((facts, here)).encode()).hexdigest()


def _name(program: str) -> str:
    asked = run_command(
        f"exec '{program}' --version", cwd=Path("/"), env={}, limits=Limits(timeout_s=10)
    )
    version = asked.stdout.decode("ascii", "replace").split()
    return f"bubblewrap {version[-1]}" if version else "bubblewrap"


def _namespace(kind: str) -> str:
    """Which namespace of a kind the helper is in; empty where that is not told."""
    try:
        return str(Path(f"/proc/self/ns/{kind}").readlink())
    except OSError:
        return ""


# --- the probe -----------------------------------------------------------------------------

_FOLDERS = ("folder", "folder/locked")
_LOCKED = ("folder/locked", "locked")
_FILES = ("locked", "folder/locked/file", "folder/free", "free")


def problem_of(sandbox: Bubblewrap, ground: Path, *, overlay: bool) -> str:
    """What is wrong with a sandbox, in words; empty when it holds what it promises.

    Args:
        sandbox: gives the words before a command.
        ground: a folder of the disk that checkouts lie on; what the probe makes there goes again.
        overlay: whether what is written into the checkout has to go elsewhere.
    """
    with named_errors(ground):
        place = Path(tempfile.mkdtemp(prefix=".probe-", dir=ground)).resolve()
    try:
        return _probed(sandbox, place, overlay=overlay)
    finally:
        remove_tree(place)


def _probed(sandbox: Bubblewrap, place: Path, *, overlay: bool) -> str:
    slot, secret, tool = place / "slot", place / "secret", place / "tool"
    for folder in _FOLDERS:
        (slot / folder).mkdir(parents=True)
    tool.mkdir()
    for file in (*(slot / name for name in _FILES), secret):
        file.touch()
    with private_folders(place / "run", overlay=overlay) as own:
        rules = Rules(
            slot=slot,
            pinned=(f"{slot}/folder",),
            locked=tuple(f"{slot}/{path}" for path in _LOCKED),
            writable=(str(own.home),),
            visible=Visible((str(place),), (str(tool),), (), ()),
            scratch=(str(tool),) if overlay else (),
            overlay=own.overlay,
        )
        env = {"PATH": "/usr/bin:/bin", "HOME": str(own.home), "TMPDIR": str(own.home)}
        writable = (slot, own.home, tool) if overlay else (slot, own.home)
        command = "; ".join(_trials(secret, writable))
        prefix = sandbox.prefix(rules)
        try:
            outcome = run_command(
                command, cwd=slot, env=env, limits=Limits(timeout_s=10), prefix=prefix
            )
        except AutoresearchError as error:
            return error.message
        problem = _told(outcome)
        if not problem and own.overlay is not None:
            seen = replaced(own.overlay.written, _FILES, frozenset(_FOLDERS))
            problem = _wrong((slot, tool), seen)
        return problem


def _trials(secret: Path, writable: tuple[Path, ...]) -> Iterator[str]:
    """Shell commands that say what should not be, and `done` at their end."""
    for file in ("locked", "folder/locked/file", "folder/locked/new", "/new-file-of-autoresearch"):
        yield f"(: > {file}) 2>/dev/null && echo '{file} could be written'"
    for folder in ("folder", "folder/locked", "locked"):
        yield f"mv {folder} moved 2>/dev/null && echo '{folder} could be moved'"
    yield f"test -e '{secret}' && echo 'a hidden file could be seen'"
    written = " && ".join([*(f": > '{folder}/new'" for folder in writable), "rm free"])
    yield f"({written}) 2>/dev/null || echo 'nothing could be written'"
    yield "readlink /proc/self/ns/pid /proc/self/ns/net"
    yield "echo done"


def _told(outcome: Outcome) -> str:
    """What the trials said that must not be."""
    said = outcome.stdout.decode("utf-8", "replace").splitlines()
    same = [kind for kind in ("pid", "net") if _namespace(kind) in said]
    said = [line for line in said if not line.startswith(("pid:", "net:"))]
    said += [f"the {kind} namespace is the machine's" for kind in same]
    if said == ["done"]:
        return ""
    last = outcome.stderr.decode("utf-8", "replace").splitlines()[-1:]
    return clean_line("; ".join([line for line in said if line != "done"] or last), 200)


def _wrong(kept: tuple[Path, Path], seen: tuple[str, ...]) -> str:
    """What is wrong with an overlay, by what the trials left in checkout and toolchain."""
    left = [*kept[0].rglob("new"), *kept[1].rglob("new")]
    if left or not all((kept[0] / name).exists() for name in _FILES):
        return "what is written reaches the checkout"
    return "" if "free" in seen else "what is written cannot be seen"
