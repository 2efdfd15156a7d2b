"""Commands for the logs of other tools: import, audit, export."""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from autoresearch.cli.app import few, screen
from autoresearch.core import formatting
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_line
from autoresearch.core.model import Direction
from autoresearch.edges.files import atomic_write
from autoresearch.importing import auditing, continuing, exporting, reading, repository
from autoresearch.importing.auditing import Audit, Keep, Likely, Stretch
from autoresearch.importing.foreign import KEPT, ForeignExperiment, Oddity, Segment
from autoresearch.loop import session as sessions
from autoresearch.loop.recover import writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.importing.foreign import Entry
    from autoresearch.importing.reading import LogSource
    from autoresearch.importing.replay import Replayed

FILE = click.Path(path_type=Path)
SOURCE = click.argument("source", type=FILE, default=".")
METRIC = click.option("--metric", default="", metavar="NAME", help="The metric that decides.")
DIRECTION = click.option(
    "--direction", type=click.Choice([way.value for way in Direction]), help="Which way is better."
)
SUFFIX = ".imported.jsonl"
EVERY = 2000
"""Entries between two words on how far it is."""

KEEPS_SHOWN = 12
LINES = 60


@SOURCE
@METRIC
@DIRECTION
@click.option("--out", type=FILE, help="Where to write what was read; default: this folder.")
@click.option("--draft", type=FILE, help="Also write a proposed contract to this file.")
@click.option("--take-over", is_flag=True, help="Note its ideas in the session of this folder.")
def import_command(
    source: Path, metric: str, direction: str | None, out: Path | None, draft: Path | None, *,
    take_over: bool,
) -> Answer:  # fmt: skip
    """Read the log of another tool, and write it in one common form.

    SOURCE is a log or a repository. Known are pi's and codex-autoresearch's JSONL, the tables of
    Karpathy's original and of uditgoenka's commands in their dialects, CSV, evo's graph.json,
    piloop's database, handoff.json, and commits that carry results. Nothing in the source is
    changed or believed: each line becomes a record or an oddity with its place.

    Example: autoresearch import ../other --draft autoresearch.yaml
    """
    found = reading.sources(source)
    lines: list[str] = []
    data: list[dict[str, Any]] = []
    for one in found:
        target = out if out is not None and len(found) == 1 else Path(f"{_name(one)}{SUFFIX}")
        told = _imported(one, metric, direction, target)
        data.append(told)
        lines += _import_lines(one, told)
        if draft is not None and one is found[0]:
            segment = msgspec.convert(told["segment"], Segment)
            folder = source if source.is_dir() else source.parent
            atomic_write(draft, continuing.draft(folder, segment, one.path.name).encode())
            lines.append(f"draft contract: {draft}")
    if take_over:
        lines += [_taken(one, metric, direction) for one in found]
    return Answer(
        lines=tuple(lines),
        data={"logs": data},
        next_step="`autoresearch audit` of the same says which keeps are likely real",
        max_lines=LINES,
        max_bytes=WIDE_BYTES,
    )


def taken_over(path: Path, folder: Path | None = None) -> Iterator[str]:
    """Note in a folder's session what the logs at a path tried; a line each."""
    for one in reading.sources(path):
        yield _taken(one, "", None, folder)


def _taken(
    source: LogSource, metric: str, direction: str | None, folder: Path | None = None
) -> str:
    with writing("import", folder) as session:
        dead, lessons = continuing.take_over(
            session, _read(source, metric, direction), source.path.name
        )
    noted = f"{formatting.count(dead, 'dead end')}, {formatting.count(lessons, 'lesson')}"
    return f"noted from {source.path.name}: {noted}"


def _name(source: LogSource) -> str:
    return source.path.resolve().name


def _read(source: LogSource, metric: str, direction: str | None) -> Iterator[Entry]:
    for entry in reading.read(source, metric):
        if direction is not None and isinstance(entry, Segment):
            told_by = "--direction"
            entry = msgspec.structs.replace(  # noqa: PLW2901 - as chosen
                entry, direction=Direction(direction), told_by=told_by
            )
        yield entry


def _watched(entries: Iterable[Entry], source: LogSource) -> Iterator[Entry]:
    """The entries, with a word on a terminal on how far the reading is."""
    with screen() as shown:
        for number, entry in enumerate(entries, 1):
            if number % EVERY == 0:
                shown.say(f"reading {source.path.name}: line {entry.line:,}")
            yield entry


