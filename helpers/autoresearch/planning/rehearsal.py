"""Tries a contract out in real bench checkouts, before anything of the repository changes.

`check` prints what comes out, `init` and `amend` build on it. What fails soonest is asked first:
one sample, `same`, the guard, the proof of self-measurement, and only then the calibration.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core.errors import GateFailed
from autoresearch.core.formatting import clean_line
from autoresearch.core.limits import advisory
from autoresearch.core.model import Arm, CommandResult, Reason, Sample
from autoresearch.core.noise import (
    calibration_runs,
    most_seconds,
    pairs_allowed,
    same_code_differences,
    smallest_visible,
)
from autoresearch.core.question import policy_of
from autoresearch.core.suspicion import count_tests
from autoresearch.core.wire import Finite  # noqa: TC001  (msgspec reads these types)
from autoresearch.loop.bench import (
    SAME_BYTES,
    CandidateFailed,
    ProtectedTouched,
    last_words,
    median_wall,
)
from autoresearch.loop.measure import SEED_BITS
from autoresearch.planning.findings import noise_of, warnings_about
from autoresearch.planning.fitness import scoped_paths
from autoresearch.planning.proof import (
    Leak,
    find_leaks,
    imports_of_scope,
    require_noticed,
    values_when_broken,
    warning_about,
)
from autoresearch.planning.proof import describe as leaks_in_words
from autoresearch.planning.screening import words_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoresearch.core.contract import Contract
    from autoresearch.core.question import Randomness
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.loop.bench import Bench, Built


MAX_NAMED = 3


class Missing(NamedTuple):
    """Something that a command looked for in vain.

    Attributes:
        kind: `Python module`, `program`, …
        name: as the command spelled it.
    """

    kind: str
    name: str


SAYINGS = (
    ("Python module", r"No module named '?([\w.]+)'?"),
    ("Node module", r"Cannot find (?:module|package) '([^']+)'"),
    ("program", r"(?:^|: )(?:\d+: |line \d+: )?([\w./+-]+): (?:command )?not found$"),
    ("program", r"No such file or directory \(os error 2\).*?`([\w./-]+)`"),
    ("Ruby library", r"cannot load such file -- (\S+)"),
    ("gem", r"Could not find (?:gem '|)([\w-]+)[^\n]* in (?:any of the sources|locally installed)"),
    ("Go package", r"no required module provides package (\S+?)[;:\s]"),
    ("Go module", r"^go: ([\w./-]+)@[^\n]*(?:dial tcp|module lookup disabled|cannot find)"),
    ("crate", r"no matching package named `([\w-]+)` found"),
    ("crate", r"can't find crate for `(\w+)`"),
    ("Maven artifact", r"Could not (?:find artifact|resolve dependencies for project) ([\w.:-]+)"),
    ("header", r"fatal error: ([\w./+-]+\.h(?:pp)?): No such file"),
    ("library", r"cannot find -l(\w+)"),
    ("file", r"FileNotFoundError: [^\n]*No such file or directory: '([^'\n]+)'"),
    ("file", r"ENOENT: no such file or directory, [a-z]+ '([^'\n]+)'"),
)


def find_missing(text: str) -> tuple[Missing, ...]:
    """What the output of a failed command complains of, each once, in order."""
    found = []
    for kind, pattern in SAYINGS:
        found += [
            (said.start(), Missing(kind, clean_line(said[1], 80)))
            for said in re.finditer(pattern, text, re.MULTILINE)
        ]
    return tuple(dict.fromkeys(missing for _, missing in sorted(found)))


REMEDIES = {
    "Ruby library": "`setup: bundle install --local`, or gems below the root named in `link`.",
    "gem": "`setup: bundle install --local`, or gems below the root named in `link`.",
    "Go package": "`env: {pass: [GOMODCACHE]}` with that variable set, or a committed `vendor`.",
    "Go module": "`env: {pass: [GOMODCACHE]}` with that variable set, or a committed `vendor`.",
    "crate": "`env: {pass: [CARGO_HOME]}` with that variable set, or a committed `vendor`.",
    "Maven artifact": "Name the local repository in the command: `-o -Dmaven.repo.local=…`.",
    "program": "Install it, name it by its path, or add its folder to PATH before `init`.",
    "file": "Commit it, let `setup` or `build` write it, or name its ignored folder in `link`.",
    "header": "Install it on this machine; `setup` may install it inside the checkout.",
    "library": "Install it on this machine; `setup` may install it inside the checkout.",
}


def remedy(missing: Missing, tracked: Collection[str], folders: Collection[str]) -> str:
    """What the contract lacks, in a sentence.

    Args:
        missing: what was not found.
        tracked: paths that git tracks.
        folders: folders at the root that git ignores.
    """
    if missing.kind == "Python module":
        return _python(missing.name, tracked, folders)
    if missing.kind == "Node module":
        return _node(missing.name, folders)
    return REMEDIES[missing.kind]


def _node(name: str, folders: Collection[str]) -> str:
    if name.startswith((".", "/")):
        return "A build writes this file: run it as `build`."
    if "node_modules" in folders:
        return "`link: [node_modules]` lets the bench read the installed packages."
    return "`setup: npm ci` installs it there, or install it here and `link: [node_modules]`."


def _python(name: str, tracked: Collection[str], folders: Collection[str]) -> str:
    top = name.partition(".")[0]
    for place in ("src", "lib", "python"):
        if any(path.startswith((f"{place}/{top}/", f"{place}/{top}.py")) for path in tracked):
            return f"It belongs to this project: `env: {{PYTHONPATH: {place}}}`."
    if any(path.startswith((f"{top}/", f"{top}.py")) for path in tracked):
        return "It belongs to this project: `env: {PYTHONPATH: .}`."
    for folder in (".venv", "venv", "env"):
        if folder in folders:
            return f"Call `{folder}/bin/python`, and add `link: [{folder}]`."
    return (
        "`setup: python3 -m venv .venv && .venv/bin/pip install …` and call `.venv/bin/python`, "
        "or install it for the python3 on PATH."
    )


def uncommitted(
    found: Collection[Missing], named: Collection[str], untracked: Collection[str]
) -> str:
    """What to do about a file that a command lacks because no commit holds it; or empty."""
    for path in untracked:
        name = path.rpartition("/")[2]
        modules = {path.removesuffix(".py").replace("/", "."), name.partition(".")[0]}
        wanted = {one.name.removeprefix("./") for one in found}
        if path in named or not wanted.isdisjoint({path, name, *modules}):
            folder = path.rpartition("/")[0]
            beside = [other for other in untracked if other.rpartition("/")[0] == folder]
            added = path if len(beside) == 1 or not folder else folder
            return (
                f"{path} exists but is not committed, and a bench checkout contains only "
                f"committed files: `git add {added}` and commit it, preferably on a separate "
                "branch."
            )
    return ""


def describe(found: tuple[Missing, ...], tracked: Collection[str], folders: Collection[str]) -> str:
    """What is missing and what to do about the first of it; empty where nothing was named."""
    if not found:
        return ""
    named = ", ".join(f"{one.kind} {one.name}" for one in found[:MAX_NAMED])
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return f"Missing there: {named}{more}. {remedy(found[0], tracked, folders)}"


FORBIDDEN = {
    "Read-only file system": (
        "In the sandbox, protected files and folders without files in scope are read-only: write "
        "to $TMPDIR or to the root, compile in `build`, or name the folder in `cache`."
    ),
    "Network is unreachable": (
        "The sandbox has no network: download in `setup`, or allow the network with `network: "
        "true`."
    ),
    "ame resolution": (
        "The sandbox has no network: download in `setup`, or allow the network with `network: "
        "true`."
    ),
}
"""What a command prints that the sandbox keeps from something, and the remedy."""

INSTALLED = ("node_modules", ".venv", "venv", "env")
"""Folders that hold what was installed, and that git usually ignores."""


def confined(bench: Bench, output: str) -> str:
    """What the sandbox forbade, by what the failed command printed, and the way around."""
    if not output or bench.confinement.found.sandbox is None:
        return ""
    said = (bench.places.output.parent / output).read_bytes().decode("utf-8", "replace")
    for sign, hint in FORBIDDEN.items():
        if sign in said:
            return hint
    return ""


def missing(bench: Bench, output: str) -> str:
    """What a failed command misses in the bench checkout, and the key that brings it there."""
    if not output:
        return ""
    said = (bench.places.output.parent / output).read_bytes().decode("utf-8", "replace")
    found = find_missing(said)
    left_out = uncommitted(found, words_named(bench.contract), _left_out(bench))
    if left_out:
        return clean_line(left_out, 400)
    root = bench.slots[0].root
    there = [str(path.relative_to(root)) for path in (*root.glob("*/*"), *root.glob("*/*/*"))]
    tops = [path.name for path in root.glob("*")]
    toplevel = bench.repo.toplevel
    folders = [name for name in INSTALLED if name not in tops and (toplevel / name).is_dir()]
    return describe(found, (*tops, *there), folders)


def _left_out(bench: Bench) -> list[str]:
    """What lies in the user's working tree, neither ignored nor in the checkout."""
    listed = bench.repo.run("ls-files", "-c", "-o", "--exclude-standard", "-z").out
    paths = listed.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return [path for path in paths if not (bench.slots[0].root / path).exists()]


