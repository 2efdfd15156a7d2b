"""A contract that is in order: what is read, filled in, compared and put into words."""

from __future__ import annotations

import re
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
    parse,
    verdict_keys,
)
from autoresearch.core.errors import ContractError
from autoresearch.core.model import Direction, Scale, Source
from msgspec.structs import replace
from support.contract_tables import with_tables

DOC = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")
EXAMPLE = DOC.split("```yaml\n")[1].split("```")[0]
SMALL = """session: s
goal: g
metric: {name: m, direction: lower}
verify: ./v
scope: [src]
"""

FULL = Contract(
    session="parse-speed",
    goal="Make parsing of large templates faster without changing output",
    metric=Metric(
        name="parse_ms",
        unit="ms",
        direction=Direction.LOWER,
        source=Source.OUTPUT,
        target=40.0,
        min_effect=0.005,
        min_effect_relative=True,
        deterministic=None,
        pattern=None,
    ),
    verify="./bench.sh",
    guard="python -m pytest -q",
    final_guard="python -m pytest -q --all",
    scope=("src/**/*.py",),
    protect=("src/**/tests/**",),
    secondary=(
        Secondary(
            name="peak_mb",
            unit="MB",
            direction=Direction.LOWER,
            source=Source.OUTPUT,
            limit=0.05,
            limit_relative=True,
            pattern=None,
        ),
        Secondary(
            name="cpu",
            unit="s",
            direction=Direction.LOWER,
            source=Source.CPU,
            limit=None,
            limit_relative=True,
            pattern=None,
        ),
    ),
    same="python dump_outputs.py",
    holdout=Holdout(
        command="python3 /srv/holdout/bench.py",
        every=2,
        limit=0.01,
        limit_relative=True,
        paths=("/srv/holdout/bench.py", "/srv/holdout/data"),
    ),
    profile="python -m cProfile bench.py",
    setup="npm ci",
    build="npm run build",
    env=(("PYTHONPATH", "src"),),
    pass_through=("CUDA_VISIBLE_DEVICES",),
    link=("node_modules", ".venv"),
    cache=("target",),
    timeout_s=120.0,
    guard_timeout_s=900.0,
    time_budget_s=90.0,
    race=RaceRule(alpha=0.02, seconds=60.0, max_runs=None, pairs=None),
    simplify_loss=0.01,
    budget=Budget(experiments=50, hours=8.0, usd=None, tokens=None),
    stop_on_plateau=False,
    sandbox=Sandbox.AUTO,
    network=False,
)


def test_commands_are_all_but_the_holdout():
    """A command that is run unseen: not screened, its paths not found."""
    assert set(FULL.commands) == {
        "npm ci", "npm run build", "./bench.sh", "python -m pytest -q", "python -m pytest -q --all",
        "python dump_outputs.py", "python -m cProfile bench.py",
    }  # fmt: skip
    assert parse(SMALL).commands == ("./v",)


def test_judges_are_the_commands_that_decide():
    """A script that measures or tests, and that nobody looks for among the imports of the scope."""
    assert verdict_keys() == {"verify", "guard", "final_guard", "same", "holdout"}


def with_line(line: str) -> Contract:
    """The small contract and one line more."""
    return parse(SMALL + line)


def with_metric(terms: str) -> Metric:
    """The metric of a contract with these terms beside its name."""
    return parse(SMALL.replace("direction: lower", terms)).metric


def test_documented_example_is_read_whole() -> None:
    """A key that is documented but not read, or read into another field."""
    assert parse(EXAMPLE) == FULL


def test_defaults() -> None:
    """A default that changed without its documentation."""
    assert parse(SMALL) == Contract(
        session="s",
        goal="g",
        metric=Metric(
            name="m",
            unit="",
            direction=Direction.LOWER,
            source=Source.OUTPUT,
            target=None,
            min_effect=0.0,
            min_effect_relative=True,
            deterministic=None,
            pattern=None,
        ),
        verify="./v",
        guard=None,
        final_guard=None,
        scope=("src",),
        protect=(),
        secondary=(),
        claim=None,
        same=None,
        holdout=None,
        profile=None,
        setup=None,
        build=None,
        env=(),
        pass_through=(),
        link=(),
        cache=(),
        timeout_s=120.0,
        guard_timeout_s=900.0,
        time_budget_s=None,
        race=RaceRule(alpha=0.02, seconds=0.0, max_runs=None, pairs=None),
        simplify_loss=0.01,
        budget=Budget(experiments=None, hours=None, usd=None, tokens=None),
        stop_on_plateau=False,
        sandbox=Sandbox.AUTO,
        network=False,
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("120s", 120.0),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("1.5 h", 5400.0),
        ("90", 90.0),
        ('"0.25"', 0.25),
        ("24h", 86400.0),
    ],
)
def test_durations(written: str, seconds: float) -> None:
    """A unit that is read as another."""
    assert with_line(f"timeout: {written}").timeout_s == seconds


