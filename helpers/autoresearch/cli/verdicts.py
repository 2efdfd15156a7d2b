"""Experiments in words: the lines and next steps that `try`, `log`, `show` and `status` share."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from autoresearch.cli.app import listed
from autoresearch.core import formatting, wire
from autoresearch.core.budget import Halt
from autoresearch.core.contract import Contract, Secondary
from autoresearch.core.formatting import clean_block, clean_line, fence
from autoresearch.core.history import History, Tried
from autoresearch.core.limits import watched
from autoresearch.core.model import Arm, Kind, LimitResult, RaceRecord, Reason, Scale, Verdict
from autoresearch.core.records import Experiment, Refusal
from autoresearch.edges.places import shown_path

_OUTPUT = re.compile(r"\((output/[^/()]+\.txt)\)$")

TAIL_LINES = 12
TAIL_BYTES = 800
VALUES_SHOWN = 24
REASONS_SHOWN = 4
WATCHED_SHOWN = 6


def verdict_line(record: Experiment | Tried, unit: str) -> str:
    """`experiment 7: keep  -3.1% [-4.0%, -2.2%]`."""
    words = formatting.verdict(record.verdict, record.reason, record.flags)
    told = record.effect is not None and record.reason is not Reason.NOT_BETTER
    # What was given up early has an estimate, but no finding: a small gain would read as a loss.
    moved = f"  {formatting.effect(record.effect, unit)}" if told and record.effect else ""
    return f"experiment {record.number}: {words}{moved}"


def experiment_lines(record: Experiment, contract: Contract) -> tuple[str, ...]:
    """The answer of `try`: verdict first, then what it rests on."""
    lines = [verdict_line(record, contract.metric.unit)]
    if record.detail:
        # Where the output is stands in a line of its own, whole.
        lines.append(f"why: {_OUTPUT.sub('', record.detail).rstrip()}")
    lines += [f"suspicious: {clean_line(text, 160)}" for text in record.suspicions[:REASONS_SHOWN]]
    if record.race is not None:
        lines.append(_samples_line(record, record.race))
    lines += [*watched_lines(record.race, contract), *_limit_lines(record, contract)]
    if record.guard is not None:
        state = "passed" if record.guard.passed else "FAILED"
        flaky = f" (failed once, then passed twice; flaky: {listed(record.flaky)})"
        lines.append(
            f"guard: {state} in {formatting.duration(record.guard.duration_s)}"
            f"{flaky if record.flaky else ''}"
        )
    if record.same is not None:
        lines.append(f"same: {'equal' if record.reason is not Reason.SAME else 'DIFFERS'}")
    if record.holdout is not None:
        lines.append(f"holdout: {'passed' if record.holdout else 'FAILED'}")
    if record.touched:
        lines.append(f"touched: {listed(record.touched)}")
    if record.meanwhile:
        lines.append(f"edited meanwhile, left alone: {clean_line(', '.join(record.meanwhile))}")
    if record.raced_in is not None:
        lines.append(f"race: that of experiment {record.raced_in}, only the guard was asked again")
    if record.retest:
        level = "unmeasured" if record.race is None else f"alpha {record.race.alpha:.3g}"
        lines.append(f"race {record.retest + 1} of this change: stricter, {level}")
    return tuple(lines)


def watched_lines(race: RaceRecord | None, contract: Contract, *, but: str = "") -> tuple[str, ...]:
    """How each secondary metric moved on the same pairs: `peak_mb: +1.2% [-0.3%, +2.6%]`."""
    units = {one.name: one.unit for one in contract.secondary}
    found = () if race is None else watched(race, units)
    lines = [
        f"{clean_line(name, 40)}: {formatting.effect(effect, units.get(name, ''))}"
        for name, effect in found
        if name != but
    ]
    more = (f"and {len(lines) - WATCHED_SHOWN} more metrics",) if lines[WATCHED_SHOWN:] else ()
    return (*lines[:WATCHED_SHOWN], *more)


def watched_data(race: RaceRecord | None, contract: Contract) -> list[dict[str, object]]:
    """The same as data."""
    units = {one.name: one.unit for one in contract.secondary}
    found = () if race is None else watched(race, units)
    return [{"name": name, "effect": wire.to_object(effect)} for name, effect in found]


def _samples_line(record: Experiment, race: RaceRecord) -> str:
    """How much was measured."""
    pairs = len(race.order) // 2
    how = "exact" if race.deterministic else f"{pairs} of {race.pairs_planned} pairs"
    extras = [f"alpha {race.alpha:.3g}"]
    if race.p_value is not None and record.verdict is Verdict.KEEP:
        extras.append(f"p {race.p_value:.2g}")
    if race.void:
        extras.append(f"{race.void} void")
    spent = formatting.duration(sum(race.wall_s))
    return f"samples: {len(race.order)} ({how}) in {spent}, {', '.join(extras)}"


def value_lines(record: Experiment, contract: Contract) -> tuple[str, ...]:
    """The samples' values of either arm, in the order run: the metric's, then the others'."""
    race = record.race
    if race is None:
        return ()
    units = {secondary.name: secondary.unit for secondary in contract.secondary}
    lines = _arm_lines("", race.order, race.values, contract.metric.unit)
    for name, values in race.secondary:
        lines += _arm_lines(f"{name}, ", race.order, values, units.get(name, ""))
    return tuple(lines)


