"""`compare`: commits raced against each other, as a gate or to find a regression."""

from __future__ import annotations

import random
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch import share
from autoresearch.cli.app import screen
from autoresearch.core import formatting, wire
from autoresearch.core.decision import gain_of
from autoresearch.core.errors import GateFailed
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_line
from autoresearch.core.model import Source
from autoresearch.edges.files import atomic_write
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.loop.session import environment
from autoresearch.planning.workspace import CheckContext
from autoresearch.shipping import gate
from autoresearch.shipping.bisection import Bisected, bisect
from autoresearch.shipping.gate import Compared, GateOutcome, Tolerance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.core.contract import Contract

CODES = {GateOutcome.NO_LOSS: 0, GateOutcome.SLOWER: 1, GateOutcome.CANNOT_TELL: 3}
STEPS_SHOWN = 12
_TIMES = {"s", "ms", "us", "µs", "ns"}
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")


class ShareType(click.ParamType[float]):
    """A share of the base's value: `2%` or `0.02`."""

    name = "share"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The fraction; wrong usage for anything else."""
        found = _SHARE.fullmatch(str(value).strip())
        number = float(found[1]) / (100 if found[2] else 1) if found else 1.0
        if not 0 <= number < 1:
            self.fail(f"{value!r} is no share below 100 %, such as 2%", param, ctx)
        return number


@click.argument("base", required=False)
@click.argument("head", required=False)
@click.option("--contract", metavar="FILE|REV", help="Contract; REV also gives what measures.")
@click.option("--verify", metavar="CMD", help="Measure this command instead of a contract.")
@click.option("--metric", default="wall", help="With --verify: a METRIC it prints; wall or cpu.")
@click.option("--direction", type=click.Choice(["lower", "higher"]), default="lower")
@click.option("--unit", default="", help="With --verify: of the metric.")
@click.option("--with", "taken", type=click.Path(path_type=Path), multiple=True,
              help="File or folder that both get from your tree: the benchmark.")  # fmt: skip
@click.option("--tolerate", type=ShareType(), default="2%", show_default=True, metavar="SHARE")
@click.option("--equivalence", type=ShareType(), metavar="SHARE", help="0 only if proven.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Of samples.")
@click.option("--pairs", type=click.IntRange(gate.FEWEST_PAIRS, 1000), help="At most so many.")
@click.option("--bisect", "bisecting", is_flag=True, help="Find the commit that made it slower.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write Markdown to this file.")
@click.option("--line", is_flag=True, help="Print one line.")
@click.option("--workflow", is_flag=True, help="Print a GitHub Actions workflow.")
def compare_command(  # noqa: PLR0913 - one option each
    *,
    base: str | None,
    head: str | None,
    contract: str | None,
    verify: str | None,
    metric: str,
    direction: str,
    unit: str,
    taken: tuple[Path, ...],
    tolerate: float,
    equivalence: float | None,
    seconds: float | None,
    pairs: int | None,
    bisecting: bool,
    markdown: Path | None,
    line: bool,
    workflow: bool,
) -> Answer:
    """Race commit BASE against HEAD. Exit 0: no loss proven, 1: slower, 3: cannot tell, 4: failed.

    Example: autoresearch compare main HEAD --verify ./bench.sh
    """
    if workflow:
        text = (share.FOLDER / "shipping" / "compare.yml").read_text("utf-8")
        return _printed(text.splitlines(), {"workflow": text})
    if base is None or head is None:
        raise click.UsageError("two commits are compared: BASE and HEAD")
    if verify is not None and contract is not None:
        raise click.UsageError("--verify and --contract exclude each other")
    share_lost = tolerate if equivalence is None else equivalence
    tolerance = Tolerance(share_lost, equivalence is not None, seconds, pairs)
    own = None
    with _told(markdown), gate.gated():
        if verify is not None:
            own = gate.ad_hoc(verify, metric, direction, unit)
        with GitRepo.open(Path.cwd()) as repo, screen() as shown:
            ends = gate.commit_of(repo, base), gate.commit_of(repo, head)
            terms = gate.terms_of(repo, ends[0], contract, own, taken)
            notes = gate.notes_on(repo, *ends, terms)
            context = CheckContext(repo, environment(), random.SystemRandom(), shown.say)
            with gate.Track(context, shown.caller, terms).opened() as track:
                if bisecting:
                    found = bisect(track, *ends, tolerance)
                    return _bisected(repo, found, terms.contract, tolerance)
                answer = Report(terms.contract, tolerance, ends, notes, track)
                return answer.of(track.race(*ends, tolerance), markdown, line=line)


@contextmanager
def _told(path: Path | None) -> Iterator[None]:
    """Write what failed to the Markdown file, for whoever comments it."""
    try:
        yield
    except GateFailed as error:
        if path is not None:
            text = f"### Benchmark: could not measure\n\n{clean_line(error.message, 600)}\n"
            atomic_write(path, text.encode("utf-8", "replace"))
        raise


class Report:
    """Puts a comparison into words."""

    def __init__(
        self,
        contract: Contract,
        tolerance: Tolerance,
        ends: tuple[str, str],
        notes: tuple[str, ...],
        track: gate.Track,
    ) -> None:
        self.contract, self.tolerance, self.ends, self.notes = contract, tolerance, ends, notes
        self.sandbox = track.bench.confinement.name

    def of(self, found: Compared, markdown: Path | None, *, line: bool) -> Answer:
        """The answer, its Markdown written where that is asked for."""
        first, text = summary(found, self.contract, self.tolerance), self.markdown(found)
        if markdown is not None:
            atomic_write(markdown, text.encode("utf-8", "replace"))
        order, values = found.order
        data: dict[str, object] = {
            "outcome": found.outcome.value,
            "line": first,
            "base": self.ends[0],
            "head": self.ends[1],
            "metric": self.contract.metric.name,
            "effect": wire.to_object(found.effect),
            "values": list(found.values),
            "pairs": len(found.pairs),
            "planned": found.planned,
            "tolerated": self.tolerance.share,
            "smallest_loss": found.visible,
            "order": order,
            "samples": values,
            "sandbox": self.sandbox,
            "notes": list(self.notes),
            "markdown": text,
        }
        code = CODES[found.outcome]
        if code:
            hint = "`--seconds` takes longer, a quieter machine sees more"
            data["error"] = {"code": found.outcome.value, "message": first, "hint": hint}
        if line:
            return Answer(lines=(first,), data=data, exit_code=code)
        base, head = (formatting.with_unit(v, self.contract.metric.unit) for v in found.values)
        return Answer(
            lines=(
                first,
                f"{self.ends[0][:12]}: {base}; {self.ends[1][:12]}: {head} (medians)",
                *_visible_lines(found),
                *(f"note: {note}" for note in self.notes),
            ),
            data=data,
            exit_code=code,
            next_step=_next(found.outcome),
        )

    def markdown(self, found: Compared) -> str:
        """At most 25 lines."""
        metric = self.contract.metric
        base, head = (formatting.with_unit(v, metric.unit) for v in found.values)
        level = f"{found.effect.level:.0%}" if found.effect.level < 1 else "exact"
        lines = [
            f"### Benchmark: {summary(found, self.contract, self.tolerance)}",
            "",
            f"| | `{self.ends[0][:12]}` | `{self.ends[1][:12]}` | change | interval |",
            "|---|---|---|---|---|",
            f"| {metric.name} ({formatting.better(metric.direction)}) | {base} | {head} | "
            f"{formatting.effect(found.effect, metric.unit)} | {level} |",
            "",
            f"{len(found.pairs)} of at most {found.planned} pairs, each in an order by coin, on "
            f"one machine; sandbox {self.sandbox}. At most 1 % of changes that lose nothing are "
            "called slower.",
            *([""] if self.notes or found.visible else []),
            *(f"- {text}" for text in (*_visible_lines(found), *self.notes)),
        ]
        return "\n".join(lines[:25]) + "\n"


def _visible_lines(found: Compared) -> list[str]:
    if found.visible is None or found.effect.level == 1.0:
        return []
    seen = formatting.percent(found.visible).removeprefix("+")
    return [f"a loss of about {seen} would have been proven half the time"]


def summary(found: Compared, contract: Contract, tolerance: Tolerance) -> str:
    """A comparison in one line."""
    metric = contract.metric
    moved = f"{metric.name} {formatting.effect(found.effect, metric.unit)}"
    allowed = formatting.percent(tolerance.share).removeprefix("+")
    pairs = formatting.count(len(found.pairs), "pair")
    timed = metric.source is not Source.OUTPUT or metric.unit in _TIMES
    if found.outcome is GateOutcome.SLOWER:
        return f"{'slower' if timed else 'worse'}: {moved}, tolerated {allowed} ({pairs})"
    if found.outcome is GateOutcome.CANNOT_TELL:
        seen = "" if found.visible is None else formatting.percent(found.visible).removeprefix("+")
        least = f"; a loss of {seen} could have been seen" if seen else ""
        return f"cannot tell: {moved} after {pairs}{least}"
    better = gain_of(found.effect, metric.direction) > 0
    proven = found.effect.low * found.effect.high > 0 or found.effect.level == 1.0
    gain = " (a gain)" if better and proven and found.effect.change else ""
    how = "proven to lose less than" if tolerance.proof else "no loss beyond"
    return f"{how} {allowed}: {moved}{gain} ({pairs})"


def _next(outcome: GateOutcome) -> str:
    if outcome is GateOutcome.SLOWER:
        return "`autoresearch compare --bisect BASE HEAD` finds the commit"
    if outcome is GateOutcome.CANNOT_TELL:
        return "`--seconds 300` takes more pairs; or measure on a quieter machine"
    return "nothing to do"


def _bisected(repo: GitRepo, found: Bisected, contract: Contract, tolerance: Tolerance) -> Answer:
    whole = summary(found.whole, contract, tolerance)
    steps = [
        f"{step.commit[:12]}: loses {formatting.percent(step.loss)}, "
        f"{'bad' if step.is_bad else 'good'} (wrong {step.odds:.0%} at most)"
        for step in found.steps
    ]
    data: dict[str, object] = {
        "outcome": found.whole.outcome.value,
        "whole": wire.to_object(found.whole.effect),
        "steps": [dict(step._asdict()) for step in found.steps],
        "culprit": found.culprit,
        "own": None if found.own is None else wire.to_object(found.own.effect),
        "suspects": list(found.suspects),
        "odds": found.odds,
    }
    if found.culprit is None:
        code = CODES[found.whole.outcome]
        data["error"] = {"code": "no_loss", "message": whole, "hint": "Nothing is to be found."}
        lines = (f"nothing to find between the two: {whole}",)
        return Answer(lines=lines, data=data, exit_code=code, next_step="nothing to do")
    title = repo.run("log", "-1", "--format=%s", found.culprit, "--").out
    own = "" if found.own is None else summary(found.own, contract, tolerance)
    suspects = ", ".join(commit[:12] for commit in found.suspects)
    return Answer(
        lines=(
            f"first bad commit: {found.culprit[:12]} {clean_line(title, 100)}",
            f"against the commit before it: {own}",
            f"the whole range: {whole}",
            f"odds of a wrong turn: {found.odds:.1%} at most",
            *([f"do not measure, so may be to blame too: {suspects}"] if suspects else []),
            *steps[-STEPS_SHOWN:],
        ),
        data=data,
        next_step=f"`git show {found.culprit[:12]}`",
    )


def _printed(lines: list[str], data: dict[str, object]) -> Answer:
    return Answer(lines=tuple(lines), data=data, max_lines=len(lines) + 5, max_bytes=WIDE_BYTES)
