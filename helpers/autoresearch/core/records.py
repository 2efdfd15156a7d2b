"""The lines of a session's log, one class a kind, and how they become text.

A record that exists is a valid one. Each holds `schema`, whose history stands at `model.SCHEMA`,
and `at`, the time it was written: UTC, whole seconds. One log line is one object in ASCII:
`schema` and `kind` first, then the fields in the order of their class, `prev` last. A record's own
field `kind` is written as `<kind>_kind`, because `kind` names the record. Keys that this version
does not know are ignored within the same schema, so that fields can be added; a newer schema is
refused.
"""

from __future__ import annotations

import hashlib
import re
import typing
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct

from autoresearch.core import wire
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.model import (
    SCHEMA,
    Agreed,
    CommandResult,
    Effect,
    Flag,
    Interventions,
    Kind,
    LimitResult,
    Meter,
    NoteKind,
    RaceRecord,
    Reason,
    Spent,
    Verdict,
)
from autoresearch.core.wire import Finite


class Opened(Struct, frozen=True, kw_only=True):
    """The first line of every log: what the session is about.

    Attributes:
        base: the commit it started from; the contract's commit comes on top.
        start_branch: what was checked out before; None: HEAD was detached.
    """

    schema: int
    at: str
    session: str
    goal: str
    branch: str
    base: str
    start_branch: str | None
    version: str


class Epoch(Struct, frozen=True, kw_only=True):
    """A stretch of the session with one evaluator. Number 0 is the session's start.

    Attributes:
        commit: holds the contract and the protected files that measure.
        values: the metric of each calibration sample of the incumbent, in the order run.
        deterministic: whether all samples of a full calibration agreed.
        restarts_measuring: False: only keys changed that do not measure, such as the budget; what
            was measured before still counts.
        guard_tests: how many tests the guard said it ran; None: it does not say.
        environment_sha256: of the environment frozen by `init`; empty in older logs.
        rehearsed_at: when `check` took these samples, of the same bytes, machine and sandbox, and
            `init` took them over; empty: measured by the command that wrote this.
        units: metric and the unit behind what its pattern finds; empty: none.
        surroundings_sha256: of what measures outside the checkouts; empty in older logs.
        agreed: how a person's agreement to an amendment was seen; None where none was.
    """

    schema: int
    number: int
    at: str
    commit: str
    contract_sha256: str
    values: tuple[Finite, ...]
    wall_s: tuple[Finite, ...]
    cpu_s: tuple[Finite, ...]
    secondary: tuple[tuple[str, tuple[Finite, ...]], ...]
    deterministic: bool
    sample_s: Finite
    guard_s: Finite | None
    same_sha256: str | None
    machine: str
    sandbox: str
    restarts_measuring: bool
    holdout_s: Finite | None = None
    guard_tests: int | None = None
    environment_sha256: str = ""
    rehearsed_at: str = ""
    units: tuple[tuple[str, str], ...] = ()
    surroundings_sha256: str = ""
    agreed: Agreed | None = None


