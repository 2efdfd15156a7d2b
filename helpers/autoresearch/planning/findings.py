"""What the samples of a rehearsal say about the contract: noise, instruments, what is missing."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

from autoresearch.core.contract import Contract, Metric
from autoresearch.core.model import Sample, Source
from autoresearch.loop.bench import SECONDS_PER_UNIT

FULL_CALIBRATION = 8
NOISY = 0.02
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


def cpu_share(contract: Contract, samples: Sequence[Sample]) -> float:
    """How much of the process's CPU time the metric is, 0 to 1: so much of a gain that time shows.

    The rest is start-up, compilation, warm-up, further calls: noise without a signal.
    """
    metric, cpu_s = contract.metric, statistics.median(sample.cpu_s for sample in samples)
    if not _is_elapsed_time(metric) or cpu_s <= 0:
        return 0.0
    value = statistics.median(sample.value for sample in samples)
    return max(0.0, min(1.0, value * SECONDS_PER_UNIT[metric.unit] / cpu_s))


def exact_beside(contract: Contract, samples: Sequence[Sample]) -> list[str]:
    """What to decide by where the metric is noisy and a secondary one is exact."""
    metric, noise = contract.metric, noise_of([sample.value for sample in samples])
    if len(samples) < FULL_CALIBRATION or noise is None or noise < NOISY or contract.claim:
        return []
    values = {
        one.name: {dict(s.secondary)[one.name] for s in samples} for one in contract.secondary
    }
    name = next((name for name, seen in values.items() if len(seen) == 1 and seen != {0.0}), None)
    if name is None:
        return []
    return [
        f"{name} is exact where {metric.name} varies by {noise:.1%}: decide by it (`metric`), "
        f"watch {metric.name} (`secondary`), and let `validate` speak of it "
        f"(`claim: {metric.name}`)"
    ]


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
    printed_unit, unit = dict(samples[0].units).get(contract.metric.name, ""), contract.metric.unit
    if printed_unit and unit and printed_unit != unit.replace("µ", "u"):
        found.append(
            f"the contract gives the unit {unit}, and verify prints {printed_unit}: values are "
            f"taken as they are printed; write `unit: {printed_unit}`"
        )
    if deterministic:
        return tuple(found)
    metric = noise_of([sample.value for sample in samples])
    cpu, share = noise_of([sample.cpu_s for sample in samples]), cpu_share(contract, samples)
    if metric is not None and cpu is not None and share and cpu / share < metric / 2:
        found.append(
            f"CPU time varies less than the metric ({cpu:.1%} against {metric:.1%}): if the "
            "program does not wait for anything, `source: cpu` detects smaller gains"
        )
    found += exact_beside(contract, samples)
    if statistics.median(sample.wall_s for sample in samples) < SHORT_S:
        found.append("a sample takes under 50 ms, mostly start-up: give verify more work")
    return tuple(found)
