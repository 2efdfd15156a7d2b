"""`gc` frees what nobody needs, says what went, and leaves a consistent session when it dies."""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path

import pytest
from autoresearch.edges.lock import Lock
from faults.every import EVERY, environment
from faults.failures import fail_often
from faults.rig import ERRORS, Plan, Rig

SAMPLED = 3
OLD = 60
"""Crashes in the log before what was really tried: beyond the 40 newest, which always stay."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A session with old failures, a keep at 1 and 63, a discard at 62, output and dead races."""
    folder = tmp_path_factory.mktemp("rig")
    with environment(folder):
        rig = Rig(folder)
        rig.edit(95)
        assert rig.run("try", "-m", "first").code == 0
        fail_often(rig, OLD)
        for name in ("interrupted/0004-abcdef", "interrupted/0063-abcdef", "dropped/0001"):
            rig.repo("update-ref", f"refs/autoresearch/cheaper/{name}", "HEAD")
        for cost in (120, 90):
            rig.edit(cost, note=cost)
            assert rig.run("try", "-m", f"to {cost}").code == 0
        output = rig.state / "output"
        for path in output.iterdir():
            path.unlink()
        for name in ("0002-guard.txt", "0061-guard.txt", "0063-guard.txt", "validate.txt"):
            (output / name).write_text("x" * 1000)
        (rig.state / "raw" / f"{'a' * 40}.set-aside-1").write_text("dead")
        (rig.state / "raw" / f"{'b' * 40}.jsonl").write_text("cannot be read, so it is not judged")
        rig.save()
        yield rig


@pytest.fixture
def fresh(rig, monkeypatch):
    """The session as it was prepared."""
    rig.move_in(monkeypatch)
    rig.reset()
    return rig


def refs(rig):
    """The names of the session's refs, without what they have in common."""
    found = rig.repo("for-each-ref", "--format=%(refname)", "refs/autoresearch/cheaper/")
    return {name.removeprefix("refs/autoresearch/cheaper/") for name in found.splitlines()}


def pruned(rig):
    """What the log says was removed."""
    lines = map(json.loads, (rig.state / "log.jsonl").read_text("ascii").splitlines())
    return [(line["experiments"], line["keep"]) for line in lines if line["kind"] == "pruned"]


def answer(rig, *command):
    """The object that a command answers with."""
    ended = rig.run(*command, "--json")
    assert ended.code == 0, ended
    return json.loads(ended.out)


EXP = {f"exp/{number:04d}" for number in range(1, 64)}
# 61 failed: 2 to 61 and 62. The 40 newest of these begin with 23; 5 is named by an idea.
GONE = {f"exp/{number:04d}" for number in range(2, 23) if number != 5}


def test_looks_by_default_and_removes_when_asked(fresh):
    """A look that removes; a kept ref, a dropped edit or what an idea names that goes with it."""
    assert fresh.run("note", "--idea", "combine 5 with 62").code == 0
    before = refs(fresh)
    assert before >= EXP
    found = answer(fresh, "gc", "--keep", "2")
    assert (found["experiments"], found["named"]) == ([[2, 4], [6, 22]], [5])
    assert (found["interrupted"], found["files"], found["bytes"]) == (1, 3, 2004)
    assert (found["pruned"], found["checkouts"]) == (False, [])
    assert "--prune" in found["next"]
    assert refs(fresh) == before
    done = fresh.run("gc", "--keep", "2", "--prune")
    assert "removed: 20 refs of candidates that were not kept (2-4, 6-22)" in done.out
    assert "stays because an open idea names it: 5" in done.out
    assert refs(fresh) == before - GONE - {"interrupted/0004-abcdef"}
    assert pruned(fresh) == [([[2, 4], [6, 22]], 2)]
    names = {path.name for path in (fresh.state / "output").iterdir()}
    assert names >= {"0063-guard.txt", "validate.txt"}
    assert names.isdisjoint({"0002-guard.txt", "0061-guard.txt"})
    assert [path.name for path in (fresh.state / "raw").iterdir()] == [f"{'b' * 40}.jsonl"]
    assert fresh.broken() == []
    assert "nothing to clean up" in fresh.run("gc", "--keep", "2", "--prune").out
    assert len(pruned(fresh)) == 1
    assert "20 pruned by gc" in fresh.run("doctor").out


def test_two_within_one_second_are_both_written_down(fresh, monkeypatch):
    """What the second removed would count as missing, for it has the time of the first."""
    monkeypatch.setattr("autoresearch.loop.cleaning.now_utc", lambda: "2026-11-29T00:00:00Z")
    for keep in ("50", "0"):
        answer(fresh, "gc", "--prune", "--keep", keep)
    written = [
        number for ranges, _ in pruned(fresh) for a, b in ranges for number in range(a, b + 1)
    ]
    assert {f"exp/{number:04d}" for number in written} == EXP - refs(fresh) >= GONE
    assert "missing" not in fresh.run("doctor").out


