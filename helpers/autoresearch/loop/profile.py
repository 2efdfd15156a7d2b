"""`profile`: where the incumbent spends its cost, by the contract's own profiler."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_head, fence
from autoresearch.edges.lock import turn_to_measure
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.checks import broken

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoresearch.core.model import CommandResult
    from autoresearch.loop.session import Session


SHOWN_LINES, SHOWN_BYTES = 22, 1400


class Profiled(NamedTuple):
    """A profiler's run and the beginning of what it printed, cleaned and fenced."""

    result: CommandResult
    shown: str


def profile(session: Session, say: Callable[[str], None]) -> Profiled:
    """Run the profiler on the incumbent in a bench checkout; `say` is told what is waited for.

    Raises:
        AutoresearchError: `no_profile`: the contract names no profiler.
        SessionBroken: the incumbent does not build.
    """
    command = session.contract.profile
    if command is None:
        raise AutoresearchError(
            "the contract names no profiler",
            code="no_profile",
            hint="A human adds `profile:` to autoresearch.yaml and runs `autoresearch amend`.",
        )
    bench = session.bench()
    tree = session.tree(session.progress.incumbent_commit)
    with turn_to_measure(session.places.measure_lock, "profile", say):
        try:
            built = bench.bring(bench.slots[2], tree, label="profile")
            result, outcome = bench.command(built, command, label="profile")
        except (CandidateFailed, ProtectedTouched) as error:
            raise broken("set-up or build", error) from error
    printed = outcome.stdout if outcome.stdout.strip() else outcome.stderr
    shown = clean_head(printed, SHOWN_LINES, SHOWN_BYTES)  # profilers list the worst first
    return Profiled(result, fence(shown, secrets.token_hex(4)))
