"""`validate`: the session's first commit against its last, and the last one without each keep.

The estimates of single keeps are biased upward, for each race stopped when it looked good. These
races have no early end, so the first one's estimate is the only gain that is claimed
(docs/decision.md). The others suggest what the last commit may do without; nothing is dropped.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import NamedTuple

from autoresearch.core import wire
from autoresearch.core.decision import is_proven_better
from autoresearch.core.errors import AutoresearchError, SessionBroken
from autoresearch.core.formatting import clean_head, clean_line, fence
from autoresearch.core.history import Tried
from autoresearch.core.limits import watched
from autoresearch.core.model import SCHEMA, CommandResult, Verdict
from autoresearch.core.noise import most_seconds
from autoresearch.core.question import Caller, Question, policy_of
from autoresearch.core.race import pairs_of
from autoresearch.core.records import Ablation, Claimed, Recovery, Validation
from autoresearch.core.snapshot import TreeMap, with_changes
from autoresearch.core.steps import Action
from autoresearch.core.suspicion import ABLATION_PAIRS, worth_of
from autoresearch.edges.clock import machine_id, now_utc
from autoresearch.edges.index import Search
from autoresearch.edges.lock import turn_to_measure
from autoresearch.loop import logbook, surroundings
from autoresearch.loop.bench import Bench, CandidateFailed, ProtectedTouched, must_hold
from autoresearch.loop.measure import Race, Raced
from autoresearch.loop.session import Session
from autoresearch.loop.settle import leave_out

VALIDATION_PAIRS = 20
VALIDATE = "validate"
_KINDS: dict[str, type[Validation | Ablation]] = {"validation": Validation, "ablation": Ablation}


def validate(session: Session, caller: Caller) -> Validation:
    """Race the first commit against the incumbent under the latest epoch's evaluator.

    Then run the final guard on the incumbent, whatever came of the race.
    """
    progress = session.progress
    if session.history.incumbent_number == 0:
        raise AutoresearchError(
            "nothing is kept yet, so there is nothing to validate",
            code="nothing_kept",
            hint="`autoresearch brief` says how to go on.",
        )
    bench = session.bench()
    first, last = progress.opened.base, progress.incumbent_commit
    with (
        turn_to_measure(session.places.measure_lock, VALIDATE, caller.say),
        surroundings.watched(session),
        must_hold("set-up, build or verify", "the last commit"),
    ):
        race = Race(bench, caller, VALIDATE, progress.sample_s, base="the first commit")
        told = "this validation", "the validation"
        race.resume(session, VALIDATE, candidate=first, told=told)
        raced = race_fixed(session, race, first_arm(session), session.tree(last), VALIDATION_PAIRS)
    effect = raced.decision.effect
    if effect is None:
        raise SessionBroken("the validation has no estimate", code="no_estimate", hint="Repeat it.")
    record = Validation(
        schema=SCHEMA,
        at=now_utc(),
        epoch=session.epoch.number,
        first=first,
        last=last,
        after=progress.last_number,
        effect=effect,
        race=raced.record,
        proven=is_proven_better(effect, session.contract.metric.direction),
        sandbox=bench.confinement.name,
        final_guard=_final_guard(session, bench, caller),
        claimed=_claimed(session, raced),
    )
    _log(session, record, VALIDATE)
    logbook.publish(session)
    return record


def first_arm(session: Session) -> TreeMap:
    """The code that the session started from, with the evaluator of today."""
    covers = session.scope.covers
    code = session.tree(session.progress.opened.base)
    evaluator = {path: e for path, e in session.incumbent_tree.items() if not covers(path)}
    return {**evaluator, **{path: entry for path, entry in code.items() if covers(path)}}


def _claimed(session: Session, raced: Raced) -> Claimed | None:
    """How the metric moved that the contract claims by; None where that is the metric itself."""
    claim = next((o for o in session.contract.secondary if o.name == session.contract.claim), None)
    if claim is None:
        return None
    effect = dict(watched(raced.record, {claim.name: claim.unit}))[claim.name]
    proven = is_proven_better(effect, claim.direction)
    return Claimed(name=claim.name, unit=claim.unit, effect=effect, proven=proven)


def expected_s(session: Session) -> float:
    """Seconds that a validation takes at most, but for the final guard."""
    return most_seconds(session.progress.sample_s, VALIDATION_PAIRS)


def race_without(
    session: Session, bench: Bench, caller: Caller, tree: TreeMap, label: str
) -> Raced:
    """Race the incumbent against a tree that lacks something of it; raises as `Race.run_fixed`.

    One that was interrupted goes on; whoever logs its end removes the tape of its label.
    """
    race = Race(bench, caller, label, session.progress.sample_s)
    race.resume(session, label, candidate=label, told=(f"`{label}`", f"`{label}`"))
    return race_fixed(session, race, session.incumbent_tree, tree, ABLATION_PAIRS)


def race_fixed(
    session: Session, race: Race, incumbent: TreeMap, candidate: TreeMap, pairs: int
) -> Raced:
    """Race two trees without an early end: an estimate; raises as `Race.run_fixed`."""
    progress, contract = session.progress, session.contract
    race.bring(incumbent, candidate)
    question = Question(
        policy=policy_of(contract, pairs=pairs, alpha=contract.race.alpha),
        pool=(),
        recorded=progress.incumbent_value if progress.deterministic else None,
    )
    return race.run_fixed(question, pairs)


def _final_guard(session: Session, bench: Bench, caller: Caller) -> CommandResult | None:
    """The final guard's run on the last commit, in a checkout written anew; None without one."""
    command, label = session.contract.final_guard, "validate-final-guard"
    if command is None:
        return None
    slot, tree = bench.slots[2], session.incumbent_tree
    with turn_to_measure(session.places.measure_lock, VALIDATE, caller.say):
        caller.say("the final guard")
        try:
            slot.clear()
            return bench.command(bench.bring(slot, tree, label=label), command, label=label)[0]
        except (CandidateFailed, ProtectedTouched) as error:
            raise SessionBroken(
                f"the final guard cannot be run: {error.message}",
                code="final_guard_broken",
                hint="It may change no tracked file. Mend the last commit, or `amend` the guard.",
            ) from error


