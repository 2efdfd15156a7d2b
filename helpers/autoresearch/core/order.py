"""The pairs that a recorded order of runs holds, and the order of the runs of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.model import Arm, Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.model import Sample

_EXACT_RUNS = 3
"""Runs of the deterministic path that end in a keep."""


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


def rounds_of(samples: Sequence[Sample], *, exact: bool) -> tuple[tuple[Sample, Sample], ...]:
    """Return (incumbent's sample, candidate's) of all that can be compared, under one seed each.

    Args:
        samples: of a race, in the order run.
        exact: whether it went by the deterministic path: candidate twice, then the incumbent;
            pairs that proved a limit may follow.
    """
    start = _EXACT_RUNS if exact else 0
    found = []
    if exact and len(samples) >= _EXACT_RUNS:
        found += [(samples[2], candidate) for candidate in samples[:2]]
    for one, two in zip(samples[start::2], samples[start + 1 :: 2], strict=False):
        found.append((one, two) if one.arm is Arm.INCUMBENT else (two, one))
    return tuple(found)
