"""`audit --replay`: every kept commit raced anew against its parent, the most promising first.

The repository is only read. Both programs run under one evaluator, that of today or of a named
commit, in races of a fixed size: without an early end, the interval holds the truth as often as it
says. What was measured is kept until the same audit is asked for with another contract.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core import formatting, wire
from autoresearch.core.decision import is_proven_better, is_proven_worse
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import Arm, Effect
from autoresearch.core.question import Question, pairs_for, policy_of
from autoresearch.edges.stored import Stored
from autoresearch.importing.auditing import Keep, Likely
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.measure import SEED_BITS, Race
from autoresearch.shipping.gate import COMPARED, FEWEST_PAIRS, Terms, Track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from autoresearch.edges.gitrepo import GitRepo

MOST_PAIRS = 20
_PROMISING = (Likely.CLEAR, Likely.UNTOLD, Likely.NOISE, Likely.NO_BETTER)


class Truth(str, Enum):
    """What a race says of a keep, at 95 %: at most 1 in 40 worthless ones is called real."""

    REAL = "real"
    WORSE = "worse"
    NOT_SHOWN = "not shown"
    FAILS = "fails"


class Replayed(Struct, frozen=True, kw_only=True):
    """A keep that was raced anew.

    Attributes:
        effect: from parent to commit; None where it failed.
        guard: whether the guard passes on the commit; None without one.
        detail: why it failed.
    """

    number: int
    commit: str
    parent: str
    truth: Truth
    effect: Effect | None = None
    pairs: int = 0
    guard: bool | None = None
    detail: str = ""


class ReplayForecast(NamedTuple):
    """How many races are to come, and the seconds of their samples at most."""

    races: int
    seconds: float


class Replay:
    """The races of one audit.

    Attributes:
        done: commits that were raced before under the same terms.
    """

    def __init__(self, track: Track, terms: Terms) -> None:
        self.track, self.terms, self.repo = track, terms, track.repo
        digest = hashlib.sha256(wire.text(terms.contract).encode("ascii"))
        digest.update(repr(sorted((terms.evaluator or {}).items())).encode())
        folder = track.context.places(COMPARED).state.with_name(".replays")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{digest.hexdigest()[:16]}.json"
        self._stored = Stored(path, dict[str, Replayed])
        self.done = self._stored.load() or {}

    def planned(self, keeps: Iterable[Keep]) -> list[tuple[Keep, str, str]]:
        """Keeps with their commits and parents, most promising first; none without a commit."""
        found, seen = [], set()
        for keep in sorted(keeps, key=_promise):
            commit = full(self.repo, keep.commit)
            parent = commit and full(self.repo, f"{commit}^")
            if commit and parent and commit not in seen:
                seen.add(commit)
                found.append((keep, commit, parent))
        return found

    def forecast(self, planned: Iterable[tuple[Keep, str, str]], sample_s: float) -> ReplayForecast:
        """What the races that are not done yet take."""
        left = sum(commit not in self.done for _, commit, _ in planned)
        return ReplayForecast(left, left * 2 * self._pairs(sample_s) * sample_s)

    def _pairs(self, sample_s: float) -> int:
        return max(FEWEST_PAIRS, min(MOST_PAIRS, pairs_for(self.terms.contract, sample_s)))

    def run(
        self, planned: list[tuple[Keep, str, str]], tell: Callable[[ReplayForecast], None]
    ) -> Iterator[Replayed]:
        """Race what is not done yet; the forecast is told once the first sample is there."""
        told = False
        for keep, commit, parent in planned:
            if commit in self.done:
                yield replace(self.done[commit], number=keep.number)
                continue
            race = Race(self.track.bench, self.track.caller, "replay", base=f"parent {parent[:12]}")

            def first(sample_s: float) -> None:
                nonlocal told
                if not told:
                    tell(self.forecast(planned, sample_s))
                told = True

            found = self._raced(race, keep.number, commit, parent, first)
            if found.effect is not None:  # what failed may have failed for want of something here
                self.done[commit] = found
                self._stored.save(self.done)
            yield found

    def _raced(
        self, race: Race, number: int, commit: str, parent: str, first: Callable[[float], None]
    ) -> Replayed:
        contract = self.terms.contract
        try:
            race.bring(*(self.terms.measured(self.repo.tree(one)) for one in (parent, commit)))
            seed = self.track.caller.randomness.getrandbits(SEED_BITS)
            race.sample_s = race.measure(Arm.CANDIDATE, seed).wall_s
            first(race.sample_s)
            pairs = self._pairs(race.sample_s)
            policy = policy_of(contract, pairs=pairs, alpha=contract.race.alpha)
            effect = race.run_fixed(Question(policy=policy, pool=()), pairs).decision.effect
            guard = self._guard(race)
        except (CandidateFailed, ProtectedTouched, AutoresearchError) as error:
            return Replayed(
                number=number, commit=commit, parent=parent, truth=Truth.FAILS,
                detail=formatting.clean_line(error.message, 200),
            )  # fmt: skip
        direction = contract.metric.direction
        truth = Truth.NOT_SHOWN
        if effect is not None and is_proven_better(effect, direction):
            truth = Truth.REAL
        elif effect is not None and is_proven_worse(effect, direction):
            truth = Truth.WORSE
        return Replayed(
            number=number, commit=commit, parent=parent, effect=effect, pairs=pairs, guard=guard,
            truth=Truth.FAILS if guard is False else truth,
            detail="the guard fails" if guard is False else "",
        )  # fmt: skip

    def _guard(self, race: Race) -> bool | None:
        command = self.terms.contract.guard
        if not command:
            return None
        built = race.built[Arm.CANDIDATE]
        slot = self.track.bench.slots[2]
        brought = self.track.bench.bring(slot, built.tree, label="replay-guard")
        return self.track.bench.command(brought, command, label="replay-guard")[0].passed


def full(repo: GitRepo, rev: str) -> str | None:
    """The whole hash of a commit, or None where it is not here."""
    return repo.resolve(f"{rev}^{{commit}}") if rev else None


def _promise(keep: Keep) -> tuple[int, float]:
    rank = _PROMISING.index(keep.standing) if keep.standing in _PROMISING else len(_PROMISING)
    return rank, -(keep.gain or 0.0)
