"""The face: parses the command line, calls one use case, prints its answer.

A module of this package is imported only when one of its commands is called: a helper call must
stay fast.
"""

from __future__ import annotations

import gc
import os
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


GROUPS = {
    "Plan": {
        "scan": "what a contract could use",
        "evaluator": "write a benchmark that runs the candidate apart",
        "check": "rehearse a contract; nothing changes",
        "init": "freeze a contract and open its session",
        "amend": "adopt an edited contract (for humans)",
    },
    "Work": {
        "run": "open a run of experiments, or go on",
        "brief": "all you need before an experiment",
        "try": "race the edited tree; keep or put back",
        "note": "record an idea, a lesson, a dead end",
        "drop": "put the tree back; the edit is kept",
        "apply": "bring earlier experiments back",
        "profile": "run the contract's profiler",
    },
    "Look": {
        "status": "keeps, gain, remaining budget",
        "log": "list experiments",
        "show": "one experiment, with its diff",
        "watch": "follow the session in the terminal",
        "report": "the morning after, as one page",
    },
    "Finish": {
        "validate": "measure the gain to claim",
        "undo": "take a kept experiment back",
        "review": "what to look at before the merge",
        "finalize": "make branches for review",
        "evidence": "what reviewers can recompute",
        "compare": "race two commits",
        "stop": "end the session",
    },
    "Keep house": {
        "doctor": "check installation and session",
        "recover": "finish what was interrupted",
        "gc": "remove what is not needed any more",
        "install": "skill and commands for a host",
        "uninstall": "remove what `install` wrote",
    },
    "More": {
        "demo": "the real loop on a small project",
        "selftest": "how often this machine errs",
        "security": "sweep code for security flaws",
        "import": "read another tool's log",
        "audit": "which keeps of such a log are real",
        "export": "write the log in another format",
        "rule": "what the loop would decide",
    },
}
"""The commands as people look for them, in short words; what hosts call is not among them."""

COMPLETE = "_AUTORESEARCH_COMPLETE"


class Commands(LazyGroup):
    """All commands; those that hosts call are in no help."""

    table = COMMANDS

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups, without the import of a single command."""
        del ctx
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([*commands.items()], col_max=12)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; one that does not exist is told with those like it."""
        if args[0] not in self.table and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 - only after a slip

            near = difflib.get_close_matches(args[0], self.table, n=2)
            meant = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)


def print_completion(ctx: click.Context, _: click.Parameter, shell: str | None) -> None:
    """Print what a shell reads to complete our commands."""
    if shell is None:
        return
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - once a shell

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(group, {}, "autoresearch", COMPLETE).source())
    ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, "-V", "--version", prog_name="autoresearch")
@click.option(
    "--completion",
    type=click.Choice(["bash", "zsh", "fish"]),
    is_eager=True,
    expose_value=False,
    callback=print_completion,
    help="Print the completion for a shell: eval it in its start-up file.",
)
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
    words = sys.argv[1:] if arguments is None else arguments
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete  # noqa: PLC0415 - a shell asks

        sys.exit(shell_complete(group, {}, "autoresearch", COMPLETE, instruction))
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    sys.exit(run(group, words))
