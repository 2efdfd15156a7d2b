"""`finalize`: kept commits become branches for review, each checked and raced by itself.

Everything is made of objects that no ref leads to yet. All branches appear in the last step, in
one transaction; until then a kill leaves the repository as it was. Nothing is pushed, and no
branch that was there moves.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA, Effect, RaceRecord, Verdict
from autoresearch.core.question import Caller, pairs_for
from autoresearch.core.records import Epoch, Experiment, Shipment, Shipped, Undo
from autoresearch.core.snapshot import TreeMap, differing_paths
from autoresearch.edges import gitdiff, gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import atomic_write, remove_tree
from autoresearch.edges.gitwrite import Commit, commit_changes
from autoresearch.edges.lock import turn_to_measure
from autoresearch.loop import logbook
from autoresearch.loop.bench import Bench, CandidateFailed, ProtectedTouched
from autoresearch.loop.measure import Race, Raced
from autoresearch.loop.referee import GuardAnswer, run_checks
from autoresearch.loop.session import CONTRACT_FILE, Session
from autoresearch.loop.validate import VALIDATION_PAIRS, race_fixed
from autoresearch.shipping import review, words
from autoresearch.shipping.ground import Ground, ground_of
from autoresearch.shipping.stacks import Stack, Stacker, Unfit, Unit, entries_of
from autoresearch.shipping.words import BranchFacts

FEWEST_PAIRS = 6
"""Below this many pairs no interval reaches 95 %."""


class Wishes(NamedTuple):
    """How a session is to be shipped.

    Attributes:
        onto: the revision that the branches stand on; None for the session's base.
        without: kept experiments to be left out.
        squash: one commit a stack. one: one branch in all.
        contract: whether the contract gets a branch of its own.
        reviewed: only what a human accepted.
    """

    onto: str | None = None
    without: tuple[int, ...] = ()
    squash: bool = False
    one: bool = False
    race: bool = True
    contract: bool = False
    unvalidated: bool = False
    reviewed: bool = False


class Finalized(NamedTuple):
    """What `finalize` built.

    Attributes:
        stacks: the branches of the shipment, stack by stack, each from its base up.
        bodies: where the text of each branch's pull request lies, by the branch's full name.
        effects: of each branch: of its own race, or the session's where it was not raced again.
        whole: whether all stacks together are the session's tree, but for its contract.
    """

    shipment: Shipment
    stacks: tuple[tuple[Shipped, ...], ...]
    bodies: dict[str, Path]
    effects: dict[str, Effect | None]
    whole: bool


def finalize(session: Session, caller: Caller, wishes: Wishes) -> Finalized:
    """Build, check and race the branches, and make their refs in one step."""
    left_out = _left_out(session, wishes)
    ground = ground_of(session, wishes.onto, unvalidated=wishes.unvalidated)
    units = _units(session, left_out, contract=wishes.contract)
    builder = _Builder(session, caller, wishes, ground)
    with turn_to_measure(session.places.measure_lock, "finalize", caller.say):
        builder.require_sound_base()
        stacks, together = builder.stacks(units)
        branches = builder.branches(stacks)
    tip = session.tree(ground.tip)
    wanted = {path: entry for path, entry in tip.items() if path != CONTRACT_FILE}
    made = {path: entry for path, entry in together.items() if path != CONTRACT_FILE}
    shipment = Shipment(
        schema=SCHEMA,
        at=now_utc(),
        epoch=session.epoch.number,
        base=ground.base,
        tip=ground.tip,
        together=_committed(session, ground.base, together, "all stacks").tree,
        validated=ground.validation is not None,
        left_out=tuple(sorted(left_out)),
        branches=tuple(branch for stack in branches for branch in stack),
        sandbox=builder.bench.confinement.name,
    )
    bodies = _write_bodies(session, shipment, builder.facts)
    logbook.record(session, shipment)
    logbook.publish(session)
    gitrefs.update_refs(
        session.repo,
        [gitrefs.RefUpdate(branch.name, branch.commit, None) for branch in shipment.branches],
        "autoresearch: finalize",
    )
    for name in builder.tapes:
        session.tape(name).unlink(missing_ok=True)
    effects = {name: known.effect for name, known in builder.facts.items()}
    return Finalized(shipment, tuple(map(tuple, branches)), bodies, effects, wanted == made)


def _left_out(session: Session, wishes: Wishes) -> frozenset[int]:
    """The keeps that stay behind: asked for, rejected, or not accepted where that is asked for."""
    state = review.state_of(session)
    kept = {keep.number for keep in state.keeps}
    if not kept:
        raise AutoresearchError(
            "nothing is kept, so there is nothing to ship",
            code="nothing_kept",
            hint=f"`git switch {words.start_of(session)}` leads back; the session stays.",
        )
    unknown = sorted(set(wishes.without) - kept)
    if unknown:
        raise AutoresearchError(
            f"experiment {unknown[0]} is not among the keeps that stand",
            code="not_kept",
            hint=f"Kept: {', '.join(map(str, sorted(kept)))}.",
        )
    left = (set(wishes.without) | state.rejected) & kept
    if wishes.reviewed:
        left |= kept - state.accepted
    if left == kept:
        raise AutoresearchError(
            "no keep is left to ship" + (": none is accepted" if wishes.reviewed else ""),
            code="nothing_left",
            hint="`autoresearch review` lists the keeps; `review --accept N --by NAME` accepts.",
        )
    return frozenset(left)


def _units(session: Session, left_out: frozenset[int], *, contract: bool) -> tuple[Unit, ...]:
    """Every change of the session's branch, oldest first."""
    units = []
    for entry in session.index.log.records():
        record = entry.record
        if isinstance(record, Experiment) and record.verdict is Verdict.KEEP:
            if record.number not in left_out:
                units.append(_unit(session, record.commit, record.number, record.message))
        elif isinstance(record, Undo):
            title = f"take experiment {record.experiment} back"
            units.append(_unit(session, record.commit, 0, title, undone=record.experiment))
        elif isinstance(record, Epoch):
            title = f"amendment {record.number}" if record.number else "contract"
            units.append(_unit(session, record.commit, 0, title, contract=contract))
    return tuple(unit for unit in units if unit.paths)


