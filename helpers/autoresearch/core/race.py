"""The rules of a race: when it looks at its pairs, what it concludes, and in what words.

The figures beside the constants come from benchmarks/decision.py (results/decision.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core import boundary, spending
from autoresearch.core.decision import (
    Decision,
    Policy,
    Rule,
    amount,
    is_large_enough,
    is_proven_better,
    is_proven_worse,
    still_open,
)
from autoresearch.core.model import Arm, Direction, Effect, Flag, Pair, Reason, Scale
from autoresearch.core.noise import SIZE, same_code_differences, smallest_visible
from autoresearch.core.stats import (
    change_between,
    effect_of,
    largest_tail,
    scale_for,
    standardised,
    swap_scores,
    tail_probability,
)

FEW_PAIRS = 6
"""Below this many pairs 2^-n alone cannot reach the default alpha: same-code differences help."""

_FIRST_LOOK = 4

_PATIENT_SHARE = 4
"""No race is given up before a quarter of its pairs: 15 s of the former default of 60 s."""

_SEEN, _HOPED_FOR = 0.35, 0.9
"""A race is given up when a keep has become unlikelier than the policy's `hope`, if the drift is
for 35 parts what was seen and for 65 that of a gain found 9 times in 10. Giving up can only lower
the number of worthless keeps, so all three are chosen for speed and power (results/decision.md)."""

_NORMAL = NormalDist()

_LANDSLIDE_PAIRS = 4
_LANDSLIDE_DIFFERENCES = 7
"""What 8 calibration runs hold. With fewer known no landslide is looked for."""

_COUNTED, _OF = 2, 3
"""Share of the same-code differences that count against two and more pairs. A load in step with
the pairs may hit each of them and spare the gaps between, for as long as the race lasts; the
differences of other races were hit by chance. Counting all let up to 4.9 % of worthless candidates
through under a load of 4 runs (N = 3 to 5), three quarters 3.0 %, two thirds 2.2 %, half 0.8 %; a
gain of 10 % at heavy-tailed noise (N = 3) was found 85, 78, 73 and 61 times in 100."""


_REPEATED_LOOKS, _SHARE_OF_EACH = 4, 0.8
"""From 4 planned pairs on, each look takes this part of its share of alpha: under a load of 4 runs
1.5 % of worthless candidates came through instead of 1.9 to 2.15, at 1 to 3 gains fewer in 100."""


class Landslide(NamedTuple):
    """A keep after a few pairs that all gained more than any known same-code runs differed."""

    pairs: int
    differences: int
    level: float


def level_of_beating(pairs: int, differences: int, above: int = 0) -> float:
    """Return how often `pairs` changes of a worthless candidate stand out of the differences.

    All must be positive (2^-n), and at most `above` of the m differences may be as large as the
    smallest of them: C(n + k, k) of the C(n + m, n) orders of exchangeable magnitudes.
    """
    orders = math.comb(differences + pairs, pairs)
    return 2.0**-pairs * math.comb(pairs + above, above) / orders


def may_be_above(pairs: int, level: float, known: int) -> int | None:
    """Return how many of the known differences the smallest of `pairs` gains need not exceed.

    Args:
        pairs: n >= 1.
        level: above 0; how often a worthless candidate may get through.
        known: how many same-code differences there are.

    Returns:
        The largest number that keeps within `level`; None where even exceeding all is too weak.
    """
    if 2.0**-pairs <= level:
        return known
    counted = known if pairs == 1 else known * _COUNTED // _OF
    fitting = (
        k for k in range(counted - 1, -1, -1) if level_of_beating(pairs, counted, k) <= level
    )
    return next(fitting, None)


def landslide(alpha: float, planned: int) -> Landslide | None:
    """Return the landslide look of a race of `planned` pairs, or None where alpha affords none.

    Every known difference must be exceeded, so the level, that of the fewest, is an upper bound.
    Holding the gains against only as many as the race itself contains let 4.1 % of worthless
    candidates through under a load in step with the pairs (N = 20); against all it is 0.7 %.
    """
    level = level_of_beating(_LANDSLIDE_PAIRS, _LANDSLIDE_DIFFERENCES)
    if level > spending.allowance(alpha, _LANDSLIDE_PAIRS, planned):
        return None
    return Landslide(_LANDSLIDE_PAIRS, _LANDSLIDE_DIFFERENCES, level)


def needs_differences(alpha: float, planned: int) -> bool:
    """Return whether `planned` pairs cannot reach alpha by their order alone."""
    first = landslide(alpha, planned)
    return planned < FEW_PAIRS or 2.0**-planned > alpha - (first.level if first else 0.0)


def differences_within(
    policy: Policy, order: str, values: Sequence[float], scale: Scale
) -> tuple[float, ...]:
    """Return the same-code differences within a race: of neighbours, unless it has few pairs."""
    few = policy.rule > 1 and policy.pairs < FEW_PAIRS
    return same_code_differences(order, values, scale, arms=tuple(Arm) if few else ())


def pairs_of(order: str, values: Sequence[float]) -> tuple[Pair, ...]:
    """Return the complete pairs of a recorded race; a run without its partner is left out.

    Args:
        order: one letter a run, `a` incumbent, `b` candidate.
        values: the metric of each run.

    Raises:
        ValueError: two runs of one arm make up a pair.
    """
    pairs = []
    for start in range(0, len(order) - 1, 2):
        if order[start] == order[start + 1]:
            msg = f"runs {start + 1} and {start + 2} are both of arm {order[start]!r}"
            raise ValueError(msg)
        first = Arm(order[start])
        swapped = first is Arm.CANDIDATE
        incumbent, candidate = values[start + swapped], values[start + 1 - swapped]
        pairs.append(Pair(incumbent=incumbent, candidate=candidate, first=first))
    return tuple(pairs)


def runs_of(pairs: Sequence[Pair]) -> tuple[str, list[float]]:
    """Return the order of the runs of these pairs and their values; undoes `pairs_of`."""
    order, values = "", []
    for pair in pairs:
        order += pair.first.value + pair.first.other.value
        both = [pair.incumbent, pair.candidate]
        values += both if pair.first is Arm.INCUMBENT else both[::-1]
    return order, values


class Seen(Struct, frozen=True):
    """The pairs that one look of a race may know, and nothing later.

    Attributes:
        policy: of the race.
        pool: same-code differences of former races, on the policy's scale, oldest first.
        pairs: from the first on, n >= 1.
    """

    policy: Policy
    pool: tuple[float, ...]
    pairs: tuple[Pair, ...]

    def first(self, pairs: int) -> Seen:
        """Return what was known after so many pairs."""
        return replace(self, pairs=self.pairs[:pairs])

    @property
    def scale(self) -> Scale:
        """The policy's scale, or DIFFERENCE where a value is not positive."""
        return scale_for(self.pairs, self.policy.scale)

    def gains(self) -> list[float]:
        """Return each pair's gain, positive where better: a logarithm on RATIO."""
        sign = -1 if self.policy.direction is Direction.LOWER else 1
        scale = self.scale
        return [sign * change_between(pair.incumbent, pair.candidate, scale) for pair in self.pairs]

    def scores(self) -> list[int]:
        """Return each pair's rank score, positive where better."""
        return swap_scores(self.pairs, self.policy.direction)

    def own_differences(self) -> tuple[float, ...]:
        """Return the same-code differences within these pairs, oldest first."""
        return differences_within(self.policy, *runs_of(self.pairs), self.scale)

    def borrowed(self) -> tuple[float, ...]:
        """Return the pool, unless these pairs are compared on another scale than it was."""
        return self.pool if self.scale is self.policy.scale else ()

    def known_differences(self, enough: int = 1) -> tuple[float, ...]:
        """Return the latest same-code differences known, oldest first: borrowed, then own.

        Noise belongs to a program: those of an earlier incumbent count only until there are
        `enough` of this one and its candidates. Numbers choose, not values, so no level is lost.
        """
        known = (*self.borrowed(), *self.own_differences())
        fresh = self.policy.fresh
        if fresh is not None:
            latest = known[-(fresh + len(self.own_differences())) or len(known) :]
            known = latest if enough <= len(latest) else known
        return known[-SIZE:]

    def effect(self) -> Effect:
        """Return how the metric moved, with its 95 % interval."""
        return effect_of(self.pairs, self.policy.scale)

    def is_large_enough(self) -> bool:
        """Return whether the estimated gain reaches `min_effect`."""
        return is_large_enough(self.effect(), self.policy)


