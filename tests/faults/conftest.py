"""The sessions that faults are tried on, shared by the tests of a file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from faults.every import environment, memory
from faults.theatre import Theatre


@pytest.fixture(scope="module")
def theatre():
    """The sessions of all cases; the environment must outlive single tests."""
    folder = Path(tempfile.mkdtemp(prefix="autoresearch-test-", dir=memory()))
    try:
        with environment(folder):
            yield Theatre(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
