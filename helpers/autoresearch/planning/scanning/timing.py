"""`scan --time`: runs the first test command in a bench checkout and looks at the clock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.contract import parse
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.scope import compile_scope
from autoresearch.edges.environment import find_passed
from autoresearch.edges.files import remove_tree
from autoresearch.edges.lock import turn_to_measure
from autoresearch.loop.bench import Bench, BenchPlaces
from autoresearch.loop.reading import last_words
from autoresearch.planning.rehearsal import describe, find_missing
from autoresearch.planning.scanning.findings import Role
from autoresearch.planning.stage import (
    CHECKED,
    frozen_environment,
    opening_lock,
    session_places,
    stage,
)

if TYPE_CHECKING:
    from autoresearch.core.contract import Contract
    from autoresearch.planning.scanning.project import Project
    from autoresearch.planning.scanning.survey import Survey
    from autoresearch.planning.stage import Theatre

TIMEOUT = "10m"
GUARD_SLOT = 2


class Timed(NamedTuple):
    """One run of a test command.

    Attributes:
        command: as it was run.
        duration_s: elapsed seconds.
        passed: whether it ended with 0 in time.
        trouble: why not, and what it misses there; empty for a pass.
    """

    command: str
    duration_s: float
    passed: bool
    trouble: str


def time_tests(theatre: Theatre, project: Project, found: Survey) -> Timed:
    """Run the first guard of a survey once, on the commit that is checked out."""
    guards = found.of(Role.GUARD)
    if not guards:
        raise AutoresearchError(
            "no test command was found, so there is nothing to time",
            code="no_tests",
            hint="`autoresearch scan` without --time; name a guard yourself.",
        )
    commit = theatre.repo.resolve("HEAD")
    if commit is None:
        raise AutoresearchError(
            "the repository has no commit, but a bench checkout needs one",
            code="no_commit",
            hint="Run `git add` and `git commit` first, or scan without --time.",
        )
    contract = _contract(guards[0].value, project, found)
    places = session_places(theatre, CHECKED)
    with opening_lock(places, "scan"), stage(places) as folders:
        bench = Bench(
            places=BenchPlaces(
                cache=folders.bench,
                manifests=folders.manifests,
                output=folders.output,
                roots=places.roots,
            ),
            repo=theatre.repo,
            contract=contract,
            scope=compile_scope(contract.scope, contract.protect),
            frozen=frozen_environment(theatre.environ),
            passed=find_passed(theatre.environ, contract.pass_through),
        )
        with turn_to_measure(places.measure_lock, "scan", theatre.say):
            theatre.say(f"timing {clean_line(guards[0].value, 60)}")
            tree = theatre.repo.tree(commit)
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


def _contract(command: str, project: Project, found: Survey) -> Contract:
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