def where(bench: Bench, output: str) -> str:
    """Where all that a command printed can be read."""
    return f"All of its output: {bench.places.output.parent / output}" if output else ""


Ready = TypeVar("Ready")

FULL_CALIBRATION = 8
CODES = {
    Reason.BUILD: "build_failed",
    Reason.VERIFY: "verify_failed",
    Reason.METRIC: "no_metric",
    Reason.TIMEOUT: "verify_timeout",
}


class Rehearsal(Struct, frozen=True, kw_only=True):
    """What a contract did in the bench.

    Attributes:
        files_in_scope: how many tracked files an experiment may change.
        samples: of the unchanged code, in the order run, warm-up left out.
        deterministic: whether the session starts on the exact path.
        sample_s: median elapsed seconds of a sample.
        noise_wall, noise_cpu, noise_metric: spread of one run against its neighbour, as a fraction
            (median of |log ratios| times 1.05 = one standard deviation of a run); None if unknown.
        smallest_gain: smallest gain that a race can be expected to see, on `scale` of the policy.
        pairs: N of a race.
        race_s: most seconds that one candidate's samples take.
        guard: the guard's run on the unchanged code, None without a guard.
        same_sha256: hash of what `same` printed, None without.
        sandbox: what confined the commands, as records say it.
        in_force: the same in words.
        warnings: findings that do not forbid the contract.
        holdout_s: elapsed seconds of one run of the holdout, None without.
        holdout_share: share of the keeps that it is asked of, 0 without.
        final_guard_s: elapsed seconds of the final guard, None without.
        guard_tests: how many tests the guard said it ran, None where it does not say.
    """

    files_in_scope: int
    samples: tuple[Sample, ...]
    deterministic: bool
    sample_s: Finite
    noise_wall: Finite | None
    noise_cpu: Finite | None
    noise_metric: Finite | None
    smallest_gain: Finite | None
    pairs: int
    race_s: Finite
    guard: CommandResult | None
    same_sha256: str | None
    sandbox: str
    in_force: str
    warnings: tuple[str, ...]
    holdout_s: Finite | None
    holdout_share: Finite
    guard_tests: int | None
    final_guard_s: Finite | None = None

    @property
    def guard_s(self) -> float | None:
        """Elapsed seconds of the guard, or None without one."""
        return None if self.guard is None else self.guard.duration_s

    def forecast_s(self, experiments: int) -> float:
        """Seconds that so many experiments take at most: races to their end, guards, holdouts."""
        holdout_s = self.holdout_share * most_seconds(self.holdout_s or 0.0, self.pairs)
        return experiments * (self.race_s + (self.guard_s or 0.0) + holdout_s)


