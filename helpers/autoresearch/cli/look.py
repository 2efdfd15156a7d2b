"""Commands that only look: status, log, show, doctor."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import click

from autoresearch.cli.app import answers
from autoresearch.cli.words import (
    experiment_lines,
    is_unvalidated,
    output_of,
    remaining_line,
    value_lines,
)
from autoresearch.core import budget, formatting, jsonform
from autoresearch.core.answer import WIDE_BYTES, Answer
from autoresearch.core.costs import cost_line, spent_words
from autoresearch.core.formatting import clean_block, clean_line, fence
from autoresearch.core.history import Search
from autoresearch.core.model import Reason, Verdict
from autoresearch.core.views import claim, counts, estimate
from autoresearch.edges.places import shown_path
from autoresearch.loop.opening import reading

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.core.history import History, Tried
    from autoresearch.loop.session import Session

KEPT_SHOWN = 8
REVIEW_SHOWN = 4
LOG_SHOWN = 20
DIFF_LINES = 120
GONE = (
    "diff: gone, no ref holds it any more; `autoresearch doctor` says whether `gc` removed the ref"
)


@click.command("status")
@answers
def status_command() -> Answer:
    """Show experiments, keeps, validated gain and remaining budget.

    Example: autoresearch status
    """
    from autoresearch.loop.briefing import at_work  # noqa: PLC0415 - start fast

    with reading("status") as session:
        history, contract = session.index.history(), session.contract
        halt = budget.halt(history, contract)
        unit = contract.metric.unit
        doing = at_work(session)
        cost = cost_line(history)
        lines = [
            f"session {session.name}: {counts(history)}",
            f"goal: {clean_line(contract.goal)}",
            f"gain: {claim(history, unit)}",
            *_kept_lines(history, unit),
            remaining_line(budget.remaining(history, contract.budget)),
            *([cost] if cost else []),
            *([] if halt else [f"outlook: {_outlook(session, history)}"]),
            *_holdout_lines(session),
            f"sandbox: {'none' if history.epoch is None else history.epoch.sandbox}",
        ]
        lines[1:1] = _review_lines(history, unit)
        if history.rebuilt is not None:
            lines.append(f"rebuilt from refs at {history.rebuilt}; see docs/recovery.md")
        if doing:
            lines.insert(1, f"now: {doing}")
        if halt is not None:
            lines.insert(1, f"DONE: {halt.text}")
        return Answer(
            lines=tuple(lines),
            data=_status_facts(session, history),
            next_step=_status_step(history, done=halt is not None),
        )


def _review_lines(history: History, unit: str) -> list[str]:
    """What a human is to look at first."""
    found = history.suspicious
    if not found:
        return []
    lines = [f"REVIEW FIRST: {formatting.count(len(found), 'suspicious keep')}"]
    for kept in found[:REVIEW_SHOWN]:
        why = clean_line("; ".join(kept.suspicions), 160)
        lines.append(f"  {kept.number:>4}  {estimate(kept, unit)}: {why}")
    if len(found) > REVIEW_SHOWN:
        lines.append(f"  … {len(found) - REVIEW_SHOWN} earlier")
    lines.append("  `autoresearch show N` prints its diff, `autoresearch undo N` takes it back")
    return lines


def _kept_lines(history: History, unit: str) -> list[str]:
    if not history.kept:
        return ["kept: nothing yet"]
    lines = [f"kept: {history.kept_count} (estimates of single races)"]
    lines += [
        f"  {kept.number:>4}  {estimate(kept, unit):<32} {clean_line(kept.message, 60)}"
        for kept in history.kept[:KEPT_SHOWN]
    ]
    if history.kept_count > KEPT_SHOWN:
        lines.append(f"  … {history.kept_count - KEPT_SHOWN} earlier")
    return lines


def _holdout_lines(session: Session) -> list[str]:
    """How often the holdout passed, and where its values lie for people."""
    from autoresearch.loop.holdout import standing  # noqa: PLC0415 - start fast

    found = standing(session)
    if found is None:
        return []
    line = f"holdout: {found.passed} of {found.checked} passed"
    if found.advisory:
        line += f" (advisory: {found.advisory})"
    where = f"; values, for people: {shown_path(found.table)}" if found.checked else ""
    return [line + where]


def _holdout_facts(session: Session) -> dict[str, object] | None:
    from autoresearch.loop.holdout import standing  # noqa: PLC0415 - as above

    found = standing(session)
    return None if found is None else {**found._asdict(), "table": str(found.table)}


def _outlook(session: Session, history: History) -> str:
    from autoresearch.loop.memory import plateau_line  # noqa: PLC0415 - start fast

    return plateau_line(budget.outlook_of(history, session.contract))


def _status_step(history: History, *, done: bool) -> str:
    if is_unvalidated(history):
        return "`autoresearch validate` measures the gain" + (
            "" if done else ", or `brief` goes on"
        )
    return "report" if done else "`autoresearch brief`"


def _status_facts(session: Session, history: History) -> dict[str, object]:
    validated = history.validation
    return {
        "session": session.name,
        "branch": session.branch,
        "state_folder": str(session.places.state),
        "experiments": history.last_number,
        "kept": history.kept_count,
        "incumbent": history.incumbent_commit,
        "incumbent_experiment": history.incumbent_number,
        "epoch": history.epoch_number,
        "stopped": history.stopped,
        "rebuilt": history.rebuilt,
        "suspicious": [kept.number for kept in history.suspicious],
        "holdout": _holdout_facts(session),
        "validation": None if validated is None else jsonform.to_object(validated),
        "run": None if history.run is None else jsonform.to_object(history.run),
        "cost": {
            "tokens": history.spent_tokens,
            "usd": None if history.unpriced or history.unmetered else history.spent_usd,
            "unpriced": history.unpriced,
            "unmetered": history.unmetered,
        },
    }


@click.command("log")
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
@answers
def log_command(
    *,
    verdict: str | None,
    reason: str | None,
    path: str | None,
    grep: str | None,
    limit: int,
    oldest_first: bool,
) -> Answer:
    """List experiments, newest first, with filters.

    Example: autoresearch log --verdict discard --path src/parser.py
    """
    with reading("log") as session:
        found = tuple(
            session.index.experiments(
                Search(
                    verdict=None if verdict is None else Verdict(verdict),
                    reason=None if reason is None else Reason(reason),
                    text=grep,
                    path=path,
                    limit=limit,
                    newest_first=not oldest_first,
                )
            )
        )
        total = session.progress.last_number
        unit = session.contract.metric.unit
        rows = tuple(_row(tried, unit) for tried in found) or ("no experiments match",)
        return Answer(
            lines=(*rows, f"{len(found)} of {formatting.count(total, 'experiment')} shown"),
            data={"experiments": [jsonform.to_object(tried) for tried in found]},
            next_step="`autoresearch show N` prints one whole, with its diff",
            max_lines=limit + 4,
            max_bytes=max(WIDE_BYTES, limit * 200),
        )


def _row(tried: Tried, unit: str) -> str:
    moved = (
        ""
        if tried.effect is None
        else formatting.change(tried.effect.change, tried.effect.scale, unit)
    )
    words = formatting.verdict(tried.verdict, tried.reason, tried.flags)
    lines = f"+{tried.lines_added} -{tried.lines_removed}"
    return (
        f"{tried.number:>4}  {words:<22} {moved:>9} {lines:>9} "
        f"{formatting.duration(tried.duration_s):>7}  {clean_line(tried.message, 60)}"
    )


@click.command("show")
@click.argument("number", type=click.IntRange(min=1))
@answers
def show_command(number: int) -> Answer:
    """Show one experiment: verdict, samples, guard and diff.

    Example: autoresearch show 17
    """
    from autoresearch.edges.gitdiff import diff  # noqa: PLC0415 - start fast
    from autoresearch.loop.rewind import find  # noqa: PLC0415 - start fast

    with reading("show") as session:
        find(session, number)
        record = session.index.record(number)
        if record is None:
            raise click.ClickException(f"experiment {number} is in the index but not in the log")
        output = output_of(record)
        is_there = session.repo.resolve(record.commit) is not None
        text = diff(session.repo, record.parent, record.commit) if is_there else b""
        cut = b"\n".join(text.split(b"\n")[:DIFF_LINES])
        shown = clean_block(cut, max_lines=DIFF_LINES, max_bytes=WIDE_BYTES - 2500)
        lines = [
            *experiment_lines(record, session.contract),
            f"message: {clean_line(record.message)}",
            *([f"hypothesis: {clean_line(record.hypothesis)}"] if record.hypothesis else []),
            *([f"idea: {record.idea}"] if record.idea else []),
            *([f"related: experiment {record.related}"] if record.related else []),
            *value_lines(record, session.contract),
            f"when: {record.at}, took {formatting.duration(record.duration_s)}, "
            f"sandbox {record.sandbox}, epoch {record.epoch}",
            *([f"cost: {spent_words(record.spent)}"] if record.spent else []),
            f"commit: {record.commit} ({session.ref(number)})",
            f"lines: +{record.lines_added} -{record.lines_removed} in "
            f"{formatting.count(len(record.paths), 'file')}",
            *_output_lines(session.places.state, output),
            *(fence(shown, secrets.token_hex(4)).splitlines() if is_there else [GONE]),
        ]
        whole = f"`git show {session.ref(number)}` prints all of it"
        brings = f"{whole}; `autoresearch apply {number}` brings it back into the tree"
        return Answer(
            lines=tuple(lines),
            data={"record": jsonform.to_object(record)},
            next_step=brings if is_there else "`autoresearch log` lists the others",
            max_lines=DIFF_LINES + 40,
            max_bytes=WIDE_BYTES,
        )


def _output_lines(state: Path, output: str) -> list[str]:
    """Where the captured output lies; the oldest does not stay for ever."""
    if not output:
        return []
    path = state / output
    return [f"output: {shown_path(path)}{'' if path.exists() else ' (removed since)'}"]


@click.command("doctor")
@answers
def doctor_command() -> Answer:
    """Check the installation and the session.

    Of the session it checks log, branch, refs, files and more, and changes nothing.

    Example: autoresearch doctor
    """
    from autoresearch.reporting.doctor import examine  # noqa: PLC0415 - start fast

    found = examine()
    lines = [f"{'ok ' if finding.fine else 'BAD'} {finding.text}" for finding in found]
    bad = [finding for finding in found if not finding.fine]
    facts: dict[str, object] = {
        "findings": [{"ok": f.fine, "text": f.text, "remedy": f.remedy} for f in found]
    }
    if bad:
        facts["error"] = {"code": "findings", "message": bad[0].text, "hint": bad[0].remedy}
    return Answer(
        lines=tuple(lines),
        data=facts,
        next_step=bad[0].remedy if bad else "all is well",
        exit_code=1 if bad else 0,
        max_bytes=WIDE_BYTES,
    )
