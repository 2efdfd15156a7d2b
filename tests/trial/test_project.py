"""The demo's project and its story: every proposal is what it claims to be."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import Kind, Reason, Verdict
from autoresearch.trial.story import STORY, Proposal, copy_project

if TYPE_CHECKING:
    from pathlib import Path

COUNT_STEPS = """\
import sys
import bench
steps = 0
def count(frame, event, argument):
    global steps
    steps += 1
    return count
lines = bench.access_log(1000)
sys.settrace(count)
bench.digest(lines)
sys.settrace(None)
print(steps)
"""
COUNT_CALLS = COUNT_STEPS.replace("settrace", "setprofile")


class Outcome(NamedTuple):
    """What a proposal did to the project it was applied to."""

    note: str | None
    changed: list[str]
    lines: int
    bench: subprocess.CompletedProcess[str]
    guard: subprocess.CompletedProcess[str]
    steps: int
    calls: int


def python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python process in the project's folder that writes no bytecode."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def count(root: Path, script: str) -> int:
    """What `script` counts, or 0 where the program fails."""
    done = python(root, "-c", script)
    return int(done.stdout) if done.returncode == 0 else 0


def sources(root: Path) -> dict[str, bytes]:
    """Every Python file of the project."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.py")}


def look_at(root: Path, note: str | None, before: dict[str, bytes]) -> Outcome:
    """Bench, tests and size of the project as it is now."""
    now = sources(root)
    return Outcome(
        note=note,
        changed=sorted(name for name in now if now[name] != before[name]),
        lines=sum(content.count(b"\n") for content in now.values()),
        bench=python(root, "bench.py"),
        guard=python(root, "-m", "unittest", "-q"),
        steps=count(root, COUNT_STEPS),
        calls=count(root, COUNT_CALLS),
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Outcome, Outcome]]:
    """The story played with every expected verdict: per title its incumbent and its outcome."""
    root = tmp_path_factory.mktemp("story") / "project"
    copy_project(root)
    kept = sources(root)
    incumbent = look_at(root, None, kept)
    told = {}
    for proposal in STORY:
        note = proposal.apply(root)
        outcome = look_at(root, note, kept)
        told[proposal.title] = (incumbent, outcome)
        if proposal.expected is Verdict.KEEP:
            kept, incumbent = sources(root), outcome
        elif proposal.expected is not Verdict.REWORK:  # there the edit stays in the tree
            for name, content in kept.items():
                (root / name).write_bytes(content)
    return told


def chosen(**wanted: object) -> list[Proposal]:
    """The proposals whose attributes are as `wanted`."""
    return [
        proposal
        for proposal in STORY
        if all(getattr(proposal, name) == value for name, value in wanted.items())
    ]


def one(**wanted: object) -> Proposal:
    """The one proposal whose attributes are as `wanted`."""
    (proposal,) = chosen(**wanted)
    return proposal


def test_story_shows_every_verdict() -> None:
    """Breaks if the demo stops showing one of the things it promises."""
    assert {proposal.expected for proposal in STORY} == set(Verdict) - {Verdict.VIOLATION}
    assert len(chosen(expected=Verdict.KEEP)) == 4
    assert one(reason=Reason.OUTSIDE)
    assert one(reason=Reason.DUPLICATE)
    assert one(reason=Reason.WORSE)
    assert len({proposal.title for proposal in STORY}) == len(STORY)


def test_project_as_shipped_is_correct(outcomes: dict[str, tuple[Outcome, Outcome]]) -> None:
    """Breaks if the project fails its own tests or benchmark before anything was changed."""
    start = outcomes[STORY[0].title][0]
    assert start.guard.returncode == 0, start.guard.stderr
    assert start.bench.returncode == 0, start.bench.stderr
    names = [line.partition("=")[0] for line in start.bench.stdout.splitlines()]
    assert names == ["METRIC digest_ms", "METRIC peak_kb"]


def test_every_proposal_edits_one_file(outcomes: dict[str, tuple[Outcome, Outcome]]) -> None:
    """Breaks if a proposal no longer fits what the ones before it leave behind."""
    for proposal in STORY:
        outcome = outcomes[proposal.title][1]
        assert outcome.note is None, proposal.title
        assert outcome.changed == [proposal.path]


def test_only_one_proposal_leaves_the_scope() -> None:
    """Breaks if a proposal is refused for a reason that the story does not tell."""
    assert [p for p in STORY if not p.path.startswith("src/")] == [one(reason=Reason.OUTSIDE)]


@pytest.mark.parametrize(
    "proposal",
    chosen(expected=Verdict.KEEP) + chosen(expected=Verdict.DISCARD),
    ids=lambda proposal: proposal.title,
)
def test_correct_proposals_stay_correct(
    outcomes: dict[str, tuple[Outcome, Outcome]], proposal: Proposal
) -> None:
    """Breaks if a keep of the story would be stopped by the guard or a wrong digest."""
    outcome = outcomes[proposal.title][1]
    assert outcome.bench.returncode == 0, outcome.bench.stderr
    assert outcome.guard.returncode == 0, outcome.guard.stderr


def test_reworked_proposal_fools_the_benchmark_only(
    outcomes: dict[str, tuple[Outcome, Outcome]],
) -> None:
    """Breaks if the benchmark sees the edge case: the story needs the guard to find it."""
    outcome = outcomes[one(expected=Verdict.REWORK).title][1]
    assert outcome.bench.returncode == 0, outcome.bench.stderr
    assert outcome.guard.returncode == 1
    assert "test_space_in_path" in outcome.guard.stderr


