"""Every test runs with a home, state and cache of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from support.harness import isolated_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

# A busy machine is no failure; what hangs is ended by pytest-timeout. `make test` tries the same
# examples each time, for it decides what lands; `make machine-test` tries new ones.
SEARCHING = "AUTORESEARCH_SEARCH" in os.environ
settings.register_profile("any-machine", deadline=None, derandomize=not SEARCHING)
settings.load_profile("any-machine")

# Under nohup or behind `&`, as some CI runs us, these are ignored; children would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_BEGAN = pytest.StashKey[float]()

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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Count coverage in tests/core only: it is the core's, and costs other tests a third more."""
    plugin = item.config.pluginmanager.getplugin("_cov")
    cover = plugin and plugin.cov_controller
    if not cover:
        return (yield)
    if item.path.is_relative_to(Path(__file__).parent / "core"):
        forget_results_of_the_core()
        return (yield)
    cover.pause()
    try:
        return (yield)
    finally:
        cover.resume()
        _uncounted.add("results")


_uncounted: set[str] = set()


def forget_results_of_the_core() -> None:
    """Empty its caches: what another test has made it compute would not be counted here."""
    if not _uncounted:
        return
    _uncounted.clear()
    for name, module in list(sys.modules.items()):
        if name.startswith("autoresearch.core"):
            for each in list(vars(module).values()):
                if hasattr(each, "cache_clear"):
                    each.cache_clear()


@pytest.hookimpl(trylast=True)  # behind the plugin that shuffles
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long forms to `make test-all`; begin with the files that take longest."""
    if "AUTORESEARCH_LONG" not in os.environ and not config.option.markexpr:
        left = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    rank = {name: number for number, name in enumerate(LONGEST)}
    folder = Path(__file__).parent
    items.sort(key=lambda item: rank.get(item.path.relative_to(folder).as_posix(), len(rank)))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Note when it began."""
    session.config.stash[_BEGAN] = time.monotonic()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep how long a whole suite took, for `make house`."""
    config = session.config
    named = [str(arg) for arg in config.getini("testpaths")]
    whole = config.args == named and not config.option.collectonly and config.option.numprocesses
    if config.cache is not None and whole and not exitstatus and not hasattr(config, "workerinput"):
        config.cache.set("house/suite", {"seconds": time.monotonic() - config.stash[_BEGAN]})
