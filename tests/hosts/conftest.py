"""Real agent hosts, each with a home in a temporary folder and a scripted model on loopback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support import hosts
from support.claude import Claude


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launcher's Python environment, prepared once for all tests and workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    data = shared / "autoresearch-data"
    subprocess.run(
        [hosts.ROOT / "bin" / "autoresearch", "--version"],
        env={**os.environ, "AUTORESEARCH_DATA": str(data)},  # it installs from the package index
        check=True,
        capture_output=True,
    )
    return data


@pytest.fixture
def claude(tmp_path: Path, prepared: Path) -> Claude:
    """Claude Code with the plugin of this checkout."""
    return Claude(hosts.program("claude"), tmp_path / "home", prepared)
