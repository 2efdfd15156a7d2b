"""Which kept commits the last one could do without: the answer of a leave-one-out race."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.model import Pair
from autoresearch.core.stats import swap_scores, tail_probability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.model import Direction

ABLATION_PAIRS = 12
"""Pairs a commit: fixed, so that the estimate is not biased by an early end."""

DROP_ABOVE = 0.30
"""A commit that helps no more surely than this is worth a look. In simulated sessions this found
half to three quarters of the worthless commits at the cost of 0 to 1 point of true gain; 0.10 would
throw away small real gains, which 12 pairs cannot prove."""


class Worth(NamedTuple):
    """How surely a commit helps.

    Attributes:
        p_value: one-sided label-swap test of the program with it being better than without it.
        is_doubtful: whether it is suggested to be taken back.
    """

    p_value: float
    is_doubtful: bool


def worth_of(pairs: Sequence[Pair], direction: Direction) -> Worth:
    """Judge a race of the tip (as incumbent) against the tip without one commit (as candidate)."""
    turned = [
        Pair(incumbent=pair.candidate, candidate=pair.incumbent, first=pair.first.other)
        for pair in pairs
    ]
    p_value = tail_probability(swap_scores(turned, direction))
    return Worth(p_value, p_value > DROP_ABOVE)
