"""Pairs and policies of a race, written down briefly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autoresearch.core.decision import Policy
from autoresearch.core.model import RULE, Arm, Direction, Pair, Scale

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random


def paired(incumbent: Sequence[float], candidate: Sequence[float]) -> list[Pair]:
    """Pairs A B, B A, A B, ... of these values."""
    arms = Arm.CANDIDATE, Arm.INCUMBENT
    values = enumerate(zip(incumbent, candidate, strict=True), start=1)
    return [Pair(incumbent=a, candidate=b, first=arms[number % 2]) for number, (a, b) in values]


def climbing(changes: Sequence[float]) -> list[Pair]:
    """Pairs on a machine that slows by a tenth from pair to pair: only order within pairs tells.

    Every pair ranks above the one before, so each score is +1 or -1, and no landslide can show.
    """
    incumbent = [100 * 1.1**index for index in range(len(changes))]
    return paired(
        incumbent, [value * (1 + change) for value, change in zip(incumbent, changes, strict=True)]
    )


def noisy(rng: Random, number: int, *, gain: float, spread: float) -> list[Pair]:
    """Pairs under bell-shaped relative noise; a positive gain lowers the candidate's values."""

    def run(level: float) -> float:
        return level * math.exp(rng.gauss(0, spread))

    incumbent = [run(100) for _ in range(number)]
    return paired(incumbent, [run(100 * (1 - gain)) for _ in range(number)])


def lower(
    pairs: int,
    *,
    alpha: float = 0.02,
    min_effect: float = 0.0,
    scale: Scale = Scale.RATIO,
    direction: Direction = Direction.LOWER,
    rule: int = RULE,
) -> Policy:
    """The default policy of a metric that should fall."""
    return Policy(
        alpha=alpha,
        pairs=pairs,
        direction=direction,
        scale=scale,
        min_effect=min_effect,
        rule=rule,
    )
