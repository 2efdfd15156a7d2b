"""Runs a race: asks the rules what comes next, runs just that, and writes it down as it is run.

What chance decided is written before it is used, what was measured as soon as it is there. Played
back, it is the same race: same question, same coins, same seeds, same samples, then the next one.
Nothing can be drawn again for having looked bad, so going on costs no more of alpha.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core import formatting, wire
from autoresearch.core.boundary import opener
from autoresearch.core.decision import Decision, Rule, still_open
from autoresearch.core.errors import AutoresearchError, SessionBroken
from autoresearch.core.exact import deterministic_step
from autoresearch.core.limits import LimitCheck, judge_limit, under_limits
from autoresearch.core.model import RULE, SCHEMA, Arm, LimitResult, Pair, RaceRecord, Reason, Sample
from autoresearch.core.question import Caller, Question, RaceStanding, Randomness, Round
from autoresearch.core.stats import effect_of
from autoresearch.edges.clock import machine_id, now_utc
from autoresearch.edges.files import append_once, atomic_write, keep_newest, named_errors
from autoresearch.edges.stored import set_aside
from autoresearch.loop import logbook
from autoresearch.loop.bench import (
    Built,
    CandidateFailed,
    ProtectedTouched,
    RivalTouched,
    broken,
    must_hold,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from autoresearch.core.contract import Holdout
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.loop.bench import Bench
    from autoresearch.loop.session import Session


T = TypeVar("T")


class RaceSetting(Struct, frozen=True, kw_only=True):
    """What must be the same for a race to go on; `_WORDS` names it where it is not.

    Attributes:
        simplify: whether the candidate is asked to be no worse, instead of better.
        retest: how often this tree was raced before: each time with a smaller alpha.
    """

    machine: str
    rule: int
    epoch: int
    contract_sha256: str
    environment_sha256: str
    sandbox: str
    incumbent: str
    candidate: str
    simplify: bool
    retest: int


_ASIDE = ".set-aside"
_MOST_ASIDE = 20

_WORDS = {
    "machine": "the machine is another, or was started anew",
    "rule": "the decision rule is of another version",
    "epoch": "the evaluator is another",
    "contract_sha256": "the contract is another",
    "environment_sha256": "the environment is another",
    "sandbox": "the sandbox is another",
    "simplify": "it is asked for otherwise",
    "incumbent": "the incumbent is another",
    "candidate": "the candidate is another",
    "retest": "it ended since",
}


class Tape:
    """The coins, the question and the samples of one race, oldest first.

    Args:
        randomness: of what is drawn anew.
        path: where it is written; None keeps it nowhere.
        entries: what is played back before anything is drawn or measured.
    """

    def __init__(
        self, randomness: Randomness, path: Path | None = None, entries: tuple[Any, ...] = ()
    ) -> None:
        self.path = path
        self.samples = sum("sample" in entry for entry in entries)
        self._randomness = randomness
        self._entries = entries
        self._next = 0
        self._warm = not self.samples

    def getrandbits(self, bits: int, /) -> int:
        """A number of so many random bits: the one that was drawn, or a fresh one."""
        found = self._played("draw")
        if found is not None:
            if found["bits"] != bits:
                raise self._unfit("a draw of other size")
            return int(found["draw"])
        drawn = self._randomness.getrandbits(bits)
        self._add({"draw": drawn, "bits": bits})
        return drawn

    def asked(self, kind: type[Question], ask: Callable[[], Question]) -> Question:
        """The race's question as it was first asked."""
        found = self._played("question")
        if found is not None:
            return self._read(found["question"], kind)
        question = ask()
        self._add({"question": wire.to_object(question)})
        return question

    def sample(self, arm: Arm, take: Callable[[], Sample], warm_up: Callable[[], object]) -> Sample:
        """The sample of an arm: the one that was taken, or a fresh one."""
        found = self._played("sample")
        if found is not None:
            sample = self._read(found["sample"], Sample)
            if sample.arm is not arm:
                raise self._unfit(f"a sample of arm {sample.arm.value}")
            return sample
        if not self._warm:
            self._warm = True
            warm_up()
        sample = take()
        self._add({"sample": wire.to_object(sample), "at": now_utc()})
        return sample

    def _played(self, what: str) -> dict[str, Any] | None:
        if self._next == len(self._entries):
            return None
        entry = self._entries[self._next]
        if what not in entry:
            raise self._unfit("something else")
        self._next += 1
        return dict(entry)

    def _read(self, value: object, kind: type[T]) -> T:
        try:
            return wire.convert(value, kind)
        except ValueError as error:
            raise self._unfit(f"a {kind.__name__.lower()} that cannot be read ({error})") from error

    def _add(self, entry: dict[str, Any]) -> None:
        if self.path is not None:
            append_once(self.path, _line(entry), sync=False)

    def _unfit(self, what: str) -> AutoresearchError:
        if self.path is not None:
            discard(self.path)
        return AutoresearchError(
            f"the interrupted race holds {what} where this version does not expect it",
            code="race_changed",
            hint="It is set aside; repeat the command, and the race starts anew.",
        )


