"""The holdout: what a keep may lose on inputs that the agent does not see, and both curves.

A loss is bounded like that of a limited secondary metric (`limits`). Losses of earlier keeps are
carried, so that small ones cannot add up; gains pay them back, but are not saved up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.limits import Bound, LimitState, judge_limit
from autoresearch.core.model import Effect, Scale

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autoresearch.core.contract.values import Holdout, Metric
    from autoresearch.core.decision import Policy
    from autoresearch.core.model import Pair

CONSTANT_PAIRS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutCheck:
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
    values: tuple[tuple[float, float], ...]
    estimate: float
    carried: float
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

    Args:
        pairs: reference (as incumbent) against candidate, n >= 1, in the order run.
        bound: from `bound_on`.
        policy: of the race; what is unproven after its last pair has failed.
        carried: from `carried_after`.
    """
    check = judge_limit(pairs, bound, policy, carried=carried)
    estimate = check.result.estimate
    if check.state is LimitState.HELD:
        return Judged(passed=True, estimate=estimate)
    if check.state is LimitState.BROKEN or len(pairs) >= max(policy.pairs, CONSTANT_PAIRS):
        return Judged(passed=False, estimate=estimate)
    return Judged(passed=None, estimate=estimate)


def carried_after(checks: Iterable[HoldoutCheck], epoch: int) -> float:
    """Return the loss that the passed keeps of an epoch carry: losses add up, gains pay back."""
    carried = 0.0
    for check in checks:
        if check.epoch == epoch and check.passed and math.isfinite(check.estimate):
            carried = max(0.0, carried + check.estimate)
    return carried


def is_due(kept: int, every: int) -> bool:
    """Return whether the keep to come, after `kept` others, is one that the holdout is asked of."""
    return (kept + 1) % every == 0


def advisory(holdout: Holdout, toplevel: str) -> str:
    """Return why an agent can simply run the holdout, empty where its files lie elsewhere.

    Args:
        holdout: its paths count; a command without any runs what lies in the checkout.
        toplevel: root of the repository.
    """
    root = toplevel.rstrip("/") + "/"
    if not holdout.paths:
        return "its command names no file outside the repository"
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
    """Return both curves over the checked keeps.

    Args:
        checks: of one epoch, in order.
        moves: (number, effect) of every keep of the epoch, in order.
    """
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
        "Holdout: values for people; who proposes changes must not see them.",
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
