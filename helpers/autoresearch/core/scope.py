"""Which files an experiment may change: patterns over paths relative to the repository's root.

A pattern is a path of segments between slashes:

- `*` stands for any characters of a segment, a leading dot included; `?` for one of them.
- `[abc]`, `[a-z]`, `[!abc]` stand for one character of a set. There is no escape character:
  `[*]` is a star.
- A segment `**` stands for any number of whole segments; at the end for at least one.
- A last segment without wildcards covers the file of that name, or everything below the folder.
- A trailing slash means the folder: everything below it, never a file of that name.

Patterns are anchored at the root, and cover exactly what they spell: another case or another
Unicode normalisation is another path. `protect` and the list of what is never in scope err on the
other side, since on some file systems such names are the same file.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core.inscope import covers
from autoresearch.core.snapshot import GITLINK_MODE, LINK_MODE, TreeMap

MAX_PATTERN = 400
"""Longest pattern, in characters."""


class Scope(Struct, frozen=True, kw_only=True):
    """The files an experiment may change.

    Attributes:
        patterns: what is in scope.
        protect: what is taken out again.
        allowed, denied: the same, compiled.
    """

    patterns: tuple[str, ...]
    protect: tuple[str, ...]
    allowed: tuple[re.Pattern[str], ...]
    denied: tuple[re.Pattern[str], ...]

    def covers(self, path: str) -> bool:
        """Whether the file at a path, spelled as git spells it, may be changed."""
        return covers(path, self.allowed, self.denied)


def compile_scope(patterns: Sequence[str], protect: Sequence[str]) -> Scope:
    """The scope of a contract; ValueError says how a pattern is malformed."""
    exact = [re.compile(expression(text), re.DOTALL) for text in protect]
    # Neither spelling includes the other: `[!a]` without regard to case leaves out more.
    composed = [expression(unicodedata.normalize("NFC", text)) for text in protect]
    return Scope(
        patterns=tuple(patterns),
        protect=tuple(protect),
        allowed=tuple(re.compile(expression(text), re.DOTALL) for text in patterns),
        denied=(*exact, *(re.compile(text, re.DOTALL | re.IGNORECASE) for text in composed)),
    )


def expression(pattern: str) -> str:
    """The regular expression, for `fullmatch` under DOTALL, of a pattern.

    Its time is bounded by a small power of the path's length: whatever stands between two stars
    is matched at its first place only, which loses no match because a later star can skip more.
    ValueError says how a pattern is malformed.
    """
    below_only = pattern.endswith("/")
    segments = pattern.removesuffix("/").split("/")
    _refuse_malformed(pattern, segments)
    names = (f"g{number}" for number in itertools.count())
    runs = [[_segment(segment, names) for segment in run] for run in _split(segments)]
    head, *middle = runs[:-1] or [[]]
    parts = ["".join(f"{segment}/" for segment in head)]
    parts += [
        _first_place("(?:[^/]+/)*?" + "".join(f"{segment}/" for segment in run), names)
        for run in middle
    ]
    if len(runs) > 1:
        parts.append("(?:[^/]+/)*")
    parts.append("/".join(runs[-1]) or "[^/]+")
    literal = not any(character in segments[-1] for character in "*?[")
    below = "/.+" if below_only else "(?:/.+)?"
    return "".join(parts) + (below if below_only or literal else "")


def _refuse_malformed(pattern: str, segments: Sequence[str]) -> None:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"has {len(pattern)} characters, more than {MAX_PATTERN}")
    if pattern.startswith("!"):
        raise ValueError("starts with `!`: list exceptions under `protect`")
    if "\0" in pattern:
        raise ValueError("contains a NUL character")
    for segment in segments:
        if segment in {"", ".", ".."}:
            raise ValueError(
                f"has the segment {segment!r}: start at the root of the repository, without `./`"
            )
        if "**" in segment and segment != "**":
            raise ValueError(f"has the segment {segment!r}: `**` must stand alone between slashes")


def _split(segments: Sequence[str]) -> list[list[str]]:
    """The runs of segments between `**`; repeated `**` count as one."""
    runs: list[list[str]] = [[]]
    for before, segment in zip(("", *segments), segments, strict=False):
        if segment != "**":
            runs[-1].append(segment)
        elif before != "**":
            runs.append([])
    return runs


def _segment(segment: str, names: Iterator[str]) -> str:
    """One segment without `**`."""
    if segment == "*":
        return "[^/]+"
    pieces = [""]
    position = 0
    while position < len(segment):
        if segment[position] == "*":
            pieces.append("")
            position += 1
            continue
        piece, position = _character(segment, position)
        pieces[-1] += piece
    first, *rest = pieces
    if not rest:
        return first
    *middle, last = rest
    found = [_first_place(f"[^/]*?{piece}", names) for piece in middle]
    return first + "".join(found) + "[^/]*" + last


def _character(segment: str, position: int) -> tuple[str, int]:
    """The expression of one character of a segment, and where the next one starts."""
    if segment[position] == "?":
        return "[^/]", position + 1
    if segment[position] in "\\{}":
        raise ValueError(
            f"contains {segment[position]}, which is not a wildcard here: write "
            f"`[{segment[position]}]` for the character itself"
        )
    if segment[position] != "[":
        return re.escape(segment[position]), position + 1
    start = position + 1 + segment.startswith("!", position + 1)
    end = segment.find("]", start + 1)  # a bracket that comes first is one of the set
    if end < 0:
        raise ValueError(
            f"has a set without closing bracket in {segment!r}: write `[[]` for a bracket itself"
        )
    return _set(segment[start:end], negated=start > position + 1), end + 1


def _set(members: str, *, negated: bool) -> str:
    """One character of a set, or one outside it; never a slash."""
    if members.startswith("^") or "[:" in members:
        raise ValueError(
            f"has the set {members!r}: write `[!...]` to negate, and list characters or ranges"
        )
    parts: list[str] = []
    rest = members
    while rest:
        is_range = rest.startswith("-", 1) and bool(rest[2:])
        low, high = rest[0], rest[2] if is_range else rest[0]
        if low > high:
            raise ValueError(f"has the range {rest[:3]!r}, which is backwards")
        parts.append(f"{re.escape(low)}-{re.escape(high)}")
        rest = rest[3:] if is_range else rest[1:]
    return f"(?!/)[{'^' if negated else ''}{''.join(parts)}]"


def _first_place(matched: str, names: Iterator[str]) -> str:
    """The expression without backtracking into it; Python 3.10 has no atomic groups."""
    name = next(names)
    return f"(?=(?P<{name}>{matched}))(?P={name})"


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
