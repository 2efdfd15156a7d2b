"""What a candidate must hold beside its metric: limits, the price of simplicity, the holdout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from statistics import median
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core import spending
from autoresearch.core.contract import Holdout, Metric
from autoresearch.core.decision import Decision, Policy, Rule, still_open
from autoresearch.core.exact import ORDER, deterministic_step
from autoresearch.core.model import (
    Arm,
    Direction,
    Effect,
    LimitResult,
    Pair,
    RaceRecord,
    Reason,
    Scale,
    compounded,
    taken_back,
)
from autoresearch.core.race import judge, pairs_of
from autoresearch.core.stats import (
    effect_of,
    estimate_change,
    lower_change,
    scale_for,
    upper_change,
)
from autoresearch.core.wire import Finite


class Bound(Struct, frozen=True, kw_only=True):
    """How much a secondary metric may lose.

    Attributes:
        name: of the metric.
        direction: which way it improves.
        limit: the loss allowed since the baseline, >= 0.
        relative: True when `limit` is a fraction of the incumbent, else in the metric's unit.
    """

    name: str
    direction: Direction
    limit: Finite
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
    pairs: Sequence[Pair],
    bound: Bound,
    policy: Policy,
    *,
    carried: float,
    compounds: bool = True,
) -> LimitCheck:
    """Return what the pairs so far prove about one secondary metric.

    The level is spent over the looks as the race spends its own. Where even all planned pairs
    cannot reach it (fewer than 6), the last look takes the best that so many pairs can give: every
    pair must stay within the limit, which a larger true loss survives with probability 2^-n.

    Args:
        pairs: the secondary metric's values, n >= 1, in the order run.
        bound: the limit.
        policy: of the race; its alpha and number of pairs.
        carried: estimated loss of the kept experiments since the epoch's baseline.
        compounds: whether it and a candidate's fraction are chained; older logs added them up.

    Returns:
        The state, and a record in which `worst` includes `carried`. The estimate of a loss from 0
        stands in the metric's unit, as no fraction can say it.
    """
    loss = _exact_loss(pairs, bound, policy) or _bounded_loss(pairs, bound, policy)

    def since(more: float) -> float:
        chained = bound.relative and compounds
        return compounded(carried, more, bound.direction) if chained else carried + more

    held = since(loss.high) <= bound.limit
    state = LimitState.UNPROVEN
    if held:
        state = LimitState.HELD
    elif since(loss.low) > bound.limit:
        state = LimitState.BROKEN
    in_unit = abs(estimate_change(pairs, Scale.DIFFERENCE))
    result = LimitResult(
        name=bound.name,
        direction=bound.direction,
        relative=bound.relative,
        carried=carried,
        worst=since(loss.high) if math.isfinite(loss.high) else None,
        estimate=loss.estimate if math.isfinite(loss.estimate) else in_unit,
        limit=bound.limit,
        held=held,
        compounds=bound.relative and compounds,
    )
    return LimitCheck(state, result)


def limit_pairs(order: str, values: Sequence[float], *, exact: bool) -> tuple[Pair, ...]:
    """Return the pairs of a race on which its limits are judged; ValueError as `pairs_of`.

    A race that was decided exactly ran b b a: its candidate's runs are both held against the one
    of the incumbent, until pairs were run after them for the limits alone.
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
    detail = (
        f"beyond its limit: {names}" if broken else f"not proven to stay within its limit: {names}"
    )
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
    due = sorted(spending.keep_looks(policy.pairs))
    spent = 0.0
    for look in due:
        budget = spending.allowance(policy.alpha, look, policy.pairs) - spent
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
        carried: what the simplifications kept so far may have lost, by `loss_bound`.
        allowed: `carried` and what this one may lose on top of it; like `carried` a fraction on
            RATIO, the metric's unit on DIFFERENCE.
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
        return "simpler, and proven to cost less than --simplify allows"
    if decision.reason is Reason.WORSE:
        return "loses more than --simplify allows"
    return "not shown to cost less than --simplify allows"


def _nothing_left() -> Decision:
    return Decision(
        ended=True,
        reason=Reason.LIMITS,
        pairs=0,
        rule=Rule.LIMIT,
        detail="earlier simplifications have used up the allowed loss",
    )


CONSTANT_PAIRS = 2


def left_to_lose(carried: float, allowed: float, direction: Direction, scale: Scale) -> float:
    """Return the loss that a simplification may still cost, on the incumbent of today."""
    if scale is Scale.DIFFERENCE:
        return allowed - carried
    return taken_back(allowed, carried, direction)


