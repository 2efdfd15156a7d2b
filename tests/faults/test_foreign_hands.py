"""What other hands do to repository and state: each has an answer, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from autoresearch.edges.lock import Lock
from autoresearch.loop.integrity import broken
from autoresearch.loop.session import loaded
from support.harness import Git
from support.project import set_cost
from support.session import Helper, open_session

BRANCH = "autoresearch/cheaper"


def worked(helper):
    """A keep, a discard and a note."""
    set_cost(helper.repo, 90)
    assert helper.verdict("better")[0] == "keep"
    set_cost(helper.repo, 110)
    assert helper.verdict("worse")[0] == "discard"
    helper("note", "look at the loop", "--lesson")


@pytest.fixture
def helper(tmp_path):
    """A session with a keep, a discard and a note, made once and copied."""
    return open_session(tmp_path, worked=worked)


def goes_on(helper, cost=80):
    """The session is whole, and the next experiment works."""
    assert broken_in(helper) == ()
    set_cost(helper.repo, cost)
    assert helper.verdict(f"to {cost}")[0] == "keep"
    assert broken_in(helper) == ()


def broken_in(helper):
    """The invariants that do not hold."""
    with loaded(helper.root, dict(os.environ), command="doctor", write=False) as session:
        return broken(session)


def lines_of(helper):
    """The log, without times and chain."""
    return [
        {key: value for key, value in line.items() if key not in {"at", "prev"}}
        for line in helper.log()
    ]


def test_new_machine_from_a_remote(helper, tmp_path, monkeypatch):
    """A session that cannot move, or that does not say that its state was made again."""
    helper.repo.write("autoresearch.md", notes_added(helper))
    helper("note", "the notes travel with the next line")
    before = lines_of(helper)
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    helper.repo("push", "-q", str(bare), "main", "refs/autoresearch/*:refs/autoresearch/*")
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("TZ", "Asia/Tokyo")  # an environment of its own, as on any other machine
    subprocess.run(["git", "clone", "-q", str(bare), str(tmp_path / "clone")], check=True)
    there = Helper(Git(tmp_path / "clone"))
    there.repo("config", "user.email", "author@example.org")
    there.repo("config", "user.name", "Test Author")
    error = there.json("recover", "--from-refs", code=1)["error"]
    assert error["code"] == "no_refs"
    there.repo("fetch", "-q", "origin", "refs/autoresearch/*:refs/autoresearch/*")
    assert "recover --from-refs" in there.json("status", code=1)["error"]["hint"]
    error = there.json("recover", "--from-refs", code=1)["error"]
    assert error["code"] == "wrong_branch"
    there.repo("switch", "-q", error["hint"].split("`")[1].split()[-1])
    answer = there.json("recover", "--from-refs")
    assert answer["done"][0].startswith(
        "session cheaper is rebuilt from refs/autoresearch/cheaper/"
    )
    assert not any("set-aside" in line for line in answer["done"])
    assert lines_of(there)[:-2] == before
    assert [line["action"] for line in there.log()[-2:]] == ["rebuilt", "surroundings"]
    assert "my own words" in (there.root / "autoresearch.md").read_text()
    assert there.json("status")["rebuilt"] == there.log()[-2]["at"]
    assert "rebuilt from refs at" in there("status").out
    assert there.error("recover", "--from-refs") == "session_here"
    goes_on(there)
    assert there.json("status")["rebuilt"] is not None


def notes_added(helper):
    """The document with a note of a human's."""
    text = (helper.root / "autoresearch.md").read_text()
    from autoresearch.core.views import NOTES_BEGIN  # noqa: PLC0415 - one use

    return text.replace(NOTES_BEGIN, f"{NOTES_BEGIN}\nmy own words", 1)


def test_notes_outlive_their_document(helper):
    """Notes that go with the file, or with the marker before them, and nobody says so."""
    page = helper.root / "autoresearch.md"
    helper.repo.write("autoresearch.md", notes_added(helper))
    helper("note", "the notes are in the state ref")
    whole = page.read_text()
    for left in (None, "", whole.replace("<!-- autoresearch: notes begin -->\n", "")):
        if left is None:
            page.unlink()
        else:
            page.write_text(left)
        told = helper("note", "goes on").out
        assert "they are taken from refs/autoresearch/cheaper/state" in told
        assert "my own words" in page.read_text()
    page.write_text(page.read_text().replace("my own words\n", ""))
    assert "taken from" not in helper("note", "taken out on purpose").out
    page.unlink()
    assert "taken from" not in helper("note", "still out").out
    assert "my own words" not in page.read_text()


