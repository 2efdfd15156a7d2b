"""A recorded race decided again, from nothing but its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.decision import Decision, Policy
from autoresearch.core.deterministic import ORDER, deterministic_step
from autoresearch.core.order import pairs_of
from autoresearch.core.race import judge
from autoresearch.core.simplify import judge_simplify

if TYPE_CHECKING:
    from autoresearch.core.model import RaceRecord


def recompute(record: RaceRecord) -> Decision:
    """Return the decision on the primary metric of a recorded race, reached again from its runs.

    Where the race went on after a keep to prove a limit, the keep is the answer: limits are
    judged on their own records (`limits.judge_limit`).

    Raises:
        ValueError: the record of a deterministic race lacks the recorded value or a run it needs,
            or two runs of a pair are of one arm.
    """
    policy = Policy(
        alpha=record.alpha,
        pairs=record.pairs_planned,
        direction=record.direction,
        scale=record.scale,
        min_effect=record.min_effect,
    )
    if record.deterministic:
        return _exact(record, policy)
    pairs = pairs_of(record.order, record.values)
    if record.carried is None or record.allowed is None:
        return judge(pairs, policy, record.pool)
    return judge_simplify(
        pairs, policy, record.pool, carried=record.carried, allowed=record.allowed
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
