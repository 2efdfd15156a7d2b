"""Asks the holdout of a keep: another benchmark, on inputs that the agent does not see.

Only whether it passed leaves this module. The values go to a private log in the state folder,
and to a table beside it for people.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import limits, wire
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.model import SCHEMA, Arm, Pair, Verdict
from autoresearch.core.noise import pairs_allowed
from autoresearch.core.stats import effect_of
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import append_once, atomic_write
from autoresearch.loop.bench import CandidateFailed
from autoresearch.loop.checks import broken, current_epoch
from autoresearch.loop.measure import SEED_BITS, policy_of

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.core.contract import Holdout
    from autoresearch.core.decision import Policy
    from autoresearch.core.model import Effect
    from autoresearch.loop.bench import Bench, Built
    from autoresearch.loop.measure import Randomness
    from autoresearch.loop.session import Session

LOG = "holdout.jsonl"
TABLE = "holdout.md"


class Unseen:
    """The holdout of a session.

    Args:
        session: open for writing.
        bench: with the contract in force.
        randomness: coins and seeds.
        say: told what runs.
    """

    def __init__(
        self, session: Session, bench: Bench, randomness: Randomness, say: Callable[[str], None]
    ) -> None:
        self.session = session
        self.bench = bench
        self.randomness = randomness
        self.say = say

    def passes(self, number: int, commit: str, moved: Effect | None) -> bool | None:
        """Whether a candidate to be kept loses too little on it; None when it is not asked."""
        holdout = self.session.contract.holdout
        if holdout is None or not limits.is_due(self.session.progress.kept_count, holdout.every):
            return None
        self.say("holdout")
        checks = read_checks(self.session.places.state)
        epoch = current_epoch(self.session.progress)
        mine = [check for check in checks if check.epoch == epoch.number]
        reference = next((self._kept_as(c) for c in reversed(mine) if c.passed), epoch.commit)
        carried = limits.carried_after(mine, epoch.number)
        pairs, judged = self._raced(holdout, reference, commit, carried, f"{number:04d}-holdout")
        check = limits.HoldoutCheck(
            schema=SCHEMA,
            at=now_utc(),
            epoch=epoch.number,
            experiment=number,
            reference=reference,
            candidate=commit,
            values=tuple((pair.incumbent, pair.candidate) for pair in pairs),
            estimate=judged.estimate,
            carried=carried,
            passed=bool(judged.passed),
            effect=effect_of(pairs, self._policy().scale) if pairs else None,
            metric=moved,
        )
        self._write(check, (*mine, check))
        return check.passed

    def _kept_as(self, check: limits.HoldoutCheck) -> str:
        """The commit under a ref that holds what was checked: a keep's has its effect in words."""
        record = self.session.index.record(check.experiment)
        if record is None or record.verdict is not Verdict.KEEP:
            return check.candidate
        return record.commit

    def _policy(self) -> Policy:
        contract, progress = self.session.contract, self.session.progress
        epoch = current_epoch(progress)
        rule = contract.race
        sample_s = progress.sample_s if epoch.holdout_s is None else epoch.holdout_s
        pairs = pairs_allowed(
            sample_s, seconds=rule.seconds, max_runs=rule.max_runs, pairs=rule.pairs
        )
        return policy_of(contract, pairs=pairs, alpha=rule.alpha)

    def _raced(
        self, holdout: Holdout, reference: str, commit: str, carried: float, label: str
    ) -> tuple[tuple[Pair, ...], limits.Judged]:
        """Pairs of reference and candidate until they prove something; none if it does not run."""
        arms = self._brought(reference, commit, label)
        bound = limits.bound_on(self.session.contract.metric, holdout)
        policy = self._policy()
        pairs: list[Pair] = []
        judged = limits.Judged(passed=None, estimate=0.0)
        while judged.passed is None:
            values: dict[Arm, float] = {}
            seed = self.randomness.getrandbits(SEED_BITS)
            first = Arm.CANDIDATE if self.randomness.getrandbits(1) else Arm.INCUMBENT
            for arm in (first, first.other):
                try:
                    sample = self.bench.sample(
                        arms[arm], arm, seed=seed, label=label, holdout=holdout
                    )
                except CandidateFailed as error:
                    if arm is Arm.INCUMBENT:
                        raise broken("the holdout", error) from error
                    self._require_sound(holdout, arms[Arm.INCUMBENT], seed, label)
                    return (), limits.Judged(passed=False, estimate=0.0)
                values[arm] = sample.value
            pairs.append(
                Pair(incumbent=values[Arm.INCUMBENT], candidate=values[Arm.CANDIDATE], first=first)
            )
            judged = limits.judge_holdout(pairs, bound, policy, carried=carried)
        return tuple(pairs), judged

    def _require_sound(self, holdout: Holdout, best: Built, seed: int, label: str) -> None:
        """Make sure that the holdout itself works before a candidate is blamed for its failure."""
        try:
            self.bench.sample(best, Arm.INCUMBENT, seed=seed, label=label, holdout=holdout)
        except CandidateFailed as error:
            raise broken("the holdout", error) from error

    def _brought(self, reference: str, commit: str, label: str) -> dict[Arm, Built]:
        slots = list(self.bench.slots[:2])
        if self.randomness.getrandbits(1):
            slots.reverse()
        trees = (self.session.tree(reference), self.session.tree(commit))
        first, second = (
            self.bench.bring(slot, tree, label=label)
            for slot, tree in zip(slots, trees, strict=True)
        )
        return {Arm.INCUMBENT: first, Arm.CANDIDATE: second}

    def _write(self, check: limits.HoldoutCheck, mine: tuple[limits.HoldoutCheck, ...]) -> None:
        state = self.session.places.state
        line = wire.line(check)
        append_once(state / LOG, line, sync=True)
        (state / LOG).chmod(0o600)
        moves = [
            (kept.number, kept.effect)
            for kept in reversed(self.session.progress.kept)
            if kept.effect is not None and not kept.undone
        ]
        if check.passed and check.metric is not None:
            moves.append((check.experiment, check.metric))
        page = limits.table(limits.curves(mine, moves), self.session.contract.metric.scale)
        atomic_write(state / TABLE, page.encode(), mode=0o600, sync=False)


class Standing(NamedTuple):
    """How the holdout went so far.

    Attributes:
        table: both curves, for people.
        advisory: why an agent could run it as well; empty when it could not easily.
    """

    checked: int
    passed: int
    table: Path
    advisory: str


def standing(session: Session) -> Standing | None:
    """How the holdout went so far, without its values; None where the contract has none."""
    holdout = session.contract.holdout
    if holdout is None:
        return None
    checks = read_checks(session.places.state)
    return Standing(
        checked=len(checks),
        passed=sum(check.passed for check in checks),
        table=session.places.state / TABLE,
        advisory=limits.advisory(holdout, str(session.repo.toplevel)),
    )


def read_checks(state: Path) -> tuple[limits.HoldoutCheck, ...]:
    """The private log; a torn last line, of a check whose verdict was never reached, is left out.

    Raises:
        CorruptLogError: another line is not what was written.
    """
    path = state / LOG
    if not path.exists():
        return ()
    *lines, _torn = path.read_bytes().split(b"\n")
    try:
        return tuple(wire.read(line, limits.HoldoutCheck) for line in lines)
    except ValueError as error:
        raise CorruptLogError(
            f"{path} holds a line that is no check of the holdout", hint="Move the file away."
        ) from error
