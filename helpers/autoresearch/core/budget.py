"""What is left to spend, whether more is worth it, and which rule ends the run or the session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import chain, islice
from statistics import fmean
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core import formatting
from autoresearch.core.contract import Budget, Contract, Metric, StopWhen
from autoresearch.core.history import History
from autoresearch.core.model import Direction, Spent
from autoresearch.core.worth import forecast_of, price_of

_DISCOUNT = 0.95
"""Weight of an experiment against the one after it."""

_PRIOR_KEEPS = 0.5
_PRIOR_DISCARDS = 4.5
"""Before any experiment, one in ten is expected to be kept."""

_HORIZON = 10
_HOPE = 0.3
"""Stop when a keep in the next 10 experiments is less likely than this."""

_FEWEST_EXPERIMENTS = 20
_GAINS_AVERAGED = 5


class Outlook(Struct, frozen=True, kw_only=True):
    """What the next experiments promise.

    Attributes:
        next_keep: chance that the next experiment is kept.
        next_real: chance that it is kept and no false keep (alpha taken off).
        keep_soon: chance of at least one keep in the next 10.
        expected_gain: gain to expect from the next experiment, in the unit of the gains; None
            before the first keep.
        stop: whether stopping is advised.
        reason: why, in one line; empty without advice to stop.
    """

    next_keep: float
    next_real: float
    keep_soon: float
    expected_gain: float | None
    stop: bool
    reason: str


def outlook(
    keeps: Sequence[bool],
    gains: Sequence[float],
    *,
    alpha: float,
    min_effect: float,
    keep_soon: float | None = None,
) -> Outlook:
    """The outlook after a series of experiments, oldest first.

    `gains` are those of the kept ones, improvements positive, in the unit of `min_effect`, which is
    the gain that an experiment is expected to bring; `alpha` is the share of worthless ones kept.
    `keep_soon` is a better chance of a keep in the next ten, where one is known (`core.worth`).
    """
    weights = [_DISCOUNT**age for age in range(len(keeps))]
    newest_first = list(zip(weights, reversed(keeps), strict=True))
    kept = _PRIOR_KEEPS + sum(weight for weight, keep in newest_first if keep)
    other = _PRIOR_DISCARDS + sum(weight for weight, keep in newest_first if not keep)
    next_keep = kept / (kept + other)
    if keep_soon is None:
        keep_soon = _chance_of_a_keep(kept, other)
    recent = list(islice(reversed(gains), _GAINS_AVERAGED))
    expected = next_keep * fmean(recent) if recent else None
    reason = ""
    if len(keeps) >= _FEWEST_EXPERIMENTS:
        reason = _reason(keep_soon, expected, min_effect)
    return Outlook(
        next_keep=next_keep,
        next_real=max(0.0, next_keep - alpha),
        keep_soon=keep_soon,
        expected_gain=expected,
        stop=bool(reason),
        reason=reason,
    )


def _chance_of_a_keep(kept: float, other: float) -> float:
    none = 1.0
    for step in range(_HORIZON):
        none *= (other + step) / (kept + other + step)
    return 1 - none


def _reason(keep_soon: float, expected: float | None, min_effect: float) -> str:
    if keep_soon < _HOPE:
        return f"a keep in the next {_HORIZON} experiments has a chance of {keep_soon:.0%}"
    if expected is not None and expected < min_effect:
        return "the gain to expect from one experiment is below min_effect"
    return ""


MOST_REFUSALS = 5
"""Refused candidates in a row that end a run: the agent does not see why, a human must look."""

MOST_VIOLATIONS = 3
"""Violations in a row that end a run."""

_HOUR_S = 3600.0


class Remaining(Struct, frozen=True, kw_only=True):
    """What may still be spent; None where there is no bound.

    Attributes:
        experiments: of the session.
        hours: of the session; measuring and at most 15 minutes of thought before each record.
        usd, tokens: of what the agent may cost, as far as its host tells.
        run_used, run_total: of the run in progress.
    """

    experiments: int | None
    hours: float | None
    usd: float | None
    tokens: int | None
    run_used: int | None
    run_total: int | None

    def described(self) -> str:
        """In words: `run 7 of 20 used; session: 13 experiments and 3.2 h left`."""
        parts = []
        if self.run_used is not None:
            parts.append(f"run {self.run_used} of {self.run_total} used")
        bounds = []
        if self.experiments is not None:
            bounds.append(formatting.count(self.experiments, "experiment"))
        if self.hours is not None:
            bounds.append(formatting.duration(self.hours * _HOUR_S))
        if self.usd is not None:
            bounds.append(formatting.dollars(self.usd))
        if self.tokens is not None:
            bounds.append(formatting.tokens(self.tokens))
        if bounds:
            parts.append(f"session: {formatting.listed(bounds)} left")
        return "; ".join(parts) or "no limit"


class StopRule(str, Enum):
    """Which rule speaks, in the order they are asked."""

    TARGET = "target"
    EXPERIMENTS = "experiments"
    HOURS = "hours"
    USD = "usd"
    TOKENS = "tokens"
    PLATEAU = "plateau"
    NOT_WORTH = "not_worth"
    REFUSALS = "refusals"
    VIOLATIONS = "violations"
    STOPPED = "stopped"
    RUN = "run"


class Halt(NamedTuple):
    """Why no further experiment is due.

    Attributes:
        ends_session: False when only the run ends, and a new one may be opened.
        text: one line.
    """

    rule: StopRule
    ends_session: bool
    text: str

    @property
    def may_rework(self) -> bool:
        """Whether an experiment that awaits its rework may still be mended: it is the same idea."""
        return self.rule in {StopRule.RUN, StopRule.EXPERIMENTS}


def remaining(history: History, budget: Budget) -> Remaining:
    """What the contract's budget and the run leave."""
    used, run = history.spending, history.run
    experiments, hours = budget.experiments, budget.hours
    return Remaining(
        experiments=None if experiments is None else max(0, experiments - history.last_number),
        hours=None if hours is None else max(0.0, hours - history.active_s / _HOUR_S),
        usd=None if budget.usd is None else max(0.0, budget.usd - used.usd),
        tokens=None if budget.tokens is None else max(0, budget.tokens - used.tokens),
        run_used=None if run is None else run.used,
        run_total=None if run is None else run.experiments,
    )