def _arm_lines(what: str, order: str, values: Sequence[float], unit: str) -> list[str]:
    lines = []
    for arm, name in ((Arm.INCUMBENT, "incumbent"), (Arm.CANDIDATE, "candidate")):
        own = [value for letter, value in zip(order, values, strict=True) if letter == arm.value]
        shown = " ".join(formatting.number(value) for value in own[:VALUES_SHOWN])
        shown += f" {unit}" if unit and shown else ""
        more = f" and {len(own) - VALUES_SHOWN} more" if len(own) > VALUES_SHOWN else ""
        lines.append(f"{what}{name}: {shown or 'not run'}{more}")
    return lines


def _limit_lines(record: Experiment, contract: Contract) -> list[str]:
    """The limits that had a say: where the race said keep, or where they ended it."""
    asked = record.verdict in {Verdict.KEEP, Verdict.REWORK}
    if not asked and record.reason not in {Reason.LIMITS, Reason.SAME, Reason.GUARD}:
        return []
    known = {secondary.name: secondary for secondary in contract.secondary}
    return [_limit_line(limit, known.get(limit.name)) for limit in record.limits]


def _limit_line(limit: LimitResult, secondary: Secondary | None) -> str:
    relative = secondary is None or secondary.limit_relative
    scale = Scale.RATIO if relative else Scale.DIFFERENCE
    unit = "" if secondary is None else secondary.unit

    def shown(value: float) -> str:
        return formatting.change(value, scale, unit)

    state = "held" if limit.held else "NOT held"
    if limit.is_too_noisy:
        state = "not proven, too noisy"
    most = "" if limit.worst is None else f", at most {shown(limit.worst)}"
    return (
        f"limit {limit.name}: {state}; loss {shown(limit.estimate)}, since the baseline "
        f"{shown(limit.since_baseline)}{most}, allowed {shown(limit.limit)}"
    )


def output_of(record: Experiment) -> str:
    """What a failed command printed: a file below the state folder; empty for none."""
    for result in (record.same, record.guard):
        if result is not None and (not result.passed or record.reason is Reason.SAME):
            return result.output
    named = _OUTPUT.search(record.detail) if record.verdict is Verdict.CRASH else None
    return "" if named is None else named.group(1)


