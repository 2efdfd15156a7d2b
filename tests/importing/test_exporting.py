"""What is exported is read again here: all of it where the format can hold it."""

from __future__ import annotations

import json

import pytest
from autoresearch.core.model import Direction
from autoresearch.importing.exporting import WRITERS
from autoresearch.importing.foreign import KEPT, ForeignExperiment, ForeignStatus, Segment
from autoresearch.importing.reading import read, sources
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.project import set_cost
from support.session import open_session

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
NUMBER = st.floats(-1e9, 1e9, allow_subnormal=False).map(lambda x: round(x, 4))
ROW = st.builds(
    ForeignExperiment,
    line=st.integers(1, 99), number=st.just(0), segment=st.just(0),
    commit=st.sampled_from(["", "abcdef1", "0123456789abcdef"]),
    status=st.sampled_from(ForeignStatus),
    metric=st.none() | NUMBER, secondary=st.dictionaries(st.sampled_from(["mb", "kb"]), NUMBER),
    repeats=st.lists(NUMBER, max_size=3).map(tuple), description=TEXT, hypothesis=TEXT,
    at=st.sampled_from([None, "2026-01-02T03:04:05Z"]),
)  # fmt: skip
SEGMENT = Segment(line=1, number=0, goal="g", metric="ms", direction=Direction.LOWER)


def again(folder, name, rows):
    """The experiments, written and read."""
    text, lost = WRITERS[name](rows)
    path = folder / f"log.{'jsonl' if name in {'pi', 'jsonl'} else name}"
    path.write_text(text, "utf-8", newline="")
    (source,) = sources(path)
    found = list(read(source))
    return (
        [e for e in found if isinstance(e, ForeignExperiment)],
        [s for s in found if isinstance(s, Segment)],
        lost,
    )


@pytest.mark.parametrize("name", ["jsonl", "csv", "pi"])
@settings(max_examples=40)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_round_trip_without_loss(tmp_path_factory, name, rows):
    """A status, a value or a word that does not come back as it was."""
    rows = [replace(row, number=number) for number, row in enumerate(rows, 1)]
    found, segments, _ = again(tmp_path_factory.mktemp("x"), name, [SEGMENT, *rows])
    assert found == rows
    if name != "csv":
        assert [(s.metric, s.direction) for s in segments] == [("ms", Direction.LOWER)]


@pytest.mark.parametrize("name", ["karpathy", "udit"])
@settings(max_examples=40)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_round_trip_of_what_the_format_holds(tmp_path_factory, name, rows):
    """A metric, a decision or a description that a table changed, but for what it says it loses."""
    found, segments, lost = again(tmp_path_factory.mktemp("x"), name, [SEGMENT, *rows])
    assert len(found) == len(rows)
    assert lost
    assert segments[0].direction is Direction.LOWER
    for got, row in zip(found, rows, strict=True):
        assert got.description == " ".join(row.description.split())
        if row.metric is not None and row.status is not ForeignStatus.CRASH:
            assert got.metric == pytest.approx(row.metric, abs=1e-6)
        assert (got.status in KEPT) == (row.status in KEPT)


def test_export_of_a_session(tmp_path):
    """Baseline, keep and discard as pi and Karpathy's original would have logged them."""
    helper = open_session(tmp_path)
    for cost in (90, 110):
        set_cost(helper.repo, cost)
        helper("try", "-m", f"cost {cost}")
    out = tmp_path / "pi.jsonl"
    told = helper.json("export", "--format", "pi", "--out", str(out))
    assert told["experiments"] == 3
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[0] == {
        "type": "config", "name": "Make the work cheaper", "metricName": "cost", "metricUnit": "",
        "bestDirection": "lower",
    }  # fmt: skip
    assert [(r["run"], r["metric"], r["status"]) for r in lines[1:]] == [
        (1, 100, "keep"), (2, 90, "keep"), (3, 110, "discard"),
    ]  # fmt: skip
    assert "exists" in helper("export", "--format", "pi", "--out", str(out), code=1).err
    out = tmp_path / "results.tsv"
    helper("export", "--format", "karpathy", "--out", str(out))
    assert out.read_text().splitlines()[0] == "commit\tcost\tmemory_gb\tstatus\tdescription"
    assert [line.split("\t")[3] for line in out.read_text().splitlines()[1:]] == [
        "keep",
        "keep",
        "discard",
    ]
    (source,) = sources(tmp_path / "pi.jsonl")
    found = [entry for entry in read(source) if isinstance(entry, ForeignExperiment)]
    assert [one.metric for one in found] == [100, 90, 110]
    assert found[1].x_["autoresearch"]["number"] == 1