def outlook_of(history: History, contract: Contract) -> Outlook:
    """What the next experiments promise, from the 500 newest and their gains.

    Gains are fractions, or the metric's unit where the keeps are compared by difference.
    """
    sign = -1.0 if contract.metric.direction is Direction.LOWER else 1.0
    gains = [sign * kept.effect.change for kept in history.kept if kept.effect is not None]
    return outlook(
        history.keeps[::-1],
        gains[::-1],
        alpha=contract.race.alpha,
        min_effect=contract.metric.min_effect,
        keep_soon=forecast_of(history).keep_soon,
    )


def halt(history: History, contract: Contract) -> Halt | None:
    """The first stop rule that holds, in the order of `StopRule`; None to go on."""
    for rule, text in chain(_used_up(history, contract), _cut_short(history, contract)):
        return Halt(rule, rule not in _RUN_RULES, text)
    return None


def is_target_met(value: float | None, metric: Metric) -> bool:
    """Whether a value, in the metric's unit, is at the target or beyond."""
    if value is None or metric.target is None:
        return False
    if metric.direction is Direction.LOWER:
        return value <= metric.target
    return value >= metric.target


def _used_up(history: History, contract: Contract) -> Iterator[tuple[StopRule, str]]:
    """The rules of target and budget that hold."""
    budget, metric, value = contract.budget, contract.metric, history.incumbent_value
    left = remaining(history, budget)
    if value is not None and metric.target is not None and is_target_met(value, metric):
        reached, asked = (formatting.with_unit(one, metric.unit) for one in (value, metric.target))
        yield StopRule.TARGET, f"target met: {reached}, asked for {asked}"
    if left.experiments == 0:
        yield StopRule.EXPERIMENTS, f"all {budget.experiments} experiments of the budget are used"
    if left.hours == 0:
        hours = formatting.number(budget.hours or 0)
        yield StopRule.HOURS, f"all {hours} h of the budget are used"
    if left.usd == 0:
        usd = formatting.dollars(budget.usd or 0)
        yield StopRule.USD, f"all {usd} of the budget are spent"
    if left.tokens == 0:
        yield StopRule.TOKENS, f"all {formatting.tokens(budget.tokens or 0)} are used"


