"""What a command did beside travels with the error that ends it."""

from __future__ import annotations

from autoresearch.core.errors import AutoresearchError, tell_with, told_with


def test_what_was_done_is_told_with_any_error():
    """News that are lost because the command that had them failed, or was interrupted."""
    for error in (
        AutoresearchError("full", code="no_space"),
        KeyboardInterrupt(),
        OSError(28, "x"),
    ):
        assert told_with(error) == ()
        tell_with(error, ["one"])
        tell_with(error, ["two", "three"])
        assert told_with(error) == ("one", "two", "three")
