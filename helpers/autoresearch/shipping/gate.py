"""`compare`: one commit raced against another, in any repository, as a gate for pull requests.

Both arms run under one evaluator. The gate is the rule of limited metrics (`core.limits`): a loss
beyond what is tolerated is proven, or proven not to be there, or neither. At most 1 % of programs
that lose nothing are called slower.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from autoresearch.core import wire
from autoresearch.core.contract import Contract, parse
from autoresearch.core.errors import AutoresearchError, GateFailed
from autoresearch.core.formatting import clean_line
from autoresearch.core.limits import Bound, LimitState, judge_limit, loss_bound
from autoresearch.core.model import Arm, Direction, Effect, Pair, Scale
from autoresearch.core.noise import smallest_visible
from autoresearch.core.question import Caller, pairs_for, policy_of
from autoresearch.core.race import runs_of
from autoresearch.core.scope import compile_scope
from autoresearch.core.snapshot import (
    EXECUTABLE_MODE,
    GITLINK_MODE,
    PLAIN_MODE,
    Entry,
    TreeMap,
)
from autoresearch.core.stats import effect_of
from autoresearch.edges import gitdiff, gitrefs
from autoresearch.edges.gitwrite import write_blobs
from autoresearch.loop.bench import Bench, CandidateFailed, ProtectedTouched
from autoresearch.loop.measure import SEED_BITS, Race
from autoresearch.loop.session import CONTRACT_FILE
from autoresearch.planning.preconditions import parsed
from autoresearch.planning.workspace import CheckContext, Workspace, opening_lock
from autoresearch.shipping.ground import FETCH_ALL, is_ancestor, is_shallow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoresearch.core.decision import Policy
    from autoresearch.edges.gitrepo import GitRepo

COMPARED = ".compare"
"""Name of the bench of comparisons; no session can be called so."""

ALPHA = 0.01
FEWEST_PAIRS = 7
"""With fewer no order of pairs is as rare as 1 in 100."""

SMALL_LOSS = 0.01
"""A loss is only called excluded below it, where none at all is tolerated."""

LACKING = "If that commit lacks the benchmark, `--with PATH` gives both the one of your tree."

AD_HOC = """\
session: compare
goal: compare two commits
metric: {{name: {name}, direction: {direction}, source: {source}{unit}}}
verify: {verify}
scope: ["**"]
"""


class GateOutcome(str, Enum):
    """What a comparison found."""

    NO_LOSS = "no_loss"
    SLOWER = "slower"
    CANNOT_TELL = "cannot_tell"


class Tolerance(NamedTuple):
    """What counts as a loss.

    Attributes:
        share: of the base's value that may be lost.
        proof: whether it must be proven that no more is lost, instead of only not excluded.
        seconds, pairs: how long it may take; None as the contract has it.
    """

    share: float
    proof: bool = False
    seconds: float | None = None
    pairs: int | None = None


class Compared(NamedTuple):
    """One comparison that ended.

    Attributes:
        effect: from base to head, of 95 %.
        values: medians of base and head.
        visible: the loss that such a race would have proven about every second time.
    """

    outcome: GateOutcome
    effect: Effect
    pairs: tuple[Pair, ...]
    planned: int
    values: tuple[float, float]
    visible: float | None

    @property
    def order(self) -> tuple[str, list[float]]:
        """The runs as they were made, and their values."""
        return runs_of(self.pairs)


@contextmanager
def gated() -> Iterator[None]:
    """Whatever keeps a comparison from its end becomes exit code 4: 1 would say slower."""
    try:
        yield
    except GateFailed:
        raise
    except AutoresearchError as error:
        hint = LACKING if error.code == "benchmark_broken" else error.hint
        raise GateFailed(error.message, code=error.code, hint=hint) from error


class Terms(NamedTuple):
    """What commits are compared by.

    Attributes:
        evaluator: where the files outside the scope come from, for either arm; None: from its own
            commit.
        laid: files that both arms get on top.
    """

    contract: Contract
    evaluator: TreeMap | None
    laid: Mapping[str, Entry]

    def measured(self, tree: TreeMap) -> TreeMap:
        """A commit's files as they are measured."""
        if self.evaluator is None:
            return {**tree, **self.laid}
        covers = compile_scope(self.contract.scope, self.contract.protect).covers
        code = {path: entry for path, entry in tree.items() if covers(path)}
        frozen = {path: entry for path, entry in self.evaluator.items() if not covers(path)}
        return {**frozen, **code, **self.laid}