def test_state_folder_gone(helper):
    """A state folder that somebody cleaned away."""
    shutil.rmtree(helper.state)
    assert "recover --from-refs" in helper.json("try", "-m", "x", code=1)["error"]["hint"]
    helper("recover", "--from-refs")
    goes_on(helper)


def test_file_beside_the_log_gone_or_damaged(helper, monkeypatch):
    """A session with a whole log and no way on: every remedy refuses for the other one's reason."""
    file, contract = helper.state / "session.json", helper.state / "autoresearch.yaml"
    before, terms = lines_of(helper), contract.read_bytes()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    for left in (None, b"{"):
        file.unlink()
        if left is not None:
            file.write_bytes(left)
        error = helper.json("note", "x", code=5)["error"]
        assert (error["code"], "`autoresearch recover --from-refs`" in error["hint"]) == (
            "session_file",
            True,
        )
        assert "session.json is made again from refs/" in helper("recover", "--from-refs").out
    (aside,) = (helper.state / "set-aside").glob("state-*")
    assert (aside / "session.json").read_bytes() == b"{"
    assert lines_of(helper)[:-2] == before
    assert helper.json("status")["rebuilt"]
    contract.unlink()
    error = helper.json("note", "x", code=5)["error"]
    assert (error["code"], "recover --from-refs" in error["hint"]) == ("no_contract", True)
    helper("recover", "--from-refs")
    assert (contract.read_bytes(), len(helper.log())) == (terms, len(before) + 2)
    assert helper.error("recover", "--from-refs") == "session_here"
    goes_on(helper)


def test_empty_folders_of_the_state_gone(helper):
    """A copy of the state by a tool that leaves empty folders out, and no `try` ever again."""
    for name in ("raw", "output"):
        shutil.rmtree(helper.state / name)
    goes_on(helper)
    assert (helper.state / "raw").stat().st_mode & 0o777 == 0o700


def test_older_copy_of_the_state(helper, tmp_path):
    """A backup that is put in place, so that numbers are given twice."""
    shutil.copytree(helper.state, tmp_path / "backup")
    helper("note", "newer")
    shutil.rmtree(helper.state)
    shutil.copytree(tmp_path / "backup", helper.state)
    set_cost(helper.repo, 80)
    assert helper.error("try", "-m", "x", code=5) == "older_log"
    helper("recover", "--from-refs")
    assert [line["text"] for line in helper.log() if line["kind"] == "note"][-1] == "newer"
    goes_on(helper, 70)


def test_older_copy_of_the_repository(helper, tmp_path):
    """A backup put in place of the repository: remedies that name what is not there."""
    shutil.copytree(helper.root, tmp_path / "backup", symlinks=True)
    set_cost(helper.repo, 80)
    assert helper.verdict("newer")[0] == "keep"
    helper("note", "newer")
    newer = (helper.state / "log.jsonl").read_bytes()
    shutil.rmtree(helper.root)
    shutil.copytree(tmp_path / "backup", helper.root, symlinks=True)
    (bad,) = (f for f in helper.json("doctor", code=1)["findings"] if not f["ok"])
    assert "is not in this repository" in bad["text"]
    for command in (("note", "x"), ("recover",), ("try", "-m", "x")):
        error = helper.json(*command, code=5)["error"]
        assert (error["code"], "recover --from-refs" in error["hint"]) == ("lost_commit", True)
    assert (helper.state / "log.jsonl").read_bytes() == newer
    helper("status")
    told = helper("recover", "--from-refs").out
    assert "no commits of experiments 3" in told
    (aside,) = (helper.state / "set-aside").glob("state-*")
    assert (aside / "log.jsonl").read_bytes() == newer
    assert str(aside.name) in told
    goes_on(helper, 70)


def test_older_copy_of_the_repository_catches_up(helper, tmp_path):
    """A backup that the pushed refs bring up to date, and a remedy for its branch that fails."""
    shutil.copytree(helper.root, tmp_path / "backup", symlinks=True)
    set_cost(helper.repo, 80)
    assert helper.verdict("newer")[0] == "keep"
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    helper.repo("push", "-q", str(bare), "refs/autoresearch/*:refs/autoresearch/*")
    shutil.rmtree(helper.root)
    shutil.copytree(tmp_path / "backup", helper.root, symlinks=True)
    helper.repo("fetch", "-q", str(bare), "refs/autoresearch/*:refs/autoresearch/*")
    error = helper.json("try", "-m", "x", code=1)["error"]
    assert error["code"] == "branch_moved"
    helper.repo(*error["hint"].split("`")[1].split()[1:])
    helper("drop")
    helper("recover")  # the document and the log's copy are older too
    goes_on(helper, 70)


