"""The journal of the step in progress."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.steps import (
    Action,
    Begun,
    CandidateMade,
    Changed,
    Decided,
    Pending,
    Settled,
    Step,
)
from autoresearch.edges.journal import Journal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.records import any_object, experiment, make

BEGUN = make(Begun, number=3, message="faster", parent="p" * 40)
CANDIDATE = CandidateMade(
    commit="c" * 40,
    tree="t" * 40,
    patch_id="d" * 40,
    changes=(Changed(status="D", path="a\udcff", mode=None, oid=None),),
)
DECIDED = Decided(experiment=experiment(3))
SETTLED = Settled(head="c" * 40)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.json")


def test_no_journal_means_nothing_pending(journal):
    """A first start that recovers something."""
    assert journal.load() == (None, None, "")


def test_steps_add_up_until_they_are_cleared(journal):
    """A recovery that knows the last step but not the candidate."""
    journal.begin(BEGUN)
    for step in (CANDIDATE, DECIDED, SETTLED):
        journal.add(step)
    found = Journal(journal.path).load()
    assert found.pending == Pending((BEGUN, CANDIDATE, DECIDED, SETTLED))
    assert found.pending.begun == BEGUN
    assert found.pending.candidate == CANDIDATE
    assert found.pending.decided == DECIDED
    assert found.pending.last == SETTLED
    assert found.pending.action is None
    journal.clear()
    journal.clear()
    assert Journal(journal.path).load().pending is None


def test_steps_after_a_restart_continue_those_on_the_disk(journal):
    """A recovery that overwrites what it recovers."""
    journal.begin(BEGUN)
    again = Journal(journal.path)
    again.load()
    again.add(CANDIDATE)
    assert Journal(journal.path).load().pending == Pending((BEGUN, CANDIDATE))


def test_new_command_replaces_the_steps_of_the_last(journal):
    """An old step that is recovered a second time."""
    journal.begin(BEGUN)
    action = make(Action, command="undo", stage="begun", values=(("experiment", "3"),))
    journal.begin(action)
    pending = Journal(journal.path).load().pending
    assert pending == Pending((action,))
    assert pending.action == action
    assert (action.value("experiment"), action.value("other")) == ("3", None)
    assert pending.begun is pending.candidate is pending.decided is None


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(step=st.one_of(*(any_object(step) for step in get_args(Step))))
def test_any_step_reads_back_as_it_was(tmp_path, step):
    """A step that is recovered with other values."""
    journal = Journal(tmp_path / "journal.json")
    journal.begin(step)
    assert Journal(journal.path).load().pending == Pending((step,))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"schema":2,"steps":[]}',
        b'{"schema":1}',
        b'{"schema":1,"steps":[]}',
        b'{"schema":1,"steps":[7]}',
        b'{"schema":1,"steps":[{"step":"guess"}]}',
        b'{"schema":1,"steps":[{"step":"settled"}]}',
    ],
)
def test_unreadable_journal_is_moved_aside_and_reported(journal, content):
    """A damaged journal that blocks every command, or is lost."""
    for number in (1, 2):
        journal.path.write_bytes(content)
        found = journal.load()
        assert found.pending is None
        assert found.moved_aside is not None
        assert found.moved_aside.name == f"journal.json.corrupt-{number}"
        assert found.moved_aside.read_bytes() == content
        assert found.problem
        assert not journal.path.exists()


def test_every_truncation_is_reported_not_misread(journal):
    """Half a journal recovered as a whole one."""
    journal.begin(BEGUN)
    whole = journal.path.read_bytes()
    for length in range(len(whole) - 1):
        journal.path.write_bytes(whole[:length])
        assert journal.load().pending is None
    json.loads(whole)


def test_journal_is_written_whole_or_not_at_all(journal):
    """A step lost because its successor could not be written."""
    journal.begin(BEGUN)
    journal.path.parent.chmod(0o700)
    gone = Journal(journal.path.parent / "missing" / "journal.json")
    with pytest.raises(AutoresearchError):
        gone.begin(BEGUN)
    assert journal.load().pending == Pending((BEGUN,))


def test_journal_that_cannot_be_read_is_an_expected_failure(tmp_path):
    """A crash report where the disk refuses."""
    with pytest.raises(AutoresearchError):
        Journal(tmp_path).load()


def test_nothing_is_written_without_the_lock(tmp_path):
    """A journal that two commands write in turn."""

    def lost():
        raise AutoresearchError("lost", code="lock_lost")

    Journal(tmp_path / "journal.json").begin(BEGUN)
    journal = Journal(tmp_path / "journal.json", lost)
    journal.load()
    for change in (lambda: journal.begin(BEGUN), lambda: journal.add(CANDIDATE), journal.clear):
        with pytest.raises(AutoresearchError, match="lost"):
            change()
    assert Journal(journal.path).load().pending == Pending((BEGUN,))