# --- ablation -----------------------------------------------------------------------------------


class Interrupted(NamedTuple):
    """A `validate --ablate` that did not come to its end: its validation, its answers so far."""

    validation: Validation
    answers: tuple[Ablation, ...]


def interrupted(session: Session) -> Interrupted | None:
    """What the last `validate --ablate` of this very commit left undone; None when nothing.

    It counts when machine, epoch, environment and sandbox are still the same, and at least one kept
    experiment was begun to be left out, but not all were.
    """
    validation, answers = None, list[Ablation]()
    for entry in session.index.log.records():
        if isinstance(entry.record, Validation):
            validation, answers = entry.record, []
        elif isinstance(entry.record, Ablation):
            answers.append(entry.record)
        elif isinstance(entry.record, Recovery) and entry.record.environment_sha256:
            validation = None  # of another environment
    if validation is None:
        return None
    then = (validation.last, validation.epoch, validation.race.machine, validation.sandbox)
    tip, epoch = session.progress.incumbent_commit, session.epoch.number
    if then != (tip, epoch, machine_id(), session.bench().confinement.name):
        return None
    answered = {record.experiment for record in answers}
    left = [tried.number for tried in _standing(session) if tried.number not in answered]
    begun = bool(answers) or any(session.tape(_label(number)).exists() for number in left)
    return Interrupted(validation, tuple(answers)) if begun and left else None


def ablate(session: Session, caller: Caller, done: tuple[Ablation, ...] = ()) -> Iterator[Ablation]:
    """Leave out each kept experiment in turn, newest first; each answer is logged as it comes."""
    yield from done
    answered = {record.experiment for record in done}
    for tried in _standing(session):
        if tried.number not in answered:
            record = _without(session, caller, tried)
            _log(session, record, _label(tried.number))
            yield record
    logbook.publish(session)


def _label(number: int) -> str:
    return f"without-{number:04d}"