def beat(gains: Sequence[float], differences: Sequence[float]) -> bool:
    """Return whether every gain is positive and exceeds each of the differences."""
    return min(gains) > max(differences, default=0.0)


def stand_out(gains: Sequence[float], seen: Seen, level: float) -> bool:
    """Return whether a worthless candidate's gains beat the differences at `level` at most."""
    numbers = (n for n in range(SIZE) if may_be_above(len(gains), level, n) is not None)
    differences = seen.known_differences(next(numbers, SIZE))
    above = may_be_above(len(gains), level, len(differences))
    return above is not None and beat(gains, sorted(differences)[: len(differences) - above])


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
    return stand_out(losses, seen, _WORSE_LEVEL)


def spoken(seen: Seen, call: Call) -> Decision:
    """Put the rules' call into a decision, with effect and words."""
    effect = seen.effect()
    policy = seen.policy
    visible = smallest_visible(
        seen.known_differences(FEW_PAIRS),
        policy.pairs,
        seen.scale,
        policy.direction,
        gains=seen.gains(),
    )
    worse = not call.keep and (call.rule is Rule.RACING or _is_worse(seen, effect))
    if call.keep:
        reason, detail = None, _praise(call)
    elif worse:
        reason, detail = Reason.WORSE, f"worse after {_counted(call.pairs)}"
    elif call.rule is Rule.FUTILITY and policy.rule > 1:
        reason, detail = Reason.NOT_BETTER, _doubt(call, policy.pairs, visible, seen.scale)
    elif is_proven_better(effect, policy.direction) and not seen.is_large_enough():
        reason, detail = (
            Reason.UNDECIDED,
            f"better after {_counted(call.pairs)}, but by less than min_effect",
        )
    else:
        reason, detail = Reason.UNDECIDED, _doubt(call, policy.pairs, visible, seen.scale)
    return Decision(
        ended=True,
        keep=bool(call.keep),
        reason=reason,
        flags=(Flag.PROVISIONAL,) if call.keep and call.rule is Rule.SINGLE else (),
        pairs=call.pairs,
        p_value=call.p_value,
        needed=call.needed,
        effect=effect,
        smallest_visible=visible,
        rule=call.rule,
        detail=detail,
    )


