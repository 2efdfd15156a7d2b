"""From what differs in the working tree to the candidate, or to the reason why there is none.

Values only: the walk that finds the differences lives at the edge. Paths are relative, with `/`
between components, and carry bytes that are no UTF-8 as surrogate escapes.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import NamedTuple, TypeAlias

from msgspec import Struct, field

from autoresearch.core.model import Reason

PLAIN_MODE = "100644"
EXECUTABLE_MODE = "100755"
LINK_MODE = "120000"
GITLINK_MODE = "160000"

SHOWN_PATHS = 5
"""Paths named in a refusal before the rest is counted."""


class Entry(NamedTuple):
    """A file as git stores it: six-digit octal mode and object id."""

    mode: str
    oid: str


TreeMap: TypeAlias = "Mapping[str, Entry]"
"""Every file of a tree by its path."""


class Status(str, Enum):
    """How a path differs, in git's letters."""

    ADDED = "A"
    MODIFIED = "M"
    DELETED = "D"
    TYPE_CHANGED = "T"


class Obstacle(str, Enum):
    """Why what lies at a path cannot become part of a candidate."""

    NESTED = "is a repository of its own"
    SPECIAL = "is a FIFO, socket or device"
    HARD_LINK = "is hard-linked to another file"
    TOO_LARGE = "is larger than a candidate's file may be"
    UNREADABLE = "cannot be read"
    FILTERED = "is stored in another form by git (a filter such as LFS)"
    SUBMODULE = "is in the place of a submodule"
    LEAVING_LINK = "is a symbolic link that leaves the scope"
    CLASH = "differs from another path only in case or Unicode form"


_FOR_PEOPLE = {Obstacle.NESTED, Obstacle.SUBMODULE, Obstacle.UNREADABLE}


class Change(Struct, frozen=True, kw_only=True):
    """One path that differs from the incumbent.

    Attributes:
        status: as git would letter it.
        old: the incumbent's entry; None for an added path.
        new: what the candidate would hold; None when deleted or when there is an obstacle.
        content: bytes of `new` as captured by the walk; None when there is no `new`.
        before: what the working tree held before the edit. Differs from `old` only where git
            converts on checkout (line endings), is None where nothing was checked out.
        found: what the working tree holds now, unconverted; None when nothing is there.
        obstacle: why it cannot be part of a candidate, or None.
    """

    path: str
    status: Status
    old: Entry | None
    new: Entry | None
    content: bytes | None
    before: Entry | None
    found: Entry | None
    obstacle: Obstacle | None = None


class Snapshot(Struct, frozen=True, kw_only=True):
    """What differs from the incumbent at one instant.

    Attributes:
        changes: tracked paths that differ, and untracked ones inside the scope; by path.
        outside: untracked paths outside the scope, by path; a repository of its own ends in `/`.
    """

    changes: tuple[Change, ...]
    outside: tuple[str, ...]


class Step(NamedTuple):
    """One path to be brought from what is expected there to what is wanted.

    `blob` names the object that holds the wanted bytes, directly or but for line endings;
    None where nothing is wanted.
    """

    path: str
    expected: Entry | None
    wanted: Entry | None
    blob: str | None


class CandidatePlan(Struct, frozen=True, kw_only=True):
    """A candidate that may be built.

    Attributes:
        changes: all inside the scope, none with an obstacle, by path; never empty.
        outside: untracked paths outside the scope: named once, no part of the candidate.
        overrides: raw entry of each changed path whose working-tree bytes differ from its blob.
    """

    changes: tuple[Change, ...]
    outside: tuple[str, ...]
    overrides: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def entries(self) -> dict[str, Entry | None]:
        """The new entry of each path; None where it is deleted."""
        return {change.path: change.new for change in self.changes}

    @property
    def put_back(self) -> tuple[Step, ...]:
        """The steps that turn the working tree back into the incumbent's."""
        return put_back_steps(self.changes)


class CandidateRefusal(Struct, frozen=True, kw_only=True):
    """Why there is no candidate.

    Attributes:
        reason: UNCHANGED or OUTSIDE.
        paths: the paths at fault, all of them, sorted.
        detail: one line for people; names at most `SHOWN_PATHS` paths.
    """

    reason: Reason
    paths: tuple[str, ...]
    detail: str


def differing_paths(one: TreeMap, other: TreeMap) -> list[str]:
    """Paths whose entries are not the same in two trees, sorted."""
    gone = [path for path in one if path not in other]
    return sorted([*gone, *(path for path, entry in other.items() if one.get(path) != entry)])


def with_changes(tree: TreeMap, entries: Mapping[str, Entry | None]) -> dict[str, Entry]:
    """A tree with other entries at some paths; None where a path is to vanish."""
    changed = {**tree, **entries}
    return {path: entry for path, entry in changed.items() if entry is not None}


def plan_candidate(
    snapshot: Snapshot, tree: TreeMap, covers: Callable[[str], bool]
) -> CandidatePlan | CandidateRefusal:
    """The candidate that `snapshot` makes, or why it makes none."""
    beyond = [change.path for change in snapshot.changes if not covers(change.path)]
    if beyond:
        return _refusal(Reason.OUTSIDE, beyond, "changed outside the scope")
    # Line endings alone that git would store as they were before are no change.
    changes = tuple(c for c in snapshot.changes if c.obstacle or c.new != c.old)
    if not changes:
        return CandidateRefusal(
            reason=Reason.UNCHANGED, paths=(), detail="nothing in the scope has changed"
        )
    obstacles = _obstacles(changes, tree, covers)
    if obstacles:
        first = obstacles[min(obstacles)]
        alike = [path for path, obstacle in obstacles.items() if obstacle is first]
        return _refusal(Reason.OUTSIDE, alike, first.value)
    return CandidatePlan(
        changes=changes,
        outside=snapshot.outside,
        overrides={
            change.path: change.found
            for change in changes
            if change.found is not None and change.found != change.new
        },
    )


