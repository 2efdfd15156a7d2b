"""Commands that look at a session: status, brief, log."""

from __future__ import annotations

import click

from autoresearch.cli.app import picked
from autoresearch.cli.verdicts import is_unvalidated, watched_lines
from autoresearch.core import budget, formatting, wire
from autoresearch.core.budget import cost_line
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_line
from autoresearch.core.history import History, Tried
from autoresearch.core.model import RaceRecord, Reason, Verdict
from autoresearch.core.views import claim, counts, interventions_line, kept_lines, review_lines
from autoresearch.core.worth import price_of
from autoresearch.edges.index import Search
from autoresearch.edges.places import shown_path
from autoresearch.loop.holdout_log import HoldoutStanding, standing
from autoresearch.loop.logbook import at_work, briefing, plateau_line
from autoresearch.loop.session import Session, reading

BRIEF_BYTES = 6144
LOG_SHOWN = 20
TREND_LOOKS_BACK = 500
EXIT_GATE = 4


@click.option("--trend", is_flag=True, help="How it is going: keep rate, ideas that win, advice.")
@click.option("--gate", is_flag=True, help="With --trend: exit 4 where stopping is advised.")
def status_command(*, trend: bool, gate: bool) -> Answer:
    """Show experiments, keeps, validated gain and remaining budget.

    Example: autoresearch status
    """
    if gate and not trend:
        raise click.UsageError("--gate belongs to --trend")
    if trend:
        return _trend(gate=gate)
    with reading("status") as session:
        history, contract = session.history, session.contract
        halt = budget.halt(history, contract)
        unit = contract.metric.unit
        cost, doing, holdout = cost_line(history), at_work(session), standing(session)
        outlook = plateau_line(budget.outlook_of(history, contract))
        lines = [
            f"session {session.name}: {counts(history)}",
            *([f"DONE: {halt.text}"] if halt else []),
            *([f"now: {doing}"] if doing else []),
            *review_lines(history, unit),
            f"goal: {clean_line(contract.goal)}",
            f"gain: {claim(history, unit)}",
            *([f"changed by people: {told}"] if (told := interventions_line(history)) else []),
            *kept_lines(history, unit),
            f"budget: {budget.remaining(history, contract.budget).described()}",
            *([cost] if cost else []),
            *([f"outlook: {outlook}"] if history.last_number and not halt else []),
            *([] if holdout is None else [_holdout_line(holdout)]),
            f"sandbox: {'none' if history.epoch is None else history.epoch.sandbox}",
        ]
        if history.rebuilt is not None:
            lines.append(f"rebuilt from refs at {history.rebuilt}; see docs/recovery.md")
        step = "report" if halt else "`autoresearch brief`"
        if is_unvalidated(history):
            on = "" if halt else ", or `brief` goes on"
            step = f"`autoresearch validate` measures the gain{on}"
        return Answer(lines=tuple(lines), data=_facts(session, history, holdout), next_step=step)


def _trend(*, gate: bool) -> Answer:
    """How the session is going, and whether a script should stop it."""
    from autoresearch.core import trends  # noqa: PLC0415 - only where it is asked for

    with reading("status") as session:
        history, contract = session.history, session.contract
        tried = session.index.experiments(Search(limit=TREND_LOOKS_BACK))
        found = trends.trend_of(history, tried, contract)
        halt, price = budget.halt(history, contract), price_of(history, contract)
        stop = halt is not None or found.outlook.stop or (price and price.is_worth_it is False)
        lines = [*trends.trend_lines(found, contract.metric.unit)]
        lines += [f"one more experiment: {price.described(contract.metric.unit)}"] if price else []
        lines += [f"DONE: {halt.text}"] if halt else []
        return Answer(
            lines=tuple(lines),
            data={
                **wire.to_object(found),
                "rate": found.rate,
                "price": None if price is None else price._asdict(),
                "worth_it": None if price is None else price.is_worth_it,
                "stop": bool(stop),
            },
            exit_code=EXIT_GATE if gate and stop else 0,
            next_step="`autoresearch validate` measures the gain" if stop else "`brief` goes on",
        )