def test_what_was_pruned_can_still_be_told_apart(fresh, tmp_path, monkeypatch):
    """A traceback for a diff that is gone; a lost ref that passes for a pruned one."""
    assert fresh.run("gc", "--keep", "0", "--prune").code == 0
    assert "diff --git" in fresh.run("show", "62").out
    assert "output ---" not in fresh.run("show", "62").out
    fresh.repo("gc", "-q", "--prune=now")
    shown = fresh.run("show", "7")
    assert (shown.code, "diff: gone" in shown.out) == (0, True)
    assert json.loads(fresh.run("apply", "7", "--json").out)["error"]["code"] == "pruned"
    assert fresh.run("recover").code == 0
    assert fresh.broken() == []
    shutil.rmtree(fresh.state)
    assert fresh.run("recover", "--from-refs").code == 0
    assert fresh.broken() == []
    fresh.repo("update-ref", "-d", "refs/autoresearch/cheaper/exp/0030")
    assert [text for text in fresh.broken() if "missing [30]" in text]


def test_a_ref_that_somebody_moved_is_theirs(fresh):
    """A commit of somebody's that goes with a ref of ours."""
    fresh.repo("update-ref", "refs/autoresearch/cheaper/exp/0007", "HEAD")
    assert answer(fresh, "gc", "--keep", "0", "--prune")["experiments"] == [[2, 6], [8, 22]]
    assert "exp/0007" in refs(fresh)


def test_a_ref_that_git_cannot_remove_is_not_called_removed(fresh):
    """A log that says what was asked for, instead of what happened."""
    lock = fresh.root / ".git/refs/autoresearch/cheaper/exp/0009.lock"
    lock.touch()
    before = refs(fresh)
    assert fresh.run("gc", "--keep", "0", "--prune").code == 1
    lock.unlink()
    assert pruned(fresh) == []
    assert refs(fresh) == before
    assert fresh.broken() == []


def test_checkouts_of_sessions_that_are_over_go(fresh):
    """Gigabytes of build outputs that stay for ever; checkouts that are taken from under a race."""
    ours = fresh.state
    key = fresh.cache_home / "autoresearch-bench" / ours.parent.name
    for name, view in (("old", {"stopped": True}), ("busy", {"stopped": True}), ("live", {})):
        other = ours.with_name(name)
        other.mkdir()
        (other / "host.json").write_text(json.dumps({"stopped": False, **view}))
        ours.with_name(f".bench-{name}").mkdir()
    for name in ("old", "busy", "live", "lost", ".output"):
        (key / name / "a").mkdir(parents=True)
        (key / name / "a" / "big").write_text("x" * 5000)
    with Lock(ours.with_name("busy") / "lock").acquire("validate"):
        found = answer(fresh, "gc", "--keep", "99", "--prune")["checkouts"]
    assert [(c["session"], c["why"], c["bytes"]) for c in found] == [
        ("lost", "its state is gone", 5000),
        ("old", "stopped", 5000),
    ]
    left = {path.name for path in key.iterdir() if path.is_dir()}
    assert left == {"cheaper", "busy", "live", ".output"}
    assert not ours.with_name(".bench-old").exists()
    assert fresh.run("stop").code == 0
    (mine,) = answer(fresh, "gc", "--prune")["checkouts"][1:]
    assert mine["session"] == "cheaper"
    assert not (key / "cheaper").exists()
    assert fresh.run("validate").code == 0  # makes them again
    assert fresh.broken() == []


def chosen(calls, seed):
    """The calls to fail at: all, or one of each stretch."""
    if EVERY:
        return list(range(1, calls + 1))
    rng, step = random.Random(seed), calls / SAMPLED
    return sorted({1 + int((part + rng.random()) * step) for part in range(SAMPLED)})


@pytest.mark.parametrize("error", [0, ERRORS[0]], ids=["killed", "disk full"])
def test_fails_at_a_call(fresh, error):
    """Refs that went and that nobody speaks of; a session that an interrupted gc blocks."""
    whole = fresh.run("gc", "--keep", "0", "--prune", plan=Plan())
    assert whole.code == 0, whole
    seed = random.SystemRandom().randrange(1 << 32)
    count = len(whole.at(error))
    for fault in chosen(count, seed):
        at = f"seed {seed}, call {fault} of {count}"
        fresh.reset()
        ended = fresh.run("gc", "--keep", "0", "--prune", plan=Plan(at=fault, error=error))
        assert ended.code in {-signal.SIGKILL, 0, 1}, (at, ended)
        said = fresh.run("note", "next")
        assert said.code == 0, (at, said)
        assert fresh.broken() == [], (at, said)
        gone = EXP - refs(fresh)
        told = {
            f"exp/{number:04d}"
            for ranges, _ in pruned(fresh)
            for first, last in ranges
            for number in range(first, last + 1)
        }
        assert told == gone, (at, said)
        assert fresh.run("gc", "--keep", "0", "--prune").code == 0, at
        assert EXP - refs(fresh) == GONE | {"exp/0005"}, at
        assert fresh.broken() == [], at


def test_repositorys_own_files_are_left(fresh):
    """A file of the user's among what is removed."""
    before = fresh.repo.state()
    assert fresh.run("gc", "--keep", "0", "--prune").code == 0
    after = fresh.repo.state()
    ours = {"autoresearch.md", "autoresearch.jsonl"}
    assert {p: t for p, t in after.items() if p not in ours} == {
        p: t for p, t in before.items() if p not in ours
    }
    assert Path(fresh.root / "src/work.sh").read_bytes() == before["src/work.sh"]
