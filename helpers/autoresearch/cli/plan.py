"""Commands that make and change a contract: evaluator, check, init, amend."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli.app import screen
from autoresearch.core import formatting
from autoresearch.core.answer import Answer
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Scale
from autoresearch.edges import notices
from autoresearch.loop.recover import writing
from autoresearch.loop.session import environment
from autoresearch.planning.advice import advice_about, forecast
from autoresearch.planning.amend import amend
from autoresearch.planning.checking import check
from autoresearch.planning.findings import noise_of
from autoresearch.planning.opening import initialise
from autoresearch.planning.proof import lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.core.contract import Contract
    from autoresearch.planning.advice import Forecast
    from autoresearch.planning.examining import Examination
    from autoresearch.planning.rehearsal import Rehearsal

FILE = click.Path(path_type=Path)
FORECAST_EXPERIMENTS = 20
CHECK_BYTES = 4096
OUTSIDE = click.option(
    "--allow-outside", is_flag=True, help="A human agreed that commands may reach outside."
)


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
        data={"written": list(done.written), "there": list(done.there)},
        next_step=f"adapt the marked places of {where}/measure.py, commit both, and write "
        f"`verify: exec python3 -I {where}/measure.py`",
    )


@click.argument("file", type=FILE)
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
    notes = [f"warning: `init` refuses as long as {text}" for text in found.obstacles]
    return Answer(
        lines=(
            "the contract holds",
            *root_lines(found.toplevel),
            *rehearsal_lines(found.rehearsal, found.contract, forecast=False),
            *examination_lines(found.examination, planned),
            *(f"advice: {text}" for text in advice),
            *notes,
        ),
        data={
            **_facts(found.rehearsal),
            **_examined(found.examination, planned),
            "advice": list(advice),
            "toplevel": str(found.toplevel),
            "obstacles": list(found.obstacles),
        },
        next_step=f"`autoresearch init {clean_line(str(file))}` freezes it and opens the session",
        max_bytes=CHECK_BYTES,
    )


@click.argument("file", type=FILE)
@click.option("--worktree", type=FILE, help="Open the session in a new linked worktree at PATH.")
@click.option("--sha256", "digest", help="Refuse FILE unless its SHA-256 begins with this.")
@OUTSIDE
def init_command(
    file: Path, worktree: Path | None, digest: str | None, *, allow_outside: bool
) -> Answer:
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
    session = started.session
    lines = [f"session {session.name} is open on branch autoresearch/{session.name}"]
    if worktree is not None:
        lines.append(f"its working tree: {started.toplevel}")
    else:
        lines += root_lines(started.toplevel)
    if started.rehearsed_at:
        lines.append(
            f"reusing what `check` measured at {started.rehearsed_at} (same contract, files and "
            "machine)"
        )
    lines += rehearsal_lines(started.rehearsal, session.contract)
    lines += [f"note: {note}" for note in started.notes]
    go = f"cd {clean_line(str(started.toplevel))}; " if worktree is not None else ""
    return Answer(
        lines=tuple(lines),
        data={
            "session": session.name,
            "branch": session.branch,
            "toplevel": str(started.toplevel),
            "notes": [*notices.current(), *started.notes],
            "rehearsed_at": started.rehearsed_at,
            **_facts(started.rehearsal),
        },
        next_step=f"{go}`autoresearch run N`, or edit a file in scope and `autoresearch try -m …`",
    )


@click.option("--dry-run", is_flag=True, help="Show the differences; adopt nothing.")
@OUTSIDE
def amend_command(*, dry_run: bool, allow_outside: bool) -> Answer:
    """Adopt the edited contract and protected files (for humans).

    The edited autoresearch.yaml is rehearsed first. Edited protected files are adopted with it,
    new ones if they are staged (`git add`). Changing what measures starts a new epoch: earlier
    races then no longer count for noise, duplicates and limits.

    Example: autoresearch amend --dry-run
    """
    with writing("amend") as session, screen() as shown:
        found = amend(
            session, random.SystemRandom(), shown.say, dry_run=dry_run, allow_outside=allow_outside
        )
        lines = [
            *(
                f"{key}: {clean_line(old, 80)} -> {clean_line(new, 80)}"
                for key, old, new in found.keys
            ),
            *(f"adopted with it: {clean_line(path)}" for path in found.paths),
        ]
        lines += [
            f"reaches outside the checkout: {one.where} ({one.kind}): {one.words}"
            for one in found.reaches
        ]
        if found.left_out:
            paths = clean_line(", ".join(found.left_out[:5]))
            lines.append(f"not adopted, untracked (`git add` includes it): {paths}")
        effect = "starts a new epoch" if found.measures else "does not change what is measured"
        state = "would be" if dry_run else "is"
        lines.append(f"the contract {state} amended; it {effect}")
        return Answer(
            lines=tuple(lines),
            data={
                "differences": [list(difference) for difference in found.keys],
                "paths": list(found.paths),
                "left_out": list(found.left_out),
                "new_epoch": found.measures,
                "epoch": found.epoch,
                "reaches": [list(one) for one in found.reaches],
            },
            next_step="`autoresearch amend` adopts it" if dry_run else "`autoresearch brief`",
        )


def root_lines(toplevel: Path) -> tuple[str, ...]:
    """A word for whoever called from a folder below the root; nothing for all others."""
    if Path.cwd().resolve() == toplevel.resolve():
        return ()
    return (f"paths in the contract are relative to {clean_line(str(toplevel))}",)


def rehearsal_lines(
    found: Rehearsal, contract: Contract, *, forecast: bool = True
) -> tuple[str, ...]:
    """What a rehearsal measured, a fact a line; `check` has a forecast of its own."""
    metric, samples = contract.metric, len(found.samples)
    value = sorted(sample.value for sample in found.samples)[samples // 2]
    race = f"at most {formatting.count(found.pairs, 'pair')}, {formatting.duration(found.race_s)}"
    if forecast:
        count = contract.budget.experiments or FORECAST_EXPERIMENTS
        most = formatting.duration(found.forecast_s(count))
        race += f"; {formatting.count(count, 'experiment')}: at most {most}"
    lines = [
        f"scope: {formatting.count(found.files_in_scope, 'file')}",
        f"baseline: {metric.name} {formatting.with_unit(value, metric.unit)}, "
        f"{formatting.count(samples, 'sample')} of {formatting.duration(found.sample_s)}",
        _noise_line(found, contract),
        *_secondary_lines(found, contract),
        f"race: {race}",
    ]
    if found.guard is not None:
        lines.append(f"guard: passes in {formatting.duration(found.guard.duration_s)}")
    if found.final_guard_s is not None:
        lines.append(f"final guard: passes in {formatting.duration(found.final_guard_s)}")
    if found.same_sha256 is not None:
        lines.append("same: prints the same twice")
    lines.append("each bench checkout measures itself (proven by breaking the scope in one)")
    lines.append(f"sandbox: {clean_line(found.in_force)}")
    lines += [f"warning: {warning}" for warning in found.warnings]
    return tuple(lines)


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


def _guard_lines(found: Examination) -> Iterator[str]:
    """What the guard noticed, and of how many functions nobody asked."""
    tried = len(found.mutants)
    left = found.places - tried
    for what, noticed in found.mutants:
        if noticed:
            asked = f"{tried} of {formatting.count(found.places, 'such place')} in scope tried"
            rest = f"{asked}; the other {left} are untested" if left else asked
            yield f"guard notices: {what} ({rest})"


def examination_lines(found: Examination, planned: Forecast) -> tuple[str, ...]:
    """What guard and metric noticed, and what a run would cost."""
    lines = list(_guard_lines(found))
    seen = [part for part, noticed in found.parts if noticed]
    if seen:
        lines.append(f"verify notices when these break: {', '.join(seen)}")
    if found.slowed:
        lines.append("the metric gets worse when code in scope is slowed down")
    if found.profile_s is not None:
        lines.append(f"profile: runs in {formatting.duration(found.profile_s)}")
    lines.append(
        f"{formatting.count(planned.experiments, 'experiment')}: at most "
        f"{formatting.duration(planned.seconds)} of measuring, about {planned.tokens:,} tokens "
        f"({planned.tokens_from})"
    )
    return (*lines, *(f"warning: {text}" for text in found.findings))


def _examined(found: Examination, planned: Forecast) -> dict[str, object]:
    return {
        "mutants": [{"what": what, "noticed": noticed} for what, noticed in found.mutants],
        "parts": [{"path": part, "noticed": noticed} for part, noticed in found.parts],
        "slowed_noticed": found.slowed,
        "places": found.places,
        "profile_s": found.profile_s,
        "findings": list(found.findings),
        "forecast": {
            "experiments": planned.experiments,
            "seconds": planned.seconds,
            "tokens": planned.tokens,
            "tokens_from": planned.tokens_from,
        },
    }


def _noise_line(found: Rehearsal, contract: Contract) -> str:
    if found.deterministic:
        return "noise: none, all samples were equal: an experiment takes 1 to 3 runs"
    if found.smallest_gain is None:
        return "noise: not known yet; the first races will be undecided until it is"
    ratio = contract.metric.min_effect_relative and contract.metric.unit != "%"
    scale = Scale.RATIO if ratio else Scale.DIFFERENCE
    gain = formatting.magnitude(found.smallest_gain, scale, contract.metric.unit)
    spreads = [
        f"{name} {spread:.1%}"
        for name, spread in (
            ("metric", found.noise_metric),
            ("wall time", found.noise_wall),
            ("CPU time", found.noise_cpu),
        )
        if spread is not None
    ]
    return (
        f"noise of one run: {', '.join(spreads) or 'unknown'}; smallest gain a race is likely to "
        f"detect: {gain}"
    )


def _facts(found: Rehearsal) -> dict[str, object]:
    return {
        "files_in_scope": found.files_in_scope,
        "values": [sample.value for sample in found.samples],
        "deterministic": found.deterministic,
        "sample_s": found.sample_s,
        "noise_metric": found.noise_metric,
        "noise_wall": found.noise_wall,
        "noise_cpu": found.noise_cpu,
        "smallest_gain": found.smallest_gain,
        "pairs": found.pairs,
        "race_s": found.race_s,
        "guard_s": found.guard_s,
        "final_guard_s": found.final_guard_s,
        "sandbox": found.sandbox,
        "secondary": [
            {"name": name, "values": [dict(sample.secondary)[name] for sample in found.samples]}
            for name, _ in found.samples[0].secondary
        ],
        "warnings": list(found.warnings),
    }
