"""Bench slots: folders that hold exactly one tree, without `.git`, kept so by comparison.

Whatever runs does so in the one place that all slots of a bench share: a slot is moved there, and
the one before it back home. So no program can be told from another by the path that it lies at.

A slot's files are of three kinds: those of the tree, written from blobs and put back whenever
they change; layers, which set-up and build left and which were sealed by their status alone; and
everything else, which is removed. `cache` folders and `link` symbolic links are left out of it.

Times of files: an unchanged file keeps its times, a written one is as young as it is. Where
`cache` folders survive, a file is made at least one second younger than the one it replaces, for
make and Python's bytecode compare whole seconds.
"""

# Names come from scandir in bulk; a Path for each would cost more than the call it makes.
# ruff: noqa: PTH103, PTH104, PTH108, PTH114, PTH115, PTH120, PTH211

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.snapshot import EXECUTABLE_MODE, GITLINK_MODE, LINK_MODE, Entry, TreeMap
from autoresearch.edges import statcache
from autoresearch.edges.files import atomic_write, named_errors, remove_tree, replace_link
from autoresearch.edges.gitrepo import GitRepo, object_id
from autoresearch.edges.sandbox import Overlay, replaced
from autoresearch.edges.statcache import (
    Differences,
    Row,
    StatusKey,
    folders_above,
    mode_of,
    rows_at,
    status_of,
)

_SECOND_NS = 1_000_000_000
_TICK_NS = 10_000_000
"""Longest step of the clock that stamps files (a kernel at 100 Hz): a file written and rewritten
within one step could keep its status."""


class Layer(str, Enum):
    """Who left files beyond the tree: set-up (kept from candidate to candidate) or build."""

    SETUP = "setup"
    BUILD = "build"


_LAYERS = frozenset(layer.value for layer in Layer)


class Touched(NamedTuple):
    """What was not as it had been left.

    Attributes:
        changed: files of the tree that were changed, replaced or removed; put back. By path.
        removed: what was new and is gone again, folders as a whole. By path.
        broken: sealed files that changed or vanished, which cannot be put back. By path.
    """

    changed: tuple[str, ...]
    removed: tuple[str, ...]
    broken: tuple[str, ...]

    @property
    def layer_broken(self) -> bool:
        """Whether the build, or the set-up, has to run again."""
        return bool(self.broken)


class Brought(NamedTuple):
    """How a slot was brought to a tree: files written, and whether the set-up layer still stands.

    `has_setup` is False also when there never was one.
    """

    written: int
    has_setup: bool


class _Switch(NamedTuple):
    """The way from one tree to another, which are both held so that their identities stay."""

    trees: tuple[TreeMap, TreeMap]
    leaving: list[str]
    emptied: list[str]
    coming: list[str]
    contents: dict[str, bytes]
    made: list[str]
    above: set[str]
    needed: set[str]