class HoldoutCheck(Struct, frozen=True, kw_only=True):
    """One race on the holdout, as the private log keeps it.

    Attributes:
        experiment: its number.
        reference: the commit it was compared with: the last that passed, or the epoch's.
        candidate: the candidate's commit as it was tested.
        values: (reference, candidate) of each pair, in the order run.
        estimate: loss against the reference, on the limit's scale; positive is worse.
        carried: loss carried from earlier keeps, >= 0.
        effect: how the holdout's metric moved from reference to candidate.
        metric: how the metric itself moved in the experiment's own race.
    """

    schema: int
    at: str
    epoch: int
    experiment: int
    reference: str
    candidate: str
    values: tuple[tuple[Finite, Finite], ...]
    estimate: Finite
    carried: Finite
    passed: bool
    effect: Effect | None
    metric: Effect | None


class Judged(NamedTuple):
    """What the pairs so far prove: passed, failed, or None to run another pair."""

    passed: bool | None
    estimate: float


def bound_on(metric: Metric, holdout: Holdout) -> Bound:
    """The bound that a keep must hold on the holdout."""
    return Bound(
        name=metric.name,
        direction=metric.direction,
        limit=holdout.limit,
        relative=holdout.limit_relative,
    )


def judge_holdout(pairs: Sequence[Pair], bound: Bound, policy: Policy, *, carried: float) -> Judged:
    """Return whether the candidate is proven not to lose more than it may.

    The pairs are reference (as incumbent) against candidate; `carried` is from `carried_after`.
    What is unproven after the last pair of the policy has failed.
    """
    check = judge_limit(pairs, bound, policy, carried=carried)
    estimate = check.result.estimate
    if check.state is LimitState.HELD:
        return Judged(passed=True, estimate=estimate)
    if check.state is LimitState.BROKEN or len(pairs) >= max(policy.pairs, CONSTANT_PAIRS):
        return Judged(passed=False, estimate=estimate)
    return Judged(passed=None, estimate=estimate)


def carried_after(checks: Iterable[HoldoutCheck], epoch: int, bound: Bound) -> float:
    """Return the loss that the passed keeps of an epoch carry: losses pile up, gains pay back."""
    carried = 0.0
    for check in checks:
        if check.epoch == epoch and check.passed and math.isfinite(check.estimate):
            both = carried + check.estimate
            if bound.relative:
                both = compounded(carried, check.estimate, bound.direction)
            carried = max(0.0, both)
    return carried


def is_due(kept: int, every: int) -> bool:
    """Return whether the keep to come, after `kept` others, is one that the holdout is asked of."""
    return (kept + 1) % every == 0


def advisory(holdout: Holdout, toplevel: str) -> str:
    """Return why an agent can simply run the holdout, empty where its files lie elsewhere.

    A command that names no path runs what lies in the checkout.
    """
    root = toplevel.rstrip("/") + "/"
    if not holdout.paths:
        return "its command does not name a file outside the repository"
    inside = [path for path in holdout.paths if f"{path}/".startswith(root)]
    return f"{inside[0][len(root) :] or '.'} lies inside the repository" if inside else ""


class Point(NamedTuple):
    """Both curves at one checked keep: the change since the epoch began, as a fraction or amount.

    None where the changes cannot be joined, being of different scales.
    """

    experiment: int
    metric: float | None
    holdout: float | None
    passed: bool


def curves(checks: Sequence[HoldoutCheck], moves: Sequence[tuple[int, Effect]]) -> list[Point]:
    """Return both curves over an epoch's checks; `moves` holds (number, effect) of its keeps."""
    found, passed = [], list[Effect | None]()
    for check in checks:
        own = [effect for number, effect in moves if number <= check.experiment]
        if not check.passed and check.metric is not None:
            own = [effect for number, effect in moves if number < check.experiment] + [check.metric]
        seen = [*passed, check.effect]
        found.append(Point(check.experiment, _joined(own), _joined(seen), check.passed))
        if check.passed:
            passed.append(check.effect)
    return found


def _joined(effects: Sequence[Effect | None]) -> float | None:
    """The change that several changes make together."""
    known = [effect for effect in effects if effect is not None]
    scales = {effect.scale for effect in known}
    if len(known) < len(effects) or len(scales) > 1:
        return None
    if scales == {Scale.RATIO}:
        return math.prod(1 + effect.change for effect in known) - 1
    return math.fsum(effect.change for effect in known)


