"""`compare --bisect`: which commit of a range made the program slower, by races.

Every commit is raced against the good end, and lies on the bad side where it loses more than half
of the whole loss. A race that proves its side is wrong once in a hundred at most; one that does not
goes the likelier way, and its odds are told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from autoresearch.core.decision import gain_of
from autoresearch.core.errors import AutoresearchError, GateFailed
from autoresearch.core.model import Direction, Pair, Scale
from autoresearch.core.stats import swap_scores, tail_probability
from autoresearch.shipping.gate import ALPHA, Compared, GateOutcome, Tolerance, Track
from autoresearch.shipping.ground import is_ancestor

if TYPE_CHECKING:
    from collections.abc import Sequence


class BisectionStep(NamedTuple):
    """One commit that was raced against the good end.

    Attributes:
        loss: of it, as a share of the good end's value.
        is_bad: on which side it was put.
        odds: of that being wrong, at most.
    """

    commit: str
    loss: float
    is_bad: bool
    odds: float


class Bisected(NamedTuple):
    """What a bisection found.

    Attributes:
        whole: the good end against the bad one; nothing was sought unless it says slower.
        culprit: the first bad commit; None where nothing was sought.
        own: its race against the commit before it.
        suspects: commits that do not measure and so may be the culprit too, oldest first.
        odds: of a wrong turn anywhere, at most.
    """

    whole: Compared
    steps: tuple[BisectionStep, ...]
    culprit: str | None = None
    own: Compared | None = None
    suspects: tuple[str, ...] = ()
    odds: float = 0.0


def bisect(track: Track, good: str, bad: str, tolerance: Tolerance) -> Bisected:
    """Find the first commit between two that loses more than half of what the last one loses."""
    commits = _between(track, good, bad)
    whole = track.race(good, bad, tolerance)
    if whole.outcome is not GateOutcome.SLOWER:
        return Bisected(whole, ())
    half = loss_of(whole, track) / 2
    asked = tolerance._replace(share=half, proof=True)
    low, high, steps, broken = -1, len(commits) - 1, [], set[int]()
    while (middle := _middle(low, high, broken)) is not None:
        try:
            found = track.race(good, commits[middle], asked)
        except GateFailed:
            broken.add(middle)
            continue
        step = _step(track, commits[middle], found, half)
        steps.append(step)
        low, high = (low, middle) if step.is_bad else (middle, high)
    before = good if low < 0 else commits[low]
    suspects = tuple(commits[index] for index in range(low + 1, high))
    own = track.race(before, commits[high], tolerance)
    odds = min(1.0, sum(step.odds for step in steps))
    return Bisected(whole, tuple(steps), commits[high], own, suspects, odds)


def _between(track: Track, good: str, bad: str) -> list[str]:
    """The commits after `good` up to `bad`, oldest first, along first parents."""
    if good == bad or not is_ancestor(track.repo, good, bad):
        raise AutoresearchError(
            f"{good[:12]} does not lead to {bad[:12]}",
            code="not_ancestor",
            hint="Name an ancestor as the good end: `git merge-base GOOD BAD`.",
        )
    listed = ("rev-list", "--first-parent", "--reverse", f"{good}..{bad}", "--")
    return track.repo.run(*listed).out.decode("ascii").split()


def _middle(low: int, high: int, broken: set[int]) -> int | None:
    """The commit next to the middle that may measure; None where none is left between."""
    left = [index for index in range(low + 1, high) if index not in broken]
    return min(left, key=lambda index: abs(2 * index - low - high), default=None)


def loss_of(found: Compared, track: Track) -> float:
    """The loss of a comparison as a share of the base's value; negative for a gain."""
    loss = -gain_of(found.effect, track.terms.contract.metric.direction)
    return loss if found.effect.scale is Scale.RATIO else loss / (abs(found.values[0]) or 1.0)


def _step(track: Track, commit: str, found: Compared, half: float) -> BisectionStep:
    loss = loss_of(found, track)
    is_bad = loss > half
    if found.effect.level == 1.0:  # exact
        return BisectionStep(commit, loss, is_bad, 0.0)
    if found.outcome is not GateOutcome.CANNOT_TELL:
        return BisectionStep(commit, loss, found.outcome is GateOutcome.SLOWER, ALPHA)
    chance = _by_chance(found.pairs, track.terms.contract.metric.direction, half, is_bad=is_bad)
    return BisectionStep(commit, loss, is_bad, min(0.5, chance))


def _by_chance(pairs: Sequence[Pair], direction: Direction, half: float, *, is_bad: bool) -> float:
    """How often chance alone puts pairs so far on this side, were the loss half of the whole."""
    factor = 1 + half if direction is Direction.LOWER else 1 - half
    shifted = [replace(pair, incumbent=pair.incumbent * factor) for pair in pairs]
    worse = Direction.HIGHER if direction is Direction.LOWER else Direction.LOWER
    return tail_probability(swap_scores(shifted, worse if is_bad else direction))
