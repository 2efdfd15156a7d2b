"""The contract's text to a Contract: its keys, what each may hold, what it defaults to."""

from __future__ import annotations

import re

from autoresearch.core.contract import holdout, metric, variables
from autoresearch.core.contract.scalars import (
    choice,
    duration,
    folder,
    integer,
    line,
    number,
    quantity,
    share,
    text,
    truth,
)
from autoresearch.core.contract.syntax import compose
from autoresearch.core.contract.tree import Section, Value, section
from autoresearch.core.contract.values import Budget, Contract, RaceRule, Sandbox, Secondary
from autoresearch.core.inscope import is_never_in_scope
from autoresearch.core.scope import expression

DEFAULT_TIMEOUT_S = 120.0
"""Of one sample; on top of `time_budget` where there is one."""
DEFAULT_GUARD_TIMEOUT_S = 900.0
DEFAULT_RACE = RaceRule(alpha=0.02, seconds=60.0, max_runs=None, pairs=None)
DEFAULT_SIMPLIFY_LOSS = 0.01
NO_BUDGET = Budget(experiments=None, hours=None, usd=None, tokens=None)

DAY_S = 86_400.0
MAX_HOURS = 8_760
MAX_USD = 1_000_000
MAX_TOKENS = 1_000_000_000_000
MAX_ALPHA = 0.2
"""Above it a keep says nothing."""
MAX_PAIRS = 100
MAX_SIMPLIFY_LOSS = 0.5
MAX_LISTED = 100

_KEYS = (
    "session",
    "goal",
    "metric",
    "verify",
    "guard",
    "final_guard",
    "scope",
    "protect",
    "secondary",
    "same",
    "holdout",
    "profile",
    "setup",
    "build",
    "env",
    "link",
    "cache",
    "timeout",
    "guard_timeout",
    "time_budget",
    "race",
    "simplify_loss",
    "budget",
    "stop_on_plateau",
    "sandbox",
    "network",
)


def parse(content: str, *, name: str = "autoresearch.yaml") -> Contract:
    """The contract, with every default filled in.

    Args:
        content: text of the file.
        name: the file, as errors show it.

    Raises:
        ContractError: the text is malformed; names line, value and remedy.
    """
    top = section(compose(content, name), _KEYS)
    measured = top.required("metric", metric.read)
    timeout_s, time_budget_s = _timing(top)
    link, cache = _folders(top)
    env, pass_through = top.optional("env", variables.read, ((), ()))
    return Contract(
        session=top.required("session", _session),
        goal=top.required("goal", line),
        metric=measured,
        verify=top.required("verify", text),
        guard=top.optional("guard", text, None),
        final_guard=top.optional("final_guard", text, None),
        scope=top.required("scope", _scope),
        protect=top.optional("protect", _patterns, ()),
        secondary=top.optional("secondary", lambda at: _secondary(at, measured.name), ()),
        same=top.optional("same", text, None),
        holdout=top.optional("holdout", holdout.read, None),
        profile=top.optional("profile", text, None),
        setup=top.optional("setup", text, None),
        build=top.optional("build", text, None),
        env=env,
        pass_through=pass_through,
        link=link,
        cache=cache,
        timeout_s=timeout_s,
        guard_timeout_s=top.optional("guard_timeout", _within_a_day, DEFAULT_GUARD_TIMEOUT_S),
        time_budget_s=time_budget_s,
        race=top.optional("race", _race, DEFAULT_RACE),
        simplify_loss=top.optional(
            "simplify_loss", lambda at: share(at, MAX_SIMPLIFY_LOSS), DEFAULT_SIMPLIFY_LOSS
        ),
        budget=top.optional("budget", _budget, NO_BUDGET),
        stop_on_plateau=top.optional("stop_on_plateau", truth, default=False),
        sandbox=top.optional("sandbox", lambda at: choice(at, Sandbox), Sandbox.AUTO),
        network=top.optional("network", truth, default=False),
    )


def _session(value: Value) -> str:
    name = text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
        problem = f"is {value.shown}, which is not a valid branch name"
        raise value.error(problem, "Write lower-case words joined by hyphens, such as parse-speed.")
    return name


def _items(value: Value) -> list[Value]:
    items = value.items("a list")
    if len(items) > MAX_LISTED:
        problem = f"lists {len(items)} entries; at most {MAX_LISTED} are allowed"
        raise value.error(problem, "Use fewer, broader entries.")
    return items


