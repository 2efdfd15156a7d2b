"""A session killed fifty times ends with the log of one that never was."""

from __future__ import annotations

import json
import random
import signal
import tempfile

import pytest
from faults.every import environment, memory
from faults.rig import Plan, Rig

STORY = [
    ("try", 90), ("try", 95), ("note", "the loop is hot"), ("try", 80), ("try", 120), ("try", 70),
]  # fmt: skip
INTERRUPTIONS = 50
EARLIEST = 30
LATEST = 160
"""Calls of a `try` that change something: from the snapshot on, and to the last copies."""

TIMES = {"at", "prev", "duration_s", "wall_s", "cpu_s", "sample_s", "guard_s", "seeds"}
"""And seeds, which are drawn; a deterministic metric does not heed them."""


def without_times(value):
    """A record, times and chain aside."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def story_of(rig):
    """The log, without times and without the lines that tell of interruptions."""
    lines = map(json.loads, (rig.state / "log.jsonl").read_text("ascii").splitlines())
    return [without_times(line) for line in lines if line["kind"] != "recovery"]


def decided(rig):
    """Whether a verdict waits to be settled."""
    path = rig.state / "journal.json"
    return path.exists() and '"decided"' in path.read_text()


def play(rig, faults):
    """The story, each command killed as often as planned and then repeated; how many kills hit."""
    killed = 0
    for number, (kind, what) in enumerate(STORY):
        command = ("try", "-m", f"to {what}") if kind == "try" else ("note", what)
        if kind == "try":
            rig.edit(what, number)
        done = len(story_of(rig))
        for at in faults.get(number, ()):
            ended = rig.run(*command, plan=Plan(at=at))
            assert ended.code in {0, -signal.SIGKILL}, (number, at, ended)
            killed += ended.code != 0
            if decided(rig) or len(story_of(rig)) > done:
                rig.run("recover")  # else the same command again goes on by itself
            if len(story_of(rig)) > done:
                break
        if len(story_of(rig)) == done:
            assert rig.run(*command).code == 0, number
    assert rig.broken() == []
    return killed


@pytest.fixture
def rig():
    """A session, in memory where there is some."""
    with tempfile.TemporaryDirectory(dir=memory()) as folder, environment(folder):
        yield Rig(folder)


def test_fifty_kills_leave_the_same_log(rig):
    """An experiment that a kill changes: its number, its commit, its samples, its verdict."""
    assert play(rig, {}) == 0
    expected = story_of(rig)
    seed = random.SystemRandom().randrange(1 << 32)
    rng, killed, round_ = random.Random(seed), 0, 0
    while killed < INTERRUPTIONS:
        round_ += 1
        rig.reset()
        early = {n: sorted(rng.randint(1, EARLIEST) for _ in range(5)) for n in range(len(STORY))}
        faults = {n: (*early[n], *(rng.randint(EARLIEST, LATEST) for _ in range(4))) for n in early}
        killed += play(rig, faults)
        assert story_of(rig) == expected, f"seed {seed}, round {round_}"
        if round_ > 4:
            pytest.fail(f"seed {seed}: only {killed} kills hit")
