"""`scan`: read a project, survey it, time its tests where asked, and keep the whole in a file.

Reading takes what git tracks, or walks where there is no repository. It is bounded in every
direction: files, bytes read, and seconds; what was left out is reported.
"""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from autoresearch.core.contract import Contract, parse
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.question import Randomness
from autoresearch.edges.clock import SYSTEM_CLOCK, Clock
from autoresearch.edges.files import atomic_write, remove_tree
from autoresearch.edges.gitrepo import GitRepo, to_text
from autoresearch.edges.lock import turn_to_measure
from autoresearch.edges.places import places_for
from autoresearch.loop.bench import last_words
from autoresearch.planning.remedies import describe, find_missing
from autoresearch.planning.scanning import paths
from autoresearch.planning.scanning.candidates import ProjectSurvey, Role, survey_object
from autoresearch.planning.scanning.outline import Project
from autoresearch.planning.scanning.survey import READS, survey
from autoresearch.planning.workspace import CHECKED, CheckContext, opening_lock, workspace

MAX_FILES = 500_000
MAX_TEXTS = 1_000
MAX_TEXT_BYTES = 128 * 1024
READ_SECONDS = 10.0
COMMITS = 500
HOT_FILES = 15
LINKABLE = ("node_modules", ".venv", "venv", "env", "vendor", "target", "build", ".tox", ".bundle")
SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", ".tox"})
TIMEOUT = "10m"
GUARD_SLOT = 2
SCANNED = ".scan"
"""Folder of the reports; no session can be called so."""


class Scanned(NamedTuple):
    """A scan that was made: a sentence for each bound that was met, and the file with all of it."""

    root: Path
    tracked: bool
    survey: ProjectSurvey
    timed: Timed | None
    left_out: tuple[str, ...]
    report: Path | None


def scan(
    folder: Path,
    environ: Mapping[str, str],
    randomness: Randomness,
    say: Callable[[str], None],
    *,
    timed: bool,
) -> Scanned:
    """Look at a project without running anything of it, unless `timed` asks for its tests."""
    say("reading")
    reading = read_project(folder)
    found = survey(reading.project)
    run = None
    if timed:
        with GitRepo.open(folder) as repo:
            run = time_tests(CheckContext(repo, environ, randomness, say), reading.project, found)
    scanned = Scanned(reading.root, reading.tracked, found, run, reading.left_out, None)
    report, trouble = _keep(scanned, environ)
    return scanned._replace(report=report, left_out=(*reading.left_out, *trouble))


def _keep(scanned: Scanned, environ: Mapping[str, str]) -> tuple[Path | None, tuple[str, ...]]:
    """Write the whole report to the cache; a read-only cache costs the report, not the answer."""
    places = places_for(environ, scanned.root, scanned.root / ".git", SCANNED)
    path = places.cache / "scan.json"
    content = json.dumps(survey_object(scanned.survey), indent=1).encode("utf-8", "replace")
    try:
        places.prepare()
        places.cache.mkdir(mode=0o700, exist_ok=True)
        atomic_write(path, content, mode=0o600)
    except AutoresearchError as error:
        return None, (f"the file with all of it ({error.message})",)
    return path, ()


class ProjectReading(NamedTuple):
    """A project, whether git told its files, and a sentence for each bound that was met."""

    root: Path
    project: Project
    tracked: bool
    left_out: tuple[str, ...]


def read_project(folder: Path, clock: Clock = SYSTEM_CLOCK) -> ProjectReading:
    """What lies below the repository's root, or below `folder` where there is no repository."""
    if not folder.is_dir():
        raise AutoresearchError(
            f"{clean_line(str(folder))} is not a folder",
            code="not_a_folder",
            hint="Name the folder of the project.",
        )
    start = clock.read().monotonic_s
    try:
        with GitRepo.open(folder) as repo:
            root, tracked = repo.toplevel, True
            listed = _tracked(repo)
            churn = _churn(repo)
    except AutoresearchError as error:
        if error.code != "no_repository":
            raise
        root, tracked, churn = folder, False, Counter[str]()
        listed = list(_walked(folder))
    left_out = []
    if len(listed) > MAX_FILES:
        left_out.append(f"{len(listed) - MAX_FILES} files beyond the first {MAX_FILES}")
    sizes = dict(_sizes(root, sorted(listed)[:MAX_FILES]))
    wanted = sorted((path for path in sizes if _is_wanted(path)), key=_importance)
    texts: dict[str, str] = {}
    for path in wanted[:MAX_TEXTS]:
        if clock.read().monotonic_s - start > READ_SECONDS:
            break
        texts[path] = _text(root / path)
    if len(texts) < len(wanted):
        left_out.append(f"the content of {len(wanted) - len(texts)} manifests, tests or benchmarks")
    hot = [(path, n) for path, n in churn.most_common() if path in sizes and paths.is_source(path)]
    project = Project(
        sizes=sizes,
        texts=texts,
        present=frozenset(name for name in LINKABLE if _is_ignored_folder(root, name, sizes)),
        churn=tuple(hot[:HOT_FILES]),
    )
    return ProjectReading(root=root, project=project, tracked=tracked, left_out=tuple(left_out))


