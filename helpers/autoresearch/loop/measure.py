"""Runs a race: asks the pure rules what comes next, and runs just that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core.decision import Decision, Policy, Rule, still_open
from autoresearch.core.limits import (
    Bound,
    LimitCheck,
    judge_limit,
    judge_simplify,
    limit_pairs,
    under_limits,
)
from autoresearch.core.model import RULE, Arm, Pair, RaceRecord, Reason, Scale
from autoresearch.core.race import deterministic_step, judge, pairs_of, rounds_of
from autoresearch.core.stats import effect_of
from autoresearch.core.wire import Finite  # noqa: TC001  (msgspec reads these types)
from autoresearch.edges.clock import machine_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoresearch.core.contract import Contract, Secondary
    from autoresearch.core.model import LimitResult, Sample
    from autoresearch.loop.bench import Bench, Built
    from autoresearch.loop.tape import Tape

SEED_BITS = 31


class Randomness(Protocol):
    """Where coins and seeds come from: the system's, or a fixed one in tests."""

    def getrandbits(self, bits: int, /) -> int:
        """A number of so many random bits."""


class Standing(NamedTuple):
    """A race in progress, for whoever watches.

    Attributes:
        runs: samples taken, warm-up left out.
        pairs, planned: complete pairs, and the most there can be.
        change: median change so far as a fraction, None before the first pair or without ratio.
        left_s: seconds until the end at the latest.
    """

    runs: int
    pairs: int
    planned: int
    change: float | None
    left_s: float


class Question(Struct, frozen=True, kw_only=True):
    """What a race is to decide.

    Attributes:
        policy: level, pairs, direction, scale, smallest gain.
        pool: same-code differences of earlier races on the policy's scale, oldest first.
        bounds: secondary metrics with a limit, each with the loss carried since the baseline.
        recorded: the incumbent's exact value while the metric is deterministic, else None.
        simplify: (loss carried, loss allowed) of a simplification, else None.
    """

    policy: Policy
    pool: tuple[Finite, ...]
    bounds: tuple[tuple[Bound, Finite], ...] = ()
    recorded: Finite | None = None
    simplify: tuple[Finite, Finite] | None = None


class Raced(NamedTuple):
    """A race that ended.

    Attributes:
        rounds: (incumbent's sample, candidate's), under the same seed each.
    """

    decision: Decision
    record: RaceRecord
    limits: tuple[LimitResult, ...]
    rounds: tuple[tuple[Sample, Sample], ...]


def policy_of(contract: Contract, *, pairs: int, alpha: float) -> Policy:
    """The rules of a race under this contract."""
    metric = contract.metric
    in_points = metric.min_effect_relative and metric.scale is Scale.DIFFERENCE
    return Policy(
        alpha=alpha,
        pairs=pairs,
        direction=metric.direction,
        scale=metric.scale,
        min_effect=metric.min_effect * (100 if in_points else 1),
    )


def bound_of(secondary: Secondary) -> Bound | None:
    """The limit of a secondary metric, or None when it is only watched."""
    if secondary.limit is None:
        return None
    return Bound(
        name=secondary.name,
        direction=secondary.direction,
        limit=secondary.limit,
        relative=secondary.limit_relative,
    )


