"""The chapters of a report in words: titles, sentences and tables of plain text, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from autoresearch.core import budget, formatting
from autoresearch.core.contract import render_words
from autoresearch.core.decision import gain_of
from autoresearch.core.formatting import clean_line, markdown_line
from autoresearch.core.history import Tried
from autoresearch.core.model import Flag, NoteKind, Scale, Verdict
from autoresearch.core.views import claim, counts, estimate
from autoresearch.reporting.night import Night, Traced

LONG = 2_000
"""Characters of a note, or of a reason: as long as any that the log takes."""

ROWS_SHOWN = 500
"""Rows of any table but that of the experiments."""


class Chapter(NamedTuple):
    """One part of the report.

    Attributes:
        name: of its place in the page.
        lines: sentences before the table.
        head, rows: a table; no head, no table.
        left_out: rows that are not shown.
    """

    name: str
    title: str
    lines: tuple[str, ...]
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    left_out: int = 0


def headline(night: Night) -> str:
    """The one sentence of the morning: the validated gain, or that there is none."""
    if not night.experiments:
        return "No experiment yet: there is nothing to report."
    found = claim(night.history, night.unit)
    return found[0].upper() + found[1:]


def chapters(night: Night) -> tuple[Chapter, ...]:
    """All chapters but the table of experiments, in the order of their importance."""
    made = (_review, _kept, _secondary, _holdout, _cost, _noise, _doubts, _refused)
    noted = (
        _noted(night, kind, title)
        for kind, title in (
            (NoteKind.LESSON, "Lessons"),
            (NoteKind.DEAD_END, "Dead ends"),
            (NoteKind.IDEA, "Open ideas"),
        )
    )
    contract = Chapter("contract", "Contract", tuple(render_words(night.contract)))
    found = chain((make(night) for make in made), noted, (contract,))
    return tuple(one for one in found if one is not None)


def summary(night: Night) -> tuple[str, ...]:
    """What stands below the headline."""
    history = night.history
    halt = budget.halt(history, night.contract)
    worthless = history.last_number * night.contract.race.alpha
    return (
        f"{counts(history)}.",
        f"Of the keeps, at most {formatting.number(worthless)} are expected to be worthless "
        f"(alpha {night.contract.race.alpha:.2g} for each experiment).",
        f"Budget: {budget.remaining(history, night.contract.budget).described()}.",
        *([f"Done: {clean_line(halt.text)}."] if halt else []),
    )


def moved(one: Tried, unit: str) -> str:
    """What a race estimated, with its interval."""
    return "" if one.effect is None else formatting.effect(one.effect, unit)


def _table(
    name: str, title: str, lines: Sequence[str], head: str, rows: Iterable[tuple[str, ...]]
) -> Chapter:
    every = iter(rows)
    shown = tuple(islice(every, ROWS_SHOWN))
    return Chapter(name, title, tuple(lines), tuple(head.split("|")), shown, sum(1 for _ in every))


def _review(night: Night) -> Chapter:
    """What a human is to look at, most urgent first."""
    return Chapter("review", "What to review, in order", tuple(_to_review(night)))


def _to_review(night: Night) -> Iterator[str]:
    history, standing = night.history, [one for one in night.kept if not one.undone]
    if history.validation is not None and history.validation.final_guard is False:
        yield "The final guard fails on the last commit: nothing may be merged before it passes."
    for one in standing:
        if Flag.SUSPICIOUS in one.flags and one.number not in history.accepted:
            why = clean_line("; ".join(one.suspicions), LONG)
            yield f"Experiment {one.number}, kept but suspicious: {why}."
    for one in night.experiments:
        if one.verdict is Verdict.VIOLATION:
            yield f"Experiment {one.number}, a violation: {clean_line(one.detail, LONG)}."
    for left in night.ablations:
        if left.doubtful:
            yield f"Experiment {left.experiment}: without it the program is hardly worse."
    new = [one for one in standing if _is_new(one, night)]
    if new:
        numbers = formatting.numbers([one.number for one in new])
        yield f"Not validated yet: {numbers}. `autoresearch validate` measures the gain."
    direction = night.contract.metric.direction
    sized = [one for one in standing if one.effect is not None]
    sized.sort(key=lambda one: -gain_of(one.effect, direction) if one.effect else 0.0)
    if sized:
        numbers = formatting.numbers([one.number for one in sized])
        yield f"Then the diffs of the kept changes, the largest gains first: {numbers}."
        yield f"To merge: the branch autoresearch/{clean_line(night.session, 60)}."
    else:
        yield "Nothing was kept, so there is nothing to merge."


def _is_new(one: Tried, night: Night) -> bool:
    validated = night.history.validation
    return validated is None or one.number > validated.after


def _kept(night: Night) -> Chapter | None:
    if not night.kept:
        return None
    return _table(
        "kept",
        "Kept changes",
        ("Estimates of single races: not validated, and too large on average.",),
        "#|change|estimate|lines|commit|cost since the keep before",
        (
            (
                str(one.number),
                clean_line(one.message, LONG),
                estimate(one, night.unit),
                f"+{one.lines_added} -{one.lines_removed}",
                formatting.short_hash(one.commit),
                cost,
            )
            for one, cost in zip(night.kept, _costs(night), strict=True)
        ),
    )


def _costs(night: Night) -> Iterator[str]:
    """What was spent for each keep, on it and on all that failed before it."""
    seconds, tokens, usd, known, priced = 0.0, 0, 0.0, True, True
    for one in night.experiments:
        seconds += one.duration_s
        if one.spent is None:
            known = False
        else:
            tokens += one.spent.tokens
            usd += one.spent.usd or 0.0
            priced &= one.spent.usd is not None
        if one.verdict is Verdict.KEEP:
            parts = [formatting.duration(seconds)]
            parts += [formatting.tokens(tokens)] if known else []
            parts += [formatting.dollars(usd)] if known and priced else []
            yield ", ".join(parts)
            seconds, tokens, usd, known, priced = 0.0, 0, 0.0, True, True


def _secondary(night: Night) -> Chapter | None:
    if not night.contract.secondary:
        return None
    baseline = dict(night.epochs[-1].secondary) if night.epochs else {}
    rows = []
    for one in night.contract.secondary:
        values = sorted(baseline.get(one.name, ()))
        scale = Scale.RATIO if one.limit_relative else Scale.DIFFERENCE
        unit, loss = clean_line(one.unit, 20), night.history.secondary_loss(one.name)
        limit = "none" if one.limit is None else formatting.change(one.limit, scale, unit)
        start = formatting.with_unit(values[len(values) // 2], unit) if values else "unknown"
        lost = "" if one.limit is None else formatting.change(loss, scale, unit)
        rows.append((one.name, formatting.better(one.direction), start, lost, limit))
    return _table(
        "secondary",
        "Secondary metrics",
        ("Losses are estimates, summed over the kept changes; a minus is a gain.",),
        "metric|direction|baseline|loss since|limit",
        rows,
    )


def _holdout(night: Night) -> Chapter | None:
    found = night.holdout
    if found is None:
        return None
    lines = [f"{found.passed} of {found.checked} checks passed."]
    lines += [f"Advisory only: {found.advisory}."] if found.advisory else []
    lines.append(f"Its values are for people, and not on this page: {clean_line(str(found.table))}")
    return Chapter("holdout", "Holdout", tuple(lines))


def _cost(night: Night) -> Chapter:
    history = night.history
    line = budget.cost_line(history)
    each = history.active_s / history.kept_count if history.kept_count else None
    return Chapter(
        "cost",
        "Cost",
        (
            line[0].upper() + line[1:] if line else "What the agent used is not known.",
            f"Time: {formatting.duration(history.active_s)} of measuring and thinking"
            + ("" if each is None else f", {formatting.duration(each)} for each kept change"),
        ),
    )


def _noise(night: Night) -> Chapter | None:
    by_machine: dict[int, list[Traced]] = {}
    for seen in night.seen:
        if seen.machine:
            by_machine.setdefault(seen.machine, []).append(seen)
    if not by_machine:
        return None
    scale = night.contract.metric.scale
    rows = []
    for number, found in by_machine.items():
        sizes = sorted(one.noise for one in found if one.noise is not None)
        middle = sizes[len(sizes) // 2] if sizes else None
        rows.append(
            (
                str(number),
                f"{found[0].number} to {found[-1].number}",
                "none" if middle is None else formatting.magnitude(middle, scale, night.unit),
                "none" if middle is None else formatting.magnitude(sizes[-1], scale, night.unit),
            )
        )
    return _table(
        "noise",
        "Noise and machines",
        ("A machine that was started anew counts as another one.",),
        "machine|experiments|middle difference of equal code|of its noisiest race",
        rows,
    )


def _doubts(night: Night) -> Chapter | None:
    doubtful = [
        one
        for one in night.experiments
        if one.verdict is Verdict.VIOLATION or one.suspicions or Flag.SUSPICIOUS in one.flags
    ]
    if not doubtful:
        return None
    return _table(
        "doubts",
        "Suspicious and violating attempts",
        (),
        "#|verdict|estimate|why|change",
        (
            (
                str(one.number),
                formatting.verdict(one.verdict, one.reason, one.flags),
                moved(one, night.unit),
                clean_line("; ".join(one.suspicions) or one.detail, LONG),
                clean_line(one.message, LONG),
            )
            for one in doubtful
        ),
    )


def _refused(night: Night) -> Chapter | None:
    if not night.refusals:
        return None
    tally = Counter(one.reason.value for one in night.refusals)
    return _table(
        "refused",
        "Refused, never measured",
        (", ".join(f"{amount} {reason}" for reason, amount in sorted(tally.items())) + ".",),
        "when|reason|why|change",
        (
            (one.at, one.reason.value, clean_line(one.detail), clean_line(one.message))
            for one in reversed(night.refusals)
        ),
    )


def _noted(night: Night, kind: NoteKind, title: str) -> Chapter | None:
    notes = night.noted(kind)
    if not notes:
        return None
    rows = ((str(one.number), clean_line(one.text, LONG)) for one in notes)
    return _table(kind.value.replace("_", "-"), title, (), "#|note", rows)


def markdown(night: Night, security: Callable[[], str]) -> str:
    """The whole report as Markdown; of the experiments all rows.

    Args:
        night: what is reported.
        security: writes the security section; "" for none.
    """
    head = ("#", "verdict", "estimate", "lines", "epoch", "machine", "change")
    rows = tuple(
        (
            str(one.number),
            formatting.verdict(one.verdict, one.reason, one.flags),
            moved(one, night.unit),
            f"+{one.lines_added} -{one.lines_removed}",
            str(one.epoch),
            str(seen.machine or ""),
            clean_line(one.message),
        )
        for one, seen in zip(night.experiments, night.seen, strict=True)
    )
    first, *rest = chapters(night)
    table = Chapter("experiments", "Experiments", (), head, rows) if rows else None
    lines = [
        f"# {markdown_line(night.session)}: {markdown_line(night.contract.goal)}",
        "",
        f"**{markdown_line(headline(night), LONG)}**",
        "",
        *(f"- {markdown_line(line, LONG)}" for line in summary(night)),
        "",
    ]
    for chapter in (first, *([table] if table else []), *rest):
        lines += _written(chapter)
    return "\n".join([*lines, *security().splitlines()]).rstrip() + "\n"


def _written(chapter: Chapter) -> Iterator[str]:
    yield f"## {chapter.title}"
    yield ""
    yield from (f"- {markdown_line(line, LONG)}" for line in chapter.lines)
    if chapter.lines:
        yield ""
    if chapter.head:
        yield f"| {' | '.join(chapter.head)} |"
        yield "|---" * len(chapter.head) + "|"
        for row in chapter.rows:
            yield f"| {' | '.join(markdown_line(cell, LONG) for cell in row)} |"
        yield ""
    if chapter.left_out:
        yield f"{chapter.left_out} more: `autoresearch log`."
        yield ""
