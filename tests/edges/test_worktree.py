"""Snapshot and put back against real git: what is found, what is refused, what is never touched."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import Reason
from autoresearch.core.snapshot import (
    CandidatePlan,
    CandidateRefusal,
    Entry,
    Obstacle,
    Status,
    apply_steps,
    plan_candidate,
    put_back_steps,
)
from autoresearch.edges import gitdiff, gitwrite, worktree
from autoresearch.edges.gitrepo import GitRepo, object_id
from autoresearch.edges.worktree import Walk, carry_out
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.harness import Git

if TYPE_CHECKING:
    from pathlib import Path

LATIN = "src/caf\udce9"  # bytes that are no UTF-8
LINES = "src/new\nline.py"


class Project:
    """A repository, its incumbent, and the helper's view of it. Scope: everything below src/."""

    def __init__(self, user: Git, home: Path) -> None:
        self.user = user
        self.home = home
        self.repo = GitRepo.open(user.root)
        self.tree = self.repo.tree("HEAD")
        self.walk = Walk(self.repo, home / "cache")
        self.overrides: dict[str, Entry | None] = {}

    def covers(self, path: str) -> bool:
        """The scope."""
        return path.startswith("src/")

    def snapshot(self):
        """What differs now."""
        return worktree.take_snapshot(
            self.walk,
            self.repo,
            self.tree,
            covers=self.covers,
            overrides=self.overrides,
        )

    def plan(self):
        """The candidate, or why there is none."""
        return plan_candidate(self.snapshot(), self.tree, self.covers)

    def commit(self, plan):
        """Build the candidate's commit."""
        return gitwrite.commit_changes(
            self.repo,
            parents=[self.repo.resolve("HEAD")],
            base=self.repo.tree_of("HEAD"),
            changes=plan.entries,
            contents=[change.content for change in plan.changes if change.content is not None],
            message="try",
        )

    def put_back(self, steps):
        """Carry the steps out."""
        return carry_out(self.walk, self.repo, steps)


def grown(root: Path) -> Git:
    user = Git.create(root)
    user.write("src/a.py", "a = 1\n")
    user.write("src/deep/er/b.py", "b = 1\n")
    user.write("src/run.sh", "#!/bin/sh\n", mode=0o755)
    user.write(LATIN, "latin\n")
    user.write(LINES, "lines\n")
    user.write("bench.sh", "echo METRIC x=1\n", mode=0o755)
    user.write(".gitignore", "*.log\n")
    (user.root / "src/link").symlink_to("a.py")
    user.commit()
    return user


@pytest.fixture
def make(tmp_path):
    """Projects around a repository, closed whatever happens."""
    with contextlib.ExitStack() as stack:

        def project(user, home=tmp_path):
            made = Project(user, home)
            stack.enter_context(made.repo)
            return made

        yield project


@pytest.fixture
def project(tmp_path, make):
    return make(grown(tmp_path / "project"))


def letters(snapshot):
    return {change.path: change.status.value for change in snapshot.changes}


def test_clean_tree_has_no_changes(project):
    """A fresh checkout differs nowhere, whatever its names, links and modes."""
    assert project.snapshot().changes == ()
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.reason is Reason.UNCHANGED


def test_all_kinds_of_change_reach_the_commit(project):
    """Edits, modes, links, renames, odd names: the candidate's tree is the tree on disk."""
    root = project.user.root
    project.user.write("src/a.py", b"a = 2\r\n\0")
    (root / "src/run.sh").chmod(0o644)
    (root / "src/link").unlink()
    (root / "src/link").symlink_to("deep/er/b.py")
    (root / LATIN).rename(root / "src/\udcff\n\t moved")
    (root / LINES).unlink()
    project.user.write("src/tool.sh", "x", mode=0o700)
    plan = project.plan()
    assert isinstance(plan, CandidatePlan)
    assert {change.path: change.status.value for change in plan.changes} == {
        "src/a.py": "M",
        "src/run.sh": "M",
        "src/link": "M",
        LATIN: "D",
        "src/\udcff\n\t moved": "A",
        LINES: "D",
        "src/tool.sh": "A",
    }
    made = project.commit(plan)
    project.user("add", "-A")
    assert project.user("write-tree") == made.tree


