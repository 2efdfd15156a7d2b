"""Going on where another tool stopped: a draft of the contract, and its ideas as foreign knowledge.

Foreign verdicts were measured otherwise, so they refuse nothing. They are told: as dead ends and
lessons in the brief, and beside an experiment that repeats one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Direction, NoteKind
from autoresearch.edges import gitdiff
from autoresearch.importing.foreign import KEPT, ForeignExperiment, ForeignStatus, Segment
from autoresearch.importing.repository import declared_scope
from autoresearch.loop import logbook
from autoresearch.loop.candidate import foreign_changes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autoresearch.importing.foreign import Entry
    from autoresearch.loop.session import Session

MOST_DEAD_ENDS = 60
MOST_LESSONS = 20
MOST_COMMITS = 2000
WIDTH = 160
MEASURE = (".auto/measure.sh", "autoresearch.sh", "benchmark.sh", "bench.sh")
CHECKS = (".auto/checks.sh", "autoresearch.checks.sh")


def draft(folder: Path, segment: Segment, source: str) -> str:
    """A contract proposed from a log and from the scripts beside it, as YAML with comments."""
    verify = next((name for name in MEASURE if (folder / name).is_file()), "")
    checks = next((name for name in CHECKS if (folder / name).is_file()), "")
    scope = declared_scope(folder)
    direction = segment.direction or Direction.LOWER
    metric: dict[str, str] = {"name": segment.metric, "direction": direction.value}
    if segment.unit:
        metric["unit"] = segment.unit
    value: dict[str, object] = {
        "session": "continued",
        "goal": clean_line(segment.goal, WIDTH) or f"Better {segment.metric}",
        "metric": metric,
        **({"verify": f"bash {verify}"} if verify else {}),
        **({"guard": f"bash {checks}"} if checks else {}),
        **({"scope": list(scope)} if scope else {}),
    }
    head = [
        f"# Proposed from {source}: check every line before `autoresearch check`.",
        f"# direction: {segment.told_by or 'unknown, lower is a guess'}",
        *([] if verify else ["# verify is missing: name the command that prints the metric"]),
        *(
            []
            if checks
            else ["# guard is missing: name the command that proves that it still works"]
        ),
        *([] if scope else ["# scope is missing: name the files that may change"]),
    ]
    return "\n".join(head) + "\n" + yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def take_over(session: Session, entries: Iterable[Entry], source: str) -> tuple[int, int]:
    """Note what another tool tried; how many dead ends and lessons were written.

    The newest are noted in words. The changes of all whose commits are here are remembered too, so
    that an experiment that repeats one is told so.
    """
    found = [entry for entry in entries if isinstance(entry, ForeignExperiment)]
    failed = [one for one in found if one.status is ForeignStatus.DISCARD and _words(one)]
    kept = [one for one in found if one.status in KEPT and _words(one)][1:]
    for kind, chosen in (
        (NoteKind.DEAD_END, failed[-MOST_DEAD_ENDS:]),
        (NoteKind.LESSON, kept[-MOST_LESSONS:]),
    ):
        for one in chosen:
            _note(session, kind, one, source)
    foreign_changes(session).save(_changes(session, found[-MOST_COMMITS:]))
    return min(len(failed), MOST_DEAD_ENDS), min(len(kept), MOST_LESSONS)


def _note(session: Session, kind: NoteKind, one: ForeignExperiment, source: str) -> None:
    told = "kept" if one.status in KEPT else "discarded"
    text = f"{source} {told} it, by its own measure: {_words(one)}"
    logbook.add_note(session, kind, clean_line(text, WIDTH))


def _words(one: ForeignExperiment) -> str:
    return clean_line(one.description or one.hypothesis, WIDTH)


def _changes(session: Session, found: Iterable[ForeignExperiment]) -> dict[str, str]:
    """Patch id of each commit that is here -> what the other tool said of it."""
    changes: dict[str, str] = {}
    for one in found:
        commit = session.repo.resolve(f"{one.commit}^{{commit}}") if one.commit else None
        parent = commit and session.repo.resolve(f"{commit}^")
        if commit and parent:
            patch, _ = gitdiff.difference(session.repo, parent, commit)
            changes[gitdiff.id_of_patch(patch)] = (
                f"{one.number} ({one.status.value}): {_words(one)}"
            )
    return changes
