"""`python -m autoresearch`, and the console script."""

from __future__ import annotations

import sys

from autoresearch.hosts import entry


def main() -> None:
    """Run the command line; what a host calls all the time does not wait for its imports."""
    if sys.argv[1:2] and sys.argv[1] in entry.FAST and not {"-h", "--help"} & set(sys.argv[2:]):
        sys.exit(entry.main(sys.argv[1:]))
    from autoresearch import cli  # noqa: PLC0415 - as above

    cli.main()


if __name__ == "__main__":
    main()
