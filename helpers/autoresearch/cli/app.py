"""The one error handler, and how an answer reaches the streams.

stdout carries the result and nothing else, stderr progress and errors. Exit codes: 0 done,
1 the caller can mend it, 2 wrong usage, 3 a bug, 4 a gate said no, 5 the session cannot go on,
130 interrupted.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec

import click

from autoresearch import __version__
from autoresearch.core.answer import MAX_BYTES, MAX_LINES, bounded
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.edges import notices
from autoresearch.edges.interruption import termination_raises

if TYPE_CHECKING:
    from autoresearch.core.answer import Answer

Parameters = ParamSpec("Parameters")

EXIT_BUG = 3
EXIT_BROKEN = 5
EXIT_INTERRUPTED = 130
DOCTOR = "`autoresearch doctor` says what is wrong and how to mend it."
TIDY = "the next command tidies up what was interrupted; then repeat this one"


def answers(function: Callable[Parameters, Answer]) -> Callable[Parameters, None]:
    """Give a command `--json` and print the Answer it returns, with all notices before it."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
    @functools.wraps(function)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        as_json = bool(kwargs.pop("as_json", False))
        click.get_current_context().meta["json"] = as_json
        answer = function(*args, **kwargs)
        told = notices.current()
        click.echo(json.dumps(answer.envelope(told)) if as_json else printable(answer.text(told)))
        if answer.exit_code:
            raise click.exceptions.Exit(answer.exit_code)

    # Click leaves lines alone below a real backspace, which no raw docstring can hold.
    wrapper.__doc__ = (function.__doc__ or "").replace("\\b\n", "\b\n")
    return wrapper


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
    from autoresearch.edges.files import file_error, is_of_the_disk  # noqa: PLC0415 - start fast

    if not is_of_the_disk(error):
        raise error
    return report_failure(file_error(error, error.filename or "a file"), as_json=as_json)


def drop_git_environment() -> None:
    """Forget inherited GIT_* but who commits and when: GIT_DIR would lead to another repository."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        if not name.startswith(("GIT_AUTHOR_", "GIT_COMMITTER_")):
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
    from autoresearch.edges.places import crash_report, git_version  # noqa: PLC0415 - only when needed

    text = "\n".join(
        [
            f"autoresearch {__version__}, {platform.platform()}",
            f"Python {platform.python_version()}, {git_version()}",
            f"arguments: {arguments!r}",
            traceback.format_exc(),
        ]
    )
    message = f"bug: {type(error).__name__}: {clean_line(str(error), 200)}"
    hint = f"Report it with {crash_report(text)}; the next command tidies up."
    report_end("bug", message, hint, as_json="--json" in arguments)
    return EXIT_BUG


def quiet_pipe() -> int:
    """The reader went away (`| head`): no message can reach it, so none is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
