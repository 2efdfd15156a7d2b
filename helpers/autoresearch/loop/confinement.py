"""How the commands of a contract are confined: what they see, what is locked, what is recorded."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import cached_property
from pathlib import Path

from msgspec import Struct, field

from autoresearch.core.contract import Contract
from autoresearch.core.contract import Sandbox as Policy
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.scope import Mounts, Scope, lock_mounts
from autoresearch.core.snapshot import TreeMap
from autoresearch.edges import environment as toolchains
from autoresearch.edges.environment import Visible, below, find_visible, seen_in, wanted_paths
from autoresearch.edges.files import is_folder
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.sandbox import Confiner, Private, Rules, find_sandbox

MEMORY = "sandbox.json"
"""Remembers a probe that passed, for all sessions."""

SWITCHED_OFF = Confiner(None, "the contract says `sandbox: off`", "")

_RESOLVER = "/etc/resolv.conf"


class Purpose(Enum):
    """What a command is run for."""

    SETUP = "set-up: may use the network, and package managers' folders for what they download"
    BUILD = "build"
    MEASURE = "verify, guard, same or profile: the protected files are locked"
    HOLDOUT = "the same, and it alone sees what the holdout reads"


class Confinement(Struct, kw_only=True, dict=True):
    """The sandbox of one contract; nothing is looked for before it is asked.

    Attributes:
        offline: whether even set-up gets no network, and no folder for downloads.
    """

    contract: Contract
    scope: Scope
    repo: GitRepo
    roots: tuple[Path, Path]
    environment: Mapping[str, str]
    offline: bool = False
    mounts: list[tuple[TreeMap, Mounts]] = field(default_factory=list)

    @cached_property
    def found(self) -> Confiner:
        """What confines commands."""
        if self.contract.sandbox is Policy.OFF:
            return SWITCHED_OFF
        state, cache = self.roots
        found = find_sandbox(self.environment.get("PATH", ""), state / MEMORY, cache)
        if found.sandbox is None and self.contract.sandbox is Policy.REQUIRE:
            raise AutoresearchError(
                f"the contract requires a sandbox: {found.why}",
                code="no_sandbox",
                hint=found.remedy,
            )
        return found

    @property
    def name(self) -> str:
        """What records say was in force."""
        return f"{self.found.name}, overlay" if self._no_overlay == "" else self.found.name

    @property
    def in_force(self) -> str:
        """What is in force, in words; without a sandbox why, and what would change that."""
        found = self.found
        if found.sandbox is None:
            return f"none: {found.absence}"
        network = "the network open" if self.contract.network else "no network but loopback"
        why = self._no_overlay
        samples = f"compared and put back (no overlay: {why})" if why else "an overlay of its own"
        return (
            f"{found.name}: protected files read-only, home and repository hidden, {network}; "
            f"each sample's checkout: {samples}"
        )

    @property
    def _no_overlay(self) -> str | None:
        """Why samples write into the checkout itself; None where nothing confines them."""
        sandbox = self.found.sandbox
        if sandbox is None:
            return None
        return "`cache` has to stay" if self.contract.cache else sandbox.no_overlay

    @cached_property
    def shuts_out(self) -> bool:
        """Whether no command can change the repository, or the helper's own folders.

        A sandbox hides them, unless a folder for downloads lies above or, of git's, in one.
        """
        if self.found.sandbox is None:
            return False
        opened = [*toolchains.download_folders(self.environment), *_untold()]
        git = [self.repo.git_dir, self.repo.common_dir]
        private = map(str, (*self._private(), *git))
        return not below(private, map(Path, opened)) and not below(opened, git)

    def require_left(self, slot: Path) -> None:
        """Make sure that a checkout is still there, where no program can have removed it."""
        if self.shuts_out and not is_folder(slot):
            raise AutoresearchError(
                f"the checkout {slot} was removed while it was measured, by no program in it",
                code="checkout_gone",
                hint="Leave the cache folder alone meanwhile, and repeat the command.",
            )

    def lays_over(self, purpose: Purpose) -> bool:
        """Whether what a command writes into the checkout goes elsewhere."""
        return purpose in {Purpose.MEASURE, Purpose.HOLDOUT} and self._no_overlay == ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever plans a contract must be told aloud: a fallback to no sandbox."""
        if self.found.sandbox is None and self.contract.sandbox is Policy.AUTO:
            return (f"nothing confines the programs under test: {self.found.absence}",)
        return ()

    def gap(self) -> str:
        """Where these commands are not shut in as a whole, in words; empty for nowhere.

        Shut in: by a sandbox, without network, and with nothing of the home or of other hidden
        folders in sight because the contract names it. Says nothing of set-up: see `offline`.
        """
        contract = self.contract
        if self.found.sandbox is None:
            return f"no sandbox is in force: {self.found.why}"
        if contract.network:
            return "`network: true` opens the network to every command"
        opened = self._opened()
        return f"the contract opens {opened[0]}, which is hidden otherwise" if opened else ""

    def _opened(self) -> list[str]:
        """What of the hidden folders these commands see only because the contract names it."""
        contract = self.contract
        own = {*dict(contract.env), *contract.pass_through}
        named = {name: value for name, value in self.environment.items() if name in own}
        found = {name: value for name, value in self.environment.items() if name not in own}
        holdout = () if contract.holdout is None else contract.holdout.paths
        links = [str((self.repo.toplevel / link).resolve()) for link in contract.link]
        outside = [link for link in links if not below([link], [self.repo.toplevel])]
        usual = find_visible(self._private(), _homes(), wanted_paths(found, (), ()))
        wanted = [*wanted_paths(named, contract.commands, ()), *holdout, *outside]
        hidden = below(wanted, map(Path, usual.hidden))
        seen = below(hidden, map(Path, usual.readable))
        return [path for path in hidden if path not in seen]

    def _private(self) -> tuple[Path, ...]:
        return (self.repo.toplevel, self.repo.common_dir, *self.roots)

    def prefix(self, slot: Path, tree: TreeMap, own: Private, purpose: Purpose) -> list[str]:
        """The words before a command, which gets the folders `own`; none without a sandbox."""
        if self.found.sandbox is None:
            return []
        root = slot.resolve()
        # Set-up and build may write anywhere in the checkout; what they change of the tree is
        # found afterwards.
        preparing = purpose in {Purpose.SETUP, Purpose.BUILD}
        places = Mounts((), ()) if preparing else self._locking(tree)
        writable = [str(folder.resolve()) for folder in (own.home, own.tmp)]
        fetches = purpose is Purpose.SETUP and not self.offline
        if fetches:
            writable += [*toolchains.download_folders(self.environment), *_untold()]
        visible = self._seen_by_holdout if purpose is Purpose.HOLDOUT else self._seen_by_all
        rules = Rules(
            slot=root,
            pinned=tuple(f"{root}/{path}" for path in places.pinned),
            locked=tuple(f"{root}/{path}" for path in places.locked),
            kept=tuple(self._kept(root, places)),
            writable=tuple(writable),
            visible=visible,
            network=fetches or self.contract.network,
            scratch=() if self.found.sandbox.no_overlay else tuple(self._scratch(visible)),
            overlay=own.overlay,
        )
        return self.found.sandbox.prefix(rules)

    @property
    def withheld(self) -> frozenset[str]:
        """Variables of the frozen environment that do harm here, unset for every command."""
        sandbox = self.found.sandbox
        return (
            toolchains.USELESS_UNWRITTEN
            if sandbox is not None and sandbox.no_overlay
            else frozenset()
        )

    def _scratch(self, visible: Visible) -> list[str]:
        """Toolchains' folders that builds write to: they may, and nothing of it stays."""
        return seen_in(visible, [*toolchains.written_folders(self.environment), *_untold()])

    def _locking(self, tree: TreeMap) -> Mounts:
        """The places to lock; the two programs of a race hold files of the same names, mostly."""
        for known, places in self.mounts:
            if known is tree or _are_alike(known, tree):
                return places
        places = lock_mounts(tree, self.scope.covers)
        self.mounts.append((tree, places))
        return places

    def _kept(self, root: Path, places: Mounts) -> list[str]:
        """Caches inside locked folders, which have to be there to be laid over them."""
        kept = []
        for path in self.contract.cache:
            if any(path.startswith(f"{place}/") for place in places.locked):
                (root / path).mkdir(parents=True, exist_ok=True)
                kept.append(f"{root}/{path}")
        return kept

    @cached_property
    def _seen_by_all(self) -> Visible:
        """What all commands see but the holdout; what that one reads is hidden from them."""
        contract = self.contract
        paths = () if contract.holdout is None else contract.holdout.paths
        return self._seen(contract.commands, hidden=[Path(path) for path in paths], wanted=())

    @cached_property
    def _seen_by_holdout(self) -> Visible:
        """What the holdout sees."""
        holdout = self.contract.holdout
        if holdout is None:
            return self._seen_by_all
        return self._seen((holdout.command,), hidden=[], wanted=holdout.paths)

    def _seen(self, commands: Sequence[str], hidden: list[Path], wanted: Sequence[str]) -> Visible:
        links = [self.repo.toplevel / link for link in self.contract.link]
        private = (*self._private(), *hidden)
        named = wanted_paths(self.environment, commands, links)
        found = [*named, *_untold(), _RESOLVER, *wanted]
        return find_visible(private, _homes(), found)


def _are_alike(tree: TreeMap, other: TreeMap) -> bool:
    """Whether two trees differ in the content of files only."""
    return len(tree) == len(other) and all(
        path in tree and tree[path].mode == entry.mode for path, entry in other.items()
    )


def _untold() -> list[str]:
    """Libraries of toolchains that are told by no variable, where they are."""
    found = [(home / path).resolve() for home in _homes() for path in toolchains.UNTOLD]
    return [str(path) for path in dict.fromkeys(found) if path.is_dir()]


def _homes() -> list[Path]:
    """The user's home by the system's own account, and by the environment."""
    found = [os.environ.get("HOME", "")]
    with suppress(KeyError):  # a container may run as a number that nobody is called
        found.append(pwd.getpwuid(os.getuid()).pw_dir)
    return [Path(home) for home in found if home.startswith("/")]
