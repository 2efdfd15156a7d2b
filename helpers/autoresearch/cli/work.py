"""Commands of the loop beside `try`: run, note, drop, apply, show, profile."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from autoresearch.cli import verdicts
from autoresearch.cli.app import listed, picked, screen
from autoresearch.core import budget, formatting, wire
from autoresearch.core.budget import Halt, spent_words
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_block, clean_line, fence
from autoresearch.core.history import History
from autoresearch.core.model import NoteKind
from autoresearch.core.records import Experiment
from autoresearch.edges.gitdiff import diff
from autoresearch.edges.places import shown_path
from autoresearch.edges.worktree import Left
from autoresearch.loop import logbook
from autoresearch.loop import undo as edits
from autoresearch.loop.logbook import forecast_s
from autoresearch.loop.recover import writing
from autoresearch.loop.runs import open_run, run_advice
from autoresearch.loop.session import Session, reading
from autoresearch.loop.validate import profile

DIFF_LINES = 120
GONE = (
    "diff: gone, no ref holds it any more; `autoresearch doctor` says whether `gc` removed the ref"
)
NEXT_IDEA = "the next idea: edit, then `autoresearch try -m …`"


@click.argument("experiments", required=False, type=click.IntRange(1, 100_000))
@click.option(
    "--new",
    is_flag=True,
    help="Open another run after the last one finished (only if the human asked).",
)
def run_command(experiments: int | None, *, new: bool) -> Answer:
    """Open a run of EXPERIMENTS, or continue the open one.

    All calls of one agent session share its run. Once its experiments are used, the answer is
    DONE.

    Example: autoresearch run 20
    """
    with writing("run") as session:
        opened = open_run(session, experiments, new=new)
        history = session.history
        halt, run = budget.halt(history, session.contract), history.run
        left = budget.remaining(history, session.contract.budget)
        number, used, total = (run.number, run.used, run.experiments) if run else (None, 0, 0)
        how = "opened" if opened else "goes on"
        lines = [f"run {number} {how}: {used} of {total} experiments used"]
        if halt is not None:
            lines = [f"AUTORESEARCH DONE: {halt.text}"]
        lines += [f"budget: {left.described()}", *([] if halt else run_advice(session))]
        return Answer(
            lines=tuple(lines),
            data={
                "run": number,
                "used": used,
                "experiments": total,
                "opened": opened,
                "done": halt is not None,
                "reason": None if halt is None else halt.text,
                "forecast_s": forecast_s(session, history),
            },
            next_step=_after_run(halt, history),
        )


def _after_run(halt: Halt | None, history: History) -> str:
    if halt is None:
        return "`autoresearch brief`, then one idea, edit, `autoresearch try -m …`"
    if history.pending_rework is not None and halt.may_rework:
        return (
            "the last experiment may still be mended: `autoresearch try --rework -m …`; then stop"
        )
    first = "`autoresearch validate`, report; then " if verdicts.is_unvalidated(history) else ""
    end = f"{first}call nothing more; if a loop drives this, end it"
    how = "ScheduleWakeup with stop: true, or CronDelete"
    if halt.ends_session:
        return f"{end} ({how})"
    return f"{end} ({how}); only if the human has asked for more since then: `run N --new`"


@click.argument("text", required=False, default="")
@click.option("--idea", "kind", flag_value="idea", help="Something still to be tried.")
@click.option("--lesson", "kind", flag_value="lesson", help="What an experiment taught (default).")
@click.option("--dead-end", "kind", flag_value="dead_end", help="What nobody should try again.")
@click.option("--retire", type=click.IntRange(min=1), help="Take this idea off the list.")
def note_command(text: str, kind: str | None, retire: int | None) -> Answer:
    """Record an idea, a lesson or a dead end, or retire an idea.

    Example: autoresearch note --lesson "the parser is bound by string copies, not by regexes"
    """
    if retire is not None and kind is not None:
        raise click.UsageError("--retire cannot be combined with another kind of note")
    with writing("note") as session:
        if retire is not None:
            note = logbook.retire_idea(session, retire, text)
            line = f"idea {note.number} is retired"
        else:
            note = logbook.add_note(session, NoteKind(kind or "lesson"), text)
            line = f"{note.kind.value.replace('_', ' ')} {note.number} is noted"
        history, step = session.history, NEXT_IDEA
        halt = budget.halt(history, session.contract)
        if halt is not None and not (halt.may_rework and history.pending_rework is not None):
            step = verdicts.done(halt, history)
        return Answer(lines=(line,), data=picked(note, "kind number"), next_step=step)


@click.option("--outside", is_flag=True, help="Put back files that were edited outside the scope.")
def drop_command(*, outside: bool) -> Answer:
    """Put the tree back to the incumbent, saving the edit to a ref.

    Example: autoresearch drop --outside
    """
    with writing("drop") as session:
        done = edits.drop(session, outside=outside)
        lines = ["nothing to put back"]
        if done.ref is not None:
            files = f"{formatting.count(len(done.paths), 'file')} ({listed(done.paths)})"
            lines = [f"put back {files}; the edit is kept as {done.ref}"]
        if done.given_up is not None:
            lines.append(
                f"experiment {done.given_up} is given up; `autoresearch apply {done.given_up}` "
                "brings its edit back"
            )
        lines += _left_lines(done.left)
        step = NEXT_IDEA
        if outside:
            step = "`autoresearch try -m …` with what is edited in scope, or the next idea"
        if done.outside:
            lines.append(f"still edited outside the scope: {listed(done.outside)}")
            step = "`autoresearch drop --outside` puts those back"
        data = picked(done, "ref paths outside given_up")
        return Answer(lines=tuple(lines), data=data, next_step=step)


def _left_lines(left: tuple[Left, ...]) -> list[str]:
    return [f"left as it is: {clean_line(item.path)} {item.why}" for item in left]


@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True, type=click.IntRange(min=1))
def apply_command(numbers: tuple[int, ...]) -> Answer:
    """Bring the change of experiment NUMBER back into the tree.

    It is merged with the incumbent, so that you can mend, extend or combine it. Several changes are
    merged with each other; where they collide, both stand in the file between marks, which `try`
    refuses. Nothing is measured.

    Example: autoresearch apply 9 10
    """
    with writing("apply") as session:
        done = edits.apply(session, numbers)
        named = formatting.count(len(numbers), "experiment").partition(" ")[2]
        lines = [
            f"{named} {formatting.listed([*map(str, numbers)])}: "
            f"{formatting.count(len(done.paths), 'file')} changed"
        ]
        first = "change it further"
        if done.conflicts:
            lines.append(
                f"conflicts with {'each other or ' if len(numbers) > 1 else ''}later keeps, "
                f"marked in the files: {listed(done.conflicts)}"
            )
            first = "resolve the marks"
        if done.unmerged:
            kept = listed(done.unmerged)
            lines.append(f"cannot be merged line by line, left as in the incumbent: {kept}")
        return Answer(
            lines=(*lines, *_left_lines(done.left)),
            data=picked(done, "paths conflicts unmerged"),
            next_step=f"{first}, then `autoresearch try -m …`",
        )


@click.option("--top", type=click.IntRange(1, 200), default=22, help="How many lines to show.")
@click.option("--grep", default="", help="Show only lines that contain this text.")
def profile_command(top: int, grep: str) -> Answer:
    """Run the contract's profiler on the incumbent.

    The file that is named holds the whole output.

    Example: autoresearch profile --top 60 --grep parse
    """
    with writing("profile") as session, screen() as shown:
        found = profile(session, shown.say, top=top, grep=grep)
        path = session.places.state / found.result.output
        state = "done" if found.result.passed else f"failed with exit code {found.result.exit_code}"
        return Answer(
            lines=(f"profiler {state}; all of it: {shown_path(path)}", *found.shown.splitlines()),
            data={"exit_code": found.result.exit_code, "output": str(path)},
            next_step="attack what costs most, one idea at a time",
            max_lines=top + 8,
            max_bytes=WIDE_BYTES * (1 + top // 100),
        )


@click.argument("number", type=click.IntRange(min=1))
def show_command(number: int) -> Answer:
    """Show one experiment: verdict, samples, guard and diff.

    Example: autoresearch show 17
    """
    with reading("show") as session:
        edits.find(session, number)
        record = session.index.record(number)
        if record is None:
            raise click.ClickException(f"experiment {number} is in the index but not in the log")
        ref, is_there = session.ref(number), session.repo.resolve(record.commit) is not None
        lines = [
            *verdicts.experiment_lines(record, session.contract),
            f"message: {clean_line(record.message)}",
            *([f"hypothesis: {clean_line(record.hypothesis)}"] if record.hypothesis else []),
            *([f"idea: {record.idea}"] if record.idea else []),
            *([f"related: experiment {record.related}"] if record.related else []),
            *verdicts.value_lines(record, session.contract),
            f"when: {record.at}, took {formatting.duration(record.duration_s)}, "
            f"sandbox {record.sandbox}, epoch {record.epoch}",
            *([f"cost: {spent_words(record.spent)}"] if record.spent else []),
            f"commit: {record.commit} ({ref})",
            f"lines: +{record.lines_added} -{record.lines_removed} in "
            f"{formatting.count(len(record.paths), 'file')}",
            *_output_lines(session.places.state, verdicts.output_of(record)),
            *(_diff_lines(session, record) if is_there else [GONE]),
        ]
        whole = f"`git show {ref}` prints all of it"
        brings = f"{whole}; `autoresearch apply {number}` brings it back into the tree"
        return Answer(
            lines=tuple(lines),
            data={
                "record": wire.to_object(record),
                "secondary": verdicts.watched_data(record.race, session.contract),
            },
            next_step=brings if is_there else "`autoresearch log` lists the others",
            max_lines=DIFF_LINES + 40,
            max_bytes=WIDE_BYTES,
        )


def _diff_lines(session: Session, record: Experiment) -> list[str]:
    lines = diff(session.repo, record.parent, record.commit).split(b"\n")[:DIFF_LINES]
    shown = clean_block(b"\n".join(lines), max_lines=DIFF_LINES, max_bytes=WIDE_BYTES - 2500)
    return fence(shown, secrets.token_hex(4)).splitlines()


def _output_lines(state: Path, output: str) -> list[str]:
    """Where the captured output lies; the oldest does not stay for ever."""
    if not output:
        return []
    path = state / output
    return [f"output: {shown_path(path)}{'' if path.exists() else ' (removed since)'}"]