def test_log_edited_truncated_or_replaced(helper):
    """A log that is not the one that was written, taken for it."""
    log = helper.state / "log.jsonl"
    whole = log.read_bytes()
    for other in (whole[:-200], whole[: whole.index(b"\n") + 1], b""):
        log.write_bytes(other)
        assert helper.json("doctor", code=1)["error"]["code"] == "findings"
        assert helper.error("note", "x", code=5) in {"corrupt_log", "older_log"}
    log.write_bytes(whole.replace(b"better", b"bettor"))
    assert helper.json("doctor", code=1)["error"]["code"] == "findings"
    helper("recover", "--from-refs")
    assert log.read_bytes().startswith(whole)
    for other in (None, b""):
        whole = log.read_bytes()
        log.unlink()
        if other is not None:
            log.write_bytes(other)
        error = helper.json("note", "x", code=5)["error"]
        assert "`autoresearch recover --from-refs`" in error["hint"]
        helper("recover", "--accept-log")
        assert log.read_bytes().startswith(whole)
    goes_on(helper)


@pytest.mark.parametrize("damage", ["first line", "last line", "empty"])
def test_hint_for_a_damaged_log_is_what_mends_it(helper, damage):
    """A remedy that names a place to look for, or another command that refuses."""
    log = helper.state / "log.jsonl"
    whole = log.read_bytes()
    edited = whole.replace(b"at the loop", b"at the l00p")
    if damage != "last line":
        edited = whole.replace(b"better", b"bettor") if damage == "first line" else b""
    log.write_bytes(edited)
    hint = helper.json("doctor", code=1)["error"]["hint"]
    assert "<" not in hint
    helper(*hint.split("`")[1].split()[1:])
    assert log.read_bytes().startswith(whole)
    kept = [path.read_bytes() for path in (helper.state / "set-aside").glob("state-*/log.jsonl")]
    assert kept == [edited] * (damage != "empty")
    goes_on(helper)


def test_repository_moved(helper, tmp_path):
    """A session that is lost because its folder has another name."""
    before = lines_of(helper)
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    helper.root.rename(moved)
    there = Helper(Git(moved))
    assert "recover" in there.json("status", code=1)["error"]["hint"]
    assert "the repository was moved; session cheaper is brought along" in there("recover").out
    assert lines_of(there) == before
    goes_on(there)


def test_repository_moved_behind_a_link(helper, tmp_path):
    """A link at the old place that passes for the repository still being there."""
    moved = tmp_path / "real"
    helper.root.rename(moved)
    helper.root.symlink_to(moved)
    there = Helper(Git(moved))
    assert "session cheaper is brought along" in there("recover").out
    goes_on(there)


def test_copy_of_the_repository_does_not_take_the_state(helper, tmp_path):
    """`cp -a` that steals the session of the original."""
    shutil.copytree(helper.root, tmp_path / "copy", symlinks=True)
    there = Helper(Git(tmp_path / "copy"))
    assert there.error("recover") == "no_session"
    goes_on(helper)


def test_branch_deleted_renamed_or_rebased(helper):
    """A branch that is gone, or holds other commits, and is built upon."""
    repo, tip = helper.repo, helper.repo("rev-parse", "HEAD")
    repo("checkout", "-q", "--detach")
    repo("branch", "-q", "-D", BRANCH)
    assert "autoresearch recover" in helper.json("try", "-m", "x", code=1)["error"]["hint"]
    assert "was gone; it is at the incumbent again" in helper("recover", code=1).out
    repo("switch", "-q", BRANCH)
    assert repo("rev-parse", "HEAD") == tip
    repo("update-ref", "-d", f"refs/heads/{BRANCH}")
    assert helper.error("try", "-m", "x") == "branch_gone"
    helper("recover")
    repo("commit", "-q", "--amend", "-m", "rewritten")
    error = helper.json("try", "-m", "x", code=1)["error"]
    assert error["code"] == "branch_moved"
    bad = [f["text"] for f in helper.json("doctor", code=1)["findings"] if not f["ok"]]
    assert bad[0].startswith("branch: ")
    repo(*error["hint"].split("`")[1].split()[1:])
    goes_on(helper)


