"""Commands of the loop: run, brief, try, note, drop, apply, profile."""

from __future__ import annotations

import random
import secrets
from typing import TYPE_CHECKING

import click

from autoresearch.cli.app import answers
from autoresearch.cli.screen import screen
from autoresearch.cli.words import (
    after_end,
    experiment_lines,
    is_unvalidated,
    next_after,
    next_after_refusal,
    output_lines,
    refusal_lines,
    remaining_line,
)
from autoresearch.core import budget, formatting, hostlimits, jsonform
from autoresearch.core.answer import Answer
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Kind, NoteKind, Verdict
from autoresearch.core.records import Experiment
from autoresearch.edges.places import shown_path
from autoresearch.loop.opening import reading, writing

if TYPE_CHECKING:
    from autoresearch.core.history import History
    from autoresearch.core.records import Refusal
    from autoresearch.loop.experiment import Result
    from autoresearch.loop.runs import RunState
    from autoresearch.loop.session import Session

BRIEF_BYTES = 6144


@click.command("try")
@click.option("-m", "--message", required=True, help="What you changed and why, in one sentence.")
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
@answers
def try_command(message: str, hypothesis: str | None, idea: int | None, kind: str | None) -> Answer:
    """Race the edited tree against the incumbent; keep or put back.

    Commits exactly the files in scope that differ, races both programs, runs the guard, and
    carries out the verdict: keep, discard, rework, crash or violation (exit 0), refused (exit 1).

    Example: autoresearch try -m "cache the compiled pattern: it is rebuilt for every line"
    """
    from autoresearch.loop.experiment import Request, try_experiment  # noqa: PLC0415 - start fast

    request = Request(
        message=message, hypothesis=hypothesis, idea=idea, kind=Kind(kind or Kind.PLAIN.value)
    )
    with writing("try") as session, screen() as shown:
        result = try_experiment(session, request, random.SystemRandom(), shown.watch, shown.say)
        return _tried(session, result)


def _tried(session: Session, result: Result) -> Answer:
    from autoresearch.loop.briefing import forecast_s  # noqa: PLC0415 - start fast

    history = session.index.history()
    halt = budget.halt(history, session.contract)
    record, lines = result.record, list[str]()
    if isinstance(record, Experiment):
        lines += experiment_lines(record, session.contract)
        if result.output:
            lines += output_lines(session.places.state / result.output, secrets.token_hex(4))
        step, code = next_after(record, halt, unvalidated=is_unvalidated(history)), 0
    else:
        lines += refusal_lines(record)
        step, code = next_after_refusal(record), 1
        if halt is not None:
            step = f"DONE, {halt.text}; {after_end(unvalidated=is_unvalidated(history))}"
    lines += [f"left alone: {clean_line(left)}" for left in result.left]
    lines += [f"warning: {warning}" for warning in result.warnings]
    if result.near is not None:
        share = f"{result.near.share:.0%}"
        lines.append(
            f"near duplicate: {share} of its lines were in experiment {result.near.number}"
        )
    if isinstance(record, Experiment) and record.verdict is Verdict.KEEP and record.idea:
        lines.append(f"idea {record.idea} is closed")
    if result.outside:
        named = clean_line(", ".join(result.outside[:5]))
        lines.append(f"ignored (untracked, outside the scope): {named}")
    lines.append(remaining_line(budget.remaining(history, session.contract.budget)))
    advised = hostlimits.time_advice(forecast_s(session, history)) if halt is None else ""
    if advised:
        lines.append(f"time: {advised}")
    refusal = {} if isinstance(record, Experiment) else {"error": _refusal_error(record, step)}
    return Answer(
        lines=tuple(lines),
        data={
            **refusal,
            "verdict": _verdict(result),
            "record": jsonform.to_object(record),
            "output": str(session.places.state / result.output) if result.output else None,
            "left": list(result.left),
            "near": None if result.near is None else result.near.number,
        },
        next_step=step,
        exit_code=code,
    )


