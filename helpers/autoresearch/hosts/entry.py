"""`hook EVENT` and `statusline`, before anything slow is imported."""

from __future__ import annotations

import os
import sys

from autoresearch.hosts.elsewhere import is_elsewhere

FAST = ("hook", "statusline")
"""Commands that a host calls all the time."""


def main(arguments: list[str]) -> int:
    """Run one of `FAST`; the exit code. A host's hook may leave out the word `hook`."""
    given = sys.stdin.buffer.read()  # to its end, or the host would meet a closed pipe
    words = arguments[1:] if arguments[:1] == ["hook"] else arguments
    event = words[0] if words else ""
    if is_elsewhere(event, given, os.environ):
        return 0
    if event == "statusline":
        from autoresearch.hosts import statusline  # noqa: PLC0415 - hooks need none of it

        return statusline.main(given)
    from autoresearch.hosts import hook  # noqa: PLC0415 - nor does the status line need this

    return hook.main(event, given)
