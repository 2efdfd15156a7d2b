"""The command that looks at a project before there is a contract: scan."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli.app import screen
from autoresearch.core import formatting
from autoresearch.core.answer import WIDE_BYTES, Answer
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Source
from autoresearch.edges.places import shown_path
from autoresearch.loop.session import environment
from autoresearch.planning.scanning.candidates import Role, Suggestion, Topic, survey_object
from autoresearch.planning.scanning.scan import scan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.planning.scanning.candidates import ProjectSurvey
    from autoresearch.planning.scanning.scan import Scanned

MAX_LINES = 80
FACTS_SHOWN = 4
SHOWN = {Role.METRIC: 5, Role.GUARD: 3, Role.SCOPE: 4}
OTHERS_SHOWN = 2
WIDTH = 160


@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option(
    "--time", "timed", is_flag=True, help="Also run the test command once, in a checkout."
)
def scan_command(folder: Path, *, timed: bool) -> Answer:
    """Read a project and list what a contract could use.

    Lists languages, tests, checkers, benchmarks and builds in FOLDER, then candidates for metric,
    guard, scope and the rest: best first, each with its evidence and what is still unknown. It
    runs nothing of the project, except its tests with --time. It works without a repository too.

    Example: autoresearch scan --time
    """
    with screen() as shown:
        found = scan(folder, environment(), random.SystemRandom(), shown.say, timed=timed)
    run = found.timed
    return Answer(
        lines=tuple(_lines(found)),
        data={
            "root": str(found.root),
            "tracked": found.tracked,
            **survey_object(found.survey, cut=True),
            "timed": None
            if run is None
            else {
                "command": run.command,
                "duration_s": run.duration_s,
                "passed": run.passed,
                "trouble": run.trouble,
            },
            "left_out": list(found.left_out),
            "report": None if found.report is None else str(found.report),
        },
        next_step="choose a metric, write autoresearch.yaml, `autoresearch check --confined` it",
        max_lines=MAX_LINES,
        max_bytes=WIDE_BYTES,
    )


def _lines(found: Scanned) -> Iterator[str]:
    survey = found.survey
    named = ", ".join(
        f"{one.name} {one.share:.0%}" if one.share else f"{one.name} {one.files} files"
        for one in survey.languages[:6]
    )
    listed = "files tracked by git" if found.tracked else "files (no git repository)"
    yield f"{survey.files} {listed}: {named or 'no language known'}"
    if found.timed is not None:
        run = found.timed
        state = "passes" if run.passed else f"FAILS: {run.trouble}"
        took = formatting.duration(run.duration_s)
        yield f"timed: {clean_line(run.command, WIDTH)}: {took}, {state}"
    for text in found.left_out:
        yield f"not read: {clean_line(text)}"
    for role in Role:
        yield from _candidate_lines(survey, role)
    yield from _fact_lines(survey)
    if survey.hot:
        hot = ", ".join(f"{clean_line(path, 60)} ({n})" for path, n in survey.hot[:6])
        yield f"changed most often: {hot}"
    if found.report is not None:
        yield f"all of it: {shown_path(found.report)}"


def _candidate_lines(survey: ProjectSurvey, role: Role) -> Iterator[str]:
    held = survey.of(role)
    for number, one in enumerate(held[: SHOWN.get(role, OTHERS_SHOWN)], 1):
        place = ", ".join(clean_line(str(evidence), 80) for evidence in one.evidence[:2])
        unknown = f"; unknown: {'; '.join(one.unknown)}" if one.unknown else ""
        yield f"{role.value} {number}: {_shown(one)} ({place}){unknown}"


def _shown(one: Suggestion) -> str:
    value = clean_line(one.value, WIDTH)
    if one.measure is None:
        return value
    measure = one.measure
    source = "" if measure.source is Source.OUTPUT else f", source: {measure.source.value}"
    unit = f" {measure.unit}" if measure.unit else ""
    recipe = f", recipe {measure.recipe}" if measure.recipe else ""
    return f"{measure.name}{unit} {measure.direction.value}{source}{recipe}: {value}"


def _fact_lines(survey: ProjectSurvey) -> Iterator[str]:
    for topic in Topic:
        held = [fact for fact in survey.facts if fact.topic is topic]
        if not held:
            continue
        shown = "; ".join(
            f"{clean_line(fact.name, 70)} ({clean_line(str(fact.evidence), 60)})"
            for fact in held[:FACTS_SHOWN]
        )
        more = f"; {len(held) - FACTS_SHOWN} more" if len(held) > FACTS_SHOWN else ""
        yield f"{topic.value}: {shown}{more}"
