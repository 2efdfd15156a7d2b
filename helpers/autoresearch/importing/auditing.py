"""Which keeps of another tool's log are likely real, from the log alone.

A keep is told apart by two questions. Is it better than the best kept before it? If so: is it
further ahead than the best of as many worthless tries would have been by luck? The second needs
the noise of a single measurement, which comes from repeats of the same program where the log holds
them; without them the smallest differences of what was discarded bound it from above, since an
idea without effect differs by noise alone. A log that holds neither gets "cannot tell".
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from autoresearch.core.model import Direction
from autoresearch.importing.foreign import (
    KEPT,
    ForeignExperiment,
    ForeignStatus,
    Odd,
    Oddity,
    Remark,
    Segment,
    improves,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LEVEL = 0.05
"""Of being called clear by luck, over all tries since the last keep."""

MIN_REPEATS = 3
MIN_DISCARDS = 12
QUARTILE_OF_HALF_NORMAL = 0.31864
"""A quarter of the sizes of normal differences lie below so many of their standard deviations."""

_AGAIN = re.compile(
    r"\b(re-?run|re-?measured?|repeat(ed)?|confirm(ation)?|noise (check|floor)|baseline again"
    r"|same code|control run|variance)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:\.\d+)?")
_IDLE = frozenset(
    ("a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or", "that",
     "the", "this", "to", "with")
)  # fmt: skip
DIRECTION_SHARE = 0.6
CUT = 100


class Likely(str, Enum):
    """What an audit says of a keep."""

    BASE = "baseline"
    NO_BETTER = "no better"
    NOISE = "within noise"
    UNTOLD = "cannot tell"
    CLEAR = "clear"


class AuditRow(NamedTuple):
    """What an audit holds of an experiment: a log of 100 MB has hundreds of thousands."""

    line: int
    number: int
    status: ForeignStatus
    metric: float | None
    commit: str
    description: str
    repeats: tuple[float, ...]


class Noise(Struct, frozen=True, kw_only=True):
    """How much a single measurement varies.

    Attributes:
        spread: standard deviation of one measurement, as a share of it (absolute where values of
            both signs or 0 occur); None where the log cannot say.
        upper: whether it is a bound from above only.
        method: in words, with the number of differences it rests on.
    """

    spread: float | None
    upper: bool
    method: str


class Keep(Struct, frozen=True, kw_only=True):
    """A kept experiment and what is to be thought of it.

    Attributes:
        gain: over the best kept before it, in the good direction; a share, or absolute.
        needed: what luck alone could have shown at the stated level; None where nobody can tell.
        clear_below: it is real if a single measurement varies by less than this (one standard
            deviation); None without a gain.
        tries: experiments since the keep before it, itself included.
    """

    line: int
    number: int
    commit: str
    metric: float
    best_before: float | None
    gain: float | None
    needed: float | None
    clear_below: float | None
    tries: int
    standing: Likely
    description: str


class Stretch(Struct, frozen=True, kw_only=True):
    """The audit of one segment.

    Attributes:
        claimed: from the first value to the best kept one, a share in the good direction.
        surviving: of the clear keeps alone; None where nobody can tell.
        regained: what the keeps won back that earlier keeps had lost: counted twice by who adds up.
    """

    segment: int
    metric: str
    unit: str
    direction: Direction | None
    told_by: str
    experiments: int
    keeps: tuple[Keep, ...]
    noise: Noise
    relative: bool
    claimed: float | None
    surviving: float | None
    regained: float


class Repeated(Struct, frozen=True, kw_only=True):
    """An idea that was tried more than once, by its words."""

    words: str
    numbers: tuple[int, ...]
    statuses: tuple[ForeignStatus, ...]


class Audit(Struct, frozen=True, kw_only=True):
    """What a log is worth.

    Attributes:
        oddities: how often each kind occurs, and the first lines where it does.
    """

    experiments: int
    kept: int
    statuses: dict[str, int]
    stretches: tuple[Stretch, ...]
    repeated: tuple[Repeated, ...]
    oddities: dict[str, tuple[int, ...]]
    odd_counts: dict[str, int]
    remarks: int

    def standing(self, which: Likely) -> int:
        """How many keeps are so."""
        return sum(k.standing is which for s in self.stretches for k in s.keeps)


ODD_LINES = 5


def audit(entries: Iterable[Segment | ForeignExperiment | Remark | Oddity]) -> Audit:
    """The audit of a whole log."""
    segments: dict[int, Segment] = {}
    rows: dict[int, list[AuditRow]] = {}
    odd: dict[Odd, list[int]] = {}
    counts: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    remarks = 0
    for entry in entries:
        if isinstance(entry, Segment):
            segments[entry.number] = entry
        elif isinstance(entry, ForeignExperiment):
            statuses[entry.status.value] += 1
            rows.setdefault(entry.segment, []).append(_row(entry))
        elif isinstance(entry, Oddity):
            counts[entry.what.value] += 1
            lines = odd.setdefault(entry.what, [])
            if len(lines) < ODD_LINES:
                lines.append(entry.line)
        else:
            remarks += 1
    stretches = tuple(
        _stretch(segments.get(number) or Segment(line=0, number=number), found)
        for number, found in sorted(rows.items())
    )
    every = [row for found in rows.values() for row in found]
    return Audit(
        experiments=len(every),
        kept=sum(row.status in KEPT for row in every),
        statuses=dict(statuses),
        stretches=stretches,
        repeated=tuple(_repeated(every)),
        oddities={what.value: tuple(lines) for what, lines in odd.items()},
        odd_counts=dict(counts),
        remarks=remarks,
    )


def _row(found: ForeignExperiment) -> AuditRow:
    return AuditRow(
        found.line, found.number, found.status, found.metric, found.commit,
        (found.description or found.hypothesis)[:CUT], found.repeats,
    )  # fmt: skip


def _stretch(segment: Segment, rows: Sequence[AuditRow]) -> Stretch:
    values = [row.metric for row in rows if row.metric is not None]
    relative = bool(values) and all(value > 0 for value in values)
    direction, told_by = segment.direction, segment.told_by
    if direction is None:
        direction = _direction_of_keeps(rows)
        told_by = "what was kept" if direction else "nothing: say it with --direction"
    noise = noise_of(rows, relative=relative)
    keeps: list[Keep] = []
    regained = 0.0
    if direction is not None:
        keeps, regained = _keeps(rows, direction, noise, relative=relative)
    gains = [k for k in keeps if k.gain is not None]
    told = bool(gains) and not any(k.standing is Likely.UNTOLD for k in gains)

    def together(chosen: Iterable[Keep]) -> float:
        return _together(chosen, direction or Direction.LOWER, relative=relative)

    return Stretch(
        segment=segment.number,
        metric=segment.metric,
        unit=segment.unit,
        direction=direction,
        told_by=told_by,
        experiments=len(rows),
        keeps=tuple(keeps),
        noise=noise,
        relative=relative,
        claimed=together(k for k in gains if k.standing is not Likely.NO_BETTER) if gains else None,
        surviving=together(k for k in gains if k.standing is Likely.CLEAR) if told else None,
        regained=_share(regained, direction or Direction.LOWER, relative=relative) or 0.0,
    )


def _direction_of_keeps(rows: Sequence[AuditRow]) -> Direction | None:
    """Which way most keeps went from the value kept before them."""
    kept = [row.metric for row in rows if row.status in KEPT and row.metric is not None]
    moves = [b - a for a, b in pairwise(kept) if a != b]
    if not moves:
        return None
    lower = sum(move < 0 for move in moves) / len(moves)
    if lower >= DIRECTION_SHARE:
        return Direction.LOWER
    return Direction.HIGHER if lower <= 1 - DIRECTION_SHARE else None


def _apart(a: float, b: float, *, relative: bool) -> float:
    return math.log(b / a) if relative else b - a


def _keeps(
    rows: Sequence[AuditRow], direction: Direction, noise: Noise, *, relative: bool
) -> tuple[list[Keep], float]:
    sign = -1.0 if direction is Direction.LOWER else 1.0
    best: float | None = None
    bar: float | None = None
    found: list[Keep] = []
    tries, regained = 0, 0.0
    for row in rows:
        tries += 1
        if row.status not in KEPT or row.metric is None:
            continue
        gain = None if best is None else sign * _apart(best, row.metric, relative=relative)
        needed = None
        if best is None:
            standing = Likely.BASE
        elif not improves(row.metric, best, direction):
            standing = Likely.NO_BETTER
        elif noise.spread is None:
            standing = Likely.UNTOLD
        else:
            needed = threshold(noise.spread, tries)
            ahead = gain is not None and gain > needed
            within = Likely.UNTOLD if noise.upper else Likely.NOISE
            standing = Likely.CLEAR if ahead else within
        if bar is not None and best is not None:
            step = sign * _apart(bar, row.metric, relative=relative)
            regained += max(0.0, step) - max(0.0, gain or 0.0)
        found.append(
            Keep(
                line=row.line, number=row.number, commit=row.commit, metric=row.metric,
                best_before=best, gain=_share(gain, direction, relative=relative),
                needed=_share(needed, direction, relative=relative),
                clear_below=gain / threshold(1.0, tries) if gain and gain > 0 else None,
                tries=tries, standing=standing, description=row.description,
            )
        )  # fmt: skip
        if best is None or improves(row.metric, best, direction):
            best = row.metric
        bar, tries = row.metric, 0
    return found, regained


def _share(difference: float | None, direction: Direction, *, relative: bool) -> float | None:
    """A difference of logarithms as a share of the value before; any other as it is."""
    if difference is None or not relative:
        return difference
    lower = direction is Direction.LOWER
    return -math.expm1(-difference) if lower else math.expm1(difference)


def threshold(spread: float, tries: int) -> float:
    """How far ahead of one measurement the best of so many worthless tries gets, at `LEVEL`."""
    return statistics.NormalDist().inv_cdf(1 - LEVEL / max(1, tries)) * spread * math.sqrt(2)


def _together(keeps: Iterable[Keep], direction: Direction, *, relative: bool) -> float:
    """Gains one after the other: shares compound, absolute ones add up."""
    gains = [keep.gain or 0.0 for keep in keeps]
    if not relative:
        return sum(gains)
    sign = -1.0 if direction is Direction.LOWER else 1.0
    return sign * (math.prod(1 + sign * gain for gain in gains) - 1)


def noise_of(rows: Sequence[AuditRow], *, relative: bool) -> Noise:
    """How much one measurement varies, by the best method that the log allows."""
    repeats = list(_repeats(rows, relative=relative))
    if len(repeats) >= MIN_REPEATS:
        spread = math.sqrt(sum(d * d for d in repeats) / len(repeats) / 2)
        same = "repeats of the same program agree exactly" if spread == 0 else "repeats"
        return Noise(spread=spread, upper=False, method=f"{same} ({len(repeats)} differences)")
    discarded = sorted(_from_bar(rows, relative=relative))
    if len(discarded) < MIN_DISCARDS:
        few = f"{len(repeats)} repeats, {len(discarded)} discards: too few to say"
        return Noise(spread=None, upper=False, method=few)
    quartile = discarded[len(discarded) // 4]
    if quartile == 0:
        equal = sum(d == 0 for d in discarded)
        return Noise(
            spread=0.0,
            upper=False,
            method=f"{equal} discards measured exactly what was kept before",
        )
    spread = quartile / QUARTILE_OF_HALF_NORMAL / math.sqrt(2)
    method = f"at most, by the smallest differences of {len(discarded)} discards"
    return Noise(spread=spread, upper=True, method=method)


def _repeats(rows: Sequence[AuditRow], *, relative: bool) -> Iterator[float]:
    """Differences between two measurements of one program."""
    kept: dict[str, float] = {}
    bar: float | None = None
    for row in rows:
        usable = row.repeats if not relative or all(v > 0 for v in row.repeats) else ()
        for one, two in pairwise(usable):
            yield _apart(one, two, relative=relative)
        if row.metric is None:
            continue
        if row.status in KEPT and row.commit in kept:
            yield _apart(kept[row.commit], row.metric, relative=relative)
        elif bar is not None and _AGAIN.search(row.description):
            yield _apart(bar, row.metric, relative=relative)
        if row.status in KEPT:
            bar = row.metric
            if row.commit:
                kept[row.commit] = row.metric


def _from_bar(rows: Sequence[AuditRow], *, relative: bool) -> Iterator[float]:
    """How far each discard was from what was kept last."""
    bar: float | None = None
    for row in rows:
        if row.metric is None:
            continue
        if row.status in KEPT:
            bar = row.metric
        elif row.status is ForeignStatus.DISCARD and bar is not None:
            yield abs(_apart(bar, row.metric, relative=relative))


def words_of(text: str) -> str:
    """The words that say which idea it is, in a fixed order; numbers are among them."""
    return " ".join(sorted({w for w in _WORD.findall(text.lower()) if w not in _IDLE}))


def _repeated(rows: Sequence[AuditRow]) -> Iterator[Repeated]:
    seen: dict[str, list[AuditRow]] = {}
    for row in rows:
        words = words_of(row.description)
        if words.count(" ") and not _AGAIN.search(row.description):
            seen.setdefault(words, []).append(row)
    for found in seen.values():
        if len(found) > 1:
            yield Repeated(
                words=found[0].description,
                numbers=tuple(row.number for row in found),
                statuses=tuple(row.status for row in found),
            )
