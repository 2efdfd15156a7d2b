"""The experiments as tables and JSON, in our columns and in those that other tools read."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Iterable, Iterator, Mapping

from autoresearch import __version__
from autoresearch.core import wire
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import Tried
from autoresearch.core.model import Direction, Kind, Verdict
from autoresearch.core.views import claim
from autoresearch.reporting.chapters import headline
from autoresearch.reporting.night import Night, Traced

GIGABYTES = {"GB": 1.0, "GIB": 1.073741824, "MB": 1e-3, "MIB": 1.048576e-3, "KB": 1e-6, "B": 1e-9}
FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for a formula at the start of a text."""

CSV = (
    "number", "at", "epoch", "machine", "verdict", "reason", "flags", "scale", "change", "low",
    "high", "level", "value", "samples", "lines_added", "lines_removed", "duration_s", "tokens",
    "usd", "commit", "message",
)  # fmt: skip
KARPATHY = ("commit", "val_bpb", "memory_gb", "status", "description")
UDIT = ("iteration", "timestamp", "commit", "metric", "delta", "guard", "guard-metric", "status",
        "description")  # fmt: skip


def as_csv(night: Night) -> str:
    """Every experiment with all its numbers, as exactly as `log --json` has them."""
    rows = (
        (
            *(one.number, one.at, one.epoch, seen.machine or "", one.verdict.value),
            "" if one.reason is None else one.reason.value,
            " ".join(flag.value for flag in one.flags),
            *(
                ("",) * 5
                if (moved := one.effect) is None
                else (moved.scale.value, moved.change, moved.low, moved.high, moved.level)
            ),
            "" if seen.value is None else seen.value,
            *(one.samples, one.lines_added, one.lines_removed, one.duration_s),
            *(("", "") if one.spent is None else (one.spent.tokens, _known(one.spent.usd))),
            *(one.commit, _plain(one.message)),
        )
        for one, seen in _both(night)
    )
    return _separated(CSV, rows, ",")


def as_tsv(night: Night, *, udit: bool = False) -> str:
    """The table that Karpathy's notebook reads, or the one of uditgoenka's commands."""
    if not udit:
        return _separated(KARPATHY, _karpathy(night), "\t")
    lower = night.contract.metric.direction is Direction.LOWER
    head = f"# metric_direction: {'lower' if lower else 'higher'}_is_better\n"
    return head + _separated(UDIT, _udit(night), "\t")


def as_json(night: Night) -> dict[str, object]:
    """The report's facts; its experiments are those of `log --json`."""
    return {
        "schema": 1,
        "version": __version__,
        "at": night.at,
        "session": night.session,
        "goal": night.contract.goal,
        "metric": wire.to_object(night.contract.metric),
        "headline": headline(night),
        "gain": claim(night.history, night.unit),
        "validation": _object(night.history.validation),
        "experiments": [wire.to_object(one) for one in night.experiments],
        "progress": [seen._asdict() for seen in night.seen],
        "turns": [turn._asdict() for turn in night.turns],
        "ablations": [wire.to_object(one) for one in night.ablations],
        "refusals": [wire.to_object(one) for one in night.refusals],
        "notes": [wire.to_object(one) for one in night.notes],
    }


def json_text(night: Night) -> str:
    """`as_json` as text, in ASCII."""
    return json.dumps(as_json(night), indent=1) + "\n"


def _object(record: object) -> Mapping[str, object] | None:
    return None if record is None else wire.to_object(record)


def _known(value: float | None) -> float | str:
    return "" if value is None else value


def _both(night: Night) -> Iterable[tuple[Tried, Traced]]:
    return zip(night.experiments, night.seen, strict=True)


def _karpathy(night: Night) -> Iterator[tuple[object, ...]]:
    base = night.epochs[0] if night.epochs else None
    if base is not None and base.values:
        memory = {name: statistics.median(values) for name, values in base.secondary if values}
        value = statistics.median(base.values)
        yield base.commit[:7], f"{value:.6f}", _memory(night, memory), "keep", "baseline"
    for one, seen in _both(night):
        status = one.verdict.value if one.verdict in {Verdict.KEEP, Verdict.CRASH} else "discard"
        value = seen.value if seen.value is not None and status != "crash" else 0.0
        memory = dict(seen.secondary) if value else {}
        row = (one.commit[:7], f"{value:.6f}", _memory(night, memory), status)
        yield *row, _plain(one.message)


def _memory(night: Night, values: Mapping[str, float]) -> str:
    """Gigabytes of the first secondary metric that counts bytes; 0.0 where none does."""
    for one in night.contract.secondary:
        factor = GIGABYTES.get(one.unit.upper() or one.name.rpartition("_")[2].upper())
        if factor is not None and one.name in values:
            return f"{values[one.name] * factor:.1f}"
    return "0.0"


def _udit(night: Night) -> Iterator[tuple[object, ...]]:
    best = None
    base = night.epochs[0] if night.epochs else None
    if base is not None and base.values:
        best = statistics.median(base.values)
        yield 0, base.at, base.commit[:7], best, "0.0", "pass", "-", "baseline", "baseline"
    for one, seen in _both(night):
        kept = one.verdict is Verdict.KEEP
        status = one.verdict.value if one.verdict in {Verdict.KEEP, Verdict.CRASH} else "discard"
        value = "-" if seen.value is None else seen.value
        delta = "-" if seen.value is None or best is None else f"{seen.value - best:+.6g}"
        guard = {Verdict.KEEP: "pass", Verdict.REWORK: "fail"}.get(one.verdict, "-")
        yield (
            *(one.number, one.at, one.commit[:7] if kept else "-", value, delta, guard, "-"),
            "keep (reworked)" if kept and one.kind is Kind.REWORK else status,
            _plain(one.message),
        )
        best = seen.value if kept and seen.value is not None else best


def _plain(text: str) -> str:
    """Foreign text as one cell that no spreadsheet computes."""
    shown = clean_line(text)
    return f"'{shown}" if shown.startswith(FORMULA) else shown


def _separated(head: Iterable[str], rows: Iterable[Iterable[object]], between: str) -> str:
    made = io.StringIO()
    writer = csv.writer(made, delimiter=between, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return made.getvalue()
