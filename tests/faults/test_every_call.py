"""A crash, and a failing disk, at every call of an experiment that touches anything."""

from __future__ import annotations

import os
import random
import signal

import pytest
from faults.rig import ERRORS, Plan, Rig

EVERY = os.environ.get("AUTORESEARCH_EVERY_FAULT") == "1"
SAMPLED = int(os.environ.get("AUTORESEARCH_FAULTS", "5"))
"""Faults a case that CI takes, one from each stretch of its calls; `make fault-test` takes all."""

CASES = {
    "keep": (("try", "-m", "x"), 90, "keep"),
    "discard": (("try", "-m", "x"), 110, "discard"),
    "drop": (("drop",), 90, None),
    "note": (("note", "x"), 90, None),
}
NEXT = (("recover",), ("note", "next"), ("run", "3"), ("try", "-m", "x"))


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """One session for all cases; the environment must outlive single tests."""
    folder = tmp_path_factory.mktemp("rig")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(folder / name.lower()))
        yield Rig(folder)


def chosen(calls):
    """The calls to fail at: all, or one of each stretch."""
    if EVERY:
        return list(range(1, calls + 1))
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed} of {calls} calls")  # noqa: T201 - pytest shows it where a test fails
    rng, step = random.Random(seed), calls / SAMPLED
    picked = {1 + int((part + rng.random()) * step) for part in range(SAMPLED)}
    return sorted(picked & set(range(1, calls + 1)))


def check_consistent(rig, case, fault, before, after, verdict):
    """Whatever happened: consistent, nothing lost, nothing twice, and the work goes on."""
    then = NEXT if verdict else NEXT[:2]
    said = rig.run(*then[fault % len(then)])
    assert said.code in {0, 1}, (case, fault, said)
    assert rig.broken() == [], (case, fault, said)
    tried = rig.experiments()
    assert len(tried) <= 1, (case, fault)
    if tried:
        assert tried[0]["verdict"] == verdict, (case, fault)
        assert rig.work == (after if verdict == "keep" else before), (case, fault)
    elif case != "drop":
        assert rig.work == after, (case, fault)
    else:
        assert rig.work in {before, after}, (case, fault)
    if verdict and not tried:
        assert rig.run("try", "-m", "x").code == 0, (case, fault)
        assert [t["verdict"] for t in rig.experiments()] == [verdict], (case, fault)
        assert rig.broken() == [], (case, fault)


@pytest.mark.parametrize("case", CASES)
def test_killed_at_a_call(rig, case, monkeypatch):
    """A step that a kill leaves half done for good, does twice, or forgets."""
    restore(rig, monkeypatch)
    command, cost, verdict = CASES[case]
    before = rig.work
    after = rig.edit(cost)
    whole = rig.run(*command, plan=Plan())
    assert whole.code == 0, whole
    for fault in chosen(whole.calls):
        rig.reset()
        rig.edit(cost)
        ended = rig.run(*command, plan=Plan(at=fault))
        assert ended.code in {-signal.SIGKILL, 0}, (case, fault, ended)
        check_consistent(rig, case, fault, before, after, verdict)
    rig.reset()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("error", ERRORS, ids=lambda number: os.strerror(number)[:8])
def test_disk_fails_at_a_call(rig, case, error, monkeypatch):
    """A full or broken disk that is called a bug, or counts against the candidate."""
    restore(rig, monkeypatch)
    command, cost, verdict = CASES[case]
    before = rig.work
    after = rig.edit(cost)
    whole = rig.run(*command, plan=Plan(error=error))
    for fault in chosen(whole.calls):
        rig.reset()
        rig.edit(cost)
        ended = rig.run(*command, plan=Plan(at=fault, error=error))
        assert ended.code in {0, 1, 5}, (case, fault, ended)
        check_consistent(rig, case, fault, before, after, verdict)
    rig.reset()


def restore(rig, monkeypatch):
    """The environment that the rig was made in, for this test too."""
    for name, place in (("XDG_STATE_HOME", rig.state_home), ("XDG_CACHE_HOME", rig.cache_home)):
        monkeypatch.setenv(name, str(place))
    rig.reset()
