"""Answers within their bounds."""

from __future__ import annotations

from autoresearch.core.formatting import Answer, bounded
from hypothesis import given
from hypothesis import strategies as st


def test_answer_ends_with_what_comes_next():
    """A reader that is left without the next step."""
    answer = Answer(lines=("kept", "guard passed"), next_step="go on")
    assert answer.text() == "kept\nguard passed\nnext: go on"
    assert Answer(lines=("done",)).text() == "done"


def test_envelope_says_ok_only_for_success():
    """A refusal that a program takes for success."""
    good = Answer(lines=(), data={"verdict": "keep"}, next_step="go on")
    said = {"schema": 1, "ok": True, "verdict": "keep", "news": [], "next": "go on"}
    assert good.envelope() == said
    assert Answer(lines=(), exit_code=1).envelope() == {"schema": 1, "ok": False, "news": []}


def test_notices_come_first():
    """A notice that is lost, or that hides what the command itself calls news."""
    answer = Answer(lines=("2 proofs run",), data={"news": ["F1 is fixed"]}, next_step="go on")
    assert answer.text(["tidied up"]) == "tidied up\n2 proofs run\nnext: go on"
    assert answer.envelope(["tidied up"])["news"] == ["tidied up", "F1 is fixed"]


def test_too_many_lines_are_counted_not_cut():
    """A list that looks complete."""
    text = bounded([str(number) for number in range(10)], "next: x", max_lines=5, max_bytes=500)
    assert text == "0\n1\n2\n… 7 more lines\nnext: x"


@given(
    lines=st.lists(st.text(alphabet="aé✓ ", max_size=60), max_size=60),
    tail=st.sampled_from(["", "next: go on"]),
)
def test_bound_holds_and_the_tail_survives(lines, tail):
    """An answer that floods a context window, or loses its last line doing so."""
    text = bounded(lines, tail, max_lines=20, max_bytes=400)
    assert len(text.encode()) <= 400
    assert len(text.split("\n")) <= 20
    assert text.endswith(tail)
