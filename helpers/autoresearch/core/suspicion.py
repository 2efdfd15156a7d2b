"""What makes a gain look too good to be true; never proof, always a reason to look again.

A suspicious candidate is measured again at once, in fresh checkouts and under other seeds, and
kept only when it holds; then a human is asked to look at it first. The rules, documented in
docs/trust.md:

- the gain is far beyond anything seen: the metric changed by a factor of 3 or more in one step,
  or by more than 20 % and more than 5 times the median of at least 3 earlier keeps;
- the guard ran fewer tests than it did on the incumbent;
- the time claimed fell, and the elapsed time did not fall with it;
- the elapsed time fell and the CPU time did not, though the candidate hardly ever waits; or the
  incumbent alone ran at a lower priority or on fewer processors;
- a checksum that verify printed is another one than the incumbent's under the same seed;
- the change holds words that honest code rarely needs, or a literal of the protected data.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import yaml

from autoresearch import share
from autoresearch.core.decision import gain_of
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Direction, Effect, Pair, Sample, Scale
from autoresearch.core.stats import swap_scores, tail_probability

FACTOR = 3.0
MEDIAN_STEPS = 5.0
FEWEST_STEPS = 3
SMALL_GAIN = 0.2
"""A gain below it is never far beyond anything seen."""

CLAIM_SHARE = 0.05
"""A claimed saving below this share of the elapsed time cannot be checked against it."""

CLAIM_SLACK = 1.05
CLOCK_DOUBT = 3.0
BUSY = 0.8
"""Share of its elapsed time that a program computes which hardly ever waits."""


LONG_NUMBER = 8
SHOWN = 40


class Tables(NamedTuple):
    """What `share/suspicion.yaml` holds, which says how its rows are read."""

    tripwires: tuple[tuple[str, re.Pattern[str]], ...]
    ran: tuple[dict[str, re.Pattern[str]], ...]
    failed: re.Pattern[str]


@functools.cache
def tables() -> Tables:
    """The tables, read where a race would keep, not at every start."""
    read = yaml.safe_load((share.FOLDER / "suspicion.yaml").read_bytes())
    return Tables(
        tuple((what, re.compile(pattern)) for what, pattern in read["tripwires"].items()),
        tuple({key: re.compile(p, re.MULTILINE) for key, p in row.items()} for row in read["ran"]),
        re.compile("|".join(read["failed"]), re.MULTILINE),
    )


_TEXT = re.compile(r"""(["'`])((?:(?!\1)[^\\\n]){20,400})\1""")
"""A quoted text of 20 characters and more: a shorter one may stand anywhere."""

_NUMBER = re.compile(r"(?<![\w.])-?\d+\.?\d*(?![\w.])")


class Facts(NamedTuple):
    """What is known of a candidate that the race and the guard would keep.

    Attributes:
        effect: of its race.
        direction: of the metric.
        earlier: gains of earlier keeps, on the effect's scale, as `size_of` gives them.
        incumbent: median of the incumbent's values.
        rounds: (incumbent's sample, candidate's) of the race, under the same seed each.
        unit_s: seconds that one unit of a printed time is; None where the metric is no such time.
        tests, tests_before: how many tests the guard ran, on candidate and incumbent.
        added: lines that the change adds and nowhere takes away.
        data: protected data by path.
        unsteady: names of checksums that the incumbent does not repeat under the same seed.
        timed: whether the metric is elapsed time, printed or the helper's own.
    """

    effect: Effect | None
    direction: Direction
    earlier: tuple[float, ...]
    incumbent: float
    rounds: tuple[tuple[Sample, Sample], ...]
    unit_s: float | None
    tests: int | None
    tests_before: int | None
    added: tuple[str, ...]
    data: Mapping[str, bytes]
    unsteady: frozenset[str]
    timed: bool = False


def suspicions(facts: Facts) -> tuple[str, ...]:
    """Return what looks too good, a sentence each; empty when nothing does."""
    found = [
        _beyond(facts),
        _fewer_tests(facts.tests, facts.tests_before),
        _clock(facts),
        _waiting(facts),
        _held_back(facts),
        *_checksums(facts),
        *tripped(facts.added),
        _known_literal(facts.added, facts.data),
    ]
    return tuple(text for text in found if text)


def size_of(effect: Effect) -> float:
    """Return the size of a change: |log ratio|, infinite for a metric brought to 0; or the unit."""
    if effect.scale is Scale.DIFFERENCE:
        return abs(effect.change)
    return abs(math.log1p(effect.change)) if effect.change > -1 else math.inf


def _beyond(facts: Facts) -> str:
    """Whether the gain is far beyond anything seen."""
    effect = facts.effect
    if effect is None or gain_of(effect, facts.direction) <= 0:
        return ""
    size = size_of(effect)
    if effect.scale is Scale.RATIO:
        large, small = math.log(FACTOR), math.log1p(SMALL_GAIN)
    else:
        large = (FACTOR - 1) * abs(facts.incumbent) or math.inf
        small = SMALL_GAIN * abs(facts.incumbent)
    if size >= large:
        return f"the metric changed by a factor of {FACTOR:g} or more in one step"
    if len(facts.earlier) < FEWEST_STEPS:
        return ""
    usual = median(facts.earlier)
    if size > small and size > MEDIAN_STEPS * usual:
        return f"the gain is more than {MEDIAN_STEPS:g} times the median of earlier keeps"
    return ""


def _fewer_tests(tests: int | None, before: int | None) -> str:
    if before is None or (tests is not None and tests >= before):
        return ""
    ran = "does not say how many tests it ran" if tests is None else f"ran {tests} tests"
    return f"the guard {ran}; {before} on the incumbent"


def _clock(facts: Facts) -> str:
    """Whether the time claimed fell without the elapsed time."""
    unit_s = facts.unit_s
    if unit_s is None or len(facts.rounds) < 2:  # noqa: PLR2004 - one run has no spread
        return ""
    claims = [[sample.value * unit_s for sample in arm] for arm in zip(*facts.rounds, strict=True)]
    walls = [[sample.wall_s for sample in arm] for arm in zip(*facts.rounds, strict=True)]
    claimed, elapsed = (median(values[0]) - median(values[1]) for values in (claims, walls))
    whole = median(walls[0])
    if median(claims[0]) > CLAIM_SLACK * whole or claimed <= CLAIM_SHARE * whole:
        return ""
    doubt = CLOCK_DOUBT * max(_spread(wall) for wall in walls)
    if elapsed + doubt >= claimed / 2:
        return ""
    return f"it claims to save {claimed:.3g} s a run, but the elapsed time fell by {elapsed:.3g} s"


def _waiting(facts: Facts) -> str:
    """Whether the incumbent only waited longer, of programs that compute all the time."""
    if not facts.timed or len(facts.rounds) < 2:  # noqa: PLR2004 - one run has no spread
        return ""
    walls = [[sample.wall_s for sample in arm] for arm in zip(*facts.rounds, strict=True)]
    cpus = [[sample.cpu_s for sample in arm] for arm in zip(*facts.rounds, strict=True)]
    wall, cpu = (median(values[0]) - median(values[1]) for values in (walls, cpus))
    busy = BUSY * median(walls[1]) <= median(cpus[1]) <= CLAIM_SLACK * median(walls[1])
    doubt = CLOCK_DOUBT * max(_spread(values) for values in (*walls, *cpus))
    if not busy or wall <= CLAIM_SHARE * median(walls[0]) or cpu + doubt >= wall / 2:
        return ""
    return f"the elapsed time fell by {wall:.3g} s a run, the CPU time by {cpu:.3g} s"


def _held_back(facts: Facts) -> str:
    """Whether somebody slowed the incumbent down from outside."""
    held = [any(sample.held_back for sample in arm) for arm in zip(*facts.rounds, strict=True)]
    if held[:1] == [True] and not held[1]:
        return "the incumbent ran at a lower priority, or on fewer processors, than the candidate"
    return ""


def _spread(values: Sequence[float]) -> float:
    middle = median(values)
    return median(abs(value - middle) for value in values)


def _checksums(facts: Facts) -> list[str]:
    return [
        f"the checksum {name} is not the incumbent's"
        for name in differing_checksums(facts.rounds)
        if name not in facts.unsteady
    ]


def differing_checksums(rounds: Sequence[tuple[Sample, Sample]]) -> tuple[str, ...]:
    """The names of checksums that differ between the arms in every round."""
    pairs = [(dict(one.checksums), dict(two.checksums)) for one, two in rounds]
    names = dict.fromkeys(name for pair in pairs for sums in pair for name in sums)
    return tuple(
        name for name in names if all(one.get(name) != two.get(name) for one, two in pairs)
    )


def tripped(added: Iterable[str]) -> tuple[str, ...]:
    """Return what the added lines do that honest code rarely needs, a sentence each."""
    text = "\n".join(added)
    return tuple(
        f"the change {what}" for what, pattern in tables().tripwires if pattern.search(text)
    )


def _known_literal(added: Sequence[str], data: Mapping[str, bytes]) -> str:
    """The first long literal of the change that stands in protected data."""
    text = "\n".join(added)
    literals = [match[2] for match in _TEXT.finditer(text)]
    literals += [
        number[0]
        for number in _NUMBER.finditer(text)
        if sum(char.isdigit() for char in number[0]) >= LONG_NUMBER
    ]
    for literal in dict.fromkeys(literals):
        sought = literal.encode("utf-8", "surrogateescape")
        path = next((path for path, content in data.items() if sought in content), None)
        if path is not None:
            return f"the change contains a literal that also stands in {path[:SHOWN]}"
    return ""


def added_lines(patch: bytes) -> tuple[str, ...]:
    """Return the lines that a patch adds and nowhere removes, so that moved code is not new."""
    added, removed = [], set()
    for line in patch.decode("utf-8", "surrogateescape").split("\n"):
        if line.startswith("+") and not line.startswith("+++ "):
            added.append(line[1:])
        elif line.startswith("-") and not line.startswith("--- "):
            removed.add(line[1:].strip())
    return tuple(line for line in added if line.strip() not in removed)


_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_NAMED_TESTS = 5


def _plain(output: bytes) -> str:
    """What a guard printed, without colours."""
    return _ANSI.sub("", output.decode("utf-8", "replace")).replace("\r\n", "\n")


def failed_tests(output: bytes) -> tuple[str, ...]:
    """Return the first tests that a guard's output names as failed, each once."""
    lines = tables().failed.finditer(_plain(output))
    found = [next(name for name in line.groups() if name) for line in lines]
    return tuple(clean_line(name, 120) for name in dict.fromkeys(found))[:_NAMED_TESTS]


def count_tests(output: bytes) -> int | None:
    """Return how many tests the guard's output says were run, None where it says nothing."""
    text, counts = _plain(output), list[int]()
    for row in tables().ran:
        if "with" in row:
            if row["with"].search(text) is None:
                continue
            counts.append(0)
        lines = [line for key in ("says", "else") if key in row for line in row[key].finditer(text)]
        counts += [_ran(line, row) for line in lines if line.re is lines[0].re]
    return sum(counts) if counts else None


def _ran(line: re.Match[str], row: Mapping[str, re.Pattern[str]]) -> int:
    """How many tests one line tells of."""
    told = line.groupdict()
    if "each" in row:
        return sum(map(int, row["each"].findall(told["parts"])))
    ran, more, less = (int(told.get(name) or 0) for name in ("ran", "more", "less"))
    return ran + more - less if told else 1


ABLATION_PAIRS = 12
"""Pairs a commit: fixed, so that the estimate is not biased by an early end."""

DROP_ABOVE = 0.30
"""A commit that helps no more surely than this is worth a look. In simulated sessions this found
half to three quarters of the worthless commits at the cost of 0 to 1 point of true gain; 0.10 would
throw away small real gains, which 12 pairs cannot prove."""


class Worth(NamedTuple):
    """How surely a commit helps.

    Attributes:
        p_value: one-sided label-swap test of the program with it being better than without it.
        is_doubtful: whether it is suggested to be taken back.
    """

    p_value: float
    is_doubtful: bool


def worth_of(pairs: Sequence[Pair], direction: Direction) -> Worth:
    """Judge a race of the tip (as incumbent) against the tip without one commit (as candidate)."""
    turned = [
        Pair(incumbent=pair.candidate, candidate=pair.incumbent, first=pair.first.other)
        for pair in pairs
    ]
    p_value = tail_probability(swap_scores(turned, direction))
    return Worth(p_value, p_value > DROP_ABOVE)
