"""The bench: two checkouts that race and a third for the guard.

They are written from blobs and hold no `.git`. Every command runs at one path, whatever checkout it
is for, in a private home and a private temporary folder, in the environment frozen by `init`, and
what it left behind is gone before the next one starts. Programs that need neither set-up nor build
nor caches even share one checkout, in which only the files differ that they differ in.
"""

from __future__ import annotations

import hashlib
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core.contract import Contract, Holdout, Metric, Secondary
from autoresearch.core.errors import AutoresearchError, MetricError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.core.metrics import (
    read_checksums,
    read_metrics,
    read_secondary,
    read_units,
    require_units,
)
from autoresearch.core.model import Arm, CommandResult, Reason, Sample, Source
from autoresearch.core.scope import Scope, compile_scope
from autoresearch.core.snapshot import TreeMap
from autoresearch.edges.caches import Caches
from autoresearch.edges.checkout import Layer, Slot, Stage, Touched
from autoresearch.edges.command import Limits, Outcome, run_command
from autoresearch.edges.environment import find_passed, sample_environment
from autoresearch.edges.files import atomic_write
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.lock import note_running
from autoresearch.edges.places import CHECKOUT, RUN, SLOTS, Places
from autoresearch.edges.processes import memory_limit
from autoresearch.edges.sandbox import private_folders
from autoresearch.loop.confinement import Confinement, Purpose

SECONDS_PER_UNIT = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
"""Units in which a time measured by the helper can be stated."""


def sample_of(
    contract: Contract, secondary: Sequence[Secondary], outcome: Outcome, arm: Arm
) -> Sample:
    """The metric and these secondary metrics of a run of verify that succeeded."""
    metric = contract.metric
    printed = [(m.name, m.pattern) for m in secondary if m.source is Source.OUTPUT]
    if metric.source is Source.OUTPUT:
        reading = read_metrics(
            outcome.stdout,
            truncated=outcome.stdout_truncated,
            primary=metric.name,
            pattern=metric.pattern,
            secondary=printed,
        )
        values = {metric.name: reading.value, **dict(reading.secondary)}
    else:
        values = dict(
            read_secondary(outcome.stdout, truncated=outcome.stdout_truncated, secondary=printed)
        )
    measured: tuple[Metric | Secondary, ...] = (metric, *secondary)
    for own in measured:
        if own.source is not Source.OUTPUT:
            seconds = outcome.cpu_s if own.source is Source.CPU else outcome.wall_s
            values[own.name] = seconds / SECONDS_PER_UNIT[own.unit]
    return Sample(
        arm=arm,
        value=values[metric.name],
        wall_s=outcome.wall_s,
        cpu_s=outcome.cpu_s,
        secondary=tuple((m.name, values[m.name]) for m in secondary),
        checksums=read_checksums(outcome.stdout),
        units=read_units(outcome.stdout, [(m.name, m.pattern) for m in measured]),
        held_back=outcome.held_back,
    )


def ending(outcome: Outcome) -> str:
    """How a command failed, in words that stand behind its name."""
    if outcome.out_of_memory:
        return "was ended: it took more memory than this machine has to give"
    if outcome.timed_out:
        return f"was ended after {outcome.wall_s:.3g} s"
    return f"failed with exit code {outcome.exit_code}"


def last_words(outcome: Outcome) -> str:
    """The last line that a failed command printed, quoted and cleaned; empty without any."""
    said = (outcome.stderr.strip() or outcome.stdout.strip()).decode("utf-8", "replace")
    lines = [line for line in said.splitlines() if line.strip()]
    telling = [line for line in lines[-_LAST_LINES:] if not _TRAILER.match(line)] or lines
    return f', its last words: "{_both_ends(clean_line(telling[-1], 4096))}"' if lines else ""


_LAST_LINES = 40
_TRAILER = re.compile(
    r"\s+at \S|\s*[{}\])]+,?;?\s*$|\s+(?:code|errno|syscall|path|requireStack|spawnargs): "
    r"|\s+['\"]/|Require stack:|- /|Node\.js v\d|note: (?:run with|Some details)|stack backtrace:"
    r"|npm (?:ERR!|error) (?:A complete log|\s*/)|make(?:\[\d+\])?: (?:\*\*\*|Leaving)"
    r"|(?:error: Recipe|error Command failed|info Visit|exit status \d| ELIFECYCLE)"
)
"""What a runtime or a caller prints behind the message that matters."""


