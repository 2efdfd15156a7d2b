"""`validate`: the session's first commit against its last, in a fresh race of fixed length.

The estimates of single keeps are biased upward, for each race stopped when it looked good. This
one has no early end, so its estimate is the only gain that is claimed (docs/decision.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from autoresearch.core.errors import AutoresearchError, SessionBroken
from autoresearch.core.model import SCHEMA, Direction
from autoresearch.core.records import Validation
from autoresearch.edges.clock import now_utc
from autoresearch.edges.lock import turn_to_measure
from autoresearch.loop import memory
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.checks import current_epoch
from autoresearch.loop.measure import Question, Race, policy_of
from autoresearch.loop.resume import log_measured, resumed, setting_of

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.core.model import CommandResult
    from autoresearch.core.snapshot import Entry
    from autoresearch.loop.bench import Bench
    from autoresearch.loop.measure import Raced, Randomness, Standing
    from autoresearch.loop.session import Session

VALIDATION_PAIRS = 20
PROVEN_LEVEL = 0.95
"""A gain is called proven on an interval of this confidence or more."""


def validate(
    session: Session,
    randomness: Randomness,
    watch: Callable[[Standing], None],
    say: Callable[[str], None],
) -> Validation:
    """Race the first commit against the incumbent under the latest epoch's evaluator.

    Then run the final guard on the incumbent, whatever came of the race.

    Raises:
        AutoresearchError: `nothing_kept`.
        SessionBroken: one of the two does not run.
    """
    progress = session.progress
    if progress.incumbent_number == 0:
        raise AutoresearchError(
            "nothing is kept yet, so there is nothing to validate",
            code="nothing_kept",
            hint="`autoresearch brief` says how to go on.",
        )
    bench = session.bench()
    sandbox = bench.confinement.name
    raced = _race(session, bench, randomness, watch, say)
    effect = raced.decision.effect
    if effect is None:
        raise SessionBroken("the validation has no estimate", code="no_estimate", hint="Repeat it.")
    guarded = _final_guard(session, bench, say)
    lower = session.contract.metric.direction is Direction.LOWER
    record = Validation(
        schema=SCHEMA,
        at=now_utc(),
        epoch=current_epoch(progress).number,
        first=first_commit(session),
        last=progress.incumbent_commit,
        after=progress.last_number,
        effect=effect,
        race=raced.record,
        proven=(effect.high < 0 if lower else effect.low > 0) and effect.level >= PROVEN_LEVEL,
        sandbox=sandbox,
        final_guard=guarded,
    )
    log_measured(session, record, _tape_file(session))
    memory.publish(session)
    return record


def _tape_file(session: Session) -> Path:
    return session.places.raw / "validate.jsonl"


def first_commit(session: Session) -> str:
    """The code the session started from: the commit its contract was laid on."""
    return session.progress.opened.base


def code_under_evaluator(session: Session, code: str, evaluator: str) -> dict[str, Entry]:
    """The files in scope from one commit, all others from the commit whose evaluator measures."""
    covers = session.scope.covers
    protected = {p: e for p, e in session.tree(evaluator).items() if not covers(p)}
    return {**protected, **{p: e for p, e in session.tree(code).items() if covers(p)}}


def _race(
    session: Session,
    bench: Bench,
    randomness: Randomness,
    watch: Callable[[Standing], None],
    say: Callable[[str], None],
) -> Raced:
    progress, contract = session.progress, session.contract
    evaluator = progress.incumbent_commit
    trees = (
        code_under_evaluator(session, first_commit(session), evaluator),
        session.tree(progress.incumbent_commit),
    )
    setting = setting_of(session, bench, candidate=first_commit(session))
    names = "this validation", "the validation"
    tape = resumed(session, _tape_file(session), setting, randomness, names)
    slots = bench.slots[:2] if tape.getrandbits(1) else bench.slots[1::-1]
    with turn_to_measure(session.places.measure_lock, "validate", say):
        try:
            say("preparing the bench checkouts")
            arms = [
                bench.bring(slot, tree, label="validate")
                for slot, tree in zip(slots, trees, strict=True)
            ]
            return Race(
                bench=bench,
                incumbent=arms[0],
                candidate=arms[1],
                question=Question(
                    policy=policy_of(contract, pairs=VALIDATION_PAIRS, alpha=contract.race.alpha),
                    pool=(),
                    recorded=progress.incumbent_value if progress.deterministic else None,
                ),
                tape=tape,
                label="validate",
                watch=watch,
                sample_s=progress.sample_s,
                warm_both=True,
            ).run_fixed(VALIDATION_PAIRS)
        except (CandidateFailed, ProtectedTouched) as error:
            raise SessionBroken(
                f"one of the two commits cannot be measured: {error.message}",
                code="benchmark_broken",
                hint="Mend what it needs on this machine, then validate again.",
            ) from error


def _final_guard(
    session: Session, bench: Bench, say: Callable[[str], None]
) -> CommandResult | None:
    """The final guard's run on the last commit, in a checkout written anew; None without one."""
    command = session.contract.final_guard
    if command is None:
        return None
    slot, tree = bench.slots[2], session.tree(session.progress.incumbent_commit)
    with turn_to_measure(session.places.measure_lock, "validate", say):
        say("the final guard")
        try:
            slot.clear()
            built = bench.bring(slot, tree, label="validate-final-guard")
            return bench.command(built, command, label="validate-final-guard")[0]
        except (CandidateFailed, ProtectedTouched) as error:
            raise SessionBroken(
                f"the final guard cannot be run: {error.message}",
                code="final_guard_broken",
                hint="It may change no tracked file. Mend the last commit, or `amend` the guard.",
            ) from error
