"""The pairs that a recorded order of runs holds, and the order of the runs of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.model import Arm, Pair

if TYPE_CHECKING:
    from collections.abc import Sequence


def pairs_of(order: str, values: Sequence[float]) -> tuple[Pair, ...]:
    """Return the complete pairs of a recorded race; a run without its partner is left out.

    Args:
        order: one letter a run, `a` incumbent, `b` candidate.
        values: the metric of each run.

    Raises:
        ValueError: two runs of one arm make up a pair.
    """
    pairs = []
    for start in range(0, len(order) - 1, 2):
        if order[start] == order[start + 1]:
            msg = f"runs {start + 1} and {start + 2} are both of arm {order[start]!r}"
            raise ValueError(msg)
        first = Arm(order[start])
        swapped = first is Arm.CANDIDATE
        incumbent, candidate = values[start + swapped], values[start + 1 - swapped]
        pairs.append(Pair(incumbent=incumbent, candidate=candidate, first=first))
    return tuple(pairs)


def runs_of(pairs: Sequence[Pair]) -> tuple[str, list[float]]:
    """Return the order of the runs of these pairs and their values; undoes `pairs_of`."""
    order, values = "", []
    for pair in pairs:
        order += pair.first.value + pair.first.other.value
        both = [pair.incumbent, pair.candidate]
        values += both if pair.first is Arm.INCUMBENT else both[::-1]
    return order, values