def _both_ends(line: str, most: int = 240) -> str:
    """A long line without its middle: paths end, and errors begin, with what matters."""
    half = most // 2
    return line if len(line) <= most else f"{line[:half]} … {line[-half:]}"


def median_wall(samples: list[Sample]) -> float:
    """Median elapsed seconds of samples (at least one)."""
    return statistics.median(sample.wall_s for sample in samples)


SETUP_INPUTS = frozenset(
    {
        "Cargo.lock", "Cargo.toml", "Gemfile", "Gemfile.lock", "build.gradle", "go.mod", "go.sum",
        "package-lock.json", "package.json", "pnpm-lock.yaml", "poetry.lock", "pom.xml",
        "pyproject.toml", "requirements.txt", "setup.cfg", "setup.py", "uv.lock", "yarn.lock",
    }
)  # fmt: skip
"""Files that say what is installed: a change of one runs `setup` again."""


def setup_key(contract: Contract, scope: Scope, tree: TreeMap) -> str:
    """A hash of command, environment, and the files that say what is installed."""
    digest = hashlib.sha256(repr((contract.setup, contract.env)).encode())
    for path, entry in sorted(tree.items()):
        if path.rsplit("/", 1)[-1] in SETUP_INPUTS or not scope.covers(path):
            digest.update(repr((path, entry)).encode())
    return digest.hexdigest()


SLOT_NAMES = ("a", "b", "g")
PREPARE_TIMEOUT_S = 3600.0
MAX_VOID = 20
OUTPUT_BYTES = 256 * 1024
"""Most of a command's output that is kept."""

SAME_BYTES = 8 * 1024 * 1024
"""As much of `same`, for it is compared whole."""


STOPPED = "a process of the benchmark, which was stopped meanwhile"


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


def broken(what: str, error: CandidateFailed | ProtectedTouched, base: str) -> SessionBroken:
    """The error for a failure that is no candidate's fault: no verdict can be given."""
    output = error.output if isinstance(error, CandidateFailed) else ""
    return SessionBroken(
        f"{what} of {base} fails: {error.message}" + (f" ({output})" if output else ""),
        code="benchmark_broken",
        hint="Mend what it needs on this machine, then repeat the command; the edit is untouched.",
    )


@contextmanager
def must_hold(what: str, base: str = "the incumbent itself") -> Iterator[None]:
    """What fails in this block is no candidate's fault: it becomes a SessionBroken."""
    try:
        yield
    except (CandidateFailed, ProtectedTouched) as error:
        raise broken(what, error, base) from error


class Built(NamedTuple):
    """A slot that holds a program, ready to be sampled."""

    slot: Slot
    tree: TreeMap


class BenchPlaces(Struct, frozen=True, kw_only=True):
    """Where the bench lives.

    Attributes:
        manifests: what the checkouts in `cache` were left as; programs may reach the cache.
        roots: the folders of all sessions, state and cache, which no command is to see.
    """

    cache: Path
    manifests: Path
    output: Path
    roots: tuple[Path, Path]