def test_candidates_refs_deleted_or_moved(helper):
    """Discarded ideas that the next `git gc` takes; a ref that shows what was never tried."""
    repo, refs = helper.repo, "refs/autoresearch/cheaper"
    tried = {number: repo("rev-parse", f"{refs}/exp/{number}") for number in ("0001", "0002")}
    start = repo("rev-parse", "main")
    repo("update-ref", "-d", f"{refs}/exp/0002")
    repo("update-ref", f"{refs}/exp/0001", start)
    (bad,) = (f for f in helper.json("doctor", code=1)["findings"] if not f["ok"])
    assert "missing [2], not what was tried [1]" in bad["text"]
    assert bad["remedy"].startswith("Run `autoresearch recover`")
    assert "2 refs of candidates were not as the log has them" in helper("recover").out
    assert {number: repo("rev-parse", f"{refs}/exp/{number}") for number in tried} == tried
    assert repo("rev-parse", f"{refs}/set-aside/0001-{start[:12]}") == start
    assert "nothing was interrupted" in helper("recover").out
    repo("update-ref", "-d", f"{refs}/exp/0002")
    repo("reflog", "expire", "--expire=now", "--all")
    repo("gc", "-q", "--prune=now")
    assert "Their commits are not in this repository" in helper("recover", code=1).out
    assert helper.error("apply", "2") == "lost_commit"


def test_branch_checked_out_elsewhere(helper, tmp_path):
    """A hint to switch to a branch that git will not switch to."""
    helper.repo("switch", "-q", "main")
    helper.repo("worktree", "add", "-q", str(tmp_path / "other"), BRANCH)
    error = helper.json("try", "-m", "x", code=1)["error"]
    assert (error["code"], str(tmp_path / "other") in error["hint"]) == ("wrong_branch", True)
    helper.repo("worktree", "remove", str(tmp_path / "other"))
    helper.repo("switch", "-q", BRANCH)
    goes_on(helper)


def test_refs_packed_and_garbage_collected(helper):
    """A candidate that `git gc` removes; a ref that is only looked for as a file."""
    helper.repo("reflog", "expire", "--expire=now", "--all")
    helper.repo("gc", "-q", "--prune=now")
    helper.repo("pack-refs", "--all")
    assert "cost" in helper("show", "2").out
    goes_on(helper)


def test_clock_that_jumps(helper):
    """Times that run backwards, as after a battery was changed."""
    set_cost(helper.repo, 80)
    script = (
        "from autoresearch.edges import clock\nimport datetime\n"
        "class Past(datetime.datetime):\n"
        "    @classmethod\n"
        "    def now(cls, tz=None):\n        return cls(1999, 1, 1, tzinfo=tz)\n"
        "clock.datetime = Past\n"
        "from autoresearch.cli import main\nmain(['try', '-m', 'in the past'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=helper.root, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert helper.log()[-1]["at"] == "1999-01-01T00:00:00Z"
    goes_on(helper, 70)


def test_two_sessions_side_by_side_measure_one_after_the_other(helper, tmp_path):
    """Two worktrees of one repository whose races disturb each other."""
    draft = tmp_path / "second.yaml"
    draft.write_text(
        (tmp_path / "r/autoresearch.yaml").read_text().replace("session: cheaper", "session: other")
    )
    helper("init", str(draft), "--worktree", str(tmp_path / "night"))
    there = Helper(Git(tmp_path / "night"))
    set_cost(there.repo, 70)
    machine = Lock(helper.state.parent.parent / "measure.lock")
    with machine.acquire("try"):  # as the first session does while it measures
        there("note", "this session is not locked")
        waiting = there.start("try", "-m", "second", "--json")
        while not waits(waiting.pid):
            time.sleep(0.02)
        together = {"AUTORESEARCH_MEASURE_TOGETHER": "1"}
        set_cost(helper.repo, 85)
        assert helper.json("try", "-m", "told so", env=together)["verdict"] == "keep"
        assert waiting.poll() is None
    assert b'"verdict": "keep"' in waiting.communicate()[0]


def waits(pid):
    """Whether a process waits for a lock, as the kernel lists it."""
    listed = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f" {pid} " in line for line in listed)


def test_killed_in_a_rebuild_it_can_be_repeated(helper, tmp_path):
    """A state that is half made, and then neither there nor to be made again."""
    whole = tmp_path / "state"
    shutil.copytree(helper.state, whole)
    for step in ("write_session_file", "_forget", "exclude", "sync_folder"):
        shutil.rmtree(helper.state)
        script = (
            "import os\nfrom autoresearch.loop import recover\n"
            f"recover.{step} = lambda *a, **k: os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
            "from autoresearch.cli import main\nmain(['recover', '--from-refs'])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=helper.root, capture_output=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, (step, done.stderr)
        if not (helper.state / "log.jsonl").exists():
            helper("recover", "--from-refs")
        helper("recover")
        assert helper.json("doctor")["ok"], step
    assert Path(os.environ["XDG_STATE_HOME"]).exists()