def commit_of(repo: GitRepo, rev: str) -> str:
    """The commit of a revision; raises `no_revision`."""
    found = repo.resolve(rev)
    if found is None:
        shallow = is_shallow(repo)
        raise AutoresearchError(
            f"there is no commit {clean_line(rev, 80)} here"
            + (": this is a shallow clone" if shallow else ""),
            code="shallow" if shallow else "no_revision",
            hint=FETCH_ALL if shallow else "Check the name, or fetch it.",
        )
    return found


def ad_hoc(verify: str, metric: str, direction: str, unit: str) -> Contract:
    """The contract of a command alone; `wall` and `cpu` are measured, other metrics printed."""
    source = metric if metric in {"wall", "cpu"} else "output"
    name = {"wall": "seconds", "cpu": "cpu_seconds"}.get(metric, metric)
    quoted = "'" + verify.replace("'", "''") + "'"
    text = AD_HOC.format(
        name=name,
        direction=direction,
        source=source,
        unit=f", unit: {wire.dumps(unit)}" if unit and source == "output" else "",
        verify=quoted,
    )
    return parse(text, name="the command line")


def terms_of(
    repo: GitRepo, base: str, contract: str | None, own: Contract | None, taken: Sequence[Path]
) -> Terms:
    """What two commits are compared by.

    Args:
        repo: theirs.
        base: whose files outside the scope measure, where the contract is a file.
        contract: a file, or a revision that holds `autoresearch.yaml`; None for the file at the
            root, else that of the base.
        own: a contract of the command line, which has no evaluator of its own.
        taken: files or folders that both arms take from the working tree.
    """
    laid = _taken(repo, taken)
    if own is not None:
        return Terms(own, None, laid)
    path = repo.toplevel / CONTRACT_FILE if contract is None else Path(contract)
    if path.is_file():
        return Terms(parsed(path.read_bytes(), path.name), repo.tree(base), laid)
    rev = base if contract is None else contract
    found = repo.object_at(f"{rev}:{CONTRACT_FILE}")
    if found is None or found.type != "blob":
        raise AutoresearchError(
            f"there is no contract: no {CONTRACT_FILE} at the root, nor in {clean_line(rev, 80)}",
            code="no_contract",
            hint="Name a file or a revision with `--contract`, or a command with `--verify`.",
        )
    return Terms(parsed(found.content, CONTRACT_FILE), repo.tree(rev), laid)


def _taken(repo: GitRepo, taken: Sequence[Path]) -> dict[str, Entry]:
    files: list[Path] = []
    for path in taken:
        if not path.exists():
            raise AutoresearchError(
                f"there is no {clean_line(str(path))}", code="no_file", hint="Check the path."
            )
        files += (
            sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        )
    root = repo.toplevel.resolve()
    outside = [path for path in files if not path.resolve().is_relative_to(root)]
    if outside:
        raise AutoresearchError(
            f"{clean_line(str(outside[0]))} is outside the repository",
            code="outside",
            hint="Name files of the working tree; a command may name others by absolute path.",
        )
    oids = write_blobs(repo, [path.read_bytes() for path in files])
    return {
        path.resolve().relative_to(root).as_posix(): Entry(
            EXECUTABLE_MODE if path.stat().st_mode & 0o100 else PLAIN_MODE, oid
        )
        for path, oid in zip(files, oids, strict=True)
    }


def notes_on(repo: GitRepo, base: str, head: str, terms: Terms) -> tuple[str, ...]:
    """What whoever reads the answer should know of the two commits, a sentence each."""
    notes = []
    trees = [repo.tree(one) for one in (base, head)]
    linked = {p for t in trees for p, entry in t.items() if entry.mode == GITLINK_MODE}
    if moved := sorted(path for path in linked if trees[0].get(path) != trees[1].get(path)):
        named = clean_line(", ".join(moved[:3]))
        notes.append(
            f"submodules are not checked out, so changes in them are not measured: {named}"
        )
    if not is_ancestor(repo, base, head):
        notes.append("the base is no ancestor of the head: what only the base has counts too")
    if terms.evaluator is not None:
        covers = compile_scope(terms.contract.scope, terms.contract.protect).covers
        changed = [p for _, p in gitdiff.changed_paths(repo, base, head) if not covers(p)]
        if changed:
            named = clean_line(", ".join(changed[:3])) + (" and more" if changed[3:] else "")
            notes.append(f"changed outside the scope, not measured as the head has it: {named}")
    if gitrefs.head(repo).commit == head and (edited := gitdiff.edited(repo)):
        notes.append(f"uncommitted edits are not measured: {clean_line(', '.join(edited[:3]))}")
    return tuple(notes)


