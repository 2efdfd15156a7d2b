"""The sessions that faults are tried on, shared by the tests of a file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from faults.every import environment, memory
from faults.rig import Rig
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


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """One session for all tests of a file; the environment must outlive single ones."""
    folder = tmp_path_factory.mktemp("rig")
    with environment(folder):
        yield Rig(folder)


@pytest.fixture
def rig(opened, monkeypatch):
    """That session, at its start."""
    opened.move_in(monkeypatch)
    opened.reset()
    return opened
