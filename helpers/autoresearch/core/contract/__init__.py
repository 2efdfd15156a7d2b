"""The contract of a session: `autoresearch.yaml`, read, checked, compared and put into words."""

from __future__ import annotations

from autoresearch.core.contract.comparison import differences, measures_differently
from autoresearch.core.contract.reader import parse
from autoresearch.core.contract.values import (
    Budget,
    Contract,
    Holdout,
    Metric,
    RaceRule,
    Sandbox,
    Secondary,
)
from autoresearch.core.contract.words import render_words

__all__ = [
    "Budget",
    "Contract",
    "Holdout",
    "Metric",
    "RaceRule",
    "Sandbox",
    "Secondary",
    "differences",
    "measures_differently",
    "parse",
    "render_words",
]