def test_file_becomes_folder_and_folder_becomes_link(project):
    """Swaps of file, folder and link are found whole, and put back whole."""
    root = project.user.root
    before = project.user.state()
    (root / "src/a.py").unlink()
    project.user.write("src/a.py/inner", "1")
    (root / "src/deep/er/b.py").unlink()
    (root / "src/deep/er").rmdir()
    (root / "src/deep").rmdir()
    (root / "src/deep").symlink_to("a.py")
    snapshot = project.snapshot()
    assert letters(snapshot) == {
        "src/a.py": "D",
        "src/a.py/inner": "A",
        "src/deep": "A",
        "src/deep/er/b.py": "D",
    }
    carried = project.put_back(put_back_steps(snapshot.changes))
    assert carried.left == ()
    assert project.user.state() == before
    assert project.snapshot().changes == ()


def test_folder_behind_a_link_is_deleted_not_followed(project, tmp_path, monkeypatch):
    """A folder swapped for a link to an identical copy elsewhere must not count as unchanged."""
    monkeypatch.setattr(worktree, "_RACY_NS", -3_600_000_000_000)  # every file is in the table
    assert project.snapshot().changes == ()
    root = project.user.root
    (root / "src/deep").rename(tmp_path / "copy")
    (root / "src/deep").symlink_to(tmp_path / "copy")
    snapshot = project.snapshot()
    assert letters(snapshot) == {"src/deep": "A", "src/deep/er/b.py": "D"}
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert "symbolic link" in refusal.detail
    project.put_back(put_back_steps(snapshot.changes))
    assert (tmp_path / "copy/er/b.py").read_text() == "b = 1\n"
    assert not (root / "src/deep").is_symlink()
    assert (root / "src/deep/er/b.py").read_text() == "b = 1\n"


def test_edit_outside_the_scope_is_named(project):
    """A protected file that was touched refuses the experiment; a new one is only mentioned."""
    project.user.write("bench.sh", "echo METRIC x=0\n", mode=0o755)
    project.user.write("src/a.py", "a = 2\n")
    project.user.write("notes.txt", "mine")
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert (refusal.reason, refusal.paths) == (Reason.OUTSIDE, ("bench.sh",))
    project.user.write("bench.sh", "echo METRIC x=1\n", mode=0o755)
    plan = project.plan()
    assert isinstance(plan, CandidatePlan)
    assert plan.outside == ("notes.txt",)
    assert list(plan.entries) == ["src/a.py"]


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_index_bits_hide_nothing(project, flag):
    """An edit that `git status` does not show, for a bit in the index, is found by the walk."""
    project.user("update-index", flag, "bench.sh")
    project.user.write("bench.sh", "echo METRIC x=0\n", mode=0o755)
    assert project.user("status", "--porcelain") == ""
    assert letters(project.snapshot()) == {"bench.sh": "M"}


def test_neither_index_nor_head_matters(project):
    """Staging, committing or resetting the index does not change what is compared."""
    project.user.write("src/a.py", "a = 2\n")
    project.user("rm", "-q", "--cached", "src/run.sh")
    project.user.write("staged", "1")
    project.user("add", "staged", "src/a.py")
    assert letters(project.snapshot()) == {"src/a.py": "M"}
    assert project.snapshot().outside == ("staged",)


def test_same_size_and_restored_times_are_noticed(project):
    """Editing in place and setting the time back does not fool the table of statuses."""
    path = project.user.root / "bench.sh"
    old = (1_600_000_000_000_000_000, 1_600_000_000_000_000_000)
    os.utime(path, ns=old)
    assert project.snapshot().changes == ()
    content = path.read_bytes().replace(b"1", b"2")
    path.write_bytes(content)
    os.utime(path, ns=old)
    assert letters(project.snapshot()) == {"bench.sh": "M"}


