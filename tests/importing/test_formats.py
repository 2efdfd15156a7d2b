"""Logs of other tools, as real ones look: each line becomes a record or an oddity, none is lost."""

from __future__ import annotations

import json
import sqlite3
import string

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import Direction
from autoresearch.importing.foreign import (
    ForeignExperiment,
    ForeignStatus,
    Odd,
    Oddity,
    Remark,
    Segment,
)
from autoresearch.importing.reading import read, sources
from hypothesis import given, settings
from hypothesis import strategies as st
from support.harness import Git


def entries(path, content, metric=""):
    """All that is read from a file of this content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (source,) = sources(path)
    return list(read(source, metric))


def of(kind, found):
    return [entry for entry in found if isinstance(entry, kind)]


def odd(found):
    return {(one.line, one.what) for one in of(Oddity, found)}


CONFIG = {
    "type": "config",
    "name": "g",
    "metricName": "ms",
    "metricUnit": "ms",
    "bestDirection": "lower",
}
RUN = {
    "run": 1, "commit": "abcdef1", "metric": 10, "metrics": {"mb": 5}, "status": "keep",
    "description": "base", "timestamp": 1776690300000, "segment": 0, "confidence": None,
}  # fmt: skip


def pi_lines(*runs, config=CONFIG):
    return "".join(json.dumps(line) + "\n" for line in (config, *runs))


@pytest.mark.parametrize(
    ("run", "status", "metric", "what"),
    [
        ({}, ForeignStatus.KEEP, 10, set()),
        ({"status": "discard", "metric": 11.5}, ForeignStatus.DISCARD, 11.5, set()),
        # pi's own reader makes a keep of it
        ({"status": "weird"}, ForeignStatus.UNKNOWN, 10, {Odd.UNKNOWN_STATUS}),
        # and these zeros
        ({"metric": None}, ForeignStatus.KEEP, None, {Odd.NO_METRIC}),
        ({"metric": "12"}, ForeignStatus.KEEP, None, {Odd.NO_METRIC}),
        ({"metric": True}, ForeignStatus.KEEP, None, {Odd.NO_METRIC}),
        ({"status": "crash", "metric": 0}, ForeignStatus.CRASH, None, {Odd.CRASH_AS_ZERO}),
        ({"status": "checks_failed"}, ForeignStatus.CHECKS_FAILED, 10, set()),
        ({"metric": 9223372036854776000}, ForeignStatus.KEEP, 2.0**63, {Odd.SENTINEL}),
        ({"metric": -3}, ForeignStatus.KEEP, -3, {Odd.NEGATIVE}),
        ({"metric": 0}, ForeignStatus.KEEP, 0, {Odd.ZERO_BASE}),
        ({"segment": 4}, ForeignStatus.KEEP, 10, {Odd.STORED_SEGMENT}),
        ({"confidence": 856.8}, ForeignStatus.KEEP, 10, {Odd.CONFIDENCE}),
        ({"commit": "abc1"}, ForeignStatus.KEEP, 10, {Odd.SHORT_COMMIT}),
        ({"commit": "baseline"}, ForeignStatus.KEEP, 10, {Odd.NO_COMMIT}),
        ({"timestamp": 0}, ForeignStatus.KEEP, 10, set()),
        ({"asi": {"hypothesis": "because"}, "iterationTokens": 5}, ForeignStatus.KEEP, 10, set()),
    ],
    ids=str,
)  # fmt: skip
def test_a_run_of_pi(tmp_path, run, status, metric, what):
    """A status that nobody knows taken for a keep, and a metric that was made up."""
    found = entries(tmp_path / "autoresearch.jsonl", pi_lines({**RUN, **run}))
    (one,) = of(ForeignExperiment, found)
    assert (one.status, one.metric, one.line) == (status, metric, 2)
    assert {kind for _, kind in odd(found)} == what
    assert one.x_ == {**RUN, **run}


def test_lines_of_pi_that_are_none(tmp_path):
    """Damage that is skipped in silence, and a header that inherits what it does not say."""
    again = {"type": "config", "bestDirection": "higher"}
    content = "\n".join(
        [
            json.dumps(CONFIG), json.dumps(CONFIG), json.dumps(RUN), "{broken", "", '["list"]',
            '{"type": "hook", "stage": "after", "exit_code": 0}', '{"type": "future"}',
            json.dumps(again), json.dumps({**RUN, "run": 1, "commit": "abcdef2"}),
            json.dumps({"metric": 3, "status": "keep", "metrics": {"a": float("nan")}}),
        ]
    )  # fmt: skip
    found = entries(tmp_path / "autoresearch.jsonl", content)
    segments = of(Segment, found)
    assert [(s.number, s.metric, s.direction) for s in segments] == [
        (0, "ms", Direction.LOWER),
        (0, "ms", Direction.LOWER),
        (1, "ms", Direction.HIGHER),
    ]
    assert odd(found) == {
        (2, Odd.REPEATED_HEADER), (4, Odd.NOT_JSON), (5, Odd.BLANK), (6, Odd.NOT_KNOWN),
        (8, Odd.NOT_KNOWN), (10, Odd.STORED_RUN), (10, Odd.STORED_SEGMENT),
    }  # fmt: skip
    assert [r.line for r in of(Remark, found)] == [7]
    assert [(e.number, e.segment) for e in of(ForeignExperiment, found)] == [(1, 0), (2, 1), (3, 1)]


TABLES = {
    "karpathy": (
        "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
        "a1b2c3d\t0.990000\t44.0\tkeep\tbaseline\n"
        "a1b2c3e\t0.000000\t0.0\tcrash\tout of memory\n"
        "-\t0.991000\t-\tDISCARD\tmore heads\n",
        ("val_bpb", Direction.LOWER),
        [(ForeignStatus.KEEP, 0.99), (ForeignStatus.CRASH, None), (ForeignStatus.DISCARD, 0.991)],
        {(3, Odd.CRASH_AS_ZERO)},
    ),
    "renamed, other words": (
        "commit\tscore\tsharpe\tstatus\tdescription\nexp1\t2.5\t1.0\tkept\tx\n"
        "exp2\t2.4\t1.0\treverted\ty\n",
        ("score", Direction.HIGHER),
        [(ForeignStatus.KEEP, 2.5), (ForeignStatus.DISCARD, 2.4)],
        {(1, Odd.MANY_METRICS), (2, Odd.NO_COMMIT), (3, Odd.NO_COMMIT)},
    ),
    "udit": (
        "# metric_direction: higher_is_better\n# goal: more\n"
        "iteration\tcommit\tmetric\tdelta\tguard\tguard-metric\tstatus\tdescription\n"
        "0\tc5682e8\t56\t0.0\tpass\t-\tbaseline\tas it is\n"
        "1\t-\t40\t-16\tfail\t-\tkeep (reworked)\tone\n"
        "2\t-\t41\t+7\tpass\t-\thook-blocked\ttwo\n3\t-\t-\t-\t-\t-\tno-op\tthree\n",
        ("metric", Direction.HIGHER),
        [(ForeignStatus.BASELINE, 56), (ForeignStatus.KEEP, 40), (ForeignStatus.CHECKS_FAILED, 41),
         (ForeignStatus.DISCARD, None)],
        {(6, Odd.DELTA)},
    ),
    "no status": (
        "timestamp\tcommit\ttoffoli\tcorrect\tnotes\n"
        "2026-01-01T00:00:00Z\tabcdef1\t900\t1\tfirst\n",
        ("toffoli", Direction.LOWER),
        [(ForeignStatus.UNKNOWN, 900)],
        {(1, Odd.NO_STATUS), (1, Odd.MANY_METRICS)},
    ),
    "no header": (
        "a1b2c3d\t0.99\t44.0\tkeep\tbaseline\n",
        ("val_bpb", Direction.LOWER),
        [(ForeignStatus.KEEP, 0.99)],
        {(1, Odd.NO_HEADER)},
    ),
    "a program in the description": (
        "commit\tval_loss\tstatus\tdescription\n"
        "a1b2c3d\t0.5\tkeep\tuse this:\ndef f(x):\n\treturn x\n\n"
        "a1b2c3e\t0.4\tkeep\tnext\n",
        ("val_loss", Direction.LOWER),
        [(ForeignStatus.KEEP, 0.5), (ForeignStatus.KEEP, 0.4)],
        {(3, Odd.NO_ROW), (4, Odd.NO_ROW), (5, Odd.BLANK)},
    ),
    "other columns from the middle on": (
        "commit\tscore\tstatus\tdescription\na1b2c3d\t1.5\tkeep\tone\n"
        "commit\tscore\tdrawdown\tstatus\tdescription\na1b2c3e\t1.6\t0.3\tdiscard\ttwo\n",
        ("score", Direction.HIGHER),
        [(ForeignStatus.KEEP, 1.5), (ForeignStatus.DISCARD, 1.6)],
        {(3, Odd.NEW_COLUMNS), (3, Odd.MANY_METRICS)},
    ),
    "more cells than the header": (
        "commit\tscore\tstatus\tdescription\na1b2c3d\t1.5\t0.2\t7\tdiscard\tone\n",
        ("score", Direction.HIGHER),
        [(ForeignStatus.DISCARD, 1.5)],
        {(2, Odd.CELLS)},
    ),
    "a composite metric": (
        "commit\tresult\tstatus\tdescription\na1b2c3d\t9334_sig,18.0c,0.494\tdiscard\tone\n",
        ("result", None),
        [(ForeignStatus.DISCARD, None)],
        {(2, Odd.COMPOSITE)},
    ),
    "pipes": (
        "| iteration | metric | status | description |\n| 1 | 5 | keep | one |\n",
        ("metric", None),
        [(ForeignStatus.KEEP, 5)],
        set(),
    ),
    "commas": (
        'commit,accuracy,status,description\na1b2c3d,0.9,keep,"one, two"\n',
        ("accuracy", Direction.HIGHER),
        [(ForeignStatus.KEEP, 0.9)],
        set(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_dialect_of_tables(tmp_path, name):
    """A column that moved, a word of another dialect, a row that is none."""
    content, (metric, direction), rows, what = TABLES[name]
    found = entries(tmp_path / "results.tsv", content)
    assert [(s.metric, s.direction) for s in of(Segment, found)][-1] == (metric, direction)
    assert [(e.status, e.metric) for e in of(ForeignExperiment, found)] == rows
    assert odd(found) == what
    every = range(1, content.count("\n") + 1)
    assert {entry.line for entry in found} | {3} >= {line for line in every if line != 3}


def test_another_metric_is_chosen(tmp_path):
    """A log of four scores, of which the user means the third."""
    content = TABLES["renamed, other words"][0]
    found = entries(tmp_path / "results.tsv", content, metric="sharpe")
    assert [(s.metric, s.direction) for s in of(Segment, found)] == [("sharpe", Direction.HIGHER)]
    assert [e.metric for e in of(ForeignExperiment, found)] == [1.0, 1.0]


def test_bytes_that_are_no_text(tmp_path):
    """A mark at the start, NUL and Latin-1 in the middle: told, and the row is read."""
    content = (
        b"\xef\xbb\xbfcommit\tval_loss\tstatus\tdescription\na1b2c3d\t0.5\tkeep\tcaf\xe9 \0x\r\n"
    )
    found = entries(tmp_path / "results.tsv", content)
    (one,) = of(ForeignExperiment, found)
    assert (one.metric, one.status, one.commit) == (0.5, ForeignStatus.KEEP, "a1b2c3d")
    assert odd(found) == {(1, Odd.BOM), (2, Odd.NUL), (2, Odd.BYTES)}


LINE = st.one_of(
    st.text(string.printable.replace("\n", "").replace("\r", "") + "é\0", max_size=30),
    st.sampled_from(
        ["a\t1\tkeep\tx", json.dumps(RUN), json.dumps(CONFIG), "commit\tms\tstatus\tx"]
    ),
)


@pytest.mark.parametrize("name", ["autoresearch.jsonl", "results.tsv"])
@settings(max_examples=40)
@given(lines=st.lists(LINE, min_size=1, max_size=12))
def test_no_line_is_unexplained(tmp_path_factory, name, lines):
    """Anything at all: nothing raises, and every line is a record, a remark or an oddity."""
    path = tmp_path_factory.mktemp("any") / name
    path.write_text("\n".join(lines), "utf-8", newline="\n")
    try:
        (source,) = sources(path)
    except AutoresearchError as error:
        assert error.code == "no_log"  # noqa: PT017 - the other way out of the same call
        return
    if source.format not in {"jsonl", "table"}:
        return
    number = len(path.read_bytes().splitlines(keepends=True))
    told = {entry.line for entry in read(source)}
    assert told >= set(range(1, path.read_bytes().rstrip(b"\n").count(b"\n") + 2)) or number == 0


def test_evo_graph(tmp_path):
    """A graph whose nodes stand in no order and whose root is no experiment."""
    node = {"parent": "root", "hypothesis": "try", "eval_epoch": 1, "commit": "abcdef1"}
    graph = {
        "root": "root",
        "nodes": {
            "root": {"id": "root", "status": "root", "score": None},
            "b": {**node, "id": "b", "status": "evaluated", "score": 0.5,
                  "created_at": "2026-01-02T00:00:00+00:00"},
            "a": {**node, "id": "a", "status": "committed", "score": 0.7,
                  "created_at": "2026-01-01T00:00:00+00:00"},
            "c": {**node, "id": "c", "status": "failed", "score": None, "eval_epoch": 2,
                  "created_at": "2026-01-03T00:00:00+00:00"},
        },
    }  # fmt: skip
    folder = tmp_path / ".evo"
    folder.mkdir()
    (folder / "config.json").write_text('{"metric": "max"}')
    found = entries(folder / "graph.json", json.dumps(graph))
    assert [(e.status, e.metric, e.segment) for e in of(ForeignExperiment, found)] == [
        (ForeignStatus.KEEP, 0.7, 0), (ForeignStatus.DISCARD, 0.5, 0),
        (ForeignStatus.CRASH, None, 1),
    ]  # fmt: skip
    assert of(Segment, found)[0].direction is Direction.HIGHER


SCHEMA = """
create table campaigns (id integer primary key, name text, config text);
create table evaluators (id integer primary key, campaign_id integer, key text);
create table ideas (id integer primary key, title text, hypothesis text, track text);
create table runs (id integer primary key, idea_id integer);
create table candidates (id integer primary key, campaign_id integer, run_id integer,
  parent_id integer, tree_sha text, revision text, summary text, origin text, verdict text,
  verdict_reason text, created_at text);
