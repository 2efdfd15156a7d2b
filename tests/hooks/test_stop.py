"""The Stop hook: keeps the agent going while its run has budget and the log grows."""

from __future__ import annotations

import os

import pytest
from support.hooks import AGENT, Host
from support.project import set_cost
from support.session import open_session


@pytest.fixture
def helper(tmp_path):
    target = {"direction: lower}\nverify": "direction: lower, target: 50}\nverify"}
    return open_session(tmp_path, replace=target)


def test_agent_is_kept_going_until_the_budget_of_its_run_is_spent(helper):
    """A night that ends after the first experiment, or an agent that is never let go."""
    host = Host(helper.root)
    assert host.stop() is None  # no run is open
    helper("run", "2", env=AGENT)
    assert "0 of 2 experiments of run 1" in host.stop()
    set_cost(helper.repo, 90)
    helper("try", "-m", "cheaper", env=AGENT)
    reason = host.stop(stop_hook_active=True)
    assert "1 of 2 experiments of run 1" in reason
    assert "`autoresearch try" in reason
    set_cost(helper.repo, 80)
    helper("try", "-m", "cheaper still", env=AGENT)
    assert host.stop(stop_hook_active=True) is None


def test_agent_that_adds_nothing_is_let_go_after_one_block(helper):
    """A trap: blocked again and again without being able to do anything."""
    host = Host(helper.root)
    helper("run", "5", env=AGENT)
    assert host.stop() is not None
    assert host.stop(stop_hook_active=True) is None
    assert host.stop() is None
    helper("note", "something was learned", env=AGENT)
    assert host.stop() is not None


def test_agent_is_let_go_when_there_is_a_reason(helper):
    """An agent that waits for its own background work, or for its alarm, and is driven on."""
    host = Host(helper.root)
    helper("run", "5", env=AGENT)
    assert host.stop(background_tasks=[{"id": "b1"}]) is None
    assert host.stop(session_crons=[{"id": "c1"}]) is None
    host.mode = "plan"
    assert host.stop() is None
    host.mode = "default"
    (helper.state / "lock").write_text(f'{{"pid": {os.getpid()}}}')
    assert host.stop() is None  # a command of ours is at work
    (helper.state / "lock").write_text("")
    assert host.stop() is not None


def test_target_met_ends_it(helper):
    """An agent that is driven on after the goal was reached."""
    host = Host(helper.root)
    helper("run", "5", env=AGENT)
    set_cost(helper.repo, 40)
    helper("try", "-m", "beyond the target", env=AGENT)
    assert host.stop() is None


def test_only_the_agent_session_of_the_run_is_kept_going(helper):
    """A human's second agent in the same folder that cannot end its turn."""
    helper("run", "5", env=AGENT)
    other = Host(helper.root, "another")
    assert other.stop() is None
    assert Host(helper.root).stop() is not None
    helper("stop", "-m", "enough")
    assert Host(helper.root).stop() is None


def test_run_is_taken_over_by_a_new_agent_session(helper):
    """A run that was killed with its host and that nobody can go on with."""
    helper("run", "5", env=AGENT)
    taken = helper.json("run", "5", env={"CLAUDE_CODE_SESSION_ID": "another"})
    assert (taken["run"], taken["used"], taken["experiments"]) == (1, 0, 5)
    assert Host(helper.root, "another").stop() is not None
    assert Host(helper.root).stop() is None


def test_agent_that_works_elsewhere_is_kept_going(helper, tmp_path):
    """A session in a linked worktree, while the host's folder is the main checkout."""
    helper("run", "5", env=AGENT)
    assert Host(tmp_path).stop() is not None