class Bench:
    """Runs commands of the contract on given trees.

    Attributes:
        told: variables of the helper's own that every command gets from here on.
        caches: the contract's cache folders.
        units: of what patterns find, as they were first seen.
    """

    def __init__(
        self,
        *,
        places: Places | BenchPlaces,
        repo: GitRepo,
        contract: Contract,
        frozen: tuple[tuple[str, str], ...],
        environ: Mapping[str, str],
    ) -> None:
        self.places = places
        self.repo = repo
        self.contract = contract
        self.scope = compile_scope(contract.scope, contract.protect)
        self.frozen = frozen
        self.environ = environ
        self.passed = find_passed(environ, contract.pass_through)
        self.told: dict[str, str] = {}
        self.caches = Caches(contract, places.cache / "cached", places.manifests)
        self.units: dict[str, str] = {}
        self.void = 0
        self.confinement = Confinement(
            contract=contract,
            scope=self.scope,
            repo=repo,
            roots=places.roots,
            environment=dict((*frozen, *self.passed, *contract.env)),
        )
        self.memory_bytes = memory_limit()
        self._ran: Slot | None = None
        self._written: tuple[str, ...] | None = None
        self._unconfirmed: dict[Slot, None] = {}
        self.slots = tuple(self._slot(name) for name in SLOT_NAMES)
        self.stage = Stage(places.cache / CHECKOUT, places.manifests / CHECKOUT, self.slots)

    @property
    def shares(self) -> bool:
        """Whether both programs of a race share a checkout: nothing but their files belongs to it.

        Then not even its inodes, the times of its files or its blocks on the disk differ.
        """
        return not (self.contract.setup or self.contract.build or self.contract.cache)

    def racing(self, *, swapped: bool) -> tuple[Slot, Slot]:
        """The slots of incumbent and candidate: one where they share it, else as a coin says."""
        first, second, _ = self.slots
        if self.shares:
            return first, first
        return (second, first) if swapped else (first, second)

    def _slot(self, name: str) -> Slot:
        return Slot(
            self.places.cache / SLOTS / name,
            self.repo,
            manifest=self.places.manifests / f"{name}.manifest",
            cache=self.contract.cache,
            links={link: self.repo.toplevel / link for link in self.contract.link},
        )

    # --- preparing -------------------------------------------------------------------------

    def bring(self, slot: Slot, tree: TreeMap, *, label: str) -> Built:
        """Make `slot` hold exactly `tree`, set up and built.

        Args:
            slot: one of ours.
            tree: what it is to hold.
            label: names captured output.

        Raises:
            CandidateFailed: `setup` or `build` failed.
            ProtectedTouched: one of them changed a protected file.
        """
        self.stage.take(slot)
        built = Built(slot, tree)
        marker = self.places.manifests / f"{slot.name}.setup"
        key = setup_key(self.contract, self.scope, tree) if self.contract.setup else ""
        stale = self.contract.setup and _read(marker) not in {key, f"{key} nothing"}
        if stale or self.caches.is_outdated(slot):
            slot.clear()
        brought = slot.bring(tree)
        if self.contract.setup and not brought.has_setup and _read(marker) != f"{key} nothing":
            self._prepare(built, self.contract.setup, Layer.SETUP, f"{label}-setup")
            nothing = "" if slot.bring(tree).has_setup else " nothing"
            atomic_write(marker, f"{key}{nothing}".encode("ascii"))
        self.caches.take(slot, tree, lambda base: self._fill_caches(Built(slot, base), tree))
        if self.contract.build:
            self._prepare(built, self.contract.build, Layer.BUILD, f"{label}-build")
        self.caches.seal(slot)
        return built

    def _fill_caches(self, base: Built, then: TreeMap) -> None:
        """Let the epoch's own code leave what it leaves: its build, or else one run of verify."""
        label, contract = "cache", self.contract
        with must_hold("set-up, build or verify", "the epoch's own code"):
            base.slot.bring(base.tree)
            if contract.build:
                self._prepare(base, contract.build, Layer.BUILD, label)
            else:
                self.run(base, contract.verify, timeout_s=contract.timeout_s)
                self._restored(base.slot)
            base.slot.bring(then)

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
            if outcome.stopped:
                charged = RivalTouched if arm is Arm.INCUMBENT else ProtectedTouched
                raise charged((STOPPED,))
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
        """Make sure that the rival, which ran since, left this checkout alone.

        A sandbox shuts the rival out, but no process that an agent left running outside it.
        """
        if self._ran is built.slot:
            return
        touched = self._restored(built.slot)
        found = (*touched.changed, *touched.removed, *touched.broken)
        if touched.layer_broken:
            self.bring(built.slot, built.tree, label=label)
        if found:
            raise RivalTouched(tuple(f"../{built.slot.name}/{path}" for path in found))

    def _restored(self, slot: Slot) -> Touched:
        self.confinement.require_left(slot.root)
        return slot.restore()

    def _tidy(self, built: Built, label: str, *, more: bool = False) -> None:
        """Bring the checkout back to what was sealed; build again what cannot be restored.

        An overlay has discarded what was written: then it only remains to confirm that the checkout
        itself was left alone.
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
        self.caches.restore(built.slot)
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
                raise ProtectedTouched(tuple(f"../{slot.name}/{path}" for path in paths))

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
            RivalTouched: the checkout that two programs share was changed from outside.
        """
        over = self.confinement.lays_over(purpose)
        self._take_place(built, over=over)
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

    def _take_place(self, built: Built, *, over: bool) -> None:
        """Let the program lie where all run; one that shares its checkout takes it over."""
        self.stage.take(built.slot)
        if built.slot.tree is not built.tree:
            self.confinement.require_left(built.slot.root)
            touched = built.slot.switch(built.tree, wait=not over)
            if touched:
                raise RivalTouched(tuple(f"../{built.slot.name}/{path}" for path in touched))

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
                sample = sample_of(contract, measured, outcome, arm)
                require_units(sample.units, self.units)
            except MetricError as error:
                reason, message, hint = Reason.METRIC, error.plain, error.hint
                full = error.message
            else:
                return sample
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
