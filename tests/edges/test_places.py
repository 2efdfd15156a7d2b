"""Where state and cache lie."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.edges.places import crash_report, places_for, repository_key, sessions_of
from support.harness import Git


def test_folders_follow_xdg(tmp_path):
    """A state folder inside the repository or the wrong home."""
    environ = {"XDG_STATE_HOME": "/state", "XDG_CACHE_HOME": "/cache", "HOME": "/home/me"}
    repo = tmp_path / "my repo"
    (repo / ".git").mkdir(parents=True)
    places = places_for(environ, repo, repo / ".git", "speed")
    key = repository_key(repo, repo / ".git")
    assert key.startswith("my-repo-")
    assert len(key) == len("my-repo-") + 10
    assert places.state == Path(f"/state/autoresearch/{key}/speed")
    assert places.cache == Path(f"/cache/autoresearch-bench/{key}/speed")
    assert places.measure_lock == Path("/state/autoresearch/measure.lock")
    assert places.session == "speed"
    assert [
        getattr(places, name).name
        for name in ("log", "index", "journal", "lock", "contract", "raw", "output")
    ] == ["log.jsonl", "index.db", "journal.json", "lock", "autoresearch.yaml", "raw", "output"]


@pytest.mark.parametrize("named", ["", "relative/path"])
def test_xdg_variable_that_is_no_absolute_path_is_ignored(tmp_path, named):
    """State below whatever folder a command was started in."""
    environ = {"XDG_STATE_HOME": named, "XDG_CACHE_HOME": named, "HOME": "/home/me"}
    places = places_for(environ, tmp_path, tmp_path, "s")
    assert places.state.parent.parent == Path("/home/me/.local/state/autoresearch")
    assert places.cache.parent.parent == Path("/home/me/.cache/autoresearch-bench")


def test_no_home_at_all_is_named(tmp_path):
    """State in the root folder of a container without HOME."""
    with pytest.raises(AutoresearchError) as caught:
        places_for({}, tmp_path, tmp_path, "s")
    assert caught.value.code == "no_home"


def test_linked_worktree_shares_the_key_and_a_clone_does_not(tmp_path):
    """A session that is lost when another worktree is used, or shared with a stranger."""
    git = Git.create(tmp_path / "one" / "app")
    git.write("a", "a")
    git.commit()
    git("worktree", "add", "-q", str(tmp_path / "linked"))
    main = repository_key(git.root, git.root / ".git")
    assert repository_key(tmp_path / "linked", git.root / ".git") == main
    other = Git.create(tmp_path / "two" / "app")
    assert repository_key(other.root, other.root / ".git") != main


def test_key_is_of_the_real_path(tmp_path):
    """A second state folder because of a symbolic link."""
    repo = tmp_path / "repo"
    (repo / ".git").mkdir(parents=True)
    (tmp_path / "link").symlink_to(repo)
    assert repository_key(tmp_path / "link", tmp_path / "link" / ".git") == repository_key(
        repo, repo / ".git"
    )
    assert repository_key(repo, tmp_path / "elsewhere").startswith("repo-")
    assert repository_key(Path("/"), Path("/x")).startswith("root-")


def test_folders_are_private(isolated, tmp_path):
    """A log that every user of the machine can read."""
    environ = {"HOME": str(tmp_path)}
    places = places_for(environ, tmp_path, tmp_path, "s")
    places.create()
    places.create()
    places.require_writable()
    for folder in (places.state, places.raw, places.output, places.cache, places.state.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_state_that_cannot_be_made_names_folder_and_variable(tmp_path):
    """A crash report inside a host's sandbox."""
    (tmp_path / "file").write_text("")
    environ = {"XDG_STATE_HOME": str(tmp_path / "file"), "HOME": str(tmp_path)}
    places = places_for(environ, tmp_path, tmp_path, "s")
    with pytest.raises(AutoresearchError) as caught:
        places.create()
    assert caught.value.code == "state_not_writable"
    assert str(tmp_path / "file") in caught.value.message
    assert "XDG_STATE_HOME" in caught.value.hint
    with pytest.raises(AutoresearchError) as caught:
        places.require_writable()
    assert caught.value.code == "state_not_writable"


def test_read_only_state_is_named_before_anything_is_tried(tmp_path, monkeypatch):
    """A read-only mount noticed only when the log is to be written."""
    places = places_for({"HOME": str(tmp_path)}, tmp_path, tmp_path, "s")
    places.create()
    monkeypatch.setattr("os.access", lambda *_args: False)
    for check in (places.create, places.require_writable):
        with pytest.raises(AutoresearchError) as caught:
            check()
        assert caught.value.code == "state_not_writable"


def test_crash_report_is_kept_even_without_a_state_folder(isolated, tmp_path, monkeypatch):
    """A bug whose traceback is lost in a second bug."""
    kept = crash_report("boom \udcff")
    assert kept.read_text() == "boom ?"
    assert kept.parent == isolated / "state" / "autoresearch" / "crashes"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert crash_report("boom").is_relative_to(tmp_path / "")


def test_sessions_are_those_with_a_log(tmp_path, monkeypatch):
    """A half-made session offered for resuming."""
    environ = {"HOME": str(tmp_path)}
    assert sessions_of(environ, tmp_path, tmp_path) == ()
    for name in ("b", "a", "empty"):
        places = places_for(environ, tmp_path, tmp_path, name)
        places.create()
        if name != "empty":
            places.log.write_bytes(b"")
    assert sessions_of(environ, tmp_path, tmp_path) == ("a", "b")

    def forbidden(_self):
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(AutoresearchError):
        sessions_of(environ, tmp_path, tmp_path)
