"""`init` that is killed, interrupted, or runs into a failing disk: all of it or nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support.dying import die
from support.harness import Git
from support.long import mostly_long
from support.project import contract_text, make_project, set_cost, write_draft
from support.session import Gate, Helper
from support.untouched import everything, left_behind, state_of

FREEZE = "autoresearch.planning.freeze"
SYNC_INDEX = "autoresearch.loop.settle.sync_index"
WRITE_LOG = ("autoresearch.planning.init._write_log", 1)
STEPS = [
    (f"{FREEZE}._staged", 1),  # before anything is changed
    (f"{FREEZE}.Journal", 1),
    ("autoresearch.edges.gitrefs.update_ref", 1),
    (f"{FREEZE}.exclude", 1),
    WRITE_LOG,
    ("autoresearch.planning.init.sync_folder", 1),  # the log is there: the session stands
    ("autoresearch.loop.logbook._publish_ref", 1),
]
IN_TREE = [
    (f"{FREEZE}.atomic_write", 2),
    ("autoresearch.edges.gitrefs.set_head", 1),
    (SYNC_INDEX, 1),
]
IN_WORKTREE = [
    (f"{FREEZE}.add_worktree", 1),
    (f"{FREEZE}.bring_links", 1),
    (f"{FREEZE}.find_overrides", 1),
]


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """The tiny project, without a session."""
    return Helper(make_project(tmp_path / "r"))


def usable(helper: Helper, draft: Path, before: dict[str, object], *options: str) -> Helper:
    """After a kill the session is open, or an `init` puts everything back; where work goes on."""
    is_open = any(Path(os.environ["XDG_STATE_HOME"]).glob("autoresearch/*/cheaper/log.jsonl"))
    there = Helper(Git(Path(options[1]))) if options else helper
    if is_open:
        there("recover")
        assert (there.root / "autoresearch.md").exists()
    else:
        # An `init` of any session takes the unfinished one back; this one is then refused.
        other = write_draft(draft.parent / "other", session="other", scope='["nothing"]')
        helper("init", str(other), code=4)
        assert plain(helper) == but_for_times(before)
        assert left_behind() == []
    return there


def plain(helper: Helper) -> dict[str, object]:
    """All of the repository as it is; its index must be clean."""
    assert helper.repo("status", "--porcelain") == ""
    return but_for_times(everything(helper.repo))


def but_for_times(found: dict[str, object]) -> dict[str, object]:
    """Without the index's bytes: an entry that was put back has lost the times that git caches."""
    return {name: value for name, value in found.items() if not name.endswith("/index")}


@pytest.mark.parametrize(
    "step",
    mostly_long([*STEPS, *IN_TREE], [WRITE_LOG, IN_TREE[1]].__contains__),
    ids=lambda step: f"{step[0]}-{step[1]}",
)
def test_killed_at_a_step(helper: Helper, tmp_path: Path, step: tuple[str, int]) -> None:
    """`kill -9` between any two steps leaves the user's HEAD, files and index recoverable."""
    (tmp_path / "other").mkdir()
    draft, before = write_draft(tmp_path), everything(helper.repo)
    assert die(helper.root, step, signal.SIGKILL, "init", str(draft)) == -signal.SIGKILL
    there = usable(helper, draft, before)
    assert there.repo("status", "--porcelain") == ""


@pytest.mark.parametrize(
    "step", mostly_long(IN_WORKTREE, IN_WORKTREE[0].__eq__), ids=lambda step: f"{step[0]}-{step[1]}"
)
def test_killed_while_a_worktree_is_made(
    helper: Helper, tmp_path: Path, step: tuple[str, int]
) -> None:
    """A half-made linked working tree must not stand in the way of the next one."""
    (tmp_path / "other").mkdir()
    draft, before = write_draft(tmp_path), everything(helper.repo)
    command = ("init", str(draft), "--worktree", str(tmp_path / "night"))
    assert die(helper.root, step, signal.SIGKILL, *command) == -signal.SIGKILL
    there = usable(helper, draft, before, *command[2:])
    helper(*command)
    assert there.repo("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("step", "detached"),
    [((f"{FREEZE}.exclude", 1), False), ((SYNC_INDEX, 1), True), (WRITE_LOG, True)],
    ids=["exclude", "index", "log"],
)
def test_ctrl_c_takes_back_at_once(
    helper: Helper, tmp_path: Path, step: tuple[str, int], *, detached: bool
) -> None:
    """After Ctrl-C the tree is as before, whatever HEAD was and however far `init` got."""
    if detached:
        helper.repo("checkout", "-q", "--detach")
    helper.repo.write("autoresearch.yaml", contract_text(session="former"))
    helper.repo.commit()
    before = everything(helper.repo)
    assert die(helper.root, step, signal.SIGINT, "init", str(write_draft(tmp_path))) == 130
    assert plain(helper) == but_for_times(before)
    assert left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_in_the_rehearsal(helper: Helper, tmp_path: Path, number: signal.Signals) -> None:
    """Until the rehearsal has passed nothing of the repository changes, whoever ends it."""
    gate = Gate(tmp_path / "gate")
    helper.repo.write("bench.py", gate.code + (helper.root / "bench.py").read_text())
    helper.repo.commit()
    before = everything(helper.repo)
    draft = write_draft(tmp_path, sandbox="off")
    process = helper.start("init", str(draft))
    gate.wait_inside()
    process.send_signal(number)
    _, err = process.communicate()
    _release(gate)
    assert process.returncode == (130 if number != signal.SIGKILL else -signal.SIGKILL), err
    assert everything(helper.repo) == before
    if number != signal.SIGKILL:
        assert left_behind() == []
    helper("init", str(draft))
    assert left_behind() == [".bench-cheaper", "cheaper", "cheaper"]


