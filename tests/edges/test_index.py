"""The index: what it answers, and that it never contradicts the log."""

from __future__ import annotations

import sqlite3

import pytest
from autoresearch.core.errors import AutoresearchError, CorruptLogError
from autoresearch.core.history import advance
from autoresearch.core.model import Kind, LimitResult, NoteKind, Reason, Scale, Verdict
from autoresearch.core.records import Stop, Undo, Validation
from autoresearch.edges.index import Index, Near, Search, add_row
from autoresearch.edges.log import Log
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.records import chain, effect, epoch, experiment, make, note, opened, race, refusal


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "log.jsonl")


@pytest.fixture
def index(tmp_path, log):
    """An index over a session that was just opened."""
    with Index(tmp_path / "index.db", log) as index:
        index.append(opened())
        index.append(epoch())
        yield index


def numbers(found):
    return [tried.number for tried in found]


def test_append_writes_log_and_index(index, log):
    """An experiment in the index that the log does not hold."""
    index.append(experiment(1, Verdict.KEEP, effect=effect(-0.03)))
    assert [entry.record for entry in log.records()][2].number == 1
    assert index.history().kept[0].effect == effect(-0.03)
    assert index.position == log.tail()


def test_record_that_cannot_follow_is_not_written(index, log):
    """An experiment number logged twice after a crash."""
    index.append(experiment(1))
    before = log.path.read_bytes()
    with pytest.raises(CorruptLogError, match="experiment 1 follows experiment 1"):
        index.append(experiment(1))
    assert log.path.read_bytes() == before


def test_index_catches_up_with_lines_it_did_not_write(index, log):
    """Answers from before a crash between log and index."""
    log.append(experiment(1, tree="t" * 40))
    index.catch_up()
    assert numbers(index.by_tree("t" * 40)) == [1]
    assert index.progress().last_number == 1


def test_two_indexes_on_one_log_agree(index, log):
    """A line added twice because a reader caught up first."""
    with Index(index.path, log) as other:
        index.append(experiment(1))
        other.append(experiment(2))
        index.append(experiment(3))
        other.catch_up()
        assert index.history() == other.history()
        assert numbers(other.experiments(Search())) == [3, 2, 1]


def test_summary_equals_the_fold_over_the_log(index, log):
    """A stored summary that drifts from what the log says."""
    for number in range(1, 8):
        index.append(
            experiment(
                number,
                Verdict.KEEP if number % 3 == 0 else Verdict.DISCARD,
                race=race("abba", (1.5, 2.25, 3.125, 0.1 + number)),
            )
        )
    progress = None
    for entry in log.records():
        progress = advance(progress, entry.record)
    with Index(index.path, log) as again:
        assert again.progress() == progress


def test_full_record_is_read_back_from_the_log(index, log):
    """`show N` without its samples, or with another experiment's."""
    whole = experiment(2, race=race("abba", (1.0, 2.0, 3.0, 4.0)))
    index.append(experiment(1))
    index.append(whole)
    assert index.record(2) == whole
    assert index.record(3) is None
    assert index.experiment(3) is None


def test_changed_line_is_not_shown_as_the_record(index, log):
    """An edited sample passed off as the logged one."""
    index.append(experiment(1, detail="plain"))
    log.path.write_bytes(log.path.read_bytes().replace(b'"plain"', b'"PLAIN"'))
    with pytest.raises(CorruptLogError):
        index.record(1)


def test_log_that_lost_its_last_line_is_refused_until_it_is_accepted(index, log, tmp_path):
    """A rolled-back log taken for the whole story."""
    index.append(experiment(1))
    log.path.write_bytes(chain((opened(), epoch())))
    with pytest.raises(CorruptLogError, match="ends before"):
        index.catch_up()
    with pytest.raises(CorruptLogError):
        Index(index.path, log)
    index.rebuild()
    assert index.progress().last_number == 0
    index.append(experiment(1))


def test_last_line_that_was_edited_is_refused(index, log):
    """A verdict changed where no later line can show it."""
    index.append(experiment(1, detail="plain"))
    log.path.write_bytes(log.path.read_bytes().replace(b'"plain"', b'"PLAIN"'))
    with pytest.raises(CorruptLogError, match="was replaced"):
        index.catch_up()
    with pytest.raises(CorruptLogError, match="was replaced"):
        Index(index.path, log)


def test_empty_log_has_no_history(tmp_path, log):
    """A brief made up from nothing."""
    with Index(tmp_path / "index.db", log) as index, pytest.raises(CorruptLogError, match="empty"):
        index.history()


@pytest.mark.parametrize(
    "damage", [b"", b"not a database" * 100, b"SQLite format 3\0" + b"x" * 500]
)
def test_broken_database_is_built_again(index, log, damage):
    """A session lost with a file that can be derived."""
    index.append(experiment(1))
    index.close()
    for name in ("index.db-wal", "index.db-shm"):
        index.path.with_name(name).unlink(missing_ok=True)
    index.path.write_bytes(damage)
    with Index(index.path, log) as again:
        assert again.progress().last_number == 1
        assert numbers(again.touching(["src/a.py"], 5)) == [1]


