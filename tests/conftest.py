"""Every test runs with a home, state and cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.harness import isolated_environment


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the environment, so that nothing reaches the real home or state folder."""
    home = tmp_path_factory.mktemp("home")
    for name in list(__import__("os").environ):
        if name.startswith(("GIT_", "XDG_", "CLAUDE", "AUTORESEARCH", "PYTHON")):
            monkeypatch.delenv(name)
    for name, value in isolated_environment(home).items():
        monkeypatch.setenv(name, value)
    return home
