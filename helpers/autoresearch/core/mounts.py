"""Which files and folders of a checkout a sandbox makes read-only, in as few places as possible."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.snapshot import GITLINK_MODE, LINK_MODE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autoresearch.core.snapshot import TreeMap

MOST_PLACES = 40
"""Each place is a mount that every sample pays for (0.1 ms, measured). What lies beyond is not
locked; that it was changed is still found afterwards, by status, and is a violation."""


class Mounts(NamedTuple):
    """Places in a checkout, sorted.

    Attributes:
        pinned: folders that hold files in scope and, below, something locked: they stay writable
            but must not be renamed, for another folder could then stand in their place.
        locked: protected files, and folders without any file in scope, as a whole.
    """

    pinned: tuple[str, ...]
    locked: tuple[str, ...]


def lock_mounts(tree: TreeMap, covers: Callable[[str], bool], most: int = MOST_PLACES) -> Mounts:
    """The places that lock the protected files of `tree`; folders that lock most come first.

    Symbolic links and submodules cannot be locked by themselves.
    """
    scoped = {""}
    protected = []
    for path, entry in tree.items():
        if covers(path):
            scoped.update(_above(path))
        elif entry.mode not in {LINK_MODE, GITLINK_MODE}:
            protected.append(path)
    tops: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for path in protected:
        folder = path.rpartition("/")[0]
        if folder not in tops:
            tops[folder] = _topmost(folder, scoped)
        counts[tops[folder] or path] += 1
    chosen: set[str] = set()
    pinned: set[str] = set()
    for place, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        more = set(_above(place)) - pinned
        if len(chosen) + len(pinned) + len(more) < most:
            chosen.add(place)
            pinned |= more
    return Mounts(tuple(sorted(pinned)), tuple(sorted(chosen)))


def _topmost(folder: str, scoped: set[str]) -> str:
    """The topmost folder at or above `folder` without a file in scope; "" when there is none."""
    return next((one for one in (*_above(folder), folder) if one not in scoped), "")


def _above(path: str) -> Iterable[str]:
    """The folders above a path, topmost first, the root left out."""
    parts = path.split("/")[:-1]
    return ("/".join(parts[: number + 1]) for number in range(len(parts)))