def _praise(call: Call) -> str:
    after = f"better after {_counted(call.pairs)}"
    match call.rule:
        case Rule.LANDSLIDE:
            return f"{after}: each gained more than any two runs of the same code have differed"
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
        what = (
            f"stopped after {call.pairs} of {_counted(planned)}: the remaining pairs were "
            "unlikely to decide it"
        )
    if visible is None:
        return f"{what}; the noise is not known yet"
    if not visible:  # every run alike: no gain is too small to see
        return what
    return (
        f"{what}; a race like this detects a gain of about {amount(visible, scale)} half the time"
    )


def _counted(pairs: int) -> str:
    return "1 pair" if pairs == 1 else f"{pairs} pairs"


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
        return still_open(len(pairs), call.p_value, call.needed)
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
    if needs_differences(race.policy.alpha, planned):
        look_at, is_futile = _look_at_size, _is_losing
    elif race.policy.rule == 1:
        look_at, is_futile = _look_at_order_1, _is_futile_1
    else:
        look_at, is_futile = _look_at_order, _is_futile
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
    pool = seen.known_differences(_RACING_POOL)
    return len(pool) >= _RACING_POOL and seen.gains()[0] < -_RACING_FACTOR * max(pool)


def is_look(pairs: int, planned: int) -> bool:
    """Return whether a race of `planned` pairs is looked at after so many."""
    return pairs == planned or (pairs >= _FIRST_LOOK and pairs % 2 == 0)


def _look_at_order(seen: Seen, _spent: float) -> _Look | None:
    """Take the look that is due in a race of enough pairs to be decided by their order."""
    n = len(seen.pairs)
    early = _look_for_landslide(seen)
    if early and early.passed and seen.is_large_enough():
        return early
    if not is_look(n, seen.policy.pairs):
        return early
    patient = replace(seen.policy, hope=0.0, patient=0)  # giving up does not move the boundary
    found = _boundary_after(patient, seen.pairs)
    if found.p_value is None:
        return early
    return _Look(Rule.LOOK, found.p_value, found.needed, found.own)