def test_timeout_follows_the_time_budget() -> None:
    """A program that runs as long as it is told, killed by the default timeout."""
    assert with_line("time_budget: 5m").timeout_s == 420.0
    assert with_line("time_budget: 5m\ntimeout: 301s").timeout_s == 301.0


@pytest.mark.parametrize(
    ("written", "amount", "relative"),
    [
        ("0.5%", 0.005, True),
        ("+2 %", 0.02, True),
        ("3", 3.0, False),
        ("1.5e-3", 0.0015, False),
        ("0", 0.0, True),
        ("0%", 0.0, True),
    ],
)
def test_min_effect(written: str, amount: float, relative: bool) -> None:
    """A percentage taken for an amount, or the reverse."""
    metric = with_metric(f"direction: lower, min_effect: {written}")
    assert (metric.min_effect, metric.min_effect_relative) == (amount, relative)


@pytest.mark.parametrize(
    ("direction", "written", "limit", "relative"),
    [
        ("lower", "+5%", 0.05, True),
        ("lower", "5%", 0.05, True),
        ("lower", "+3", 3.0, False),
        ("higher", "-5%", 0.05, True),
        ("higher", "-0.5", 0.5, False),
        ("higher", "2", 2.0, False),
        ("lower", "0", 0.0, False),
    ],
)
def test_limits(direction: str, written: str, limit: float, relative: bool) -> None:
    """A limit whose sign turns a bound into a demand."""
    line = f"secondary: [{{name: n, direction: {direction}, limit: {written}}}]"
    (one,) = with_line(line).secondary
    assert (one.limit, one.limit_relative) == (limit, relative)


def test_metric_terms() -> None:
    """A term of the metric that is dropped."""
    metric = with_metric(
        r"direction: higher, unit: '%', target: -1.5, deterministic: true, pattern: 'a=(\d+)'"
    )
    assert metric == Metric(
        name="m",
        unit="%",
        direction=Direction.HIGHER,
        source=Source.OUTPUT,
        target=-1.5,
        min_effect=0.0,
        min_effect_relative=True,
        deterministic=True,
        pattern=r"a=(\d+)",
    )


def test_measured_times_are_seconds() -> None:
    """Seconds of the helper's clock shown with the unit of something else, or none."""
    assert with_metric("direction: lower, source: cpu").unit == "s"
    assert with_metric("direction: lower, source: wall, unit: s").unit == "s"
    assert with_metric("direction: lower, source: wall, deterministic: false").source is Source.WALL


def test_race_and_budget_terms() -> None:
    """A term of race or budget that is ignored, or whose presence drops the others' defaults."""
    assert with_line("race: {alpha: 5%, seconds: 2m, max_runs: 40}").race == RaceRule(
        alpha=0.05, seconds=120.0, max_runs=40, pairs=None
    )
    assert with_line("race: {pairs: 1}").race == RaceRule(
        alpha=0.02, seconds=0.0, max_runs=None, pairs=1
    )
    none = Budget(experiments=None, hours=None, usd=None, tokens=None)
    assert with_line("budget: {hours: 0.5}").budget == replace(none, hours=0.5)
    assert with_line("budget: {experiments: 7}").budget == replace(none, experiments=7)
    assert with_line("budget: {usd: 2.5, tokens: 9000000}").budget == replace(
        none, usd=2.5, tokens=9_000_000
    )


def test_environment_is_sorted_and_literal() -> None:
    """Values rewritten by YAML's rules for numbers, or an order that differs from file to file."""
    contract = with_line("env: {B: 1:30, A: 010, C: '', D: 1e3, pass: [Z, Y]}")
    assert contract.env == (("A", "010"), ("B", "1:30"), ("C", ""), ("D", "1e3"))
    assert contract.pass_through == ("Y", "Z")


def test_folders_are_normalised() -> None:
    """One folder under two spellings."""
    contract = with_line("link: [./node_modules/, packages//a/lib]\ncache: [.git-cache]")
    assert contract.link == ("node_modules", "packages/a/lib")
    assert contract.cache == (".git-cache",)


