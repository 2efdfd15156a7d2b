"""Which kept commits need each other, and the stacks that they form on a base.

A commit is a change of some paths. It is laid over another tree by lines, three-way, as `git
cherry-pick` would; what collides needs what it collides with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.snapshot import Entry, TreeMap, with_changes
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.loop.settle import merge_change


class Unit(NamedTuple):
    """One change of the session's branch.

    Attributes:
        number: the experiment; 0 for what a human adopted or took back.
        title: what it does, in a line.
        old, new: what the paths that it changes held before and hold after; absent: no such file.
        undone: the experiment that it takes back, 0 for none.
    """

    number: int
    title: str
    commit: str
    old: TreeMap
    new: TreeMap
    undone: int = 0

    @property
    def paths(self) -> frozenset[str]:
        """The paths that it changes."""
        return frozenset((*self.old, *self.new))

    @property
    def called(self) -> str:
        """It in words."""
        return f"experiment {self.number}" if self.number else f"commit {self.commit[:12]}"


class Stack(NamedTuple):
    """Changes that need each other, in order, and the tree after each of them."""

    units: tuple[Unit, ...]
    trees: tuple[TreeMap, ...]


class Collision(NamedTuple):
    """A change that cannot be laid over a tree, and the paths in the way."""

    unit: Unit
    paths: tuple[str, ...]


class Unfit(Exception):
    """Raised when a change does not pass even on top of all that came before it: `tree`."""

    def __init__(self, unit: Unit, tree: TreeMap) -> None:
        super().__init__(unit.called)
        self.unit, self.tree = unit, tree


def laid_over(repo: GitRepo, tree: TreeMap, units: Sequence[Unit]) -> Stack | Collision:
    """The changes one after the other on a tree, or the first that collides."""
    trees = []
    for unit in units:
        merged = merge_change(repo, unit.old, unit.new, tree)
        if merged.conflicts:
            return Collision(unit, merged.conflicts)
        tree = with_changes(tree, merged.changes)
        trees.append(tree)
    return Stack(tuple(units), tuple(trees))


class Stacker:
    """Finds the stacks of some changes.

    Args:
        repo: where their blobs are.
        base: what the stacks stand on.
        units: the changes, in order; one after the other they can be laid over the base.
        passes: whether guard and `same` pass on a tree; asked once for each.
    """

    def __init__(
        self,
        repo: GitRepo,
        base: TreeMap,
        units: Sequence[Unit],
        passes: Callable[[TreeMap, Unit], bool],
    ) -> None:
        self.repo, self.base, self.units = repo, base, tuple(units)
        self._passes = passes
        self._paths = sorted(frozenset[str]().union(*(unit.paths for unit in units)))
        self._asked: dict[tuple[Entry | None, ...], bool] = {}
        self._group = dict(enumerate(range(len(units))))

    def together(self) -> TreeMap:
        """The tree of all changes on the base.

        Raises:
            AutoresearchError: `conflict` where the changes cannot be laid over it.
        """
        found = laid_over(self.repo, self.base, self.units)
        if isinstance(found, Collision):
            raise AutoresearchError(
                f"{found.unit.called} does not apply without what is left out or changed under "
                f"it: {clean_line(', '.join(found.paths[:5]))}",
                code="conflict",
                hint="Leave it out too (`--without N`), or keep what it builds on.",
            )
        return found.trees[-1] if found.trees else self.base

    def stacks(self) -> list[Stack]:
        """The stacks: as small as text, guard and `same` allow, together all of the changes.

        Raises:
            Unfit: a change does not pass on top of all that came before it.
        """
        whole = self.together()
        self._join_colliding()
        while True:
            stacks = self._laid()
            if stacks is not None and self._all_pass(stacks) and self._add_up(stacks, whole):
                return stacks

    def linear(self) -> list[Stack]:
        """All changes as one stack, checked likewise."""
        self.together()
        for index in range(len(self.units)):
            self._group[index] = 0
        stacks = self._laid() or []
        self._all_pass(stacks)
        return stacks

    # --- by lines --------------------------------------------------------------------------

    def _join_colliding(self) -> None:
        """Join each change with the later ones that cannot do without it."""
        before = self.base
        for index, left_out in enumerate(self.units):
            tree = before
            for later in range(index + 1, len(self.units)):
                unit = self.units[later]
                found = laid_over(self.repo, tree, [unit])
                if isinstance(found, Collision):
                    self._join(index, later)
                else:
                    tree = found.trees[0]
            step = laid_over(self.repo, before, [left_out])
            before = step.trees[0] if isinstance(step, Stack) else before

    def _laid(self) -> list[Stack] | None:
        """Every group on the base; None where one needs others and was joined with them."""
        stacks = []
        for members in self._members():
            found = laid_over(self.repo, self.base, [self.units[i] for i in members])
            if isinstance(found, Collision):
                self._join_sharing(members[0], frozenset(found.paths))
                return None
            stacks.append(found)
        return stacks

    def _add_up(self, stacks: Sequence[Stack], whole: TreeMap) -> bool:
        """Whether the stacks make the whole tree together; those that do not are joined."""
        tree: TreeMap = self.base
        for stack in stacks:
            found = laid_over(self.repo, tree, stack.units)
            if isinstance(found, Collision):
                self._join_sharing(self.units.index(found.unit), frozenset(found.paths))
                return False
            tree = found.trees[-1]
        wrong = frozenset(path for path in self._paths if tree.get(path) != whole.get(path))
        if wrong:
            first = next(i for i, unit in enumerate(self.units) if unit.paths & wrong)
            self._join_sharing(first, wrong)
        return not wrong

    def _join_sharing(self, index: int, paths: frozenset[str]) -> None:
        """Join a group with those that touch these paths; with all, where none other does."""
        before = dict(self._group)
        for other, unit in enumerate(self.units):
            if unit.paths & paths:
                self._join(index, other)
        if self._group == before:
            for other in range(len(self.units)):
                self._join(index, other)

    # --- by guard and `same` ---------------------------------------------------------------

    def _all_pass(self, stacks: Sequence[Stack]) -> bool:
        """Whether every tree passes; the group of the first that does not is joined with others."""
        for stack in stacks:
            for unit, tree in zip(stack.units, stack.trees, strict=True):
                if not self._pass(tree, unit):
                    self._join_needed(self.units.index(unit), tree)
                    return False
        return True

    def _pass(self, tree: TreeMap, unit: Unit) -> bool:
        key = tuple(tree.get(path) for path in self._paths)
        if key not in self._asked:
            self._asked[key] = self._passes(tree, unit)
        return self._asked[key]

    def _join_needed(self, index: int, tree: TreeMap) -> None:
        """Join what fails with the nearest earlier group that lets it pass, or with all."""
        own = self._group[index]
        others = [self._group[i] for i in range(index - 1, -1, -1) if self._group[i] != own]
        if not others:
            raise Unfit(self.units[index], tree)
        nearest = [self._group_member(other) for other in dict.fromkeys(others)]
        for near in nearest:
            joined = {own, self._group[near]}
            members = [i for i in range(index + 1) if self._group[i] in joined]
            found = laid_over(self.repo, self.base, [self.units[i] for i in members])
            if isinstance(found, Stack) and self._pass(found.trees[-1], self.units[index]):
                nearest = [near]
                break
        for near in nearest:
            self._join(index, near)

    # --- groups ----------------------------------------------------------------------------

    def _members(self) -> list[list[int]]:
        found: dict[int, list[int]] = {}
        for index in range(len(self.units)):
            found.setdefault(self._group[index], []).append(index)
        return list(found.values())

    def _group_member(self, group: int) -> int:
        return next(index for index, own in self._group.items() if own == group)

    def _join(self, one: int, other: int) -> None:
        kept, gone = sorted((self._group[one], self._group[other]))
        for index, group in self._group.items():
            if group == gone:
                self._group[index] = kept


def entries_of(tree: TreeMap, paths: Mapping[str, object] | frozenset[str]) -> dict[str, Entry]:
    """What a tree holds at these paths."""
    return {path: tree[path] for path in paths if path in tree}