def _holdout_line(found: HoldoutStanding) -> str:
    """How often the holdout passed, and where its values lie for people."""
    advisory = f" (advisory: {found.advisory})" if found.advisory else ""
    where = f"; values, for people: {shown_path(found.table)}" if found.checked else ""
    return f"holdout: {found.passed} of {found.checked} passed{advisory}{where}"


def _facts(
    session: Session, history: History, holdout: HoldoutStanding | None
) -> dict[str, object]:
    validated, used = history.validation, history.spending
    return {
        "session": session.name,
        "branch": session.branch,
        "state_folder": str(session.places.state),
        "experiments": history.last_number,
        "kept": history.kept_count,
        "incumbent": history.incumbent_commit,
        "incumbent_experiment": history.incumbent_number,
        "epoch": history.epoch_number,
        **picked(history, "stopped rebuilt interventions"),
        "suspicious": [kept.number for kept in history.suspicious],
        "holdout": None if holdout is None else {**holdout._asdict(), "table": str(holdout.table)},
        "validation": None if validated is None else wire.to_object(validated),
        "run": None if history.run is None else wire.to_object(history.run),
        "cost": {
            "tokens": used.tokens,
            "usd": None if used.unpriced or used.unmetered else used.usd,
            "unpriced": used.unpriced,
            "unmetered": used.unmetered,
        },
    }


def brief_command() -> Answer:
    """Show everything you need to know before an experiment.

    At most 1,500 tokens, estimated as UTF-8 bytes / 3.5. Read it once a run and after a compaction.

    Example: autoresearch brief
    """
    with reading("brief") as session:
        text, step = briefing(session)
        return Answer(
            lines=tuple(text.splitlines()),
            data={"brief": text},
            next_step=step,
            max_lines=400,
            max_bytes=BRIEF_BYTES,
        )


@click.option(
    "--verdict", type=click.Choice([v.value for v in Verdict if v is not Verdict.REFUSED])
)
@click.option("--reason", type=click.Choice([r.value for r in Reason]))
@click.option("--path", help="Only experiments that changed this file, or a file below it.")
@click.option(
    "--grep", help="Only experiments whose message, hypothesis or reason contains this text."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=LOG_SHOWN, show_default=True)
@click.option("--oldest-first", is_flag=True)
def log_command(
    verdict: str | None, reason: str | None, path: str | None, grep: str | None, *,
    limit: int, oldest_first: bool,
) -> Answer:  # fmt: skip
    """List experiments, newest first, with filters.

    Example: autoresearch log --verdict discard --path src/parser.py
    """
    with reading("log") as session:
        search = Search(
            verdict=None if verdict is None else Verdict(verdict),
            reason=None if reason is None else Reason(reason),
            text=grep,
            path=path,
            limit=limit,
            newest_first=not oldest_first,
        )
        found = tuple(session.index.experiments(search))
        total = session.progress.last_number
        unit = session.contract.metric.unit
        contract = session.contract
        races = [_race_of(session, tried) for tried in found] if contract.secondary else []
        watched = [", ".join(watched_lines(race, contract)) for race in races] or [""] * len(found)
        rows = tuple(
            f"{_row(tried, unit)}{f'  ({more})' if more else ''}"
            for tried, more in zip(found, watched, strict=True)
        ) or ("no experiments match",)
        return Answer(
            lines=(*rows, f"{len(found)} of {formatting.count(total, 'experiment')} shown"),
            data={"experiments": [wire.to_object(tried) for tried in found]},
            next_step="`autoresearch show N` prints one whole, with its diff",
            max_lines=limit + 4,
            max_bytes=max(WIDE_BYTES, limit * (200 + 80 * len(contract.secondary))),
        )


def _race_of(session: Session, tried: Tried) -> RaceRecord | None:
    record = session.index.record(tried.number)
    return None if record is None else record.race


def _row(tried: Tried, unit: str) -> str:
    effect = tried.effect
    moved = "" if effect is None else formatting.change(effect.change, effect.scale, unit)
    words = formatting.verdict(tried.verdict, tried.reason, tried.flags)
    lines = f"+{tried.lines_added} -{tried.lines_removed}"
    return (
        f"{tried.number:>4}  {words:<22} {moved:>9} {lines:>9} "
        f"{formatting.duration(tried.duration_s):>7}  {clean_line(tried.message, 60)}"
    )
