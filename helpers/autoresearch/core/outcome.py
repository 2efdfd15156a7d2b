"""The call of a race's rules, put into a decision with its effect and its words."""

from __future__ import annotations

from typing import NamedTuple

from autoresearch.core.decision import Decision, Rule, amount, is_proven_better, is_proven_worse
from autoresearch.core.model import Effect, Flag, Reason, Scale
from autoresearch.core.pool import smallest_visible
from autoresearch.core.seen import Seen, stand_out

_WORSE_LEVEL = 0.05
"""A loss larger than enough same-code differences is called worse, not undecided, at this level."""


class Call(NamedTuple):
    """What the rules say after `pairs` pairs: keep, discard, or None to go on.

    Attributes:
        p_value: of the last look that took one, or None.
        needed: the level that this look could spend; a keep needs a p-value up to it.
    """

    keep: bool | None
    rule: Rule
    pairs: int
    p_value: float | None
    needed: float | None


def _is_worse(seen: Seen, effect: Effect) -> bool:
    """Whether a discard may say more than that it could not tell."""
    if is_proven_worse(effect, seen.policy.direction):
        return True
    losses = [-gain for gain in seen.gains()]
    return stand_out(losses, seen.known_differences(), _WORSE_LEVEL)


def spoken(seen: Seen, call: Call) -> Decision:
    """Put the rules' call into a decision, with effect and words."""
    effect = seen.effect()
    policy = seen.policy
    visible = smallest_visible(
        seen.known_differences(), policy.pairs, seen.scale, policy.direction, gains=seen.gains()
    )
    worse = not call.keep and (call.rule is Rule.RACING or _is_worse(seen, effect))
    if call.keep:
        reason, detail = None, _praise(call)
    elif worse:
        reason, detail = Reason.WORSE, f"worse after {_counted(call.pairs)}"
    elif is_proven_better(effect, policy.direction) and not seen.is_large_enough():
        reason, detail = Reason.UNDECIDED, f"{_counted(call.pairs)}: better, but below min_effect"
    else:
        reason, detail = Reason.UNDECIDED, _doubt(call, policy.pairs, visible, seen.scale)
    return Decision(
        ended=True,
        keep=bool(call.keep),
        reason=reason,
        flags=(Flag.PROVISIONAL,) if call.keep and call.rule is Rule.SINGLE else (),
        pairs=call.pairs,
        p_value=call.p_value,
        effect=effect,
        smallest_visible=visible,
        rule=call.rule,
        detail=detail,
    )


def _praise(call: Call) -> str:
    after = f"better after {_counted(call.pairs)}"
    match call.rule:
        case Rule.LANDSLIDE:
            return f"{after}: each gained more than any two runs of the same code differed"
        case Rule.POOL:
            return f"{after}: each gained more than runs of the same code usually differ"
        case Rule.SINGLE:
            return "better in a single pair: provisional until a race confirms it"
        case _:
            return f"{after}, p = {call.p_value:.2g}"


def _doubt(call: Call, planned: int, visible: float | None, scale: Scale) -> str:
    what = f"could not tell after {_counted(call.pairs)}"
    if call.p_value is not None and call.needed is not None:
        what += f" (p = {call.p_value:.2g}, a keep needs {call.needed:.2g})"
    if call.rule is Rule.FUTILITY:
        what = f"stopped after {call.pairs} of {_counted(planned)}: the rest could hardly prove it"
    if visible is None:
        return f"{what}; the noise is not known yet"
    if not visible:  # every run alike: no gain is too small to see
        return what
    return f"{what}; a gain of about {amount(visible, scale)} is found every second time"


def _counted(pairs: int) -> str:
    return "1 pair" if pairs == 1 else f"{pairs} pairs"
