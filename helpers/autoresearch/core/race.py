"""The race of a candidate against the incumbent: pairs in, keep or discard out.

Every candidate is raced in pairs, A B or B A as a coin decides for each, so that both programs see
the same machine. Were they no different, exchanging the two values of any pair would change
nothing; the share of such exchanges that look at least as good as what was seen is the p-value
(`stats`). A hopeless candidate is dropped after a few runs, a landslide kept after 8, and the rest
race until the evidence is in or the time for it used. At most `alpha` of worthless candidates get
through (union bound over the looks, `looks`): exactly, where the label swap decides; as far as
same-code differences resemble those of pairs, where a landslide or a race of few pairs is held
against them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import looks
from autoresearch.core.decision import Decision, Policy, Rule, still_open
from autoresearch.core.order import pairs_of
from autoresearch.core.outcome import Call, spoken
from autoresearch.core.seen import Seen, beat, stand_out
from autoresearch.core.stats import largest_tail, standardised, tail_probability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.model import Pair

__all__ = [
    "Decision",
    "Policy",
    "Rule",
    "judge",
    "pairs_of",
]

_RACING_POOL = 10
"""The first pair may only end a race when this many same-code differences are known."""

_RACING_FACTOR = 2
"""How many times the largest of them the first pair's loss must exceed."""


def judge(pairs: Sequence[Pair], policy: Policy, pool: Sequence[float]) -> Decision:
    """Return the decision after these pairs, replaying every look since the first.

    Args:
        pairs: in the order run; those after the end of the race are ignored.
        policy: fixed for the whole race.
        pool: same-code differences of former races on `policy.scale`, oldest first.

    Returns:
        A decision with `ended=False` when the next pair is to be run.
    """
    race = Seen(policy, tuple(pool), tuple(pairs[: policy.pairs]))
    call = _replay(race)
    if call.keep is None:
        return still_open(len(pairs), call.p_value)
    return spoken(race.first(call.pairs), call)


class _Look(NamedTuple):
    """One look at a race: what it found, and what it cost of the race's alpha.

    The p-value is the label swap's; None where gains were held against same-code differences.
    """

    rule: Rule
    p_value: float | None
    cost: float
    passed: bool


def _replay(race: Seen) -> Call:
    """Return what the rules say, going through the pairs as they came."""
    planned = race.policy.pairs
    short = looks.needs_differences(race.policy.alpha, planned)
    look_at, is_futile = (_look_at_size, _is_losing) if short else (_look_at_order, _is_futile)
    spent, p_value, needed = 0.0, None, None
    for n in range(1, len(race.pairs) + 1):
        seen = race.first(n)
        if n == 1 and _is_hopeless(seen):
            return Call(keep=False, rule=Rule.RACING, pairs=n, p_value=None, needed=None)
        look = look_at(seen, spent)
        if look:
            spent += look.cost
            if look.p_value is not None:
                p_value, needed = look.p_value, look.cost
            if look.passed and seen.is_large_enough():
                return Call(
                    keep=True, rule=look.rule, pairs=n, p_value=look.p_value, needed=look.cost
                )
        if n == planned:
            return Call(keep=False, rule=Rule.END, pairs=n, p_value=p_value, needed=needed)
        if is_futile(seen):
            return Call(keep=False, rule=Rule.FUTILITY, pairs=n, p_value=p_value, needed=needed)
    return Call(keep=None, rule=Rule.OPEN, pairs=len(race.pairs), p_value=p_value, needed=needed)


def _is_hopeless(seen: Seen) -> bool:
    """Whether the first pair lost by more than twice what noise was ever seen to do."""
    pool = seen.borrowed()
    return len(pool) >= _RACING_POOL and seen.gains()[0] < -_RACING_FACTOR * max(pool)


def _look_at_order(seen: Seen, spent: float) -> _Look | None:
    """Take the look that is due in a race of enough pairs to be decided by their order."""
    n, alpha, planned = len(seen.pairs), seen.policy.alpha, seen.policy.pairs
    landslide = looks.landslide(alpha, planned)
    if landslide and n == landslide.pairs:
        known = seen.known_differences()
        if len(known) < landslide.differences:
            return None
        return _Look(Rule.LANDSLIDE, None, landslide.level, beat(seen.gains(), known))
    if n not in looks.keep_looks(planned):
        return None
    scores = seen.scores()
    threshold = largest_tail(scores, looks.allowance(alpha, n, planned) - spent)
    p_value = tail_probability(scores)
    return _Look(Rule.LOOK, p_value, threshold, p_value <= threshold)


def _is_futile(seen: Seen) -> bool:
    n, planned = len(seen.pairs), seen.policy.pairs
    if not looks.is_futility_look(n, planned):
        return False
    return standardised(seen.scores()) < looks.futility_line(n, planned)


def _look_at_size(seen: Seen, _spent: float) -> _Look | None:
    """Take the look of a race too short for that: gains against same-code differences.

    A single pair planned is taken at its word where too few differences are known, as provisional.
    """
    n, alpha, planned = len(seen.pairs), seen.policy.alpha, seen.policy.pairs
    if n == 1 < planned:
        return None
    gains = seen.gains()
    if stand_out(gains, seen.known_differences(), alpha / max(1, planned - 1)):
        return _Look(Rule.POOL, None, 0.0, passed=True)
    return _Look(Rule.SINGLE, None, 0.0, passed=planned == 1 and beat(gains, ()))


def _is_losing(seen: Seen) -> bool:
    return sum(seen.gains()) <= 0
