"""The one error handler, how an answer reaches the streams, and what all commands share.

stdout carries the result and nothing else, stderr progress and errors. Exit codes: 0 done,
1 the caller can mend it, 2 wrong usage, 3 a bug, 4 a gate said no, 5 the session cannot go on,
130 interrupted.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import platform
import random
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import click
import msgspec

from autoresearch import __version__
from autoresearch.core import formatting
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import MAX_BYTES, MAX_LINES, Answer, bounded, clean_line
from autoresearch.core.question import Caller, RaceStanding
from autoresearch.edges import files, notices, places
from autoresearch.edges.interruption import termination_raises

EXIT_BUG = 3
EXIT_BROKEN = 5
EXIT_INTERRUPTED = 130
DOCTOR = "`autoresearch doctor` says what is wrong and how to mend it."
TIDY = "the next command tidies up what was interrupted; then repeat this one"
PATHS_SHOWN = 5
JSON = click.Option(["--json", "as_json"], is_flag=True, help="One JSON object on stdout.")


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for.

    The module holds a function `<name>_command` that returns an Answer, or a whole click command.

    Attributes:
        table: command -> module of this package.
    """

    table: Mapping[str, str]

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
        found = getattr(module, f"{cmd_name}_command")
        whole = isinstance(found, click.Command)
        return found if whole else click.command(cmd_name)(answers(found))


def answers(function: Callable[..., Answer]) -> Callable[..., None]:
    """Give a command `--json` and print the Answer it returns, with all notices before it."""

    @functools.wraps(function)
    def wrapper(*args: object, as_json: bool, **kwargs: object) -> None:
        click.get_current_context().meta["json"] = as_json
        answer = function(*args, **kwargs)
        told = notices.current()
        shown = json.dumps(answer.envelope(told)) if as_json else printable(answer.text(told))
        click.echo(shown if as_json else for_people(shown))
        if answer.exit_code:
            raise click.exceptions.Exit(answer.exit_code)

    # Click keeps parameters backwards, so this one comes last. It leaves lines alone below a real
    # backspace, which no raw docstring can hold.
    vars(wrapper)["__click_params__"] = [JSON, *vars(function).get("__click_params__", ())]
    wrapper.__doc__ = (function.__doc__ or "").replace("\\b\n", "\b\n")
    return wrapper


COLOURS = {
    r"experiment \d+: keep|validated:|ok ": "green",
    r"experiment \d+: (?:discard|rework)|no proven|warning:|advice:": "yellow",
    r"experiment \d+: (?:crash|violation)|refused|BAD|error:": "red",
    r"next:": "cyan",
}
"""How a line begins -> its colour on a terminal."""


def for_people(text: str) -> str:
    """The answer as a terminal shows it: in colours (NO_COLOR), without what only agents need."""
    if not sys.stdout.isatty():
        return text
    lines = [line for line in text.split("\n") if not line.startswith("time: ")]
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return "\n".join(lines)
    return "\n".join(map(_coloured, lines))


def _coloured(line: str) -> str:
    for start, colour in COLOURS.items():
        if found := re.match(start, line):
            return click.style(found[0], fg=colour) + line[found.end() :]
    return line


def picked(source: object, names: str) -> dict[str, Any]:
    """Attributes, named with blanks between, as JSON holds them; a path becomes its text."""
    held = {name: getattr(source, name) for name in names.split()}
    return cast("dict[str, Any]", msgspec.to_builtins(held, str_keys=True, enc_hook=str))


def listed(paths: Iterable[str]) -> str:
    """The first few paths, fit for a line."""
    return clean_line(", ".join([*paths][:PATHS_SHOWN]))


def few(lines: Iterable[str], most: int, rest: str) -> Iterator[str]:
    """The first lines; then `rest` with the number of the others for its `{}`, if there are any."""
    given = [*lines]
    yield from given[:most]
    if len(given) > most:
        yield rest.format(len(given) - most)