def rehearse(
    bench: Bench, tree: TreeMap, randomness: Randomness, say: Callable[[str], None]
) -> Rehearsal:
    """Run verify, the guard, `same` and the proof of self-measurement on `tree`.

    Raises:
        GateFailed: codes scope_empty, scope_all, build_failed, verify_failed, verify_timeout,
            no_metric, guard_failed, final_guard_failed, same_failed, same_too_long, same_varies,
            touched, not_deterministic, not_measured; each names the cause and the remedy.
    """
    contract = bench.contract
    scoped = scoped_paths(contract, tree)
    say("bench checkout, set-up and build")
    built = _guarded(bench, lambda: bench.bring(bench.slots[0], tree, label="0000"))
    say("verify on the unchanged code")
    warm = _sample(bench, built, randomness)
    same, guard, final = None, None, None
    if contract.same or contract.guard or contract.final_guard:
        say("guard on the unchanged code")
        ground = _guarded(bench, lambda: bench.bring(bench.slots[2], tree, label="0000-guard"))
        same = _steady_same(bench, ground)
        guard = _passing_guard(bench, ground, contract.guard, name="guard")
        final = _passing_guard(bench, ground, contract.final_guard, name="final guard")
    holdout_s = _holdout_s(bench, built, randomness, say)
    imported = warning_about(imports_of_scope(bench, built, scoped, randomness))
    own = (imported,) if imported else ()
    say("proof that a checkout measures itself")
    broken = values_when_broken(bench, tree, scoped, randomness)
    say("calibration")
    samples = calibrate(bench, built, warm, randomness)
    require_noticed(bench, [sample.value for sample in samples], broken)
    tests = None if guard is None else count_tests(_printed(bench, guard))
    summary = _summary(bench, len(scoped), samples, guard, same)
    warnings = (*summary.warnings, *_holdout_warnings(bench), *own)
    final_s = None if final is None else final.duration_s
    return replace(
        summary, holdout_s=holdout_s, guard_tests=tests, final_guard_s=final_s, warnings=warnings
    )