def test_text_is_trimmed_and_commands_keep_their_lines() -> None:
    """A command whose lines are joined, or a goal that breaks the document's lines."""
    contract = parse(
        SMALL.replace("goal: g", "goal: |\n  two\n  lines").replace("./v", "|\n  a\n  b\n")
    )
    assert contract.goal == "two lines"
    assert contract.verify == "a\nb"


def test_truth_and_choice() -> None:
    """A switch that stays at its default."""
    contract = with_line("stop_on_plateau: true\nsandbox: off")
    assert contract.stop_on_plateau is True
    assert contract.sandbox is Sandbox.OFF
    assert with_line("sandbox: require").sandbox is Sandbox.REQUIRE
    assert with_line("network: true").network is True
    assert with_line("stop_on_plateau: false").stop_on_plateau is False


@pytest.mark.parametrize(
    "line",
    [
        "simplify_loss: 0%",
        "simplify_loss: 50%",
        "budget: {experiments: 1}",
        "budget: {experiments: 1000000, hours: 8760}",
        "race: {alpha: 0.2, max_runs: 2}",
        "race: {max_runs: 200}",
        "race: {pairs: 100}",
        f"protect: [{', '.join(['a'] * 100)}]",
        f"secondary: [{{name: {'n' * 40}, unit: {'u' * 16}, direction: lower}}]",
        f"secondary: [{{name: n, direction: lower, pattern: '({'p' * 198})'}}]",
    ],
)
def test_bounds_are_inclusive(line: str) -> None:
    """The last value of a documented range refused."""
    assert with_line(line) != parse(SMALL)


def test_longest_names_are_read() -> None:
    """The longest documented session name or goal refused."""
    contract = parse(
        SMALL.replace("session: s", f"session: {'s' * 41}").replace("goal: g", f"goal: {'g' * 400}")
    )
    assert (len(contract.session), len(contract.goal)) == (41, 400)


def test_size_up_to_the_cap_is_read() -> None:
    """A cap that is off by one."""
    padding = "#" * (64 * 1024 - len(SMALL))
    assert parse(SMALL + padding) == parse(SMALL)
    with pytest.raises(ContractError, match="65537 bytes"):
        parse(SMALL + padding + "#")


DOCUMENTED_ERRORS = re.findall(
    r"^\| `(.+?)` \| (.+) \| (.+) \|$", DOC.split("## Errors")[1], re.MULTILINE
)


def test_documented_errors_are_found() -> None:
    """A table of errors that the next test no longer reads."""
    assert len(DOCUMENTED_ERRORS) == 10


@pytest.mark.parametrize(("line", "message", "hint"), DOCUMENTED_ERRORS)
def test_documented_errors(line: str, message: str, hint: str) -> None:
    """Documentation that shows another error than the user sees."""
    with pytest.raises(ContractError) as caught:
        with_line(line)
    assert caught.value.message == f"line 6: {message} (in autoresearch.yaml)"
    assert caught.value.hint == hint


def test_documented_keys_are_the_declared_ones() -> None:
    """A key, bound or default that changed without its documentation: run `make docs`."""
    assert with_tables(DOC) == DOC


def test_metric_is_compared_by_the_scale_that_fits():
    """A share in per cent, or an absolute gain, that is compared by ratio."""
    metric = parse(SMALL).metric
    assert metric.scale is Scale.RATIO
    assert replace(metric, unit="%").scale is Scale.DIFFERENCE
    assert replace(metric, min_effect_relative=False).scale is Scale.DIFFERENCE


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("./h", ("./h", 1, 0.01, True, ())),
        (
            "python3 /opt/x.py /usr/bin/env",
            ("python3 /opt/x.py /usr/bin/env", 1, 0.01, True, ("/opt/x.py",)),
        ),
        ("/opt/py/bin/python3.12 h.py", ("/opt/py/bin/python3.12 h.py", 1, 0.01, True, ())),
        ("echo '/open", ("echo '/open", 1, 0.01, True, ())),
        ("{command: ./h, every: 3, limit: 0%}", ("./h", 3, 0.0, True, ())),
        ("{command: ./h, limit: 2.5}", ("./h", 1, 2.5, False, ())),
        ("{command: sh /a/b, reads: [/a/b/, /c]}", ("sh /a/b", 1, 0.01, True, ("/a/b", "/c"))),
    ],
)
def test_holdout_short_and_long(written, expected) -> None:
    """A holdout that is read into another field, or paths of it that stay visible."""
    found = with_line(f"holdout: {written}\n").holdout
    assert found is not None
    assert (
        found.command,
        found.every,
        found.limit,
        found.limit_relative,
        found.paths,
    ) == expected
