"""Commands for people: validate, undo, stop, recover."""

from __future__ import annotations

import random

import click

from autoresearch.cli.app import answers
from autoresearch.cli.screen import screen
from autoresearch.core import jsonform, phrases
from autoresearch.core.render import Answer
from autoresearch.loop.opening import writing


@click.command("validate")
@answers
def validate_command() -> Answer:
    """Race the session's first commit against its last: the only gain that may be claimed.

    20 fresh pairs without an early end, both under the latest evaluator.

    Example: autoresearch validate
    """
    from autoresearch.loop.validate import validate  # noqa: PLC0415 - start fast

    with writing("validate") as session, screen() as shown:
        found = validate(session, random.SystemRandom(), shown.watch, shown.say)
        moved = phrases.effect(found.effect, session.contract.metric.unit)
        claim = f"validated: {moved}" if found.proven else f"no proven improvement: {moved}"
        pairs = len(found.race.order) // 2
        return Answer(
            lines=(
                *session.news,
                claim,
                f"{found.first[:12]} against {found.last[:12]}, {phrases.count(pairs, 'pair')}, "
                f"interval of {found.effect.level:.0%}",
                f"of {session.progress.kept_count} keeps, "
                f"{_expected(session.progress.last_number, session.contract.race.alpha)}",
            ),
            data={"proven": found.proven, "record": jsonform.to_object(found)},
            next_step="report this number and no other",
        )


def _expected(experiments: int, alpha: float) -> str:
    worthless = experiments * alpha
    return f"at most about {worthless:.1f} are expected to be worthless (alpha {alpha:.2g})"


@click.command("undo")
@click.argument("number", type=click.IntRange(min=1))
@answers
def undo_command(number: int) -> Answer:
    """Take the kept experiment NUMBER back by a new commit, after guard and a race.

    Example: autoresearch undo 12
    """
    from autoresearch.loop.undo import Watchers, undo  # noqa: PLC0415 - start fast

    with writing("undo") as session, screen() as shown:
        found = undo(session, number, random.SystemRandom(), Watchers(shown.watch, shown.say))
        return Answer(
            lines=(
                *session.news,
                f"experiment {number} is undone by {found.commit[:12]}",
                found.detail,
            ),
            data={"record": jsonform.to_object(found)},
            next_step="`autoresearch validate` measures what remains",
        )


@click.command("stop")
@click.option("-m", "--message", default="by hand", show_default=True, help="Why.")
@answers
def stop_command(message: str) -> Answer:
    """End the session; its branch, log and refs stay as they are.

    Example: autoresearch stop -m "fast enough"
    """
    from autoresearch.loop.notes import stop_session  # noqa: PLC0415 - start fast

    with writing("stop") as session:
        stop_session(session, message)
        start = session.progress.opened.start_branch
        back = "" if start is None else f"`git switch {start.removeprefix('refs/heads/')}`, then "
        return Answer(
            lines=(*session.news, f"session {session.name} is stopped"),
            data={"session": session.name},
            next_step=f"{back}`git merge autoresearch/{session.name}` adopts what was kept",
        )


@click.command("recover")
@click.option("--accept-log", is_flag=True, help="Take the log for true after bringing it back.")
@answers
def recover_command(*, accept_log: bool) -> Answer:
    """Finish or roll back an interrupted step, and render edited copies anew.

    Every other command does the former by itself.

    Example: autoresearch recover
    """
    from pathlib import Path  # noqa: PLC0415 - start fast

    from autoresearch.edges.gitrepo import GitRepo  # noqa: PLC0415 - start fast
    from autoresearch.loop import recover as recovery  # noqa: PLC0415 - start fast
    from autoresearch.loop.session import (  # noqa: PLC0415 - start fast
        environment,
        find_session,
        loaded,
    )

    if accept_log:
        with GitRepo.open(Path.cwd()) as repo:
            recovery.accept_log(repo, find_session(repo, environment()))
    with loaded(Path.cwd(), environment(), command="recover", write=True) as session:
        recovery.recover(session, everything=True)
        done = tuple(session.news)
        return Answer(
            lines=done or ("nothing was interrupted",),
            data={"done": list(done)},
            next_step="`autoresearch brief`",
        )
