"""Sections of text that share a bound: whole lines, the most important first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import phrases
from autoresearch.core.model import Flag, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autoresearch.core.history import Failed, History, Kept

_REST_BYTES = 24
"""Room for the line that counts what was left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A title and its lines, the most important first.

    Attributes:
        title: a line of its own, shown with the first line; empty for none.
        rank: of the first line among all sections; the lowest rank is placed first.
        step: how much each further line's rank rises; 0 keeps the section together.
        total: how many lines there would be in all, where `lines` is already cut.
    """

    title: str
    lines: tuple[str, ...]
    rank: int
    step: int = 0
    total: int | None = None


def fit(sections: Sequence[Section], budget: int) -> tuple[str, ...]:
    """The lines of all sections that fit into `budget` UTF-8 bytes, newlines counted.

    Lines are placed by rank; a section ends at its first line that does not fit and says how
    many are missing. No line is cut.
    """
    places = sorted(
        (section.rank + index * section.step, order, index)
        for order, section in enumerate(sections)
        for index in range(len(section.lines))
    )
    taken = [0] * len(sections)
    for _, order, index in places:
        if taken[order] != index:
            continue
        section = sections[order]
        cost = size(section.lines[index])
        if index == 0:
            cost += size(section.title) + _REST_BYTES if section.title else _REST_BYTES
        if cost <= budget:
            budget -= cost
            taken[order] += 1
    return tuple(
        line
        for section, count in zip(sections, taken, strict=True)
        for line in _shown(section, count)
    )


def whole_lines(lines: Sequence[str], budget: int) -> tuple[str, ...]:
    """The first lines that fit into `budget` UTF-8 bytes together, newlines counted."""
    shown: list[str] = []
    for line in lines:
        budget -= size(line)
        if budget < 0:
            break
        shown.append(line)
    return tuple(shown)


def size(line: str) -> int:
    """Bytes of a line with its newline."""
    return len(line.encode("utf-8", "replace")) + 1


def _shown(section: Section, count: int) -> Iterable[str]:
    if count == 0:
        return
    if section.title:
        yield section.title
    yield from section.lines[:count]
    total = len(section.lines) if section.total is None else section.total
    if total > count:
        yield f"  … {total - count} more"


class Group(NamedTuple):
    """Experiments that failed for the same reason, newest first."""

    verdict: Verdict
    reason: Reason | None
    failed: tuple[Failed, ...]
    total: int

    @property
    def label(self) -> str:
        """The verdict and its reason in words."""
        return phrases.verdict(self.verdict, self.reason)


def failures(history: History) -> tuple[Group, ...]:
    """What failed and why, the most frequent first; refused candidates are not experiments."""
    groups = [
        Group(
            tally.verdict,
            tally.reason,
            tuple(
                failed
                for failed in history.failed
                if (failed.verdict, failed.reason) == (tally.verdict, tally.reason)
            ),
            tally.count,
        )
        for tally in history.tallies
        if tally.verdict not in {Verdict.KEEP, Verdict.REFUSED}
    ]
    return tuple(sorted(groups, key=lambda group: (-group.total, group.label)))


def counts(history: History) -> str:
    """How the experiments ended: `37 experiments: 5 keep, 30 discard, 2 crash`."""
    if history.last_number == 0:
        return "no experiment yet"
    parts = [
        f"{history.count(verdict)} {verdict.value}"
        for verdict in Verdict
        if verdict is not Verdict.REFUSED and history.count(verdict)
    ]
    return f"{phrases.count(history.last_number, 'experiment')}: {', '.join(parts)}"


def estimate(kept: Kept, unit: str) -> str:
    """What the race of a kept experiment estimated; never a claim."""
    shown = "no estimate" if kept.effect is None else phrases.effect(kept.effect, unit)
    marks = [flag.value for flag in Flag if flag in kept.flags]
    if kept.undone:
        marks.append("undone")
    return f"{shown} ({', '.join(marks)})" if marks else shown


def claim(history: History, unit: str) -> str:
    """What is proven by a validation, or that nothing is."""
    validated = history.validation
    if validated is None:
        return "not validated yet, so no gain is claimed"
    shown = phrases.effect(validated.effect, unit)
    proof = f"validated: {shown}" if validated.proven else f"no proven improvement: {shown}"
    since = sum(kept.number > validated.after and not kept.undone for kept in history.kept)
    undone = any(number <= validated.after for number in history.undone)
    parts = ["the final guard fails"] if validated.final_guard is False else []
    parts.append(f"{proof}, first commit against the last at experiment {validated.after}")
    if since:
        parts.append(f"{phrases.count(since, 'keep')} since then, not validated")
    if undone:
        parts.append("part of it was undone, before or after")
    return "; ".join(parts)
