"""`rule`: anybody can ask what the loop would decide."""

from __future__ import annotations

import json
import subprocess
from random import Random

import pytest
from autoresearch.core.decision import Policy
from autoresearch.core.model import Direction, Scale
from autoresearch.core.race import judge
from msgspec.structs import replace
from support.pairs import lower, noisy
from support.session import COMMAND


def asked(*lines, words=(), code=0):
    done = subprocess.run(
        [*COMMAND, "rule", *words],
        input="\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()] if code == 0 else done.stderr


def line_of(pair):
    order = pair.first.value + pair.first.other.value
    return {"incumbent": pair.incumbent, "candidate": pair.candidate, "order": order}


def test_answers_are_those_of_the_loop():
    """A rule for outsiders that is another one than `try` has."""
    rng, lines, expected = Random(3), [], []
    for number, gain in enumerate((0.0, 0.03, 0.2), 1):
        pairs = noisy(rng, 20, gain=gain, spread=0.05)
        lines += [{"policy": {"pairs": 20, "pool": [0.05] * 10, "sample_s": 1.5}}]
        lines += map(line_of, pairs)
        policy = replace(lower(20), seed=number, patient=5)
        expected.append((number, judge(pairs, policy, [0.05] * 10)))
    for answer, (number, decision) in zip(asked(*lines), expected, strict=True):
        assert (answer["race"], answer["seed"], answer["rule"]) == (number, number, 2)
        assert (answer["keep"], answer["pairs"]) == (decision.keep, decision.pairs)
        assert (answer["p_value"], answer["needed"]) == (decision.p_value, decision.needed)
        assert answer["decided_by"] == decision.rule.value
        assert (answer["given"], answer["ended"]) == (20, True)
    assert {decision.keep for _, decision in expected} == {True, False}


def test_every_pair_is_answered_where_asked():
    """A threshold that nobody outside can follow."""
    pairs = noisy(Random(5), 12, gain=0.15, spread=0.03)
    policy = {"pairs": 12, "seed": 7, "patience": "full", "direction": "lower", "scale": "ratio"}
    found = asked({"policy": policy}, *map(line_of, pairs), words=("--each",))
    assert [answer["given"] for answer in found] == list(range(1, 13))
    last = next(answer for answer in found if answer["ended"])
    assert last["keep"] is True
    assert last["p_value"] <= last["needed"] <= 0.02
    wanted = Policy(
        alpha=0.02,
        pairs=12,
        direction=Direction.LOWER,
        scale=Scale.RATIO,
        min_effect=0.0,
        seed=7,
        hope=0.0,
        patient=12,
    )
    assert judge(pairs, wanted, ()).pairs == last["pairs"]


def test_old_rules_answer_too():
    """Records of another version that only `doctor` can judge."""
    pairs = noisy(Random(6), 20, gain=0.0, spread=0.05)
    (answer,) = asked({"policy": {"pairs": 20, "rule": 1}}, *map(line_of, pairs))
    assert answer["rule"] == 1
    assert answer["pairs"] == judge(pairs, lower(20, rule=1), ()).pairs


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "no line with a policy"),
        (({"incumbent": 1, "candidate": 1, "order": "ab"},), "line 1: a pair before any policy"),
        (({"policy": {"pairs": 8}}, "no JSON"), "line 2: "),
        (({"policy": {"pairs": 0}},), "line 1: "),
        (({"policy": {"pairs": 8, "alhpa": 0.1}},), "alhpa"),
        (({"policy": {"pairs": 8}}, {"incumbent": 1, "candidate": 2, "order": "aa"}), "line 2: "),
        (({"policy": {"pairs": 8}}, '{"incumbent": NaN, "candidate": 2, "order": "ab"}'), "line 2"),
    ],
)
def test_lines_that_cannot_be_read_are_named(lines, said):
    """A number that is taken for another, or a traceback."""
    told = asked(*lines, code=1)
    assert said in told
    assert "docs/decision.md" in told
