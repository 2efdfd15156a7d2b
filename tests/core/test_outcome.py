"""The words of a discard."""

from __future__ import annotations

import pytest
from autoresearch.core.decision import Rule
from autoresearch.core.model import Reason
from autoresearch.core.race import Call, Seen, spoken
from support.pairs import climbing, lower


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([0.01] * 11 + [-0.01], Reason.WORSE),  # 13 of 4096 labellings: the interval excludes 0
        ([0.01] * 5, Reason.WORSE),  # five losses of five: 1/32 <= .05
        ([0.01] * 4, Reason.NOT_BETTER),  # 1/16, and no loss beyond the same-code differences
        ([0.01, -0.01] * 4, Reason.NOT_BETTER),
    ],
)
def test_worse_needs_an_interval_that_excludes_no_change(changes, reason):
    """Breaks if an agent is told to drop an idea that was not refuted."""
    pairs = tuple(climbing(changes))
    call = Call(keep=False, rule=Rule.FUTILITY, pairs=len(pairs), p_value=None, needed=None)
    assert spoken(Seen(lower(20), (), pairs), call).reason is reason