class Slot:
    """One bench checkout. Its manifest lies elsewhere, out of reach of what runs in it.

    Attributes:
        home: where it lies unless something is to run in it.
        root: the folder; nothing outside it is ever written, but for the manifest.
        name: of its home.
        tree: what it holds.
    """

    def __init__(
        self,
        root: Path,
        repo: GitRepo,
        *,
        manifest: Path,
        cache: Sequence[str] = (),
        links: Mapping[str, Path] | None = None,
    ) -> None:
        """Describe a slot; nothing is touched yet.

        Args:
            root: its home.
            repo: where blobs come from.
            manifest: the file that tells how everything was left.
            cache: relative folders that survive everything.
            links: relative path -> absolute target of symbolic links to be kept there.
        """
        self.home = self.root = root
        self.name = root.name
        self._repo = repo
        self._cache = frozenset(cache)
        self._links = {path: os.fspath(target) for path, target in (links or {}).items()}
        self._manifest = manifest
        self._prefix = f"{root}/"
        self._kept_in = folders_above((*self._cache, *self._links))
        self.tree: TreeMap = {}
        self._above: set[str] = set()  # folders of the tree's files
        self._table: dict[str, Row] = {}  # files; and sealed folders, their names ending in `/`
        self._saved: dict[str, Row] = {}  # the table as the manifest has it
        self._needed: set[str] = set()
        self._has_layers = False
        self._written_ns: dict[str, int] = {}
        self._switches: dict[tuple[int, int], _Switch] = {}

    def lies_at(self, root: Path) -> None:
        """Take it that the slot was moved."""
        self.root, self._prefix = root, f"{root}/"

    def bring(self, tree: TreeMap) -> Brought:
        """Make the slot hold exactly `tree`, the set-up layer, caches and links.

        Only differences are written. A manifest that is missing or damaged means from scratch.

        Raises:
            AutoresearchError: `slot_conflict` when the tree has files where caches or links lie;
                otherwise as the disk refuses.
            GitError: `missing_object`, `corrupt_object`.
        """
        self._check(tree)
        with named_errors(self.root):
            _ensure_root(self.root)
            if not self._saved:
                self._saved = statcache.load(self._manifest) or {}
            self._adopt(tree, self._table or self._saved)
            found = self._differences()
            if any(self._table[path][1] == Layer.SETUP for path in found.changed):
                self._keep(
                    {path: row for path, row in self._table.items() if row[1] != Layer.SETUP}
                )
                found = self._differences()
            self._mend(found)
            missing = [
                path
                for path, entry in tree.items()
                if path not in self._table and entry.mode != GITLINK_MODE
            ]
            self._write(missing)
            self._save()
        return Brought(
            len(missing) + len(found.changed),
            self._has_layers and any(row[1] == Layer.SETUP for row in self._table.values()),
        )

    def switch(self, tree: TreeMap, *, wait: bool) -> tuple[str, ...]:
        """Make a slot without layers and caches, which is as it was left, hold another tree.

        Only what differs is looked at and written, so it takes a moment however large the tree is.

        Args:
            tree: what it is to hold.
            wait: until a change of what was written can be told by its times.

        Returns:
            Files that were not as they had been left, by path.
        """
        swap = self._switch_to(tree)
        with named_errors(self.root):
            touched = [path for path in swap.leaving if not self._take_away(path)]
            for folder in swap.emptied:
                remove_tree(self.root / folder)
            self.tree, self._above, self._needed = tree, swap.above, swap.needed
            for path in swap.coming:
                entry = tree[path]
                status = _write_file(self._prefix + path, entry, swap.contents[path])
                self._table[path] = (status, entry.oid)
            for folder in swap.made:
                os.makedirs(self._prefix + folder, exist_ok=True)
            if wait:
                self._let_clock_tick([self._table[path] for path in swap.coming])
        return tuple(touched)

    def _take_away(self, path: str) -> bool:
        """Remove a file of the tree; whether it was as it had been left."""
        full, row = self._prefix + path, self._table.pop(path, None)
        try:
            found = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if stat.S_ISDIR(found.st_mode):
            remove_tree(self.root / path)
        else:
            os.unlink(full)
        return row is not None and row[0] == status_of(found)

    def _switch_to(self, tree: TreeMap) -> _Switch:
        """What has to be done to get from one tree to the other; found once for a race."""
        key = id(self.tree), id(tree)
        if key not in self._switches:
            old, above = self.tree, folders_above(tree)
            links = {path for path, entry in tree.items() if entry.mode == GITLINK_MODE}
            coming = [p for p, entry in tree.items() if old.get(p) != entry and p not in links]
            blobs = self._repo.blobs(tree[path].oid for path in coming)
            gone = self._needed - above - links - self._kept_in
            self._switches[key] = _Switch(
                trees=(old, tree),
                leaving=[p for p, e in old.items() if tree.get(p) != e and e.mode != GITLINK_MODE],
                emptied=sorted(gone, reverse=True),
                coming=coming,
                contents={p: content for p, (_, content) in zip(coming, blobs, strict=True)},
                made=sorted((above | links) - self._needed),
                above=above,
                needed=above | links,
            )
        return self._switches[key]

    def seal(self, layer: Layer) -> Touched:
        """Take what a command left beyond the tree as a layer; the tree's files are put back."""
        with named_errors(self.root):
            found = self._differences()
            changed, broken = self._parted(found.changed)
            rewritten = [path for path in changed if self._is_same(path)]
            table = {path: row for path, row in self._table.items() if path not in broken}
            if broken and layer is Layer.BUILD:
                # The build changed what set-up left, so the next candidate needs a new set-up.
                table = {
                    path: (row[0], layer.value if row[1] == Layer.SETUP else row[1])
                    for path, row in table.items()
                }
            for path in {*found.new, *broken}:
                table.update(rows_at(self._prefix, path, layer.value))
            self._keep(table)
            self._mend(found._replace(changed=changed, new=[]))
            self._save()
        told = [path for path in changed if path not in rewritten]
        return Touched(tuple(told), (), tuple(broken))

    def _is_same(self, path: str) -> bool:
        """Whether a file of the tree was only rewritten, as package managers do to lock files."""
        entry, full = self.tree[path], self.root / path
        if entry.mode == LINK_MODE or full.is_symlink() or not full.is_file():
            return False
        oid = object_id(self._repo.object_format, full.read_bytes())
        return (mode_of(full.stat().st_mode), oid) == (entry.mode, entry.oid)

    def restore(self) -> Touched:
        """Undo what a sample did: new things go, the tree's files are put back, layers are judged.

        Raises:
            AutoresearchError: as the disk refuses.
            GitError: `missing_object`, `corrupt_object`.
        """
        with named_errors(self.root):
            _ensure_root(self.root)
            found = self._differences()
            changed, broken = self._parted(found.changed)
            links = self._mend(found._replace(changed=changed))
            if changed:
                self._save()
        removed = sorted(path for path in found.new if path not in self._links)
        return Touched(tuple(sorted((*changed, *links))), tuple(removed), tuple(broken))

    def replaced_by(self, overlay: Overlay) -> tuple[str, ...]:
        """Files of the tree that a sample wrote to, changed or removed, over this slot; by path."""
        return replaced(overlay.written, self.tree, self._needed)

    def clear(self) -> None:
        """Remove the slot and its manifest, caches included."""
        remove_tree(self._manifest)
        remove_tree(self.root)
        self.tree, self._saved, self._above = {}, {}, set()
        self._keep({})

    def _check(self, tree: TreeMap) -> None:
        kept = (*self._cache, *self._links)
        for path in tree if kept else ():
            for place in kept:
                if path == place or path.startswith(f"{place}/") or place.startswith(f"{path}/"):
                    raise AutoresearchError(
                        f"{path!r} is committed, so {place!r} cannot be a cache or a link",
                        code="slot_conflict",
                        hint="Remove it from `cache` or `link` in the contract.",
                    )

    def _adopt(self, tree: TreeMap, rows: Mapping[str, Row]) -> None:
        """Keep of `rows` what holds under `tree`; the rest counts as unknown from here."""
        self.tree = tree
        if self._cache:
            self._written_ns.update((path, row[0][2]) for path, row in rows.items())
        self._above = folders_above(tree)
        table: dict[str, Row] = {}
        has_setup = True
        for path, row in rows.items():
            entry = tree.get(path)
            if entry is not None:
                if row[1] == entry.oid and mode_of(row[0][4]) == entry.mode:
                    table[path] = row
            elif row[1] == Layer.SETUP:
                table[path] = row
                # The new tree has a folder where set-up left a file, or a file for its folder.
                has_setup = has_setup and path not in self._above and path.rstrip("/") not in tree
        if not has_setup:
            table = {path: row for path, row in table.items() if row[1] != Layer.SETUP}
        self._keep(table)

    def _keep(self, table: dict[str, Row]) -> None:
        """Take that table, and derive which folders have to be there."""
        self._table = table
        layers = [path for path in table if path not in self.tree]
        self._has_layers = bool(layers)
        sealed = {path[:-1] for path in layers if path.endswith("/")}
        links = {path for path, entry in self.tree.items() if entry.mode == GITLINK_MODE}
        self._needed = self._above | sealed | links

    def _save(self) -> None:
        """Write the table down, unless what the manifest lacks is made again faster than that."""
        saved = self._saved
        behind = [
            row
            for path, row in self._table.items()
            if (known := saved.get(path)) is not row and known != row
        ]
        gone = [row for path, row in saved.items() if path not in self._table]
        if not behind and not gone:
            return
        self._let_clock_tick(behind)
        if (
            self._cache  # where files must be younger than those they replace
            or self._has_layers
            or any(row[1] in _LAYERS for row in gone)
            or statcache.is_worth_saving(self._table, (*behind, *gone))
        ):
            self._manifest.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            statcache.save(self._manifest, self._table)
            self._saved = dict(self._table)

    def _parted(self, paths: Iterable[str]) -> tuple[list[str], list[str]]:
        """Paths of the tree, and paths of layers."""
        ordered = sorted(paths)
        return (
            [path for path in ordered if path in self.tree],
            [path for path in ordered if path not in self.tree],
        )

    def _differences(self) -> Differences:
        known = self._needed | self._kept_in
        return statcache.differences(
            self._prefix, self._table, known, ours=True, is_kept=self._is_kept
        )

    def _is_kept(self, path: str, item: os.DirEntry[str]) -> bool:
        if path in self._cache:
            return item.is_dir(follow_symlinks=False)
        target = self._links.get(path)
        return (
            target is not None and item.is_symlink() and os.readlink(self._prefix + path) == target
        )

    def _mend(self, found: Differences) -> list[str]:
        """Make the slot what the table says; the links that had to be made again."""
        for path in found.new:
            remove_tree(self.root / path)
        for folder in sorted(self._needed - found.folders):
            os.makedirs(self._prefix + folder, exist_ok=True)
        changed, _ = self._parted(found.changed)
        for path in changed:
            full = self._prefix + path
            if os.path.lexists(full):
                os.unlink(full)
        self._write(changed)
        return [
            path
            for path, target in self._links.items()
            if _ensure_link(self._prefix + path, target)
        ]

    def _write(self, paths: Sequence[str]) -> None:
        """Write files of the tree that are not there."""
        contents = self._repo.blobs(self.tree[path].oid for path in paths)
        for path, (_, content) in zip(paths, contents, strict=True):
            entry = self.tree[path]
            older = self._written_ns.get(path, 0)
            status = _write_file(self._prefix + path, entry, content, younger_than_ns=older)
            self._table[path] = (status, entry.oid)

    def _let_clock_tick(self, rows: Sequence[Row]) -> None:
        """Wait until a file that is written from now on cannot have the status of one of these."""
        newest = max((row[0][3] for row in rows), default=0)
        rest = newest + _TICK_NS - time.time_ns()
        if 0 < rest <= _TICK_NS:
            time.sleep(rest / 1e9)


