"""What would make a contract see more, or cost less; and what N experiments may cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from autoresearch.core import formatting
from autoresearch.core.contract import Contract, RaceRule
from autoresearch.core.model import Arm, Scale
from autoresearch.core.noise import same_code_differences, smallest_visible
from autoresearch.planning.findings import cpu_share
from autoresearch.planning.rehearsal import Rehearsal

DEFAULT_EXPERIMENTS = 20
DEFAULT_TOKENS = 15_000
"""Of one experiment: reading, thinking, editing and the helper's answers, where no session of this
repository has told yet. A default to plan with, not a measurement."""

COARSE = 0.05
"""Gains above this are rare; a race that sees no smaller ones wastes the night."""

LONG_RACE_S = 300.0
SHORT_SAMPLE_S = 0.2
FEW_PAIRS = 8
_HOUR_S = 3600.0


class Forecast(NamedTuple):
    """What so many experiments cost at most.

    Attributes:
        experiments: how many.
        seconds: races that go to their end, and guards.
        tokens: of the agent.
        tokens_from: where the tokens of one experiment are known from.
    """

    experiments: int
    seconds: float
    tokens: int
    tokens_from: str


def forecast(
    contract: Contract,
    rehearsal: Rehearsal,
    experiments: int | None,
    tokens_each: float | None,
) -> Forecast:
    """The cost of a run of the planned experiments, else of the budget's number, else of 20.

    Args:
        contract: has the budget.
        rehearsal: has the times.
        experiments: how many are planned, None where nobody says.
        tokens_each: what one took in earlier sessions of this repository, None if unknown.
    """
    count = experiments or contract.budget.experiments or DEFAULT_EXPERIMENTS
    seconds = rehearsal.forecast_s(count)
    if tokens_each is not None:
        source = "earlier sessions of this repository"
        return Forecast(count, seconds, round(tokens_each * count), source)
    source = f"a default of {DEFAULT_TOKENS:,} an experiment"
    return Forecast(count, seconds, DEFAULT_TOKENS * count, source)


def advice_about(contract: Contract, rehearsal: Rehearsal, planned: Forecast) -> tuple[str, ...]:
    """What to change before the contract is frozen, a sentence each, the most useful first."""
    return (
        *_about_limits(contract, rehearsal),
        *_about_noise(contract, rehearsal, planned),
        *_about_cost(contract, rehearsal, planned),
    )


def _about_noise(contract: Contract, rehearsal: Rehearsal, planned: Forecast) -> Iterator[str]:
    gain = rehearsal.smallest_gain
    if gain is None or contract.metric.scale is not Scale.RATIO or gain <= COARSE:
        return
    seen = formatting.magnitude(gain, Scale.RATIO)
    ways = []
    if rehearsal.pairs < FEW_PAIRS:
        fit = formatting.count(rehearsal.pairs, "pair")
        ways.append(f"a shorter sample (only {fit} fit into a race)")
    if rehearsal.sample_s < SHORT_SAMPLE_S:
        ways.append("more work a sample (0.2 s at least)")
    if _cpu_is_quieter(contract, rehearsal):
        ways.append("`source: cpu`")
    cap = _cap(contract)
    if not (cap or _is_over(contract, planned) or rehearsal.race_s > LONG_RACE_S):
        ways.append("a larger `race.seconds`")
    ways.append("a count instead of a time (instructions by callgrind, bytes, calls)")
    kept = f"; `{cap}` limits a race, as you asked" if cap else ""
    ordered = ", ".join(ways)
    yield f"only gains of {seen} or more are detectable; try, in this order: {ordered}{kept}"


def _cap(contract: Contract) -> str:
    """What the contract says of a race's length, where it says it; advice is not to undo it."""
    rule = contract.race
    if rule.max_runs is not None:
        return f"race.max_runs: {rule.max_runs}"
    if rule.pairs is not None:
        return f"race.pairs: {rule.pairs}"
    return "" if rule.seconds == RaceRule().seconds else f"race.seconds: {rule.seconds:g}"


def _is_over(contract: Contract, planned: Forecast) -> bool:
    """Whether the planned experiments may take more than the budget's hours."""
    hours = contract.budget.hours
    return hours is not None and planned.seconds > hours * _HOUR_S


def _about_limits(contract: Contract, rehearsal: Rehearsal) -> Iterator[str]:
    """A keep needs proof that its limits hold; a tight limit on a noisy number refuses them all."""
    for secondary in contract.secondary:
        limit = secondary.limit
        if limit is None:
            continue
        scale = Scale.RATIO if secondary.limit_relative else Scale.DIFFERENCE
        values = [dict(sample.secondary)[secondary.name] for sample in rehearsal.samples]
        if scale is Scale.RATIO and min(values) <= 0:
            continue
        pool = same_code_differences(Arm.INCUMBENT.value * len(values), values, scale)
        seen = smallest_visible(pool, rehearsal.pairs, scale, secondary.direction)
        if seen is not None and seen > limit:
            sizes = (formatting.magnitude(size, scale, secondary.unit) for size in (limit, seen))
            yield (
                "the limit of {} is {}, but its noise hides losses below {}, so good changes will "
                "be rejected: widen the limit, make the number steadier, or only watch it"
            ).format(secondary.name, *sizes)


def _cpu_is_quieter(contract: Contract, rehearsal: Rehearsal) -> bool:
    """Whether CPU time shows smaller gains: by its noise, over its share that the metric is."""
    cpu, metric = rehearsal.noise_cpu, rehearsal.noise_metric
    share = cpu_share(contract, rehearsal.samples)
    return cpu is not None and metric is not None and share > 0 and cpu / share < metric


def _about_cost(contract: Contract, rehearsal: Rehearsal, planned: Forecast) -> Iterator[str]:
    hours = contract.budget.hours
    if hours is not None and _is_over(contract, planned):
        yield (
            f"{planned.experiments} experiments may take {formatting.duration(planned.seconds)}, "
            f"more than the {formatting.duration(hours * _HOUR_S)} of the budget: use fewer pairs "
            "(a smaller `race.seconds`), a shorter sample, or fewer experiments"
        )
    elif rehearsal.race_s > LONG_RACE_S:
        yield (
            f"one race may take {formatting.duration(rehearsal.race_s)}: fewer pairs (a smaller "
            "`race.seconds`) or a shorter sample allow more experiments"
        )
    guard = rehearsal.guard_s or 0.0
    if guard > max(rehearsal.race_s, 10.0):
        yield (
            f"the guard takes {formatting.duration(guard)}, longer than a race: use a faster "
            "selection of the tests as guard, and all of them as `final_guard`"
        )