def open_tape(path: Path, setting: RaceSetting, randomness: Randomness) -> tuple[Tape, str]:
    """The tape of a race, played back from where an interrupted one of this setting is kept."""
    found, why = _read(path, setting)
    if found is None:
        if why:
            discard(path)
        head = {"schema": SCHEMA, "at": now_utc(), "setting": wire.to_object(setting)}
        atomic_write(path, _line(head), mode=0o600, sync=False)
        found = ()
    return Tape(randomness, path, found), why


def kept_in(folder: Path) -> tuple[Path, ...]:
    """The tapes that lie in a folder, those that were set aside among them."""
    return tuple(
        sorted(path for path in folder.glob("*") if path.suffix == ".jsonl" or _ASIDE in path.name)
    )


def may_go_on(path: Path, incumbent: str) -> bool:
    """Whether the race on this tape may ever be gone on with, by its name and its incumbent.

    One that cannot be read counts as one that may: `open_tape` sets it aside and says so.
    """
    if _ASIDE in path.name:
        return False
    try:
        with path.open("rb") as file:
            head = wire.loads(file.readline().decode("ascii"))
        return wire.convert(head.get("setting"), RaceSetting).incumbent == incumbent
    except (OSError, ValueError):
        return True


def discard(path: Path) -> None:
    """Move a tape that is not gone on with out of the way; nothing there is no failure."""
    set_aside(path, path.with_name(f"{path.stem}{_ASIDE}"))
    keep_newest(path.parent, files=_MOST_ASIDE, pattern=f"*{_ASIDE}-*")


