"""Which candidates' refs a session can do without: what `gc` may remove, and what it removed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from autoresearch.core.history import FAILED_SHOWN
from autoresearch.core.model import NoteKind, Verdict
from autoresearch.core.records import Experiment, Note, Pruned, Record

_NUMBER = re.compile(r"[0-9]{1,9}")


class Known(NamedTuple):
    """A logged experiment: its number, its candidate's commit, and whether it was kept."""

    number: int
    commit: str
    kept: bool


class Survey(NamedTuple):
    """What the log says of its candidates.

    Attributes:
        tried: every experiment, oldest first.
        ideas: the texts of the open ideas.
        pruned: numbers whose refs were removed.
    """

    tried: tuple[Known, ...]
    ideas: tuple[str, ...]
    pruned: frozenset[int]


class Prunable(NamedTuple):
    """What may go.

    Attributes:
        candidates: oldest first.
        named: numbers that stay only because an open idea names them.
    """

    candidates: tuple[Known, ...]
    named: tuple[int, ...]


def survey(records: Iterable[Record]) -> Survey:
    """What a log says of its candidates; samples are let go of at once."""
    tried: list[Known] = []
    ideas: dict[int, str] = {}
    pruned: set[int] = set()
    for record in records:
        if isinstance(record, Experiment):
            tried.append(Known(record.number, record.commit, record.verdict is Verdict.KEEP))
        elif isinstance(record, Pruned):
            pruned |= numbers_of(record.experiments)
        elif isinstance(record, Note) and record.kind is NoteKind.RETIRE:
            ideas.pop(record.number, None)
        elif isinstance(record, Note) and record.kind is NoteKind.IDEA:
            ideas[record.number] = record.text
    return Survey(tuple(tried), tuple(ideas.values()), frozenset(pruned))


def prunable(found: Survey, keep: int) -> Prunable:
    """The candidates whose refs nobody needs: not kept, old, and no longer spoken of.

    What the brief and the document name for another attempt stays: the newest that failed, the
    one that waits for a rework among them, and every number in the words of an open idea.
    """
    failed = [known for known in found.tried if not known.kept]
    last = found.tried[-1].number if found.tried else 0
    old = [known for known in failed[:-FAILED_SHOWN] if known.number <= last - keep]
    spoken = {int(word) for text in found.ideas for word in _NUMBER.findall(text)}
    return Prunable(
        tuple(known for known in old if known.number not in spoken),
        tuple(known.number for known in old if known.number in spoken),
    )


def ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Numbers as ranges, both ends included, in order."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


def numbers_of(found: Iterable[tuple[int, int]]) -> frozenset[int]:
    """The numbers in such ranges."""
    return frozenset(number for first, last in found for number in range(first, last + 1))
