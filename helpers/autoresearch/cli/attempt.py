"""The command of every experiment: try."""

from __future__ import annotations

import click

from autoresearch.cli import verdicts
from autoresearch.cli.app import listed, screen
from autoresearch.core import budget, hostlimits, wire
from autoresearch.core.formatting import Answer, clean_line
from autoresearch.core.model import Kind, Reason, Verdict
from autoresearch.core.records import Experiment, Record
from autoresearch.edges.index import Search
from autoresearch.loop.candidate import Request
from autoresearch.loop.experiment import Dry, Result, dry_run, try_experiment
from autoresearch.loop.logbook import forecast_s
from autoresearch.loop.recover import writing
from autoresearch.loop.session import Session

TREND_LOOKS_BACK = 500
TREND_EVERY = 10


@click.option("-m", "--message", help="What you changed and why, in one sentence.")
@click.option("--hypothesis", help="What you expect, and why.")
@click.option("--idea", type=click.IntRange(min=1), help="Number of the open idea that this tries.")
@click.option(
    "--rework",
    "kind",
    flag_value="rework",
    help="The edit mends an experiment that failed the guard.",
)
@click.option(
    "--simplify",
    "kind",
    flag_value="simplify",
    help="Keep smaller code if it costs next to nothing.",
)
@click.option(
    "--again", "kind", flag_value="again", help="Race a tree again that was tried before."
)
@click.option(
    "--dry", is_flag=True, help="Only build it and run verify and guard once; nothing is recorded."
)
def try_command(
    message: str | None, hypothesis: str | None, idea: int | None, kind: str | None, *, dry: bool
) -> Answer:
    """Race the edited tree against the incumbent; keep or put back.

    Commits exactly the files in scope that differ, races both programs, runs the guard, and
    carries out the verdict: keep, discard, rework, crash or violation (exit 0), refused (exit 1).

    --dry says whether verify and guard pass and the limits hold, never the number. It costs no
    experiment.

    Example: autoresearch try -m "cache the compiled pattern: it is rebuilt for every line"
    """
    if dry:
        with writing("try") as session, screen() as shown:
            return _dry_answer(session, dry_run(session, shown.caller))
    if message is None:
        raise click.UsageError("Missing option '-m' / '--message'.")
    request = Request(
        message=message, hypothesis=hypothesis, idea=idea, kind=Kind(kind or Kind.PLAIN.value)
    )
    with writing("try") as session, screen() as shown:
        result = try_experiment(session, shown.caller, request)
        if session.contract.notify is not None:
            from autoresearch.loop.notifying import notify_of  # noqa: PLC0415 - seldom asked for

            notify_of(session, result.record)
        return _answer(session, result)


def _dry_answer(session: Session, found: Dry) -> Answer:
    guard = "none" if found.guard is None else "passed" if found.guard.passed else "FAILED"
    same = "none" if found.same is None else "DIFFERS" if found.failed is Reason.SAME else "equal"
    lines = [f"dry run: {found.failure or 'verify passes'}"]
    if not found.failure:
        lines += [f"guard: {guard}", f"same: {same}"]
        lines += [
            f"limit {name}: {'held' if held else 'NOT held'} here" for name, held in found.limits
        ]
    if found.output:
        lines += verdicts.output_lines(session.places.state / found.output)
    passes = not found.failure and found.failed is None and all(held for _, held in found.limits)
    return Answer(
        lines=tuple(lines),
        data={
            "dry": True,
            "passes": passes,
            "verify": not found.failure,
            "guard": guard.lower(),
            "same": same.lower(),
            "limits": dict(found.limits),
        },
        next_step="`autoresearch try -m …` measures it"
        if passes
        else "mend it; the edit is as it was",
    )


def _answer(session: Session, result: Result) -> Answer:
    history = session.history
    halt = budget.halt(history, session.contract)
    record, data = result.record, dict[str, object]()
    if isinstance(record, Experiment):
        lines = [*verdicts.experiment_lines(record, session.contract)]
        if result.output:
            lines += verdicts.output_lines(session.places.state / result.output)
        step, verdict = verdicts.next_after(record, halt, history), record.verdict.value
    else:
        named = record.reason.value.replace("_", " ")
        reason = "," if record.reason is Reason.ENVIRONMENT else f" ({named}):"
        lines = [f"refused{reason} {record.detail}"]
        step, verdict = verdicts.next_after_refusal(record), "refused"
        if halt is not None:
            step = verdicts.done(halt, history)
        code = f"refused_{record.reason.value}"
        data = {"error": {"code": code, "message": record.detail, "hint": step}}
    race = getattr(record, "race", None)
    watched = {"secondary": verdicts.watched_data(race, session.contract)} if race else {}
    return Answer(
        lines=(*lines, *_beside(result), *_budget_lines(session), *_trend_lines(session, record)),
        data={
            **data,
            "verdict": verdict,
            "record": wire.to_object(record),
            "output": str(session.places.state / result.output) if result.output else None,
            "left": list(result.left),
            "near": None if result.near is None else result.near.number,
            **watched,
        },
        next_step=step,
        exit_code=1 if data else 0,
    )


def _trend_lines(session: Session, record: Record) -> list[str]:
    """One line after every tenth experiment."""
    if not isinstance(record, Experiment) or record.number % TREND_EVERY:
        return []
    from autoresearch.core import trends  # noqa: PLC0415 - one answer in ten

    history, contract = session.history, session.contract
    tried = session.index.experiments(Search(limit=TREND_LOOKS_BACK))
    return [trends.short_line(trends.trend_of(history, tried, contract), contract.metric.unit)]


def _beside(result: Result) -> list[str]:
    """What else the reader should know of the tree and the change."""
    lines = [f"left alone: {clean_line(left)}" for left in result.left]
    lines += [f"warning: {warning}" for warning in result.warnings]
    if result.near is not None:
        share = f"{result.near.share:.0%}"
        lines.append(
            f"near duplicate: {share} of its lines were in experiment {result.near.number}"
        )
    record = result.record
    if isinstance(record, Experiment) and record.verdict is Verdict.KEEP and record.idea:
        lines.append(f"idea {record.idea} is closed")
    if result.outside:
        lines.append(f"ignored (untracked, outside the scope): {listed(result.outside)}")
    return lines


def _budget_lines(session: Session) -> list[str]:
    history = session.history
    lines = [f"budget: {budget.remaining(history, session.contract.budget).described()}"]
    if budget.halt(history, session.contract) is None:
        advised = hostlimits.time_advice(forecast_s(session, history))
        lines += [f"time: {advised}"] if advised else []
    return lines
