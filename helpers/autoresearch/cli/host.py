"""Commands that a host calls: hook and statusline. `autoresearch.__main__` answers them first."""

from __future__ import annotations

import sys

import click

from autoresearch.hosts import entry
from autoresearch.hosts.hook import EVENTS


@click.command("hook")
@click.argument("event", type=click.Choice(EVENTS))
def hook_command(event: str) -> None:
    """Answer one event of a host: JSON on stdin, JSON or nothing on stdout, always exit 0.

    Hosts call it by `hooks/hooks.json`; docs/hooks.md says what each event does and how to turn
    it off. AUTORESEARCH_HOOKS=off turns all of them off.

    Example: autoresearch hook Stop < event.json
    """
    sys.exit(entry.main(["hook", event]))


@click.command("statusline")
def statusline_command() -> None:
    """Print where the session stands, in one line, for a host's status line.

    Reads the host's JSON on stdin; prints nothing where no session is open.

    Example: autoresearch statusline < status.json
    """
    sys.exit(entry.main(["statusline"]))
