"""Commands for newcomers: demo, selftest."""

from __future__ import annotations

import os
import shutil
import sys

import click

from autoresearch.cli.app import Screen, picked, screen
from autoresearch.core import formatting, wire
from autoresearch.core.formatting import Answer, clean_line
from autoresearch.core.model import Arm, Verdict
from autoresearch.core.records import Experiment
from autoresearch.trial.demo import Demo, DemoStep, run_demo, values_of
from autoresearch.trial.selftest import SelfTest, run_selftest

BAR = 36
DEMO_LINES = 60


def demo_command() -> Answer:
    """Run the real loop on a small real project.

    A script proposes the changes in place of an agent. Nothing is pre-recorded: every verdict is
    measured on this machine. It takes about two minutes, longer on a busy machine.

    Example: autoresearch demo
    """
    with screen() as shown:
        done = run_demo(
            dict(os.environ), shown.caller._replace(say=lambda text: announce(shown, text))
        )
    return Answer(
        lines=(*_table(done), "", *_chart(done), "", *_places(done)),
        data={
            **picked(done, "root state"),
            "seconds": round(done.seconds, 1),
            "steps": [_step_facts(step) for step in done.steps],
            "validation": None if done.validation is None else wire.to_object(done.validation),
        },
        next_step=f"cd {clean_line(str(done.root))} && autoresearch log",
        max_lines=DEMO_LINES,
        max_bytes=8192,
    )


def announce(shown: Screen, text: str) -> None:
    """One line for a step that begins: it stays on the screen, and in a pipe it is all there is."""
    shown.close()
    sys.stderr.write(f"{clean_line(text, 100)}\n")
    sys.stderr.flush()


def _table(done: Demo) -> list[str]:
    rows = [("#", "proposal", "verdict", "change", "samples")]
    for step in done.steps:
        record, title = step.record, step.proposal.title
        if record is None:
            rows.append(("-", title, "left out", "", step.note))
        elif isinstance(record, Experiment):
            words = formatting.verdict(record.verdict, record.reason, record.flags)
            effect = record.effect
            moved = "" if effect is None else formatting.change(effect.change, effect.scale, "ms")
            samples = 0 if record.race is None else len(record.race.order)
            rows.append((str(record.number), title, words, moved, str(samples)))
        else:
            rows.append(("-", title, f"refused ({record.reason.value})", "", "0"))
    wide = max(len(title) for _, title, *_ in rows)
    return [
        f"{n:>2}  {t:<{wide}}  {words:<20} {moved:>8}  {many}" for n, t, words, moved, many in rows
    ]


def _chart(done: Demo) -> list[str]:
    """Milliseconds of each measured candidate as a bar; what was kept is marked."""
    measured = [
        (step.record.number, value, step.record.verdict is Verdict.KEEP)
        for step in done.steps
        if isinstance(step.record, Experiment)
        and (value := values_of(step.record, Arm.CANDIDATE)) is not None
    ]
    bars = [(0, done.baseline, True), *measured]
    scale = max(value for _, value, _ in bars)
    block = "█" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"
    width = min(BAR, max(10, shutil.get_terminal_size().columns - 30))
    lines = [f"digest_ms of each candidate ({block * 2} kept, .. not kept), medians of its samples"]
    for number, value, kept in bars:
        bar = (block if kept else ".") * max(1, round(value / scale * width))
        lines.append(f"{number:>3} {value:>7.2f} {bar}{' kept' if kept and number else ''}")
    return lines


def _places(done: Demo) -> list[str]:
    lines = [f"took {formatting.duration(done.seconds)}; everything was measured here"]
    if done.validation is not None:
        moved = formatting.effect(done.validation.effect, "ms")
        claim = "validated gain" if done.validation.proven else "no proven gain"
        lines.append(f"{claim}: {moved}, first commit against last")
    return [
        *lines,
        f"project:  {done.root}",
        f"branch:   autoresearch/demo (only kept commits), document: {done.root}/autoresearch.md",
        f"log:      {done.root}/autoresearch.jsonl",
        f"state:    {done.state}",
    ]


def _step_facts(step: DemoStep) -> dict[str, object]:
    record = step.record
    verdict = record.verdict.value if isinstance(record, Experiment) else record and "refused"
    reason = record and record.reason and record.reason.value
    return {"title": step.proposal.title, "verdict": verdict, "reason": reason}


@click.option("--races", type=click.IntRange(1, 10_000), default=30, show_default=True)
def selftest_command(races: int) -> Answer:
    """Measure how often this machine keeps a worthless change.

    It races a program against itself, and says which gains a race is likely to detect. A quotable
    bound takes 300 races or more.

    Example: autoresearch selftest --races 300
    """
    with screen() as shown:
        found = run_selftest(races, dict(os.environ), shown.say)
    longer = "`autoresearch selftest --races 300` gives a bound worth quoting"
    return Answer(
        lines=_selftest_lines(found),
        data=wire.to_object(found),
        next_step="`autoresearch demo` shows the loop" if found.carries_claim else longer,
    )


def _selftest_lines(found: SelfTest) -> tuple[str, ...]:
    rate = found.false_keeps / found.races
    verdict = "as promised" if found.low <= found.alpha else "MORE than promised"
    if not found.carries_claim:
        verdict = "too few races to confirm it"
    return (
        f"false keeps: {found.false_keeps} of {found.races} A/A races, {rate:.1%} "
        f"[{found.low:.1%}, {found.high:.1%}]; promised at most {found.alpha:.0%}: {verdict}",
        f"samples per worthless candidate: {found.runs_per_race:.1f}",
        f"noise of one run: metric {found.metric_noise:.1%}, wall time {found.wall_noise:.1%}, "
        f"CPU time {found.cpu_noise:.1%}",
        f"smallest gain a race of 20 pairs is likely to detect: {found.smallest_gain:.1%}",
        f"the helper's own time per experiment: {formatting.duration(found.overhead_s)}",
        f"took {formatting.duration(found.seconds)}",
    )
