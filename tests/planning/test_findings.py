"""Noise and advice from a rehearsal's samples, by hand-derived numbers."""

from __future__ import annotations

import pytest
from autoresearch.core.contract import Contract, parse
from autoresearch.core.model import Arm, Sample
from autoresearch.planning.findings import exact_beside, noise_of, warnings_about
from msgspec.structs import replace


def contract(metric: str = "unit: ms", extra: str = "guard: make test") -> Contract:
    """A contract with this metric."""
    return parse(
        f"session: s\ngoal: g\nmetric: {{name: m, direction: lower, {metric}}}\n"
        f"verify: ./bench\nscope: [src]\n{extra}\n"
    )


def samples(values: list[float], cpu: list[float], wall_s: float = 1.0) -> list[Sample]:
    """Samples with these values and CPU times."""
    return [
        Sample(arm=Arm.INCUMBENT, value=value, wall_s=wall_s, cpu_s=cpu_s, secondary=())
        for value, cpu_s in zip(values, cpu, strict=True)
    ]


def test_noise_is_the_spread_between_neighbours() -> None:
    """Ratios 1.1, 0.9091, 1.1: median |change| 0.1, times 1.4826 over the square root of two."""
    assert noise_of([10, 11, 10, 11]) == pytest.approx(0.10484, abs=1e-5)
    assert noise_of([5, 5, 5]) == 0


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [1.0, 0.0, 1.0], [-1.0, -2.0, -1.0]])
def test_noise_that_is_not_known(values: list[float]) -> None:
    """Too few runs, or values without a ratio, are no noise of zero."""
    assert noise_of(values) is None


@pytest.mark.parametrize(
    ("metric", "values", "advised"),
    [
        ("unit: ms", [1000, 1200, 1000, 1200], True),
        ("unit: ms", [10, 12, 10, 12], False),  # a hundredth of the CPU time, the rest is start-up
        ("unit: ms", [10, 10.01, 10, 10.01], False),  # quieter than CPU time already
        ("unit: MB", [10, 12, 10, 12], False),  # no time at all
        ("source: wall", [10, 12, 10, 12], True),
        ("source: cpu", [10, 12, 10, 12], False),
    ],
)
def test_cpu_time_is_advised_only_where_it_would_help(
    metric: str, values: list[float], *, advised: bool
) -> None:
    """Advice that makes the metric noisier, or another quantity of it, is worse than none."""
    found = warnings_about(
        contract(metric), samples(values, [1, 1.01, 1, 1.01]), deterministic=False
    )
    assert any("`source: cpu`" in warning for warning in found) is advised


def test_exact_count_beside_a_noisy_time_is_to_decide() -> None:
    """A race of 24 % noise beside a count that would decide in three runs."""
    held = contract("unit: ms", "guard: x\nsecondary: [{name: allocations, direction: lower}]")
    found = [
        replace(one, secondary=(("allocations", 1234.0),))
        for one in samples([10, 13] * 4, [1.0] * 8)
    ]
    (text,) = [t for t in warnings_about(held, found, deterministic=False) if "exact" in t]
    assert text.startswith("allocations is exact where m varies by ")
    assert text.endswith("let `validate` speak of it (`claim: m`)")
    moving = [replace(one, secondary=(("allocations", one.value),)) for one in found]
    assert exact_beside(held, moving) == exact_beside(held, found[:4]) == []
    assert exact_beside(contract("unit: ms"), found) == []


def test_missing_guards_are_named_once() -> None:
    """Two warnings for one fault read like two faults."""
    quiet = samples([1, 1, 1], [1, 1, 1])
    (neither,) = warnings_about(contract(extra=""), quiet, deterministic=True)
    assert neither.startswith("there is neither a guard nor `same`")
    (same,) = warnings_about(contract(extra="same: ./dump"), quiet, deterministic=True)
    assert same.startswith("there is no guard")
    assert warnings_about(contract(), quiet, deterministic=True) == ()


def test_short_samples() -> None:
    """Start-up drowns what is measured, but not where the metric repeats itself exactly."""
    short = samples([1, 2, 1], [1, 1, 1], wall_s=0.01)
    assert any(
        "under 50 ms" in text for text in warnings_about(contract(), short, deterministic=False)
    )
    assert warnings_about(contract(), short, deterministic=True) == ()
