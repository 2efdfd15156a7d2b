"""What a rehearsal found that does not forbid a contract, but is worth a word."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

from autoresearch.core.model import Source
from autoresearch.loop.bench import SECONDS_PER_UNIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.contract import Contract, Metric
    from autoresearch.core.model import Sample

SHORT_S = 0.05
FEWEST = 3
"""Two runs are one difference, which says nothing about a spread."""

MAD_TO_SD = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution."""


def noise_of(values: Sequence[float]) -> float | None:
    """One standard deviation of a run against its neighbour, as a fraction; None if unknown.

    Args:
        values: of runs of the same code, in order; those that are not positive have no fraction.
    """
    if len(values) < FEWEST or min(values) <= 0:
        return None
    ratios = [abs(later / earlier - 1) for earlier, later in pairwise(values)]
    return MAD_TO_SD * statistics.median(ratios) / 2**0.5


def _is_elapsed_time(metric: Metric) -> bool:
    """Whether the metric is a time that CPU time might stand in for."""
    if metric.source is Source.OUTPUT:
        return metric.unit != "" and metric.unit in SECONDS_PER_UNIT
    return metric.source is Source.WALL


def warnings_about(
    contract: Contract, samples: Sequence[Sample], *, deterministic: bool
) -> tuple[str, ...]:
    """The findings, a sentence each."""
    found = []
    if contract.guard is None and contract.same is None:
        found.append(
            "there is neither a guard nor `same`: a faster program with wrong answers would be kept"
        )
    elif contract.guard is None:
        found.append("there is no guard: only `same` says whether a change is right")
    if deterministic:
        return tuple(found)
    metric = noise_of([sample.value for sample in samples])
    cpu = noise_of([sample.cpu_s for sample in samples])
    if (
        _is_elapsed_time(contract.metric)
        and metric is not None
        and cpu is not None
        and cpu < metric / 2
    ):
        found.append(
            f"CPU time varies less than the metric ({cpu:.1%} against {metric:.1%}): if the "
            "program does not wait for anything, `source: cpu` detects smaller gains"
        )
    if statistics.median(sample.wall_s for sample in samples) < SHORT_S:
        found.append("a sample takes under 50 ms, mostly start-up: give verify more work")
    return tuple(found)