def _cut_short(history: History, contract: Contract) -> Iterator[tuple[StopRule, str]]:
    """The rules of what happened, or was said, that hold."""
    outlook, run = outlook_of(history, contract), history.run
    if contract.stop_on_plateau and outlook.stop:
        yield StopRule.PLATEAU, f"plateau: {outlook.reason}"
    if contract.stop_when is StopWhen.NOT_WORTH:
        price = price_of(history, contract)
        if price is not None and price.is_worth_it is False:
            yield StopRule.NOT_WORTH, f"not worth it: {price.described(contract.metric.unit)}"
    if history.refusals_in_row >= MOST_REFUSALS:
        yield StopRule.REFUSALS, f"{history.refusals_in_row} candidates in a row were refused"
    if history.violations_in_row >= MOST_VIOLATIONS:
        yield StopRule.VIOLATIONS, f"{history.violations_in_row} violations in a row"
    if history.stopped is not None:
        yield StopRule.STOPPED, f"stopped: {history.stopped}"
    if run is not None and run.used >= run.experiments:
        yield StopRule.RUN, f"all {run.experiments} experiments of run {run.number} are used"


_RUN_RULES = frozenset({StopRule.REFUSALS, StopRule.VIOLATIONS, StopRule.RUN})


def spent_words(spent: Spent) -> str:
    """What one experiment cost: `48 k tokens, $0.41`."""
    money = "dollars unknown" if spent.usd is None else formatting.dollars(spent.usd)
    return f"{formatting.tokens(spent.tokens)}, {money}"


def cost_line(history: History) -> str:
    """What the experiments cost the agent, and each kept one; empty when nobody knows."""
    used = history.spending
    metered = history.last_number - used.unmetered
    if metered <= 0:
        return ""
    money = formatting.dollars(used.usd)
    if used.unpriced:
        money = (
            "dollars unknown"
            if used.unpriced == metered
            else f"{money} and {used.unpriced} unknown"
        )
    number = formatting.count(metered, "experiment")
    if used.unmetered:
        number = f"{metered} of {history.last_number} experiments"
    each = per_keep(history)
    line = f"cost: {formatting.tokens(used.tokens)}, {money} for {number}"
    return line if each is None else f"{line}; {each} for each kept change"


def per_keep(history: History) -> str | None:
    """The cost of all experiments over the kept ones; None where it cannot be told."""
    used, kept = history.spending, history.kept_count
    if kept == 0 or used.unmetered:
        return None
    if used.unpriced:
        return formatting.tokens(round(used.tokens / kept))
    return formatting.dollars(used.usd / kept)


def blind_spot(history: History, budget: Budget, *, readable: bool) -> str:
    """Which budget cannot do its work, in one line; empty when all of them can."""
    named = [name for name in ("usd", "tokens") if getattr(budget, name) is not None]
    if named and not readable:
        return (
            f"budget.{' and budget.'.join(named)} cannot stop this run: the host provides no "
            "transcript to read the cost from"
        )
    if budget.usd is not None and history.spending.unpriced:
        number = formatting.count(history.spending.unpriced, "experiment")
        return (
            f"budget.usd leaves out {number} whose model has no known price: add it to "
            "prices.json, see docs/hooks.md"
        )
    return ""
