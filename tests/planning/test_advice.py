"""Advice and forecast from a rehearsal's numbers."""

from __future__ import annotations

import pytest
from autoresearch.core.contract import Contract, parse
from autoresearch.core.model import Arm, CommandResult, Sample
from autoresearch.planning.advice import advice_about, forecast
from autoresearch.planning.rehearsal import Rehearsal
from msgspec.structs import replace


def contract(extra: str = "", metric: str = "unit: ms") -> Contract:
    """A contract with this metric and these further lines."""
    return parse(
        f"session: s\ngoal: g\nmetric: {{name: m, direction: lower, {metric}}}\n"
        f"verify: v\nscope: [src]\n{extra}\n"
    )


def rehearsal(
    *,
    gain: float | None = 0.01,
    sample_s: float = 1.0,
    race_s: float = 60.0,
    guard_s: float = 5.0,
    cpu: float = 0.01,
) -> Rehearsal:
    """What a rehearsal measured."""
    sample = Sample(
        arm=Arm.INCUMBENT, value=1000 * sample_s, wall_s=sample_s, cpu_s=sample_s, secondary=()
    )
    return Rehearsal(
        files_in_scope=1, samples=(sample,), deterministic=gain is None, sample_s=sample_s,
        noise_wall=0.02, noise_cpu=cpu, noise_metric=0.02, smallest_gain=gain, pairs=10,
        race_s=race_s,
        guard=CommandResult(exit_code=0, duration_s=guard_s, timed_out=False, output=""),
        same_sha256=None, sandbox="none", in_force="none", warnings=(),
        holdout_s=None, holdout_share=0.0, guard_tests=None,
    )  # fmt: skip


def advised(held: Contract, found: Rehearsal) -> tuple[str, ...]:
    """The advice for twenty experiments."""
    return advice_about(held, found, forecast(held, found, None, None))


def test_a_sound_contract_gets_no_advice() -> None:
    """Advice that always comes is not read."""
    assert advised(contract(), rehearsal()) == ()
    assert advised(contract(), rehearsal(gain=None)) == ()


def test_a_blind_race_names_the_ways_that_apply() -> None:
    """`source: cpu` for a metric that is CPU time already, or more work for a long sample."""
    (text,) = advised(contract(), rehearsal(gain=0.12, sample_s=0.05))
    assert text == (
        "only gains of 12.0% or more are detectable; try, in this order: more work a sample (0.2 "
        "s at least), `source: cpu`, a larger `race.seconds`, a count instead of a time "
        "(instructions by callgrind, bytes, calls)"
    )
    (text,) = advised(contract("race: {max_runs: 8}", "source: cpu"), rehearsal(gain=0.12))
    assert "in this order: a count" in text
    assert text.endswith("; `race.max_runs: 8` limits a race, as you asked")
    for rule in ("race: {seconds: 20}", "race: {pairs: 9}", "budget: {experiments: 9, hours: 0.1}"):
        advice = " ".join(advised(contract(rule), rehearsal(gain=0.12)))
        assert "larger `race.seconds`" not in advice, rule
    (text, long) = advised(contract(), rehearsal(gain=0.12, race_s=400.0))
    assert "larger `race.seconds`" not in text
    assert "a smaller `race.seconds`" in long


@pytest.mark.parametrize(
    ("extra", "race_s", "guard_s", "words"),
    [
        ("budget: {experiments: 100, hours: 1}", 60.0, 5.0, "more than the 60 min of the budget"),
        ("", 400.0, 5.0, "one race may take 7 min: fewer pairs"),
        ("", 60.0, 90.0, "the guard takes 90 s, longer than a race"),
    ],
)
def test_cost_is_named_with_its_remedy(
    extra: str, race_s: float, guard_s: float, words: str
) -> None:
    """A night that ends after ten of a hundred experiments."""
    (text,) = advised(contract(extra), rehearsal(race_s=race_s, guard_s=guard_s))
    assert words in text


def test_the_forecast_says_where_its_tokens_come_from() -> None:
    """A default that reads like a measurement."""
    held, found = contract("budget: {experiments: 7}"), rehearsal()
    planned = forecast(held, found, None, None)
    assert (planned.experiments, planned.seconds, planned.tokens) == (7, 455.0, 105_000)
    assert planned.tokens_from == "a default of 15,000 an experiment"
    planned = forecast(held, found, 3, 1000.4)
    assert (planned.experiments, planned.tokens) == (3, 3001)
    assert planned.tokens_from == "earlier sessions of this repository"


def test_a_limit_that_noise_hides_is_named() -> None:
    """A night in which the two best changes are refused by a limit that nobody could prove."""
    held = contract(
        "secondary:\n  - {name: mb, direction: lower, limit: +5%}\n"
        "  - {name: kb, direction: lower, limit: +50%}"
    )
    samples = tuple(
        Sample(
            arm=Arm.INCUMBENT, value=1.0, wall_s=1.0, cpu_s=1.0,
            secondary=(("mb", mb), ("kb", 100.0 + mb / 100)),
        )
        for mb in (100.0, 120.0, 100.0, 120.0)
    )  # fmt: skip
    (text,) = advised(held, replace(rehearsal(), samples=samples))
    assert text.startswith("the limit of mb is 5.0%, but its noise hides losses below ")


def test_few_pairs_ask_for_a_shorter_sample() -> None:
    """`more pairs` as advice where three samples fill the race."""
    (text,) = advised(contract(), replace(rehearsal(gain=0.12, sample_s=8.0), pairs=3))
    assert "in this order: a shorter sample (only 3 pairs fit into a race), `source: cpu`" in text
