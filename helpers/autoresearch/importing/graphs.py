"""What stands in no lines: evo's graph, piloop's database, uditgoenka's hand-off, git's history."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import statistics
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import Direction
from autoresearch.importing.foreign import (
    Entry,
    ForeignExperiment,
    ForeignStatus,
    Odd,
    Oddity,
    Remark,
    Segment,
    commit_in,
    direction_by_name,
    status_in,
)
from autoresearch.importing.jsonl import from_milliseconds
from autoresearch.importing.rows import time_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoresearch.edges.gitrepo import GitRepo

_WAYS = {
    **dict.fromkeys(("max", "maximize", "higher"), Direction.HIGHER),
    **dict.fromkeys(("min", "minimize", "lower"), Direction.LOWER),
}


def evo(path: Path) -> Iterator[Entry]:
    """Evo's `graph.json`; the direction stands in `config.json` beside it."""
    graph = _loaded(path)
    config = path.with_name("config.json")
    way = _WAYS.get(str(_loaded(config).get("metric"))) if config.exists() else None
    nodes = [n for n in graph.get("nodes", {}).values() if isinstance(n, dict)]
    nodes = [n for n in nodes if n.get("id") != graph.get("root", "root")]
    nodes.sort(key=lambda n: (str(n.get("created_at")), str(n.get("id"))))
    epoch, segment = object(), -1
    for line, node in enumerate(nodes, 1):
        if node.get("eval_epoch") != epoch:
            epoch, segment = node.get("eval_epoch"), segment + 1
            told_by = "config.json" if way else ""
            yield Segment(line=line, number=segment, metric="score", direction=way, told_by=told_by)
        score = node.get("score")
        yield ForeignExperiment(
            line=line,
            number=line,
            segment=segment,
            commit=commit_in(node.get("commit")),
            status=status_in(node.get("status")),
            metric=float(score) if isinstance(score, (int, float)) else None,
            description=str(node.get("hypothesis") or ""),
            hypothesis=str(node.get("hypothesis") or ""),
            at=time_in(str(node.get("created_at"))),
            x_=node,
        )


def handoff(path: Path) -> Iterator[Entry]:
    """Uditgoenka's `handoff.json`: what was found, in prose."""
    value = _loaded(path)
    yield Segment(line=1, number=0, goal=str(value.get("source", "")), x_=value)
    for line, finding in enumerate(value.get("findings", []), 1):
        yield Remark(line=line, text=finding if isinstance(finding, str) else json.dumps(finding))


