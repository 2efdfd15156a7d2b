"""Git's set-up as it was: what differs is restored, and nothing that was found is lost."""

from __future__ import annotations

import os
import shutil

import pytest
from autoresearch.edges import dotgit
from autoresearch.edges.gitrepo import GitRepo
from support.harness import Git


@pytest.fixture
def repo(tmp_path):
    user = Git.create(tmp_path / "project")
    user.write("hello", "hello\n")
    user.commit()
    with GitRepo.open(user.root) as opened:
        yield opened


def contents(folder):
    """What lies in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_copy_is_kept(repo, tmp_path):
    """A remote that a human added, lost because the next copy took the place of this one."""
    aside, config = tmp_path / "state" / "set-aside" / "git", repo.git_dir / "config"
    before, was = dotgit.capture(repo), config.read_bytes()
    assert dotgit.put_back(repo, before, aside) == ((), None)
    assert not aside.exists()
    for name, text in (("git", b"# one\n"), ("git-2", b"# two\n"), ("git-3", b"# three\n")):
        config.write_bytes(text)
        found = dotgit.put_back(repo, before, aside)
        assert found == ((".git/config",), aside.with_name(name))
        assert contents(found.aside) == {"000-config": text}
        assert config.read_bytes() == was
    assert contents(aside) == {"000-config": b"# one\n"}


def test_what_is_too_large_to_read_is_kept_too(repo, tmp_path, monkeypatch):
    """A hook of some megabytes that is written over, for a copy was made of small files only."""
    hook = repo.git_dir / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_bytes(b"was\n")
    before = dotgit.capture(repo)
    monkeypatch.setattr(dotgit, "MAX_FILE_BYTES", 1000)
    hook.write_bytes(b"large" * 400)
    found = dotgit.put_back(repo, before, tmp_path / "aside")
    assert contents(found.aside) == {"000-pre-push": b"large" * 400}
    assert hook.read_bytes() == b"was\n"


def test_what_git_derives_is_nobodys_change(repo, tmp_path):
    """A `git gc`, which rewrites the list of refs, that counts as an attack on git's set-up."""
    Git(repo.toplevel)("update-server-info")
    before = dotgit.capture(repo)
    Git(repo.toplevel)("update-ref", "refs/heads/other", "HEAD")
    Git(repo.toplevel)("update-server-info")
    listed = repo.git_dir / "info" / "refs"
    assert b"refs/heads/other" in listed.read_bytes()
    listed.with_name("refs_AbC123").touch()  # of a git that is just writing it
    assert dotgit.put_back(repo, before, tmp_path / "aside") == ((), None)
    assert b"refs/heads/other" in listed.read_bytes()


@pytest.mark.parametrize("becomes", ["link", "file"])
def test_hooks_that_became_something_else_are_put_back(repo, tmp_path, becomes):
    """Files of a shared folder that are removed through a link; a file that stops every command."""
    hooks, shared = repo.git_dir / "hooks", tmp_path / "shared"
    hooks.mkdir(exist_ok=True)
    for folder in (hooks, shared):
        folder.mkdir(exist_ok=True)
        (folder / "pre-push").write_bytes(b"was\n")
    (shared / "mine").write_bytes(b"mine\n")
    before = dotgit.capture(repo)
    hooks.rename(tmp_path / "moved")
    if becomes == "link":
        hooks.symlink_to(shared)
    else:
        hooks.write_bytes(b"mine\n")
    found = dotgit.put_back(repo, before, tmp_path / "aside")
    assert found.names == (".git/hooks", ".git/hooks/pre-push")
    assert not hooks.is_symlink()
    assert contents(hooks) == {"pre-push": b"was\n"}
    assert contents(shared) == {"pre-push": b"was\n", "mine": b"mine\n"}
    kept = os.fsencode(shared) if becomes == "link" else b"mine\n"
    assert contents(found.aside) == {"000-hooks": kept}


def test_hooks_in_a_shared_folder_are_put_back_there(repo, tmp_path):
    """A link of the user's own that is taken for a change, or whose hooks nobody watches."""
    hooks, shared = repo.git_dir / "hooks", tmp_path / "shared"
    shared.mkdir()
    (shared / "pre-push").write_bytes(b"was\n")
    shutil.rmtree(hooks, ignore_errors=True)
    hooks.symlink_to(shared)
    before = dotgit.capture(repo)
    (shared / "pre-push").write_bytes(b"evil\n")
    found = dotgit.put_back(repo, before, tmp_path / "aside")
    assert found.names == (".git/hooks/pre-push",)
    assert contents(shared) == {"pre-push": b"was\n"}
    hooks.unlink()
    hooks.mkdir()
    assert dotgit.put_back(repo, before, tmp_path / "aside").names == (".git/hooks",)
    assert hooks.readlink() == shared
