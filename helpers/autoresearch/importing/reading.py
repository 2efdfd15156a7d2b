"""Which tool wrote a file or a repository's logs, and its lines, whatever they hold."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from autoresearch.core.errors import AutoresearchError
from autoresearch.edges.files import named_errors
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.importing import graphs, jsonl, rows
from autoresearch.importing.checks import with_oddities
from autoresearch.importing.foreign import (
    COLUMNS,
    Entry,
    ForeignExperiment,
    Odd,
    Oddity,
    Segment,
    direction_by_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

HEAD_BYTES = 65_536
PI = ".auto"
PLACES = (
    ".auto/log.jsonl", "autoresearch.jsonl", "autoresearch-results.tsv", "results.tsv",
    "autoresearch/*/*-results.tsv", "autoresearch/*/handoff.json", "handoff.json",
    ".evo/graph.json", ".evo/*/graph.json", ".evo/runs/*/graph.json", ".piloop/*.db", "piloop.db",
)  # fmt: skip
"""Where tools leave their logs in a repository, as patterns."""


class LogSource(NamedTuple):
    """A log of another tool.

    Attributes:
        path: the file, or the repository where only its history tells.
        format: who writes such.
    """

    path: Path
    format: str


def sources(path: Path) -> list[LogSource]:
    """The logs at a path: the file itself, or all that a folder holds; else its git history.

    Raises:
        AutoresearchError: code `no_log` when there is none, `not_readable` for another file.
    """
    if not path.exists():
        raise AutoresearchError(
            f"{path} does not exist", code="no_log", hint="Name a log file or a repository."
        )
    if not path.is_dir():
        return [LogSource(path, format_of(path))]
    found = sorted({one for place in PLACES for one in path.glob(place) if one.is_file()})
    current = [one for one in found if one.parent.name == PI]
    if current:  # pi then ignores the files of its older versions
        found = [one for one in found if one.name != "autoresearch.jsonl"]
    logs = [LogSource(one, format_of(one)) for one in found]
    if logs:
        return logs
    if (path / ".git").exists() or (path / "HEAD").exists():
        return [LogSource(path, "git")]
    raise AutoresearchError(
        f"no log of another tool is known in {path}",
        code="no_log",
        hint="Name the file itself. Known are pi's JSONL, TSV and CSV tables, evo's graph.json, "
        "piloop's database and handoff.json.",
    )


def format_of(path: Path) -> str:
    """Who writes such a file, by what it holds; its name says little."""
    with named_errors(path), path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"SQLite format 3\0"):
        return "piloop"
    text = head.decode("utf-8", "replace").lstrip("\ufeff \r\n\t\0")
    if not text:
        raise AutoresearchError(f"{path} is empty", code="no_log", hint="Is it the right file?")
    if text[0] in "{[":
        first = text.split("\n", 1)[0]
        if path.suffix == ".jsonl" or first.rstrip().endswith("}"):
            return "jsonl" if '"nodes"' not in first[:400] else "evo"
        return "evo" if '"nodes"' in text else "handoff"
    return "csv" if text.split("\n", 1)[0].strip() == ",".join(COLUMNS) else "table"


READERS: dict[str, Callable[[Path, str], Iterable[Entry]]] = {
    "jsonl": lambda path, _: _by_line(path, jsonl.entries),
    "table": lambda path, metric: _by_line(path, lambda lines: rows.entries(lines, metric)),
    "csv": lambda path, _: rows.exported(path),
    "evo": lambda path, _: graphs.evo(path),
    "handoff": lambda path, _: graphs.handoff(path),
    "piloop": lambda path, _: graphs.piloop(path),
    "git": lambda path, _: _of_git(path),
}


def read(source: LogSource, metric: str = "") -> Iterator[Entry]:
    """All that a log holds, in its order, with what is odd about it; a log is never held whole.

    Args:
        source: from `sources`.
        metric: the column or key that decides, where the caller chooses another.
    """
    found = READERS[source.format](source.path, metric)
    yield from with_oddities(_chosen(found, metric) if metric else found)


def _chosen(entries: Iterable[Entry], metric: str) -> Iterator[Entry]:
    """Another metric than the log's own, where the experiments hold one of that name."""
    for entry in entries:
        if isinstance(entry, Segment) and entry.metric != metric:
            way = direction_by_name(metric)
            yield replace(entry, metric=metric, direction=way, told_by="the metric's name", unit="")
        elif isinstance(entry, ForeignExperiment) and metric in entry.secondary:
            yield replace(entry, metric=entry.secondary[metric], repeats=())
        else:
            yield entry


def _of_git(path: Path) -> Iterator[Entry]:
    with GitRepo.open(path) as repo:
        yield from graphs.git(repo)


def _by_line(
    path: Path, reader: Callable[[Iterable[tuple[int, str]]], Iterator[Entry]]
) -> Iterator[Entry]:
    odd: list[Oddity] = []

    def lines() -> Iterator[tuple[int, str]]:
        with named_errors(path), path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                yield number, _decoded(number, raw, odd)

    for entry in reader(lines()):
        yield from odd
        odd.clear()
        yield entry
    yield from odd


def _decoded(number: int, raw: bytes, odd: list[Oddity]) -> str:
    text = raw.rstrip(b"\r\n")
    if number == 1 and text.startswith(b"\xef\xbb\xbf"):
        odd.append(Oddity(line=1, what=Odd.BOM))
        text = text[3:]
    if b"\0" in text:
        odd.append(Oddity(line=number, what=Odd.NUL, detail="left out"))
        text = text.replace(b"\0", b"")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        odd.append(Oddity(line=number, what=Odd.BYTES, detail=f"byte {error.start + 1}"))
        return text.decode("utf-8", "replace")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; of a folder, nothing."""
    if path.is_dir():
        return ""
    with named_errors(path), path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