def _imported(
    source: LogSource, metric: str, direction: str | None, target: Path
) -> dict[str, Any]:
    if target.exists():
        raise AutoresearchError(
            f"{target} exists already", code="exists", hint="Name another file with --out."
        )
    kinds: Counter[str] = Counter()
    odd: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    lost = 0
    segment = Segment(line=0, number=0)
    partial = target.with_name(f"{target.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", errors="surrogateescape") as file:
            for entry in _watched(_read(source, metric, direction), source):
                value = msgspec.to_builtins(entry)
                file.write(json.dumps(value) + "\n")
                kinds[value["kind"]] += 1
                if isinstance(entry, Segment):
                    segment = entry
                elif isinstance(entry, ForeignExperiment):
                    statuses[entry.status.value] += 1
                elif isinstance(entry, Oddity):
                    odd[entry.what.value] += 1
                    lost += entry.lost
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return {
        "source": str(source.path), "format": source.format, "out": str(target),
        "sha256": reading.sha256_of(source.path), "experiments": kinds["experiment"],
        "segments": kinds["segment"], "remarks": kinds["remark"], "statuses": dict(statuses),
        "oddities": dict(odd), "no_record": lost, "segment": msgspec.to_builtins(segment),
    }  # fmt: skip


def _import_lines(source: LogSource, told: dict[str, Any]) -> Iterator[str]:
    segment = told["segment"]
    statuses = ", ".join(f"{n} {word}" for word, n in told["statuses"].items())
    yield (
        f"{source.path.name} ({source.format}): {told['experiments']} experiments in "
        f"{formatting.count(told['segments'], 'segment')}: {statuses or 'none'}"
    )
    way = segment["direction"]
    told_by = f" ({segment['told_by']})" if segment["told_by"] else ""
    yield (
        f"metric: {clean_line(segment['metric'])}, "
        + (f"{way} is better{told_by}" if way else "direction unknown: say it with --direction")
    )
    for words, number in told["oddities"].items():
        yield f"odd: {words} ({number} times)" if number > 1 else f"odd: {words}"
    if told["no_record"]:
        yield f"{formatting.count(told['no_record'], 'line')} became no record; each is in the file"
    yield f"written: {told['out']}"


@SOURCE
@METRIC
@DIRECTION
@click.option("--replay", is_flag=True, help="Race every kept commit against its parent.")
@click.option("--contract", metavar="FILE|REV", help="With --replay: what to measure by.")
@click.option("--verify", metavar="CMD", help="With --replay: measure this command.")
@click.option("--most", type=click.IntRange(min=1), help="With --replay: so many races at most.")
def audit_command(
    source: Path, metric: str, direction: str | None, *, replay: bool, contract: str | None,
    verify: str | None, most: int | None,
) -> Answer:  # fmt: skip
    """Tell which keeps of another tool's log are likely real.

    SOURCE is a log or a repository. A keep counts as clear when it is further ahead of the best
    before it than the best of as many worthless tries would have been by luck. Nothing is run,
    except with --replay: it says first how long it may take, and goes on where it was interrupted.

    Example: autoresearch audit ../other --replay --verify ./bench.sh --metric ms
    """
    lines: list[str] = []
    data: list[dict[str, Any]] = []
    for one in reading.sources(source):
        found = auditing.audit(_watched(_read(one, metric, direction), one))
        keeps = [keep for stretch in found.stretches for keep in stretch.keeps]
        git: repository.FromGit | None = None
        raced: tuple[Replayed, ...] = ()
        with repository.around(one.path) or nullcontext() as repo:
            if repo is not None:
                git = repository.look(repo, [(keep.number, keep.commit) for keep in keeps])
            if replay and keeps:
                raced = tuple(_replayed(repo, found, contract, verify, most))
        lines += _audit_lines(one, found)
        lines += [] if git is None else _git_lines(git)
        lines += _replay_lines(raced)
        data.append(
            {
                "source": str(one.path), "format": one.format,
                **msgspec.to_builtins(found), "git": msgspec.to_builtins(git),
                "standings": {which.value: found.standing(which) for which in Likely},
                "replayed": msgspec.to_builtins(raced),
            }
        )  # fmt: skip
    return Answer(
        lines=tuple(lines),
        data={"logs": data},
        next_step="`autoresearch import --draft FILE` starts a session from it",
        max_lines=LINES,
        max_bytes=WIDE_BYTES,
    )