def test_young_files_are_not_trusted(project, monkeypatch):
    """A file that may change within the same tick of its clock is read again next time."""
    project.snapshot()
    assert worktree.statcache.load(project.home / "cache") in ({}, None)
    monkeypatch.setattr(worktree, "_RACY_NS", -3_600_000_000_000)
    project.snapshot()
    table = worktree.statcache.load(project.home / "cache")
    assert table is not None
    assert set(table) == set(project.tree)
    monkeypatch.setattr(worktree, "_read", None)  # from here on nothing may be read
    assert project.snapshot().changes == ()


@pytest.mark.parametrize("damage", [b"", b"autoresearch-stat-1 x\n", None])
def test_damaged_table_only_costs_time(project, monkeypatch, damage):
    """A truncated or forged table is ignored, not believed."""
    monkeypatch.setattr(worktree, "_RACY_NS", -3_600_000_000_000)
    project.snapshot()
    cache = project.home / "cache"
    content = cache.read_bytes()
    cache.write_bytes(content[:-1] + b"\1" if damage is None else damage)
    assert worktree.statcache.load(cache) is None
    project.user.write("src/a.py", "a = 2\n")
    assert letters(project.snapshot()) == {"src/a.py": "M"}


def test_file_mode_false(project):
    """Where git does not count the executable bit, neither do we; content still counts."""
    project.user("config", "core.fileMode", "false")
    for path in ("src/a.py", "bench.sh"):
        full = project.user.root / path
        full.chmod(full.stat().st_mode ^ 0o111)
    assert project.snapshot().changes == ()
    project.user.write("src/a.py", "a = 2\n")
    assert letters(project.snapshot()) == {"src/a.py": "M"}


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def unix_socket(path):
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(path.parent, os.O_RDONLY)  # the name of a socket has to be short
        try:
            listener.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


def hard_link(path):
    path.write_text("other\n")
    os.link(path, path.parents[2] / "outside")


def large(path):
    with path.open("wb") as file:
        file.truncate(worktree.MAX_FILE_BYTES + 1)


@pytest.mark.parametrize(
    ("break_it", "obstacle"),
    [
        (fifo, Obstacle.SPECIAL),
        (unix_socket, Obstacle.SPECIAL),
        (hard_link, Obstacle.HARD_LINK),
        (large, Obstacle.TOO_LARGE),
    ],
)
def test_what_no_candidate_may_hold(project, break_it, obstacle):
    """FIFOs, sockets, hard links and huge files are refused by name, and can be put back."""
    before = project.user.state()
    break_it(project.user.root / "src/a.py")
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.paths == ("src/a.py",)
    assert refusal.detail == f"{obstacle.value}: src/a.py"
    carried = project.put_back(put_back_steps(project.snapshot().changes))
    assert carried == (("src/a.py",), ())
    assert project.user.state() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(project):
    """A file without read permission is a difference that cannot be judged, so it is refused."""
    (project.user.root / "src/a.py").chmod(0)
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.detail == "cannot be read: src/a.py"


