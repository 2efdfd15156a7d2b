"""The steps of a change, as the journal gives them back."""

from __future__ import annotations

import pytest
from autoresearch.core import wire
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.model import Kind
from autoresearch.core.steps import Action, Begun, CandidateMade, Decided, Pending, Settled
from support.records import experiment

BEGUN = Begun(
    number=3, message="m", kind=Kind.PLAIN, hypothesis=None, idea=None, related=None, attempt=0,
    parent="a" * 40, at="2026-01-02T03:04:05Z", run=None,
)  # fmt: skip
CANDIDATE = CandidateMade(commit="b" * 40, tree="c" * 40, patch_id="d" * 40, changes=())
DECIDED = Decided(experiment=experiment(3))
SETTLED = Settled(head="b" * 40)
ACTION = Action(
    command="drop", stage="saved", at="2026-01-02T03:04:05Z", values=(("ref", "refs/x"),)
)


def test_pending_finds_each_step():
    """A recovery that rolls back what was already decided."""
    pending = Pending((BEGUN, CANDIDATE, DECIDED, SETTLED))
    assert (pending.begun, pending.candidate, pending.decided) == (BEGUN, CANDIDATE, DECIDED)
    assert pending.last == SETTLED
    assert pending.action is None


def test_pending_without_a_step_says_none():
    """A step taken for reached before it was."""
    assert Pending((BEGUN,)).candidate is None
    assert Pending((BEGUN,)).decided is None
    assert Pending((ACTION,)).begun is None


def test_action_gives_its_latest_stage_and_values():
    """A command finished from the values of an earlier stage."""
    later = Action(command="drop", stage="done", at=ACTION.at, values=())
    assert Pending((ACTION, later)).action == later
    assert ACTION.value("ref") == "refs/x"
    assert ACTION.value("other") is None


def test_action_gives_back_the_record_that_it_keeps():
    """A record of another layout that crashes the recovery, or is logged half read."""
    kept = experiment(4)
    action = Action(
        command="undo", stage="made", at=ACTION.at, values=(("record", wire.text(kept)),)
    )
    assert action.record(type(kept)) == kept
    with pytest.raises(CorruptLogError, match="holds no record of `drop` that can be finished"):
        ACTION.record(type(kept))
