"""The referee: races a candidate, asks the guard, and looks whether anything was touched.

It knows commits, the frozen contract and the bench; it does not know what the agent said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core import formatting, limits, suspicion, wire
from autoresearch.core.contract import Holdout
from autoresearch.core.decision import Policy
from autoresearch.core.errors import SessionBroken
from autoresearch.core.model import (
    SCHEMA,
    Arm,
    CommandResult,
    Effect,
    Flag,
    Kind,
    LimitResult,
    Pair,
    RaceRecord,
    Reason,
    Scale,
    Source,
    Verdict,
)
from autoresearch.core.noise import retest_alpha
from autoresearch.core.question import (
    Caller,
    Question,
    bounds_of,
    pairs_for,
    policy_of,
    watch_nothing,
)
from autoresearch.core.snapshot import TreeMap
from autoresearch.core.stats import effect_of
from autoresearch.edges import gitdiff
from autoresearch.edges.clock import machine_id, now_utc
from autoresearch.edges.command import Outcome
from autoresearch.edges.lock import turn_to_measure
from autoresearch.edges.sandbox import NONE
from autoresearch.loop import holdout_log, integrity, surroundings
from autoresearch.loop.bench import (
    SECONDS_PER_UNIT,
    Bench,
    Built,
    CandidateFailed,
    ProtectedTouched,
    must_hold,
)
from autoresearch.loop.candidate import Prepared
from autoresearch.loop.measure import SEED_BITS, Race, Raced
from autoresearch.loop.session import Session


class GuardAnswer(NamedTuple):
    """What guard and `same` said, None where the contract has none or it was not reached.

    Attributes:
        failed: GUARD, SAME, or None when both hold.
        text: what failed, in words; empty when nothing did.
        flaky: tests of the guard that failed once and then passed twice; see `Experiment`.
    """

    guard: CommandResult | None
    same: CommandResult | None
    failed: Reason | None
    text: str
    flaky: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """The file that holds what the failed command printed; empty when nothing failed."""
        result = self.same if self.failed is Reason.SAME else self.guard
        return "" if self.failed is None or result is None else result.output


def run_checks(
    bench: Bench, tree: TreeMap, same_sha256: str | None, label: str, say: Callable[[str], None]
) -> GuardAnswer:
    """Run the guard and then `same` on a tree, in a checkout of their own.

    Raises:
        CandidateFailed: set-up or build failed.
        ProtectedTouched: a protected file of the checkout changed while one of them ran.
    """
    contract = bench.contract
    guard: CommandResult | None = None
    flaky: tuple[str, ...] = ()
    if contract.guard is None and contract.same is None:
        return GuardAnswer(None, None, None, "")
    ground = bench.bring(bench.slots[2], tree, label=f"{label}-guard")
    if contract.guard is not None:
        say("guard")
        guard, flaky = _believed(bench, ground, f"{label}-guard", say)
        if not guard.passed:
            return GuardAnswer(guard, None, Reason.GUARD, f"the guard {_ending(guard)}")
    if contract.same is None:
        return GuardAnswer(guard, None, None, "", flaky)
    say("same")
    same, outcome = bench.command(ground, contract.same, label=f"{label}-same")
    text = _difference(same, outcome, same_sha256)
    return GuardAnswer(guard, same, Reason.SAME if text else None, text, flaky)


def _believed(
    bench: Bench, ground: Built, label: str, say: Callable[[str], None]
) -> tuple[CommandResult, tuple[str, ...]]:
    """What the guard says of a program, and the flaky tests where it contradicts itself.

    A failure is believed when it comes again. One that does not must be outweighed by two passes: a
    candidate whose tests fail every other time is no good one. Who hangs is not asked again.
    """
    command = bench.contract.guard or ""
    first, outcome = bench.command(ground, command, label=label)
    if first.passed or first.timed_out:
        return first, ()
    for number in (2, 3):
        say(f"guard, again: it failed (run {number} of 3)")
        found, _ = bench.command(ground, command, label=f"{label}-{number}")
        if not found.passed:
            return found, ()
    named = suspicion.failed_tests(outcome.stdout + b"\n" + outcome.stderr)
    return found, named or ("guard",)


def _difference(same: CommandResult, outcome: Outcome, expected: str | None) -> str:
    """How `same` differs from the baseline's, in words; empty when it does not."""
    if not same.passed:
        return f"`same` {_ending(same)}"
    if outcome.stdout_truncated:
        return "`same` printed more than can be compared"
    if hashlib.sha256(outcome.stdout).hexdigest() != expected:
        return "`same` printed something else"
    return ""