def test_unreadable_file_by_fault(project, monkeypatch):
    """The same, where root runs the tests: the open is refused."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(worktree, "_read", refuse)
    found = project.walk.at("src/a.py")
    assert found.obstacle is Obstacle.UNREADABLE


@pytest.mark.parametrize("target", ["/etc/passwd", "../bench.sh", "../..", "deep/../../bench.sh"])
def test_links_that_leave_the_scope(project, target):
    """A link is no way around the scope."""
    (project.user.root / "src/new").symlink_to(target)
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.paths == ("src/new",)


@pytest.mark.parametrize("target", ["a.py", "./deep/er/b.py", "deep", "deep/er", "../src/a.py"])
def test_links_inside_the_scope(project, target):
    """Honest links to files and folders of the scope pass."""
    (project.user.root / "src/new").symlink_to(target)
    assert isinstance(project.plan(), CandidatePlan)


def test_nested_repository(project):
    """A repository of its own inside the scope is refused, outside only named; none is removed."""
    for place in ("src/inner", "vendor"):
        inner = Git.create(project.user.root / place)
        inner.write("f", "1")
        inner.commit()
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.detail == "is a repository of its own: src/inner"
    snapshot = project.snapshot()
    assert snapshot.outside == ("vendor/",)
    project.put_back(put_back_steps(snapshot.changes))
    assert (project.user.root / "src/inner/f").exists()


def test_git_folder_beside_tracked_files_hides_nothing(project):
    """`git init src` does not hide new or edited files below it."""
    Git(project.user.root)("init", "-q", "src")
    project.user.write("src/a.py", "a = 2\n")
    project.user.write("src/new.py", "1")
    assert letters(project.snapshot()) == {"src/a.py": "M", "src/new.py": "A"}


def test_clash_by_case(project):
    """Two names that a folding file system takes for one are refused; a rename by case is none."""
    project.user.write("src/A.py", "1")
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.paths == ("src/A.py",)
    (project.user.root / "src/a.py").unlink()
    assert letters(project.snapshot()) == {"src/A.py": "A", "src/a.py": "D"}
    (project.user.root / "src/link").unlink()
    assert isinstance(project.plan(), CandidatePlan)


def test_submodules_are_left_alone(tmp_path, make):
    """A submodule, checked out or not, with edits inside or not, is no change; a file there is."""
    user = grown(tmp_path / "project")
    inner = Git.create(user.root / "src/sub")
    inner.write("f", "1")
    inner.commit()
    user.commit()
    project = make(user)
    inner.write("f", "2")
    inner.write("g", "2")
    assert project.snapshot().changes == ()
    (user.root / "src/sub").rename(tmp_path / "sub")
    assert project.snapshot().changes == ()
    user.write("src/sub", "file")
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.detail == "is in the place of a submodule: src/sub"
    assert project.put_back(put_back_steps(project.snapshot().changes)) == ((), ())


def test_line_endings_by_autocrlf(tmp_path, make):
    """Where git checks text out with CR LF, that is no change; an edit is stored with LF."""
    user = grown(tmp_path / "project")
    user("config", "core.autocrlf", "true")
    for name in ("src/a.py", "bench.sh"):
        (user.root / name).unlink()
    user("checkout", "--", "src/a.py", "bench.sh")
    assert (user.root / "src/a.py").read_bytes() == b"a = 1\r\n"
    project = make(user)
    project.overrides = worktree.find_overrides(project.walk, project.repo, project.tree)
    assert set(project.overrides) == {"src/a.py", "bench.sh"}
    assert project.snapshot().changes == ()
    before = user.state()
    user.write("src/a.py", b"a = 2\r\n")
    plan = project.plan()
    assert isinstance(plan, CandidatePlan)
    assert plan.changes[0].content == b"a = 2\n"
    assert plan.overrides == {"src/a.py": Entry("100644", object_id("sha1", b"a = 2\r\n"))}
    made = project.commit(plan)
    assert project.repo.blob(project.repo.tree(made.oid)["src/a.py"].oid) == b"a = 2\n"
    assert project.put_back(plan.put_back).left == ()
    assert user.state() == before
    (user.root / "src/a.py").unlink()
    project.put_back(put_back_steps(project.snapshot().changes))
    assert user.state() == before


def test_filter_like_lfs(tmp_path, make):
    """A file that git stores through a filter is no change; editing it is refused."""
    user = grown(tmp_path / "project")
    user("config", "filter.big.clean", "sed s/real/pointer/")
    user("config", "filter.big.smudge", "sed s/pointer/real/")
    user.write(".gitattributes", "*.bin filter=big\n")
    user.write("src/x.bin", "real\n")
    user.write("src/y.bin", "real\n")
    user.commit()
    project = make(user)
    project.overrides = worktree.find_overrides(project.walk, project.repo, project.tree)
    assert set(project.overrides) == {"src/x.bin", "src/y.bin"}
    assert project.snapshot().changes == ()
    user.write("src/x.bin", "edited\n")
    (user.root / "src/y.bin").unlink()
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.paths == ("src/x.bin", "src/y.bin")
    carried = project.put_back(put_back_steps(project.snapshot().changes))
    assert carried.left == (("src/x.bin", worktree.UNKNOWN), ("src/y.bin", worktree.UNKNOWN))
    assert (user.root / "src/x.bin").read_text() == "edited\n"


def test_sparse_checkout(tmp_path, make):
    """What a sparse checkout leaves out is no deletion; writing there is refused."""
    user = grown(tmp_path / "project")
    user("sparse-checkout", "set", "--no-cone", "/*", "!/src/deep/")
    assert not (user.root / "src/deep").exists()
    project = make(user)
    project.overrides = worktree.find_overrides(project.walk, project.repo, project.tree)
    assert project.overrides == {"src/deep/er/b.py": None}
    assert project.snapshot().changes == ()
    user.write("src/deep/er/b.py", "edited\n")
    refusal = project.plan()
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.paths == ("src/deep/er/b.py",)
    carried = project.put_back(put_back_steps(project.snapshot().changes))
    assert carried == (("src/deep/er/b.py",), ())
    assert not (user.root / "src/deep").exists()


def test_overrides_hold_no_real_edit(project):
    """What git itself takes for edited when a session starts is no conversion."""
    project.user.write("src/a.py", "a = 2\n")
    assert worktree.find_overrides(project.walk, project.repo, project.tree) == {}


def test_file_that_changes_while_it_is_read(project, monkeypatch):
    """A file being written is read again, and after some tries reported, never half taken."""
    project.user.write("src/a.py", "a = 2\n")
    real, calls = worktree._hashed, []

    def disturbed(file, size, object_format):
        calls.append(size)
        if len(calls) < 3:
            (project.user.root / "src/a.py").write_bytes(b"longer by far %d\n" % len(calls))
        return real(file, size, object_format)

    monkeypatch.setattr(worktree, "_hashed", disturbed)
    assert project.walk.at("src/a.py").content == b"longer by far 2\n"
    monkeypatch.setattr(worktree, "_hashed", lambda *_: (None, None))
    with pytest.raises(AutoresearchError) as caught:
        project.walk.at("src/a.py")
    assert caught.value.code == "unstable"


def test_captured_bytes_are_the_candidate(project):
    """What is written after the snapshot neither enters the candidate nor is put back over."""
    project.user.write("src/a.py", "a = 2\n")
    project.user.write("src/new", "2\n")
    plan = project.plan()
    project.user.write("src/a.py", "a = 3\n")
    project.user.write("src/new", "3\n")
    made = project.commit(plan)
    assert project.user("show", f"{made.oid}:src/a.py") == "a = 2"
    carried = project.put_back(plan.put_back)
    paths = ("src/a.py", "src/new")
    assert carried == ((), tuple((path, worktree.MEANWHILE) for path in paths))
    assert (project.user.root / "src/a.py").read_text() == "a = 3\n"
    assert (project.user.root / "src/new").read_text() == "3\n"


def test_users_files_are_as_before(project):
    """Staged, unstaged, untracked and ignored work survives an experiment byte for byte."""
    user = project.user
    user.write("src/staged.log", "ignored\n")
    user.write("debug.log", "ignored\n")
    user.write("todo.txt", "untracked\n")
    user.write("draft.py", "staged\n")
    user("add", "draft.py")
    user.write("draft.py", "staged, then edited\n")
    before, index = user.state(), (user.root / ".git/index").read_bytes()
    user.write("src/a.py", "a = 2\n")
    user.write("src/new/x.py", "1")
    (user.root / "src/deep/er/b.py").unlink()
    plan = project.plan()
    project.commit(plan)
    assert project.put_back(plan.put_back).left == ()
    assert user.state() == before
    assert (user.root / ".git/index").read_bytes() == index
    assert not (user.root / "src/new").exists()


def test_put_back_leaves_folders_with_other_files(project):
    """A folder that the candidate made goes only when nothing else is in it."""
    project.user.write("src/new/x.py", "1")
    project.user.write("src/new/x.log", "ignored, the user's")
    project.put_back(project.plan().put_back)
    assert [path.name for path in (project.user.root / "src/new").iterdir()] == ["x.log"]


def test_put_back_when_something_else_is_in_the_way(project):
    """A folder with ignored files in a deleted file's place is reported, not emptied."""
    (project.user.root / "src/a.py").unlink()
    project.user.write("src/a.py/x.log", "ignored")
    steps = put_back_steps(project.snapshot().changes)
    assert project.put_back(steps).left == (("src/a.py", worktree.BLOCKED),)
    assert (project.user.root / "src/a.py/x.log").exists()


