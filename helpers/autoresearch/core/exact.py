"""The path of a metric that never varies: one run to discard, three to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from autoresearch.core.decision import Decision, Policy, Rule, amount, gain_of
from autoresearch.core.model import Arm, Effect, Reason, Scale
from autoresearch.core.stats import clipped

ORDER = "bba"
"""The candidate, again to see that it repeats itself, and the incumbent for the same reason."""


class NextMove(NamedTuple):
    """What to do next: exactly one of the three is set."""

    decision: Decision | None
    next_arm: Arm | None
    varies: bool
    """The metric is not deterministic after all: race, in this session for good."""


def deterministic_step(
    recorded: float, values: Sequence[float], policy: Policy, *, loss_allowed: float | None
) -> NextMove:
    """Return what the runs so far, made in the order `ORDER`, ask for next.

    Args:
        recorded: the incumbent's value, as recorded when it was kept or calibrated.
        values: of the runs so far, 0 to 3.
        policy: `min_effect` must be exceeded, as there is no noise to allow for.
        loss_allowed: for a simplification, the loss it must stay below (same scale as
            `min_effect`); None for a plain experiment.
    """
    if not values:
        return _run(Arm.CANDIDATE)
    effect = _exact_effect(recorded, values[0], policy.scale)
    if not _is_wanted(effect, policy, loss_allowed):
        return _decided(values, effect, Reason.WORSE, _shortfall(effect, policy))
    expected = (values[0], values[0], recorded)
    if any(value != want for value, want in zip(values, expected, strict=False)):
        return NextMove(None, None, varies=True)
    if len(values) < len(expected):
        return _run(Arm(ORDER[len(values)]))
    return _decided(values, effect, None, "exact: both programs repeat their value")


def _run(arm: Arm) -> NextMove:
    return NextMove(None, arm, varies=False)


def _exact_effect(recorded: float, value: float, scale: Scale) -> Effect:
    comparable = recorded > 0 and value > 0
    actual = scale if comparable else Scale.DIFFERENCE
    difference = clipped(value - recorded)
    change = clipped(difference / recorded) if actual is Scale.RATIO else difference
    return Effect(scale=actual, change=change, low=change, high=change, level=1.0)


def _is_wanted(effect: Effect, policy: Policy, loss_allowed: float | None) -> bool:
    needed = policy.min_effect if loss_allowed is None else -loss_allowed
    comparable = needed == 0 or effect.scale is policy.scale
    return comparable and gain_of(effect, policy.direction) > needed


def _shortfall(effect: Effect, policy: Policy) -> str:
    gain = gain_of(effect, policy.direction)
    if gain == 0:
        return "exactly equal"
    if gain < 0:
        return f"exactly {amount(-gain, effect.scale)} worse"
    return f"exactly {amount(gain, effect.scale)} better, but not by more than min_effect"


def _decided(
    values: Sequence[float], effect: Effect, reason: Reason | None, detail: str
) -> NextMove:
    decision = Decision(
        ended=True,
        keep=reason is None,
        reason=reason,
        flags=(),
        pairs=len(values) // len(ORDER),
        p_value=None,
        effect=effect,
        smallest_visible=None,
        rule=Rule.DETERMINISTIC,
        detail=detail,
    )
    return NextMove(decision, None, varies=False)
