"""Commands that lead to a contract and change it: scan, evaluator, check, init, amend."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import click

from autoresearch.cli.app import listed, picked, screen
from autoresearch.core import formatting
from autoresearch.core.contract import Contract
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_line
from autoresearch.core.model import Scale, Source
from autoresearch.edges import notices
from autoresearch.edges.places import shown_path
from autoresearch.loop import consent, surroundings
from autoresearch.loop.recover import writing
from autoresearch.loop.session import environment
from autoresearch.planning.advice import Forecast, advice_about, forecast
from autoresearch.planning.amend import Amendment, amend
from autoresearch.planning.checking import check
from autoresearch.planning.examining import Examination
from autoresearch.planning.findings import noise_of
from autoresearch.planning.init import initialise
from autoresearch.planning.proof import lay_out
from autoresearch.planning.rehearsal import Rehearsal
from autoresearch.planning.scanning.candidates import (
    ProjectSurvey,
    Role,
    Suggestion,
    Topic,
    survey_object,
)
from autoresearch.planning.scanning.scan import Scanned, scan

FILE = click.Path(path_type=Path)
FORECAST_EXPERIMENTS = 20
CHECK_BYTES = 4096
SCAN_LINES = 80
FACTS_SHOWN = 4
SHOWN = {Role.METRIC: 5, Role.GUARD: 3, Role.SCOPE: 4}
OTHERS_SHOWN = 2
WIDTH = 160
OUTSIDE = click.option(
    "--allow-outside", is_flag=True, help="A human agreed that commands may reach outside."
)


@click.argument("folder", type=FILE, default=".")
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
        lines=tuple(_scan_lines(found)),
        data={
            "root": str(found.root),
            "tracked": found.tracked,
            **survey_object(found.survey, cut=True),
            "timed": run and picked(run, "command duration_s passed trouble"),
            "left_out": list(found.left_out),
            "report": None if found.report is None else str(found.report),
        },
        next_step="choose a metric, write autoresearch.yaml, `autoresearch check --confined` it",
        max_lines=SCAN_LINES,
        max_bytes=WIDE_BYTES,
    )


def _scan_lines(found: Scanned) -> Iterator[str]:
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


@click.argument("folder", type=FILE)
def evaluator_command(folder: Path) -> Answer:
    """Write a benchmark that runs the candidate in another process.

    Writes evaluator.py, which needs only Python, and measure.py, a template for you to adapt and
    commit, into FOLDER. It never overwrites a file.

    Example: autoresearch evaluator bench
    """
    done = lay_out(folder)
    where = clean_line(str(folder))
    lines = [f"written: {where}/{name}" for name in done.written]
    lines += [f"already there: {where}/{name}" for name in done.there]
    return Answer(
        lines=tuple(lines),
        data=picked(done, "written there"),
        next_step=f"adapt the marked places of {where}/measure.py, commit both, and write "
        f"`verify: exec python3 -I {where}/measure.py`",
    )


@click.argument("file", type=FILE, default="autoresearch.yaml")
@click.option(
    "--experiments", type=click.IntRange(1), help="Number of experiments for the forecast."
)
@click.option(
    "--confined", is_flag=True, help="Run everything in a sandbox without network, or nothing."
)
@OUTSIDE
def check_command(
    file: Path, experiments: int | None, *, confined: bool, allow_outside: bool
) -> Answer:
    """Rehearse the contract in FILE; the repository stays as it is.

    In real bench checkouts it runs verify several times, the guard and `same`, and proves that a
    checkout measures itself. It breaks code in scope to see whether guard and metric notice. Exit
    code 4 if the contract does not hold, or if it reaches outside (network, deletions,
    credentials) and nobody agreed.

    --confined needs nobody's consent: everything, including set-up, runs in a sandbox without
    network, or nothing runs.

    Example: autoresearch check --confined autoresearch.yaml
    """
    if confined and allow_outside:
        raise click.UsageError("--confined and --allow-outside exclude each other")
    with screen() as shown:
        found = check(
            file, Path.cwd(), environment(), random.SystemRandom(), shown.say,
            allow_outside=allow_outside, confined=confined,
        )  # fmt: skip
    planned = forecast(found.contract, found.rehearsal, experiments, found.tokens_each)
    advice = advice_about(found.contract, found.rehearsal, planned)
    return Answer(
        lines=(
            "the contract holds",
            *root_lines(found.toplevel),
            *rehearsal_lines(found.rehearsal, found.contract, forecast=False),
            *examination_lines(found.examination, planned),
            *(f"advice: {text}" for text in advice),
            *(f"warning: `init` refuses as long as {text}" for text in found.obstacles),
        ),
        data={
            **_facts(found.rehearsal),
            **_examined(found.examination, planned),
            "advice": list(advice),
            **picked(found, "toplevel obstacles"),
        },
        next_step=f"`autoresearch init {clean_line(str(file))}` freezes it and opens the session",
        max_bytes=CHECK_BYTES,
    )


@click.argument("file", type=FILE, default="autoresearch.yaml")
@click.option("--worktree", type=FILE, help="Open the session in a new linked worktree at PATH.")
@click.option("--sha256", "digest", help="Refuse FILE unless its SHA-256 begins with this.")
@click.option("--from", "known", type=FILE, help="Note what another tool's log at PATH tried.")
@OUTSIDE
def init_command(
    file: Path, worktree: Path | None, digest: str | None, known: Path | None, *,
    allow_outside: bool,
) -> Answer:  # fmt: skip
    """Freeze the contract in FILE and open its session.

    It first rehearses the contract as `check` does; one that does not hold (exit code 4) changes
    nothing. The session gets a branch of its own. After a failure or an interruption everything
    is undone, after a kill by the next `init`.

    Example: autoresearch init draft.yaml --worktree ../night
    """
    with screen() as shown:
        started = initialise(
            file, Path.cwd(), environment(), random.SystemRandom(), shown.say,
            worktree=worktree, allow_outside=allow_outside, digest=digest,
        )  # fmt: skip
    notes = [*started.notes, *([] if known is None else _taken_over(known, started.toplevel))]
    session = started.session
    lines = [f"session {session.name} is open on branch autoresearch/{session.name}"]
    place = [f"its working tree: {started.toplevel}"]
    lines += root_lines(started.toplevel) if worktree is None else place
    if started.rehearsed_at:
        lines.append(
            f"reusing what `check` measured at {started.rehearsed_at} (same contract, files and "
            "machine)"
        )
    lines += rehearsal_lines(started.rehearsal, session.contract, forecast=True)
    lines += [f"note: {note}" for note in notes]
    go = f"cd {clean_line(str(started.toplevel))}; " if worktree is not None else ""
    return Answer(
        lines=tuple(lines),
        data={
            "session": session.name,
            "branch": session.branch,
            "toplevel": str(started.toplevel),
            "notes": [*notices.current(), *notes],
            "rehearsed_at": started.rehearsed_at,
            **_facts(started.rehearsal),
        },
        next_step=f"{go}`autoresearch run N`, or edit a file in scope and `autoresearch try -m …`",
    )


def _taken_over(log: Path, toplevel: Path) -> list[str]:
    """Note what another tool tried; the session is open by now, whatever that log holds."""
    from autoresearch.cli.logs import taken_over  # noqa: PLC0415 - only with --from

    return [*taken_over(log, toplevel)]


@click.option("--dry-run", is_flag=True, help="Show the differences; adopt nothing.")
@click.option("--commits", is_flag=True, help="Adopt what people committed on the branch.")
@click.option("--yes", is_flag=True, help="A human has agreed; for calls without a terminal.")
@OUTSIDE
def amend_command(*, dry_run: bool, commits: bool, yes: bool, allow_outside: bool) -> Answer:
    """Adopt the edited contract and protected files (for humans).

    The edited autoresearch.yaml is rehearsed first. Edited protected files are adopted with it,
    new ones if they are staged (`git add`). Changing what measures starts a new epoch: earlier
    races then no longer count for noise, duplicates and limits. --commits instead takes in what
    was committed on the session's branch by hand, as a new epoch. On a terminal it shows the
    differences and asks. Elsewhere your agent's host asks, or --yes says that a human agreed;
    the log, `status` and the commit say which it was.

    Example: autoresearch amend --dry-run
    """
    with writing("amend") as session, screen() as shown:
        found = amend(
            session,
            random.SystemRandom(),
            shown.say,
            dry_run=dry_run,
            allow_outside=allow_outside,
            commits=commits,
            agree=lambda amendment: consent.require(
                session.environ, "amend", flag=yes, ask=lambda: _agreed_to(amendment)
            ),
        )
        lines = _amendment_lines(found)
        if found.left_out:
            named = listed(found.left_out)
            lines.append(f"not adopted, untracked (`git add` includes it): {named}")
        effect = "starts a new epoch" if found.measures else "does not change what is measured"
        state = "would be" if dry_run else "is"
        lines.append(f"the contract {state} amended; it {effect}")
        return Answer(
            lines=tuple(lines),
            data={
                "differences": found.keys,
                **picked(found, "paths surrounded left_out"),
                "new_epoch": found.measures,
                **picked(found, "epoch reaches"),
            },
            next_step="`autoresearch amend` adopts it" if dry_run else "`autoresearch brief`",
        )


def _amendment_lines(found: Amendment) -> list[str]:
    """What an amendment changes, a line each."""
    return [
        *(f"{key}: {clean_line(a, 80)} -> {clean_line(b, 80)}" for key, a, b in found.keys),
        *(f"adopted with it: {clean_line(path)}" for path in found.paths),
        *([f"adopted with it: {surroundings.said(s)}"] if (s := found.surrounded) else []),
        *(f"reaches outside the checkout: {r.where} ({r.kind}): {r.words}" for r in found.reaches),
    ]


def _agreed_to(amendment: Amendment) -> bool:
    for line in _amendment_lines(amendment):
        click.echo(line, err=True)
    return click.confirm("Adopt this?", err=True)


def root_lines(toplevel: Path) -> tuple[str, ...]:
    """A word for whoever called from a folder below the root; nothing for all others."""
    if Path.cwd().resolve() == toplevel.resolve():
        return ()
    return (f"paths in the contract are relative to {clean_line(str(toplevel))}",)


def rehearsal_lines(found: Rehearsal, contract: Contract, *, forecast: bool) -> Iterator[str]:
    """What a rehearsal measured, a fact a line; `check` has a forecast of its own."""
    metric, samples = contract.metric, len(found.samples)
    value = sorted(sample.value for sample in found.samples)[samples // 2]
    race = f"at most {formatting.count(found.pairs, 'pair')}, {formatting.duration(found.race_s)}"
    if forecast:
        count = contract.budget.experiments or FORECAST_EXPERIMENTS
        most = formatting.duration(found.forecast_s(count))
        race += f"; {formatting.count(count, 'experiment')}: at most {most}"
    yield f"scope: {formatting.count(found.files_in_scope, 'file')}"
    yield (
        f"baseline: {metric.name} {formatting.with_unit(value, metric.unit)}, "
        f"{formatting.count(samples, 'sample')} of {formatting.duration(found.sample_s)}"
    )
    yield _noise_line(found, contract)
    yield from _secondary_lines(found, contract)
    yield f"race: {race}"
    if found.guard_s is not None:
        yield f"guard: passes in {formatting.duration(found.guard_s)}"
    if found.final_guard_s is not None:
        yield f"final guard: passes in {formatting.duration(found.final_guard_s)}"
    if found.same_sha256 is not None:
        yield "same: prints the same twice"
    yield "each bench checkout measures itself (proven by breaking the scope in one)"
    yield f"sandbox: {clean_line(found.in_force)}"
    yield from (f"warning: {warning}" for warning in found.warnings)


def _secondary_lines(found: Rehearsal, contract: Contract) -> Iterator[str]:
    """Baseline and noise of each secondary metric, and what it may lose."""
    for one in contract.secondary:
        values = sorted(dict(sample.secondary)[one.name] for sample in found.samples)
        noise = noise_of([dict(sample.secondary)[one.name] for sample in found.samples])
        spread = "" if noise is None else f", noise of one run {noise:.1%}"
        limit = "only watched"
        if one.limit is not None:
            scale = Scale.RATIO if one.limit_relative else Scale.DIFFERENCE
            limit = f"may lose {formatting.magnitude(one.limit, scale, one.unit)}"
        value = formatting.with_unit(values[len(values) // 2], one.unit)
        yield f"secondary: {one.name} {value}{spread}, {limit}"


def examination_lines(found: Examination, planned: Forecast) -> Iterator[str]:
    """What guard and metric noticed, and what a run would cost."""
    tried = len(found.mutants)
    asked = f"{tried} of {formatting.count(found.places, 'such place')} in scope tried"
    if left := found.places - tried:  # of these functions nobody asked
        asked += f"; the other {left} are untested"
    yield from (f"guard notices: {what} ({asked})" for what, noticed in found.mutants if noticed)
    seen = [part for part, noticed in found.parts if noticed]
    if seen:
        yield f"verify notices when these break: {', '.join(seen)}"
    if found.slowed:
        yield "the metric gets worse when code in scope is slowed down"
    if found.profile_s is not None:
        yield f"profile: runs in {formatting.duration(found.profile_s)}"
    most = f"at most {formatting.duration(planned.seconds)} of measuring"
    tokens = f"about {planned.tokens:,} tokens ({planned.tokens_from})"
    yield f"{formatting.count(planned.experiments, 'experiment')}: {most}, {tokens}"
    yield from (f"warning: {text}" for text in found.findings)


def _examined(found: Examination, planned: Forecast) -> dict[str, object]:
    return {
        "mutants": [{"what": what, "noticed": noticed} for what, noticed in found.mutants],
        "parts": [{"path": part, "noticed": noticed} for part, noticed in found.parts],
        "slowed_noticed": found.slowed,
        **picked(found, "places profile_s findings"),
        "forecast": planned._asdict(),
    }


def _noise_line(found: Rehearsal, contract: Contract) -> str:
    if found.deterministic:
        return "noise: none, all samples were equal: an experiment takes 1 to 3 runs"
    if found.smallest_gain is None:
        return "noise: not known yet; the first races will be undecided until it is"
    gain = formatting.magnitude(found.smallest_gain, contract.metric.scale, contract.metric.unit)
    noise = (
        ("metric", found.noise_metric),
        ("wall time", found.noise_wall),
        ("CPU time", found.noise_cpu),
    )
    spreads = [f"{name} {spread:.1%}" for name, spread in noise if spread is not None]
    return (
        f"noise of one run: {', '.join(spreads) or 'unknown'}; smallest gain a race is likely to "
        f"detect: {gain}"
    )


def _facts(found: Rehearsal) -> dict[str, object]:
    return {
        "files_in_scope": found.files_in_scope,
        "values": [sample.value for sample in found.samples],
        **picked(found, "deterministic sample_s noise_metric noise_wall noise_cpu smallest_gain"),
        **picked(found, "pairs race_s guard_s final_guard_s sandbox"),
        "secondary": [
            {"name": name, "values": [dict(sample.secondary)[name] for sample in found.samples]}
            for name, _ in found.samples[0].secondary
        ],
        "warnings": list(found.warnings),
    }