def _refusal_error(record: Refusal, step: str) -> dict[str, str]:
    return {"code": f"refused_{record.reason.value}", "message": record.detail, "hint": step}


def _verdict(result: Result) -> str:
    return result.record.verdict.value if isinstance(result.record, Experiment) else "refused"


@click.command("run")
@click.argument("experiments", required=False, type=click.IntRange(1, 100_000))
@click.option(
    "--new",
    is_flag=True,
    help="Open another run after the last one finished (only if the human asked).",
)
@answers
def run_command(experiments: int | None, *, new: bool) -> Answer:
    """Open a run of EXPERIMENTS, or continue the open one.

    All calls of one agent session share its run. Once its experiments are used, the answer is
    DONE.

    Example: autoresearch run 20
    """
    from autoresearch.loop.briefing import forecast_s  # noqa: PLC0415 - start fast
    from autoresearch.loop.runs import open_run, run_advice  # noqa: PLC0415 - start fast

    with writing("run") as session:
        state = open_run(session, experiments, new=new)
        lines = [_run_line(state), remaining_line(state.remaining)]
        if state.halt is None:
            lines += run_advice(session)
        return Answer(
            lines=tuple(lines),
            data={
                "run": state.number,
                "used": state.used,
                "experiments": state.total,
                "opened": state.opened,
                "done": state.halt is not None,
                "reason": None if state.halt is None else state.halt.text,
                "forecast_s": forecast_s(session, session.progress),
            },
            next_step=_after_run(state, session.index.history()),
        )


def _run_line(state: RunState) -> str:
    if state.halt is not None:
        return f"AUTORESEARCH DONE: {state.halt.text}"
    how = "opened" if state.opened else "goes on"
    return f"run {state.number} {how}: {state.used} of {state.total} experiments used"


def _after_run(state: RunState, history: History) -> str:
    if state.halt is None:
        return "`autoresearch brief`, then one idea, edit, `autoresearch try -m …`"
    if history.pending_rework is not None and state.halt.may_rework:
        return (
            "the last experiment may still be mended: `autoresearch try --rework -m …`; then stop"
        )
    first = "`autoresearch validate`, report; then " if is_unvalidated(history) else ""
    end = f"{first}call nothing more; if a loop drives this, end it"
    how = "ScheduleWakeup with stop: true, or CronDelete"
    if state.halt.ends_session:
        return f"{end} ({how})"
    return f"{end} ({how}); only if the human has asked for more since then: `run N --new`"


@click.command("brief")
@answers
def brief_command() -> Answer:
    """Show everything you need to know before an experiment.

    At most 1,500 tokens, estimated as UTF-8 bytes / 3.5. Read it once a run and after a compaction.

    Example: autoresearch brief
    """
    from autoresearch.loop.briefing import briefing  # noqa: PLC0415 - start fast

    with reading("brief") as session:
        text, step = briefing(session)
        return Answer(
            lines=tuple(text.splitlines()),
            data={"brief": text},
            next_step=step,
            max_lines=400,
            max_bytes=BRIEF_BYTES,
        )


@click.command("note")
@click.argument("text", required=False, default="")
@click.option("--idea", "kind", flag_value="idea", help="Something still to be tried.")
@click.option("--lesson", "kind", flag_value="lesson", help="What an experiment taught (default).")
@click.option("--dead-end", "kind", flag_value="dead_end", help="What nobody should try again.")
@click.option("--retire", type=click.IntRange(min=1), help="Take this idea off the list.")
@answers
def note_command(text: str, kind: str | None, retire: int | None) -> Answer:
    """Record an idea, a lesson or a dead end, or retire an idea.

    Example: autoresearch note --lesson "the parser is bound by string copies, not by regexes"
    """
    from autoresearch.loop.notes import add_note, retire_idea  # noqa: PLC0415 - start fast

    if retire is not None and kind is not None:
        raise click.UsageError("--retire cannot be combined with another kind of note")
    with writing("note") as session:
        if retire is not None:
            note = retire_idea(session, retire, text)
            line = f"idea {note.number} is retired"
        else:
            note = add_note(session, NoteKind(kind or "lesson"), text)
            line = f"{note.kind.value.replace('_', ' ')} {note.number} is noted"
        history = session.index.history()
        halt = budget.halt(history, session.contract)
        step = "the next idea: edit, then `autoresearch try -m …`"
        if halt is not None and not (halt.may_rework and history.pending_rework is not None):
            step = f"DONE, {halt.text}; {after_end(unvalidated=is_unvalidated(history))}"
        return Answer(
            lines=(line,),
            data={"kind": note.kind.value, "number": note.number},
            next_step=step,
        )


