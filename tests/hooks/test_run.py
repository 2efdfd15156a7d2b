"""What `run` tells before a night: time, permissions, and how ticks of a loop share it."""

from __future__ import annotations

from types import SimpleNamespace

from autoresearch.loop.logbook import forecast_s
from support.histories import contract, history
from support.hooks import AGENT, Host
from support.project import set_cost
from support.records import epoch, experiment
from support.session import open_session


def test_permission_mode_is_seen_and_the_setting_named(tmp_path):
    """A night that waits at a prompt from its first edit on."""
    helper = open_session(tmp_path)
    assert "permissions:" not in helper("run", "3").out  # no host: nobody asks
    unseen = helper("run", env=AGENT).out
    assert "permissions: our hooks were not called" in unseen
    host = Host(helper.root)
    for mode, words in (
        ("default", "edits elsewhere do; tell your human that"),
        ("bypassPermissions", ""),
    ):
        host.mode = mode
        host.bash("autoresearch run")
        said = helper("run", env=AGENT).out
        assert words in said
        assert ("permissions:" in said) is bool(words)


def test_forecast_is_no_shorter_than_what_experiments_took_lately():
    """A build of five minutes that nobody measured apart, and that the host ends after two."""
    session = SimpleNamespace(contract=contract())
    measured = epoch(1, sample_s=2.0, guard_s=50.0, deterministic=True)
    quick = experiment(1, epoch=1, duration_s=7.0)
    known = forecast_s(session, history(measured, quick))
    assert known == 60.0  # a warm-up, two pairs, and the guard
    slow = experiment(2, epoch=1, duration_s=300.0)
    assert forecast_s(session, history(measured, quick, slow)) == 360.0
    of_another_evaluator = experiment(1, epoch=0, duration_s=300.0)
    assert forecast_s(session, history(of_another_evaluator, measured)) == known


def test_rework_of_the_last_experiment_is_still_done(tmp_path):
    """A better change thrown away because the run's number is used up."""
    helper = open_session(tmp_path)
    helper("run", "1", env=AGENT)
    set_cost(helper.repo, 90, answer=1)
    answer = helper.json("try", "-m", "breaks the answer", env=AGENT)
    assert answer["verdict"] == "rework"
    assert answer["next"].endswith("then DONE, all 1 experiments of run 1 are used")
    assert helper.error("try", "-m", "something else", env=AGENT) == "done_run"
    set_cost(helper.repo, 90)
    assert helper.verdict("mended", "--rework") == ("keep", None)
    set_cost(helper.repo, 80)
    assert helper.error("try", "-m", "one more", env=AGENT) == "done_run"


def test_run_of_an_agent_session_that_ended_is_free(tmp_path):
    """A human who asks for twenty experiments and hears of a run that died yesterday."""
    helper = open_session(tmp_path)
    host = Host(helper.root)
    host.bash("autoresearch run 5")
    helper("run", "5", env=AGENT)
    other = {"CLAUDE_CODE_SESSION_ID": "next-day"}
    assert host.raw("SessionEnd", reason="other") == ""
    host.context("resume")  # taken up again, it owns its run
    assert helper.error("run", "20", env=other) == "run_elsewhere"
    host.raw("SessionEnd", reason="other")
    found = helper.json("run", "20", env=other)
    assert (found["opened"], found["run"], found["experiments"]) == (True, 2, 20)
