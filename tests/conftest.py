"""Every test runs with a home, state and cache of its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings
from support.harness import isolated_environment

# A busy machine is no failure; what hangs is ended by pytest-timeout.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

# Under nohup or behind `&`, as some CI runs us, these are ignored; children would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = (
    "faults/test_random_kills.py",
    "faults/test_fifty_interruptions.py",
    "faults/test_machine.py",
)
"""Files of the longest single tests, longest first."""


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the environment, so that nothing reaches the real home or state folder."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GIT_", "XDG_", "CLAUDE", "AUTORESEARCH", "PYTHON")):
            monkeypatch.delenv(name)
    for name, value in isolated_environment(home).items():
        monkeypatch.setenv(name, value)
    return home


@pytest.hookimpl(trylast=True)  # behind the plugin that shuffles
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker ends alone with one of them."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    folder = Path(__file__).parent
    items.sort(key=lambda item: rank.get(item.path.relative_to(folder).as_posix(), len(rank)))