@click.command("drop")
@click.option("--outside", is_flag=True, help="Put back files that were edited outside the scope.")
@answers
def drop_command(*, outside: bool) -> Answer:
    """Put the tree back to the incumbent, saving the edit to a ref.

    Example: autoresearch drop --outside
    """
    from autoresearch.loop.rewind import drop  # noqa: PLC0415 - start fast

    with writing("drop") as session:
        done = drop(session, outside=outside)
        lines = []
        if done.ref is None:
            lines.append("nothing to put back")
        else:
            named = clean_line(", ".join(done.paths[:5]))
            lines.append(
                f"put back {formatting.count(len(done.paths), 'file')} ({named}); "
                f"the edit is kept as {done.ref}"
            )
        lines += [f"left as it is: {clean_line(item.path)} {item.why}" for item in done.left]
        if done.outside:
            named = clean_line(", ".join(done.outside[:5]))
            lines.append(f"still edited outside the scope: {named}")
        return Answer(
            lines=tuple(lines),
            data={"ref": done.ref, "paths": list(done.paths), "outside": list(done.outside)},
            next_step="`autoresearch drop --outside` puts those back"
            if done.outside
            else "`autoresearch try -m …` with what is edited in scope, or the next idea"
            if outside
            else "the next idea: edit, then `autoresearch try -m …`",
        )


@click.command("apply")
@click.argument("number", type=click.IntRange(min=1))
@answers
def apply_command(number: int) -> Answer:
    """Bring the change of experiment NUMBER back into the tree.

    It is applied on top of the incumbent, so that you can mend, extend or combine it. Nothing is
    measured.

    Example: autoresearch apply 17
    """
    from autoresearch.loop.rewind import apply  # noqa: PLC0415 - start fast

    with writing("apply") as session:
        done = apply(session, number)
        lines = [
            f"experiment {number}: {formatting.count(len(done.paths), 'file')} changed",
        ]
        if done.conflicts:
            named = clean_line(", ".join(done.conflicts[:5]))
            lines.append(f"conflicts with later keeps, marked in the files: {named}")
        if done.unmerged:
            named = clean_line(", ".join(done.unmerged[:5]))
            lines.append(f"cannot be merged line by line, left as in the incumbent: {named}")
        lines += [f"left as it is: {clean_line(item.path)} {item.why}" for item in done.left]
        return Answer(
            lines=tuple(lines),
            data={
                "paths": list(done.paths),
                "conflicts": list(done.conflicts),
                "unmerged": list(done.unmerged),
            },
            next_step="resolve the marks, then `autoresearch try -m …`"
            if done.conflicts
            else "change it further, then `autoresearch try -m …`",
        )


@click.command("profile")
@answers
def profile_command() -> Answer:
    """Run the contract's profiler on the incumbent.

    Example: autoresearch profile
    """
    from autoresearch.loop.profile import profile  # noqa: PLC0415 - start fast

    with writing("profile") as session, screen() as shown:
        found = profile(session, shown.say)
        path = session.places.state / found.result.output
        state = "done" if found.result.passed else f"failed with exit code {found.result.exit_code}"
        return Answer(
            lines=(
                f"profiler {state}; all of it: {shown_path(path)}",
                *found.shown.splitlines(),
            ),
            data={"exit_code": found.result.exit_code, "output": str(path)},
            next_step="attack what costs most, one idea at a time",
        )
