"""The contract of a session: `autoresearch.yaml`, read, checked, compared and put into words."""

from __future__ import annotations

from autoresearch.core.contract.keys import (
    Budget,
    Contract,
    Holdout,
    Metric,
    RaceRule,
    Sandbox,
    Secondary,
    StopWhen,
    ValueOfGain,
    commands_of,
    verdict_keys,
)
from autoresearch.core.contract.prose import brief_lines, render_words
from autoresearch.core.contract.reader import parse

__all__ = [
    "Budget",
    "Contract",
    "Holdout",
    "Metric",
    "RaceRule",
    "Sandbox",
    "Secondary",
    "StopWhen",
    "ValueOfGain",
    "brief_lines",
    "commands_of",
    "parse",
    "render_words",
    "verdict_keys",
]
