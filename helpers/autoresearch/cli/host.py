"""Commands that a host calls: hook and statusline. `autoresearch.__main__` answers them first."""

from __future__ import annotations

import sys

import click

from autoresearch.hosts import entry
from autoresearch.hosts.hook import EVENTS


@click.command("hook")
@click.argument("event", type=click.Choice(EVENTS))
def hook_command(event: str) -> None:
    """Answer an event of a host (called by hosts).

    Reads JSON from stdin, prints JSON or nothing, and always exits with 0. Hosts call it through
    `hooks/hooks.json`; docs/hooks.md says what each event does and how to turn it off.
    AUTORESEARCH_HOOKS=off turns all of them off.

    Example: autoresearch hook Stop < event.json
    """
    sys.exit(entry.main(["hook", event]))


@click.command("statusline")
def statusline_command() -> None:
    """Print one line for a host's status line.

    Reads the host's JSON from stdin. Prints nothing if no session is open.

    Example: autoresearch statusline < status.json
    """
    sys.exit(entry.main(["statusline"]))