def test_database_that_breaks_while_open_is_built_again(index, log):
    """A crash in the middle of a query."""
    index.append(experiment(1))
    index._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(index.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    index.path.write_bytes(content)
    index._connection.close()
    index._connection = index._connect()
    assert index.experiment(1) is not None
    assert index.record(1) == experiment(1)


def test_outdated_database_is_built_again(index, log):
    """Tables of an older version queried with today's words."""
    index.append(experiment(1))
    index._connection.execute("DROP TABLE notes")
    index._connection.execute("PRAGMA user_version = 0")
    index.close()
    with Index(index.path, log) as again:
        assert again.history().last_number == 1


def test_unreadable_summary_is_built_again(index, log):
    """A field added to the summary that older databases do not hold."""
    index.append(experiment(1))
    index._connection.execute("UPDATE state SET progress = '{}'")
    index.close()
    with Index(index.path, log) as again:
        assert again.progress().last_number == 1
        again._connection.execute("UPDATE experiments SET tried = '{}'")
        assert again.history().recent[0].number == 1


def test_index_that_another_process_has_rebuilt_is_used(index, log):
    """Two processes that rebuild in turn and delete each other's file."""
    index.append(experiment(1))
    with Index(index.path, log) as other:
        other.rebuild()
        inode = index.path.stat().st_ino
        index.rebuild()
        assert index.path.stat().st_ino == inode
        assert index.progress() == other.progress()


def test_database_that_cannot_be_opened_is_an_expected_failure(tmp_path, log):
    """A crash report for a missing folder."""
    with pytest.raises(AutoresearchError) as caught:
        Index(tmp_path / "missing" / "index.db", log)
    assert caught.value.code == "index"


def test_full_disk_is_called_one(index):
    """A user who deletes files of ours, or mends permissions, where space is missing."""
    index._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(AutoresearchError, match="is on a full disk") as caught:
        append_many(index)
    assert (caught.value.code, caught.value.hint[:15]) == ("no_space", "Free some space")


def append_many(index):
    """More than fits into any page that is there."""
    for number in range(1, 40):
        index.append(experiment(number))


def test_failed_transaction_leaves_no_trace(index, monkeypatch):
    """A half-indexed line."""

    def broken(connection, entry):
        add_row(connection, entry)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("autoresearch.edges.index.add_row", broken)
    with pytest.raises(AutoresearchError, match="disk I/O error"):
        index.append(experiment(1))
    monkeypatch.undo()
    monkeypatch.setattr(Index, "_start_over", lambda *_args, **_force: pytest.fail("built again"))
    index.catch_up()
    assert index.progress().last_number == 1


def test_undo_gives_back_the_losses_of_the_record_in_the_log(index):
    """An undo that leaves the limits used up."""
    loss = make(LimitResult, name="mb", worst=0.02, estimate=0.01, limit=0.05, held=True)
    index.append(experiment(1, Verdict.KEEP, limits=(loss,), kind=Kind.PLAIN))
    assert index.history().secondary_loss("mb") == 0.01
    index.append(make(Undo, experiment=1, commit="f" * 40))
    assert index.history().secondary_loss("mb") == 0


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (Search(), [5, 4, 3, 2, 1]),
        (Search(newest_first=False, limit=2), [1, 2]),
        (Search(limit=2), [5, 4]),
        (Search(verdict=Verdict.KEEP), [3]),
        (Search(reason=Reason.WORSE), [2]),
        (Search(first=2, last=4), [4, 3, 2]),
        (Search(text="CACHE"), [4]),
        (Search(text="100%"), [5]),
        (Search(text="_"), []),
        (Search(text="sure \udcff"), [5]),
        (Search(path="src/deep/b.py"), [4]),
        (Search(path="src/"), [5, 4, 3, 1]),
        (Search(path="src/deep", first=4), [4]),
        (Search(path="caf\udce9"), [2]),
        (Search(path="sr"), []),
    ],
)
def test_search_finds(index, search, expected):
    """A filter that leaves out or lets through."""
    index.append(experiment(1))
    index.append(experiment(2, reason=Reason.WORSE, paths=(("M", "caf\udce9"),)))
    index.append(experiment(3, Verdict.KEEP))
    index.append(experiment(4, paths=(("M", "src/deep/b.py"),), hypothesis="Caches help"))
    index.append(experiment(5, message="100% sure \udcff"))
    assert numbers(index.experiments(search)) == expected


def test_same_change_is_found_by_tree_and_by_patch(index):
    """A duplicate raced again for nothing."""
    index.append(experiment(1, tree="t" * 40, patch_id="p" * 40))
    index.append(experiment(2, tree="u" * 40, patch_id="p" * 40))
    assert numbers(index.by_tree("t" * 40)) == [1]
    assert numbers(index.by_patch("p" * 40)) == [2, 1]
    assert index.by_tree("x") == ()