class Experiment(Struct, frozen=True, kw_only=True, rename={"kind": "experiment_kind"}):
    """One measured candidate, as the log keeps it.

    Attributes:
        number: from 1, without gap.
        commit: the candidate; also `refs/autoresearch/<session>/exp/NNNN`, unless `pruned`.
        tree: of the candidate; finds what was tried before, as `patch_id` does.
        patch_id: of the change, whatever it is based on.
        paths: status and path, by path; A added, M modified, D deleted, T another type.
        lines_added: of the diff against the parent; binary files count 0.
        attempt: 0; 1 or 2 for a rework.
        retest: how many times this tree, or this change to another incumbent, was raced before.
        related: the experiment that this one reworks, repeats or nearly duplicates.
        holdout: whether it passed; None: it was not asked. Its values are in a private log.
        suspicions: what looked too good, a sentence each.
        first_race: the race that looked too good; `race` is then the one that measured again.
        guard_tests: how many tests the guard said it ran; None: it does not say.
        flaky: tests that failed once and then passed twice on the very candidate; `guard` where
            the output names none; empty when the guard agreed with itself.
        raced_in: the experiment whose race this is, where only the guard was asked again.
        duration_s: from call to record.
        spent: by the agent since the record before; None: unknown, as in older logs.
        meter: what the agent session had used in all; None likewise.
    """

    schema: int
    number: int
    epoch: int
    at: str
    run: int | None
    message: str
    hypothesis: str | None
    idea: int | None
    kind: Kind
    attempt: int
    retest: int
    related: int | None
    parent: str
    commit: str
    tree: str
    patch_id: str
    paths: tuple[tuple[str, str], ...]
    lines_added: int
    lines_removed: int
    verdict: Verdict
    reason: Reason | None
    flags: tuple[Flag, ...]
    detail: str
    effect: Effect | None
    race: RaceRecord | None
    limits: tuple[LimitResult, ...]
    guard: CommandResult | None
    same: CommandResult | None
    touched: tuple[str, ...]
    meanwhile: tuple[str, ...]
    sandbox: str
    duration_s: Finite
    spent: Spent | None = None
    meter: Meter | None = None
    holdout: bool | None = None
    suspicions: tuple[str, ...] = ()
    first_race: RaceRecord | None = None
    guard_tests: int | None = None
    flaky: tuple[str, ...] = ()
    raced_in: int | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    """A candidate that was not measured: it costs no budget and has no number."""

    schema: int
    at: str
    run: int | None
    message: str
    reason: Reason
    paths: tuple[str, ...]
    related: int | None
    detail: str


class Note(Struct, frozen=True, kw_only=True, rename={"kind": "note_kind"}):
    """An idea, a lesson, a dead end, or the retirement of an idea.

    Attributes:
        number: ideas, lessons and dead ends are numbered together from 1; for `retire` the idea's.
        experiment: the last one when it was written.
    """

    schema: int
    at: str
    kind: NoteKind
    number: int
    text: str
    experiment: int


class Run(Struct, frozen=True, kw_only=True):
    """One bounded stretch of the loop, opened by `run N`.

    Attributes:
        experiments: how many it may take.
        after: number of the last experiment when it was opened.
        meter: what the agent session had used before it; None: unknown.
    """

    schema: int
    at: str
    number: int
    host_session: str
    experiments: int
    after: int
    meter: Meter | None = None


class RunEnd(Struct, frozen=True, kw_only=True):
    """The end of a run before or at its budget, with the reason in one line."""

    schema: int
    at: str
    number: int
    reason: str


class Undo(Struct, frozen=True, kw_only=True):
    """A kept experiment taken back by a new commit on the branch.

    Attributes:
        effect: from the incumbent to the new commit, where it was raced.
        value: median of the new commit's samples; None: not measured.
        agreed: as for `Epoch`.
    """

    schema: int
    at: str
    experiment: int
    commit: str
    tree: str
    effect: Effect | None
    value: Finite | None
    detail: str
    agreed: Agreed | None = None


class Claimed(Struct, frozen=True, kw_only=True):
    """The secondary metric that a validation speaks of, on the same pairs.

    Attributes:
        name: of the metric.
        unit: its unit; empty for none.
        effect: how it moved from the first commit to the last.
        proven: whether the interval excludes no change, on the better side.
    """

    name: str
    unit: str
    effect: Effect
    proven: bool


class Validation(Struct, frozen=True, kw_only=True):
    """First commit against last, in a fresh race: the only gain that is ever claimed.

    Attributes:
        epoch: whose evaluator measured both.
        after: number of the last experiment it covers.
        proven: whether the interval excludes no change, on the better side.
        final_guard: its run on the last commit; None: the contract has none, or an older log.
        claimed: how the contract's `claim` moved; None: it names none.
    """

    schema: int
    at: str
    epoch: int
    first: str
    last: str
    after: int
    effect: Effect
    race: RaceRecord
    proven: bool
    sandbox: str
    final_guard: CommandResult | None = None
    claimed: Claimed | None = None


