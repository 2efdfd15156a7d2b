"""The bench: two checkouts that race and a third for the guard.

They are written from blobs, hold no `.git`, and have paths of one length. Every command runs in
a private home and a private temporary folder, in the environment frozen by `init`, and what it
left behind is gone before the next one starts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from autoresearch.core.errors import AutoresearchError, MetricError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Arm, CommandResult, Reason, Sample
from autoresearch.edges.checkout import Layer, Slot
from autoresearch.edges.command import Limits, Outcome, run_command
from autoresearch.edges.environment import sample_environment
from autoresearch.edges.files import atomic_write
from autoresearch.edges.lock import note_running
from autoresearch.edges.places import RUN
from autoresearch.edges.processes import memory_limit
from autoresearch.edges.sandbox import private_folders
from autoresearch.loop.confinement import Confinement, Purpose
from autoresearch.loop.reading import ending, last_words, sample_of
from autoresearch.loop.setup import setup_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autoresearch.core.contract import Contract, Holdout
    from autoresearch.core.scope import Scope
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.edges.checkout import Touched
    from autoresearch.edges.gitrepo import GitRepo

SLOT_NAMES = ("a", "b", "g")
PREPARE_TIMEOUT_S = 3600.0
MAX_VOID = 20
OUTPUT_BYTES = 256 * 1024
"""Most of a command's output that is kept."""

SAME_BYTES = 8 * 1024 * 1024
"""As much of `same`, for it is compared whole."""


class CandidateFailed(AutoresearchError):
    """Raised when a program yields no sample: it does not build, fails, hangs, prints no metric.

    Attributes:
        message: without a word of what the program printed: an agent reads it.
        full: with its last words, for whoever plans a contract.
    """

    def __init__(
        self, reason: Reason, message: str, *, hint: str = "", output: str = "", full: str = ""
    ) -> None:
        super().__init__(message, code=f"candidate_{reason.value}", hint=hint)
        self.reason = reason
        self.output = output
        self.full = full or message


