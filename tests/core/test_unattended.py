"""What is said of a host's permission mode before a night."""

from __future__ import annotations

import pytest
from autoresearch.core.hostlimits import permission_advice


@pytest.mark.parametrize("mode", ["bypassPermissions", "auto", "dontAsk"])
def test_nothing_is_said_where_nothing_asks(mode):
    """A warning that teaches people to skip warnings."""
    assert permission_advice(mode) == ""


@pytest.mark.parametrize("mode", [None, "", "default", "manual", "plan", "some-new-mode"])
def test_setting_that_lets_the_night_pass_is_named(mode):
    """A night that waits for an answer from nine in the evening on."""
    assert "`--permission-mode acceptEdits`" in permission_advice(mode)


def test_each_mode_is_told_apart():
    """Advice for another situation than the one at hand."""
    assert "our hooks were not called" in permission_advice(None)
    assert "plan mode refuses every edit" in permission_advice("plan")
    assert "edits elsewhere do" in permission_advice("default")
    assert permission_advice("acceptEdits").startswith("permissions: acceptEdits, edits in scope")
