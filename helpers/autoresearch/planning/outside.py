"""What set-up changes outside its checkout, where no sandbox holds it, and how that is put right.

All checkouts share what lies there, so that they would measure whichever was set up last; and it is
the user's own environment.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from autoresearch.core.formatting import clean_line
from autoresearch.edges.files import is_folder, is_there, named_errors, remove_tree
from autoresearch.edges.stored import set_aside
from autoresearch.planning.causes import own_place
from autoresearch.planning.remedies import refused

MOST_FILES = 30_000
"""A folder with more is kept by its names, and by the small files that lead elsewhere."""

_LEADS = (".pth", ".egg-link", ".dist-info", ".egg-info", ".py")
_INSIDE = {
    "VIRTUAL_ENV": ("lib/python3*/site-packages", "bin"),
    "CONDA_PREFIX": ("lib/python3*/site-packages", "lib/node_modules", "bin"),
    "GEM_HOME": ("gems", "specifications", "bin"),
    "CARGO_HOME": ("bin",),
    "GOPATH": ("bin",),
    "BUN_INSTALL": ("bin", "install/global"),
    "PNPM_HOME": ("global",),
    "NVM_DIR": ("versions/node/*/lib/node_modules",),
}
"""Variable -> what package managers install into below it."""

_BESIDE_PROGRAMS = (
    "lib/python3*/site-packages",
    "lib/python3*/dist-packages",
    "local/lib/python3*/dist-packages",
    "lib/node_modules",
)
"""The same beside the folders of PATH."""


class _Kept(NamedTuple):
    """A folder as it was: each name with what tells whether it is the same, and a copy."""

    folder: Path
    names: Mapping[str, tuple[int, ...]]
    copy: Path


def folders_shared(environment: Mapping[str, str]) -> list[Path]:
    """The folders outside any checkout that this user's installs go to."""
    found = [
        place
        for name, inside in _INSIDE.items()
        if environment.get(name)
        for pattern in inside
        for place in Path(environment[name]).glob(pattern)
    ]
    for programs in environment.get("PATH", "").split(os.pathsep):
        found += [p for pattern in _BESIDE_PROGRAMS for p in Path(programs).parent.glob(pattern)]
    real = dict.fromkeys(path.resolve() for path in found)
    return [path for path in real if is_folder(path) and os.access(path, os.W_OK)]


@contextmanager
def left_alone(environment: Mapping[str, str], scratch: Path) -> Iterator[None]:
    """Make sure that a block, which runs set-up, installs nothing outside; put right what it did.

    Args:
        environment: of the set-up.
        scratch: a folder of ours for copies, gone at the end; what came new is kept beside it.
    """
    kept = [_keep(folder, scratch / str(n)) for n, folder in enumerate(folders_shared(environment))]
    try:
        yield
    finally:
        touched = [path for one in kept for path in _put_right(one, scratch)]
        remove_tree(scratch)
    if touched:
        named = clean_line(", ".join(map(str, touched[:3])), 300)
        raise refused(
            "setup_outside",
            f"set-up installs outside its checkout, where all checkouts and you share it: {named} "
            "(put back as it was)",
            hint=own_place(str(touched[0])),
        )


def _names(folder: Path) -> dict[str, tuple[int, ...]]:
    with named_errors(folder), os.scandir(folder) as items:
        found = {item.name: item.stat(follow_symlinks=False) for item in items}
    return {
        name: (st.st_ino, st.st_mtime_ns, st.st_size)
        for name, st in found.items()
        if name != "__pycache__"
    }


def _keep(folder: Path, copy: Path) -> _Kept:
    names = _names(folder)
    files = (file for _, _, files in os.walk(folder) for file in files)
    is_large = sum(1 for _ in islice(files, MOST_FILES)) == MOST_FILES
    copy.mkdir(parents=True)
    for name in names:
        if not is_large or name.endswith(_LEADS):
            _bring(folder / name, copy / name)
    return _Kept(folder, names, copy)


def _bring(source: Path, target: Path) -> None:
    """Copy a file or folder; of packages by hard links, for installers replace what is in them."""
    with suppress(FileNotFoundError, shutil.Error):  # gone meanwhile, or not ours to read
        if source.is_dir() and not source.is_symlink():
            copy = shutil.copy2 if source.name.endswith(_LEADS) else _link
            shutil.copytree(source, target, symlinks=True, copy_function=copy)
        else:
            shutil.copy2(source, target, follow_symlinks=False)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another disk, or a file system without
        shutil.copy2(source, target, follow_symlinks=False)


def _put_right(kept: _Kept, scratch: Path) -> list[Path]:
    """What is not as it was; it is brought back, and what came new is kept aside."""
    now = _names(kept.folder)
    touched = [name for name in {**kept.names, **now} if kept.names.get(name) != now.get(name)]
    for name in touched:
        place = kept.folder / name
        if name in kept.names and not is_there(kept.copy / name):
            continue  # too much to be kept: what is there stays
        if is_there(place):
            set_aside(place, scratch.with_name("set-up") / name)
        if name in kept.names:
            _bring(kept.copy / name, place)
    return [kept.folder / name for name in sorted(touched)]