class Stage:
    """The one place where programs run, whichever slot holds them.

    Who lies there is written down before it is moved there. So after a kill between two moves every
    slot is found, at home or here.

    Attributes:
        root: the place.
    """

    def __init__(self, root: Path, record: Path, slots: Sequence[Slot]) -> None:
        """Describe a place; nothing is touched yet.

        Args:
            root: where it lies, on the disk of the slots' homes.
            record: the file that tells who lies there.
            slots: those that take turns.
        """
        self.root = root
        self._record = record
        self._slots = slots
        self._taken: Slot | None = None
        self._is_known = False

    def take(self, slot: Slot) -> None:
        """Move a slot here, and the one that lies here home; a moment's work.

        Raises:
            AutoresearchError: as the disk refuses.
        """
        if not self._is_known:
            self._find()
        if self._taken is slot:
            return
        with named_errors(self.root):
            for folder in (self.root.parent, self._record.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._taken is not None:
                _move(self._taken, self._taken.home)
                self._taken = None
            atomic_write(self._record, slot.name.encode("ascii"), sync=False)
            _move(slot, self.root)
        self._taken = slot

    def _find(self) -> None:
        """See who was left here; what nobody owns goes."""
        with named_errors(self.root):
            if os.path.lexists(self.root):
                name = self._record.read_text("ascii") if self._record.exists() else ""
                for slot in self._slots:
                    if slot.name == name and not os.path.lexists(slot.home):
                        slot.lies_at(self.root)
                        self._taken = slot
                if self._taken is None:
                    remove_tree(self.root)
        self._is_known = True


def _move(slot: Slot, root: Path) -> None:
    """Move a slot; one that is not there yet, or cannot be moved as a whole, is written anew."""
    root.parent.mkdir(exist_ok=True, mode=0o700)
    try:
        os.rename(slot.root, root)
    except FileNotFoundError:
        pass  # never brought, or removed meanwhile: whoever runs something in it says so
    except OSError as error:
        if error.errno != errno.EXDEV:  # a folder of a container's image
            raise
        remove_tree(slot.root)
    slot.lies_at(root)


def _write_file(full: str, entry: Entry, content: bytes, *, younger_than_ns: int = 0) -> StatusKey:
    """Write a file or link that is not there; its status afterwards."""
    os.makedirs(os.path.dirname(full), exist_ok=True)
    if entry.mode == LINK_MODE:
        os.symlink(content, os.fsencode(full))
        return status_of(os.lstat(full))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(full, flags, 0o777 if entry.mode == EXECUTABLE_MODE else 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        status = os.fstat(descriptor)
        if younger_than_ns // _SECOND_NS >= status.st_mtime_ns // _SECOND_NS:
            os.utime(descriptor, ns=(status.st_atime_ns, younger_than_ns + _SECOND_NS))
            status = os.fstat(descriptor)
    return status_of(status)


def _ensure_link(full: str, target: str) -> bool:
    """Make `full` a symbolic link to `target`; whether it was none."""
    if os.path.islink(full) and os.readlink(full) == target:
        return False
    os.makedirs(os.path.dirname(full), exist_ok=True)
    replace_link(full, os.fsencode(target))
    return True


def _ensure_root(root: Path) -> None:
    """Make `root` a folder of its own, no link to elsewhere."""
    if os.path.lexists(root) and not stat.S_ISDIR(os.lstat(root).st_mode):
        remove_tree(root)
    os.makedirs(root, exist_ok=True)
