"""The first pairs of a race, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoresearch.core import looks
from autoresearch.core.decision import Policy, is_large_enough
from autoresearch.core.model import Direction, Effect, Pair, Scale
from autoresearch.core.order import runs_of
from autoresearch.core.pool import SIZE, same_code_differences
from autoresearch.core.stats import change_between, effect_of, scale_for, swap_scores

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Seen:
    """The pairs that one look of a race may know, and nothing later.

    Attributes:
        policy: of the race.
        pool: same-code differences of former races, on the policy's scale, oldest first.
        pairs: from the first on, n >= 1.
    """

    policy: Policy
    pool: tuple[float, ...]
    pairs: tuple[Pair, ...]

    def first(self, pairs: int) -> Seen:
        """Return what was known after so many pairs."""
        return replace(self, pairs=self.pairs[:pairs])

    @property
    def scale(self) -> Scale:
        """The policy's scale, or DIFFERENCE where a value is not positive."""
        return scale_for(self.pairs, self.policy.scale)

    def gains(self) -> list[float]:
        """Return each pair's gain, positive where better: a logarithm on RATIO."""
        sign = -1 if self.policy.direction is Direction.LOWER else 1
        scale = self.scale
        return [sign * change_between(pair.incumbent, pair.candidate, scale) for pair in self.pairs]

    def scores(self) -> list[int]:
        """Return each pair's rank score, positive where better."""
        return swap_scores(self.pairs, self.policy.direction)

    def own_differences(self) -> tuple[float, ...]:
        """Return the same-code differences within these pairs, oldest first."""
        order, values = runs_of(self.pairs)
        return same_code_differences(order, values, self.scale)

    def borrowed(self) -> tuple[float, ...]:
        """Return the pool, unless these pairs are compared on another scale than it was."""
        return self.pool if self.scale is self.policy.scale else ()

    def known_differences(self) -> tuple[float, ...]:
        """Return the latest same-code differences known, oldest first: borrowed, then own."""
        return (*self.borrowed(), *self.own_differences())[-SIZE:]

    def effect(self) -> Effect:
        """Return how the metric moved, with its 95 % interval."""
        return effect_of(self.pairs, self.policy.scale)

    def is_large_enough(self) -> bool:
        """Return whether the estimated gain reaches `min_effect`."""
        return is_large_enough(self.effect(), self.policy)


def beat(gains: Sequence[float], differences: Sequence[float]) -> bool:
    """Return whether every gain is positive and exceeds each of the differences."""
    return min(gains) > max(differences, default=0.0)


def stand_out(gains: Sequence[float], differences: Sequence[float], level: float) -> bool:
    """Return whether a worthless candidate's gains beat so many differences at `level` at most."""
    above = looks.may_be_above(len(gains), level, len(differences))
    return above is not None and beat(gains, sorted(differences)[: len(differences) - above])