def table(points: Sequence[Point], scale: Scale) -> str:
    """Return both curves as a Markdown table for people, newest last."""
    lines = [
        "Holdout: values for people. Whoever proposes changes must not see them.",
        "",
        "| experiment | metric since the epoch began | holdout since then | |",
        "|---|---|---|---|",
    ]
    for point in points:
        mark = "passed" if point.passed else "failed"
        own, unseen = (_shown(value, scale) for value in (point.metric, point.holdout))
        lines.append(f"| {point.experiment} | {own} | {unseen} | {mark} |")
    return "\n".join(lines) + "\n"


def _shown(value: float | None, scale: Scale) -> str:
    if value is None:
        return "?"
    return f"{value:+.1%}" if scale is Scale.RATIO else f"{value:+.4g}"


VARIABLE = "AUTORESEARCH_INCUMBENT_METRICS"
"""Environment variable of the guard; a JSON object, metric -> number."""


def incumbent_metrics(race: RaceRecord, metric: str) -> Mapping[str, float]:
    """The incumbent's last sample: the metric and every secondary one; empty without a sample."""
    at = race.order.rfind(Arm.INCUMBENT.value)
    if at < 0:
        return {}
    return {metric: race.values[at], **{name: values[at] for name, values in race.secondary}}


def recompute(record: RaceRecord) -> Decision:
    """Return the decision on the primary metric of a recorded race, reached again from its runs.

    Where the race went on after a keep to prove a limit, the keep is the answer: `limits_again`
    judges those.
    """
    policy = _policy(record)
    if record.deterministic:
        return _exact(record, policy)
    pairs = pairs_of(record.order, record.values)
    if record.carried is None or record.allowed is None:
        return judge(pairs, policy, record.pool)
    return judge_simplify(
        pairs, policy, record.pool, carried=record.carried, allowed=record.allowed
    )


def watched(record: RaceRecord, units: Mapping[str, str]) -> tuple[tuple[str, Effect], ...]:
    """Return how every secondary metric moved, on the pairs of the metric; none before the first.

    Args:
        record: of the race.
        units: of the metrics by name; shares in % are compared by difference.
    """
    found = []
    for name, values in record.secondary:
        whole = record.deterministic and len(record.order) < len(ORDER)
        pairs = () if whole else limit_pairs(record.order, values, exact=record.deterministic)
        if pairs:
            effect = effect_of(pairs, Scale.DIFFERENCE if units.get(name) == "%" else Scale.RATIO)
            found.append((name, replace(effect, level=1.0) if _repeats(pairs) else effect))
    return tuple(found)


def _repeats(pairs: Sequence[Pair]) -> bool:
    arms = {pair.incumbent for pair in pairs}, {pair.candidate for pair in pairs}
    return len(pairs) > 1 and max(map(len, arms)) == 1


def limits_again(record: RaceRecord, limits: Sequence[LimitResult]) -> tuple[LimitResult, ...]:
    """Return the results of a race's limits, reached again from its runs."""
    values, policy = dict(record.secondary), _policy(record)
    found = []
    for limit in limits:
        if limit.name not in values:
            raise ValueError(f"the race holds no samples of {limit.name!r}")
        bound = Bound(
            name=limit.name, direction=limit.direction, limit=limit.limit, relative=limit.relative
        )
        pairs = limit_pairs(record.order, values[limit.name], exact=record.deterministic)
        again = judge_limit(pairs, bound, policy, carried=limit.carried, compounds=limit.compounds)
        found.append(again.result)
    return tuple(found)


def _policy(record: RaceRecord) -> Policy:
    return Policy(
        alpha=record.alpha,
        pairs=record.pairs_planned,
        direction=record.direction,
        scale=record.scale,
        min_effect=record.min_effect,
        rule=record.rule,
        seed=record.seeds[0] if record.seeds else 0,
        hope=record.hope,
        patient=record.patient,
        fresh=record.fresh,
    )


def _exact(record: RaceRecord, policy: Policy) -> Decision:
    if record.recorded is None:
        raise ValueError(
            "a deterministic race is recomputed from the recorded value of the incumbent: none"
        )
    loss_allowed = None
    if record.carried is not None and record.allowed is not None:
        loss_allowed = max(0.0, record.allowed - record.carried)
    runs = record.values[: len(ORDER)]
    step = deterministic_step(record.recorded, runs, policy, loss_allowed=loss_allowed)
    if step.decision is None:
        raise ValueError(
            f"the deterministic race of runs {record.order!r} does not end in a decision"
        )
    return step.decision