def _replayed(
    repo: GitRepo | None, found: Audit, contract: str | None, verify: str | None, most: int | None
) -> Iterator[Replayed]:
    """Race the keeps of a log whose repository is here."""
    from autoresearch.importing.replay import Replay, ReplayForecast  # noqa: PLC0415 - only to race
    from autoresearch.planning.workspace import CheckContext  # noqa: PLC0415
    from autoresearch.shipping import gate  # noqa: PLC0415

    if repo is None:
        raise AutoresearchError(
            "the log lies in no repository, so nothing can be raced",
            code="no_repository",
            hint="Name the log inside a clone that holds the commits.",
        )
    stretch = found.stretches[0]
    own = None
    if verify is not None:
        way = stretch.direction or Direction.LOWER
        own = gate.ad_hoc(verify, stretch.metric, way.value, stretch.unit)

    def tell(forecast: ReplayForecast) -> None:
        if not click.get_current_context().meta["json"]:
            races = formatting.count(forecast.races, "race")
            most = formatting.duration(forecast.seconds)
            click.echo(f"{races} to come, {most} at most", err=True)

    with screen() as shown:
        terms = gate.terms_of(repo, "HEAD", contract, own, ())
        context = CheckContext(repo, sessions.environment(), random.SystemRandom(), shown.say)
        with gate.Track(context, shown.caller, terms).opened() as track:
            races = Replay(track, terms)
            later = [k for s in found.stretches for k in s.keeps if k.standing is not Likely.BASE]
            yield from races.run(races.planned(later)[:most], tell)


def _replay_lines(raced: tuple[Replayed, ...]) -> Iterator[str]:
    if not raced:
        return
    told = Counter(one.truth.value for one in raced)
    yield "raced anew: " + ", ".join(f"{number} {words}" for words, number in told.items())
    for one in raced:
        effect = "" if one.effect is None else f" {formatting.effect(one.effect)}"
        why = f": {one.detail}" if one.detail else f", {one.pairs} pairs"
        yield f"  {one.number:>4} {one.commit[:10]} {one.truth.value}{effect}{why}"


def _audit_lines(source: LogSource, found: Audit) -> Iterator[str]:
    judged = sum(len(stretch.keeps) for stretch in found.stretches)
    later = judged - found.standing(Likely.BASE)
    told = {which: found.standing(which) for which in Likely}
    yield (
        f"{source.path.name} ({source.format}): {found.experiments} experiments, {later} kept "
        f"after the first; {told[Likely.NO_BETTER]} of them no better than the best before"
    )
    yield (
        f"clear: {told[Likely.CLEAR]}, within noise: {told[Likely.NOISE]}, "
        f"cannot tell: {told[Likely.UNTOLD]}"
    )
    if found.kept > judged:
        yield f"not judged, for want of a metric or a direction: {found.kept - judged}"
    for stretch in found.stretches:
        yield from _stretch_lines(stretch, alone=len(found.stretches) == 1)
    if found.repeated:
        numbers = "; ".join(formatting.numbers(one.numbers) for one in found.repeated[:4])
        yield f"ideas tried more than once, by their words: {len(found.repeated)} ({numbers})"
    for words, count in found.odd_counts.items():
        yield f"odd: {words} ({count} times, first on line {found.oddities[words][0]})"


def _stretch_lines(stretch: Stretch, *, alone: bool) -> Iterator[str]:
    name = clean_line(stretch.metric, 60)
    where = "" if alone else f"segment {stretch.segment}: "
    way = stretch.direction.value if stretch.direction else "unknown"
    yield f"{where}{name}, {way} is better (told by {stretch.told_by or 'nothing'})"
    noise = stretch.noise
    if noise.spread is not None:
        size = _size(noise.spread, stretch)
        yield f"  one run varies by {'at most ' if noise.upper else ''}{size}: {noise.method}"
    else:
        yield f"  noise of one run unknown: {noise.method}"
    if stretch.claimed is not None:
        survives = "cannot tell" if stretch.surviving is None else _size(stretch.surviving, stretch)
        yield f"  claimed gain {_size(stretch.claimed, stretch)}, of which survives: {survives}"
    if stretch.regained:
        twice = _size(stretch.regained, stretch)
        yield f"  {twice} was won twice: keeps that were worse moved the bar"
    later = [keep for keep in stretch.keeps if keep.standing is not Likely.BASE]
    yield from few((_keep_line(keep, stretch) for keep in later), KEEPS_SHOWN, "  … {} more keeps")


