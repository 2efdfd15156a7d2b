"""Secondary metrics: a keep must prove that none lost more than its limit since the baseline.

The loss of a candidate is bounded on the pairs of its own race, by inverting the same label-swap
test. What the keeps before it lost (`carried`) is added, so that small losses cannot add up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import race
from autoresearch.core.decision import Decision, Policy, Rule, still_open
from autoresearch.core.model import Arm, Direction, LimitResult, Pair, Reason, Scale
from autoresearch.core.race import ORDER, pairs_of
from autoresearch.core.stats import estimate_change, lower_change, scale_for, upper_change

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How much a secondary metric may lose.

    Attributes:
        name: of the metric.
        direction: which way it improves.
        limit: the loss allowed since the baseline, >= 0.
        relative: True when `limit` is a fraction of the incumbent, else in the metric's unit.
    """

    name: str
    direction: Direction
    limit: float
    relative: bool


class LimitState(str, Enum):
    """What the pairs so far prove about a limit."""

    HELD = "held"
    BROKEN = "broken"
    UNPROVEN = "unproven"


class LimitCheck(NamedTuple):
    """The state of one limit, and its record."""

    state: LimitState
    result: LimitResult


class _Loss(NamedTuple):
    """Point estimate of a loss and its bounds, on the limit's scale; infinite where unknown."""

    low: float
    estimate: float
    high: float


def judge_limit(
    pairs: Sequence[Pair], bound: Bound, policy: Policy, *, carried: float
) -> LimitCheck:
    """Return what the pairs so far prove about one secondary metric.

    The level is spent over the looks as the race spends its own. Where even all planned pairs
    cannot reach it (fewer than 6), the last look takes the best that so many pairs can give: every
    pair must stay within the limit, which a larger true loss survives with probability 2^-n.

    Args:
        pairs: the secondary metric's values, n >= 1, in the order run.
        bound: the limit.
        policy: of the race; its alpha and number of pairs.
        carried: sum of the estimated losses of the kept experiments since the epoch's baseline.

    Returns:
        The state, and a record in which `worst` includes `carried`. The estimate of a loss from 0
        stands in the metric's unit, as no fraction can say it.
    """
    loss = _exact_loss(pairs, bound, policy) or _bounded_loss(pairs, bound, policy)
    held = loss.high + carried <= bound.limit
    state = LimitState.UNPROVEN
    if held:
        state = LimitState.HELD
    elif loss.low + carried > bound.limit:
        state = LimitState.BROKEN
    in_unit = abs(estimate_change(pairs, Scale.DIFFERENCE))
    result = LimitResult(
        name=bound.name,
        direction=bound.direction,
        relative=bound.relative,
        carried=carried,
        worst=loss.high + carried if math.isfinite(loss.high) else None,
        estimate=loss.estimate if math.isfinite(loss.estimate) else in_unit,
        limit=bound.limit,
        held=held,
    )
    return LimitCheck(state, result)


def limit_pairs(order: str, values: Sequence[float], *, exact: bool) -> tuple[Pair, ...]:
    """Return the pairs of a race on which its limits are judged.

    A race that was decided exactly ran b b a: its candidate's runs are both held against the one
    of the incumbent, until pairs were run after them for the limits alone.

    Args:
        order: one letter a run, `a` incumbent, `b` candidate.
        values: the secondary metric of each run.
        exact: whether the deterministic path decided.

    Raises:
        ValueError: two runs of one arm make up a pair.
    """
    if not exact:
        return pairs_of(order, values)
    if len(order) > len(ORDER):
        return pairs_of(order[len(ORDER) :], values[len(ORDER) :])
    *candidates, incumbent = values
    return tuple(
        Pair(incumbent=incumbent, candidate=value, first=Arm.CANDIDATE) for value in candidates
    )


def under_limits(
    decision: Decision, checks: Iterable[LimitCheck], *, pairs: int, planned: int, extra: int
) -> Decision:
    """Return a race's decision once its limits have spoken; only a keep can change.

    Args:
        decision: of the primary metric.
        checks: of every limited metric, on all pairs run so far.
        pairs: how many were run; more than `decision.pairs` while a limit was unproven.
        planned: N. Until then an unproven limit asks for the next pair; at N it is a discard.
        extra: how many of the pairs were run for the limits alone.
    """
    if not decision.keep:
        return decision
    doubtful = [check for check in checks if check.state is not LimitState.HELD]
    if not doubtful:
        more = f"; {extra} more to prove the limits" if extra else ""
        return replace(decision, detail=f"{decision.detail}{more}")
    broken = [check for check in doubtful if check.state is LimitState.BROKEN]
    if not broken and pairs < planned:
        return still_open(pairs, decision.p_value)
    names = ", ".join(check.result.name for check in broken or doubtful)
    detail = f"beyond its limit: {names}" if broken else f"not proven within its limit: {names}"
    return replace(
        decision,
        keep=False,
        reason=Reason.LIMITS,
        flags=(),
        pairs=pairs,
        rule=Rule.LIMIT,
        detail=detail,
    )


def _exact_loss(pairs: Sequence[Pair], bound: Bound, policy: Policy) -> _Loss | None:
    """Return the loss of a metric that repeats itself: nothing is left to prove."""
    arms = {pair.incumbent for pair in pairs}, {pair.candidate for pair in pairs}
    if len(pairs) < min(2, policy.pairs) or max(map(len, arms)) > 1:
        return None
    loss = _as_loss(estimate_change(pairs, _scale(pairs, bound)), pairs, bound)
    return _Loss(loss, loss, loss)


def _bounded_loss(pairs: Sequence[Pair], bound: Bound, policy: Policy) -> _Loss:
    """Return the loss with its bounds where a look is due, else without."""
    scale = _scale(pairs, bound)
    estimate = _as_loss(estimate_change(pairs, scale), pairs, bound)
    tail = _tail(len(pairs), policy)
    if tail is None:
        return _Loss(-math.inf, estimate, math.inf)
    changes = (lower_change(pairs, scale, tail), upper_change(pairs, scale, tail))
    low, high = sorted(_as_loss(change, pairs, bound) for change in changes)
    return _Loss(low, estimate, high)


def _tail(pairs: int, policy: Policy) -> float | None:
    """Return the one-sided level of the look at these pairs, None where none is due."""
    due = sorted(race.keep_looks(policy.pairs))
    spent = 0.0
    for look in due:
        budget = race.allowance(policy.alpha, look, policy.pairs) - spent
        if look == policy.pairs:
            budget = max(budget, 2.0**-look)
        if budget < 2.0**-look:
            continue
        if look == pairs:
            return budget
        spent += budget
    return None


def _scale(pairs: Sequence[Pair], bound: Bound) -> Scale:
    return scale_for(pairs, Scale.RATIO if bound.relative else Scale.DIFFERENCE)


def _as_loss(change: float, pairs: Sequence[Pair], bound: Bound) -> float:
    """Return a change on the scale of `_scale` as a loss on the limit's scale.

    Any loss from an incumbent at 0 is infinite as a fraction.
    """
    loss = change if bound.direction is Direction.LOWER else -change
    if not bound.relative or _scale(pairs, bound) is Scale.RATIO:
        return loss
    reference = median(abs(pair.incumbent) for pair in pairs)
    if reference == 0:
        return math.inf if loss > 0 else 0.0
    return loss / reference