def test_rework_follows_what_it_reworks() -> None:
    """Breaks if the rework is told before, or edits another file than, its first attempt."""
    first = STORY.index(one(expected=Verdict.REWORK))
    assert STORY[first + 1].kind is Kind.REWORK
    assert STORY[first + 1].path == STORY[first].path


def test_crash_is_a_failing_benchmark(outcomes: dict[str, tuple[Outcome, Outcome]]) -> None:
    """Breaks if the crash would pass verify, or print a metric before it fails."""
    outcome = outcomes[one(expected=Verdict.CRASH).title][1]
    assert outcome.bench.returncode == 1
    assert outcome.bench.stdout == ""
    assert "ValueError" in outcome.bench.stderr


def test_large_gain_takes_less_than_half_the_steps(
    outcomes: dict[str, tuple[Outcome, Outcome]],
) -> None:
    """Breaks if the large gain shrinks: lines executed, since seconds differ by machine."""
    before, after = outcomes["a large gain"]
    assert 0 < after.steps < before.steps / 2


def test_harmful_change_makes_more_calls(outcomes: dict[str, tuple[Outcome, Outcome]]) -> None:
    """Breaks if the harmful change turns harmless: calls made, since seconds differ by machine."""
    before, after = outcomes["a harmful change"]
    assert after.calls > before.calls * 1.3


def test_worthless_change_does_the_same_work(
    outcomes: dict[str, tuple[Outcome, Outcome]],
) -> None:
    """Breaks if the worthless change becomes worth something: at most 2 % of all steps differ."""
    before, after = outcomes["a worthless change"]
    assert abs(after.steps / before.steps - 1) < 0.02


def test_simplification_is_shorter_and_no_more_work(
    outcomes: dict[str, tuple[Outcome, Outcome]],
) -> None:
    """Breaks if the simplification adds lines, or steps that would show as a loss."""
    before, after = outcomes[one(kind=Kind.SIMPLIFY).title]
    assert after.lines <= before.lines - 5
    assert after.steps <= before.steps


def test_duplicate_follows_what_no_machine_keeps() -> None:
    """Breaks if what it repeats may have been kept, or the incumbent has moved on meanwhile."""
    assert STORY.index(one(reason=Reason.DUPLICATE)) == STORY.index(one(reason=Reason.WORSE)) + 1


def test_duplicate_yields_the_same_bytes(tmp_path: Path) -> None:
    """Breaks if the duplicate is a new change, which would be measured instead of refused."""
    results = []
    for proposal in (one(reason=Reason.WORSE), one(reason=Reason.DUPLICATE)):
        root = tmp_path / proposal.title
        copy_project(root)
        proposal.apply(root)
        results.append(sources(root))
    assert results[0] == results[1]


@pytest.mark.parametrize("proposal", STORY, ids=lambda proposal: proposal.title)
def test_every_proposal_fits_the_project_as_shipped(proposal: Proposal, tmp_path: Path) -> None:
    """Breaks if a proposal needs an earlier one to have been kept, which chance may deny it."""
    copy_project(tmp_path / "project")
    assert proposal.apply(tmp_path / "project") is None
    compile((tmp_path / "project" / proposal.path).read_text(), proposal.path, "exec")


def test_rework_alone_is_correct(tmp_path: Path) -> None:
    """Breaks if the reworked parser leans on the earlier proposals."""
    copy_project(tmp_path / "project")
    one(kind=Kind.REWORK).apply(tmp_path / "project")
    assert python(tmp_path / "project", "-m", "unittest", "-q").returncode == 0


def test_proposal_without_its_subject_is_skipped_with_a_note(tmp_path: Path) -> None:
    """Breaks if an edit that no longer fits ends the demo or mangles the file."""
    copy_project(tmp_path / "project")
    target = tmp_path / "project" / STORY[0].path
    target.write_text("COUNTS = {}\n")
    note = STORY[0].apply(tmp_path / "project")
    assert note == "does not fit src/logdigest/tally.py as it is now: there is no tally to replace"
    assert target.read_text() == "COUNTS = {}\n"


def test_wrong_digest_fails_the_benchmark(tmp_path: Path) -> None:
    """Breaks if a fast digest of something else prints a metric."""
    root = tmp_path / "project"
    copy_project(root)
    source = root / "src/logdigest/digest.py"
    source.write_text(source.read_text().replace("TOP = 10", "TOP = 9"))
    done = python(root, "bench.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the digest changed: SHA-256 ")


def test_copy_brings_no_bytecode_and_overwrites_nothing(tmp_path: Path) -> None:
    """Breaks if stale bytecode travels along, or a folder of the user's is written into."""
    root = tmp_path / "project"
    copy_project(root)
    assert list(root.rglob("__pycache__")) == []
    with pytest.raises(AutoresearchError, match="project"):
        copy_project(root)


def test_command_line_prints_the_digest(tmp_path: Path) -> None:
    """Breaks if the README's way to run the project does not work."""
    root = tmp_path / "project"
    copy_project(root)
    (root / "access.log").write_text(
        '203.0.113.1 - - [12/Mar/2026:09:00:00 +0000] "GET /b HTTP/1.1" 200 100 0.200\n'
    )
    script = "import sys, runpy; sys.path.insert(0, 'src'); sys.argv[1:] = ['access.log'];"
    done = python(root, "-c", script + "runpy.run_module('logdigest', run_name='__main__')")
    assert done.stdout.startswith("1 requests, 1 visitors, 100 bytes, 0 lines skipped\n")