def test_put_back_keeps_a_file_that_came_meanwhile(project):
    """A deleted file that somebody made anew is theirs."""
    (project.user.root / "src/a.py").unlink()
    steps = put_back_steps(project.snapshot().changes)
    project.user.write("src/a.py", "new\n")
    assert project.put_back(steps).left == (("src/a.py", worktree.MEANWHILE),)


def test_put_back_does_not_write_through_a_link(project, tmp_path):
    """A folder swapped for a link after the snapshot must not lead the writing elsewhere."""
    (project.user.root / "src/deep/er/b.py").unlink()
    steps = put_back_steps(project.snapshot().changes)
    (project.user.root / "src/deep/er").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (project.user.root / "src/deep/er").symlink_to(tmp_path / "elsewhere")
    assert project.put_back(steps).left == (("src/deep/er/b.py", worktree.BLOCKED),)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_put_back_does_not_remove_through_a_link(project, tmp_path):
    """Nor the removing: an empty folder behind a link is not ours."""
    project.user.write("src/new/sub/x.py", "1")
    steps = project.plan().put_back
    (project.user.root / "src/new/sub/x.py").unlink()
    (project.user.root / "src/new/sub").rmdir()
    (project.user.root / "src/new").rmdir()
    (tmp_path / "elsewhere/sub").mkdir(parents=True)
    (project.user.root / "src/new").symlink_to(tmp_path / "elsewhere")
    project.put_back(steps)
    assert (tmp_path / "elsewhere/sub").is_dir()


