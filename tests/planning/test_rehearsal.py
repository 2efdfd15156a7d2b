"""The rehearsal's own decisions, with a bench that is told what to answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from autoresearch.core.contract import Contract, parse
from autoresearch.core.errors import GateFailed
from autoresearch.core.model import Arm, Sample
from autoresearch.planning.proof import require_noticed
from autoresearch.planning.rehearsal import calibrate, is_deterministic


def contract(extra: str = "", race: str = "seconds: 60") -> Contract:
    """A contract with this metric and race."""
    return parse(
        f"session: s\ngoal: g\nmetric: {{name: m, direction: lower{extra}}}\n"
        f"verify: ./bench\nscope: [src]\nrace: {{{race}}}\n"
    )


def sample(value: float, wall_s: float = 1.0) -> Sample:
    """A sample of the unchanged code."""
    return Sample(arm=Arm.INCUMBENT, value=value, wall_s=wall_s, cpu_s=wall_s, secondary=())


class ScriptedBench:
    """Answers samples from a list and remembers the seeds."""

    def __init__(self, contract: Contract, values: list[float]) -> None:
        self.contract = contract
        self.left = list(values)
        self.seeds: list[int] = []
        self.frozen = ()
        self.repo = SimpleNamespace(toplevel=None)

    def sample(self, _built: object, _arm: Arm, *, seed: int, label: str) -> Sample:
        """The next value."""
        self.seeds.append(seed)
        return sample(self.left.pop(0))


class Counting:
    """Randomness that counts."""

    def __init__(self) -> None:
        self.last = 0

    def getrandbits(self, _bits: int) -> int:
        """The next number."""
        self.last += 1
        return self.last


def calibrated(bench: ScriptedBench, warm: Sample) -> tuple[Sample, ...]:
    """The samples that calibration takes."""
    return calibrate(cast("Any", bench), cast("Any", None), warm, Counting())


@pytest.mark.parametrize(
    ("wall_s", "seconds", "runs"), [(0.01, 60, 8), (30.0, 60, 8), (60.0, 60, 4), (1000.0, 60, 2)]
)
def test_calibration_fits_into_four_races(wall_s: float, seconds: int, runs: int) -> None:
    """A slow verify is calibrated by fewer runs, never by less than two."""
    bench = ScriptedBench(contract(race=f"seconds: {seconds}"), [float(n) for n in range(8)])
    assert len(calibrated(bench, sample(1.0, wall_s))) == runs
    assert len(set(bench.seeds)) == runs  # one seed for all would hide that the metric varies


def test_a_declaration_is_checked_once() -> None:
    """Two runs that differ refute it."""
    declared = contract(", deterministic: true")
    assert [s.value for s in calibrated(ScriptedBench(declared, [5.0]), sample(5.0))] == [5.0]
    with pytest.raises(GateFailed) as caught:
        calibrated(ScriptedBench(declared, [5.1]), sample(5.0))
    assert caught.value.code == "not_deterministic"


@pytest.mark.parametrize(
    ("extra", "values", "exact"),
    [
        ("", [5.0] * 8, True),
        ("", [5.0] * 7, False),  # too few to tell
        ("", [5.0] * 7 + [5.1], False),
        (", deterministic: false", [5.0] * 8, False),
        (", deterministic: true", [5.0], True),
    ],
)
def test_who_takes_the_exact_path(extra: str, values: list[float], *, exact: bool) -> None:
    """Declared, or found out by a full calibration without a single difference."""
    found = tuple(sample(value) for value in values)
    assert is_deterministic(contract(extra), found) is exact


@pytest.mark.parametrize(
    ("sound", "broken", "noticed"),
    [
        ([100.0], [], True),  # it failed, as it should
        ([100.0], [100.0, 100.0, 100.0], False),
        ([100.0], [0.0, 0.0, 0.0], True),
        ([90.0, 110.0], [75.0, 300.0, 300.0], False),  # one value within the noise is enough
        ([90.0, 110.0], [69.0, 131.0, 300.0], True),
    ],
)
def test_who_noticed(sound: list[float], broken: list[float], *, noticed: bool) -> None:
    """The range of the sound values, widened by their spread on either side, tells."""
    bench = ScriptedBench(contract(), [])
    bench.repo.toplevel = __import__("pathlib").Path("/nowhere")
    if noticed:
        require_noticed(cast("Any", bench), sound, broken)
        return
    with pytest.raises(GateFailed) as caught:
        require_noticed(cast("Any", bench), sound, broken)
    assert caught.value.code == "not_measured"