def _keep_line(keep: Keep, stretch: Stretch) -> str:
    gain = "" if keep.gain is None else f" {_size(keep.gain, stretch, sign=True)}"
    luck = ""
    if keep.standing in {Likely.NOISE, Likely.UNTOLD} and keep.needed is not None:
        luck = f" (luck alone: {_size(keep.needed, stretch)})"
    elif keep.standing is Likely.UNTOLD and keep.clear_below is not None:
        luck = f" (real if one run varies by less than {_size(keep.clear_below, stretch)})"
    return (
        f"  {keep.number:>4} {keep.standing.value}{gain}{luck}: {clean_line(keep.description, 70)}"
    )


def _size(value: float, stretch: Stretch, *, sign: bool = False) -> str:
    if stretch.relative:
        return f"{value:+.2%}" if sign else f"{value:.2%}"
    return formatting.number(value)


def _git_lines(git: repository.FromGit) -> Iterator[str]:
    if git.missing:
        named = ", ".join(clean_line(one, 12) for one in git.missing[:4])
        yield f"kept commits that are not in this repository: {len(git.missing)} ({named})"
    touching = [one for one in git.touching if one.evaluator]
    yield f"kept commits looked at in git: {git.looked_at}; {len(touching)} changed what measures"
    for one in touching[:KEEPS_SHOWN]:
        paths = ", ".join(clean_line(path, 60) for path in one.evaluator[:3])
        yield f"  {one.number:>4} {one.commit[:10]} changed {paths}"
    outside = [one for one in git.touching if one.outside]
    if git.scope and outside:
        named = "; ".join(f"{one.number}: {clean_line(one.outside[0], 60)}" for one in outside[:4])
        yield f"outside the declared scope: {len(outside)} keeps ({named})"
    elif not git.scope:
        yield "no scope is written down, so nothing can be outside it"


@click.option(
    "--format", "format_", required=True, type=click.Choice([*exporting.WRITERS, "parquet"]),
    help="Whose format.",
)  # fmt: skip
@click.option("--from", "source", type=FILE, help="A log of another tool; default: this session.")
@click.option("--out", type=FILE, required=True, help="The file to write.")
def export_command(format_: str, source: Path | None, out: Path) -> Answer:
    """Write the session's log, or another tool's, in the format of another tool.

    What the format has no place for is listed. Parquet needs pyarrow.

    Example: autoresearch export --format pi --out autoresearch.jsonl
    """
    if out.exists():
        raise AutoresearchError(
            f"{out} exists already", code="exists", hint="Name another file with --out."
        )
    rows = _rows(source)
    if format_ == "parquet":
        content, lost = _parquet(rows), ["what a segment is called and which way is better"]
    else:
        text, lost = exporting.WRITERS[format_](rows)
        content = text.encode("utf-8", "surrogateescape")
    atomic_write(out, content)
    kept = sum(isinstance(row, ForeignExperiment) and row.status in KEPT for row in rows)
    number = sum(isinstance(row, ForeignExperiment) for row in rows)
    return Answer(
        lines=(
            f"{out}: {formatting.count(number, 'experiment')}, {kept} kept, as {format_}",
            *(f"no place in this format: {words}" for words in lost),
        ),
        data={"out": str(out), "format": format_, "experiments": number, "lost": lost},
    )


def _rows(source: Path | None) -> exporting.Rows:
    if source is None:
        with sessions.reading("export") as session:
            entries = (entry.record for entry in session.index.log.records())
            return list(
                exporting.of_session(entries, session.contract.goal, session.contract.metric)
            )
    found = [entry for one in reading.sources(source) for entry in reading.read(one)]
    return [entry for entry in found if isinstance(entry, (Segment, ForeignExperiment))]


def _parquet(rows: exporting.Rows) -> bytes:
    try:
        return exporting.parquet(rows)
    except ImportError as error:
        raise AutoresearchError(
            "parquet needs pyarrow, which is not installed",
            code="not_installed",
            hint="Install it beside autoresearch (the extra `parquet`: pyarrow), or export csv.",
        ) from error