def _loaded(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise AutoresearchError(
            f"{path} is not JSON: {error}", code="not_readable", hint="Is the file whole?"
        ) from error
    if not isinstance(value, dict):
        raise AutoresearchError(
            f"{path} holds a {type(value).__name__}, not an object", code="not_readable"
        )
    return value


_CANDIDATES = """
select c.id, c.campaign_id, c.revision, c.summary, c.origin, c.verdict, c.verdict_reason,
       c.created_at, i.title, i.hypothesis, i.track
from candidates c left join runs r on r.id = c.run_id left join ideas i on i.id = r.idea_id
order by c.campaign_id, c.id
"""
_MEASUREMENTS = """
select candidate_id, evaluator_id, metrics, error from measurements order by candidate_id, id
"""


def piloop(path: Path) -> Iterator[Entry]:
    """Piloop's database, from a copy: even reading would write beside one that has a journal."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "piloop.db"
        for suffix in ("", "-wal"):
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copyfile(source, copy.with_name(copy.name + suffix))
        try:
            with closing(sqlite3.connect(copy)) as database:
                database.row_factory = sqlite3.Row
                yield from _campaigns(database)
        except sqlite3.Error as error:
            raise AutoresearchError(
                f"{path} is no database of piloop: {error}",
                code="not_readable",
                hint="It is read as piloop 0.3 writes it, with candidates and measurements.",
            ) from error


def _campaigns(database: sqlite3.Connection) -> Iterator[Entry]:
    measured: dict[int, list[sqlite3.Row]] = {}
    for row in database.execute(_MEASUREMENTS):
        measured.setdefault(row["candidate_id"], []).append(row)
    names = dict(database.execute("select id, name from campaigns"))
    configs = dict(database.execute("select id, config from campaigns"))
    segments: dict[tuple[int, int], int] = {}
    for line, row in enumerate(database.execute(_CANDIDATES), 1):
        taken = measured.get(row["id"], [])
        evaluator = taken[-1]["evaluator_id"] if taken else 0
        metric, way = _primary(configs.get(row["campaign_id"]), row["track"])
        key = (row["campaign_id"], evaluator)
        if key not in segments:
            segments[key] = len(segments)
            yield Segment(
                line=line, number=segments[key], goal=str(names.get(row["campaign_id"], "")),
                metric=metric or "metric", direction=way, told_by="the campaign" if way else "",
            )  # fmt: skip
        yield _candidate(line, row, taken, evaluator, segments[key], metric)


def _candidate(
    line: int,
    row: sqlite3.Row,
    taken: list[sqlite3.Row],
    evaluator: int,
    segment: int,
    metric: str,
) -> ForeignExperiment:
    good = [m for m in taken if m["error"] is None and m["evaluator_id"] == evaluator]
    values: dict[str, list[float]] = {}
    for one in good:
        for name, value in json.loads(one["metrics"] or "{}").items():
            if isinstance(value, (int, float)):
                values.setdefault(name, []).append(float(value))
    own = values.pop(metric, [])
    base = row["origin"] == "baseline"
    crashed = bool(taken) and not good
    return ForeignExperiment(
        line=line,
        number=line,
        segment=segment,
        commit=commit_in(row["revision"]),
        status=ForeignStatus.BASELINE
        if base
        else ForeignStatus.CRASH
        if crashed
        else status_in(row["verdict"]),
        metric=statistics.median(own) if own else None,
        secondary={name: statistics.median(found) for name, found in values.items()},
        repeats=tuple(own),
        description=row["title"] or row["summary"] or "",
        hypothesis=row["hypothesis"] or "",
        at=time_in(str(row["created_at"])),
        x_={**dict(row), "status": row["verdict"]},
    )


def _primary(config: object, track: object) -> tuple[str, Direction | None]:
    """Name and direction of the metric that decides in this track, or in the first one."""
    try:
        metrics = json.loads(config)["metrics"] if isinstance(config, str) else []
        primary = [m for m in metrics if m.get("role") == "primary"]
    except (ValueError, KeyError, AttributeError, TypeError):
        return "", None
    own = [m for m in primary if track in {m.get("track"), m.get("name")}] or primary
    if not own:
        return "", None
    return str(own[0].get("name")), _WAYS.get(str(own[0].get("direction")))


_RESULT = re.compile(r"(?:\n|\\n)[ \t]{0,9}Result:[ \t]{0,9}(\{[^\n]{0,1500}\})")
_PREFIX = re.compile(r"^(?:autoresearch:\s*)?experiment(?:\([^)]*\))?:\s*(.*)", re.IGNORECASE)
_REVERT = re.compile(r'^(?:Revert "(.*)"|revert(?:\([^)]*\))?:\s*(.*))')


def git(repo: GitRepo, rev: str = "HEAD") -> Iterator[Entry]:
    """Experiments that only git knows: trailers `Result: {json}`, `experiment:`, and reverts."""
    output = repo.run(
        "log", "--reverse", "--no-show-signature", "--format=%H%x00%ct%x00%B%x01", rev
    )
    found: list[tuple[str, str, str, bool, dict[str, Any]]] = []
    reverted: set[str] = set()
    for block in output.out.decode("utf-8", "replace").split("\x01"):
        commit, _, rest = block.strip("\n").partition("\0")
        at, _, message = rest.partition("\0")
        if not message.strip():
            continue
        result = _RESULT.search(message)
        subject = re.split(r"\n|\\n", message.strip(), maxsplit=1)[0]
        named, undone = _PREFIX.match(subject), _REVERT.match(subject)
        if undone:
            reverted.add((undone[1] or undone[2]).strip())
        elif result or named:
            squeezed = "\\n" in message.strip().split("\n", 1)[0]
            found.append((commit, at, subject, squeezed, _object(result[1]) if result else {}))
    if not found:
        return
    metric = next((_metric_name(values) for *_, values in found if _metric_name(values)), "")
    way = direction_by_name(metric) if metric else None
    told_by = "the metric's name" if way else ""
    yield Segment(line=1, number=0, metric=metric or "metric", direction=way, told_by=told_by)
    for line, (commit, at, subject, squeezed, values) in enumerate(found, 1):
        value = values.get(metric)
        named = _PREFIX.match(subject)
        text = named[1] if named else subject
        gone = bool({subject, text} & reverted)
        told = status_in(values["status"]) if "status" in values else ForeignStatus.KEEP
        yield ForeignExperiment(
            line=line,
            number=line,
            segment=0,
            commit=commit,
            status=ForeignStatus.DISCARD if gone else told,
            metric=float(value) if isinstance(value, (int, float)) else None,
            secondary={
                n: float(v) for n, v in values.items()
                if n != metric and isinstance(v, (int, float)) and not isinstance(v, bool)
            },
            description=text,
            at=_from_seconds(at),
            x_={"subject": subject, **values},
        )  # fmt: skip
        if squeezed:
            yield Oddity(line=line, what=Odd.SQUEEZED)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _metric_name(values: dict[str, Any]) -> str:
    """Pi writes the metric first, after the status."""
    for name, value in values.items():
        if name != "status" and isinstance(value, (int, float)) and not isinstance(value, bool):
            return name
    return ""


def _from_seconds(text: str) -> str | None:
    return from_milliseconds(int(text) * 1000) if text.isdigit() else None
