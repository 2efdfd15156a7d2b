"""Stories of commands, edits and deaths in any order; `make machine-test` tells long ones."""

from __future__ import annotations

import os
import random

from faults.failures import fail_often
from faults.machine import Machine
from faults.rig import Rig
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

STORIES = int(os.environ.get("AUTORESEARCH_STORIES", "4"))
STORY = os.environ.get("AUTORESEARCH_STORY")
SEARCH = "AUTORESEARCH_SEARCH" in os.environ
LENGTH = 10 if STORIES < 10 else 25


def test_any_story_keeps_every_promise(tmp_path, isolated):
    """A violated invariant, a lost edit, a verdict told twice, in an order nobody thought of."""
    rig = Rig(tmp_path)
    fail_often(rig, 45)
    assert rig.run("recover").code == 0
    rig.save()
    told = STORY or (random.SystemRandom().randrange(1 << 32) if SEARCH else 1)
    print(f"AUTORESEARCH_STORIES={STORIES} AUTORESEARCH_STORY={told} replays it")  # noqa: T201
    machine = seed(int(told))(type("Machine", (Machine,), {"rig": rig}))
    phases = [Phase.generate, *([Phase.shrink] if "AUTORESEARCH_SHRINK" in os.environ else [])]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=LENGTH,
            phases=phases,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
