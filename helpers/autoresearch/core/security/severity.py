"""Severity by CVSS 4.0 (https://www.first.org/cvss/v4.0/): computed from a vector, never typed."""

from __future__ import annotations

from typing import NamedTuple

from cvss import CVSS4
from cvss.exceptions import CVSS4Error

from autoresearch.core.security.records import Severity

MAX_VECTOR = 300


class Rated(NamedTuple):
    """A vector in its canonical form, and what it is worth."""

    vector: str
    score: float
    severity: Severity


def rate(vector: str) -> Rated:
    """The rating of a vector.

    Raises:
        ValueError: it is no CVSS 4.0 vector; says what is wrong.
    """
    if len(vector) > MAX_VECTOR:
        raise ValueError("it is too long")
    try:
        rated = CVSS4(vector.strip())
    except CVSS4Error as error:
        raise ValueError(str(error)) from error
    return Rated(
        rated.clean_vector(), float(rated.base_score), Severity(str(rated.severity).lower())
    )
