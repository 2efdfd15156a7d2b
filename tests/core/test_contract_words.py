"""Two contracts compared, and a contract in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoresearch.core.contract import (
    Budget,
    Contract,
    Holdout,
    Metric,
    RaceRule,
    Sandbox,
    Secondary,
    StopWhen,
    ValueOfGain,
    parse,
    render_words,
)
from autoresearch.core.contract.comparison import differences, measures_differently
from autoresearch.core.contract.keys import Patience
from autoresearch.core.model import Direction, Source
from msgspec.structs import fields, replace

DOC = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")
EXAMPLE = DOC.split("```yaml\n")[1].split("```")[0]
FULL = parse(EXAMPLE)
SMALL = """session: s
goal: g
metric: {name: m, direction: lower}
verify: ./v
scope: [src]
"""


def with_line(line: str) -> Contract:
    """The small contract and one line more."""
    return parse(SMALL + line)


OTHER_VALUES = {
    "session": "other",
    "goal": "other",
    "metric.name": "other",
    "metric.unit": "",
    "metric.direction": Direction.HIGHER,
    "metric.source": Source.WALL,
    "metric.target": None,
    "metric.min_effect": 0.006,
    "metric.min_effect_relative": False,
    "metric.deterministic": True,
    "metric.pattern": "(.)",
    "verify": "other",
    "guard": None,
    "final_guard": None,
    "transfer": (("large", "other"),),
    "scope": ("src", "lib"),
    "protect": (),
    "secondary": FULL.secondary[::-1],
    "secondary.name": "other",
    "secondary.unit": "",
    "secondary.direction": Direction.HIGHER,
    "secondary.source": Source.WALL,
    "secondary.limit": None,
    "secondary.limit_relative": False,
    "secondary.pattern": "(.)",
    "same": None,
    "profile": None,
    "setup": None,
    "build": None,
    "holdout.command": "./other",
    "holdout.every": 1,
    "holdout.limit": 0.0,
    "holdout.limit_relative": False,
    "holdout.paths": (),
    "env": (("PYTHONPATH", ""),),
    "pass_through": (),
    "link": (".venv",),
    "cache": (),
    "timeout_s": 120.5,
    "guard_timeout_s": 1.0,
    "time_budget_s": None,
    "race.alpha": 0.05,
    "race.seconds": 60.000000001,
    "race.max_runs": 40,
    "race.pairs": 3,
    "race.patience": Patience.LONG,
    "simplify_loss": 0.0,
    "claim": "size",
    "budget.experiments": None,
    "budget.hours": None,
    "budget.usd": 5.0,
    "budget.tokens": 7,
    "stop_on_plateau": True,
    "worth.percent": 5.0,
    "worth.hour": 2.0,
    "stop_when": StopWhen.NOT_WORTH,
    "notify": "cat",
    "sandbox": Sandbox.OFF,
    "network": True,
}
NOT_MEASURING = {
    "goal",
    "metric.target",
    "metric.min_effect",
    "metric.min_effect_relative",
    "secondary.limit",
    "secondary.limit_relative",
    "transfer",
    "final_guard",
    "profile",
    "holdout.every",
    "holdout.limit",
    "holdout.limit_relative",
    "timeout_s",
    "guard_timeout_s",
    "race.alpha",
    "race.seconds",
    "race.max_runs",
    "race.pairs",
    "race.patience",
    "simplify_loss",
    "claim",
    "budget.experiments",
    "budget.hours",
    "budget.usd",
    "budget.tokens",
    "stop_on_plateau",
    "worth.percent",
    "worth.hour",
    "stop_when",
    "notify",
}


def changed(key: str) -> Contract:
    """The full contract with another value at a key."""
    section, _, name = key.rpartition(".")
    if section == "secondary":
        first, second = FULL.secondary
        return replace(FULL, secondary=(replace(first, **{name: OTHER_VALUES[key]}), second))
    if section:
        part = replace(getattr(FULL, section), **{name: OTHER_VALUES[key]})
        return replace(FULL, **{section: part})
    return replace(FULL, **{key: OTHER_VALUES[key]})


def test_every_field_has_another_value() -> None:
    """A new field that the comparisons below do not try."""
    nested = {
        "metric": Metric,
        "race": RaceRule,
        "budget": Budget,
        "holdout": Holdout,
        "worth": ValueOfGain,
    }
    keys = {field.name for field in fields(Contract)} - nested.keys()
    keys |= {f"{name}.{field.name}" for name, kind in nested.items() for field in fields(kind)}
    keys |= {f"secondary.{field.name}" for field in fields(Secondary)}
    assert keys == OTHER_VALUES.keys()


@pytest.mark.parametrize("key", OTHER_VALUES)
def test_each_change_is_shown_and_classed(key: str) -> None:
    """An amendment that is not shown, or that lets values of two evaluators be compared."""
    new = changed(key)
    assert differences(FULL, new) != ()
    assert {key for key, _, _ in differences(new, FULL)} == {
        key for key, _, _ in differences(FULL, new)
    }
    assert measures_differently(FULL, new) is (key not in NOT_MEASURING)
    assert measures_differently(new, FULL) is (key not in NOT_MEASURING)


def test_equal_contracts_do_not_differ() -> None:
    """A difference where there is none."""
    assert differences(FULL, parse(EXAMPLE)) == ()
    assert measures_differently(FULL, parse(EXAMPLE)) is False


def test_differences_use_the_contracts_notation() -> None:
    """A change shown in words that cannot be found in the file."""
    new = parse(
        EXAMPLE.replace("0.5%", "7%")
        .replace("timeout: 120s", "timeout: 2h")
        .replace("hours: 8", "hours: 8.5")
        .replace("PYTHONPATH: src, ", "")
        .replace('["src/**/*.py"]', '["src/**/*.py", "lib"]')
        .replace("limit: +5%", "limit: +3")
        .replace("stop_on_plateau: false", "stop_on_plateau: true")
    )
    assert differences(FULL, new) == (
        ("metric.min_effect", "0.5%", "7%"),
        ("scope", '["src/**/*.py"]', '["src/**/*.py", "lib"]'),
        ("secondary.peak_mb.limit", "5%", "3"),
        ("env.PYTHONPATH", '"src"', ""),
        ("timeout", "120s", "7200s"),
        ("budget.hours", "8", "8.5"),
        ("stop_on_plateau", "false", "true"),
    )


def test_words_of_the_full_contract() -> None:
    """A term that a fresh agent cannot learn from the document."""
    assert render_words(FULL) == (
        "Goal: Make parsing of large templates faster without changing output",
        "Metric: `parse_ms` (ms), lower is better; done at 40 ms; a keep gains at least 0.5%.",
        "Verify: `./bench.sh`, at most 2 min a sample, of which it may use 90 s.",
        "Bounded: `peak_mb` (MB), lower is better; may get worse by at most 5%.",
        "Watched: `cpu` (s), CPU time of verify, lower is better.",
        "May change: `src/**/*.py`, but not `src/**/tests/**`. Everything else is protected.",
        "Guard, at most 15 min: `python -m pytest -q`",
        "Final guard, of the last commit: `python -m pytest -q --all`",
        "Output that must not change: `python dump_outputs.py`",
        "Set-up of a bench checkout: `npm ci`",
        "Build, once a candidate: `npm run build`",
        "Profiler: `python -m cProfile bench.py`",
        "Holdout: 1 keep in 2 may lose at most 1% on inputs that the agent does not see.",
        "Environment: `PYTHONPATH=src`",
        "Passed through: `CUDA_VISIBLE_DEVICES`",
        "Readable in bench checkouts: `node_modules`, `.venv`",
        "Kept between experiments: `target`",
        "Race: at most 1 min a race; at most 2% of worthless candidates are kept.",
        "Simplifications together may cost 1%.",
        "Budget: 50 experiments, 8 h.",
    )


def test_words_of_a_budget_in_dollars_and_tokens() -> None:
    """A bound that ends the night and that nobody was told of."""
    plan = replace(FULL, budget=replace(FULL.budget, usd=2.5, tokens=1_000_000))
    assert "Budget: 50 experiments, 8 h, 2.5 dollars, 1000000 tokens." in render_words(plan)


def test_words_of_the_small_contract() -> None:
    """A sentence about a term that is not there."""
    assert render_words(parse(SMALL)) == (
        "Goal: g",
        "Metric: `m`, lower is better.",
        "Verify: `./v`, at most 2 min a sample.",
        "May change: `src`. Everything else is protected.",
        "Race: at most as long as the agent thinks; at most 2% of worthless candidates are kept.",
        "Simplifications together may cost 1%.",
        "Budget: none.",
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("race: {pairs: 1}", "Race: at most 1 pair a race; "),
        ("race: {pairs: 8}", "Race: at most 8 pairs a race; "),
        ("race: {max_runs: 40}", "Race: at most 40 samples a race; "),
        ("timeout: 500ms", "Verify: `./v`, at most 0.5 s a sample."),
        ("guard: |\n  echo `a`\n  b", "Guard, at most 15 min: `` echo `a` b ``"),
        ("guard: " + "x" * 161, f"Guard, at most 15 min: `{'x' * 157}...`"),
        ("guard: " + "x" * 160, f"Guard, at most 15 min: `{'x' * 160}`"),
        ("link: [" + ", ".join("abcdefghijkl") + "]", "`k`, `l`\nRace"),
        ("timeout: 2h", "Verify: `./v`, at most 2 h a sample."),
        ("link: [" + ", ".join("abcdefghijklmn") + "]", "`l` and 2 more"),
        (
            "budget: {experiments: 1}\nstop_on_plateau: true",
            "Budget: 1 experiment. A plateau ends the session.",
        ),
        ("sandbox: require", "Sandbox: nothing is measured without one."),
        ("sandbox: off", "Sandbox: none, even where one works."),
        ("network: true", "Network: every command may use it."),
        (
            "secondary: [{name: acc, direction: higher, unit: points, limit: -0.5}]",
            "Bounded: `acc` (points), higher is better; may get worse by at most 0.5 points.",
        ),
    ],
)
def test_words_of_single_terms(line: str, words: str) -> None:
    """A term put into the wrong words, or output without bound."""
    assert words in "\n".join(render_words(with_line(line)))


def test_words_of_a_holdout_without_its_command() -> None:
    """The command of the holdout in the document, for any agent to run."""
    words = render_words(parse(SMALL + "holdout: {command: sh /srv/secret.sh, limit: 3}\n"))
    assert "Holdout: every keep may lose at most 3 on inputs that the agent does not see." in words
    assert "secret" not in " ".join(words)


def test_a_holdout_that_comes_or_goes_measures_differently() -> None:
    """Keeps compared that were held to different standards."""
    small, unseen = parse(SMALL), parse(SMALL + "holdout: ./h\n")
    assert not measures_differently(small, replace(small, goal="other"))
    assert measures_differently(small, unseen)
    assert ("holdout.command", "", "./h") in differences(small, unseen)


def test_transfer_is_read_shown_and_starts_no_epoch() -> None:
    """A workload that is lost, or whose change throws the noise away."""
    one = with_line("transfer: {large: ./large.sh, deep: './deep.sh -n 3'}")
    assert one.transfer == (("large", "./large.sh"), ("deep", "./deep.sh -n 3"))
    assert "./large.sh" in one.commands
    other = with_line("transfer: {large: ./larger.sh, deep: './deep.sh -n 3'}")
    assert differences(one, other) == (("transfer.large", '"./large.sh"', '"./larger.sh"'),)
    assert not measures_differently(one, other)
    words = "\n".join(render_words(one))
    assert "`validate` also races these workloads: large `./large.sh`, deep" in words


def test_words_of_a_claim_and_of_what_a_gain_is_worth():
    """A contract read in words that leaves out what is claimed and when the session ends."""
    claimed = with_line(
        "secondary: [{name: t, direction: lower}]\nclaim: t\n"
        "worth: {percent: 5, hour: 2}\nstop_when: not_worth\n"
    )
    said = "\n".join(render_words(claimed))
    assert "Claimed at the end: `t`; the metric only decides." in said
    assert "1 % of gain is worth 5 dollars, an hour costs 2 dollars." in said
    assert "The session ends when one more experiment is not worth its cost." in said
