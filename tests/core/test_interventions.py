"""What changed a session beside its experiments, and whether anybody was seen to agree."""

from __future__ import annotations

import pytest
from autoresearch.core.history import Progress
from autoresearch.core.model import Agreed, Interventions
from autoresearch.core.records import ACCEPTED, Recovery, Undo, interventions_after
from autoresearch.core.views import interventions_line
from support.records import AT, epoch, experiment, make, opened

TERMINAL, HOST, FLAG = Agreed.TERMINAL, Agreed.HOST, Agreed.FLAG


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([epoch(), experiment(1)], ""),
        ([epoch(1, agreed=TERMINAL)], "1 amendment"),
        (
            [epoch(1, agreed=TERMINAL), epoch(2, agreed=HOST), epoch(3, agreed=FLAG)],
            "3 amendments, 1 without a person's agreement seen",
        ),
        ([epoch(1, agreed=None)], "1 amendment, 1 without a person's agreement seen"),
        ([make(Undo, agreed=HOST), make(Undo)], "2 undos, 1 without a person's agreement seen"),
        (
            [make(Recovery, action=ACCEPTED), make(Recovery, action="finished")],
            "log accepted 1 times, 1 without a person's agreement seen",
        ),
    ],
)
def test_line(records, said):
    """An evaluator that was exchanged by an agent, and nothing shows it."""
    found = Interventions()
    for record in records:
        found = interventions_after(found, record)
    progress = Progress(opened=opened(), incumbent_commit="", last_at=AT, interventions=found)
    assert interventions_line(progress) == said