def _unit(
    session: Session,
    commit: str,
    number: int,
    title: str,
    *,
    undone: int = 0,
    contract: bool = False,
) -> Unit:
    before, after = session.tree(f"{commit}~1"), session.tree(commit)
    paths = frozenset(differing_paths(before, after)) - (
        frozenset() if contract else {CONTRACT_FILE}
    )
    title = clean_line(title.split("\n", 1)[0], 200)
    old, new = entries_of(before, paths), entries_of(after, paths)
    return Unit(number, title, commit, old, new, undone)


class _Builder:
    """Builds the branches of one `finalize`."""

    def __init__(self, session: Session, caller: Caller, wishes: Wishes, ground: Ground) -> None:
        self.session, self.caller, self.wishes, self.ground = session, caller, wishes, ground
        self.repo = session.repo
        self.bench: Bench = session.bench()
        self.base: TreeMap = ground.tree
        self.answers: dict[frozenset[tuple[str, object]], GuardAnswer] = {}
        self.facts: dict[str, BranchFacts] = {}
        self.tapes: list[str] = []
        self._same = session.epoch.same_sha256
        self._units: tuple[Unit, ...] = ()

    # --- checks ----------------------------------------------------------------------------

    def require_sound_base(self) -> None:
        """Make sure that guard and `same` say something on a base that the session never saw."""
        if not self.ground.moved:
            return
        self._same = self.ground.same_on(self.bench, self.base, self.caller.say)
        found = self._checked(self.base, "base")
        if found.failed is not None:
            raise AutoresearchError(
                f"on {self.wishes.onto} itself {found.text}",
                code=f"{found.failed.value}_failed",
                hint="Mend it there first; nothing was changed.",
            )

    def _checked(self, tree: TreeMap, label: str) -> GuardAnswer:
        """What guard and `same` say of a tree under the session's evaluator."""
        measured = self.ground.measured(tree)
        key = frozenset((path, measured.get(path)) for path in differing_paths(self.base, measured))
        if key not in self.answers:
            try:
                self.answers[key] = run_checks(
                    self.bench, measured, self._same, f"ship-{label}", self.caller.say
                )
            except (CandidateFailed, ProtectedTouched) as error:
                self.answers[key] = words.failed_answer(error)
        return self.answers[key]

    def _passes(self, tree: TreeMap, unit: Unit) -> bool:
        self.caller.say(f"does {unit.called} stand by itself")
        return self._checked(tree, f"{self._units.index(unit):04d}").failed is None

    # --- stacks ----------------------------------------------------------------------------

    def stacks(self, units: tuple[Unit, ...]) -> tuple[list[Stack], TreeMap]:
        """The stacks, and the tree that they make together."""
        undone = {unit.undone for unit in units} - {0}
        plain = tuple(unit for unit in units if not unit.undone and unit.number not in undone)
        stacker = self._stacker(plain)
        try:
            together = stacker.together()
        except AutoresearchError:
            if not undone:
                raise
            # What was taken back left its mark on later keeps: then it is shipped with them.
            stacker = self._stacker(units)
            together = stacker.together()
        try:
            stacks = stacker.linear() if self.wishes.one else stacker.stacks()
        except Unfit as unfit:
            found = self._checked(unfit.tree, "unfit")
            raise AutoresearchError(
                f"{unfit.unit.called} cannot be shipped: on all that came before it {found.text}",
                code="branch_failed",
                hint="`--without` leaves it out, `--one --squash` ships the last tree only. "
                f"Output: {found.output or 'none'}.",
            ) from unfit
        return stacks, together

    def _stacker(self, units: tuple[Unit, ...]) -> Stacker:
        self._units = units
        return Stacker(self.repo, self.base, units, self._passes)

    # --- branches --------------------------------------------------------------------------

    def branches(self, stacks: list[Stack]) -> list[list[Shipped]]:
        """The branches of all stacks, committed and raced; no ref leads to them yet."""
        prefix, made = self._free_prefix(), 0
        found = []
        for number, stack in enumerate(stacks, 1):
            below, base, tree = "", self.ground.base, self.base
            branches = []
            for units, after in self._steps(stack):
                made += 1
                name = f"{prefix}{made:02d}-{words.slug(units)}"
                self.caller.say(f"branch {made}: {units[0].title}")
                shipped = self._branch(name, below, base, units, (tree, after))
                self.facts[name] = self._facts_of(shipped, units, (number, len(stacks)))
                branches.append(shipped)
                below, base, tree = name, shipped.commit, after
            found.append(branches)
        return found

    def _steps(self, stack: Stack) -> list[tuple[tuple[Unit, ...], TreeMap]]:
        if self.wishes.squash:
            return [(stack.units, stack.trees[-1])]
        return [((unit,), tree) for unit, tree in zip(stack.units, stack.trees, strict=True)]

    def _free_prefix(self) -> str:
        """How the names of the branches begin: as no other ref's does."""
        taken = gitrefs.refs(self.repo, "refs/heads")
        number = 1
        while True:
            name = self.session.name + (f"-{number}" if number > 1 else "")
            prefix = f"refs/heads/ship/{name}/"
            blocked = {"refs/heads/ship", prefix.rstrip("/")} & taken.keys()
            if not blocked and not any(ref.startswith(prefix) for ref in taken):
                return prefix
            if "refs/heads/ship" in taken:
                raise AutoresearchError(
                    "a branch `ship` leaves no room for branches below it",
                    code="branch_exists",
                    hint="Rename it: `git branch -m ship NAME`.",
                )
            number += 1

    def _branch(
        self,
        name: str,
        below: str,
        base: str,
        units: tuple[Unit, ...],
        trees: tuple[TreeMap, TreeMap],
    ) -> Shipped:
        before, after = trees
        raced = self._raced(before, after, name) if self.wishes.race else None
        answer = self._checked(after, name.rsplit("/", 1)[-1])
        if answer.failed is not None:  # only a squashed stack whose last tree was never asked
            raise AutoresearchError(
                f"on {words.short(name)} {answer.text}", code=f"{answer.failed.value}_failed"
            )
        effect = None if raced is None else raced.decision.effect
        record: RaceRecord | None = None if raced is None else raced.record
        said = words.Said(units, below, base, effect, record)
        message = words.message(self.session, self.ground, said)
        commit = _committed(self.session, base, after, message)
        return Shipped(
            name=name,
            below=below,
            base=base,
            commit=commit.oid,
            tree=commit.tree,
            experiments=tuple(unit.number for unit in units if unit.number),
            guard=answer.guard,
            same=answer.same,
            effect=effect,
            race=record,
        )

    def _raced(self, before: TreeMap, after: TreeMap, name: str) -> Raced:
        session, own = self.session, self.ground.measured
        key = words.key_of(self.repo, self.ground, before, after)
        sample_s = session.progress.sample_s
        race = Race(self.bench, self.caller, key, sample_s, base="the branch's own base")
        told = f"the race of {words.short(name)}", f"the race of {words.short(name)}"
        race.resume(session, key, candidate=key, told=told)
        self.tapes.append(key)
        allowed = pairs_for(session.contract, sample_s)
        pairs = min(VALIDATION_PAIRS, max(FEWEST_PAIRS, allowed))
        try:
            return race_fixed(session, race, own(before), own(after), pairs)
        except (CandidateFailed, ProtectedTouched) as error:
            raise AutoresearchError(
                f"{words.short(name)} does not measure: {error.message}",
                code="branch_failed",
                hint="Nothing was changed; `--without` leaves it out.",
            ) from error

    def _facts_of(
        self, shipped: Shipped, units: tuple[Unit, ...], place: tuple[int, int]
    ) -> BranchFacts:
        change = gitdiff.difference(self.repo, shipped.base, shipped.commit)
        return words.facts(self.session, self.ground, shipped, units, change, place)


def _committed(session: Session, parent: str, tree: TreeMap, message: str) -> Commit:
    repo = session.repo
    before = session.tree(parent)
    changes = {path: tree.get(path) for path in differing_paths(before, tree)}
    return commit_changes(
        repo,
        parents=[parent],
        base=repo.tree_of(parent),
        changes=changes,
        message=message,
        sign=True,
    )


def _write_bodies(
    session: Session, shipment: Shipment, facts: dict[str, BranchFacts]
) -> dict[str, Path]:
    """Write the text of each branch's pull request into the state folder."""
    folder = session.places.state / "finalize"
    remove_tree(folder)
    folder.mkdir(mode=0o700)
    bodies = {}
    for branch in shipment.branches:
        path = folder / f"{branch.name.rsplit('/', 1)[-1]}.md"
        text = words.body(session, shipment, branch, facts[branch.name])
        atomic_write(path, text.encode("utf-8", "replace"), mode=0o600)
        bodies[branch.name] = path
    return bodies