def _standing(session: Session) -> tuple[Tried, ...]:
    """The kept experiments that were not taken back, newest first."""
    kept = session.index.experiments(Search(verdict=Verdict.KEEP))
    return tuple(tried for tried in kept if not tried.undone)


def _without(session: Session, caller: Caller, tried: Tried) -> Ablation:
    """The log line on one keep; one that cannot be left out is needed, not doubtful."""
    bench, raced, why = session.bench(), None, ""
    merged = leave_out(session, tried)
    if merged.conflicts:
        why = f"later keeps build on it: {', '.join(merged.conflicts[:5])}"
    elif not merged.changes:
        why = "nothing of it is left in the last commit"
    else:
        caller.say(f"without experiment {tried.number}")
        tree = with_changes(session.incumbent_tree, merged.changes)
        turn = turn_to_measure(session.places.measure_lock, VALIDATE, caller.say)
        with turn, surroundings.watched(session):
            try:
                raced = race_without(session, bench, caller, tree, _label(tried.number))
            except (CandidateFailed, ProtectedTouched) as error:
                why = f"does not measure without it: {error.message}"
    p_value, doubtful = None, False
    if raced is not None:
        direction = session.contract.metric.direction
        p_value, doubtful = worth_of(pairs_of(raced.record.order, raced.record.values), direction)
    return Ablation(
        schema=SCHEMA,
        at=now_utc(),
        epoch=session.epoch.number,
        experiment=tried.number,
        tip=session.progress.incumbent_commit,
        effect=None if raced is None else raced.decision.effect,
        race=None if raced is None else raced.record,
        p_value=p_value,
        doubtful=doubtful,
        detail=clean_line(why),
        sandbox=bench.confinement.name,
    )


# --- the line in the log ------------------------------------------------------------------------


def _log(session: Session, record: Validation | Ablation, label: str) -> None:
    """Log what a race found, once; its tape goes with it."""
    kind, tape = type(record).__name__.lower(), session.tape(label).name
    session.begin(VALIDATE, "measured", kind=kind, record=wire.text(record), tape=tape)
    logbook.record(session, record)
    session.tape(label).unlink(missing_ok=True)
    session.journal.clear()


def finish_validate(session: Session, action: Action) -> str:
    """Finish an interrupted `validate` whose race had ended; what was done, in one line."""
    kind = action.value("kind") or ""
    record = action.record(_KINDS[kind])
    if all(entry.record != record for entry in session.index.log.records()):
        logbook.record(session, record)
    (session.places.raw / (action.value("tape") or "")).unlink(missing_ok=True)
    session.journal.clear()
    return f"a {kind} was measured when it was interrupted; it is in the log"


SHOWN_LINES, SHOWN_BYTES = 22, 1400


class Profiled(NamedTuple):
    """A profiler's run and part of what it printed, cleaned and fenced."""

    result: CommandResult
    shown: str


def profile(
    session: Session, say: Callable[[str], None], *, top: int = SHOWN_LINES, grep: str = ""
) -> Profiled:
    """Run the profiler on the incumbent in a bench checkout; `say` is told what is waited for.

    Of what it printed the first `top` lines are shown, or of those that contain `grep`.
    """
    command = session.contract.profile
    if command is None:
        raise AutoresearchError(
            "the contract names no profiler",
            code="no_profile",
            hint="A human adds `profile:` to autoresearch.yaml and runs `autoresearch amend`.",
        )
    bench, turn = session.bench(), turn_to_measure(session.places.measure_lock, "profile", say)
    with turn, must_hold("set-up or build"):
        built = bench.bring(bench.slots[2], session.incumbent_tree, label="profile")
        result, outcome = bench.command(built, command, label="profile")
    printed = outcome.stdout if outcome.stdout.strip() else outcome.stderr
    if grep:
        wanted = grep.encode("utf-8", "surrogateescape")
        printed = b"\n".join(line for line in printed.splitlines() if wanted in line)
    most = SHOWN_BYTES * max(1, top // SHOWN_LINES)
    shown = clean_head(printed, top, most)  # profilers list the worst first
    return Profiled(result, fence(shown, secrets.token_hex(4)))
