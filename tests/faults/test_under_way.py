"""A merge, rebase or cherry-pick of the user's that waits for an answer: `try` leaves it alone."""

from __future__ import annotations

import pytest

CONFLICT = {
    "merge": ("merge", "-q", "other"),
    "cherry-pick": ("cherry-pick", "other"),
    "revert": ("revert", "--no-edit", "HEAD~1"),
    "rebase": ("rebase", "-q", "other"),
}


def conflicting(rig):
    """Two keeps, and a branch of the user's that conflicts with the second one."""
    rig.edit(90)
    assert rig.run("try", "-m", "to 90").code == 0
    rig.repo("branch", "-q", "other")
    rig.edit(80)
    assert rig.run("try", "-m", "to 80").code == 0
    rig.repo("switch", "-q", "other")
    rig.edit(70)
    rig.repo("commit", "-q", "-a", "-m", "of the user's")
    rig.repo("switch", "-q", "autoresearch/cheaper")


@pytest.fixture(scope="module")
def opened(opened):
    """The session with these commits, for all tests."""
    conflicting(opened)
    opened.save()
    return opened


def refused(rig):
    """A `try` that is refused before anything is recorded: what it says."""
    before = rig.records(), rig.work, rig.repo("status", "--porcelain=v2")
    said = rig.run("try", "-m", "with marks")
    assert said.code == 1, said
    assert (rig.records(), rig.work, rig.repo("status", "--porcelain=v2")) == before
    return said.out


@pytest.mark.parametrize("what", CONFLICT)
def test_an_operation_under_way_is_no_edit(rig, what):
    """Conflict marks measured, recorded as a crash and put back while the merge still stands."""
    rig.repo(*CONFLICT[what], expected_exit_code=1)
    assert "<<<<<<<" in rig.work
    said = refused(rig)
    assert f"error: a {what} is under way in this working tree\nnext: `git {what} --abort`" in said
    rig.repo(what, "--abort")
    rig.edit(60)
    assert rig.run("try", "-m", "to 60").code == 0
    assert rig.broken() == []


@pytest.mark.parametrize("what", ["merge", "cherry-pick", "revert"])
def test_the_named_way_on_keeps_the_files(rig, what):
    """A remedy that does not end it; a conflict that stays in the index, measured all the same."""
    rig.repo(*CONFLICT[what], expected_exit_code=1)
    assert f"`git {what} --quit` ends it and leaves the files" in refused(rig)
    rig.repo(what, "--quit")
    said = refused(rig)
    assert "error: git's index holds a conflict in src/work.sh\nnext: Resolve it" in said
    rig.edit(70, what)
    rig.repo("add", "src/work.sh")
    assert rig.run("try", "-m", "resolved").code == 0
    assert rig.experiments()[-1]["verdict"] == "keep"
    assert rig.repo("status", "--porcelain", "--", "src") == ""
    assert rig.broken() == []


def test_patches_that_are_applied_are_ended_as_such(rig):
    """`git rebase --abort`, which git refuses while `git am` waits."""
    patch = rig.folder / "patch"
    patch.write_text(rig.repo("format-patch", "-1", "--stdout", "other") + "\n")
    rig.repo("am", "-q", str(patch), expected_exit_code=128)
    said = refused(rig)
    assert "error: a patch is under way in this working tree\nnext: `git am --abort`" in said
    rig.repo("am", "--abort")
    rig.edit(60)
    assert rig.run("try", "-m", "to 60").code == 0


def test_recover_has_git_ignore_our_copies_again(rig):
    """An emptied info/exclude, after which our copies are the user's untracked files for ever."""
    path = rig.root / ".git/info/exclude"
    path.write_text("mine\n")
    assert "autoresearch.jsonl" in rig.repo("status", "--porcelain")
    said = rig.run("recover")
    assert "info/exclude named document and log copy no more; it does again" in said.out
    assert rig.repo("status", "--porcelain") == "?? notes.txt"
    assert path.read_text().startswith("mine\n")
    assert "info/exclude" not in rig.run("recover").out
