"""Folders of build outputs, of which no program leaves anything to a program of other source.

Each tree starts from a copy of what the epoch's own code left: most of it need not be built again,
and nothing in it was written by a candidate. What the samples of a built program write there is
put back from a copy too.
"""

# Names come in bulk; a Path for each would cost more than the call it makes.
# ruff: noqa: PTH120

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from autoresearch.core.contract import Contract
from autoresearch.core.snapshot import TreeMap
from autoresearch.edges.checkout import Slot
from autoresearch.edges.files import atomic_write, named_errors, remove_tree
from autoresearch.edges.statcache import Row, differences, rows_at, status_of

_COPIED = "copied"
_NOBODY = "none"


class Caches:
    """The cache folders of a contract, in every slot.

    Attributes:
        base: the epoch's own code, whose outputs every tree starts from; None for nothing.
    """

    def __init__(self, contract: Contract, store: Path, manifests: Path) -> None:
        self.base: TreeMap | None = None
        self._folders = contract.cache
        self._is_built = contract.build is not None
        self._what = repr((contract.build, contract.verify, contract.env, contract.setup))
        self._store = store
        self._manifests = manifests
        self._tables: dict[Slot, dict[str, Row]] = {}

    def take(self, slot: Slot, tree: TreeMap, fill: Callable[[TreeMap], None]) -> None:
        """Give a tree, which the slot holds, the folders that it left there, or those of the base.

        Args:
            slot: where.
            tree: whose.
            fill: brings the slot to the base, lets it leave what it leaves, and brings `tree` back.
        """
        self._tables.pop(slot, None)
        if not self._folders:
            return
        base = self._base_name()
        owner = f"{base} {self._digest(tree)}"
        # One for each slot: outputs must be younger than the files that lie there.
        marker, store = self._marker(slot), self._store / f"{base}-{slot.name}"
        if _text(marker) == owner:
            return
        marker.unlink(missing_ok=True)
        copy(store, slot.root, self._folders)
        if self.base is not None and not store.is_dir():
            for former in self._store.glob(f"*-{slot.name}"):
                remove_tree(former)
            fill(self.base)
            keep(slot.root, store, self._folders)
        atomic_write(marker, owner.encode("ascii"))

    def is_outdated(self, slot: Slot) -> bool:
        """Whether a slot is of another epoch: its files, being older, would pass for built."""
        before = _text(self._marker(slot)) if self._folders else ""
        return bool(before) and before.partition(" ")[0] != self._base_name()

    def _base_name(self) -> str:
        return _NOBODY if self.base is None else self._digest(self.base)

    def _marker(self, slot: Slot) -> Path:
        return self._manifests / f"{slot.name}.cache"

    def seal(self, slot: Slot) -> None:
        """Take what a build left: from here on only samples write there, and nothing of it stays.

        Without a build it is verify that compiles, and its outputs stay for the same tree.
        """
        if self._folders and self._is_built:
            keep(slot.root, self._store / slot.name, self._folders)
            self._tables[slot] = table_of(slot.root, self._folders)

    def restore(self, slot: Slot) -> None:
        """Put back what a sample changed."""
        table = self._tables.get(slot)
        if table is not None:
            restore(slot.root, self._store / slot.name, self._folders, table)

    def _digest(self, tree: TreeMap) -> str:
        """A name for a tree, and for how its outputs come about."""
        told = repr((self._what, sorted(tree.items())))
        return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _text(path: Path) -> str:
    return path.read_text("ascii") if path.exists() else ""


def copy(source: Path, target: Path, folders: Sequence[str]) -> None:
    """Make these folders of `target` what they are in `source`, times included."""
    for folder in folders:
        remove_tree(target / folder)
        if (source / folder).is_dir():
            with named_errors(target / folder):
                shutil.copytree(source / folder, target / folder, symlinks=True)


def keep(source: Path, store: Path, folders: Sequence[str]) -> None:
    """Keep a copy of these folders at `store`, whole or not at all."""
    half = store.with_name(f".{store.name}")
    remove_tree(half)
    with named_errors(store):
        half.mkdir(parents=True, mode=0o700)
        copy(source, half, folders)
        remove_tree(store)
        half.rename(store)


def table_of(root: Path, folders: Sequence[str]) -> dict[str, Row]:
    """The statuses of all files in these folders of `root`."""
    rows: dict[str, Row] = {}
    for folder in folders:
        rows.update(rows_at(f"{root}/", folder, _COPIED))
    return rows


def restore(root: Path, store: Path, folders: Sequence[str], table: dict[str, Row]) -> None:
    """Put back from `store` what differs from the table, which is brought up to date."""
    known = {path.rstrip("/") for path in table if path.endswith("/")}
    found = differences(
        f"{root}/",
        table,
        known | _above(folders),
        ours=True,
        is_kept=lambda path, _: not _within(path, folders),
    )
    gone = sorted(known - found.folders)
    with named_errors(root):
        for path in found.new:
            remove_tree(root / path)
        for path in gone:
            os.makedirs(f"{root}/{path}", exist_ok=True)  # noqa: PTH103 - in bulk
        for path in found.changed:
            full = root / path
            remove_tree(full)
            shutil.copy2(store / path, full, follow_symlinks=False)
            table[path] = (status_of(full.lstat()), _COPIED)


def _above(folders: Sequence[str]) -> set[str]:
    found = set()
    for folder in folders:
        while folder := os.path.dirname(folder):
            found.add(folder)
    return found


def _within(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
