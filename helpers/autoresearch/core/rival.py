"""What the incumbent measured in a race, as its candidate's guard is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.model import Arm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoresearch.core.model import RaceRecord

VARIABLE = "AUTORESEARCH_INCUMBENT_METRICS"
"""Environment variable of the guard; a JSON object, metric -> number."""


def incumbent_metrics(race: RaceRecord, metric: str) -> Mapping[str, float]:
    """The incumbent's last sample: the metric and every secondary one; empty without a sample.

    Args:
        race: that ended in a keep.
        metric: the primary metric's name.
    """
    at = race.order.rfind(Arm.INCUMBENT.value)
    if at < 0:
        return {}
    return {metric: race.values[at], **{name: values[at] for name, values in race.secondary}}
