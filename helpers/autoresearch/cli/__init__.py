"""The face: parses the command line, calls one use case, prints its answer.

Each group of commands is a module of its own, imported only when one of its commands is
called: a helper call must stay fast.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import NoReturn

import click

from autoresearch import __version__

COMMANDS = {
    "scan": "scanning",
    "evaluator": "plan",
    "check": "plan",
    "init": "plan",
    "amend": "plan",
    "run": "work",
    "brief": "work",
    "try": "work",
    "note": "work",
    "drop": "work",
    "apply": "work",
    "profile": "work",
    "status": "look",
    "log": "look",
    "show": "look",
    "doctor": "look",
    "validate": "human",
    "undo": "human",
    "stop": "human",
    "recover": "human",
    "gc": "human",
    "hook": "host",
    "statusline": "host",
    "install": "hosts",
    "uninstall": "hosts",
    "security": "security",
    "demo": "trial",
    "selftest": "trial",
}
"""Command -> module of this package that defines it."""


class LazyGroup(click.Group):
    """A click group that imports a command's module when the command is asked for.

    Attributes:
        table: command -> module of this package that defines it.
    """

    table: Mapping[str, str] = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        del ctx
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None so that click reports the wrong usage."""
        del ctx
        if cmd_name not in self.table:
            return None
        module = importlib.import_module(f"autoresearch.cli.{self.table[cmd_name]}")
        command = getattr(module, f"{cmd_name}_command")
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, prog_name="autoresearch")
def group() -> None:
    """Referee of an improvement loop: it races every change, keeps it or puts it back.

    \b
    Start:   autoresearch demo
    Plan:    autoresearch check draft.yaml, autoresearch init draft.yaml
    Work:    autoresearch brief, then edit and: autoresearch try -m "what and why"
    """  # noqa: D301 - click's mark for lines to be left as they are is a real backspace


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code documented in docs/schema.md."""
    from autoresearch.cli.app import run  # noqa: PLC0415 - `--version` needs none of it

    sys.exit(run(group, sys.argv[1:] if arguments is None else arguments))
