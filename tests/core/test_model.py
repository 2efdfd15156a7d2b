"""What a record refuses, and what follows from its fields."""

from __future__ import annotations

import math

import pytest
from autoresearch.core.errors import GitError
from autoresearch.core.model import Arm, CommandResult, Effect, LimitResult, Pair, Sample, Scale
from support.records import make


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_record_holds_what_is_no_number(bad):
    """NaN or infinity that enters a decision."""
    with pytest.raises(ValueError, match="value must be finite"):
        Sample(arm=Arm.CANDIDATE, value=bad, wall_s=0.1, cpu_s=0.1)
    with pytest.raises(ValueError, match="peak must be finite"):
        Sample(arm=Arm.CANDIDATE, value=1.0, wall_s=0.1, cpu_s=0.1, secondary=(("peak", bad),))
    with pytest.raises(ValueError, match="incumbent must be finite"):
        Pair(incumbent=bad, candidate=1.0, first=Arm.CANDIDATE)
    with pytest.raises(ValueError, match="candidate must be finite"):
        Pair(incumbent=1.0, candidate=bad, first=Arm.CANDIDATE)
    with pytest.raises(ValueError, match="low must be finite"):
        Effect(scale=Scale.RATIO, change=0.1, low=bad, high=0.2, level=0.95)


def test_arms_are_each_other():
    """A pair in which one side runs twice."""
    assert Arm.INCUMBENT.other is Arm.CANDIDATE
    assert Arm.CANDIDATE.other is Arm.INCUMBENT


@pytest.mark.parametrize(
    ("exit_code", "timed_out", "passed"),
    [(0, False, True), (1, False, False), (0, True, False), (137, True, False)],
)
def test_command_passes_only_by_itself(exit_code, timed_out, passed):
    """A guard that was killed, or failed, and counts as passed."""
    result = CommandResult(exit_code=exit_code, duration_s=1.0, timed_out=timed_out, output="x")
    assert result.passed is passed


def test_git_error_carries_code_and_remedy():
    """A failure of git that names no way on."""
    error = GitError("no", code="bare", hint="Use a working tree.")
    assert (error.message, error.code, error.hint, error.exit_code) == (
        "no",
        "bare",
        "Use a working tree.",
        1,
    )


@pytest.mark.parametrize(
    ("carried", "estimate", "held", "noisy"),
    [
        (-0.3, 0.1, False, True),
        (0.02, 0.02, False, True),
        (0.02, 0.04, False, False),
        (0, 0, True, False),
    ],
)
def test_limit_tells_noise_from_a_loss(carried, estimate, held, noisy):
    """An agent that is told to spend less of a metric that only could not be measured."""
    limit = make(LimitResult, carried=carried, estimate=estimate, limit=0.05, held=held)
    assert limit.is_too_noisy is noisy
    assert limit.since_baseline == carried + estimate