def require_sound_guard(bench: Bench, incumbent: TreeMap, label: str) -> None:
    """Make sure that the guard passes on the incumbent; else it says nothing about a candidate."""
    with must_hold("the guard's checkout"):
        ground = bench.bring(bench.slots[2], incumbent, label=label)
        result, _ = bench.command(ground, bench.contract.guard or "", label=label)
    if not result.passed:
        raise SessionBroken(
            f"the guard {_ending(result)} on the incumbent as well "
            f"({bench.places.output.parent / result.output})",
            code="guard_broken",
            hint="Mend what it needs on this machine, then try again; the edit is untouched.",
        )


def _ending(result: CommandResult) -> str:
    took = formatting.duration(result.duration_s)
    if result.timed_out:
        return f"did not end within {took}"
    return f"failed with exit code {result.exit_code} after {took}"


DATA_SUFFIXES = (
    ".csv", ".dat", ".html", ".in", ".ini", ".json", ".jsonl", ".md", ".sql", ".toml", ".tsv",
    ".txt", ".xml", ".yaml", ".yml",
)  # fmt: skip
DATA_FILES = 200
DATA_BYTES = 4 << 20
"""Most protected data that is searched for literals of the change."""


class Judgement(Struct, frozen=True, kw_only=True):
    """A verdict and all it rests on; see `Experiment` for the fields.

    Attributes:
        output: what a failed command printed: a file below the state folder; empty for none.
    """

    verdict: Verdict
    reason: Reason | None
    flags: tuple[Flag, ...] = ()
    detail: str
    effect: Effect | None = None
    race: RaceRecord | None = None
    limits: tuple[LimitResult, ...] = ()
    guard: CommandResult | None = None
    same: CommandResult | None = None
    touched: tuple[str, ...] = ()
    meanwhile: tuple[str, ...] = ()
    sandbox: str = NONE
    output: str = ""
    holdout: bool | None = None
    suspicions: tuple[str, ...] = ()
    first_race: RaceRecord | None = None
    guard_tests: int | None = None
    flaky: tuple[str, ...] = ()
    raced_in: int | None = None


TOLD_FROM_S = 2.0


