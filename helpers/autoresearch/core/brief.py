"""The brief: all an agent must know before the next experiment, in at most 1,500 tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoresearch.core import hostlimits, phrases
from autoresearch.core.model import Direction, Scale
from autoresearch.core.sections import Section, claim, counts, estimate, failures, fit, size
from autoresearch.core.text import clean_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoresearch.core.budget import Halt, Remaining
    from autoresearch.core.contract.values import Contract
    from autoresearch.core.history import History, Remembered, Tried
    from autoresearch.core.plateau import Outlook

BYTES_PER_TOKEN = 3.5
"""English prose has about 4 bytes a token, hashes, numbers and paths about 3: between the two."""

MAX_TOKENS = 1_500
BRIEF_BYTES = math.floor(MAX_TOKENS * BYTES_PER_TOKEN)

_TEXT = 120
_GOAL = 300
_COMMAND = 160
_SCOPE_SHOWN = 8
_FAILED_SHOWN = 12
_NEIGHBOURS_SHOWN = 8
_STEP_BYTES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a brief is about.

    Attributes:
        neighbours: experiments that touched the files of the latest one or of what is edited now.
        forecast_s: seconds that the next `try` may take, or None when unknown.
        smallest_gain: gain, as a fraction or in the metric's unit, that a race finds about every
            second time; None when unknown or when the metric never varies.
        smallest_gain_scale: scale of `smallest_gain`.
        interrupted: an interrupted step in one line, empty for none.
    """

    history: History
    contract: Contract
    remaining: Remaining
    outlook: Outlook
    halt: Halt | None
    neighbours: tuple[Tried, ...]
    forecast_s: float | None
    smallest_gain: float | None
    smallest_gain_scale: Scale
    interrupted: str


def estimate_tokens(text: str) -> int:
    """About how many tokens a text costs: its UTF-8 bytes over 3.5, rounded up."""
    return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN)


def brief(situation: Situation) -> str:
    """The brief, whole lines within 5,250 bytes, ending in its `next:` line without newline."""
    last = f"next: {next_step(situation)}"
    lines = fit(_sections(situation), BRIEF_BYTES - size(last))
    return "\n".join((*lines, last))


def next_step(situation: Situation) -> str:
    """What the agent does now, in one line."""
    rework = situation.history.pending_rework
    if situation.interrupted:
        return "`autoresearch recover` finishes or rolls back the interrupted step"
    if situation.halt is not None and rework is not None and situation.halt.may_rework:
        return (
            f'mend experiment {rework.number} and `autoresearch try --rework -m "…"`, or '
            f"`autoresearch drop`; then DONE, {clean_line(situation.halt.text, _STEP_BYTES)}"
        )
    if situation.halt is not None:
        end = "`autoresearch validate`" if situation.halt.ends_session else "`autoresearch status`"
        return f"DONE, {clean_line(situation.halt.text, _STEP_BYTES)}; {end}"
    if rework is not None:
        return (
            'mend what broke the guard, then `autoresearch try --rework -m "…"`, or give up '
            f"experiment {rework.number} with `autoresearch drop`"
        )
    return 'edit files in scope for one idea, then `autoresearch try -m "what and why"`'


def _sections(situation: Situation) -> tuple[Section, ...]:
    history, unit = situation.history, clean_line(situation.contract.metric.unit, 20)
    return (
        Section(title="", lines=tuple(_essentials(situation, unit)), rank=0),
        Section(
            title="kept (single races, unvalidated):",
            lines=tuple(
                f"  {kept.number} {estimate(kept, unit)} {clean_line(kept.message, _TEXT)}"
                for kept in history.kept
            ),
            rank=10,
            step=6,
            total=history.kept_count,
        ),
        Section(title="not kept, and why:", lines=tuple(_failures(history, unit)), rank=11, step=3),
        _noted("dead ends:", history.dead_ends, history.dead_end_count, rank=12),
        _noted("lessons:", history.lessons, history.lesson_count, rank=13),
        _noted("open ideas (`try --idea N`):", history.ideas, history.idea_count, rank=14),
        Section(
            title="touched the same files:",
            lines=tuple(
                f"  {tried.number} {phrases.verdict(tried.verdict, tried.reason)} "
                f"{clean_line(tried.message, _TEXT)}"
                for tried in situation.neighbours[:_NEIGHBOURS_SHOWN]
            ),
            rank=15,
            step=6,
        ),
        Section(title="", lines=tuple(_references(history)), rank=9),
    )


