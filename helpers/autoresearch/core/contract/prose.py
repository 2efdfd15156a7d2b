"""A contract in plain words: for the document and `check`, and what the brief tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from autoresearch.core import formatting
from autoresearch.core.contract.keys import (
    Contract,
    Metric,
    Sandbox,
    Secondary,
    StopWhen,
    terms_of,
)
from autoresearch.core.contract.scalars import COMMAND, Notation, percentage
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Direction, Source

_LONGEST_CODE = 160
_MOST_LISTED = 12
_MOST_ITEMS = 8
_ITEM_CHARS = 60
_MINUTE_S = 60
_HOUR_S = 3600
_SANDBOX_WORDS = {
    Sandbox.REQUIRE: "Sandbox: nothing is measured without one.",
    Sandbox.OFF: "Sandbox: none, even where one works.",
}
_MADE_BY = {Source.CPU: "CPU time", Source.WALL: "elapsed time"}


def render_words(contract: Contract) -> tuple[str, ...]:
    """The contract as sentences of Markdown, one a line, in the order of its keys.

    Commands are shown on one line and cut, long lists end with the number left out.
    """
    return tuple(line for name in terms_of(Contract) for line in _sentences(contract, name))


def brief_lines(contract: Contract) -> Iterator[str]:
    """What an agent must know of the contract before each experiment, a line each."""
    for term in terms_of(Contract).values():
        held = getattr(contract, term.field)
        if term.key.briefed and held:
            yield term.key.briefed.format(_briefed(held))
        elif term.field in _BRIEFED_BY:
            yield from _BRIEFED_BY[term.field](contract)


def _briefed(held: str | tuple[str, ...]) -> str:
    """A command's first line, or the first entries of a list."""
    if isinstance(held, str):
        first, _, rest = held.strip().partition("\n")
        return clean_line(f"{first} …" if rest else first, _LONGEST_CODE)
    shown = ", ".join(clean_line(item, _ITEM_CHARS) for item in held[:_MOST_ITEMS])
    left_out = len(held) - _MOST_ITEMS
    return f"{shown} and {left_out} more" if left_out > 0 else shown


def _sentences(contract: Contract, name: str) -> Iterator[str]:
    """What is to be said of a key: what it declares, or its own sentences."""
    term = terms_of(Contract)[name]
    held = getattr(contract, term.field)
    if term.field in _SENTENCES:
        yield from _SENTENCES[term.field](contract)
    elif term.key.said and held is not False and held not in (None, ()):
        yield term.key.said.format(_said(held, term.kind))


def _said(held: object, kind: Notation) -> str:
    """A value: code for commands and lists, the file's notation for all else."""
    if isinstance(held, tuple):
        return _codes(tuple(one if isinstance(one, str) else "=".join(one) for one in held))
    return _code(str(held)) if kind is COMMAND else kind.show(held)


def _metric(contract: Contract) -> Iterator[str]:
    metric = contract.metric
    words = f"Metric: {_described(metric)}"
    if metric.target is not None:
        words += f"; done at {_valued(metric.target, metric.unit)}"
    if metric.min_effect:
        least = _bound(metric.min_effect, metric.unit, relative=metric.min_effect_relative)
        words += f"; a keep gains at least {least}"
    yield f"{words}."


def _verify(contract: Contract) -> Iterator[str]:
    """The command, and the other numbers that it yields."""
    words = f"Verify: {_code(contract.verify)}, at most {_time(contract.timeout_s)} a sample"
    if contract.time_budget_s is not None:
        words += f", of which it may use {_time(contract.time_budget_s)}"
    yield f"{words}."
    for one in contract.secondary:
        if one.limit is None:
            yield f"Watched: {_described(one)}."
        else:
            bound = _bound(one.limit, one.unit, relative=one.limit_relative)
            yield f"Bounded: {_described(one)}; may get worse by at most {bound}."


def _claim(contract: Contract) -> Iterator[str]:
    if contract.claim is not None:
        yield f"Claimed at the end: {_code(contract.claim)}; the metric only decides."


def _scope(contract: Contract) -> Iterator[str]:
    but = f", but not {_codes(contract.protect)}" if contract.protect else ""
    yield f"May change: {_codes(contract.scope)}{but}. Everything else is protected."


def _guard(contract: Contract) -> Iterator[str]:
    if contract.guard is not None:
        yield f"Guard, at most {_time(contract.guard_timeout_s)}: {_code(contract.guard)}"


def _holdout(contract: Contract) -> Iterator[str]:
    """Without the command: who reads this is not to run it."""
    holdout = contract.holdout
    if holdout is not None:
        bound = _bound(holdout.limit, "", relative=holdout.limit_relative)
        often = _often(holdout.every)
        yield f"Holdout: {often} may lose at most {bound} on inputs that the agent does not see."