class ProtectedTouched(AutoresearchError):
    """Raised when something protected changed while a command ran."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        super().__init__(f"touched while it ran: {', '.join(paths[:5])}", code="touched")
        self.paths = paths


class RivalTouched(ProtectedTouched):
    """Raised when a program changed the checkout of the one it races against."""


class Built(NamedTuple):
    """A slot that holds a program, ready to be sampled."""

    slot: Slot
    tree: TreeMap


class BenchPlaces(Struct, frozen=True, kw_only=True):
    """Where the bench lives.

    Attributes:
        cache: its checkouts.
        manifests: what they were left as; with the state, for programs may reach the cache.
        output: captured output, beside the log.
        roots: the folders of all sessions, state and cache, which no command is to see.
    """

    cache: Path
    manifests: Path
    output: Path
    roots: tuple[Path, Path]


class Bench:
    """Runs commands of the contract on given trees.

    Args:
        places: folders, made when missing.
        repo: where the blobs come from.
        contract: commands, limits and links.
        scope: what an experiment may change.
        frozen: the environment fixed by `init`.
        passed: values of the variables that the contract lets through.

    Attributes:
        told: variables of the helper's own that every command gets from here on.
    """

    def __init__(
        self,
        *,
        places: BenchPlaces,
        repo: GitRepo,
        contract: Contract,
        scope: Scope,
        frozen: tuple[tuple[str, str], ...],
        passed: tuple[tuple[str, str], ...],
    ) -> None:
        self.places = places
        self.repo = repo
        self.contract = contract
        self.scope = scope
        self.frozen = frozen
        self.passed = passed
        self.told: dict[str, str] = {}
        self.void = 0
        self.confinement = Confinement(
            contract=contract,
            scope=scope,
            repo=repo,
            roots=places.roots,
            environment=dict((*frozen, *passed, *contract.env)),
        )
        self.memory_bytes = memory_limit()
        self._ran: Slot | None = None
        self._written: tuple[str, ...] | None = None
        self._unconfirmed: dict[Slot, None] = {}
        self.slots = tuple(self._slot(name) for name in SLOT_NAMES)

    def _slot(self, name: str) -> Slot:
        return Slot(
            self.places.cache / name,
            self.repo,
            manifest=self.places.manifests / f"{name}.manifest",
            cache=self.contract.cache,
            links={link: self.repo.toplevel / link for link in self.contract.link},
        )

    # --- preparing -------------------------------------------------------------------------

    def bring(self, slot: Slot, tree: TreeMap, *, label: str) -> Built:
        """Make `slot` hold exactly `tree`, set up and built.

        Raises:
            CandidateFailed: `setup` or `build` failed.
            ProtectedTouched: one of them changed a protected file.
        """
        built = Built(slot, tree)
        marker = self.places.manifests / f"{slot.root.name}.setup"
        key = setup_key(self.contract, self.scope, tree) if self.contract.setup else ""
        if self.contract.setup and _read(marker) not in {key, f"{key} nothing"}:
            slot.clear()
        brought = slot.bring(tree)
        if self.contract.setup and not brought.has_setup and _read(marker) != f"{key} nothing":
            self._prepare(built, self.contract.setup, Layer.SETUP, f"{label}-setup")
            nothing = "" if slot.bring(tree).has_setup else " nothing"
            atomic_write(marker, f"{key}{nothing}".encode("ascii"))
        if self.contract.build:
            self._prepare(built, self.contract.build, Layer.BUILD, f"{label}-build")
        return built

    def _prepare(self, built: Built, command: str, layer: Layer, label: str) -> None:
        purpose = Purpose.SETUP if layer is Layer.SETUP else Purpose.BUILD
        outcome = self.run(built, command, timeout_s=PREPARE_TIMEOUT_S, purpose=purpose)
        changed = built.slot.seal(layer).changed
        touched = self._protected(changed)
        if touched:
            raise ProtectedTouched(touched)
        problem, words = "", ""
        if outcome.exit_code or outcome.timed_out:
            problem, words = ending(outcome), last_words(outcome)
        elif changed:
            # They were put back, so what was built from or into them is not what would be sampled.
            problem = f"changed tracked files: {clean_line(', '.join(changed[:5]))}"
        if problem:
            kept = self.keep_output(label, outcome)
            message = f"`{clean_line(command, 120)}` {problem}"
            raise CandidateFailed(
                Reason.BUILD,
                message,
                output=kept,
                full=message + words,
                hint="Outputs of a build must not be tracked by git." if changed else "",
            )

    def _protected(self, paths: Iterable[str]) -> tuple[str, ...]:
        return tuple(path for path in paths if not self.scope.covers(path))

    # --- running ---------------------------------------------------------------------------

    def sample(
        self,
        built: Built,
        arm: Arm,
        *,
        seed: int,
        label: str,
        holdout: Holdout | None = None,
        more: bool = False,
    ) -> Sample:
        """One execution of verify, or of the holdout where it is given.

        A sample during which the machine slept or its clock jumped is thrown away and taken again.
        With `more` to come, the caller has to ask `confirm` before it believes any of them.

        Raises:
            CandidateFailed: it failed, timed out, or printed no trustworthy metric.
            ProtectedTouched: a protected file of the checkout changed while it ran.
            RivalTouched: the program that ran before, in another slot, changed this checkout.
            SessionBroken: too many samples were void.
        """
        if self._ran is not None:
            self._require_untouched(built, label)
        command, timeout_s = self.contract.verify, self.contract.timeout_s
        purpose = Purpose.MEASURE
        if holdout is not None:
            command, purpose = holdout.command, Purpose.HOLDOUT
        while True:
            outcome = self.run(built, command, timeout_s=timeout_s, seed=seed, purpose=purpose)
            self._tidy(built, label, more=more)
            if not outcome.void:
                return self.read(outcome, arm, label, unseen=holdout is not None)
            self.void += 1
            if self.void > MAX_VOID:
                raise SessionBroken(
                    f"the clock jumped or the machine slept in {self.void} samples",
                    code="clock",
                    hint="Keep the machine awake and its clock steady, then try again.",
                )

    def command(self, built: Built, command: str, *, label: str) -> tuple[CommandResult, Outcome]:
        """Run the guard, `same` or a profiler on a program; its output goes to a file.

        Raises:
            ProtectedTouched: a protected file of the checkout changed while it ran.
        """
        most = SAME_BYTES if command == self.contract.same else OUTPUT_BYTES
        outcome = self.run(
            built, command, timeout_s=self.contract.guard_timeout_s, output_bytes=most
        )
        self._tidy(built, label)
        result = CommandResult(
            exit_code=outcome.exit_code,
            duration_s=outcome.wall_s,
            timed_out=outcome.timed_out,
            output=self.keep_output(label, outcome),
        )
        return result, outcome

    def _require_untouched(self, built: Built, label: str) -> None:
        """Make sure that the rival, which ran since, left this checkout alone."""
        if self._ran is built.slot:
            return
        touched = self._restored(built.slot)
        found = (*touched.changed, *touched.removed, *touched.broken)
        if touched.layer_broken:
            self.bring(built.slot, built.tree, label=label)
        if found:
            name = built.slot.root.name
            raise RivalTouched(tuple(f"../{name}/{path}" for path in found))

    def _restored(self, slot: Slot) -> Touched:
        self.confinement.require_left(slot.root)
        return slot.restore()

    def _tidy(self, built: Built, label: str, *, more: bool = False) -> None:
        """Bring the checkout back to what was sealed; build again what cannot be restored.

        What was written over it is gone already: then the checkout was only to be left alone.
        """
        if self._written is not None:
            self._unconfirmed[built.slot] = None
            touched = self._protected(self._written)
            if touched:
                raise ProtectedTouched(touched)
            if not more:
                self.confirm()
            return
        found = self._restored(built.slot)
        protected = self._protected(found.changed)
        if protected:
            raise ProtectedTouched(protected)
        if found.layer_broken:
            self.bring(built.slot, built.tree, label=label)

    def confirm(self) -> None:
        """Make sure that checkouts which only overlays were written to are as they were brought.

        Raises:
            ProtectedTouched: something outside the samples changed one.
        """
        slots, self._unconfirmed = list(self._unconfirmed), {}
        for slot in slots:
            found = self._restored(slot)
            paths = (*found.changed, *found.removed, *found.broken)
            if paths:
                raise ProtectedTouched(tuple(f"../{slot.root.name}/{path}" for path in paths))

    def run(
        self,
        built: Built,
        command: str,
        *,
        timeout_s: float,
        seed: int | None = None,
        output_bytes: int = OUTPUT_BYTES,
        purpose: Purpose = Purpose.MEASURE,
    ) -> Outcome:
        """Run a command in a slot as it is, and leave what it did there.

        Raises:
            AutoresearchError: `no_sandbox`, `sandbox_failed`, `checkout_gone`.
        """
        over = self.confinement.lays_over(purpose)
        self._ran, self._written = None if over else built.slot, None
        with private_folders(self.places.cache / RUN, overlay=over) as own:
            withheld = self.confinement.withheld
            environment = sample_environment(
                [(name, value) for name, value in self.frozen if name not in withheld],
                self.contract.env,
                self.passed,
                home=own.home,
                tmp=own.tmp,
                seed=seed,
                time_budget_s=self.contract.time_budget_s,
            )
            environment.update(self.told)
            limits = Limits(
                timeout_s=timeout_s, output_bytes=output_bytes, memory_bytes=self.memory_bytes
            )
            root, note = built.slot.root, partial(note_running, self.places.output.parent)
            prefix = self.confinement.prefix(root, built.tree, own, purpose)
            self.confinement.require_left(root)
            outcome = run_command(
                command, cwd=root, env=environment, limits=limits, prefix=prefix, started=note
            )
            self.confinement.require_left(root)  # or the program fails for want of its files
            if own.overlay is not None:
                self._written = built.slot.replaced_by(own.overlay)
        return outcome

    def read(self, outcome: Outcome, arm: Arm, label: str, *, unseen: bool = False) -> Sample:
        """The sample that a run of verify yielded; raises CandidateFailed when it is none.

        Of the holdout (`unseen`) the metric alone is read.
        """
        contract = self.contract
        hint = ""
        if outcome.timed_out or outcome.exit_code:
            reason = Reason.TIMEOUT if outcome.timed_out else Reason.VERIFY
            message = f"verify {ending(outcome)}"
            full = message + last_words(outcome)
        else:
            try:
                measured = () if unseen else contract.secondary
                return sample_of(contract, measured, outcome, arm)
            except MetricError as error:
                reason, message, hint = Reason.METRIC, error.plain, error.hint
                full = error.message
        kept = self.keep_output(f"{label}-{contract.metric.name}", outcome)
        raise CandidateFailed(reason, message, hint=hint, output=kept, full=full)

    def keep_output(self, label: str, outcome: Outcome) -> str:
        """Write what a command printed to a file; its name below the state folder."""
        self.places.output.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.places.output / f"{label}.txt"
        parts = [
            f"exit {outcome.exit_code}, {outcome.wall_s:.3f} s\n--- stdout\n".encode(),
            outcome.stdout,
            b"\n--- stderr\n",
            outcome.stderr,
        ]
        atomic_write(path, b"".join(parts), mode=0o600)
        return f"{self.places.output.name}/{path.name}"


def _read(path: Path) -> str:
    return path.read_text("ascii") if path.exists() else ""
