"""The referee: races a candidate, asks the guard, and looks whether anything was touched.

It knows commits, the frozen contract and the bench; it does not know what the agent said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoresearch.core import jsonform, phrases
from autoresearch.core.errors import SessionBroken
from autoresearch.core.model import (
    Arm,
    CommandResult,
    Direction,
    Effect,
    Flag,
    Kind,
    LimitResult,
    RaceRecord,
    Reason,
    Sample,
    Scale,
    Verdict,
)
from autoresearch.core.patience import pairs_allowed, retest_alpha
from autoresearch.core.snapshot import differing_paths
from autoresearch.edges import dotgit
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import append_once
from autoresearch.edges.lock import Lock
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.measure import Question, Race, bound_of, policy_of
from autoresearch.loop.session import CONTRACT_FILE

if TYPE_CHECKING:
    from autoresearch.core.history import Progress
    from autoresearch.core.records import Epoch
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.edges.lock import Owner
    from autoresearch.loop.bench import Built
    from autoresearch.loop.experiment import Prepared
    from autoresearch.loop.measure import Raced, Randomness, Standing
    from autoresearch.loop.session import Session

SANDBOX = "none"
"""No sandbox is in force in this version; every record says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A verdict and all it rests on; see `Experiment` for the fields."""

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
    sandbox: str = SANDBOX


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

    def judge(self, prepared: Prepared) -> Ruling:
        """The verdict on a prepared candidate.

        Raises:
            SessionBroken: the incumbent itself fails, or its protected files are not the epoch's.
        """
        session = self.session
        before = dotgit.capture(session.repo)
        with Lock(session.places.measure_lock).wait("try", self._waiting):
            ruling = self._measured(prepared)
        aside = session.places.state / "set-aside" / f"git-{prepared.begun.number:04d}"
        touched = (*dotgit.put_back(session.repo, before, aside), *self._strayed(prepared))
        meanwhile = self._meanwhile(prepared)
        if touched:
            touched = (*ruling.touched, *touched)
            ruling = _violated(ruling, touched)
        return replace(ruling, meanwhile=meanwhile)

    def _waiting(self, owner: Owner | None) -> None:
        who = "another process" if owner is None else owner.described()
        self.say(f"{who} is measuring on this machine; waiting for it")

    # --- the steps of DESIGN 3 -------------------------------------------------------------

    def _measured(self, prepared: Prepared) -> Ruling:
        try:
            raced = self._race(prepared)
            if not raced.decision.keep:
                return _discard(raced)
            return self._guarded(prepared, raced)
        except CandidateFailed as error:
            where = f" ({error.output})" if error.output else ""
            return Ruling(
                verdict=Verdict.CRASH, reason=error.reason, detail=f"{error.message}{where}"
            )
        except ProtectedTouched as error:
            return Ruling(
                verdict=Verdict.VIOLATION,
                reason=Reason.TOUCHED,
                detail=error.message,
                touched=error.paths,
            )

    def _race(self, prepared: Prepared) -> Raced:
        number = prepared.begun.number
        candidate = self.session.tree(prepared.candidate.commit)
        incumbent = self.session.tree(prepared.begun.parent)
        self._require_frozen(incumbent)
        first, second = self.bench.slots[:2]
        if self.randomness.getrandbits(1):
            first, second = second, first
        self.say("preparing the bench checkouts")
        arms = (
            self._incumbent(
                lambda: self.bench.bring(first, incumbent, label=f"{number:04d}-incumbent")
            ),
            self.bench.bring(second, candidate, label=f"{number:04d}"),
        )
        question = self._question(prepared)
        race = Race(
            bench=self.bench,
            incumbent=arms[0],
            candidate=arms[1],
            question=question,
            randomness=self.randomness,
            label=f"{number:04d}",
            taken=self._keep_raw(number),
            watch=self.watch,
            sample_s=self._epoch.sample_s,
        )
        try:
            return race.run()
        except CandidateFailed as error:
            if race.failed_arm is Arm.INCUMBENT:
                raise broken("verify", error) from error
            raise

    def _guarded(self, prepared: Prepared, raced: Raced) -> Ruling:
        """Guard and `same`, in a checkout of their own, once the race says keep."""
        kept = _keep(raced)
        contract, number = self.session.contract, prepared.begun.number
        if contract.guard is None and contract.same is None:
            return kept
        tree = self.session.tree(prepared.candidate.commit)
        ground = self.bench.bring(self.bench.slots[2], tree, label=f"{number:04d}-guard")
        if contract.guard is not None:
            self.say("guard")
            result, _ = self.bench.command(ground, contract.guard, label=f"{number:04d}-guard")
            kept = replace(kept, guard=result)
            if not result.passed:
                self._require_sound_guard(prepared)
                return replace(
                    kept,
                    verdict=Verdict.REWORK,
                    reason=Reason.GUARD,
                    flags=(),
                    detail=_failed(result),
                )
        if contract.same is not None:
            self.say("same")
            result, outcome = self.bench.command(ground, contract.same, label=f"{number:04d}-same")
            kept = replace(kept, same=result)
            digest = hashlib.sha256(outcome.stdout).hexdigest()
            if not result.passed or digest != self._epoch.same_sha256 or outcome.stdout_truncated:
                detail = f"better, but `same` printed something else ({result.output})"
                return replace(
                    kept, verdict=Verdict.DISCARD, reason=Reason.SAME, flags=(), detail=detail
                )
        return kept

    def _require_sound_guard(self, prepared: Prepared) -> None:
        """A guard that fails on the incumbent too says nothing about the candidate."""
        guard, number = self.session.contract.guard, prepared.begun.number
        tree = self.session.tree(prepared.begun.parent)
        label = f"{number:04d}-incumbent-guard"
        ground = self._incumbent(lambda: self.bench.bring(self.bench.slots[2], tree, label=label))
        result, _ = self.bench.command(ground, guard or "", label=label)
        if not result.passed:
            raise SessionBroken(
                f"the guard fails on the incumbent as well ({result.output})",
                code="guard_broken",
                hint="Mend what it needs on this machine, then try again; the edit is untouched.",
            )

    def _incumbent(self, action: Callable[[], Built]) -> Built:
        try:
            return action()
        except (CandidateFailed, ProtectedTouched) as error:
            raise broken("set-up or build", error) from error

    # --- what the race is asked ------------------------------------------------------------

    @property
    def _epoch(self) -> Epoch:
        return current_epoch(self.session.progress)

    def _question(self, prepared: Prepared) -> Question:
        session, progress = self.session, self.session.progress
        contract, epoch = session.contract, self._epoch
        rule = contract.race
        policy = policy_of(
            contract,
            pairs=pairs_allowed(
                epoch.sample_s, seconds=rule.seconds, max_runs=rule.max_runs, pairs=rule.pairs
            ),
            alpha=retest_alpha(rule.alpha, prepared.retest),
        )
        bounds = [bound for s in contract.secondary if (bound := bound_of(s)) is not None]
        exact = progress.deterministic and progress.incumbent_value is not None
        return Question(
            policy=policy,
            pool=progress.pool(policy.scale),
            bounds=tuple((bound, progress.secondary_loss(bound.name)) for bound in bounds),
            recorded=progress.incumbent_value if exact else None,
            simplify=self._simplify(policy.direction, policy.scale, prepared),
        )

    def _simplify(
        self, direction: Direction, scale: Scale, prepared: Prepared
    ) -> tuple[float, float] | None:
        """(loss spent, loss allowed) of a simplification, on the scale of the race."""
        if prepared.begun.kind is not Kind.SIMPLIFY:
            return None
        allowed = self.session.contract.simplify_loss
        if scale is Scale.DIFFERENCE:
            allowed *= abs(sorted(self._epoch.values)[len(self._epoch.values) // 2])
        return self.session.progress.simplify_loss(direction, scale), allowed

    def _keep_raw(self, number: int) -> Callable[[Sample], None]:
        path = self.session.places.raw / f"{number:04d}.jsonl"
        path.unlink(missing_ok=True)

        def keep(sample: Sample) -> None:
            line = jsonform.dumps({"at": now_utc(), **jsonform.to_object(sample)})
            append_once(path, line.encode("ascii") + b"\n")

        return keep

    # --- what may not have changed ---------------------------------------------------------

    def _require_frozen(self, incumbent: TreeMap) -> None:
        """The incumbent's protected files must be those of the epoch's commit."""
        covers = self.session.scope.covers
        frozen = self.session.tree(self._epoch.commit)
        differing = [
            path
            for path in differing_paths(frozen, incumbent)
            # The frozen copy of the contract counts, and a new budget is no new epoch.
            if path != CONTRACT_FILE and not covers(path)
        ]
        if differing:
            raise SessionBroken(
                f"protected files differ from the epoch's: {', '.join(sorted(differing)[:5])}",
                code="not_frozen",
                hint="A human adopts them with `autoresearch amend`.",
            )

    def _strayed(self, prepared: Prepared) -> tuple[str, ...]:
        """Tracked files outside the scope that changed in the user's tree while the race ran."""
        found = self._differing(prepared)
        covers = self.session.scope.covers
        return tuple(sorted(path for path in found if not covers(path)))

    def _meanwhile(self, prepared: Prepared) -> tuple[str, ...]:
        """Files in scope that are no longer what was captured: somebody is working on them."""
        walk = self.session.walk()
        return tuple(
            change.path
            for change in prepared.plan.changes
            if not walk.same(walk.at(change.path), change.found)
        )

    def _differing(self, prepared: Prepared) -> set[str]:
        tree = self.session.tree(prepared.begun.parent)
        return set(self.session.walk().differing(tree, self.session.overrides))