def calibrate(
    bench: Bench, built: Built, warm: Sample, randomness: Randomness
) -> tuple[Sample, ...]:
    """2 to 8 samples of the unchanged code, as many as fit into four races; seeds differ.

    A metric that is declared deterministic takes one, which must repeat the first.
    """
    if bench.contract.metric.deterministic:
        again = _sample(bench, built, randomness)
        if again.value != warm.value:
            raise GateFailed(
                f"the metric is declared deterministic, but two samples of the same code printed "
                f"{warm.value} and {again.value}",
                code="not_deterministic",
                hint=(
                    "Remove `deterministic: true`, or make verify print the same value every time."
                ),
            )
        return (again,)
    runs = calibration_runs(warm.wall_s, seconds=bench.contract.race.seconds)
    return tuple(_sample(bench, built, randomness) for _ in range(runs))


def is_deterministic(contract: Contract, samples: tuple[Sample, ...]) -> bool:
    """Whether the exact path may be taken: declared, or a full calibration agreed."""
    if contract.metric.deterministic is not None:
        return contract.metric.deterministic
    return len(samples) >= FULL_CALIBRATION and len({sample.value for sample in samples}) == 1


def _sample(bench: Bench, built: Built, randomness: Randomness) -> Sample:
    seed = randomness.getrandbits(SEED_BITS)
    return _guarded(
        bench, lambda: bench.sample(built, Arm.INCUMBENT, seed=seed, label="0000-verify")
    )


def _holdout_s(
    bench: Bench, built: Built, randomness: Randomness, say: Callable[[str], None]
) -> float | None:
    """Elapsed seconds of one run of the holdout on the unchanged code; None without one."""
    holdout = bench.contract.holdout
    if holdout is None:
        return None
    say("holdout on the unchanged code")
    seed = randomness.getrandbits(SEED_BITS)
    try:
        sample = bench.sample(
            built, Arm.INCUMBENT, seed=seed, label="0000-holdout", holdout=holdout
        )
    except CandidateFailed as error:
        raise GateFailed(
            f"the holdout does not work in a bench checkout: {error.full}",
            code="holdout_failed",
            hint=f"It must print the same metric as verify. {where(bench, error.output)}".strip(),
        ) from error
    return sample.wall_s


def _holdout_warnings(bench: Bench) -> tuple[str, ...]:
    holdout = bench.contract.holdout
    why = "" if holdout is None else advisory(holdout, str(bench.repo.toplevel))
    return (f"the holdout is only advisory, because an agent can run it: {why}",) if why else ()


def _printed(bench: Bench, result: CommandResult) -> bytes:
    return (bench.places.output.parent / result.output).read_bytes()


def _guarded(bench: Bench, action: Callable[[], Ready]) -> Ready:
    try:
        return action()
    except CandidateFailed as error:
        what = "set-up or build" if error.reason is Reason.BUILD else "verify"
        leaks = _leaks(bench)
        if leaks:
            raise GateFailed(
                f"{what} fails where your working tree is hidden, because it depends on that "
                f"tree: {error.full}",
                code="not_measured",
                hint=leaks_in_words(leaks),
            ) from error
        hint = error.hint or confined(bench, error.output) or missing(bench, error.output)
        if not hint:
            hint = (
                "Run it in a fresh clone, and name what is missing there in `link`, `setup` or "
                "`env`."
            )
        if error.reason is Reason.TIMEOUT:
            hint = (
                "Give it less to do, raise `timeout`, or find out what it waits for: stdin is "
                "empty."
            )
        raise GateFailed(
            f"{what} does not work in a bench checkout: {error.full}",
            code=CODES[error.reason],
            hint=f"{hint} {where(bench, error.output)}".strip(),
        ) from error
    except ProtectedTouched as error:
        raise GateFailed(
            f"a command of the contract changes protected files: "
            f"{clean_line(', '.join(error.paths[:5]))}",
            code="touched",
            hint="Let it write to $TMPDIR or to an untracked path.",
        ) from error


