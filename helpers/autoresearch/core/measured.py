"""What races tell beside their verdict: how noisy samples are, and how long they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from autoresearch.core.history import WALLS_SHOWN
from autoresearch.core.model import Arm, Scale, Verdict
from autoresearch.core.noise import extended, same_code_differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.history import Progress
    from autoresearch.core.model import RaceRecord
    from autoresearch.core.records import Epoch, Experiment


def raced(progress: Progress, race: RaceRecord | None) -> Progress:
    """Pool a race's same-code differences.

    Runs on the deterministic path are not pooled: they agree by definition. When it turns out
    not to hold, what was pooled before (zeros) says nothing about the noise and goes. So does the
    noise of another machine, or of this one before it was started anew.
    """
    if race is None or race.deterministic:
        return progress
    if race.machine != progress.machine:
        progress = replace(progress, machine=race.machine, pool_ratio=(), pool_difference=())
    if progress.deterministic:
        progress = replace(progress, deterministic=False, pool_ratio=(), pool_difference=())
    return pooled(progress, race.order, race.values)


def pooled(progress: Progress, order: str, values: Sequence[float]) -> Progress:
    """Add the differences of these samples to the pools of either scale."""
    difference = same_code_differences(order, values, Scale.DIFFERENCE) or ()
    ratio = same_code_differences(order, values, Scale.RATIO) or ()
    return replace(
        progress,
        pool_difference=extended(progress.pool_difference, difference),
        pool_ratio=extended(progress.pool_ratio, ratio),
    )


def walls_at(epoch: Epoch) -> tuple[float, ...]:
    """Elapsed seconds of the baseline's samples."""
    return epoch.wall_s[-WALLS_SHOWN:] or (epoch.sample_s,)


def timed(progress: Progress, record: Experiment) -> Progress:
    """Remember how long samples took of the program that the next race is against."""
    race, keep = record.race, record.verdict is Verdict.KEEP
    if race is None:
        return progress
    arm = Arm.CANDIDATE if keep else Arm.INCUMBENT
    taken = zip(race.order, race.wall_s, strict=False)
    walls = tuple(wall_s for letter, wall_s in taken if letter == arm.value)
    known = walls if keep else (*progress.walls, *walls)
    return replace(progress, walls=known[-WALLS_SHOWN:] or progress.walls)
