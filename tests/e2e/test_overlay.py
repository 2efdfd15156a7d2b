"""Samples over an overlay: nothing stays, nothing that counts is hidden, and it is said.

What holds with and without one is tried by the attacks, which run over whatever the machine has.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from autoresearch.core.model import Arm
from autoresearch.loop.bench import ProtectedTouched
from autoresearch.loop.session import environment, loaded
from support.confined import overlay_path, overlay_sandbox
from support.project import set_cost
from support.session import open_session

OVERLAID = "sandbox: require  # with the newer bubblewrap\n"
"""A contract's text of its own, for sessions that are alike share what `init` made."""

MANY = 60
"""Protected files in a folder in scope: more than are locked."""


def _many(repo):
    repo.write("src/data/mine", "")  # so that the folder is not locked as a whole
    for number in range(MANY):
        repo.write(f"src/data/{number:02d}", "as it was")


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Opens a session whose samples run over an overlay."""
    overlay_sandbox()
    monkeypatch.setenv("PATH", overlay_path())
    return lambda extra="", **kept: open_session(tmp_path, extra=OVERLAID + extra, **kept)


def test_nothing_stays_and_it_is_said(opened):
    """A note that the next sample finds; a log or doctor that knows nothing of the overlay."""
    helper = opened()
    name = f"{overlay_sandbox().name}, overlay"
    assert f"sandbox: {name}\n" in helper("status").out
    note = "import os\nassert not os.path.exists('note')\nopen('note', 'w').close()\n"
    set_cost(helper.repo, 90, extra=note)
    record = helper.attempt()
    assert (record["verdict"], record["touched"], record["sandbox"]) == ("keep", [], name)
    told = helper("doctor").out
    assert f"sandbox: {overlay_sandbox().name}, with overlays" in told
    assert "each sample's checkout: an overlay of its own" in told


def test_caches_stay(opened):
    """A `cache` folder whose content is gone after every sample."""
    helper = opened("cache: [made]\nbuild: mkdir -p made && echo x >> made/times\n")
    set_cost(helper.repo, 90, extra="import os\nassert os.path.exists('made/times')\n")
    record = helper.attempt()
    assert (record["verdict"], record["sandbox"]) == ("keep", overlay_sandbox().name)
    assert "(no overlay: `cache` has to stay)" in helper("doctor").out


def test_a_protected_file_that_is_not_locked_is_no_way_out(opened):
    """The evaluator's data, rewritten for one sample, where the trace of it vanishes too."""
    helper = opened("protect: ['src/data/[0-9]*']\n", prepare=_many)
    written = "import pathlib\nfor p in pathlib.Path('src/data').glob('[0-9]*'):\n    {}\n"
    attack = "try:\n        p.write_text('other')\n    except OSError:\n        pass"
    set_cost(helper.repo, 90, extra=written.format(attack))
    record = helper.attempt()
    assert (record["verdict"], record["reason"]) == ("violation", "touched")
    assert set(record["touched"]) <= {f"src/data/{number:02d}" for number in range(MANY)}
    assert len(record["touched"]) >= MANY - 40


@pytest.mark.parametrize("name", ["src/work.py", "bench.py", "new"])
def test_who_changes_a_checkout_from_outside_is_found(opened, monkeypatch, name):
    """A process beside the sandbox rewrites a program between its samples, and it is kept."""
    monkeypatch.chdir(opened().root)
    with loaded(Path.cwd(), environment(), command="test", write=True) as session:
        bench = session.bench()
        tree = session.tree(session.progress.incumbent_commit)
        built = bench.bring(bench.slots[0], tree, label="test")
        sampled = bench.sample(built, Arm.INCUMBENT, seed=1, label="test", more=True)
        assert sampled.value == 100
        bench.confirm()
        bench.sample(built, Arm.INCUMBENT, seed=1, label="test", more=True)
        (built.slot.root / name).write_text("other")
        with pytest.raises(ProtectedTouched) as caught:
            bench.confirm()
        assert caught.value.paths == (f"../a/{name}",)
        bench.confirm()  # it was put back
        assert bench.sample(built, Arm.INCUMBENT, seed=1, label="test").value == 100