def output_lines(path: Path) -> tuple[str, ...]:
    """The end of what a failed command printed, cleaned and fenced, and where all of it is."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 4 * TAIL_BYTES))
            content = file.read()
    except OSError:
        return ()
    lines = content.decode("utf-8", "replace").splitlines()
    shown = clean_block("\n".join(lines[-TAIL_LINES:]), max_lines=TAIL_LINES, max_bytes=TAIL_BYTES)
    fenced = fence(shown, secrets.token_hex(4)).splitlines()
    return (*fenced, f"all of its output: {shown_path(path)}")


def next_after(record: Experiment, halt: Halt | None, history: History) -> str:
    """What the agent does after a verdict."""
    mend = record.verdict is Verdict.REWORK and (halt is None or halt.may_rework)
    if halt is not None and not mend:
        return done(halt, history)
    if mend:
        then = "" if halt is None else f"; then DONE, {halt.text}"
        return (
            "the edit is still in the tree: mend what broke the guard and "
            f'`autoresearch try --rework -m "…"`; `try --again` if the guard is flaky (the race '
            f"stands, only the guard is asked again); or `autoresearch drop`{then}"
        )
    learn = "`autoresearch note` what it taught, then the next idea"
    if record.verdict is Verdict.KEEP:
        doubt = "tell the human what this change may skip or assume; " if record.suspicions else ""
        return f"{doubt}{learn}, on top of this"
    if record.verdict is Verdict.CRASH:
        return f"`autoresearch apply {record.number}` brings the edit back to mend it; or {learn}"
    if record.verdict is Verdict.VIOLATION:
        return f"leave protected files alone; {learn}"
    return f"{_after_discard(record)}; {learn}"


def done(halt: Halt, history: History) -> str:
    """What remains to be done once a run or the session has ended."""
    first = "`autoresearch validate`, then " if is_unvalidated(history) else ""
    return f"DONE, {halt.text}; {first}report and stop"


def is_unvalidated(history: History) -> bool:
    """Whether something is kept whose gain nobody has measured yet."""
    validated = history.validation
    is_latest = validated is not None and validated.last == history.incumbent_commit
    return history.incumbent_number > 0 and not is_latest


def _after_discard(record: Experiment) -> str:
    if record.kind is Kind.SIMPLIFY:
        return "remove more code, lose less, or try it without --simplify"
    if record.reason is Reason.UNDECIDED and record.kind is not Kind.AGAIN:
        return (
            f"make the effect larger, combine near misses (`autoresearch apply {record.number}`), "
            "or `try --again` once"
        )
    if record.reason is Reason.LIMITS:
        return _after_limits(record)
    if record.reason is Reason.HOLDOUT:
        return "it only fits the benchmark's inputs: find a gain that does not depend on them"
    if record.reason is Reason.SAME:
        return (
            f"`autoresearch apply {record.number}` brings the edit back to mend it: "
            "its output must stay byte for byte the same"
        )
    larger = ", or make its effect much larger" if record.reason is Reason.NOT_BETTER else ""
    return f"drop the idea{larger}"


def _after_limits(record: Experiment) -> str:
    noisy = [limit.name for limit in record.limits if limit.is_too_noisy]
    if noisy and not any(not limit.held for limit in record.limits if limit.name not in noisy):
        return (
            f"{', '.join(noisy)} varies too much to be proven within its limit: tell a human, who "
            "can widen the limit or give verify more work (`amend`); use `--again` once if the "
            "gain is large"
        )
    return "find a way that is cheaper in the limited metric"


def next_after_refusal(record: Refusal) -> str:
    """What the agent does after a refusal."""
    if record.reason is Reason.OUTSIDE:
        return (
            "`autoresearch drop --outside` puts them back; keep to the scope, then try again "
            "(only a human may change what measures: `amend`)"
        )
    if record.reason is Reason.ENVIRONMENT:
        return (
            "put back what changed (a package, a linked folder), then try again; if it is meant to "
            "stay, tell a human, who adopts it with `autoresearch amend` (a new epoch and baseline)"
        )
    if record.reason is Reason.DUPLICATE:
        return (
            f"`autoresearch show {record.related}` shows how it went; change the idea, or race "
            "the same tree once more with `--again` (where only the guard failed, the race stands)"
        )
    if record.reason is Reason.SAME_PROGRAM:
        return "change what the program does; `--again` races it all the same"
    return "edit a file in scope, then try again"
