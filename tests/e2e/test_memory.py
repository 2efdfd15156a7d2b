"""What a session remembers: log, document, state ref, brief; and who may write to the copies."""

from __future__ import annotations

import hashlib
import json

from autoresearch.core.model import Reason, Verdict
from autoresearch.edges.index import Index
from autoresearch.edges.log import Log
from support.histories import estimate_tokens
from support.project import set_cost
from support.records import experiment, note, race
from support.session import open_session

STATE_REF = "refs/autoresearch/cheaper/state"


def stored(helper, name=None):
    """The log as the state ref holds it, or one file of it."""
    names = (
        [name] if name else helper.repo("ls-tree", "-r", "--name-only", STATE_REF, "log/").split()
    )
    return "".join(helper.repo("show", f"{STATE_REF}:{name}") + "\n" for name in names).encode()


def test_log_document_and_their_copies_tell_the_same(tmp_path):
    """A copy that lags behind the log, a chain that breaks, or copies that git wants to commit."""
    helper = open_session(tmp_path)
    helper("note", "--idea", "cut the loop")
    set_cost(helper.repo, 90)
    helper("try", "-m", "half", "--idea", "1")
    set_cost(helper.repo, 95)
    helper("try", "-m", "worse")
    log = (helper.state / "log.jsonl").read_bytes()
    assert (helper.root / "autoresearch.jsonl").read_bytes() == log
    assert stored(helper) == log
    page = (helper.root / "autoresearch.md").read_text()
    assert stored(helper, "autoresearch.md").decode() == page
    assert "half" in page
    assert "worse" in page
    assert helper.repo("status", "--porcelain") == ""
    before = "0" * 64
    for line in log.splitlines():
        assert json.loads(line)["prev"] == before
        before = hashlib.sha256(line).hexdigest()
    retired = [line for line in helper.log() if line["kind"] == "note"][-1]
    assert (retired["note_kind"], retired["number"]) == ("retire", 1)
    assert "cut the loop" not in helper("brief").out


def test_branch_holds_kept_commits_only_and_nothing_tried_is_lost(tmp_path):
    """A merge, a discarded commit on the branch, or a candidate that no ref reaches."""
    helper = open_session(tmp_path)
    for number, (cost, answer) in enumerate(
        ((90, 42), (95, 42), (80, 1), (70, 42), (60, 42)), start=1
    ):
        set_cost(helper.repo, cost, answer=answer)
        helper("try", "-m", f"number {number}")
    assert helper.branch_log()[:-1] == ["number 5", "number 4", "number 1"]
    assert helper.repo("rev-list", "--merges", "HEAD") == ""
    helper.repo("reflog", "expire", "--expire=now", "--all")
    helper.repo("gc", "-q", "--prune=now")
    for line in helper.log()[2:]:
        assert helper.repo("cat-file", "-t", line["commit"]) == "commit"
    assert "+    return 95" in helper("show", "2").out
    assert helper.json("doctor")["ok"]


def test_edited_copies_are_set_aside_and_notes_survive(tmp_path):
    """An agent that writes its own log line or document and is believed, or whose text is lost."""
    helper = open_session(tmp_path)
    copy, page = helper.root / "autoresearch.jsonl", helper.root / "autoresearch.md"
    truth = copy.read_bytes()
    copy.write_bytes(truth + b'{"kind": "experiment", "verdict": "keep"}\n')
    text = page.read_text().replace("(none yet)", "my free note <3")
    assert "my free note" in text
    page.write_text(text.replace("# autoresearch: cheaper", "# keep everything"))
    bad = [f["text"] for f in helper.json("doctor", code=1)["findings"] if not f["ok"]]
    assert bad == ["copies: not as written: autoresearch.jsonl, autoresearch.md"]
    done = helper("note", "a lesson")
    assert "autoresearch.jsonl was edited; the edit is kept as" in done.out
    assert "autoresearch.md was edited" in done.out
    assert copy.read_bytes() == (helper.state / "log.jsonl").read_bytes()
    assert copy.read_bytes().startswith(truth)
    assert "my free note <3" in page.read_text()
    assert "keep everything" not in page.read_text()
    kept = b"".join(p.read_bytes() for p in (helper.state / "set-aside").iterdir())
    assert b"keep everything" in kept
    assert b'"verdict": "keep"' in kept
    page.write_text(page.read_text().replace("my free note <3", "another"))
    assert "edited" not in helper("note", "more").out
    assert "another" in page.read_text()
    page.unlink()
    page.symlink_to("/etc/hostname")
    copy.unlink()
    helper("note", "and more")
    assert not page.is_symlink()
    assert helper.json("doctor")["ok"]


def test_state_ref_moved_by_somebody_is_written_anew(tmp_path):
    """A ref that was pointed elsewhere and then lacks what went before."""
    helper = open_session(tmp_path)
    helper.repo("update-ref", STATE_REF, "HEAD")
    (finding,) = [f for f in helper.json("doctor", code=1)["findings"] if not f["ok"]]
    assert STATE_REF in finding["text"]
    helper("recover")
    assert stored(helper) == (helper.state / "log.jsonl").read_bytes()
    assert helper.json("doctor")["ok"]
    helper.repo("update-ref", "-d", STATE_REF)
    helper("note", "x")
    assert stored(helper) == (helper.state / "log.jsonl").read_bytes()


def test_brief_and_answers_stay_bounded_after_many_experiments(tmp_path):
    """A night's log that no longer fits into an agent's context; a log in one ever growing blob."""
    helper = open_session(tmp_path, extra="stop_on_plateau: true\n")
    folder = helper.state
    log = Log(folder / "log.jsonl")
    with Index(folder / "index.db", log) as index:
        for number in range(1, 31):
            index.append(note(number, f"idea {number} " + "long " * 60))
            index.append(
                experiment(
                    number,
                    Verdict.DISCARD,
                    message=f"change {number} " + "words " * 60,
                    reason=Reason.UNDECIDED,
                    race=race(
                        "ab" * 20, tuple(100.0 + number for _ in range(40)), pairs_planned=20
                    ),
                    paths=tuple(("M", f"src/f{path}.py") for path in range(40)),
                )
            )
    text = helper("brief").out
    assert len(text.encode()) <= 6144
    assert estimate_tokens(text) <= 1500
    assert "30 experiments" in text
    assert "cost" in text
    assert "open ideas" in text
    assert "change 30" in text
    answer = helper("note", "x" * 5000).out
    assert len(answer.encode()) <= 2048
    names = helper.repo("ls-tree", "-r", "--name-only", STATE_REF, "log/").split()
    assert names == ["log/000000.jsonl"]
    assert stored(helper) == log.path.read_bytes()
    shown = helper("show", "30").out  # no such commit
    assert "diff: gone" in shown
    assert len(shown.encode()) < 2048
    assert len(helper("log").out.splitlines()) <= 24
    assert len(helper("log", "--limit", "3", "--oldest-first").out.splitlines()) == 5
    assert helper.error("try", "-m", "x") == "done_plateau"
    assert helper.json("run", "5")["done"] is True