def _is_wanted(path: str) -> bool:
    return not paths.is_foreign(path) and READS.search(path) is not None


def _importance(path: str) -> tuple[bool, int, str]:
    """Manifests before tests and benchmarks, those near the root first."""
    return (paths.is_test(path) or paths.is_bench(path), paths.depth_of(path), path)


def _tracked(repo: GitRepo) -> list[str]:
    names = to_text(repo.run("ls-files", "-z").out).split("\0")
    return list(dict.fromkeys(names[:-1]))


def _churn(repo: GitRepo) -> Counter[str]:
    """Commits that changed each path, of the latest ones; empty in a repository without any."""
    if repo.resolve("HEAD") is None:
        return Counter()
    command = ("log", f"-n{COMMITS}", "--no-merges", "--no-renames", "--name-only", "-z")
    out = to_text(repo.run(*command, "--format=", "--no-ext-diff").out)
    return Counter(name for name in out.replace("\n", "\0").split("\0") if name)


def _walked(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        below = os.path.relpath(place, folder)
        for name in files:
            yield name if below == "." else f"{below}/{name}"


def _sizes(root: Path, paths: Iterable[str]) -> Iterator[tuple[str, int]]:
    """The size of each plain file; links, submodules and what is gone are left out."""
    prefix = f"{root}/"
    for path in paths:
        try:
            found = os.stat(prefix + path, follow_symlinks=False)  # noqa: PTH116 - 100,000 times
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            yield path, found.st_size


def _text(path: Path) -> str:
    """The start of a file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_TEXT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _is_ignored_folder(root: Path, name: str, sizes: dict[str, int]) -> bool:
    return (root / name).is_dir() and not any(path.startswith(f"{name}/") for path in sizes)


class Timed(NamedTuple):
    """One run of a test command; why it failed and what it misses there, empty for a pass."""

    command: str
    duration_s: float
    passed: bool
    trouble: str


def time_tests(context: CheckContext, project: Project, found: ProjectSurvey) -> Timed:
    """Run the first guard of a survey once, on the commit that is checked out."""
    guards = found.of(Role.GUARD)
    if not guards:
        raise AutoresearchError(
            "no test command was found, so there is nothing to time",
            code="no_tests",
            hint="`autoresearch scan` without --time; name a guard yourself.",
        )
    commit = context.repo.resolve("HEAD")
    if commit is None:
        raise AutoresearchError(
            "the repository has no commit, but a bench checkout needs one",
            code="no_commit",
            hint="Run `git add` and `git commit` first, or scan without --time.",
        )
    contract = _contract(guards[0].value, project, found)
    places = context.places(CHECKED)
    with opening_lock(places, "scan"), workspace(places) as folders:
        bench = context.bench(contract, folders)
        with turn_to_measure(places.measure_lock, "scan", context.say):
            context.say(f"timing {clean_line(guards[0].value, 60)}")
            tree = context.repo.tree(commit)
            built = bench.bring(bench.slots[GUARD_SLOT], tree, label="scan")
            result, outcome = bench.command(built, guards[0].value, label="scan-tests")
        remove_tree(folders.bench)
        remove_tree(folders.manifests)
    trouble = ""
    if not result.passed:
        said = (outcome.stdout + b"\n" + outcome.stderr).decode("utf-8", "replace")
        ending = "timed out" if result.timed_out else f"exit code {result.exit_code}"
        advice = describe(find_missing(said), project.sizes, project.present)
        trouble = f"{ending}{last_words(outcome)}. {advice}".strip()
    return Timed(guards[0].value, result.duration_s, result.passed, trouble)


def _contract(command: str, project: Project, found: ProjectSurvey) -> Contract:
    """Just enough of a contract to run one command as a guard would run."""
    links = [one.value for one in found.of(Role.LINK) if one.value in project.present]
    pairs = [one.value.partition("=") for one in found.of(Role.ENV) if "=" in one.value]
    text = {
        "session": "scan",
        "goal": "time the tests",
        "metric": {"name": "test_s", "direction": "lower", "source": "wall"},
        "verify": command,
        "scope": ["**"],
        "link": links,
        "env": {name: value for name, _, value in pairs},
        "guard_timeout": TIMEOUT,
    }
    return parse(json.dumps(text))
