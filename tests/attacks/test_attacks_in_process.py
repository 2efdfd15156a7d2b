"""In-process cheats: withstood by a separate evaluator, flagged at most without one."""

from __future__ import annotations

import pytest
from attacks import in_process
from attacks.arena import Arena, planted, require_clean, require_unharmed
from support.separate import BETTER, VERIFY, prepare
from support.session import UNCONFINED, open_session

ATTACKS = [pytest.param(attack, id=attack.name) for attack in in_process.ATTACKS]


def separate(folder, outside):
    """The arena with the benchmark in a process of its own."""
    helper = open_session(folder, extra=UNCONFINED, prepare=prepare, replace=VERIFY)
    outside.mkdir()
    return Arena(helper, outside)


def test_honest_gain_is_kept_by_the_separate_evaluator(tmp_path):
    """A benchmark that nobody can beat withstands everything, and is of no use."""
    arena = separate(tmp_path, tmp_path / "outside")
    arena.repo.write("src/packer.py", BETTER)
    answer = arena.attempt("one piece")
    assert answer.out.startswith("experiment 1: keep"), answer


@pytest.mark.parametrize("attack", ATTACKS)
def test_withstood_by_a_separate_evaluator(tmp_path, attack):
    """A cheat that reaches clock, metric or exit code from the candidate's own process."""
    arena = separate(tmp_path, tmp_path / "outside")
    before = planted(arena, attack)
    answer = arena.attempt(attack.message)
    require_unharmed(arena, before, answer, attack)


@pytest.mark.parametrize("attack", ATTACKS)
def test_flagged_at_most_without_one(tmp_path, attack):
    """A cheat that is kept under the simple benchmark and that no human is told to look at."""
    outside = tmp_path / "outside"
    outside.mkdir()
    arena = Arena(open_session(tmp_path, extra=UNCONFINED), outside)
    attack.plant(arena)
    answer = arena.attempt(attack.message)
    require_clean(answer)
    verdict = answer.out.splitlines()[0]
    assert ": keep" not in verdict or "suspicious" in verdict