def put_back_steps(changes: Iterable[Change]) -> tuple[Step, ...]:
    """The steps that undo `changes` in the working tree, each only over what was found.

    A repository of its own, a damaged submodule or a file that cannot be read is left to people.
    """
    return tuple(
        Step(
            change.path,
            change.found,
            change.before,
            change.old.oid if change.old is not None and change.before is not None else None,
        )
        for change in changes
        if change.obstacle not in _FOR_PEOPLE
    )


def apply_steps(
    base: Mapping[str, Entry | None], entries: Mapping[str, Entry | None]
) -> tuple[Step, ...]:
    """The steps that lay `entries` over a working tree that holds `base`."""
    return tuple(
        Step(path, base.get(path), wanted, None if wanted is None else wanted.oid)
        for path, wanted in sorted(entries.items())
    )


def _refusal(reason: Reason, paths: Iterable[str], what: str) -> CandidateRefusal:
    every = tuple(sorted(paths))
    shown = ", ".join(every[:SHOWN_PATHS])
    more = len(every) - SHOWN_PATHS
    tail = f" and {more} more" if more > 0 else ""
    return CandidateRefusal(reason=reason, paths=every, detail=f"{what}: {shown}{tail}")


def _obstacles(
    changes: tuple[Change, ...], tree: TreeMap, covers: Callable[[str], bool]
) -> dict[str, Obstacle]:
    found = {change.path: change.obstacle for change in changes if change.obstacle is not None}
    gone = {change.path for change in changes if change.new is None}
    kept = {path: entry for path, entry in tree.items() if path not in gone}
    added = [change.path for change in changes if change.new is not None and not change.old]
    final = kept | {change.path: change.new for change in changes if change.new is not None}
    for change in changes:
        if change.new is not None and change.new.mode == LINK_MODE and change.content is not None:
            target = _link_target(change.path, change.content)
            if target is None or not _stays(target, final, covers):
                found[change.path] = Obstacle.LEAVING_LINK
    return found | dict.fromkeys(_clashes(added, kept), Obstacle.CLASH)


def _link_target(path: str, content: bytes) -> str | None:
    """Where a link leads, relative to the root; None when absolute or above the root.

    `..` after a name is refused: what it means depends on whether that name is a link.
    """
    text = content.decode("utf-8", "surrogateescape")
    if text.startswith("/") or not text:
        return None
    base = path.split("/")[:-1]
    named = False
    for part in text.split("/"):
        if part == "..":
            if named or not base:
                return None
            base.pop()
        elif part not in {"", "."}:
            named = True
            base.append(part)
    return "/".join(base)


def _stays(target: str, final: TreeMap, covers: Callable[[str], bool]) -> bool:
    """Whether a link to `target` reaches nothing but paths inside the scope, and no other link."""
    for prefix in _prefixes(target):
        if prefix in final and final[prefix].mode == LINK_MODE:
            return False
    if covers(target):
        return True
    folder = f"{target}/" if target else ""
    below = [path for path in final if path.startswith(folder)]
    return bool(below) and all(covers(path) for path in below)


def _clashes(added: list[str], others: Iterable[str]) -> list[str]:
    """The paths of `added` that a folding file system would take for another one."""
    spelled: dict[str, set[str]] = {}
    for path in added:
        for prefix in _prefixes(path):
            spelled.setdefault(_folded(prefix), set()).add(prefix)
    folders = set()
    for path in others if added else ():
        folded = _folded(path)
        if folded in spelled:
            spelled[folded].add(path)
        folders.add(path.rpartition("/")[0])
    for prefix in {prefix for folder in folders for prefix in _prefixes(folder)}:
        folded = _folded(prefix)
        if folded in spelled:
            spelled[folded].add(prefix)
    return [path for path in added if any(len(spelled[_folded(p)]) > 1 for p in _prefixes(path))]


def _prefixes(path: str) -> list[str]:
    """The folders above a path, outermost first, and the path itself."""
    parts = path.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


SAMPLE = 512
"""Most hashes that stand for a change."""

_MIN_LETTERS = 4
"""A line with fewer letters and digits (`}`, `else:` has 4) says nothing about the idea."""


def changed_lines(diff: bytes) -> frozenset[int]:
    """Hashes of the added and removed lines of a unified diff; white space does not count.

    At most 512 signed 64-bit numbers; empty when no line says anything.
    """
    found = (_hash(line) for line in _touched(diff.splitlines()))
    return sample(number for number in found if number is not None)


def sample(hashes: Iterable[int]) -> frozenset[int]:
    """The smallest 512 of some hashes."""
    return frozenset(sorted(set(hashes))[:SAMPLE])


def _touched(lines: list[bytes]) -> Iterable[bytes]:
    """The +/- lines of the hunks; the file names above a hunk begin with the same signs."""
    in_hunk = False
    for line in lines:
        if line.startswith(b"@@"):
            in_hunk = True
        elif line.startswith(b"diff "):
            in_hunk = False
        elif in_hunk and line[:1] in {b"+", b"-"}:
            yield line


def _hash(line: bytes) -> int | None:
    words = b"".join(line[1:].split())
    if sum(chr(byte).isalnum() for byte in words) < _MIN_LETTERS:
        return None
    digest = hashlib.sha256(line[:1] + words).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