def test_until_the_log_is_there_all_say_so_and_recover_takes_back(
    helper: Helper, tmp_path: Path
) -> None:
    """A bug reported for a log that was never written; a branch that nobody gets rid of."""
    draft, before = write_draft(tmp_path), everything(helper.repo)
    die(helper.root, WRITE_LOG, signal.SIGKILL, "init", str(draft))
    for command in (("status",), ("note", "x"), ("try", "-m", "x"), ("run", "3"), ("undo", "1")):
        assert helper.error(*command) == "half_opened"
    assert helper.json("recover")["done"] == [
        "the `init` of cheaper was interrupted and has been taken back"
    ]
    assert plain(helper) == but_for_times(before)
    assert left_behind() == []
    assert helper.error("recover") == "no_session"
    helper("init", str(draft))
    assert helper.json("doctor")["ok"]


@pytest.mark.parametrize(
    ("step", "half"),
    [((f"{FREEZE}.Journal", 1), "journal"), (("autoresearch.edges.gitrefs.set_head", 1), "tree")],
    ids=["journal", "contract"],
)
def test_half_a_file_of_a_killed_init_goes(
    helper: Helper, tmp_path: Path, step: tuple[str, int], half: str
) -> None:
    """What a kill in the middle of a write leaves: in the state folder, or in the user's tree."""
    draft = write_draft(tmp_path)
    die(helper.root, step, signal.SIGKILL, "init", str(draft))
    folder = state_of("cheaper") if half == "journal" else helper.root
    name = ".autoresearch-1f" if half == "journal" else ".autoresearch-init"
    (folder / name).write_text("ha")
    helper("init", str(draft))
    assert not (folder / name).exists()
    assert helper.json("doctor")["ok"]


def test_killed_while_the_document_is_written(helper: Helper, tmp_path: Path) -> None:
    """Half a document of an open session that no later command looks for."""
    step = ("autoresearch.loop.logbook._publish_ref", 1)
    die(helper.root, step, signal.SIGKILL, "init", str(write_draft(tmp_path)))
    (helper.root / ".autoresearch-1f").write_text("ha")
    helper("note", "x")
    assert not (helper.root / ".autoresearch-1f").exists()
    assert helper.json("doctor")["ok"]


def _release(gate: Gate) -> None:
    """Let later runs pass; nobody may be waiting at the gate any more."""
    (gate.folder / "held").unlink()


def test_two_at_once(helper: Helper, tmp_path: Path) -> None:
    """The second is told who is at work; the first one's session is whole."""
    gate = Gate(tmp_path / "gate")
    helper.repo.write("bench.py", gate.code + (helper.root / "bench.py").read_text())
    helper.repo.commit()
    draft = write_draft(tmp_path, sandbox="off")
    first = helper.start("init", str(draft))
    gate.wait_inside()
    answer = helper.json("init", str(draft), code=1)
    assert answer["error"]["code"] == "locked"
    assert "`autoresearch init`" in answer["error"]["message"]
    gate.open()
    out, err = first.communicate()
    assert first.returncode == 0, (out, err)
    set_cost(helper.repo, 90)
    assert helper.verdict()[0] == "keep"


def test_work_in_an_unfinished_worktree_is_not_removed(helper: Helper, tmp_path: Path) -> None:
    """What somebody left in a half-made working tree is theirs."""
    draft = write_draft(tmp_path)
    command = ("init", str(draft), "--worktree", str(tmp_path / "night"))
    die(helper.root, (f"{FREEZE}.find_overrides", 1), signal.SIGKILL, *command)
    (tmp_path / "night" / "mine.txt").write_text("mine")
    answer = helper.json(*command, code=1)
    assert answer["error"]["code"] == "worktree_used"
    assert "mine.txt" in answer["error"]["message"]
    (tmp_path / "night" / "mine.txt").unlink()
    helper(*command)


def test_commits_on_an_unfinished_branch_are_not_lost(helper: Helper, tmp_path: Path) -> None:
    """A branch that somebody committed to after a killed `init` stays, and stays checked out."""
    draft = write_draft(tmp_path)
    die(helper.root, WRITE_LOG, signal.SIGKILL, "init", str(draft))
    helper.repo.write("mine.txt", "mine")
    commit = helper.repo.commit()
    assert helper.error("init", str(draft)) == "branch_exists"
    assert helper.repo("rev-parse", "autoresearch/cheaper") == commit
    assert helper.repo("symbolic-ref", "HEAD") == "refs/heads/autoresearch/cheaper"


def test_a_session_that_lost_its_log_is_not_written_over(helper: Helper, tmp_path: Path) -> None:
    """Its experiments can still be brought back; an `init` in its place would end that."""
    draft = write_draft(tmp_path)
    helper("init", str(draft))
    (state_of("cheaper") / "log.jsonl").rename(tmp_path / "log.jsonl")
    assert helper.error("init", str(draft)) == "lost_log"
    (state_of("cheaper") / "copies.json").unlink()
    (state_of("cheaper") / "journal.json").write_text("half")  # a session all the same
    assert helper.error("status", code=5) == "corrupt_log"
    helper("recover", "--from-refs")
