"""The face: parses the command line, calls one use case, prints its answer.

A module of this package is imported only when one of its commands is called: a helper call must
stay fast.
"""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

import click

from autoresearch import __version__
from autoresearch.cli.app import LazyGroup, run

COMMANDS = {
    "scan": "plan",
    "evaluator": "plan",
    "check": "plan",
    "init": "plan",
    "amend": "plan",
    "run": "work",
    "brief": "status",
    "try": "attempt",
    "note": "work",
    "drop": "work",
    "apply": "work",
    "profile": "work",
    "status": "status",
    "log": "status",
    "watch": "reports",
    "report": "reports",
    "show": "work",
    "doctor": "doctor",
    "validate": "human",
    "undo": "human",
    "compare": "comparing",
    "review": "shipping",
    "finalize": "shipping",
    "evidence": "evidence",
    "stop": "human",
    "recover": "human",
    "gc": "human",
    "hook": "hosts",
    "statusline": "hosts",
    "install": "hosts",
    "uninstall": "hosts",
    "security": "security",
    "import": "logs",
    "audit": "logs",
    "export": "logs",
    "demo": "trial",
    "selftest": "trial",
    "rule": "rule",
}
"""Command -> module of this package that defines it."""


class Commands(LazyGroup):
    """All commands, in the order of their help."""

    table = COMMANDS


@click.group(
    cls=Commands,
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
    # No command makes much rubbish, and many hold tables of 30,000 files, which looking for it
    # would go through again and again: 0.1 s of a `try`.
    gc.set_threshold(100_000, 50, 50)
    sys.exit(run(group, sys.argv[1:] if arguments is None else arguments))
