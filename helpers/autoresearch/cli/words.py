"""Experiments in words: the lines that `try`, `log`, `show` and `status` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core import phrases
from autoresearch.core.model import Kind, Reason, Verdict
from autoresearch.core.records import Experiment
from autoresearch.core.text import clean_line

if TYPE_CHECKING:
    from autoresearch.core.budget import Halt, Remaining
    from autoresearch.core.contract import Contract
    from autoresearch.core.history import Tried
    from autoresearch.core.records import Refusal

SHORT = 70


def verdict_line(record: Experiment | Tried, unit: str) -> str:
    """`experiment 7: keep, -3.1 % [-4.0, -2.2] (12 pairs)`."""
    words = phrases.verdict(record.verdict, record.reason, record.flags)
    moved = "" if record.effect is None else f"  {phrases.effect(record.effect, unit)}"
    return f"experiment {record.number}: {words}{moved}"


def experiment_lines(record: Experiment, contract: Contract) -> tuple[str, ...]:
    """The answer of `try`: verdict first, then what it rests on."""
    lines = [verdict_line(record, contract.metric.unit)]
    if record.detail:
        lines.append(f"why: {record.detail}")
    if record.race is not None:
        lines.append(samples_line(record))
    lines += [
        f"limit {limit.name}: {'held' if limit.held else 'NOT held'}, "
        f"loss {limit.estimate:+.3g}, allowed {limit.limit:.3g}"
        for limit in record.limits
    ]
    if record.guard is not None:
        state = "passed" if record.guard.passed else f"FAILED ({record.guard.output})"
        lines.append(f"guard: {state} in {phrases.duration(record.guard.duration_s)}")
    if record.same is not None:
        lines.append(f"same: {'equal' if record.reason is not Reason.SAME else 'DIFFERS'}")
    if record.touched:
        lines.append(f"touched: {clean_line(', '.join(record.touched[:5]))}")
    if record.meanwhile:
        lines.append(f"edited meanwhile, left as it is: {clean_line(', '.join(record.meanwhile))}")
    return tuple(lines)


def samples_line(record: Experiment) -> str:
    """How much was measured."""
    race = record.race
    if race is None:
        return "samples: none"
    how = "exact" if race.deterministic else f"{len(race.order) // 2} of {race.pairs_planned} pairs"
    extras = [f"alpha {race.alpha:.3g}"]
    if race.p_value is not None:
        extras.append(f"p {race.p_value:.2g}")
    if race.void:
        extras.append(f"{race.void} void")
    spent = phrases.duration(sum(race.wall_s))
    return f"samples: {len(race.order)} ({how}) in {spent}, {', '.join(extras)}"


def refusal_lines(record: Refusal) -> tuple[str, ...]:
    """The answer of `try` for a candidate that was not measured."""
    return (f"refused, {record.reason.value}: {record.detail}",)


def next_after(record: Experiment, halt: Halt | None) -> str:
    """What the agent does after a verdict."""
    if halt is not None:
        end = "`autoresearch validate`, then report" if halt.ends_session else "report and stop"
        return f"DONE, {halt.text}; {end}"
    if record.verdict is Verdict.REWORK:
        return (
            "the edit is still in the tree: mend what broke the guard and "
            '`autoresearch try --rework -m "…"`, or `autoresearch drop`'
        )
    learn = "`autoresearch note` what it taught, then the next idea"
    if record.verdict is Verdict.KEEP:
        return f"{learn}, on top of this"
    if record.verdict is Verdict.CRASH:
        return f"`autoresearch apply {record.number}` brings the edit back to mend it; or {learn}"
    if record.verdict is Verdict.VIOLATION:
        return f"leave protected files alone; {learn}"
    return f"{_after_discard(record)}; {learn}"


def _after_discard(record: Experiment) -> str:
    if record.reason is Reason.UNDECIDED and record.kind is not Kind.AGAIN:
        return (
            f"make the effect larger, combine near misses (`autoresearch apply {record.number}`), "
            "or `try --again` once"
        )
    if record.reason is Reason.LIMITS:
        return "find a way that costs the limited metric less"
    if record.reason is Reason.SAME:
        return "its output must stay byte for byte the same"
    return "drop the idea"


def next_after_refusal(record: Refusal) -> str:
    """What the agent does after a refusal."""
    if record.reason is Reason.OUTSIDE:
        return "`autoresearch drop --outside` puts them back; keep to the scope, then try again"
    if record.reason is Reason.DUPLICATE:
        return (
            f"`autoresearch show {record.related}` tells how it went; change the idea, "
            "or `--again` to race the same tree once more"
        )
    return "edit a file in scope, then try again"


def remaining_line(remaining: Remaining) -> str:
    """What may still be spent."""
    return f"budget: {remaining.described()}"
