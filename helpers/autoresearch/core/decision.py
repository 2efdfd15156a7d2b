"""The rules that a race is under (`Policy`), and its answer (`Decision`)."""

from __future__ import annotations

import math
from enum import Enum

from msgspec import Struct

from autoresearch.core.model import RULE, Direction, Effect, Flag, Reason, Scale

_PROVEN_LEVEL = 0.95
"""An interval of lower coverage proves nothing: two pairs that agree are a coin toss."""

_OPPOSITE = {Direction.LOWER: Direction.HIGHER, Direction.HIGHER: Direction.LOWER}


class Policy(Struct, frozen=True, kw_only=True):
    """The rules of one race, fixed before its first run.

    Attributes:
        alpha: at most this share of worthless candidates is kept; retest share already applied.
        pairs: N, the most pairs it may take.
        direction: which way the metric improves.
        scale: how values are compared; values that are not positive turn RATIO into DIFFERENCE.
        min_effect: a keep also needs this estimated gain; a fraction of the incumbent on RATIO,
            the metric's unit on DIFFERENCE.
        rule: version of the decision rule; a record is judged by its own.
        seed: of the made-up orders that the boundary is made from.
        hope: the race is given up once a keep is less likely than this; 0 never.
        patient: but not before so many pairs.
        fresh: how many of the latest differences borrowed are of this incumbent and its candidates,
            not of an incumbent before it; None: all.
    """

    alpha: float
    pairs: int
    direction: Direction
    scale: Scale
    min_effect: float
    rule: int = RULE
    seed: int = 0
    hope: float = 0.1
    patient: int = 0
    fresh: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha must lie between 0 and 1, got {self.alpha!r}")
        if self.pairs < 1:
            raise ValueError(f"pairs must be at least 1, got {self.pairs!r}")
        if not (math.isfinite(self.min_effect) and self.min_effect >= 0):
            raise ValueError(f"min_effect must be finite and not negative, got {self.min_effect!r}")


class Rule(str, Enum):
    """Which part of the procedure spoke."""

    OPEN = "open"
    RACING = "racing"
    LANDSLIDE = "landslide"
    LOOK = "look"
    FUTILITY = "futility"
    END = "end"
    POOL = "pool"
    SINGLE = "single"
    DETERMINISTIC = "deterministic"
    LIMIT = "limit"


class Decision(Struct, frozen=True, kw_only=True):
    """The answer after the pairs seen so far.

    Attributes:
        ended: False asks for the next pair; then nothing else is decided.
        keep: True only with `ended`.
        reason: why it is no keep; None for a keep and an open race.
        flags: marks on a keep.
        pairs: how many pairs the answer rests on.
        p_value: of the label swap at the last look that took it; None when none did, or when a
            landslide or a race of few pairs was kept on same-code differences.
        needed: the p-value up to which that look could keep.
        effect: how the metric moved; None while open.
        smallest_visible: the gain that such a race finds about every second time, or None if
            unknown.
        rule: what decided.
        detail: one line for people.
    """

    ended: bool
    keep: bool = False
    reason: Reason | None = None
    flags: tuple[Flag, ...] = ()
    pairs: int
    p_value: float | None = None
    needed: float | None = None
    effect: Effect | None = None
    smallest_visible: float | None = None
    rule: Rule
    detail: str = ""


def still_open(pairs: int, p_value: float | None, needed: float | None = None) -> Decision:
    """Return the answer that asks for the next pair."""
    return Decision(ended=False, pairs=pairs, p_value=p_value, needed=needed, rule=Rule.OPEN)


def gain_of(effect: Effect, direction: Direction) -> float:
    """Return the effect's change, signed so that an improvement is positive."""
    return -effect.change if direction is Direction.LOWER else effect.change


def is_proven_better(effect: Effect, direction: Direction) -> bool:
    """Return whether an interval of at least 95 % lies wholly on the good side of no change."""
    beyond = effect.high < 0 if direction is Direction.LOWER else effect.low > 0
    return beyond and effect.level >= _PROVEN_LEVEL


def is_proven_worse(effect: Effect, direction: Direction) -> bool:
    """Return whether an interval of at least 95 % lies wholly on the bad side of no change."""
    return is_proven_better(effect, _OPPOSITE[direction])


def is_large_enough(effect: Effect, policy: Policy) -> bool:
    """Return whether the estimated gain reaches the policy's `min_effect`.

    A relative `min_effect` cannot be compared with a gain in the metric's unit: then it is not.
    """
    if policy.min_effect and effect.scale is not policy.scale:
        return False
    return gain_of(effect, policy.direction) >= policy.min_effect


def amount(size: float, scale: Scale) -> str:
    """Return a gain in words: per cent on RATIO, the metric's unit (unnamed) on DIFFERENCE."""
    return f"{size * 100:.2g} %" if scale is Scale.RATIO else f"{size:.2g}"