def _transfer(contract: Contract) -> Iterator[str]:
    if contract.transfer:
        listed = ", ".join(f"{name} {_code(command)}" for name, command in contract.transfer)
        yield f"`validate` also races these workloads: {listed}"


def _sandbox(contract: Contract) -> Iterator[str]:
    if contract.sandbox in _SANDBOX_WORDS:
        yield _SANDBOX_WORDS[contract.sandbox]


def _race(contract: Contract) -> Iterator[str]:
    race = contract.race
    cost = f"{_time(race.seconds)} a race" if race.seconds else "as long as the agent thinks"
    if race.pairs is not None:
        cost = f"{formatting.count(race.pairs, 'pair')} a race"
    if race.max_runs is not None:
        cost = f"{formatting.count(race.max_runs, 'sample')} a race"
    share = percentage(race.alpha)
    yield f"Race: at most {cost}; at most {share} of worthless candidates are kept."


def _budget(contract: Contract) -> Iterator[str]:
    budget = contract.budget
    ends: list[str] = []
    if budget.experiments is not None:
        ends.append(formatting.count(budget.experiments, "experiment"))
    if budget.hours is not None:
        ends.append(f"{budget.hours:g} h")
    if budget.usd is not None:
        ends.append(f"{budget.usd:g} dollars")
    if budget.tokens is not None:
        ends.append(formatting.count(budget.tokens, "token"))
    plateau = " A plateau ends the session." if contract.stop_on_plateau else ""
    yield f"Budget: {', '.join(ends) or 'none'}.{plateau}"


def _worth(contract: Contract) -> Iterator[str]:
    worth = contract.worth
    if worth.percent is not None or worth.hour:
        gain = "" if worth.percent is None else f" 1 % of gain is worth {worth.percent:g} dollars,"
        yield f"Worth:{gain} an hour costs {worth.hour:g} dollars."
    if contract.stop_when is StopWhen.NOT_WORTH:
        yield "The session ends when one more experiment is not worth its cost."


_SENTENCES: dict[str, Callable[[Contract], Iterator[str]]] = {
    "metric": _metric,
    "verify": _verify,
    "claim": _claim,
    "scope": _scope,
    "guard": _guard,
    "holdout": _holdout,
    "transfer": _transfer,
    "sandbox": _sandbox,
    "race": _race,
    "budget": _budget,
    "worth": _worth,
}
"""Field -> what is said of it, where a sentence with the value does not do."""


def _least_gain(contract: Contract) -> Iterator[str]:
    """The metric, and what a keep must gain."""
    metric = contract.metric
    unit = clean_line(metric.unit, 20)
    named = f"{metric.name} in {unit}" if unit else metric.name
    target = (
        "" if metric.target is None else f", target {formatting.with_unit(metric.target, unit)}"
    )
    yield f"metric: {clean_line(named)}, {formatting.better(metric.direction)}{target}"
    if metric.min_effect:
        least = _bound(metric.min_effect, unit, relative=metric.min_effect_relative)
        yield f"a keep must gain at least: {least}"


def _limits(contract: Contract) -> Iterator[str]:
    limits = [
        f"{clean_line(one.name, 40)} {'+' if one.direction is Direction.LOWER else '-'}"
        + _bound(one.limit, "", relative=one.limit_relative)
        for one in contract.secondary
        if one.limit is not None
    ]
    if limits:
        yield f"limits since the baseline: {', '.join(limits)}"


def _unseen(contract: Contract) -> Iterator[str]:
    if contract.holdout is not None:
        often = _often(contract.holdout.every)
        yield f"holdout: {often} is also measured on inputs that you do not see"


_BRIEFED_BY: dict[str, Callable[[Contract], Iterator[str]]] = {
    "metric": _least_gain,
    "secondary": _limits,
    "holdout": _unseen,
}
"""Field -> what the brief says of it, where the line that the key declares does not do."""


def _described(one: Metric | Secondary) -> str:
    unit = f" ({one.unit})" if one.unit else ""
    made_by = f", {_MADE_BY[one.source]} of verify" if one.source in _MADE_BY else ""
    return f"{_code(one.name)}{unit}{made_by}, {formatting.better(one.direction)}"


def _often(every: int) -> str:
    return "every keep" if every == 1 else f"1 keep in {every}"


def _bound(amount: float, unit: str, *, relative: bool) -> str:
    return percentage(amount) if relative else _valued(amount, unit)


def _valued(amount: float, unit: str) -> str:
    return f"{amount:g} {unit}".rstrip()


def _time(seconds: float) -> str:
    """A time as exact as it was written."""
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