class Track:
    """Where commits are raced: one bench for all comparisons of a command."""

    def __init__(self, context: CheckContext, caller: Caller, terms: Terms) -> None:
        self.repo, self.caller, self.terms = context.repo, caller, terms
        self.context = context
        places = context.places(COMPARED)
        folders = Workspace(
            places.cache,
            places.manifests,
            places.cache.with_name(f"{COMPARED}-output"),
            places.cache.with_name(f"{COMPARED}-tables"),
        )
        self.bench: Bench = context.bench(terms.contract, folders)

    @contextmanager
    def opened(self) -> Iterator[Track]:
        """Ours alone, and the machine too, until the end."""
        with (
            opening_lock(self.context.places(COMPARED), "compare"),
            self.context.measuring(COMPARED, "compare"),
        ):
            yield self

    def race(self, base: str, head: str, tolerance: Tolerance) -> Compared:
        """Race two commits.

        Raises:
            GateFailed: one of them does not measure.
        """
        race = Race(self.bench, self.caller, "compare", base=f"the base {base[:12]}")
        try:
            race.bring(*(self.terms.measured(self.repo.tree(one)) for one in (base, head)))
            seed = self.caller.randomness.getrandbits(SEED_BITS)
            warm = [race.measure(arm, seed) for arm in (Arm.CANDIDATE, Arm.INCUMBENT)]
            race.sample_s = statistics.median(sample.wall_s for sample in warm)
            return self._judged(race, tolerance)
        except (CandidateFailed, ProtectedTouched) as error:
            output = getattr(error, "output", "")
            raise GateFailed(
                f"could not measure {head[:12]}: {getattr(error, 'full', '') or error.message}",
                code="not_measured",
                hint=f"{LACKING} Its output: {self.bench.places.output.parent / output or 'none'}",
            ) from error

    def _judged(self, race: Race, tolerance: Tolerance) -> Compared:
        contract = self.terms.contract
        rule = contract.race
        if tolerance.seconds is not None:
            rule = replace(rule, seconds=tolerance.seconds, max_runs=None, pairs=None)
        allowed = pairs_for(replace(contract, race=rule), race.sample_s)
        planned = max(FEWEST_PAIRS, tolerance.pairs or allowed)
        policy = policy_of(contract, pairs=planned, alpha=ALPHA)

        def answer(pairs: Sequence[Pair]) -> Compared | None:
            return judged(tuple(pairs), policy, tolerance)

        found = race.run_until(answer, planned)
        self.bench.confirm()
        return found


def judged(pairs: tuple[Pair, ...], policy: Policy, tolerance: Tolerance) -> Compared | None:
    """What the pairs of a comparison say so far; None asks for the next one."""
    bound = Bound(name="", direction=policy.direction, limit=tolerance.share, relative=True)
    state = judge_limit(pairs, bound, policy, carried=0.0).state
    if state is LimitState.UNPROVEN and len(pairs) < policy.pairs:
        return None
    effect = effect_of(pairs, policy.scale)
    if len(pairs) > 1 and len({(pair.incumbent, pair.candidate) for pair in pairs}) == 1:
        effect = replace(effect, level=1.0)  # both programs repeat their value exactly
    middle = statistics.median(abs(pair.incumbent) for pair in pairs)
    share = 1.0 if effect.scale is Scale.RATIO else middle or 1.0
    outcome = GateOutcome.CANNOT_TELL
    if state is LimitState.BROKEN:
        outcome = GateOutcome.SLOWER
    elif state is LimitState.HELD:
        outcome = GateOutcome.NO_LOSS
    elif not tolerance.proof:
        most = loss_bound(effect, policy.direction) / share
        outcome = GateOutcome.NO_LOSS if most <= max(tolerance.share, SMALL_LOSS) else outcome
    worse = Direction.HIGHER if policy.direction is Direction.LOWER else Direction.LOWER
    return Compared(
        outcome=outcome,
        effect=effect,
        pairs=pairs,
        planned=policy.pairs,
        values=(
            statistics.median(pair.incumbent for pair in pairs),
            statistics.median(pair.candidate for pair in pairs),
        ),
        visible=_visible(pairs, policy, worse, tolerance.share, share),
    )


def _visible(
    pairs: tuple[Pair, ...], policy: Policy, worse: Direction, tolerated: float, share: float
) -> float | None:
    """The loss, as a share of the base, that would have been proven about every second time."""
    scale = effect_of(pairs, policy.scale).scale
    sign = 1 if worse is Direction.HIGHER else -1
    losses = []
    for pair in pairs:
        ratio = scale is Scale.RATIO
        moved = pair.candidate / pair.incumbent - 1 if ratio else pair.candidate - pair.incumbent
        losses.append(sign * moved)
    found = smallest_visible((), policy.pairs, scale, worse, gains=losses)
    return None if found is None else tolerated + found / share