def test_put_back_obeys_the_umask_and_keeps_nothing_else(project):
    """Modes come from git and the umask, not from what the candidate set."""
    project.user.write("src/a.py", "2", mode=0o777)
    project.user.write("src/run.sh", "2", mode=0o600)
    umask = os.umask(0o027)
    try:
        project.put_back(project.plan().put_back)
    finally:
        os.umask(umask)
    modes = [
        stat.S_IMODE((project.user.root / path).stat().st_mode)
        for path in ("src/a.py", "src/run.sh")
    ]
    assert modes == [0o640, 0o750]


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("instant", range(0, 30, 2))
def test_put_back_after_a_kill_at_any_point(project, monkeypatch, instant):
    """Killed before any of its calls to the disk, running it again finishes, without a trace."""
    before = project.user.state()
    (project.user.root / "src/a.py").unlink()
    project.user.write("src/a.py/inner/x", "1")
    project.user.write("src/new/y", "1")
    project.user.write("src/run.sh", "2")
    (project.user.root / "src/deep/er/b.py").unlink()
    (project.user.root / "src/link").unlink()
    steps = project.plan().put_back
    count = 0

    def dying(real):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count > instant:
                raise Killed
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("unlink", "rmdir", "replace", "symlink", "fsync", "mkdir"):
            patch.setattr(os, name, dying(getattr(os, name)))
        with contextlib.suppress(Killed):
            project.put_back(steps)
    assert project.put_back(steps).left == ()
    assert project.user.state() == before


