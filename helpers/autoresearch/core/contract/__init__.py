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
    commands_of,
    judges,
)
from autoresearch.core.contract.prose import render_words, told
from autoresearch.core.contract.reader import parse

__all__ = [
    "Budget",
    "Contract",
    "Holdout",
    "Metric",
    "RaceRule",
    "Sandbox",
    "Secondary",
    "commands_of",
    "judges",
    "parse",
    "render_words",
    "told",
]
