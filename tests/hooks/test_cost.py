"""The agent's cost, from its host's transcript to the budget that ends the night."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.hooks import AGENT, HOST_SESSION, Host
from support.project import set_cost
from support.session import open_session

BUDGET = {"{experiments: 50}": "{experiments: 50, usd: 2, tokens: 9000000}"}


@pytest.fixture
def transcript(isolated):
    """Where the agent session's transcript lies; each call adds an answer of $0.003 + output."""
    path = Path(isolated) / ".claude" / "projects" / "-r" / f"{HOST_SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    written = []

    def add(tokens: int, model: str = "claude-sonnet-4-5") -> None:
        written.append(tokens)
        usage = {"input_tokens": tokens, "output_tokens": 10}
        message = {"id": f"m{len(written)}", "model": model, "usage": usage}
        with path.open("a") as file:
            file.write(json.dumps({"type": "assistant", "message": message}) + "\n")

    return add


def test_each_experiment_costs_what_was_used_since_the_record_before(tmp_path, transcript):
    """Planning billed to the first experiment, or one experiment's thinking to the next."""
    helper = open_session(tmp_path, replace=BUDGET)
    transcript(1_000_000)  # before the run: planning
    helper("run", "5", env=AGENT)
    transcript(100_000)
    set_cost(helper.repo, 90)
    first = helper.json("try", "-m", "cheaper", env=AGENT)["record"]
    assert first["spent"] == {"tokens": 100_010, "output": 10, "usd": 0.30015}
    transcript(200_000)
    transcript(300_000)
    set_cost(helper.repo, 110)
    second = helper.json("try", "-m", "dearer", env=AGENT)["record"]
    assert second["spent"] == {"tokens": 500_020, "output": 20, "usd": 1.5003}
    status = helper("status", env=AGENT).out
    assert "cost: 600 k tokens, $1.80 for 2 experiments; $1.80 for each kept change" in status
    assert helper.json("status")["cost"] == {
        "tokens": 600_030, "usd": pytest.approx(1.80045), "unpriced": 0, "unmetered": 0
    }  # fmt: skip
    assert "cost: 100 k tokens, $0.30\n" in helper("show", "1").out
    set_cost(helper.repo, 120)
    unseen = helper.attempt("by a host that shows no transcript")
    assert (unseen["spent"], unseen["meter"]) == (None, None)
    assert helper.json("status")["cost"]["usd"] is None


def test_budget_in_dollars_ends_the_run_and_lets_the_agent_go(tmp_path, transcript):
    """A night that costs more than its contract allows."""
    helper = open_session(tmp_path, replace=BUDGET)
    host = Host(helper.root)
    transcript(1)
    assert "session: 50 experiments, $2.00 and 9 M tokens left" in helper("run", "5", env=AGENT).out
    transcript(700_000)
    set_cost(helper.repo, 90)
    said = helper("try", "-m", "cheaper", env=AGENT).out
    assert "49 experiments, $-" not in said
    assert said.splitlines()[-1].startswith("next: DONE, all $2.00 of the budget are spent")
    assert host.stop() is None
    assert helper.error("try", "-m", "more", env=AGENT) == "done_usd"
    assert helper("run", "5", env=AGENT).out.startswith(
        "AUTORESEARCH DONE: all $2.00 of the budget are spent"
    )


def test_unknown_price_is_said_and_not_taken_for_nothing(tmp_path, transcript):
    """A budget in dollars that never ends because a new model costs nothing."""
    helper = open_session(tmp_path, replace=BUDGET)
    blind = helper("run", "5", env={"CLAUDE_CODE_SESSION_ID": "unseen"}).out
    assert "budget.usd and budget.tokens cannot stop this run" in blind
    transcript(1)
    helper("run", env=AGENT)
    transcript(5_000_000, "brand-new-model")
    set_cost(helper.repo, 90)
    record = helper.json("try", "-m", "cheaper", env=AGENT)["record"]
    assert record["spent"] == {"tokens": 5_000_010, "output": 10, "usd": None}
    assert "1 experiment whose model has no known price" in helper("run", env=AGENT).out
    assert helper.json("status")["cost"]["usd"] is None