def _read(path: Path, setting: RaceSetting) -> tuple[tuple[Any, ...] | None, str]:
    with named_errors(path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None, ""
    # Half a line at the end is a sample that nobody has seen.
    whole = content[: content.rfind(b"\n") + 1]
    try:
        head, *entries = [wire.loads(line.decode("ascii")) for line in whole.splitlines()]
        before = wire.convert(head.get("setting"), RaceSetting)
    except ValueError:
        return None, "what was kept of it cannot be read"
    names = RaceSetting.__struct_fields__
    differing = [name for name in names if getattr(before, name) != getattr(setting, name)]
    if differing == ["simplify"]:
        raise _asked_otherwise(simplify=before.simplify)
    if differing:
        return None, _WORDS[differing[0]]
    if whole != content:
        atomic_write(path, whole, mode=0o600, sync=False)
    return tuple(entries), ""


def _asked_otherwise(*, simplify: bool) -> AutoresearchError:
    """Another question about the same samples would be a second chance."""
    how = "with" if simplify else "without"
    return AutoresearchError(
        f"a race of this very tree was interrupted that was asked for {how} --simplify",
        code="race_interrupted",
        hint=f"Repeat the command {how} --simplify: that race goes on.",
    )


def _line(entry: dict[str, Any]) -> bytes:
    return wire.dumps(entry).encode("ascii") + b"\n"


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
        stands: whether it is played back only, for it came to its end before.
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
    stands: bool = False
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
        proven: int | None = None,
    ) -> None:
        """Keep the race in a file; one that was interrupted goes on where it can, and it is told.

        `candidate` is the tree, or what else tells this race from others of that name; `told` says
        whose race it is, and what goes on with it: `this tree`, `experiment 17`. See `RaceSetting`.
        One that came to its end as the `proven`-th retest is played back while all is as it was.
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
        path, earlier = session.tape(name), replace(setting, retest=proven or 0)
        self.stands = proven is not None and bool(_read(path, earlier)[0])
        setting = earlier if self.stands else setting
        self.tape, why = open_tape(path, setting, self.caller.randomness)
        if why:
            session.news.append(f"the race of {told[0]} was interrupted and starts anew: {why}")
        elif self.stands:
            session.news.append(f"the race of {told[0]} stands: only the guard is asked again")
        elif self.tape.samples:
            detail = f"{told[1]} goes on from {self.tape.samples} samples taken before"
            session.news.append(detail)
            logbook.record_recovery(session, "race", "resumed", detail)

    def bring(self, incumbent: TreeMap, candidate: TreeMap) -> None:
        """Build either program in the slot that a coin gives it, or in the one that they share.

        Raises:
            CandidateFailed, ProtectedTouched: the candidate does not build.
            SessionBroken: the incumbent does not.
        """
        first, second = self.bench.racing(swapped=bool(self.tape.getrandbits(1)))
        self.caller.say("preparing the bench checkouts")
        if self.bench.shares:  # many a race is over before the incumbent runs
            built = Built(first, incumbent)
        else:
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
            claims = self.bench.contract.claim is not None  # a metric that is seldom exact
            exact = question.recorded is not None and _is_constant(seen) and not claims
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
            firsts = [one.first for one in self._rounds[rounds:]]
            first = opener(self.tape.getrandbits(1), firsts, planned)
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
                self._require_known(recorded, seed)
                return None
            if step.decision is not None:
                return self._limited_exact(question, step.decision)
            self._take(step.next_arm or Arm.CANDIDATE, seed)

    def _require_known(self, recorded: float, seed: int) -> None:
        """Stop where it is not the metric that varies, but the incumbent repeats another value."""
        own = [sample.value for sample in self._samples if sample.arm is Arm.INCUMBENT]
        if not own or own[0] == recorded or self._take(Arm.INCUMBENT, seed).value != own[0]:
            return
        if self.tape.path is not None:
            discard(self.tape.path)  # what was measured meanwhile says nothing of what comes
        values = (f"exactly {formatting.number(value)}" for value in (recorded, own[0]))
        raise SessionBroken(
            "{} was measured as {}, and now twice as {}: something outside it changed".format(
                self.base.removesuffix(" itself"), *values
            ),
            code="incumbent_changed",
            hint="Look for a new version of a tool or of data, and put it back; or let "
            "`autoresearch amend` measure anew. No verdict is given; the edit is untouched.",
        )

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
            policy = replace(question.policy, seed=self._seeds[0])
            found, pairs = replace(question, policy=policy).answer(seen), len(seen)
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
            hope=policy.hope,
            patient=policy.patient,
            fresh=policy.fresh,
        )
        asked = decision.keep or decision.reason is Reason.LIMITS
        limits = self._checks(question, exact=exact) if asked else []
        rounds = tuple((one.incumbent, one.candidate) for one in self._rounds)
        return Raced(decision, record, tuple(check.result for check in limits), rounds)


def _is_constant(pairs: Sequence[Pair]) -> bool:
    """Whether both programs repeat their value exactly, seen at least twice."""
    arms = {pair.incumbent for pair in pairs}, {pair.candidate for pair in pairs}
    return len(pairs) > 1 and all(len(values) == 1 for values in arms)