def test_neighbours_are_the_newest_that_touched_a_path(index):
    """A neighbourhood of old experiments, or one listed twice."""
    for number in range(1, 6):
        paths = (("M", "src/a.py"), ("M", "src/b.py")) if number != 3 else (("D", "src/c.py"),)
        index.append(experiment(number, paths=paths))
    assert numbers(index.touching(["src/a.py", "src/b.py"], 3)) == [5, 4, 2]
    assert numbers(index.touching(["src/c.py", "src/none.py"], 3)) == [3]
    assert index.touching([], 3) == ()


def test_near_duplicate_is_the_one_with_most_lines_in_common(index):
    """A near duplicate that is not named, or the wrong one."""
    index.remember_lines(1, [1, 2, 3, 4])
    index.remember_lines(2, [3, 4, 5, 6, 7])
    assert index.near([1, 2, 3, 9]) == Near(1, 0.75)
    assert index.near([3, 4]) == Near(2, 1.0)
    assert index.near([99]) is None
    assert index.near([]) is None


def test_line_that_everybody_touches_is_remembered_for_the_newest_only(index):
    """Answers that get slower with every experiment."""
    for number in range(1, 100):
        index.remember_lines(number, [7, -number])
    rows = index._connection.execute("SELECT COUNT(*), MIN(number) FROM lines WHERE hash = 7")
    assert rows.fetchone() == (64, 36)


def test_notes_are_listed_newest_first_and_ideas_leave_when_retired(index):
    """An idea tried and retired that is proposed again."""
    for number in range(1, 34):
        index.append(note(number, f"idea {number}"))
    index.append(note(34, "learned", NoteKind.LESSON))
    index.append(note(35, "no way", NoteKind.DEAD_END))
    index.append(note(33, "", NoteKind.RETIRE))
    index.append(note(33, "", NoteKind.RETIRE))
    index.append(note(34, "", NoteKind.RETIRE))
    history = index.history()
    assert [idea.number for idea in history.ideas.newest] == list(range(32, 2, -1))
    assert history.ideas.total == 32
    assert [lesson.text for lesson in history.lessons.newest] == ["learned"]
    assert (history.lessons.total, history.dead_ends.total) == (1, 1)
    assert [end.text for end in history.dead_ends.newest] == ["no way"]


def test_records_of_a_kind_are_read_back(index):
    """A validation or refusal that the report cannot find."""
    index.append(refusal())
    index.append(make(Validation, after=1, effect=effect(-0.1, Scale.DIFFERENCE)))
    index.append(make(Validation, after=2))
    assert [found.after for found in index.records_of("validation", 5)] == [2, 1]
    assert [found.after for found in index.records_of("validation", 1)] == [2]
    assert index.records_of("refusal", 5) == (refusal(),)
    assert index.records_of("stop", 5) == ()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    verdicts=st.lists(
        st.sampled_from([Verdict.KEEP, Verdict.DISCARD, Verdict.CRASH, Verdict.VIOLATION]),
        max_size=12,
    ),
    split=st.integers(0, 12),
)
def test_rebuilding_changes_no_answer(tmp_path, verdicts, split):
    """An index that knows something the log does not."""
    log = Log(tmp_path / "log.jsonl")
    for path in tmp_path.iterdir():
        path.unlink()
    records = [experiment(number, verdict) for number, verdict in enumerate(verdicts, start=1)]
    with Index(tmp_path / "index.db", log) as index:
        for record in (opened(), epoch(), *records[:split]):
            index.append(record)
        for record in records[split:]:
            log.append(record)
        index.catch_up()
        before = index.history(), list(index.experiments(Search()))
        index.rebuild()
        assert (index.history(), list(index.experiments(Search()))) == before


def test_long_log_answers_as_quickly_as_a_short_one(tmp_path):
    """A brief that gets slower with every experiment."""
    steps = {}
    for amount in (300, 3_000):
        log = Log(tmp_path / f"{amount}.jsonl")
        log.path.write_bytes(
            chain(
                [opened(), epoch()]
                + [
                    experiment(number, Verdict.KEEP if number % 9 == 0 else Verdict.DISCARD)
                    for number in range(1, amount + 1)
                ]
            )
        )
        path = tmp_path / f"{amount}.db"
        Index(path, log).close()
        counted = []
        with Index(path, log) as index:
            index._connection.set_progress_handler(lambda counted=counted: counted.append(1), 1)
            index.history()
            index.touching(["src/a.py"], 8)
            index.by_tree(f"{7:040x}")
        steps[amount] = len(counted)
    assert 0 < steps[3_000] < 2 * steps[300]


def test_stop_reaches_the_history(index):
    """A stopped session that goes on."""
    index.append(make(Stop, reason="done"))
    assert index.history().stopped == "done"
