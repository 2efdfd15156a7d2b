"""`autoresearch security`: the group of commands that sweep code for flaws."""

from __future__ import annotations

import click

from autoresearch.cli.app import LazyGroup

COMMANDS = {
    "init": "audit",
    "model": "audit",
    "sweep": "audit",
    "next": "audit",
    "examined": "audit",
    "add": "audit",
    "prove": "audit",
    "import": "audit",
    "leads": "ledger_views",
    "status": "ledger_views",
    "show": "ledger_views",
    "recheck": "audit",
    "state": "audit",
    "report": "ledger_views",
    "gate": "ledger_views",
    "fix": "audit",
}
"""Subcommand -> module of this package that defines it."""


class SecurityGroup(LazyGroup):
    """The group of a sweep's commands, in its order."""

    table = COMMANDS


@click.group("security", cls=SecurityGroup, no_args_is_help=True)
def security_command() -> None:
    """Sweep code for security flaws. Example: autoresearch security init."""