def printable(text: str) -> str:
    """The text as the stream can carry it: a lone surrogate or an ASCII terminal is no error."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def run(group: click.Group, arguments: list[str]) -> int:
    """Run one command; the exit code."""
    drop_git_environment()
    with notices.collected():
        try:
            return invoke(group, arguments)
        except (KeyboardInterrupt, click.Abort):
            report_end("interrupted", "interrupted", TIDY, as_json="--json" in arguments)
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            return quiet_pipe()
        except Exception as error:  # noqa: BLE001 - the only place that catches everything
            return report_bug(error, arguments)


def invoke(group: click.Group, arguments: list[str]) -> int:
    """Run one command and report what is expected to go wrong; the exit code."""
    as_json = "--json" in arguments
    try:
        with termination_raises(), group.make_context("autoresearch", arguments) as context:
            group.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        return report_usage(error, as_json=as_json)
    except AutoresearchError as error:
        return report_failure(error, as_json=as_json)
    except OSError as error:
        return report_disk(error, as_json=as_json)
    return 0


def report_disk(error: OSError, *, as_json: bool) -> int:
    """A full or failing disk where nobody looked for it; anything else is a bug."""
    if not files.is_of_the_disk(error):
        raise error
    return report_failure(files.file_error(error, error.filename or "a file"), as_json=as_json)


KEPT_OF_GIT = (
    "GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"
)  # fmt: skip


def drop_git_environment() -> None:
    """Forget inherited GIT_* but who commits, when, and by which files: GIT_DIR leads elsewhere."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        if not name.startswith(KEPT_OF_GIT):
            del os.environ[name]


def report_end(code: str, message: str, hint: str, *, as_json: bool) -> None:
    """The last word of a command that gave no answer, and the notices."""
    if as_json:
        click.echo(envelope(code, message, hint))
        return
    told = notices.current()
    lines = [message, *([bounded(told, "", MAX_LINES // 2, MAX_BYTES // 2)] if told else [])]
    click.echo(printable("\n".join([*lines, *([f"next: {hint}"] if hint else [])])), err=True)


def report_usage(error: click.ClickException, *, as_json: bool) -> int:
    """Wrong usage: click's own words, exit code 2."""
    if as_json:
        click.echo(envelope("usage", error.format_message(), "see --help"))
    else:
        error.show()
    return error.exit_code


def report_failure(error: AutoresearchError, *, as_json: bool) -> int:
    """An expected failure: one message and its remedy, which a broken session always has."""
    hint = error.hint or (DOCTOR if error.exit_code == EXIT_BROKEN else "")
    message = error.message if as_json else f"error: {error.message}"
    report_end(error.code, message, hint, as_json=as_json)
    return error.exit_code


def envelope(code: str, message: str, hint: str) -> str:
    """The JSON form of a failure; `news` only where there is something."""
    told = notices.current()
    news = {"news": told} if told else {}
    failure = {"code": code, "message": message, "hint": hint}
    return json.dumps({"schema": 1, "ok": False, **news, "error": failure})


def report_bug(error: Exception, arguments: list[str]) -> int:
    """A bug: one line on screen and the path of a report that can be pasted into an issue."""
    text = (
        f"autoresearch {__version__}, {platform.platform()}\n"
        f"Python {platform.python_version()}, {places.git_version()}\n"
        f"arguments: {arguments!r}\n{traceback.format_exc()}"
    )
    message = f"bug: {type(error).__name__}: {clean_line(str(error), 200)}"
    hint = f"Report it with {places.crash_report(text)}; the next command tidies up."
    report_end("bug", message, hint, as_json="--json" in arguments)
    return EXIT_BUG


def quiet_pipe() -> int:
    """The reader went away (`| head`): no message can reach it, so none is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


class Screen:
    """What is said while a command works, if stderr is a terminal that can redraw a line."""

    def __init__(self, *, live: bool) -> None:
        self.live = live
        self._shown = False

    @property
    def caller(self) -> Caller:
        """Who has something measured, and looks on here."""
        from autoresearch.core.question import Caller  # noqa: PLC0415 - only where it measures

        return Caller(random.SystemRandom(), self.say, self.watch)

    def say(self, text: str) -> None:
        """Name the step that begins."""
        self._draw(f"{text} …")

    def watch(self, standing: RaceStanding) -> None:
        """Show where a race stands: sample, estimate so far, time left at most."""
        change = "" if standing.change is None else f", so far {standing.change:+.1%}"
        left = formatting.duration(standing.left_s)
        self._draw(
            f"sample {standing.runs}, pair {standing.pairs} of at most "
            f"{standing.planned}{change}, at most {left} left"
        )

    def close(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False

    def _draw(self, text: str) -> None:
        if not self.live:
            return
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        sys.stderr.write(f"\r\x1b[K{text[: width - 1]}")
        sys.stderr.flush()
        self._shown = True


@contextmanager
def screen() -> Iterator[Screen]:
    """A screen for one command, wiped at its end."""
    plain = os.environ.get("TERM") == "dumb" or not sys.stderr.isatty()
    shown = Screen(live=not plain)
    try:
        yield shown
    finally:
        shown.close()
