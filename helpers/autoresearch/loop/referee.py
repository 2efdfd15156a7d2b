"""The referee: races a candidate, asks the guard, and looks whether anything was touched.

It knows commits, the frozen contract and the bench; it does not know what the agent said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core import wire
from autoresearch.core.limits import VARIABLE, incumbent_metrics
from autoresearch.core.model import (
    Arm,
    CommandResult,
    Effect,
    Flag,
    Kind,
    LimitResult,
    RaceRecord,
    Reason,
    Scale,
    Verdict,
)
from autoresearch.core.noise import pairs_allowed, retest_alpha
from autoresearch.edges.clock import machine_id
from autoresearch.edges.lock import turn_to_measure
from autoresearch.edges.sandbox import NONE
from autoresearch.loop import scrutiny, unharmed
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched, RivalTouched
from autoresearch.loop.checks import broken, current_epoch, require_sound_guard, run_checks
from autoresearch.loop.holdout import Unseen
from autoresearch.loop.measure import SEED_BITS, Question, Race, bound_of, policy_of
from autoresearch.loop.resume import resumed, setting_of

if TYPE_CHECKING:
    from autoresearch.core.decision import Policy
    from autoresearch.core.records import Epoch
    from autoresearch.loop.bench import Built
    from autoresearch.loop.candidate import Prepared
    from autoresearch.loop.measure import Raced, Randomness, Standing
    from autoresearch.loop.session import Session
    from autoresearch.loop.tape import Tape

__all__ = ["Referee", "Ruling", "broken", "current_epoch"]


class Ruling(Struct, frozen=True, kw_only=True):
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


class Referee:
    """Judges one candidate of a session.

    Args:
        session: open for writing.
        randomness: coins and seeds.
        watch: told where the race stands.
        say: told what is waited for.
    """

    def __init__(
        self,
        session: Session,
        randomness: Randomness,
        watch: Callable[[Standing], None],
        say: Callable[[str], None],
    ) -> None:
        self.session = session
        self.randomness = randomness
        self.watch = watch
        self.say = say
        self.bench = session.bench()
        self._best: Built | None = None

    def judge(self, prepared: Prepared) -> Ruling:
        """The verdict on a prepared candidate.

        Raises:
            AutoresearchError: the contract requires a sandbox, and none works.
            SessionBroken: the incumbent itself fails, or its protected files are not the epoch's.
        """
        sandbox = self._confined()
        session, begun = self.session, prepared.begun
        ground = unharmed.look(
            session,
            begun.number,
            begun.parent,
            prepared.candidate.commit,
            shut_out=self.bench.confinement.shuts_out,
        )
        try:
            with turn_to_measure(session.places.measure_lock, "try", self.say):
                ruling = self._measured(prepared)
        except BaseException as error:
            unharmed.put_back_after(session, ground, error)  # no verdict, yet nothing may stay
            raise
        touched = (*ruling.touched, *unharmed.put_back(session, ground))
        meanwhile = unharmed.meanwhile(session, prepared.plan)
        ruling = replace(ruling, meanwhile=meanwhile, sandbox=sandbox)
        return _violated(ruling, touched) if touched else ruling

    def _confined(self) -> str:
        """What confines the programs; the caller is told where it is not what the epoch had."""
        confinement, before = self.bench.confinement, self._epoch.sandbox
        if confinement.name != before:
            self.session.news.append(
                f"sandbox: {confinement.in_force}; the epoch was measured with: {before}"
            )
        return confinement.name

    # --- its steps -------------------------------------------------------------------------

    def _measured(self, prepared: Prepared) -> Ruling:
        try:
            raced = self._race(prepared, f"{prepared.begun.number:04d}")
            ruling = _ruled(raced)
            return self._checked(prepared, raced, ruling) if raced.decision.keep else ruling
        except CandidateFailed as error:
            where = f" ({error.output})" if error.output else ""
            detail = f"{error.message}{where}"
            return Ruling(
                verdict=Verdict.CRASH, reason=error.reason, detail=detail, output=error.output
            )
        except ProtectedTouched as error:
            return Ruling(
                verdict=Verdict.VIOLATION,
                reason=Reason.TOUCHED,
                detail=error.message,
                touched=error.paths,
            )

    def _race(self, prepared: Prepared, label: str) -> Raced:
        incumbent = self.session.tree(prepared.begun.parent)
        unharmed.require_frozen(self.session, prepared.begun.parent, self._epoch.commit)
        tape = self._tape(prepared, label)
        first, second = self.bench.slots[:2]
        if tape.getrandbits(1):
            first, second = second, first
        self.say("preparing the bench checkouts")
        try:
            best = self.bench.bring(first, incumbent, label=f"{label}-incumbent")
            question = tape.asked(Question, lambda: self._question(prepared, best, label))
            self._best = best
        except (CandidateFailed, ProtectedTouched) as error:
            raise broken("set-up, build or verify", error) from error
        tree = self.session.tree(prepared.candidate.commit)
        race = Race(
            bench=self.bench,
            incumbent=best,
            candidate=self.bench.bring(second, tree, label=label),
            question=question,
            tape=tape,
            label=label,
            watch=self.watch,
            sample_s=self.session.progress.sample_s,
        )
        try:
            return race.run()
        except (CandidateFailed, ProtectedTouched) as error:
            # Who reached into the other's checkout shows when that other one is to run.
            by_rival = isinstance(error, RivalTouched)
            if (race.failed_arm is Arm.INCUMBENT) is not by_rival:
                raise broken("verify", error) from error
            if isinstance(error, CandidateFailed) and not race.has_sound_incumbent:
                self._sample_incumbent(best, f"{label}-incumbent")
            raise

    def _sample_incumbent(self, best: Built, label: str) -> float:
        """One run of the incumbent outside the race; raises SessionBroken when it fails."""
        seed = self.randomness.getrandbits(SEED_BITS)
        try:
            return self.bench.sample(best, Arm.INCUMBENT, seed=seed, label=label).value
        except RivalTouched:
            raise
        except (CandidateFailed, ProtectedTouched) as error:
            raise broken("verify", error) from error

    def _checked(self, prepared: Prepared, raced: Raced, kept: Ruling) -> Ruling:
        """Guard and `same`, in a checkout of their own, once the race says keep; then doubts."""
        label = f"{prepared.begun.number:04d}"
        tree = self.session.tree(prepared.candidate.commit)
        self.bench.told = self._told(kept)
        found = run_checks(self.bench, tree, self._epoch.same_sha256, label, self.say)
        tests = scrutiny.tests_run(self.session, found.guard)
        ruling = replace(
            kept, guard=found.guard, same=found.same, output=found.output, guard_tests=tests
        )
        if found.failed is None:
            self.bench.told = {}  # who is measured again must not be able to tell
            ruling = self._doubted(prepared, raced, ruling)
            return self._held_out(prepared, ruling) if ruling.verdict is Verdict.KEEP else ruling
        if found.failed is Reason.GUARD:
            best = self.session.tree(prepared.begun.parent)
            require_sound_guard(self.bench, best, f"{label}-incumbent-guard")
        verdict = Verdict.REWORK if found.failed is Reason.GUARD else Verdict.DISCARD
        detail = f"better, but {found.text} ({found.output})"
        return replace(ruling, verdict=verdict, reason=found.failed, flags=(), detail=detail)

    def _told(self, kept: Ruling) -> dict[str, str]:
        """What the guard is told: the incumbent's numbers, so that it can defend them."""
        if kept.race is None:
            return {}
        found = incumbent_metrics(kept.race, self.session.contract.metric.name)
        return {VARIABLE: wire.dumps(dict(found))} if found else {}

    def _doubted(self, prepared: Prepared, raced: Raced, kept: Ruling) -> Ruling:
        """What looks too good is measured again, in fresh checkouts and under other seeds."""
        if self._best is None:
            return kept
        self.say("looking for what is too good to be true")
        where = (self.bench, self._best)
        found = scrutiny.suspicions(self.session, prepared, raced, kept.guard, where)
        if not found:
            return kept
        self.say("measuring again what looks too good")
        for slot in self.bench.slots[:2]:
            slot.clear()
        again = _ruled(self._race(prepared, f"{prepared.begun.number:04d}-again"))
        flags = (*again.flags, Flag.SUSPICIOUS) if again.verdict is Verdict.KEEP else ()
        how = "measured again, it holds" if flags else "measured again, it does not hold"
        return replace(
            again,
            guard=kept.guard,
            same=kept.same,
            guard_tests=kept.guard_tests,
            flags=flags,
            detail=f"{again.detail}; {how}",
            suspicions=found,
            first_race=kept.race,
        )

    def _held_out(self, prepared: Prepared, kept: Ruling) -> Ruling:
        """The holdout has the last word; only whether it passed is told."""
        unseen = Unseen(self.session, self.bench, self.randomness, self.say)
        commit = prepared.candidate.commit
        passed = unseen.passes(prepared.begun.number, commit, kept.effect)
        if passed is None or passed:
            return replace(kept, holdout=passed)
        return replace(
            kept,
            verdict=Verdict.DISCARD,
            reason=Reason.HOLDOUT,
            flags=(),
            detail="better, but not on inputs that it has not seen",
            holdout=False,
        )

    # --- what the race is asked ------------------------------------------------------------

    @property
    def _epoch(self) -> Epoch:
        return current_epoch(self.session.progress)

    def _question(self, prepared: Prepared, best: Built, label: str) -> Question:
        session, progress = self.session, self.session.progress
        contract = session.contract
        rule = contract.race
        policy = policy_of(
            contract,
            pairs=pairs_allowed(
                progress.sample_s, seconds=rule.seconds, max_runs=rule.max_runs, pairs=rule.pairs
            ),
            alpha=retest_alpha(rule.alpha, prepared.retest),
        )
        bounds = [bound for s in contract.secondary if (bound := bound_of(s)) is not None]
        recorded = None
        if progress.deterministic:
            recorded = progress.incumbent_value
            if recorded is None:  # nobody has run this very incumbent yet
                recorded = self._sample_incumbent(best, f"{label}-incumbent")
        return Question(
            policy=policy,
            pool=progress.pool(policy.scale) if progress.machine == machine_id() else (),
            bounds=tuple((bound, progress.secondary_loss(bound.name)) for bound in bounds),
            recorded=recorded,
            simplify=self._simplify(policy, prepared),
        )

    def _simplify(self, policy: Policy, prepared: Prepared) -> tuple[float, float] | None:
        """(loss spent, loss allowed) of a simplification, on the scale of the race."""
        if prepared.begun.kind is not Kind.SIMPLIFY:
            return None
        allowed = self.session.contract.simplify_loss
        if policy.scale is Scale.DIFFERENCE:
            allowed *= abs(sorted(self._epoch.values)[len(self._epoch.values) // 2])
        return self.session.progress.simplify_loss(policy.direction, policy.scale), allowed

    def _tape(self, prepared: Prepared, label: str) -> Tape:
        """What an interrupted race of this candidate left, where it can go on; else a new one."""
        session, begun = self.session, prepared.begun
        setting = setting_of(
            session,
            self.bench,
            candidate=prepared.candidate.tree,
            simplify=begun.kind is Kind.SIMPLIFY,
            retest=prepared.retest,
        )
        path = session.tape(prepared.candidate.tree, label.partition("-")[2])
        names = "this tree", f"experiment {begun.number}"
        return resumed(session, path, setting, self.randomness, names)


def _ruled(raced: Raced) -> Ruling:
    """The race's own answer, before the guard."""
    decision = raced.decision
    return Ruling(
        verdict=Verdict.KEEP if decision.keep else Verdict.DISCARD,
        reason=decision.reason,
        flags=decision.flags if decision.keep else (),
        detail=decision.detail,
        effect=decision.effect,
        race=raced.record,
        limits=raced.limits,
    )


def _violated(ruling: Ruling, touched: tuple[str, ...]) -> Ruling:
    """A violation outranks whatever was measured."""
    return replace(
        ruling,
        verdict=Verdict.VIOLATION,
        reason=Reason.TOUCHED,
        flags=(),
        detail=f"touched while it ran: {', '.join(touched[:5])}",
        touched=touched,
    )