@lru_cache(maxsize=128)
def _boundary_after(policy: Policy, pairs: tuple[Pair, ...]) -> boundary.Crossing:
    """The boundary at the look after these pairs; that of the look before is remembered."""
    first = landslide(policy.alpha, policy.pairs)
    alpha = policy.alpha - (first.level if first else 0.0)
    earlier = range(len(pairs) - 1, 0, -1)
    last = next((n for n in earlier if is_look(n, policy.pairs)), 0)
    before = (
        _boundary_after(policy, pairs[:last]) if last else boundary.start(boundary.draws(alpha))
    )
    return boundary.look(
        before,
        swap_scores(pairs, policy.direction),
        [pair.first for pair in pairs],
        planned=policy.pairs,
        alpha=alpha,
        seed=policy.seed,
    )


def _is_futile(seen: Seen) -> bool:
    n, policy = len(seen.pairs), seen.policy
    if n < max(policy.patient, policy.pairs / _PATIENT_SHARE):
        return False
    return is_hopeless_lead(standardised(seen.scores()), n, policy)


def is_hopeless_lead(lead: float, pairs: int, policy: Policy) -> bool:
    """Return whether a keep has become too unlikely for a candidate that leads by so much.

    Args:
        lead: in standard errors, after `pairs` pairs.
        pairs: fewer than planned.
        policy: its `hope` is the least chance that is worth going on for.
    """
    elapsed = pairs / policy.pairs
    led = lead * math.sqrt(elapsed)
    wanted = _NORMAL.inv_cdf(1 - policy.alpha)
    drift = _SEEN * led / elapsed + (1 - _SEEN) * (wanted + _NORMAL.inv_cdf(_HOPED_FOR))
    missing = wanted - led - drift * (1 - elapsed)
    return 1 - _NORMAL.cdf(missing / math.sqrt(1 - elapsed)) < policy.hope


def _look_for_landslide(seen: Seen) -> _Look | None:
    early = landslide(seen.policy.alpha, seen.policy.pairs)
    if early is None or len(seen.pairs) != early.pairs:
        return None
    known = seen.known_differences(early.differences)
    if len(known) < early.differences:
        return None
    return _Look(Rule.LANDSLIDE, None, early.level, beat(seen.gains(), known))


def _look_at_order_1(seen: Seen, _spent: float) -> _Look | None:
    """The look that was due under rule 1: their levels add up to alpha."""
    n, alpha, planned = len(seen.pairs), seen.policy.alpha, seen.policy.pairs
    if early := _look_for_landslide(seen):
        return early
    if n not in spending.keep_looks(planned):
        return None
    scores = seen.scores()
    threshold = largest_tail(scores, spending.allowance(alpha, n, planned) - _spent)
    p_value = tail_probability(scores)
    return _Look(Rule.LOOK, p_value, threshold, p_value <= threshold)


def _is_futile_1(seen: Seen) -> bool:
    n, planned = len(seen.pairs), seen.policy.pairs
    if not spending.is_futility_look(n, planned):
        return False
    return standardised(seen.scores()) < spending.futility_line(n, planned)


def _look_at_size(seen: Seen, _spent: float) -> _Look | None:
    """Take the look of a race too short for that: gains against same-code differences.

    A single pair planned is taken at its word where too few differences are known, as provisional.
    """
    n, alpha, planned = len(seen.pairs), seen.policy.alpha, seen.policy.pairs
    if n == 1 < planned:
        return None
    gains, level = seen.gains(), alpha / max(1, planned - 1)
    if planned >= _REPEATED_LOOKS and seen.policy.rule > 1:
        level *= _SHARE_OF_EACH
    if stand_out(gains, seen, level):
        return _Look(Rule.POOL, None, 0.0, passed=True)
    return _Look(Rule.SINGLE, None, 0.0, passed=planned == 1 and beat(gains, ()))


def _is_losing(seen: Seen) -> bool:
    return sum(seen.gains()) <= 0
