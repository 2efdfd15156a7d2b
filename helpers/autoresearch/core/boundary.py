"""How far a race must lead to be kept at each of its looks, all looks together within alpha.

The looks of one race see nearly the same pairs, so adding up their levels (a union bound) wastes
most of alpha. Here one set of made-up orders is taken through all looks: had the coins fallen so,
how far would the same runs lead? A lead that is among the few largest crosses the boundary, and an
order that has crossed once is not counted again. The race's own order is one of the set, drawn as
the others were, so a worthless candidate crosses at most as often as its share of the set: exactly,
whatever the noise (a Monte Carlo randomisation test, Dwass 1957, with the alpha-spending of Lan and
DeMets 1983; orders drawn by the big-stick design of Soares and Wu 1983).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import shake_256
from heapq import nlargest
from typing import NamedTuple

from autoresearch.core.model import Arm

STICK = 3
"""No arm may have opened more than so many pairs more than the other: eight coins that all fell the
same way once kept a worthless candidate, for the first run of a pair was the slower one there."""

_BALANCED_FROM = 12
"""In shorter races each coin stands: one that is not free doubles the share of its order, and of
six pairs that all gain the p-value would be 1 in 32 instead of 1 in 64."""

_DRAWS = 8192
_MOST_DRAWS = 65536
_WANTED = 160
"""Orders that a whole alpha should be worth; below a hundred the boundary becomes coarse."""

_POWER = 4
"""Alpha up to look n is alpha (n/N)^4. Against one look at all N pairs (5 % noise, gain of 4 %,
N = 20, 33, 41): 62 of 64, 81 of 84, 92 of 94 kept. The cube keeps 3 fewer, the fifth power 2 fewer
in time saved."""

_LANE = 4
_ONE = (1).to_bytes(_LANE, "little")
_ALL = b"\xff" * _LANE


def draws(alpha: float) -> int:
    """How many orders the boundary of a race at this level is made from, its own among them."""
    wanted = _DRAWS
    while wanted * alpha < _WANTED and wanted < _MOST_DRAWS:
        wanted *= 2
    return wanted


def opener(coin: int, firsts: Sequence[Arm], planned: int) -> Arm:
    """Which arm opens the next pair: the coin says, unless one arm is too far ahead.

    Args:
        coin: 0 or 1, as fair as it can be.
        firsts: who opened the pairs so far.
        planned: N of the race.
    """
    ahead = sum(1 if arm is Arm.INCUMBENT else -1 for arm in firsts)
    if planned >= _BALANCED_FROM and abs(ahead) >= STICK:
        return Arm.CANDIDATE if ahead > 0 else Arm.INCUMBENT
    return Arm.CANDIDATE if coin else Arm.INCUMBENT


def _stick(state: int) -> tuple[int, int]:
    """(whether the candidate opens, how far it is then ahead), from 16 * coin + lead.

    The lead counts from 0, the incumbent ahead by `STICK`, to 2 * `STICK`.
    """
    coin, ahead = divmod(state, 16)
    opens = ahead < 2 * STICK if coin else ahead <= 0
    return int(opens), min(2 * STICK, max(0, ahead + (1 if opens else -1)))


_OPENS = bytes(_stick(state)[0] for state in range(32)) + bytes(224)
_AHEAD = bytes(_stick(state)[1] for state in range(32)) + bytes(224)


@lru_cache(maxsize=4)
def _orders(seed: int, planned: int, number: int) -> tuple[int, ...]:
    """For each pair one integer of `number` lanes: 1 where the candidate opens it.

    Lane 0 is left empty for the race's own order. All orders are drawn at once: what one byte
    holds of each is added as one large integer and looked up by `translate`.
    """
    drawn = shake_256(f"autoresearch orders {seed}".encode()).digest(planned * (number - 1))
    ones = int.from_bytes(b"\1" * (number - 1), "little")
    ahead = ones * STICK
    columns = []
    for start_at in range(0, len(drawn), number - 1):
        coins = int.from_bytes(drawn[start_at : start_at + number - 1], "little") & ones
        state = (coins * 16 + ahead).to_bytes(number - 1, "little")
        if planned >= _BALANCED_FROM:
            ahead = int.from_bytes(state.translate(_AHEAD), "little")
        lanes = bytearray(_LANE * number)
        lanes[_LANE::_LANE] = state.translate(_OPENS)
        columns.append(int.from_bytes(lanes, "little"))
    return tuple(columns)


class Crossing(NamedTuple):
    """What is known at one look.

    Attributes:
        crossed: how many of the orders have crossed the boundary by now.
        standing: all bits of the lanes that have not.
        own: whether the race's own order crosses now.
        p_value: share of all orders that lead by as much as the race's own, itself included; None
            where not one order may cross yet.
        needed: the largest share that crosses at this look.
    """

    crossed: int
    standing: int
    own: bool
    p_value: float | None
    needed: float


def start(number: int) -> Crossing:
    """Before the first look."""
    everything = int.from_bytes(_ALL * number, "little")
    return Crossing(crossed=0, standing=everything, own=False, p_value=None, needed=0.0)


def look(
    before: Crossing,
    scores: Sequence[int],
    firsts: Sequence[Arm],
    *,
    planned: int,
    alpha: float,
    seed: int,
) -> Crossing:
    """Look at a race after more pairs than at the look before.

    Args:
        before: of the look before, or `start`.
        scores: one a pair so far, positive where the candidate is better; swapping the labels of a
            pair changes the sign of its score and of no other.
        firsts: who opened each pair.
        planned: N of the race.
        alpha: the level of the whole race.
        seed: of the made-up orders, the same at each look.
    """
    number = draws(alpha)
    fresh = int(alpha * (len(scores) / planned) ** _POWER * number) - before.crossed
    if fresh <= 0:
        return before._replace(own=False, p_value=None, needed=0.0)
    orders = _orders(seed, planned, number)
    ones = int.from_bytes(_ONE * number, "little")
    leads = 0
    for score, first, candidate_opens in zip(scores, firsts, orders, strict=False):
        own = first is Arm.CANDIDATE
        if (score > 0) == own:  # the run that came first was the better one
            leads += abs(score) * (candidate_opens + own)
        else:
            leads += abs(score) * (ones - candidate_opens - own)
    everyone = _values(leads, number)
    own_lead = everyone[0]
    standing = _values(leads & before.standing, number)
    border = nlargest(fresh + 1, standing)[-1]
    crossing = [lane for lane, lead in enumerate(standing) if lead > border]
    return Crossing(
        crossed=before.crossed + len(crossing),
        standing=before.standing & ~_lanes(crossing, number),
        own=own_lead > border,
        p_value=sum(map(own_lead.__le__, everyone)) / number,
        needed=sum(map(border.__lt__, everyone)) / number,
    )


def _values(lanes: int, number: int) -> list[int]:
    return memoryview(lanes.to_bytes(_LANE * number, "little")).cast("I").tolist()


def _lanes(chosen: Sequence[int], number: int) -> int:
    found = bytearray(_LANE * number)
    for lane in chosen:
        found[_LANE * lane : _LANE * (lane + 1)] = _ALL
    return int.from_bytes(found, "little")