def _leaks(bench: Bench) -> tuple[Leak, ...]:
    """What leads back to the user's tree, where that is hidden."""
    if bench.confinement.found.sandbox is None:
        return ()
    environment = dict((*bench.frozen, *bench.contract.env))
    return find_leaks(bench.repo.toplevel, bench.contract, environment)


def _passing_guard(
    bench: Bench, built: Built, guard: str | None, *, name: str
) -> CommandResult | None:
    if guard is None:
        return None
    label = f"0000-{name.replace(' ', '-')}"
    result, outcome = _guarded(bench, lambda: bench.command(built, guard, label=label))
    if not result.passed:
        raise GateFailed(
            f"the {name} fails on the unchanged code ({_ending(result)}{last_words(outcome)})",
            code=f"{name.replace(' ', '_')}_failed",
            hint=f"{missing(bench, result.output) or 'Mend it or choose another.'} "
            f"{where(bench, result.output)}",
        )
    return result


def _ending(result: CommandResult) -> str:
    return "timed out" if result.timed_out else f"exit code {result.exit_code}"


def _steady_same(bench: Bench, built: Built) -> str | None:
    """The hash of what `same` prints, twice."""
    same = bench.contract.same
    if same is None:
        return None
    printed = set()
    for _ in range(2):
        result, outcome = _guarded(bench, lambda: bench.command(built, same, label="0000-same"))
        if not result.passed:
            raise GateFailed(
                f"`same` fails on the unchanged code ({_ending(result)}{last_words(outcome)})",
                code="same_failed",
                hint=f"{missing(bench, result.output) or 'Let it exit with 0.'} "
                f"{where(bench, result.output)}",
            )
        if outcome.stdout_truncated:
            raise GateFailed(
                f"`same` prints {outcome.stdout_total} bytes; at most {SAME_BYTES} can be compared",
                code="same_too_long",
                hint="Let it print less, or a digest: `| sha256sum`.",
            )
        printed.add(hashlib.sha256(outcome.stdout).hexdigest())
    if len(printed) > 1:
        raise GateFailed(
            "`same` prints something different each time",
            code="same_varies",
            hint="Remove times, addresses and hash order from its output.",
        )
    return printed.pop()


def _summary(
    bench: Bench,
    files: int,
    samples: tuple[Sample, ...],
    guard: CommandResult | None,
    same: str | None,
) -> Rehearsal:
    contract, confinement = bench.contract, bench.confinement
    sample_s = median_wall(list(samples))
    rule = contract.race
    pairs = pairs_allowed(sample_s, seconds=rule.seconds, max_runs=rule.max_runs, pairs=rule.pairs)
    policy = policy_of(contract, pairs=pairs, alpha=rule.alpha)
    values = [sample.value for sample in samples]
    pool = same_code_differences(Arm.INCUMBENT.value * len(values), values, policy.scale)
    deterministic = is_deterministic(contract, samples)
    visible = smallest_visible(pool, pairs, policy.scale, policy.direction)
    return Rehearsal(
        files_in_scope=files,
        samples=samples,
        deterministic=deterministic,
        sample_s=sample_s,
        noise_wall=noise_of([sample.wall_s for sample in samples]),
        noise_cpu=noise_of([sample.cpu_s for sample in samples]),
        noise_metric=noise_of(values),
        smallest_gain=None if deterministic else visible,
        pairs=pairs,
        race_s=most_seconds(sample_s, 2 if deterministic else pairs),
        guard=guard,
        same_sha256=same,
        sandbox=confinement.name,
        in_force=confinement.in_force,
        warnings=(
            *confinement.warnings,
            *warnings_about(contract, samples, deterministic=deterministic),
        ),
        holdout_s=None,
        holdout_share=0.0 if contract.holdout is None else 1 / contract.holdout.every,
        guard_tests=None,
    )
