"""Two contracts against each other: what an amendment changes, and whether it changes measuring."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from itertools import chain

from autoresearch.core.contract.values import Budget, Contract, Holdout, Metric, RaceRule, Secondary

_NO_BUDGET = Budget(experiments=None, hours=None, usd=None, tokens=None)
_ANY_RACE = RaceRule(alpha=0.02, seconds=60.0, max_runs=None, pairs=None)


def measures_differently(old: Contract, new: Contract) -> bool:
    """Whether values measured under the two contracts must not be compared: a new epoch starts.

    Whatever is not named below counts as measuring, a later key of the contract included.
    """
    return _evaluator(old) != _evaluator(new)


def differences(old: Contract, new: Contract) -> tuple[tuple[str, str, str], ...]:
    """(dotted key, old text, new text) of each term that differs, in the contract's notation.

    A missing term is "". Empty exactly when the contracts are equal.
    """
    before, after = _texts(old), _texts(new)
    keys = dict.fromkeys(chain(before, after))
    pairs = ((key, before.get(key, ""), after.get(key, "")) for key in keys)
    return tuple(pair for pair in pairs if pair[1] != pair[2])


def _evaluator(contract: Contract) -> Contract:
    """The contract with all that only decides, ends or describes blanked out."""
    metric = replace(contract.metric, target=None, min_effect=0.0, min_effect_relative=True)
    secondary = tuple(replace(one, limit=None, limit_relative=True) for one in contract.secondary)
    holdout = contract.holdout
    if holdout is not None:
        holdout = replace(holdout, every=1, limit=0.0, limit_relative=True)
    return replace(
        contract,
        goal="",
        metric=metric,
        holdout=holdout,
        secondary=secondary,
        final_guard=None,
        profile=None,
        timeout_s=1.0,
        guard_timeout_s=1.0,
        race=_ANY_RACE,
        simplify_loss=0.0,
        budget=_NO_BUDGET,
        stop_on_plateau=False,
    )


def _texts(contract: Contract) -> dict[str, str]:
    """Each term of the contract that is set, as one would write it."""
    terms = {
        "session": contract.session,
        "goal": contract.goal,
        **_metric_texts("metric", contract.metric),
        "metric.target": _number(contract.metric.target),
        "metric.min_effect": _amount(
            contract.metric.min_effect, relative=contract.metric.min_effect_relative
        ),
        "metric.deterministic": _truth(contract.metric.deterministic),
        "verify": contract.verify,
        "guard": contract.guard,
        "final_guard": contract.final_guard,
        "scope": _list(contract.scope),
        "protect": _list(contract.protect),
        **_secondary_texts(contract.secondary),
        "same": contract.same,
        **_holdout_texts(contract.holdout),
        "profile": contract.profile,
        "setup": contract.setup,
        "build": contract.build,
        **{f"env.{name}": json.dumps(value) for name, value in contract.env},
        "env.pass": _list(contract.pass_through),
        "link": _list(contract.link),
        "cache": _list(contract.cache),
        "timeout": _number(contract.timeout_s, "s"),
        "guard_timeout": _number(contract.guard_timeout_s, "s"),
        "time_budget": _number(contract.time_budget_s, "s"),
        "race.alpha": _number(contract.race.alpha),
        "race.seconds": _number(contract.race.seconds),
        "race.max_runs": _number(contract.race.max_runs),
        "race.pairs": _number(contract.race.pairs),
        "simplify_loss": _amount(contract.simplify_loss, relative=True),
        "budget.experiments": _number(contract.budget.experiments),
        "budget.hours": _number(contract.budget.hours),
        "budget.usd": _number(contract.budget.usd),
        "budget.tokens": _number(contract.budget.tokens),
        "stop_on_plateau": _truth(contract.stop_on_plateau),
        "sandbox": contract.sandbox.value,
        "network": _truth(contract.network),
    }
    return {key: text for key, text in terms.items() if text is not None}


def _metric_texts(key: str, one: Metric | Secondary) -> dict[str, str | None]:
    """The terms that the metric and its secondaries share."""
    return {
        f"{key}.name": one.name,
        f"{key}.unit": one.unit or None,
        f"{key}.direction": one.direction.value,
        f"{key}.source": one.source.value,
        f"{key}.pattern": one.pattern,
    }


def _secondary_texts(secondary: tuple[Secondary, ...]) -> dict[str, str | None]:
    texts = {"secondary": _list(tuple(one.name for one in secondary))}
    for one in secondary:
        key = f"secondary.{one.name}"
        texts |= _metric_texts(key, one)
        texts[f"{key}.limit"] = _amount(one.limit, relative=one.limit_relative)
    return texts


def _holdout_texts(holdout: Holdout | None) -> dict[str, str | None]:
    if holdout is None:
        return {}
    return {
        "holdout.command": holdout.command,
        "holdout.every": _number(holdout.every),
        "holdout.limit": _amount(holdout.limit, relative=holdout.limit_relative),
        "holdout.reads": _list(holdout.paths),
    }


def _list(items: tuple[str, ...]) -> str | None:
    return json.dumps(items, ensure_ascii=False) if items else None


def _truth(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def _number(value: float | None, unit: str = "") -> str | None:
    """All digits that tell the number from its neighbours."""
    return None if value is None else f"{value!r}".removesuffix(".0") + unit


def _amount(value: float | None, *, relative: bool) -> str | None:
    """A share as an exact percentage, an amount as it is."""
    if value is None or not relative:
        return _number(value)
    return f"{(Decimal(repr(value)) * 100).normalize():f}%"
