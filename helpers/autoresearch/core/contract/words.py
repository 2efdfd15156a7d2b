"""A contract in plain words, as the document and `check` show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.contract.values import Sandbox
from autoresearch.core.model import Direction, Source

if TYPE_CHECKING:
    from autoresearch.core.contract.values import (
        Budget,
        Contract,
        Holdout,
        Metric,
        RaceRule,
        Secondary,
    )

_LONGEST_CODE = 160
_MOST_LISTED = 12
_MINUTE_S = 60
_HOUR_S = 3600
_SANDBOX_WORDS = {
    Sandbox.REQUIRE: "Sandbox: nothing is measured without one.",
    Sandbox.OFF: "Sandbox: none, even where one works.",
}
_MADE_BY = {Source.CPU: "CPU time", Source.WALL: "elapsed time"}


def render_words(contract: Contract) -> tuple[str, ...]:
    """The contract as sentences of Markdown, one a line, in the order a reader needs them.

    Commands are shown on one line and cut, long lists end with the number left out.
    """
    lines = [
        f"Goal: {contract.goal}",
        _metric_words(contract.metric),
        _verify_words(contract),
    ]
    lines += [_secondary_words(one) for one in contract.secondary]
    lines.append(_scope_words(contract))
    commands = {
        f"Guard, at most {_time(contract.guard_timeout_s)}": contract.guard,
        "Final guard, of the last commit": contract.final_guard,
        "Output that must not change": contract.same,
        "Set-up of a bench checkout": contract.setup,
        "Build, once a candidate": contract.build,
        "Profiler": contract.profile,
    }
    lines += [f"{what}: {_code(command)}" for what, command in commands.items() if command]
    if contract.holdout is not None:
        lines.append(_holdout_words(contract.holdout))
    lists = {
        "Environment": tuple(f"{name}={value}" for name, value in contract.env),
        "Passed through": contract.pass_through,
        "Readable in bench checkouts": contract.link,
        "Kept between experiments": contract.cache,
    }
    lines += [f"{what}: {_codes(items)}" for what, items in lists.items() if items]
    if contract.sandbox is not Sandbox.AUTO:
        lines.append(_SANDBOX_WORDS[contract.sandbox])
    if contract.network:
        lines.append("Network: every command may use it.")
    lines.append(_race_words(contract.race))
    lines.append(f"Simplifications together may cost {_share(contract.simplify_loss)}.")
    lines.append(_budget_words(contract.budget, stop_on_plateau=contract.stop_on_plateau))
    return tuple(lines)


def _metric_words(metric: Metric) -> str:
    words = f"Metric: {_described(metric)}"
    if metric.target is not None:
        words += f"; done at {_valued(metric.target, metric.unit)}"
    if metric.min_effect:
        least = _bound(metric.min_effect, metric.unit, relative=metric.min_effect_relative)
        words += f"; a keep gains at least {least}"
    return f"{words}."


def _secondary_words(one: Secondary) -> str:
    if one.limit is None:
        return f"Watched: {_described(one)}."
    bound = _bound(one.limit, one.unit, relative=one.limit_relative)
    return f"Bounded: {_described(one)}; may get worse by at most {bound}."


def _described(one: Metric | Secondary) -> str:
    unit = f" ({one.unit})" if one.unit else ""
    made_by = f", {_MADE_BY[one.source]} of verify" if one.source in _MADE_BY else ""
    better = "lower" if one.direction is Direction.LOWER else "higher"
    return f"{_code(one.name)}{unit}{made_by}, {better} is better"


def _verify_words(contract: Contract) -> str:
    words = f"Verify: {_code(contract.verify)}, at most {_time(contract.timeout_s)} a sample"
    if contract.time_budget_s is not None:
        words += f", of which it may use {_time(contract.time_budget_s)}"
    return f"{words}."


def _scope_words(contract: Contract) -> str:
    but = f", but not {_codes(contract.protect)}" if contract.protect else ""
    return f"May change: {_codes(contract.scope)}{but}. Everything else is protected."


def _holdout_words(holdout: Holdout) -> str:
    """Without the command: who reads this is not to run it."""
    often = "every keep" if holdout.every == 1 else f"1 keep in {holdout.every}"
    bound = f"{holdout.limit * 100:g} %" if holdout.limit_relative else f"{holdout.limit:g}"
    return f"Holdout: {often} may lose at most {bound} on inputs that the agent does not see."


def _race_words(race: RaceRule) -> str:
    cost = f"{_time(race.seconds)} a race"
    if race.pairs is not None:
        cost = f"{_counted(race.pairs, 'pair')} a race"
    if race.max_runs is not None:
        cost = f"{race.max_runs} samples a race"
    return f"Race: at most {cost}; at most {_share(race.alpha)} of worthless candidates are kept."


def _budget_words(budget: Budget, *, stop_on_plateau: bool) -> str:
    ends: list[str] = []
    if budget.experiments is not None:
        ends.append(_counted(budget.experiments, "experiment"))
    if budget.hours is not None:
        ends.append(f"{budget.hours:g} h")
    if budget.usd is not None:
        ends.append(f"{budget.usd:g} dollars")
    if budget.tokens is not None:
        ends.append(_counted(budget.tokens, "token"))
    plateau = " A plateau ends the session." if stop_on_plateau else ""
    return f"Budget: {', '.join(ends) or 'none'}.{plateau}"


def _bound(amount: float, unit: str, *, relative: bool) -> str:
    return _share(amount) if relative else _valued(amount, unit)


def _valued(amount: float, unit: str) -> str:
    return f"{amount:g} {unit}".rstrip()


def _share(fraction: float) -> str:
    return f"{fraction * 100:g} %"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _time(seconds: float) -> str:
    for size, unit in ((_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _codes(items: tuple[str, ...]) -> str:
    shown = ", ".join(_code(item) for item in items[:_MOST_LISTED])
    left_out = len(items) - _MOST_LISTED
    return f"{shown} and {left_out} more" if left_out > 0 else shown


def _code(text: str) -> str:
    """The text as a Markdown code span of one line, cut."""
    flat = " ".join(text.split())
    if len(flat) > _LONGEST_CODE:
        flat = f"{flat[: _LONGEST_CODE - 3]}..."
    return f"`` {flat} ``" if "`" in flat else f"`{flat}`"