class Ablation(Struct, frozen=True, kw_only=True):
    """The last commit raced against itself without one kept experiment.

    Attributes:
        experiment: the one left out.
        tip: the last commit, with it.
        effect: of leaving it out; None where that could not be measured.
        race: tip as incumbent, the tip without it as candidate; None likewise.
        p_value: of the tip being better with it than without; None likewise.
        doubtful: whether it is suggested to be taken back; never done by itself.
        detail: why nothing was measured; else empty.
    """

    schema: int
    at: str
    epoch: int
    experiment: int
    tip: str
    effect: Effect | None
    race: RaceRecord | None
    p_value: Finite | None
    doubtful: bool
    detail: str
    sandbox: str


class Stop(Struct, frozen=True, kw_only=True):
    """The end of the session, by a human."""

    schema: int
    at: str
    reason: str


GIVEN_UP, REBUILT, ACCEPTED = "given up", "rebuilt", "accepted the log"
"""Actions: the last experiment's rework is not awaited; what stands before came from refs, or was
brought back by somebody."""


class Recovery(Struct, frozen=True, kw_only=True):
    """An interrupted step that was finished or rolled back.

    Attributes:
        environment_sha256: of the environment that `rebuilt` found on this machine, which counts
            from here on; else empty.
        agreed: to a log that was accepted as it lay there, as for `Epoch`.
    """

    schema: int
    at: str
    step: str
    action: str
    detail: str
    environment_sha256: str = ""
    agreed: Agreed | None = None


class Pruned(Struct, frozen=True, kw_only=True):
    """Refs of candidates that were not kept, removed on request.

    Attributes:
        experiments: first and last number of each range, both included.
        keep: so many of the newest experiments were to stay.
    """

    schema: int
    at: str
    experiments: tuple[tuple[int, int], ...]
    keep: int


class Review(Struct, frozen=True, kw_only=True):
    """What a human said of a kept experiment; the latest word counts."""

    schema: int
    at: str
    experiment: int
    accepted: bool
    by: str
    reason: str


class Shipped(Struct, frozen=True, kw_only=True):
    """One branch that `finalize` built.

    Attributes:
        name: full name of the ref.
        below: name of the branch that it stands on; empty where it stands on the base.
        base: the commit that it was raced against.
        commit: its last one.
        tree: of that commit.
        experiments: what it holds beyond that commit; empty for what a human adopted.
        guard, same: their runs on it; None where the contract has none.
        effect, race: of `base` against it; None where it was not raced again.
    """

    name: str
    below: str
    base: str
    commit: str
    tree: str
    experiments: tuple[int, ...]
    guard: CommandResult | None
    same: CommandResult | None
    effect: Effect | None
    race: RaceRecord | None


class Shipment(Struct, frozen=True, kw_only=True):
    """The branches that one `finalize` built, each stack from its base up.

    Attributes:
        base: what all stacks stand on.
        tip: the session's commit that they were made of.
        together: tree of all stacks on the base.
        validated: whether `tip` was validated before.
        left_out: kept experiments that are in none of them.
    """

    schema: int
    at: str
    epoch: int
    base: str
    tip: str
    together: str
    validated: bool
    left_out: tuple[int, ...]
    branches: tuple[Shipped, ...]
    sandbox: str


class Transfer(Struct, frozen=True, kw_only=True):
    """First commit against last on another workload of the contract.

    Attributes:
        workload: its name in the contract.
        last: the session's commit.
        effect, race: as in a validation, on that workload.
        ratio: gain there over gain here, with its interval; None where it cannot be told.
        staying: keeps that do not carry over; empty where they were not asked for.
        unsure: keeps whose answer was not sure when the runs were used up.
        runs: how many naming the keeps took.
    """

    schema: int
    at: str
    epoch: int
    workload: str
    last: str
    effect: Effect
    race: RaceRecord
    ratio: tuple[Finite, Finite, Finite] | None
    staying: tuple[int, ...]
    unsure: tuple[int, ...]
    runs: int


Record = (
    Opened
    | Epoch
    | Experiment
    | Refusal
    | Note
    | Run
    | RunEnd
    | Undo
    | Validation
    | Ablation
    | Stop
    | Recovery
    | Pruned
    | Review
    | Shipment
    | Transfer
)
"""What one log line can be; its `kind` is the class name in lower case."""


