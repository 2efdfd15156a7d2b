"""Runs a race: asks the pure rules what comes next, and runs just that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec.structs import replace

from autoresearch.core.decision import Decision, Rule, still_open
from autoresearch.core.limits import LimitCheck, judge_limit, under_limits
from autoresearch.core.model import RULE, Arm, LimitResult, Pair, RaceRecord, Reason, Sample
from autoresearch.core.question import Caller, Question, RaceStanding, Round
from autoresearch.core.race import deterministic_step
from autoresearch.core.stats import effect_of
from autoresearch.edges.clock import machine_id
from autoresearch.loop import logbook
from autoresearch.loop.bench import (
    CandidateFailed,
    ProtectedTouched,
    RivalTouched,
    broken,
    must_hold,
)
from autoresearch.loop.tape import RaceSetting, Tape, open_tape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoresearch.core.contract import Holdout
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.loop.bench import Bench, Built
    from autoresearch.loop.session import Session

SEED_BITS = 31
EXACT_ROUNDS = 2
"""Rounds of the deterministic path: two runs of the candidate beside one of the incumbent."""

Answer = TypeVar("Answer")


class Raced(NamedTuple):
    """A race that ended.

    Attributes:
        rounds: (incumbent's sample, candidate's), under the same seed each.
    """

    decision: Decision
    record: RaceRecord
    limits: tuple[LimitResult, ...]
    rounds: tuple[tuple[Sample, Sample], ...]


@dataclass
class Race:
    """One race on the bench: the one place that says whose fault a failure is.

    Args:
        sample_s: expected seconds of a sample, for the time left.
        base: what the incumbent is called where it fails.
        holdout: run instead of verify where it is given.

    Attributes:
        tape: coins, seeds and samples, kept nowhere unless `resume` says where.
        built: either program, once it was brought to its slot.
    """

    bench: Bench
    caller: Caller
    label: str
    sample_s: float = 0.0
    base: str = "the incumbent itself"
    holdout: Holdout | None = None
    built: dict[Arm, Built] = field(default_factory=dict)
    _samples: list[Sample] = field(default_factory=list)
    _seeds: list[int] = field(default_factory=list)
    _rounds: list[Round] = field(default_factory=list)
    _has_sound_base: bool = False

    def __post_init__(self) -> None:
        self.tape = Tape(self.caller.randomness)

    def resume(
        self,
        session: Session,
        name: str,
        *,
        candidate: str,
        told: tuple[str, str],
        simplify: bool = False,
        retest: int = 0,
    ) -> None:
        """Keep the race in a file; one that was interrupted goes on where it can, and it is told.

        `candidate` is the tree, or what else tells this race from others of that name; `told` says
        whose race it is, and what goes on with it: `this tree`, `experiment 17`. See `RaceSetting`.
        """
        epoch = session.epoch
        setting = RaceSetting(
            machine=machine_id(),
            rule=RULE,
            epoch=epoch.number,
            contract_sha256=session.progress.contract_sha256 or "",
            environment_sha256=epoch.environment_sha256,
            sandbox=self.bench.confinement.name,
            incumbent=session.progress.incumbent_commit,
            candidate=candidate,
            simplify=simplify,
            retest=retest,
        )
        self.tape, why = open_tape(session.tape(name), setting, self.caller.randomness)
        if why:
            session.news.append(f"the race of {told[0]} was interrupted and starts anew: {why}")
        elif self.tape.samples:
            detail = f"{told[1]} goes on from {self.tape.samples} samples taken before"
            session.news.append(detail)
            logbook.record_recovery(session, "race", "resumed", detail)

    def bring(self, incumbent: TreeMap, candidate: TreeMap) -> None:
        """Build either program in the slot that a coin gives it.

        Raises:
            CandidateFailed, ProtectedTouched: the candidate does not build.
            SessionBroken: the incumbent does not.
        """
        first, second = self.bench.slots[:2]
        if self.tape.getrandbits(1):
            first, second = second, first
        self.caller.say("preparing the bench checkouts")
        with must_hold("set-up or build", self.base):
            built = self.bench.bring(first, incumbent, label=f"{self.label}-incumbent")
        self.built[Arm.INCUMBENT] = built
        self.built[Arm.CANDIDATE] = self.bench.bring(second, candidate, label=self.label)

    def run(self, question: Question) -> Raced:
        """Race until the decision stands.

        Raises:
            CandidateFailed, ProtectedTouched: the candidate fails.
            SessionBroken: the incumbent does, or too many samples were void.
        """
        decision = None if question.recorded is None else self._exact(question, question.recorded)
        exact = decision is not None
        if decision is None:
            self._warm_up(Arm.CANDIDATE)
            decision = self._paired(question)
        return self._ended(question, decision, exact=exact)

    def run_fixed(self, question: Question, pairs: int) -> Raced:
        """Race exactly so many pairs, without any early end: an estimate. Raises as `run`.

        Two pairs are enough where both programs repeat an exact metric.
        """
        self._warm_up(Arm.CANDIDATE, Arm.INCUMBENT)

        def estimate(seen: Sequence[Pair]) -> Decision | None:
            exact = question.recorded is not None and _is_constant(seen)
            if len(seen) < pairs and not exact:
                return None
            effect = effect_of(seen, question.policy.scale)
            return replace(
                still_open(len(seen), None),
                ended=True,
                effect=replace(effect, level=1.0) if exact else effect,
                rule=Rule.END,
                detail=f"estimated from {len(seen)} pairs",
            )

        return self._ended(question, self.run_until(estimate, pairs), exact=False)

    def run_until(self, answer: Callable[[Sequence[Pair]], Answer | None], planned: int) -> Answer:
        """Run at most `planned` pairs, until `answer` has one to all of them; raises as `run`."""
        runs, rounds, found = len(self._samples), len(self._rounds), None
        while found is None:
            seed = self._seed()
            # A coin for every pair: then the label-swap test is exact whatever the load does.
            first = Arm.CANDIDATE if self.tape.getrandbits(1) else Arm.INCUMBENT
            one = self._take(first, seed)
            self._report(planned, runs, rounds)
            self._rounds.append(Round.of(one, self._take(first.other, seed)))
            self._report(planned, runs, rounds)
            found = answer([one.pair for one in self._rounds[rounds:]])
        return found

    # --- samples ---------------------------------------------------------------------------

    def _warm_up(self, *arms: Arm) -> None:
        """A run that does not count: caches fill, and a crash shows at once."""
        for arm in arms:
            self._take(arm, self._seed())
        self._samples.clear()
        self._seeds.clear()

    def _seed(self) -> int:
        seed = self.tape.getrandbits(SEED_BITS)
        self._seeds.append(seed)
        return seed

    def _take(self, arm: Arm, seed: int) -> Sample:
        """The sample on the tape, or a fresh one; where the two meet both programs warm up."""

        def warm_up() -> None:
            self.measure(arm.other, seed)
            self.measure(arm, seed)

        sample = self.tape.sample(arm, lambda: self.measure(arm, seed), warm_up)
        self._has_sound_base |= arm is Arm.INCUMBENT
        self._samples.append(sample)
        return sample

    def measure(self, arm: Arm, seed: int) -> Sample:
        """A run of one program that is part of no pair yet; raises as `run`."""
        try:
            return self.bench.sample(
                self.built[arm], arm, seed=seed, label=self.label, holdout=self.holdout, more=True
            )
        except (CandidateFailed, ProtectedTouched) as error:
            # Who reached into the other's checkout shows when that other one is to run.
            culprit = arm.other if isinstance(error, RivalTouched) else arm
            if culprit is Arm.INCUMBENT:
                what = "verify" if self.holdout is None else "the holdout"
                raise broken(what, error, self.base) from error
            if isinstance(error, CandidateFailed) and not self._has_sound_base:
                self.measure(Arm.INCUMBENT, seed)  # or the fault is the bench's, not its own
            raise

    def _report(self, planned: int, runs: int, rounds: int) -> None:
        """Tell the caller where the race stands, of which so much came before its pairs."""
        pairs = [one.pair for one in self._rounds[rounds:]]
        changes = sorted(p.candidate / p.incumbent - 1 for p in pairs if p.incumbent > 0)
        left = max(0, 2 * planned - (len(self._samples) - runs))
        self.caller.watch(
            RaceStanding(
                runs=len(self._samples),
                pairs=len(pairs),
                planned=planned,
                change=changes[len(changes) // 2] if changes else None,
                left_s=left * self.sample_s,
            )
        )

    # --- decisions -------------------------------------------------------------------------

    def _exact(self, question: Question, recorded: float) -> Decision | None:
        """The deterministic path; None when the metric turns out to vary."""
        seed = self._seed()
        while True:
            values = [sample.value for sample in self._samples]
            step = deterministic_step(
                recorded, values, question.policy, loss_allowed=question.loss_allowed
            )
            if step.varies:
                return None
            if step.decision is not None:
                return self._limited_exact(question, step.decision)
            self._take(step.next_arm or Arm.CANDIDATE, seed)

    def _limited_exact(self, question: Question, kept: Decision) -> Decision:
        """An exact keep, once its limits are proven: on its three runs, or on pairs after them."""
        if not kept.keep:
            return kept
        *candidates, incumbent = self._samples
        self._rounds += [Round(incumbent, candidate, Arm.CANDIDATE) for candidate in candidates]
        checks, planned = self._checks(question, exact=True), question.policy.pairs
        limited = under_limits(kept, checks, pairs=EXACT_ROUNDS, planned=planned, extra=0)
        if limited.ended:
            return limited

        def proven(seen: Sequence[Pair]) -> Decision | None:
            checks, pairs = self._checks(question, exact=True), len(seen)
            found = under_limits(kept, checks, pairs=pairs, planned=planned, extra=pairs)
            return found if found.ended else None

        return self.run_until(proven, planned)

    def _paired(self, question: Question) -> Decision:
        planned = question.policy.pairs
        if question.simplify is not None and (spent := question.answer(())).ended:
            return spent  # no loss is left to allow

        def decided(seen: Sequence[Pair]) -> Decision | None:
            found, pairs = question.answer(seen), len(seen)
            if found.keep:
                checks, extra = self._checks(question, exact=False), pairs - found.pairs
                found = under_limits(found, checks, pairs=pairs, planned=planned, extra=extra)
            return found if found.ended else None

        return self.run_until(decided, planned)

    def _checks(self, question: Question, *, exact: bool) -> list[LimitCheck]:
        """What the rounds so far prove about each limit; nothing before the first."""
        rounds = self._rounds
        if exact:  # pairs that were run for the limits alone count more than what decided
            rounds = rounds[EXACT_ROUNDS:] or rounds
        if not rounds:
            return []
        return [
            judge_limit(
                [one.secondary(bound.name) for one in rounds],
                bound,
                question.policy,
                carried=carried,
            )
            for bound, carried in question.bounds
        ]

    def _ended(self, question: Question, decision: Decision, *, exact: bool) -> Raced:
        self.bench.confirm()  # whoever changed a checkout from outside, no keep comes of it
        samples, policy = self._samples, question.policy
        carried, allowed = question.simplify or (None, None)
        secondary = [
            (one.name, tuple(dict(sample.secondary)[one.name] for sample in samples))
            for one in self.bench.contract.secondary
        ]
        record = RaceRecord(
            alpha=policy.alpha,
            pairs_planned=policy.pairs,
            direction=policy.direction,
            scale=policy.scale,
            min_effect=policy.min_effect,
            recorded=question.recorded if exact else None,
            carried=carried,
            allowed=allowed,
            deterministic=exact,
            order="".join(sample.arm.value for sample in samples),
            values=tuple(sample.value for sample in samples),
            wall_s=tuple(round(sample.wall_s, 6) for sample in samples),
            cpu_s=tuple(round(sample.cpu_s, 6) for sample in samples),
            secondary=tuple(secondary),
            seeds=tuple(self._seeds),
            pool=question.pool,
            machine=machine_id(),
            void=self.bench.void,
            p_value=decision.p_value,
            smallest_visible=decision.smallest_visible,
            rule=RULE,
        )
        asked = decision.keep or decision.reason is Reason.LIMITS
        limits = self._checks(question, exact=exact) if asked else []
        rounds = tuple((one.incumbent, one.candidate) for one in self._rounds)
        return Raced(decision, record, tuple(check.result for check in limits), rounds)


def _is_constant(pairs: Sequence[Pair]) -> bool:
    """Whether both programs repeat their value exactly, seen at least twice."""
    arms = {pair.incumbent for pair in pairs}, {pair.candidate for pair in pairs}
    return len(pairs) > 1 and all(len(values) == 1 for values in arms)
