"""`python -m autoresearch`, and the console script."""

from __future__ import annotations

import sys

FAST = {"hook", "statusline"}
"""What a host calls all the time: it does not wait for the imports of the command line."""


def main() -> None:
    """Run the command line."""
    if FAST.intersection(sys.argv[1:2]) and not {"-h", "--help"} & set(sys.argv[2:]):
        from autoresearch.hosts import entry  # noqa: PLC0415 - other commands need none of it

        sys.exit(entry.main(sys.argv[1:]))
    from autoresearch import cli  # noqa: PLC0415 - as above

    cli.main()


if __name__ == "__main__":
    main()