def current_epoch(progress: Progress) -> Epoch:
    """The epoch whose evaluator measures.

    Raises:
        SessionBroken: the log holds no baseline.
    """
    if progress.epoch is None:
        raise SessionBroken(
            "the session has no baseline", code="no_baseline", hint="Start it anew with `init`."
        )
    return progress.epoch


def broken(what: str, error: CandidateFailed | ProtectedTouched) -> SessionBroken:
    """The error for an incumbent that fails: no verdict on the candidate can be given."""
    return SessionBroken(
        f"{what} of the incumbent itself fails: {error.message}",
        code="benchmark_broken",
        hint="Mend what it needs on this machine, then try again; the edit is untouched.",
    )


def _keep(raced: Raced) -> Ruling:
    decision = raced.decision
    return Ruling(
        verdict=Verdict.KEEP,
        reason=None,
        flags=decision.flags,
        detail=decision.detail,
        effect=decision.effect,
        race=raced.record,
        limits=raced.limits,
    )


def _discard(raced: Raced) -> Ruling:
    decision = raced.decision
    return Ruling(
        verdict=Verdict.DISCARD,
        reason=decision.reason,
        detail=decision.detail,
        effect=decision.effect,
        race=raced.record,
        limits=raced.limits,
    )


def _failed(result: CommandResult) -> str:
    ending = "timed out" if result.timed_out else f"failed with exit code {result.exit_code}"
    took = phrases.duration(result.duration_s)
    return f"better, but the guard {ending} after {took} ({result.output})"


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