@dataclass
class Race:
    """One race on the bench.

    Args:
        bench: runs verify.
        incumbent, candidate: built programs, each in its slot.
        question: what to decide.
        tape: coins, seeds and samples; an interrupted race is played back from it first.
        label: names captured output.
        watch: called after every sample with where the race stands.
        sample_s: expected seconds of a sample, for the time left.
        warm_both: warm up the incumbent too, as `validate` does.
        failed_arm: whose sample was taken last, to tell a broken incumbent from a crash.
        has_sound_incumbent: whether a sample of the incumbent has worked, so that the bench does.
    """

    bench: Bench
    incumbent: Built
    candidate: Built
    question: Question
    tape: Tape
    label: str
    watch: Callable[[Standing], None]
    sample_s: float
    warm_both: bool = False
    failed_arm: Arm = Arm.CANDIDATE
    has_sound_incumbent: bool = False
    samples: list[Sample] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)

    def run(self) -> Raced:
        """Race until the decision stands.

        Raises:
            CandidateFailed, ProtectedTouched, SessionBroken: see `Bench.sample`; an incumbent that
                fails is the caller's to tell from a candidate that does (`failed_arm`).
        """
        if self.question.recorded is not None:
            decision = self._exact(self.question.recorded)
            if decision is not None:
                return self._settled(decision, exact=True)
        self._warm_up()
        return self._settled(self._paired(), exact=False)

    def run_fixed(self, pairs: int) -> Raced:
        """Race exactly so many pairs, without any early end: an estimate, not a decision.

        A metric that repeats itself exactly needs one pair.

        Raises:
            CandidateFailed, ProtectedTouched, SessionBroken: as `run`.
        """
        self._warm_up()

        def fixed(number: int) -> Decision:
            seen = self._pairs(0)
            exact = self.question.recorded is not None and _is_constant(seen)
            if number < pairs and not exact:
                return still_open(number, None)
            return _estimate(seen, self.question.policy, exact=exact)

        return self._settled(self._until(fixed, 0), exact=False)

    def _warm_up(self) -> None:
        """One run of either arm that does not count: caches fill, and a crash shows at once."""
        for arm in (Arm.CANDIDATE, Arm.INCUMBENT) if self.warm_both else (Arm.CANDIDATE,):
            self._take(arm, self._seed())
        self.samples.clear()
        self.seeds.clear()

    def _seed(self) -> int:
        seed = self.tape.getrandbits(SEED_BITS)
        self.seeds.append(seed)
        return seed

    def _take(self, arm: Arm, seed: int) -> Sample:
        built = self.candidate if arm is Arm.CANDIDATE else self.incumbent
        self.failed_arm = arm
        sample = self.tape.sample(
            arm,
            lambda: self.bench.sample(built, arm, seed=seed, label=self.label, more=True),
            lambda: self._warm_again(seed, arm),
        )
        self.has_sound_incumbent |= arm is Arm.INCUMBENT
        self.samples.append(sample)
        return sample

    def _warm_again(self, seed: int, then: Arm) -> None:
        """One run of either arm that does not count, where an interrupted race goes on."""
        for arm in (then.other, then):
            built = self.candidate if arm is Arm.CANDIDATE else self.incumbent
            self.failed_arm = arm
            self.bench.sample(built, arm, seed=seed, label=self.label, more=True)

    def _exact(self, recorded: float) -> Decision | None:
        """The deterministic path; None when the metric turns out to vary."""
        policy = self.question.policy
        allowed = None
        if self.question.simplify is not None:
            carried, total = self.question.simplify
            allowed = max(0.0, total - carried)
        seed = self._seed()
        while True:
            values = [sample.value for sample in self.samples]
            step = deterministic_step(recorded, values, policy, loss_allowed=allowed)
            if step.varies:
                return None
            if step.decision is not None:
                return self._limited_exact(step.decision)
            self._take(step.next_arm or Arm.CANDIDATE, seed)

    def _limited_exact(self, decision: Decision) -> Decision:
        """An exact keep, once its limits are proven: on its three runs, or on pairs after them."""
        if not decision.keep or not self.question.bounds:
            return decision
        checks = self._checks(exact=True)
        planned = self.question.policy.pairs
        limited = under_limits(decision, checks, pairs=2, planned=planned, extra=0)
        if limited.ended:
            return limited
        start = len(self.samples)
        return self._until(lambda pairs: self._limits_of(decision, pairs, start), start)

    def _paired(self) -> Decision:
        return self._until(self._judged, 0)

    def _until(self, decide: Callable[[int], Decision], start: int) -> Decision:
        """Run pairs until `decide` ends the race."""
        decision = decide(0) if self.question.simplify is not None else None
        number = 0
        while decision is None or not decision.ended:
            number += 1
            seed = self._seed()
            # A coin for every pair: then the label-swap test is exact whatever the load does.
            first = Arm.CANDIDATE if self.tape.getrandbits(1) else Arm.INCUMBENT
            for arm in (first, first.other):
                self._take(arm, seed)
                self.watch(self._standing(start))
            decision = decide(number)
        return decision

    def _judged(self, pairs: int) -> Decision:
        question = self.question
        seen = self._pairs(0)
        if question.simplify is None:
            decision = judge(seen, question.policy, question.pool)
        else:
            carried, allowed = question.simplify
            decision = judge_simplify(
                seen, question.policy, question.pool, carried=carried, allowed=allowed
            )
        return self._limits_of(decision, pairs, 0)

    def _limits_of(self, decision: Decision, pairs: int, start: int) -> Decision:
        if not decision.keep or not self.question.bounds:
            return decision
        checks = self._checks(exact=bool(start))
        extra = pairs if start else pairs - decision.pairs
        planned = self.question.policy.pairs
        return under_limits(decision, checks, pairs=pairs, planned=planned, extra=extra)

    def _pairs(self, start: int) -> tuple[Pair, ...]:
        part = self.samples[start:]
        return pairs_of("".join(s.arm.value for s in part), [s.value for s in part])

    def _checks(self, *, exact: bool) -> list[LimitCheck]:
        """What the samples so far prove about each limit; nothing before the first."""
        if not self.samples:
            return []
        order = "".join(sample.arm.value for sample in self.samples)
        checks = []
        for bound, carried in self.question.bounds:
            values = [dict(sample.secondary)[bound.name] for sample in self.samples]
            pairs = limit_pairs(order, values, exact=exact)
            checks.append(judge_limit(pairs, bound, self.question.policy, carried=carried))
        return checks

    def _standing(self, start: int) -> Standing:
        pairs = self._pairs(start)
        changes = sorted(p.candidate / p.incumbent - 1 for p in pairs if p.incumbent > 0)
        planned = self.question.policy.pairs
        left = max(0, 2 * planned - (len(self.samples) - start))
        return Standing(
            runs=len(self.samples),
            pairs=len(pairs),
            planned=planned,
            change=changes[len(changes) // 2] if changes else None,
            left_s=left * self.sample_s,
        )

    def _settled(self, decision: Decision, *, exact: bool) -> Raced:
        self.failed_arm = (
            Arm.CANDIDATE
        )  # whoever changed a checkout from outside, no keep comes of it
        self.bench.confirm()
        names = [secondary.name for secondary in self.bench.contract.secondary]
        question = self.question
        record = RaceRecord(
            alpha=question.policy.alpha,
            pairs_planned=question.policy.pairs,
            direction=question.policy.direction,
            scale=question.policy.scale,
            min_effect=question.policy.min_effect,
            recorded=question.recorded if exact else None,
            carried=question.simplify[0] if question.simplify else None,
            allowed=question.simplify[1] if question.simplify else None,
            deterministic=exact,
            order="".join(sample.arm.value for sample in self.samples),
            values=tuple(sample.value for sample in self.samples),
            wall_s=tuple(round(sample.wall_s, 6) for sample in self.samples),
            cpu_s=tuple(round(sample.cpu_s, 6) for sample in self.samples),
            secondary=tuple(
                (name, tuple(dict(sample.secondary)[name] for sample in self.samples))
                for name in names
            ),
            seeds=tuple(self.seeds),
            pool=question.pool,
            machine=machine_id(),
            void=self.bench.void,
            p_value=decision.p_value,
            smallest_visible=decision.smallest_visible,
            rule=RULE,
        )
        asked = decision.keep or decision.reason is Reason.LIMITS
        limits = tuple(check.result for check in self._checks(exact=exact)) if asked else ()
        return Raced(decision, record, limits, rounds_of(self.samples, exact=exact))


def _is_constant(pairs: Sequence[Pair]) -> bool:
    """Whether both programs repeat their value exactly, seen at least twice."""
    arms = {pair.incumbent for pair in pairs}, {pair.candidate for pair in pairs}
    return len(pairs) > 1 and all(len(values) == 1 for values in arms)


def _estimate(pairs: Sequence[Pair], policy: Policy, *, exact: bool) -> Decision:
    """The end of a race that only estimates."""
    effect = effect_of(pairs, policy.scale)
    return Decision(
        ended=True,
        keep=False,
        reason=None,
        flags=(),
        pairs=len(pairs),
        p_value=None,
        effect=replace(effect, level=1.0) if exact else effect,
        smallest_visible=None,
        rule=Rule.END,
        detail=f"estimated from {len(pairs)} pairs",
    )