def test_apply_lays_a_candidate_over_the_incumbent_only(project):
    """`apply` brings a candidate back over files equal to the incumbent and reports the others."""
    project.user.write("src/a.py", "a = 2\n")
    project.user.write("src/run.sh", "2", mode=0o755)
    project.user.write("src/new/x", "1")
    (project.user.root / "src/deep/er/b.py").unlink()
    plan = project.plan()
    made = project.commit(plan)
    project.put_back(plan.put_back)
    project.user.write("src/run.sh", "mine", mode=0o755)
    paths = [path for _, path in gitdiff.changed_paths(project.repo, "HEAD", made.oid)]
    tree = project.repo.tree(made.oid)
    steps = apply_steps(project.tree, {path: tree.get(path) for path in paths})
    carried = project.put_back(steps)
    assert carried.left == (("src/run.sh", worktree.MEANWHILE),)
    assert (project.user.root / "src/a.py").read_text() == "a = 2\n"
    assert (project.user.root / "src/new/x").read_text() == "1"
    assert not (project.user.root / "src/deep").exists()
    assert (project.user.root / "src/run.sh").read_text() == "mine"
    assert project.put_back(steps) == carried


def test_disk_that_refuses(project, monkeypatch):
    """A read-only or full disk is an error that names the file, and the file is untouched."""
    project.user.write("src/a.py", "a = 2\n")
    steps = project.plan().put_back

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(AutoresearchError) as caught:
            project.put_back(steps)
    assert caught.value.code == "no_space"
    assert str(project.user.root / "src/a.py") in caught.value.message
    assert (project.user.root / "src/a.py").read_text() == "a = 2\n"
    assert project.put_back(steps).left == ()


def test_processes_of_an_experiment(project):
    """All of an experiment's git work, opening the repository included, takes 8 processes."""
    project.user.write("src/a.py", "a = 2\n")
    plan = project.plan()
    made = project.commit(plan)
    parent = project.repo.resolve("HEAD")
    gitdiff.difference(project.repo, parent, made.oid)
    project.put_back(plan.put_back)
    assert project.repo.processes <= 8


NAMES = st.sampled_from(["src/a.py", "src/deep", "src/deep/er/b.py", "src/n", "src/n/m", LATIN])
ACTIONS = st.tuples(NAMES, st.sampled_from(["write", "remove", "link", "chmod", "folder"]))


def act(root: Path, path: str, action: str) -> None:
    full = root / path
    if action == "folder":
        full.mkdir(parents=True)
        return
    if action in {"write", "link"}:
        full.parent.mkdir(parents=True, exist_ok=True)
    if action == "write":
        full.write_text("other\n")
    elif action == "remove":
        full.unlink()
    elif action == "link":
        full.symlink_to("a.py")
    else:
        full.chmod(0o755)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(ACTIONS, max_size=8))
def test_any_edits_are_found_as_git_finds_them_and_put_back(tmp_path_factory, make, actions):
    """The snapshot is what git would commit, whatever is done, and put back undoes it."""
    home = tmp_path_factory.mktemp("any")
    user = grown(home / "project")
    project = make(user, home)
    before = user.state()
    for path, action in actions:
        with contextlib.suppress(OSError):  # not possible in this order: something is in the way
            act(user.root, path, action)
    snapshot = project.snapshot()
    index = {"GIT_INDEX_FILE": str(home / "theirs")}
    project.repo.run("read-tree", "HEAD", env=index)
    project.repo.run("add", "-A", env=index)
    theirs = project.repo.run("diff-index", "--cached", "-z", "--name-status", "HEAD", env=index)
    words = theirs.out.decode("utf-8", "surrogateescape").split("\0")[:-1]
    assert letters(snapshot) == dict(zip(words[1::2], words[::2], strict=True))
    assert all(change.status in Status for change in snapshot.changes)
    assert project.put_back(put_back_steps(snapshot.changes)).left == ()
    assert user.state() == before
    assert project.snapshot().changes == ()
    project.repo.close()
