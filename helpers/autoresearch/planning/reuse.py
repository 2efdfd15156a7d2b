"""What `check` measured, for an `init` of the very same thing soon after.

Taken over only where nothing can have changed what was measured: the contract's bytes, the files of
the commit, machine and start of it, environment, sandbox, linked folders, and this version. The log
says that it was taken over, and from when.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from typing import TYPE_CHECKING

from msgspec import Struct

from autoresearch import __version__
from autoresearch.core import formatting
from autoresearch.core.model import SCHEMA
from autoresearch.edges.clock import machine_id, now_utc, seconds_since
from autoresearch.edges.stored import Stored
from autoresearch.planning.rehearsal import Rehearsal  # noqa: TC001  (msgspec reads this type)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from autoresearch.edges.places import Places
    from autoresearch.loop.bench import Bench
    from autoresearch.planning.preconditions import StartingPoint

FILE = "rehearsed.json"
FRESH_S = 3600.0
"""Long enough to read a contract and agree to it, too short for another machine's noise."""


class Rehearsed(Struct, frozen=True, kw_only=True):
    """A rehearsal that was kept.

    Attributes:
        key: of all that it depends on.
        contract_sha256: of the contract's bytes; a host's hook looks whether these were checked.
        at: when it ended.
        facts: what a human should see before `init`, a sentence each; the same hook shows them.
    """

    schema: int
    key: str
    contract_sha256: str
    at: str
    facts: tuple[str, ...]
    rehearsal: Rehearsal


def keep(
    places: Places,
    bench: Bench,
    start: StartingPoint,
    rehearsal: Rehearsal,
    findings: Iterable[str],
) -> None:
    """Keep a rehearsal in the state folder of the repository, in place of the one before."""
    kept = Rehearsed(
        schema=SCHEMA,
        key=_key(bench, start),
        contract_sha256=hashlib.sha256(start.draft.content).hexdigest(),
        at=now_utc(),
        facts=(*_facts(bench, rehearsal), *rehearsal.warnings, *findings),
        rehearsal=rehearsal,
    )
    Stored(places.state.with_name(FILE), Rehearsed).save(kept)


def recall(places: Places, bench: Bench, start: StartingPoint) -> Rehearsed | None:
    """The rehearsal that was kept, if it is of the very same thing and fresh; else None."""
    kept = Stored(places.state.with_name(FILE), Rehearsed).load()
    if kept is None:  # of another version, or damaged: it is measured anew
        return None
    is_fresh = 0 <= seconds_since(kept.at) < FRESH_S
    return kept if is_fresh and kept.key == _key(bench, start) else None


def _facts(bench: Bench, rehearsal: Rehearsal) -> Iterator[str]:
    """Baseline, and what a race can see."""
    metric = bench.contract.metric
    middle = statistics.median(sample.value for sample in rehearsal.samples)
    yield f"baseline: {metric.name} {formatting.with_unit(middle, metric.unit)}"
    if rehearsal.smallest_gain is not None:
        gain = formatting.magnitude(rehearsal.smallest_gain, metric.scale, metric.unit)
        yield f"smallest gain a race is likely to detect: {gain}"


def _key(bench: Bench, start: StartingPoint) -> str:
    """A digest of all that a rehearsal depends on, as far as it can be told."""
    facts = (
        __version__,
        machine_id(),
        hashlib.sha256(start.draft.content).hexdigest(),
        start.first_tree,
        str(bench.repo.toplevel),
        bench.frozen,
        bench.passed,
        bench.confinement.name,
        tuple(_outside(bench)),
    )
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _outside(bench: Bench) -> Iterator[tuple[str, int, int]]:
    """Links and what they hold, and what the holdout reads: they are no part of the commit."""
    contract = bench.contract
    for link in contract.link:
        folder = bench.repo.toplevel / link
        yield from map(_stamp, (folder, *sorted(folder.iterdir())))
    for path in () if contract.holdout is None else contract.holdout.paths:
        yield _stamp(bench.repo.toplevel / path)


def _stamp(path: Path) -> tuple[str, int, int]:
    if not path.exists():  # a link to nowhere
        return str(path), 0, 0
    found = path.stat()
    return str(path), found.st_mtime_ns, found.st_size
