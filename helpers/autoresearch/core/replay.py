"""A recorded race decided again, from nothing but its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.decision import Decision, Policy
from autoresearch.core.limits import Bound, judge_limit, judge_simplify, limit_pairs
from autoresearch.core.race import ORDER, deterministic_step, judge, pairs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.model import LimitResult, RaceRecord


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


def limits_again(record: RaceRecord, limits: Sequence[LimitResult]) -> tuple[LimitResult, ...]:
    """Return the results of a race's limits, reached again from its runs."""
    values, policy = dict(record.secondary), _policy(record)
    found = []
    for limit in limits:
        if limit.name not in values:
            msg = f"the race holds no samples of {limit.name!r}"
            raise ValueError(msg)
        bound = Bound(
            name=limit.name, direction=limit.direction, limit=limit.limit, relative=limit.relative
        )
        pairs = limit_pairs(record.order, values[limit.name], exact=record.deterministic)
        found.append(judge_limit(pairs, bound, policy, carried=limit.carried).result)
    return tuple(found)


def _policy(record: RaceRecord) -> Policy:
    return Policy(
        alpha=record.alpha,
        pairs=record.pairs_planned,
        direction=record.direction,
        scale=record.scale,
        min_effect=record.min_effect,
    )


def _exact(record: RaceRecord, policy: Policy) -> Decision:
    if record.recorded is None:
        msg = "a deterministic race is recomputed from the recorded value of the incumbent: none"
        raise ValueError(msg)
    loss_allowed = None
    if record.carried is not None and record.allowed is not None:
        loss_allowed = max(0.0, record.allowed - record.carried)
    runs = record.values[: len(ORDER)]
    step = deterministic_step(record.recorded, runs, policy, loss_allowed=loss_allowed)
    if step.decision is None:
        msg = f"the deterministic race of runs {record.order!r} does not end in a decision"
        raise ValueError(msg)
    return step.decision
