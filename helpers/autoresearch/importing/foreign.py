"""What another tool's log holds, whatever its format: experiments, segments, remarks, oddities.

Nothing that the source says about itself is believed: numbers, segments and the best so far are
counted anew, and what stood there is kept as it was read, under `x_`.
"""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import Any

from msgspec import Struct

from autoresearch.core.model import Direction


class ForeignStatus(str, Enum):
    """What the other tool decided."""

    BASELINE = "baseline"
    KEEP = "keep"
    DISCARD = "discard"
    CRASH = "crash"
    CHECKS_FAILED = "checks_failed"
    UNKNOWN = "unknown"


KEPT = frozenset({ForeignStatus.BASELINE, ForeignStatus.KEEP})

STATUSES = {
    "baseline": ForeignStatus.BASELINE,
    **dict.fromkeys(
        ("keep", "kept", "keep (reworked)", "committed", "accepted"), ForeignStatus.KEEP
    ),
    **dict.fromkeys(
        ("discard", "discarded", "reverted", "revert", "rejected", "no-op", "evaluated",
         "interesting", "pruned"),
        ForeignStatus.DISCARD,
    ),
    **dict.fromkeys(("crash", "crashed", "failed", "metric-error", "timeout"), ForeignStatus.CRASH),
    **dict.fromkeys(("checks_failed", "hook-blocked"), ForeignStatus.CHECKS_FAILED),
}  # fmt: skip
"""Words of pi, Karpathy's notebook, uditgoenka's commands, evo and piloop, in lower case."""


class Segment(Struct, frozen=True, kw_only=True, tag_field="kind", tag="segment"):
    """A stretch of the log with one metric.

    Attributes:
        number: counted from 0; a header before any experiment starts no new one.
        direction: which way is better, None where nothing in the log says it.
        told_by: what says it, in a few words.
    """

    line: int
    number: int
    goal: str = ""
    metric: str = "metric"
    unit: str = ""
    direction: Direction | None = None
    told_by: str = ""
    x_: dict[str, Any] = {}


class ForeignExperiment(Struct, frozen=True, kw_only=True, tag_field="kind", tag="experiment"):
    """One experiment of the other tool.

    Attributes:
        line: where it stands in the source, from 1 (for a graph or a database: its place there).
        number: counted from 1 over the whole log.
        commit: hexadecimal, or empty where the source names none.
        metric: None where nothing was measured; a crash is no zero.
        repeats: single measurements of this very program, where the source holds several.
        at: UTC, to the second, or None.
        x_: what the source said, untouched.
    """

    line: int
    number: int
    segment: int
    commit: str
    status: ForeignStatus
    metric: float | None
    secondary: dict[str, float] = {}
    repeats: tuple[float, ...] = ()
    description: str = ""
    hypothesis: str = ""
    at: str | None = None
    x_: dict[str, Any] = {}


class Remark(Struct, frozen=True, kw_only=True, tag_field="kind", tag="remark"):
    """A line that is neither: a comment, a hook, a finding in prose."""

    line: int
    text: str


class Odd(str, Enum):
    """What can be odd about a line; the value is how it is told."""

    BLANK = "blank line"
    NOT_JSON = "not JSON"
    NOT_KNOWN = "an entry of no known kind"
    NO_ROW = "not a row: the rest of a description, or damage"
    NO_HEADER = "no header: columns read as Karpathy's"
    NEW_COLUMNS = "other columns from here on"
    CELLS = "another number of cells than the header"
    NO_STATUS = "no column for the status"
    MANY_METRICS = "several metrics, none named as the one that decides"
    COMPOSITE = "a metric that is no single number"
    NO_METRIC = "kept without a metric"
    NOT_FINITE = "a metric that is not finite"
    SENTINEL = "a metric of 2^53 or more, as sentinels have"
    NEGATIVE = "a negative metric"
    ZERO_BASE = "a segment that starts at 0: no ratio to it exists"
    CRASH_AS_ZERO = "a crash logged with a number"
    UNKNOWN_STATUS = "an unknown status"
    STORED_RUN = "a run number used before"
    RUN_ORDER = "a run number below the one before it"
    STORED_SEGMENT = "a stored segment that is not the counted one"
    CONFIDENCE = "a stored confidence above 100"
    NO_DIRECTION = "no direction said: taken as lower, as pi does"
    REPEATED_HEADER = "a header without an experiment since the last one"
    NO_COMMIT = "no commit's hash"
    SHORT_COMMIT = "a hash shorter than git's shortest"
    SAME_COMMIT = "the commit of an earlier kept line"
    DELTA = "a delta that follows from no earlier line"
    TIME_ORDER = "a time before the line before it"
    BYTES = "bytes that are not UTF-8"
    NUL = "NUL bytes"
    BOM = "a byte-order mark"
    SQUEEZED = "a line break written as backslash and n"


class Oddity(Struct, frozen=True, kw_only=True, tag_field="kind", tag="oddity"):
    """Something about a line that its reader should know.

    Attributes:
        what: which.
        detail: the value in question, or what was done with it.
        lost: whether the line became no record because of it.
    """

    line: int
    what: Odd
    detail: str = ""
    lost: bool = False


Entry = Segment | ForeignExperiment | Remark | Oddity

_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_HASH = re.compile(r"[0-9a-fA-F]+")
SHORTEST_HASH = 7
SENTINEL = 2.0**53


def number_in(cell: str) -> float | None:
    """The plain decimal number that a cell holds, or None."""
    text = cell.strip()
    if not _PLAIN.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def commit_in(cell: object) -> str:
    """The hash that a cell holds, or nothing."""
    text = str(cell).strip() if isinstance(cell, str) else ""
    known = _HASH.fullmatch(text) and (len(text) >= SHORTEST_HASH or any(map(str.isdigit, text)))
    return text.lower() if known else ""


def status_in(word: object) -> ForeignStatus:
    """What a status word means; a word that nobody knows stays unknown."""
    return STATUSES.get(str(word).strip().lower(), ForeignStatus.UNKNOWN)


LOWER_NAMES = re.compile(
    r"bpb|loss|rmse|mae\b|mse|error|perplexity|ppl|latency|seconds|(?:^|_)(?:ms|s|us|µs|ns)\b|time"
    r"|bytes|size|_kb\b|_mb\b|memory|allocs|gap\b|ns/op|cost|gates|toffoli",
)
HIGHER_NAMES = re.compile(
    r"score|accuracy|acc\b|performance|throughput|f1|auc|sharpe|coverage|correct|_per_s|reward|kappa"
)


def direction_by_name(metric: str) -> Direction | None:
    """Which way a metric is better if its name is a usual one; None for any other."""
    name = metric.lower()
    lower, higher = LOWER_NAMES.search(name), HIGHER_NAMES.search(name)
    if bool(lower) == bool(higher):
        return None
    return Direction.LOWER if lower else Direction.HIGHER


def improves(value: float, best: float, direction: Direction) -> bool:
    """Whether a value is strictly better."""
    return value < best if direction is Direction.LOWER else value > best


COLUMNS = ForeignExperiment.__struct_fields__
"""Of a CSV that `export` writes."""