class Referee:
    """Judges one candidate of a session that is open for writing."""

    def __init__(self, session: Session, caller: Caller) -> None:
        self.session = session
        self.caller = caller
        self.bench = session.bench()
        self.waited_s = 0.0

    def _waited(self, seconds: float) -> None:
        """Tell whoever waited for the machine; it is no part of what the experiment took."""
        self.waited_s = seconds
        if seconds >= TOLD_FROM_S:
            waited = formatting.duration(seconds)
            self.session.news.append(f"waited {waited} for another measurement on this machine")

    def judge(self, prepared: Prepared) -> Judgement:
        """The verdict on a prepared candidate."""
        sandbox = self._confined()
        session, shut_out = self.session, self.bench.confinement.shuts_out
        begun = prepared.begun
        ground = integrity.look(
            session,
            begun.parent,
            shut_out=shut_out,
            candidate=prepared.candidate.commit,
            number=begun.number,
        )
        try:
            with turn_to_measure(session.places.measure_lock, "try", self.caller.say) as held:
                self._waited(held.waited_s)
                ruling = self._measured(prepared)
        except BaseException as error:
            integrity.put_back_after(session, ground, error)  # no verdict, yet nothing may stay
            raise
        touched = (*ruling.touched, *integrity.put_back(session, ground))
        seen = surroundings.look(session)
        if seen.stirred and (shut_out or not seen.changed):
            raise surroundings.EnvironmentChanged(seen.changed or (surroundings.TOUCHED,))
        touched += seen.changed
        meanwhile = integrity.meanwhile(session, prepared.plan)
        ruling = replace(ruling, meanwhile=meanwhile, sandbox=sandbox)
        return _violated(ruling, touched) if touched else ruling

    def _confined(self) -> str:
        """What confines the programs; the caller is told where it is not what the epoch had."""
        confinement, before = self.bench.confinement, self.session.epoch.sandbox
        if confinement.name != before:
            self.session.news.append(
                f"sandbox: {confinement.in_force}; the epoch was measured with: {before}"
            )
        return confinement.name

    # --- its steps -------------------------------------------------------------------------

    def _measured(self, prepared: Prepared) -> Judgement:
        try:
            race, raced = self._race(prepared)
            ruling = _ruled(raced)
            return self._checked(prepared, race, raced, ruling) if raced.decision.keep else ruling
        except CandidateFailed as error:
            where = f" ({error.output})" if error.output else ""
            return Judgement(
                verdict=Verdict.CRASH,
                reason=error.reason,
                detail=f"{error.message}{where}",
                output=error.output,
            )
        except ProtectedTouched as error:
            return Judgement(
                verdict=Verdict.VIOLATION,
                reason=Reason.TOUCHED,
                detail=error.message,
                touched=error.paths,
            )

    def _race(self, prepared: Prepared, again: str = "") -> tuple[Race, Raced]:
        """The race of the candidate, or the second one of a candidate that looks too good."""
        session, begun, tree = self.session, prepared.begun, prepared.candidate.tree
        integrity.require_frozen(session, begun.parent, session.epoch.commit)
        label, sample_s = f"{begun.number:04d}{again}", session.progress.sample_s
        race = Race(self.bench, self.caller, label, sample_s)
        race.resume(
            session,
            f"{tree}{again}",
            candidate=tree,
            told=("this tree", f"experiment {begun.number}"),
            simplify=begun.kind is Kind.SIMPLIFY,
            retest=prepared.retest,
            proven=None if again or prepared.proven is None else prepared.proven.retest,
        )
        race.bring(session.tree(begun.parent), session.tree(prepared.candidate.commit))
        question = race.tape.asked(Question, lambda: self._question(prepared, race))
        return race, race.run(question)

    def _checked(self, prepared: Prepared, race: Race, raced: Raced, kept: Judgement) -> Judgement:
        """Guard and `same`, in a checkout of their own, once the race says keep; then doubts."""
        session, label = self.session, race.label
        tree = session.tree(prepared.candidate.commit)
        self.bench.told = self._told(raced)
        found = run_checks(self.bench, tree, session.epoch.same_sha256, label, self.caller.say)
        ruling = replace(
            kept,
            guard=found.guard,
            same=found.same,
            output=found.output,
            flaky=found.flaky,
            raced_in=prepared.proven.number if race.stands and prepared.proven else None,
            guard_tests=_tests_run(session, found.guard),
        )
        if found.failed is None:
            self.bench.told = {}  # who is measured again must not be able to tell
            ruling = self._doubted(prepared, race, raced, ruling)
            return self._held_out(prepared, ruling) if ruling.verdict is Verdict.KEEP else ruling
        if found.failed is Reason.GUARD:
            best = session.tree(prepared.begun.parent)
            require_sound_guard(self.bench, best, f"{label}-incumbent-guard")
        verdict = Verdict.REWORK if found.failed is Reason.GUARD else Verdict.DISCARD
        detail = f"better, but {found.text} ({found.output})"
        return replace(ruling, verdict=verdict, reason=found.failed, flags=(), detail=detail)

    def _told(self, raced: Raced) -> dict[str, str]:
        """What the guard is told: the incumbent's numbers, so that it can defend them."""
        found = limits.incumbent_metrics(raced.record, self.session.contract.metric.name)
        return {limits.VARIABLE: wire.dumps(dict(found))} if found else {}

    def _doubted(self, prepared: Prepared, race: Race, raced: Raced, kept: Judgement) -> Judgement:
        """What looks too good is measured again, in fresh checkouts and under other seeds."""
        self.caller.say("looking for what is too good to be true")
        found = suspicion.suspicions(_facts(self.session, prepared, race, raced, kept))
        if not found:
            return kept
        self.caller.say("measuring again what looks too good")
        for slot in self.bench.slots[:2]:
            slot.clear()
        again = _ruled(self._race(prepared, "-again")[1])
        flags = (*again.flags, Flag.SUSPICIOUS) if again.verdict is Verdict.KEEP else ()
        how = "measured again, it holds" if flags else "measured again, it does not hold"
        return replace(
            again,
            guard=kept.guard,
            same=kept.same,
            guard_tests=kept.guard_tests,
            flaky=kept.flaky,
            flags=flags,
            detail=f"{again.detail}; {how}",
            suspicions=found,
            first_race=kept.race,
        )

    # --- the holdout -----------------------------------------------------------------------

    def _held_out(self, prepared: Prepared, kept: Judgement) -> Judgement:
        """The holdout has the last word where it is due; only whether it passed is told."""
        history, holdout = self.session.history, self.session.contract.holdout
        if holdout is None or not limits.is_due(history.kept_count, holdout.every):
            return kept
        self.caller.say("holdout")
        number, commit = prepared.begun.number, prepared.candidate.commit
        checks, epoch = holdout_log.current(self.session), self.session.epoch.number
        reference = holdout_log.reference(self.session, checks)
        bound = limits.bound_on(self.session.contract.metric, holdout)
        carried = limits.carried_after(checks, epoch, bound)
        pairs, judged = self._asked(holdout, (reference, commit), carried, f"{number:04d}-holdout")
        scale = self.session.contract.metric.scale
        check = limits.HoldoutCheck(
            schema=SCHEMA,
            at=now_utc(),
            epoch=epoch,
            experiment=number,
            reference=reference,
            candidate=commit,
            values=tuple((pair.incumbent, pair.candidate) for pair in pairs),
            estimate=judged.estimate,
            carried=carried,
            passed=bool(judged.passed),
            effect=effect_of(pairs, scale) if pairs else None,
            metric=kept.effect,
        )
        holdout_log.write(self.session, checks, check)
        if check.passed:
            return replace(kept, holdout=True)
        return replace(
            kept,
            verdict=Verdict.DISCARD,
            reason=Reason.HOLDOUT,
            flags=(),
            detail="better, but not on inputs that it has not seen",
            holdout=False,
        )

    def _asked(
        self, holdout: Holdout, commits: tuple[str, str], carried: float, label: str
    ) -> tuple[Sequence[Pair], limits.Judged]:
        """Pairs of reference and candidate until they prove something; none if it does not run.

        Nobody watches: the change so far would tell the agent what the holdout measures.
        """
        session, caller = self.session, self.caller._replace(watch=watch_nothing)
        race = Race(self.bench, caller, label, holdout=holdout)
        race.bring(*(session.tree(commit) for commit in commits))
        bound = limits.bound_on(session.contract.metric, holdout)
        sample_s = session.epoch.holdout_s
        policy = self._policy(session.progress.sample_s if sample_s is None else sample_s)

        def judged(pairs: Sequence[Pair]) -> tuple[Sequence[Pair], limits.Judged] | None:
            found = limits.judge_holdout(pairs, bound, policy, carried=carried)
            return None if found.passed is None else (pairs, found)

        try:
            found = race.run_until(judged, policy.pairs)
        except CandidateFailed:
            return (), limits.Judged(passed=False, estimate=0.0)
        self.bench.confirm()
        return found

    # --- what the race is asked ------------------------------------------------------------

    def _policy(self, sample_s: float, retest: int = 0) -> Policy:
        contract = self.session.contract
        pairs = pairs_for(contract, sample_s, self.session.progress)
        alpha = retest_alpha(contract.race.alpha, retest)
        return policy_of(contract, pairs=pairs, alpha=alpha, sample_s=sample_s)

    def _question(self, prepared: Prepared, race: Race) -> Question:
        progress, contract = self.session.progress, self.session.contract
        policy = self._policy(progress.sample_s, prepared.retest)
        pool = progress.pool(policy.scale) if progress.machine == machine_id() else ()
        policy = replace(policy, fresh=progress.noise.fresh if pool else None)
        recorded = None
        if progress.deterministic:
            recorded = progress.incumbent_value
            if recorded is None:  # nobody has run this very incumbent yet
                seed = self.caller.randomness.getrandbits(SEED_BITS)
                recorded = race.measure(Arm.INCUMBENT, seed).value
        return Question(
            policy=policy,
            pool=pool,
            bounds=tuple((b, progress.secondary_loss(b.name)) for b in bounds_of(contract)),
            recorded=recorded,
            simplify=self._simplify(policy, prepared),
        )

    def _simplify(self, policy: Policy, prepared: Prepared) -> tuple[float, float] | None:
        """(loss spent, loss allowed) of a simplification, on the scale of the race."""
        if prepared.begun.kind is not Kind.SIMPLIFY:
            return None
        allowed, values = self.session.contract.simplify_loss, self.session.epoch.values
        if policy.scale is Scale.DIFFERENCE:
            allowed *= abs(sorted(values)[len(values) // 2])
        carried = self.session.progress.simplify_loss(policy.direction, policy.scale)
        left = limits.left_to_lose(carried, allowed, policy.direction, policy.scale)
        return carried, carried + left


def _ruled(raced: Raced) -> Judgement:
    """The race's own answer, before the guard."""
    decision = raced.decision
    return Judgement(
        verdict=Verdict.KEEP if decision.keep else Verdict.DISCARD,
        reason=decision.reason,
        flags=decision.flags if decision.keep else (),
        detail=decision.detail,
        effect=decision.effect,
        race=raced.record,
        limits=raced.limits,
    )


def _violated(ruling: Judgement, touched: tuple[str, ...]) -> Judgement:
    """A violation outranks whatever was measured."""
    return replace(
        ruling,
        verdict=Verdict.VIOLATION,
        reason=Reason.TOUCHED,
        flags=(),
        detail=f"touched while it ran: {', '.join(touched[:5])}",
        touched=touched,
    )


# --- what looks too good ------------------------------------------------------------------------


def _tests_run(session: Session, guard: CommandResult | None) -> int | None:
    """How many tests the guard said it ran, None where it does not say."""
    if guard is None:
        return None
    return suspicion.count_tests((session.places.state / guard.output).read_bytes())


def _facts(
    session: Session, prepared: Prepared, race: Race, raced: Raced, kept: Judgement
) -> suspicion.Facts:
    """What can be known of a candidate that race and guard would keep."""
    begun, effect, metric = prepared.begun, raced.decision.effect, session.contract.metric
    prints_time = metric.source is Source.OUTPUT and bool(metric.unit)
    values = sorted(sample.value for sample, _ in raced.rounds)
    return suspicion.Facts(
        effect=effect,
        direction=metric.direction,
        earlier=_earlier(session, effect),
        incumbent=values[len(values) // 2] if values else 0.0,
        rounds=raced.rounds,
        unit_s=SECONDS_PER_UNIT.get(metric.unit) if prints_time else None,
        timed=prints_time or metric.source is Source.WALL,
        tests=kept.guard_tests,
        tests_before=session.progress.guard_tests,
        added=suspicion.added_lines(prepared.patch),
        data=_data(session, begun.parent),
        unsteady=_unsteady(race, raced),
    )


def _earlier(session: Session, effect: Effect | None) -> tuple[float, ...]:
    return tuple(
        suspicion.size_of(kept.effect)
        for kept in session.history.kept
        if kept.effect is not None
        and effect is not None
        and kept.effect.scale is effect.scale
        and not kept.undone
    )


def _data(session: Session, incumbent: str) -> dict[str, bytes]:
    """Protected files that look like data, as many as may be searched."""
    covers, tree = session.scope.covers, session.tree(incumbent)
    paths = (
        path
        for path in sorted(tree)
        if path.endswith(DATA_SUFFIXES) and tree[path].mode.startswith("100") and not covers(path)
    )
    chosen = list(islice(paths, DATA_FILES))
    sizes = gitdiff.blob_sizes(session.repo, [tree[path].oid for path in chosen])
    room, read = DATA_BYTES, []
    for path, size in zip(chosen, sizes, strict=True):
        if size <= room:
            room -= size
            read.append(path)
    contents = session.repo.blobs(tree[path].oid for path in read)
    return {path: content for path, (_, content) in zip(read, contents, strict=True)}


def _unsteady(race: Race, raced: Raced) -> frozenset[str]:
    """Of the checksums that differ, those that the incumbent itself does not repeat."""
    differing = suspicion.differing_checksums(raced.rounds)
    if not differing:
        return frozenset()
    seed, best = raced.record.seeds[-1], race.built[Arm.INCUMBENT]
    try:
        again = race.bench.sample(best, Arm.INCUMBENT, seed=seed, label="checksum")
    except (CandidateFailed, ProtectedTouched):
        return frozenset()  # then they stay suspicious
    before, now = dict(raced.rounds[-1][0].checksums), dict(again.checksums)
    return frozenset(name for name in differing if before.get(name) != now.get(name))
