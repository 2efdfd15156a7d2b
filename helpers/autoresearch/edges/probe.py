"""The probe of a sandbox: a program that tries what must fail, run with the very arguments used."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.text import clean_line
from autoresearch.edges.cell import Cell
from autoresearch.edges.files import named_errors, remove_tree
from autoresearch.edges.overlay import private_folders, replaced
from autoresearch.edges.proc import Limits, run_command
from autoresearch.edges.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoresearch.edges.proc import Outcome

_TIMEOUT_S = 10.0

_FOLDERS = ("folder", "folder/locked")
_LOCKED = ("folder/locked", "locked")
_FILES = ("locked", "folder/locked/file", "folder/free", "free")


def problem_of(confines: Callable[[Cell], list[str]], ground: Path, *, overlay: bool) -> str:
    """What is wrong with a sandbox, in words; empty when it holds what it promises.

    Args:
        confines: gives the words before a command.
        ground: a folder of the disk that checkouts lie on; what the probe makes there goes again.
        overlay: whether what is written into the checkout has to go elsewhere.

    Raises:
        AutoresearchError: as the disk refuses.
    """
    with named_errors(ground):
        place = Path(tempfile.mkdtemp(prefix=".probe-", dir=ground)).resolve()
    try:
        return _probed(confines, place, overlay=overlay)
    finally:
        remove_tree(place)


def namespace(kind: str) -> str:
    """Which namespace of a kind the helper is in; empty where there are none."""
    try:
        return str(Path(f"/proc/self/ns/{kind}").readlink())
    except OSError:  # no such file elsewhere than on Linux
        return ""


def _probed(confines: Callable[[Cell], list[str]], place: Path, *, overlay: bool) -> str:
    slot, secret, tool = place / "slot", place / "secret", place / "tool"
    for folder in _FOLDERS:
        (slot / folder).mkdir(parents=True)
    tool.mkdir()
    for file in (*(slot / name for name in _FILES), secret):
        file.touch()
    with private_folders(place / "run", overlay=overlay) as own:
        cell = Cell(
            slot=slot,
            pinned=(f"{slot}/folder",),
            locked=tuple(f"{slot}/{path}" for path in _LOCKED),
            writable=(str(own.home),),
            view=View((str(place),), (str(tool),), (), ()),
            scratch=(str(tool),) if overlay else (),
            overlay=own.overlay,
        )
        env = {"PATH": "/usr/bin:/bin", "HOME": str(own.home), "TMPDIR": str(own.home)}
        writable = (slot, own.home, tool) if overlay else (slot, own.home)
        command = "; ".join(_trials(secret, writable))
        try:
            outcome = run_command(
                command, cwd=slot, env=env, limits=Limits(timeout_s=_TIMEOUT_S),
                prefix=confines(cell),
            )  # fmt: skip
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
    if sys.platform == "linux":
        yield "readlink /proc/self/ns/pid /proc/self/ns/net"
    yield "echo done"


def _told(outcome: Outcome) -> str:
    """What the trials said that must not be."""
    said = outcome.stdout.decode("utf-8", "replace").splitlines()
    if sys.platform == "linux":
        same = [kind for kind in ("pid", "net") if namespace(kind) in said]
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
