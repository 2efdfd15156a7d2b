"""`--simplify`: code that is simpler is kept when it is proven to cost next to nothing.

A race in which the candidate's values are first made better by the loss that is allowed: if it
still wins, the loss is smaller than that. So looks, spending and futility are the race's own.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from autoresearch.core.decision import Decision, Policy, Rule
from autoresearch.core.model import Direction, Effect, Reason, Scale
from autoresearch.core.race import judge
from autoresearch.core.stats import effect_of, scale_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.model import Pair

_MOST_SHARE = 0.99
"""A metric that should rise cannot lose all of itself and still be compared as a ratio."""


def loss_bound(effect: Effect, direction: Direction) -> float:
    """Return the upper bound of the loss that an effect's interval leaves open, at least 0.

    What a kept simplification adds to `carried`; a proven gain frees nothing for later ones.
    """
    return max(0.0, effect.high if direction is Direction.LOWER else -effect.low)


def judge_simplify(
    pairs: Sequence[Pair], policy: Policy, pool: Sequence[float], *, carried: float, allowed: float
) -> Decision:
    """Return the decision on a simplification after these pairs; no gain is asked for.

    Args:
        pairs: in the order run; empty to learn whether any loss is left to spend.
        policy: of the race; its `min_effect` does not apply.
        pool: same-code differences, as for `judge`.
        carried: sum of `loss_bound` over the simplifications kept so far.
        allowed: most that all of them together may lose; like `carried` a fraction on RATIO, the
            metric's unit on DIFFERENCE.
    """
    margin = allowed - carried
    if margin <= 0:
        return _nothing_left()
    decision = judge(_improved(pairs, policy, margin), replace(policy, min_effect=0.0), pool)
    if not decision.ended:
        return decision
    effect = effect_of(pairs[: decision.pairs], policy.scale)
    return replace(decision, effect=effect, detail=_detail(decision))


def _improved(pairs: Sequence[Pair], policy: Policy, margin: float) -> list[Pair]:
    """Return the pairs with the candidate's values better by the margin."""
    lower = policy.direction is Direction.LOWER
    if scale_for(pairs, policy.scale) is Scale.RATIO:
        divisor = 1 + margin if lower else 1 - min(margin, _MOST_SHARE)
        return [replace(pair, candidate=pair.candidate / divisor) for pair in pairs]
    if policy.scale is Scale.RATIO:
        margin *= median(abs(pair.incumbent) for pair in pairs)
    shift = -margin if lower else margin
    return [replace(pair, candidate=pair.candidate + shift) for pair in pairs]


def _detail(decision: Decision) -> str:
    if decision.keep:
        return "simpler, and proven to lose less than allowed"
    if decision.reason is Reason.WORSE:
        return "loses more than simplifications may"
    return "could not prove that it loses less than simplifications may"


def _nothing_left() -> Decision:
    return Decision(
        ended=True,
        keep=False,
        reason=Reason.LIMITS,
        flags=(),
        pairs=0,
        p_value=None,
        effect=None,
        smallest_visible=None,
        rule=Rule.LIMIT,
        detail="earlier simplifications have used up the loss allowed",
    )
