"""Real agent hosts, each with a home in a temporary folder and a scripted model on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import hosts
from support.claude import Claude
from support.launcher import prepare_offline


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Where launchers find their Python environments; this checkout's is there."""
    data = tmp_path / "data"
    prepare_offline(hosts.ROOT, data)
    return data


@pytest.fixture
def claude(tmp_path: Path, prepared: Path) -> Claude:
    """Claude Code with the plugin of this checkout."""
    return Claude(hosts.program("claude"), tmp_path / "home", prepared)
