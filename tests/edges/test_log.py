"""The log file: appended, torn, damaged."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys

import pytest
from autoresearch.core.errors import AutoresearchError, CorruptLogError
from autoresearch.core.records import Stop
from autoresearch.edges.log import START, Log, Position
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.records import any_record, chain, experiment, make, opened

RECORDS = (opened(), experiment(1), make(Stop, reason="\u2028 end"))
SHORT = (opened(), make(Stop, reason="one"), make(Stop, reason="two"))


@pytest.fixture
def log(tmp_path):
    """A log of three lines."""
    log = Log(tmp_path / "log.jsonl")
    for record in RECORDS:
        log.append(record)
    return log


def read(log, start=START):
    return [entry.record for entry in log.records(start)]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=st.lists(any_record, max_size=4))
def test_what_is_appended_is_read(tmp_path, records):
    """A record that comes back as another."""
    log = Log(tmp_path / "log.jsonl")
    log.path.unlink(missing_ok=True)
    entries = [log.append(record) for record in records]
    assert read(log) == records
    assert list(log.records()) == entries
    assert log.verify_chain() == log.tail()


def test_bytes_are_the_chain_and_nothing_else(log):
    """A blank line or a missing newline between records."""
    assert log.path.read_bytes() == chain(RECORDS)


def test_missing_log_is_empty(tmp_path):
    """A first start that fails because there is nothing yet."""
    log = Log(tmp_path / "none.jsonl")
    assert read(log) == []
    assert log.tail() == START
    assert log.repair() is None


def test_reading_from_an_offset_gives_what_came_after(log):
    """A line read twice or left out by whoever follows the log."""
    entries = list(log.records())
    assert read(log, entries[0].end) == list(RECORDS[1:])
    assert read(log, entries[2].end) == []
    assert log.read(entries[1].offset, entries[1].end.sha256) == RECORDS[1]


def test_tail_is_found_in_a_line_longer_than_a_block(tmp_path):
    """A hash of half a line."""
    log = Log(tmp_path / "log.jsonl")
    log.append(opened())
    entry = log.append(make(Stop, reason="x" * 200_000))
    assert log.tail() == entry.end


def test_every_truncation_is_read_to_its_last_whole_line_or_refused(log, tmp_path, monkeypatch):
    """Half a line read as a whole one."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # thousands of them take long
    whole = log.path.read_bytes()
    ends = [0, *(entry.end.offset for entry in log.records())]
    for length in range(len(whole) + 1):
        cut = Log(tmp_path / "cut.jsonl")
        cut.path.write_bytes(whole[:length])
        lines = sum(end <= length for end in ends) - 1
        assert read(cut) == list(RECORDS[:lines])
        torn = cut.repair()
        assert (torn is None) == (length in ends)
        if torn is not None:
            assert torn.moved_to.read_bytes() == whole[ends[lines] : length]
            assert torn.size == length - ends[lines]
            torn.moved_to.unlink()
        assert cut.path.read_bytes() == whole[: ends[lines]]


def test_every_flipped_byte_is_detected(log, tmp_path):
    """A changed number in an old line that still reads well."""
    log.path.write_bytes(chain(SHORT))
    whole, end = log.path.read_bytes(), log.tail()
    damaged = Log(tmp_path / "damaged.jsonl")
    for place in range(len(whole)):
        for bit in (0x01, 0x80):
            flipped = bytearray(whole)
            flipped[place] ^= bit
            damaged.path.write_bytes(flipped)
            with pytest.raises(CorruptLogError):
                damaged.verify_chain(end)


def test_lost_last_line_is_detected_by_whoever_remembers_it(log):
    """A log cut at a line's end, which no chain shows."""
    end = log.tail()
    log.path.write_bytes(chain(RECORDS[:2]))
    log.verify_chain()
    for check in (log.verify_chain, log.require_tail):
        with pytest.raises(CorruptLogError) as caught:
            check(end)
        assert "recover --from-refs" in caught.value.hint


def test_replaced_log_of_the_same_length_is_detected(log):
    """Another session's log put in its place."""
    end = log.tail()
    log.require_tail(end)
    log.path.write_bytes(log.path.read_bytes().replace(b" end", b" END"))
    with pytest.raises(CorruptLogError):
        log.require_tail(end)
    with pytest.raises(CorruptLogError, match="ends before byte"):
        list(log.records(Position(10**6, "0" * 64)))


