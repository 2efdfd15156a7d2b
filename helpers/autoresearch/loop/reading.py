"""From what a run of verify printed, and how long it took, to a sample."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from autoresearch.core.formatting import clean_line
from autoresearch.core.metrics import read_checksums, read_metrics, read_secondary
from autoresearch.core.model import Arm, Sample, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.contract import Contract, Metric, Secondary
    from autoresearch.edges.command import Outcome

SECONDS_PER_UNIT = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
"""Units in which a time measured by the helper can be stated."""


def sample_of(
    contract: Contract, secondary: Sequence[Secondary], outcome: Outcome, arm: Arm
) -> Sample:
    """The metric and these secondary metrics of a run of verify that succeeded."""
    metric = contract.metric
    printed = [(m.name, m.pattern) for m in secondary if m.source is Source.OUTPUT]
    if metric.source is Source.OUTPUT:
        reading = read_metrics(
            outcome.stdout,
            truncated=outcome.stdout_truncated,
            primary=metric.name,
            pattern=metric.pattern,
            secondary=printed,
        )
        values = {metric.name: reading.value, **dict(reading.secondary)}
    else:
        values = dict(
            read_secondary(outcome.stdout, truncated=outcome.stdout_truncated, secondary=printed)
        )
    measured: tuple[Metric | Secondary, ...] = (metric, *secondary)
    for own in measured:
        if own.source is not Source.OUTPUT:
            seconds = outcome.cpu_s if own.source is Source.CPU else outcome.wall_s
            values[own.name] = seconds / SECONDS_PER_UNIT[own.unit]
    return Sample(
        arm=arm,
        value=values[metric.name],
        wall_s=outcome.wall_s,
        cpu_s=outcome.cpu_s,
        secondary=tuple((m.name, values[m.name]) for m in secondary),
        checksums=read_checksums(outcome.stdout),
    )


def ending(outcome: Outcome) -> str:
    """How a command failed, in words that stand behind its name."""
    if outcome.out_of_memory:
        return "was ended: it took more memory than this machine has to give"
    if outcome.timed_out:
        return f"was ended after {outcome.wall_s:.3g} s"
    return f"failed with exit code {outcome.exit_code}"


def last_words(outcome: Outcome) -> str:
    """The last line that a failed command printed, quoted and cleaned; empty without any."""
    lines = (outcome.stderr.strip() or outcome.stdout.strip()).splitlines()
    return f', its last words: "{clean_line(lines[-1], 200)}"' if lines else ""


def median_wall(samples: list[Sample]) -> float:
    """Median elapsed seconds of samples (at least one)."""
    return statistics.median(sample.wall_s for sample in samples)