def _essentials(situation: Situation, unit: str) -> Iterable[str]:
    history, contract = situation.history, situation.contract
    metric = contract.metric
    yield f"session {clean_line(contract.session, _TEXT)}: {counts(history)}"
    yield f"goal: {clean_line(contract.goal, _GOAL)}"
    target = "" if metric.target is None else f", target {phrases.with_unit(metric.target, unit)}"
    named = f"{metric.name} in {unit}" if unit else metric.name
    yield f"metric: {clean_line(named)}, {phrases.better(metric.direction)}{target}"
    yield f"verify: {clean_line(contract.verify, _COMMAND)}"
    if contract.guard is not None:
        yield f"guard: {clean_line(contract.guard, _COMMAND)}"
    if contract.same is not None:
        first, *rest = contract.same.strip().splitlines()
        command = clean_line(f"{first} …" if rest else first, _COMMAND)
        yield f"same: the output of `{command}` must not change"
    if contract.holdout is not None:
        often = contract.holdout.every
        which = "every keep" if often == 1 else f"1 keep in {often}"
        yield f"holdout: {which} is also measured on inputs that you do not see"
    yield from _bounds(contract)
    if contract.profile is not None:
        yield "profiler: `autoresearch profile` shows where the incumbent spends its cost"
    yield f"scope: {_patterns(contract.scope)}"
    if contract.protect:
        yield f"protected within it: {_patterns(contract.protect)}"
    yield _incumbent(history, unit)
    yield f"gain: {claim(history, unit)}"
    yield f"budget: {situation.remaining.described()}{_forecast(situation.forecast_s)}"
    if situation.smallest_gain is not None:
        scale = situation.smallest_gain_scale
        gain = phrases.magnitude(situation.smallest_gain, scale, unit)
        yield f"noise: a race detects a gain of {gain} about half the time, larger gains more often"
    if history.last_number:
        yield f"outlook: {_outlook(situation.outlook)}"
    advised = hostlimits.time_advice(situation.forecast_s)
    if advised:
        yield f"time: {advised}"
    yield from _troubles(situation)


def _bounds(contract: Contract) -> Iterable[str]:
    """What a keep needs beside a better metric."""
    metric = contract.metric
    limited = [
        f"{clean_line(bound.name, 40)} {'+' if bound.direction is Direction.LOWER else '-'}"
        + (f"{bound.limit * 100:g}%" if bound.limit_relative else phrases.number(bound.limit))
        for bound in contract.secondary
        if bound.limit is not None
    ]
    if limited:
        yield f"limits since the baseline: {', '.join(limited)}"
    if metric.min_effect:
        least = f"{metric.min_effect * 100:g}%" if metric.min_effect_relative else None
        yield (
            "a keep must gain at least: "
            f"{least or phrases.with_unit(metric.min_effect, metric.unit)}"
        )


def _patterns(patterns: tuple[str, ...]) -> str:
    shown = ", ".join(clean_line(pattern, _TEXT // 2) for pattern in patterns[:_SCOPE_SHOWN])
    left_out = len(patterns) - _SCOPE_SHOWN
    return f"{shown} and {left_out} more" if left_out > 0 else shown


def _incumbent(history: History, unit: str) -> str:
    origin = f"experiment {history.incumbent_number}" if history.incumbent_number else "baseline"
    value = history.incumbent_value
    measured = "" if value is None else f", last measured {phrases.with_unit(value, unit)}"
    return f"incumbent: {phrases.short_hash(history.incumbent_commit)} ({origin}){measured}"


def _forecast(seconds: float | None) -> str:
    return "" if seconds is None else f"; the next try may take {phrases.duration(seconds)}"


def _outlook(outlook: Outlook) -> str:
    chance = f"chance of a keep in the next 10: {outlook.keep_soon:.0%}"
    return f"{chance}; stopping is advised, {outlook.reason}" if outlook.stop else chance


def _troubles(situation: Situation) -> Iterable[str]:
    history = situation.history
    rework = history.pending_rework
    if history.suspicious:
        numbers = phrases.numbers([kept.number for kept in history.suspicious])
        yield f"suspicious keeps, for the human to review first: {numbers}"
    if rework is not None:
        yield (
            f"REWORK: experiment {rework.number} was better but failed the guard "
            f"(attempt {rework.attempt} of 2): {clean_line(rework.detail, _TEXT)}"
        )
    if situation.interrupted:
        yield f"INTERRUPTED: {clean_line(situation.interrupted, _TEXT)}"
    if history.refusals_in_row:
        yield f"refused in a row: {history.refusals_in_row}; five end the run"
    if history.violations_in_row:
        yield f"violations in a row: {history.violations_in_row}; three end the run"


def _failures(history: History, unit: str) -> Iterable[str]:
    """For each kind of failure its number and its newest experiments, in one line each."""
    groups = failures(history)
    for group in groups:
        yield f"  {group.label}: {group.total}"
    for failed in history.failed[:_FAILED_SHOWN]:
        moved = ""
        if failed.change is not None and failed.scale is not None:
            moved = f" {phrases.change(failed.change, failed.scale, unit)}"
        label = phrases.verdict(failed.verdict, failed.reason)
        yield f"  {failed.number} {label}{moved} {clean_line(failed.message, _TEXT)}"


def _noted(title: str, items: tuple[Remembered, ...], total: int, *, rank: int) -> Section:
    lines = tuple(f"  {item.number} {clean_line(item.text, _TEXT)}" for item in items)
    return Section(title=title, lines=lines, rank=rank, step=5, total=total)


def _references(history: History) -> Iterable[str]:
    if history.last_number:
        session = clean_line(history.opened.session, _TEXT)
        numbers = phrases.numbers([failed.number for failed in history.failed])
        yield (
            f"every candidate: refs/autoresearch/{session}/exp/NNNN, `autoresearch show N`"
            + (f"; not kept: {numbers}" if numbers else "")
        )
