"""Attacks poison the environment of this very process: afterwards it is as it was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def unpoisoned(isolated: Path) -> Iterator[None]:
    """Give every later test of this process the environment it had before the attack."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
