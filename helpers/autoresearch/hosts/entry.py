"""`hook EVENT` and `statusline`, before anything slow is imported."""

from __future__ import annotations

import sys

FAST = ("hook", "statusline")
"""Commands that a host calls all the time."""


def main(arguments: list[str]) -> int:
    """Run one of `FAST`; the exit code. A host's hook may leave out the word `hook`."""
    if arguments[:1] == ["statusline"]:
        from autoresearch.hosts import statusline  # noqa: PLC0415 - hooks need none of it

        return statusline.main(sys.stdin.buffer.read())
    from autoresearch.hosts import hook  # noqa: PLC0415 - nor does the status line need this

    return hook.main(arguments[1:] if arguments[:1] == ["hook"] else arguments)