def test_line_behind_a_remembered_position_must_continue_it(log):
    """A log whose beginning was replaced by one of the same length."""
    first = next(iter(log.records())).end
    with pytest.raises(CorruptLogError, match="chain breaks"):
        list(log.records(Position(first.offset, "0" * 64)))


def test_other_line_at_a_remembered_place_is_not_read(log):
    """A record shown that is not the one that was indexed."""
    with pytest.raises(CorruptLogError, match="a different line"):
        log.read(0, "0" * 64)


@pytest.mark.parametrize("line", [b"\n", b"\xef\xbb\xbf{}\n", b"null\n", b'{"schema":9}\n'])
def test_line_that_is_no_record_is_refused_with_its_place(log, line):
    """A line skipped in silence, as jsonlines does with blank lines and byte order marks."""
    with log.path.open("ab") as file:
        file.write(line)
    with pytest.raises(CorruptLogError, match=r"log\.jsonl"):
        read(log)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\x1e"])
def test_mark_before_a_good_line_is_refused(log, mark):
    """Bytes that jsonlines drops, so that what is read is not what is there."""
    content = chain((*RECORDS, make(Stop)))
    last = content.rindex(b"\n", 0, -1) + 1
    log.path.write_bytes(content[:last] + mark + content[last:])
    with pytest.raises(CorruptLogError):
        read(log)


def test_append_behind_a_torn_line_is_refused(log):
    """Two lines glued together."""
    with log.path.open("ab") as file:
        file.write(b'{"schema":1')
    with pytest.raises(CorruptLogError, match="half a line"):
        log.append(make(Stop))
    torn = log.repair()
    assert torn is not None
    assert torn.moved_to.name == "log.torn-1"
    log.append(make(Stop))
    with log.path.open("ab") as file:
        file.write(b"{")
    again = log.repair()
    assert again is not None
    assert again.moved_to.name == "log.torn-2"


def test_unwritable_record_leaves_the_log_as_it_was(log):
    """Half a line left by a record that cannot be encoded."""
    before = log.path.read_bytes()
    with pytest.raises(ValueError, match="cannot be logged"):
        log.append(make(Stop, at="now"))
    assert log.path.read_bytes() == before


def test_full_disk_leaves_the_log_as_it_was(log, monkeypatch):
    """A torn line, or a success reported for a line that is not there."""
    before = log.path.read_bytes()
    write = os.write

    def half(descriptor, content):
        write(descriptor, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(AutoresearchError) as caught:
        log.append(make(Stop))
    assert caught.value.code == "no_space"
    assert log.path.read_bytes() == before


def test_append_is_one_write_then_a_sync(log, monkeypatch):
    """A line that another process sees in halves, or that power loss takes back."""
    calls = []
    write, sync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda d, c: calls.append("write") or write(d, c))
    monkeypatch.setattr(os, "fsync", lambda d: calls.append("sync") or sync(d))
    log.append(make(Stop))
    assert calls == ["write", "sync"]


def test_line_that_grows_while_it_is_read_is_left_for_the_next_reader(tmp_path, monkeypatch):
    """The second half of a line, taken for a line, so that a `status` calls the log corrupt."""
    whole = chain(SHORT)

    class Growing(io.BytesIO):
        """A file whose last line is completed right after its first half was read."""

        def readline(self, *_):
            line = super().readline()
            if line and not line.endswith(b"\n"):
                place = self.tell()
                self.write(whole[-9:])
                self.seek(place)
            return line

        def __next__(self):
            line = self.readline()
            if not line:
                raise StopIteration
            return line

    log = Log(tmp_path / "log.jsonl")
    monkeypatch.setattr(log, "_open", lambda: Growing(whole[:-9]))
    assert [entry.record for entry in log.records()] == list(SHORT[:2])


def test_reader_sees_only_whole_lines_while_another_process_writes(tmp_path):
    """Half a line handed to `status` during a `try`."""
    log = Log(tmp_path / "log.jsonl")
    script = (
        "import sys; from pathlib import Path\n"
        "from support.records import opened, experiment\n"
        "from autoresearch.edges.log import Log\n"
        "log = Log(Path(sys.argv[1])); log.append(opened())\n"
        "for number in range(1, 60): log.append(experiment(number, detail='x' * 5000))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(log.path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as writer:
        while writer.poll() is None:
            numbers = [record.number for record in read(log)[1:]]
            assert numbers == list(range(1, len(numbers) + 1))
        assert writer.returncode == 0
    assert len(read(log)) == 60