def _patterns(value: Value) -> tuple[str, ...]:
    found: list[str] = []
    for item in _items(value):
        pattern = text(item)
        try:
            expression(pattern)
        except ValueError as error:
            hint = "See the wildcards in docs/contract.md."
            raise item.error(f"contains {item.shown}, which {error}", hint) from error
        found.append(pattern)
    return tuple(found)


def _scope(value: Value) -> tuple[str, ...]:
    patterns = _patterns(value)
    if not patterns:
        raise value.error("is empty", 'List what may change, such as ["src/**/*.py"].')
    for item in _items(value):
        if is_never_in_scope(text(item)):
            problem = f"contains {item.shown}, which is never in scope"
            raise item.error(problem, "Remove it: the session's own files and git's are protected.")
    return patterns


def _secondary(value: Value, primary: str) -> tuple[Secondary, ...]:
    lines = {primary: "the metric"}
    found: list[Secondary] = []
    for item in _items(value):
        one = metric.read_secondary(item)
        if one.name in lines:
            problem = f"names {one.name}, which is {lines[one.name]} already"
            raise item.error(problem, "Give each metric its own name.")
        lines[one.name] = f"on line {item.line}"
        found.append(one)
    return tuple(found)


def _folders(top: Section) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What `link` and `cache` list; none inside another, or two rules would hold for one file."""
    found: dict[str, list[str]] = {"link": [], "cache": []}
    lines: dict[str, int] = {}
    for key, paths in found.items():
        for item in top.optional(key, _items, []):
            path = folder(item)
            for other, at in lines.items():
                if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                    problem = f"contains {item.shown}, which overlaps {other!r} on line {at}"
                    raise item.error(problem, "Keep only one of them.")
            lines[path] = item.line
            paths.append(path)
    return tuple(found["link"]), tuple(found["cache"])


def _within_a_day(value: Value) -> float:
    return duration(value, DAY_S)


def _timing(top: Section) -> tuple[float, float | None]:
    """Timeout of a sample and its own time budget, both in seconds."""
    time_budget_s = top.optional("time_budget", _within_a_day, None)
    timeout_s = top.optional("timeout", _within_a_day, DEFAULT_TIMEOUT_S + (time_budget_s or 0.0))
    if time_budget_s is not None and time_budget_s >= timeout_s:
        value = top.entries["time_budget"]
        problem = f"is {value.shown}, not below the timeout of {timeout_s:g}s"
        raise value.error(
            problem, "Raise `timeout`, or remove it: without it the limit follows time_budget."
        )
    return timeout_s, time_budget_s


def _alpha(value: Value) -> float:
    alpha = quantity(value).amount
    if not 0 < alpha <= MAX_ALPHA:
        hint = f"Write more than 0 and at most {MAX_ALPHA}, such as 0.02."
        raise value.error(f"is {value.shown}, out of range", hint)
    return alpha


def _race(value: Value) -> RaceRule:
    entries = section(value, ("alpha", "seconds", "max_runs", "pairs"))
    if {"max_runs", "pairs"} <= entries.entries.keys():
        problem = "is set together with `race.max_runs`"
        raise entries.entries["pairs"].error(problem, "Keep one of the two.")
    return RaceRule(
        alpha=entries.optional("alpha", _alpha, DEFAULT_RACE.alpha),
        seconds=entries.optional("seconds", _within_a_day, DEFAULT_RACE.seconds),
        max_runs=entries.optional("max_runs", lambda at: integer(at, 2, 2 * MAX_PAIRS), None),
        pairs=entries.optional("pairs", lambda at: integer(at, 1, MAX_PAIRS), None),
    )


def _hours(value: Value) -> float:
    hours = number(value)
    if not 0 < hours <= MAX_HOURS:
        hint = f"Write more than 0 and at most {MAX_HOURS}."
        raise value.error(f"is {value.shown}, out of range", hint)
    return hours


def _usd(value: Value) -> float:
    usd = number(value)
    if not 0 < usd <= MAX_USD:
        hint = f"Write more than 0 and at most {MAX_USD}, in dollars."
        raise value.error(f"is {value.shown}, out of range", hint)
    return usd


def _budget(value: Value) -> Budget:
    entries = section(value, ("experiments", "hours", "usd", "tokens"))
    return Budget(
        experiments=entries.optional("experiments", lambda at: integer(at, 1, 1_000_000), None),
        hours=entries.optional("hours", _hours, None),
        usd=entries.optional("usd", _usd, None),
        tokens=entries.optional("tokens", lambda at: integer(at, 1, MAX_TOKENS), None),
    )
