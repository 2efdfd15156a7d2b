"""`transfer`: whether the gain is there on another workload, and which keeps stay behind."""

from __future__ import annotations

from support.night import CONTRACT, PYTHON, Night, with_parts
from support.session import open_session

LARGE = """\
import sys
sys.path.insert(0, "src")
import one, two
print(f"METRIC cost={one.cost() * 4 + 1000}")
"""


def with_large(repo):
    """The parts, and a larger workload that half of them take no part in."""
    with_parts(repo)
    repo.write("large.py", LARGE)


def test_keeps_that_do_not_carry_over_are_named(tmp_path):
    """A gain at small claimed for large, or the wrong keeps blamed for the difference."""
    text = CONTRACT.format(python=PYTHON) + f"transfer: {{large: {PYTHON} large.py}}\n"
    night = Night(open_session(tmp_path, contract=text, prepare=with_large))
    for part in (2, 5):
        night.cheaper("one", part, 40)
        night.cheaper("two", part, 40)
    helper = night.helper
    said = helper("validate", "--transfer").out
    assert "at large: -7.3%, here: -8.6%; ratio of the gains: 0.84" in said
    assert "do not carry over to large: 2, 4 (6 runs)" in said
    (told,) = [line for line in helper.log() if line["kind"] == "transfer"]
    assert (told["workload"], told["staying"], told["unsure"]) == ("large", [2, 4], [])
    assert told["runs"] <= 4 * 24 // 5


def test_without_a_workload_it_says_so(tmp_path):
    """`--transfer` that silently measures nothing."""
    night = Night(
        open_session(tmp_path, contract=CONTRACT.format(python=PYTHON), prepare=with_parts)
    )
    night.cheaper("one", 2)
    assert night.helper.error("validate", "--transfer") == "no_transfer"
