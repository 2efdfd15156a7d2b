"""What looks too good: each rule on both sides of its line."""

from __future__ import annotations

import math

import pytest
from autoresearch.core.model import Arm, Direction, Sample, Scale
from autoresearch.core.suspicion import (
    Facts,
    added_lines,
    differing_checksums,
    size_of,
    suspicions,
    tables,
    tripped,
)
from support.records import effect


def sample(arm, value=1.0, wall_s=1.0, **sums):
    """A sample with these checksums."""
    return Sample(arm=arm, value=value, wall_s=wall_s, cpu_s=0.1, checksums=tuple(sums.items()))


def rounds(*pairs):
    """Rounds of (value, elapsed) of incumbent and candidate."""
    return tuple(
        (sample(Arm.INCUMBENT, *incumbent), sample(Arm.CANDIDATE, *candidate))
        for incumbent, candidate in pairs
    )


def facts(**values):
    """A candidate that nothing is wrong with."""
    plain = {
        "effect": effect(-0.1),
        "direction": Direction.LOWER,
        "earlier": (),
        "incumbent": 100.0,
        "rounds": rounds(((1.0, 1.0), (0.9, 0.9))),
        "unit_s": None,
        "tests": None,
        "tests_before": None,
        "added": (),
        "data": {},
        "unsteady": frozenset(),
    }
    return Facts(**{**plain, **values})


def test_an_honest_gain_is_not_suspicious():
    """A gate that cries wolf over every small gain."""
    assert suspicions(facts()) == ()
    assert suspicions(facts(effect=None)) == ()
    assert suspicions(facts(rounds=())) == ()


@pytest.mark.parametrize(
    ("change", "direction", "scale", "large"),
    [
        (-0.66, Direction.LOWER, Scale.RATIO, False),
        (-0.67, Direction.LOWER, Scale.RATIO, True),
        (-1.0, Direction.LOWER, Scale.RATIO, True),
        (1.9, Direction.HIGHER, Scale.RATIO, False),
        (2.1, Direction.HIGHER, Scale.RATIO, True),
        (9.0, Direction.LOWER, Scale.RATIO, False),
        (-199.0, Direction.LOWER, Scale.DIFFERENCE, False),
        (-201.0, Direction.LOWER, Scale.DIFFERENCE, True),
    ],
)
def test_factor_of_three(change, direction, scale, large):
    """A metric that falls to nothing in one step and is kept like any other."""
    found = suspicions(facts(effect=effect(change, scale), direction=direction))
    assert bool(found) is large


def test_no_factor_of_an_incumbent_at_zero():
    """A difference from 0, of which no factor can be told, called suspicious."""
    found = facts(effect=effect(-5.0, Scale.DIFFERENCE), incumbent=0.0)
    assert suspicions(found) == ()


@pytest.mark.parametrize(
    ("change", "earlier", "large"),
    [
        (-0.30, (0.02, 0.03, 0.02), True),
        (-0.30, (0.02, 0.03), False),  # too few to be a habit
        (-0.30, (0.2, 0.1, 0.2), False),
        (-0.12, (0.01, 0.01, 0.01), False),  # small gains are never far beyond
    ],
)
def test_far_beyond_earlier_keeps(change, earlier, large):
    """A gain out of line with all before it, or a small one among smaller ones."""
    assert bool(suspicions(facts(effect=effect(change), earlier=earlier))) is large
    by_difference = facts(
        effect=effect(change * 100, Scale.DIFFERENCE), earlier=tuple(g * 100 for g in earlier)
    )
    assert bool(suspicions(by_difference)) is large


def test_size_of_a_change():
    """Down by half and up to double are the same step."""
    assert size_of(effect(-0.5)) == pytest.approx(size_of(effect(1.0)))
    assert size_of(effect(-1.0)) == math.inf
    assert size_of(effect(-3.0, Scale.DIFFERENCE)) == 3.0


@pytest.mark.parametrize(
    ("tests", "before", "found"),
    [
        (9, 10, ("the guard ran 9 tests; 10 on the incumbent",)),
        (None, 10, ("the guard does not say how many tests it ran; 10 on the incumbent",)),
        (10, 10, ()),
        (11, 10, ()),
        (None, None, ()),
        (3, None, ()),
    ],
)
def test_fewer_tests(tests, before, found):
    """A guard that passes because it ran less."""
    assert suspicions(facts(tests=tests, tests_before=before)) == found


@pytest.mark.parametrize(
    ("pairs", "suspicious"),
    [
        ([((0.9, 1.0), (0.4, 1.0)), ((0.9, 1.0), (0.4, 1.01))], True),  # claims 0.5 s, saves none
        ([((0.9, 1.0), (0.4, 0.5)), ((0.9, 1.0), (0.4, 0.52))], False),
        ([((0.9, 1.0), (0.4, 0.7)), ((0.9, 1.0), (0.4, 0.7))], False),  # more than half of it
        ([((0.03, 1.0), (0.01, 1.0)), ((0.03, 1.0), (0.01, 1.0))], False),  # a share too small
        ([((4.0, 1.0), (2.0, 1.0)), ((4.0, 1.0), (2.0, 1.0))], False),  # CPU time of four cores
        ([((0.9, 1.0), (0.4, 1.0)), ((0.9, 1.4), (0.4, 1.2))], False),  # a restless machine
        ([((0.9, 1.0), (0.4, 1.0))], False),  # one round has no spread
    ],
)
def test_clock(pairs, suspicious):
    """A time that falls on paper only."""
    assert bool(suspicions(facts(rounds=rounds(*pairs), unit_s=1.0))) is suspicious