create table measurements (id integer primary key, candidate_id integer, evaluator_id integer,
  metrics text, error text);
"""


@pytest.mark.parametrize("wal", [False, True])
def test_piloop_database_is_only_read(tmp_path, wal):
    """A database with a journal beside it that a reader would write to."""
    path = tmp_path / "piloop.db"
    database = sqlite3.connect(path)
    if wal:
        database.execute("pragma journal_mode=wal")
    database.executescript(SCHEMA)
    metrics = [{"name": "ms", "role": "primary", "direction": "min"}]
    database.execute(
        "insert into campaigns values (1, 'fast', ?)", [json.dumps({"metrics": metrics})]
    )
    database.execute("insert into ideas values (1, 'inline it', 'calls cost', 'ms')")
    database.execute("insert into runs values (1, 1)")
    rows = [
        (1, None, "baseline", None, "abcdef1"),
        (2, 1, "run", "keep", "abcdef2"),
        (3, 1, "run", "interesting", "abcdef3"),
    ]
    for number, run, origin, verdict, revision in rows:
        database.execute(
            "insert into candidates values (?, 1, ?, null, 't', ?, 's', ?, ?, '', '2026-01-01')",
            [number, run, revision, origin, verdict],
        )
    for number, value, error in [(1, 10, None), (1, 12, None), (2, 9, None), (3, 1, "failed")]:
        database.execute(
            "insert into measurements values (null, ?, 1, ?, ?)",
            [number, json.dumps({"ms": value, "mb": 1}), error],
        )
    database.commit()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (source,) = sources(path)
    found = list(read(source))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    database.close()
    assert [(e.status, e.metric, e.repeats) for e in of(ForeignExperiment, found)] == [
        (ForeignStatus.BASELINE, 11, (10, 12)), (ForeignStatus.KEEP, 9, (9,)),
        (ForeignStatus.CRASH, None, ()),
    ]  # fmt: skip
    (segment,) = of(Segment, found)
    assert (segment.goal, segment.metric, segment.direction) == ("fast", "ms", Direction.LOWER)


def test_history_of_git_alone(tmp_path):
    """A trailer in the body, one that a tool squeezed into the subject, and a revert."""
    repo = Git.create(tmp_path / "r")
    messages = [
        'base\n\nResult: {"status":"keep","combined_ms":100,"allocs":7}',
        'inline\\n\\nResult: {"status":"keep","combined_ms":90}',
        "experiment(parser): skip blanks",
        'Revert "experiment(parser): skip blanks"',
        "docs: no experiment",
    ]
    for message in messages:
        repo("commit", "--allow-empty", "-qm", message)
    (source,) = sources(repo.root)
    found = list(read(source))
    assert source.format == "git"
    assert [(e.status, e.metric, e.description) for e in of(ForeignExperiment, found)] == [
        (ForeignStatus.KEEP, 100, "base"),
        (ForeignStatus.KEEP, 90, "inline"),
        (ForeignStatus.DISCARD, None, "skip blanks"),
    ]
    assert (2, Odd.SQUEEZED) in odd(found)


def test_where_logs_lie_in_a_repository(tmp_path):
    """Pi's old files beside its new ones, which pi itself ignores; a table of each command."""
    for name in (
        ".auto/log.jsonl",
        "autoresearch.jsonl",
        "autoresearch/fix-260101-1200/fix-results.tsv",
    ):
        entries(tmp_path / name, pi_lines(RUN) if name.endswith("l") else TABLES["karpathy"][0])
    assert [(s.path.relative_to(tmp_path).as_posix(), s.format) for s in sources(tmp_path)] == [
        (".auto/log.jsonl", "jsonl"), ("autoresearch/fix-260101-1200/fix-results.tsv", "table"),
    ]  # fmt: skip
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "no", tmp_path / "empty"):
        with pytest.raises(AutoresearchError) as raised:
            sources(nothing)
        assert raised.value.code == "no_log"
        assert raised.value.hint