def interventions_after(before: Interventions, record: Record) -> Interventions:
    """What changed a session beside its experiments, this record included."""
    if isinstance(record, Epoch) and record.number:
        return before.more("amendments", record.agreed)
    if isinstance(record, Undo):
        return before.more("undone", record.agreed)
    if isinstance(record, Recovery) and record.action == ACCEPTED:
        return before.more("accepted", record.agreed)
    return before


FIRST_PREV = "0" * 64
"""`prev` of the first line, which has no line before it."""

_HASH = re.compile(r"[0-9a-f]{64}")


R = TypeVar("R")


class Codec(Generic[R]):
    """How the records of one kind of log become lines and back.

    Attributes:
        kinds: every kind of line and the class that it holds.
    """

    def __init__(self, kinds: Iterable[type[R]], **named: type[R]) -> None:
        """A kind is called like its class, but for those that are `named` otherwise."""
        self.kinds = {**{kind.__name__.lower(): kind for kind in kinds}, **named}
        self._names = {kind: name for name, kind in self.kinds.items()}

    def to_line(self, record: R, prev: str) -> bytes:
        """The line, in ASCII and without newline."""
        kind = self._names[type(record)]
        fields = wire.to_object(record)
        value = {"schema": fields.pop("schema"), "kind": kind, **fields, "prev": prev}
        line = wire.dumps(value).encode("ascii")
        try:
            same = self.decode(wire.loads(line))[0] == record
        except CorruptLogError as error:
            raise ValueError(f"the {kind} record cannot be logged: {error.message}") from error
        if not same:
            raise ValueError(f"the {kind} record would change in the log")
        return line

    def decode(self, value: wire.JsonObject) -> tuple[R, str]:
        """The record and `prev` of a line's object; CorruptLogError names kind and key."""
        kind = _kind_of(value, self.kinds)
        prev, at = value.get("prev"), value.get("at")
        if not isinstance(prev, str) or not _HASH.fullmatch(prev):
            raise CorruptLogError(f"{kind}: key 'prev' holds {str(prev)[:80]!r}, not a SHA-256")
        if not _is_time(at):
            raise CorruptLogError(f"{kind}: key 'at' holds {str(at)[:60]!r}, not a time")
        try:
            return wire.convert(value, self.kinds[kind]), prev
        except ValueError as error:
            raise CorruptLogError(f"{kind}: {error}") from error

    def from_line(self, line: bytes) -> tuple[R, str]:
        """The record and `prev` of one line; raises as `decode`."""
        try:
            value = wire.loads(line.decode("ascii"))
        except ValueError as error:
            raise CorruptLogError(f"the line is not JSON: {error}") from error
        return self.decode(value)


SESSION: Codec[Record] = Codec(typing.get_args(Record))
"""Of a session's log."""


def line_hash(line: bytes) -> str:
    """SHA-256 of a line without its newline, in hexadecimal: the next line's `prev`."""
    return hashlib.sha256(line).hexdigest()


def _kind_of(value: wire.JsonObject, kinds: Collection[str]) -> str:
    schema, kind = value.get("schema"), value.get("kind")
    if not isinstance(schema, int) or schema < 1:
        raise CorruptLogError(f"key 'schema' holds {schema!r}, not a version")
    if schema > SCHEMA:
        raise CorruptLogError(
            f"the line has schema {schema}, this version reads up to {SCHEMA}",
            hint="Install the autoresearch version that wrote it, or a newer one.",
        )
    if not isinstance(kind, str) or kind not in kinds:
        raise CorruptLogError(f"key 'kind' holds {str(kind)[:60]!r}, which is not a kind of record")
    return kind


def _is_time(text: object) -> bool:
    """Whether it is UTC to the second, the only form in which the log holds a time."""
    try:
        return (
            isinstance(text, str)
            and len(text) == len("2026-11-29T08:00:00Z")
            and f"{datetime.fromisoformat(text[:-1]).isoformat()}Z" == text
        )
    except ValueError:
        return False