def timed(wall_s, cpu_s, *, held_back=False):
    """A sample's time, by the helper."""
    return {"wall_s": wall_s, "cpu_s": cpu_s, "held_back": held_back}


@pytest.mark.parametrize(
    ("incumbent", "candidate", "suspicious"),
    [
        (timed(2.0, 1.0), timed(1.0, 1.0), True),  # somebody held the incumbent up
        (timed(2.0, 2.0), timed(1.0, 1.0), False),  # it computes less
        (timed(2.0, 1.0), timed(1.0, 0.1), False),  # both wait, the candidate less
        (timed(2.0, 4.0), timed(1.0, 4.0), False),  # it learned to use more processors
        (timed(1.04, 0.5), timed(1.0, 1.0), False),  # too small to be seen
    ],
)
def test_waiting(incumbent, candidate, suspicious):
    """A benchmark that computes all the time, of which one arm was stopped and continued."""
    pair = (
        Sample(arm=Arm.INCUMBENT, value=1.0, **incumbent),
        Sample(arm=Arm.CANDIDATE, value=0.9, **candidate),
    )
    assert bool(suspicions(facts(rounds=(pair, pair), timed=True))) is suspicious
    assert suspicions(facts(rounds=(pair,), timed=True)) == ()
    assert suspicions(facts(rounds=(pair, pair))) == ()


@pytest.mark.parametrize(("arms", "suspicious"), [("a", True), ("b", False), ("ab", False)])
def test_held_back(arms, suspicious):
    """A lower priority, given to the incumbent's processes from outside."""
    pair = tuple(
        Sample(arm=arm, value=1.0, wall_s=1.0, cpu_s=0.1, held_back=arm.value in arms)
        for arm in Arm
    )
    assert bool(suspicions(facts(rounds=(pair,)))) is suspicious


def test_checksums():
    """Another output under the same seed, or one that is no longer printed."""
    same = (sample(Arm.INCUMBENT, out="a"), sample(Arm.CANDIDATE, out="a"))
    other = (sample(Arm.INCUMBENT, out="a"), sample(Arm.CANDIDATE, out="b"))
    gone = (sample(Arm.INCUMBENT, out="a"), sample(Arm.CANDIDATE))
    assert differing_checksums([same]) == ()
    assert differing_checksums([other, same]) == ()
    assert differing_checksums([other, gone]) == ("out",)
    assert differing_checksums([]) == ()
    assert suspicions(facts(rounds=(other,))) == ("the checksum out is not the incumbent's",)
    assert suspicions(facts(rounds=(other,), unsteady=frozenset({"out"}))) == ()


TRIPS = {
    "runs code as the process ends": "atexit.register(f)",
    "traces or profiles its process": "sys.settrace(f)",
    "changes built-in names": "import builtins",
    "replaces a clock": "time.perf_counter = lambda: 0",
    "ends its own process": "os._exit(0)",
    "inspects its caller": "sys._getframe(1)",
    "speaks like the evaluator": "print('METRIC ms=1')",
    "knows the test runner": "if 'PYTEST_CURRENT_TEST' in env",
    "looks into processes": "open('/proc/self/mem')",
}


def test_tripwires():
    """A trick that honest code rarely needs and that nobody is shown."""
    assert [what for what, _ in tables().tripwires] == list(TRIPS)
    for what, line in TRIPS.items():
        assert tripped([line]) == (f"the change {what}",)
    honest = "start = time.perf_counter()\nelapsed = time.time() == 0\nsys.exit(1)\nmetric = 1\n"
    assert tripped(honest.splitlines()) == ()


def test_literals_of_protected_data():
    """An answer that is written down instead of computed."""
    data = {"data/in.json": b'{"x": "a text of more than twenty letters", "n": 1234567890.5}'}
    for line in ('X = "a text of more than twenty letters"', "N = 1234567890.5"):
        found = suspicions(facts(added=(line,), data=data))
        assert found == ("the change contains a literal that also stands in data/in.json",)
    for line in ("X = 'a text of more'", "N = 12345", "N = 98765432101", "X = 'x' * 30"):
        assert suspicions(facts(added=(line,), data=data)) == ()


def test_moved_lines_are_not_added():
    """A refactoring that trips over words that were there before."""
    patch = b"""--- a/x.py
+++ b/y.py
@@ -1,2 +1,2 @@
-import atexit
-old = 1
+    import atexit
+new = \xff
 same
"""
    assert added_lines(patch) == ("new = \udcff",)
