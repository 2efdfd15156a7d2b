"""Sections that share a bound."""

from __future__ import annotations

from autoresearch.core.model import CommandResult, Flag, Reason, Verdict
from autoresearch.core.records import Claimed, Undo, Validation
from autoresearch.core.views import (
    Section,
    claim,
    counts,
    estimate,
    failures,
    fit,
    kept_lines,
    review_lines,
    size,
    whole_lines,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.histories import history
from support.records import effect, experiment, make, refusal

sections = st.lists(
    st.builds(
        Section,
        title=st.sampled_from(["", "title:"]),
        lines=st.lists(st.text(max_size=20), max_size=6).map(tuple),
        rank=st.integers(0, 5),
        step=st.integers(0, 3),
    ),
    max_size=5,
)


@given(sections=sections, budget=st.integers(0, 300))
def test_fit_stays_within_its_bound_and_cuts_no_line(sections, budget):
    """A brief over its bound, or a line cut in two."""
    shown = fit(sections, budget)
    assert sum(size(line) for line in shown) <= budget
    whole = {line for section in sections for line in (*section.lines, section.title)}
    assert all(line in whole or line.startswith("  … ") for line in shown)


def test_fit_prefers_the_lower_rank_and_keeps_the_order_of_sections():
    """The least important section shown at the cost of the others."""
    less = Section(title="less:", lines=("l" * 20, "m" * 20), rank=5)
    more = Section(title="more:", lines=("n" * 20,), rank=1)
    assert fit([less, more], 10**6) == ("less:", "l" * 20, "m" * 20, "more:", "n" * 20)
    assert fit([less, more], 55) == ("more:", "n" * 20)


def test_fit_says_how_many_lines_are_missing():
    """A list that looks complete and is not."""
    section = Section(title="t", lines=("aaaa", "bbbb"), rank=0, total=9)
    assert fit([section], 10**6) == ("t", "aaaa", "bbbb", "  … 7 more")
    assert fit([section], 34) == ("t", "aaaa", "  … 8 more")


def test_whole_lines_are_counted_in_bytes():
    """A bound that umlauts break."""
    assert whole_lines(["\u00e4\u00e4", "b"], 5) == ("\u00e4\u00e4",)
    assert whole_lines(["\u00e4\u00e4", "b"], 7) == ("\u00e4\u00e4", "b")


def test_failures_are_grouped_by_reason_most_frequent_first():
    """Refused candidates mixed with measured ones."""
    found = failures(
        history(
            experiment(1, reason=Reason.WORSE),
            experiment(2),
            experiment(3),
            experiment(4, Verdict.KEEP),
            refusal(),
        )
    )
    assert [(group.label, group.total) for group in found] == [
        ("discard (undecided)", 2),
        ("discard (worse)", 1),
    ]
    assert [failed.number for failed in found[0].failed] == [3, 2]


def test_counts_name_every_verdict_there_is():
    """A sum that does not add up to the number of experiments."""
    assert counts(history()) == "no experiment yet"
    shown = counts(history(experiment(1), experiment(2, Verdict.KEEP), refusal()))
    assert shown == "2 experiments: 1 keep, 1 discard"


def test_estimate_of_a_keep_carries_its_marks():
    """A provisional or undone keep listed like a proven one."""
    kept = history(
        experiment(1, Verdict.KEEP, effect=effect(-0.03), flags=(Flag.PROVISIONAL,)),
        experiment(2, Verdict.KEEP),
        make(Undo, experiment=1, commit="f" * 40),
    ).kept
    assert estimate(kept[0], "ms") == "no estimate"
    assert estimate(kept[1], "ms") == "-3.0% [-4.0%, -2.0%] (provisional, undone)"


def test_nothing_is_claimed_without_a_validation():
    """A sum of lucky races advertised as the gain."""
    kept = experiment(1, Verdict.KEEP, effect=effect(-0.03))
    assert claim(history(kept), "ms") == "not validated yet, so no gain is claimed"


def test_claim_says_what_the_validation_covers():
    """A validation that seems to cover later keeps."""
    proven = make(Validation, after=1, effect=effect(-0.1), proven=True)
    first, second = (experiment(number, Verdict.KEEP) for number in (1, 2))
    covered = "-10.0% [-11.0%, -9.0%], first commit against the last at experiment 1"
    assert claim(history(first, proven), "") == f"validated: {covered}"
    other = make(Claimed, name="render_ms", unit="ms", effect=effect(-0.3), proven=False)
    spoken = claim(history(first, replace(proven, claimed=other)), "")
    assert spoken.startswith("no proven improvement: -30.0% [")
    assert "(render_ms), first commit against the last" in spoken
    assert claim(history(first, proven, second), "") == (
        f"validated: {covered}; 1 keep since then, not validated"
    )
    undo = make(Undo, experiment=1, commit="f" * 40)
    assert "undone" in claim(history(first, proven, undo), "")
    failed = CommandResult(exit_code=1, duration_s=2.0, timed_out=False, output="")
    unsafe = replace(proven, final_guard=failed)
    assert claim(history(first, unsafe), "") == f"the final guard fails; validated: {covered}"
    passed = replace(proven, final_guard=replace(failed, exit_code=0))
    assert claim(history(first, passed), "") == f"validated: {covered}"
    weak = make(Validation, after=1, effect=effect(-0.1), proven=False)
    assert claim(history(first, weak), "") == f"no proven improvement: {covered}"


def test_status_lists_the_newest_keeps_and_what_to_review_first():
    """A list that fills the screen, or that looks complete and is not."""
    assert kept_lines(history(), "") == ["kept: nothing yet"]
    assert review_lines(history(), "") == []
    odd = {"flags": (Flag.SUSPICIOUS,), "suspicions": ("odd",)}
    found = history(*(experiment(number, Verdict.KEEP, **odd) for number in range(1, 11)))
    kept, review = kept_lines(found, ""), review_lines(found, "")
    assert kept[0] == "kept: 10 (estimates of single races)"
    assert kept[1] == "    10  no estimate (suspicious)         change 10"
    assert kept[9:] == ["  … 2 earlier"]
    assert review[0] == "REVIEW FIRST: 10 suspicious keeps"
    assert review[1] == "    10  no estimate (suspicious): odd"
    assert review[5] == "  … 6 earlier"
    assert "undo N" in review[-1]
