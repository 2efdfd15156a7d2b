"""`scan`: read, survey, time where asked, and keep the whole of it in a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.edges.files import atomic_write
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.places import places_for
from autoresearch.planning.scanning.record import survey_object
from autoresearch.planning.scanning.survey import survey
from autoresearch.planning.scanning.timing import time_tests
from autoresearch.planning.scanning.walking import read_project
from autoresearch.planning.stage import Theatre

if TYPE_CHECKING:
    from autoresearch.loop.measure import Randomness
    from autoresearch.planning.scanning.survey import Survey
    from autoresearch.planning.scanning.timing import Timed

SCANNED = ".scan"
"""Folder of the reports; no session can be called so."""


class Scanned(NamedTuple):
    """A scan that was made.

    Attributes:
        root: what paths are relative to.
        tracked: whether git told which files there are.
        survey: what was found.
        timed: the test command's run, None unless asked for.
        left_out: a sentence for each bound that was met.
        report: the file that holds all of it, None where none could be written.
    """

    root: Path
    tracked: bool
    survey: Survey
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
            run = time_tests(Theatre(repo, environ, randomness, say), reading.project, found)
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
