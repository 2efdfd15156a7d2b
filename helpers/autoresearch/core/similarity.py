"""Which lines a change touches, as hashes: how a near duplicate is recognised.

Only the smallest 512 hashes of a change are used (a min-wise sample, Broder 1997), so that a
generated file of a million lines costs no more than a page.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLE = 512
"""Most hashes that stand for a change."""

_MIN_LETTERS = 4
"""A line with fewer letters and digits (`}`, `else:` has 4) says nothing about the idea."""


def changed_lines(diff: bytes) -> frozenset[int]:
    """Hashes of the added and removed lines of a unified diff; white space does not count.

    Returns:
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
