"""Whole files or nothing, named failures, and removal that follows no link."""

from __future__ import annotations

import errno
import os

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.edges import files


def test_atomic_write_replaces_whole(tmp_path):
    """The new content stands, with the mode asked for, and nothing is left beside it."""
    path = tmp_path / "x"
    files.atomic_write(path, b"one")
    files.atomic_write(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_is_writable_asks_the_disk_and_leaves_nothing(tmp_path):
    """A sandbox found out too late, or a trace of having asked."""
    assert files.is_writable(tmp_path)
    assert files.is_writable(tmp_path / "to" / "be" / "made")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert not files.is_writable(tmp_path / "file")
    assert not files.is_writable(tmp_path / "file" / "below")


def test_atomic_write_does_not_follow_a_link(tmp_path):
    """A link planted at the path is replaced, and what it led to stays."""
    (tmp_path / "target").write_text("precious")
    (tmp_path / "x").symlink_to("target")
    files.atomic_write(tmp_path / "x", b"new")
    assert (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "x").is_symlink()


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_atomic_write_on_a_full_disk(tmp_path, monkeypatch, call):
    """At whatever call the disk refuses, the earlier file is untouched and nothing is left over."""
    path = tmp_path / "x"
    path.write_bytes(b"before")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, call, refuse)
        with pytest.raises(AutoresearchError) as caught:
            files.atomic_write(path, b"after")
    assert caught.value.code == "no_space"
    assert caught.value.message == f"{path} is on a full disk"
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_finishes_short_writes(tmp_path, monkeypatch):
    """A write that takes only a part is continued."""
    real = os.write
    monkeypatch.setattr(files.os, "write", lambda fd, data: real(fd, data[:3]))
    files.atomic_write(tmp_path / "x", b"0123456789")
    assert (tmp_path / "x").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "no_space"),
        (errno.EDQUOT, "no_space"),
        (errno.EROFS, "read_only"),
        (errno.EACCES, "no_permission"),
        (errno.EPERM, "no_permission"),
        (errno.EIO, "file"),
    ],
)
def test_failures_name_path_and_remedy(number, code):
    """Every refusal of the disk says which path, and what to do."""
    error = files.file_error(OSError(number, "x"), "/some/path")
    assert error.code == code
    assert error.message.startswith("/some/path ")
    assert error.hint


def test_failure_without_a_number():
    """Even an error that carries no number names the path."""
    assert files.file_error(OSError("odd"), "/p").message == "/p cannot be used (odd)"


def test_append_once(tmp_path):
    """Lines follow each other, and the offset of each is told."""
    path = tmp_path / "log"
    assert files.append_once(path, b"one\n") == 0
    assert files.append_once(path, b"two\n") == 4
    assert path.read_bytes() == b"one\ntwo\n"


def test_append_once_takes_a_torn_write_back(tmp_path, monkeypatch):
    """A line that did not fit on the disk leaves no part of itself."""
    path = tmp_path / "log"
    files.append_once(path, b"one\n")
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "write", lambda fd, data: real(fd, data[:2]))
        with pytest.raises(AutoresearchError) as caught:
            files.append_once(path, b"two\n")
    assert caught.value.code == "no_space"
    assert path.read_bytes() == b"one\n"


def test_append_once_refuses_a_link(tmp_path):
    """A log replaced by a link is not written through."""
    (tmp_path / "target").write_text("")
    (tmp_path / "log").symlink_to("target")
    with pytest.raises(AutoresearchError):
        files.append_once(tmp_path / "log", b"x")
    assert (tmp_path / "target").read_text() == ""


def test_read_bytes_limited(tmp_path):
    """A file at the limit is read, one byte more is refused."""
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert files.read_bytes_limited(path, 5) == b"12345"
    with pytest.raises(AutoresearchError) as caught:
        files.read_bytes_limited(path, 4)
    assert caught.value.code == "too_large"


def test_read_bytes_limited_does_not_wait_for_a_fifo(tmp_path):
    """A FIFO or folder in a file's place is refused at once, and so is nothing at all."""
    os.mkfifo(tmp_path / "fifo")
    for name, code in (("fifo", "not_a_file"), (".", "not_a_file"), ("none", "file")):
        with pytest.raises(AutoresearchError) as caught:
            files.read_bytes_limited(tmp_path / name, 5)
        assert caught.value.code == code


def test_replace_link_cleans_up(tmp_path, monkeypatch):
    """A link that cannot be moved into place leaves nothing."""

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(OSError, match="Read-only"):
        files.replace_link(str(tmp_path / "x"), b"target")
    assert list(tmp_path.iterdir()) == []


def test_remove_tree_follows_no_link(tmp_path):
    """Links inside, or the tree itself being one, lead nowhere."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/x").write_text("1")
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/link").symlink_to(tmp_path / "precious")
    (tree / "sub").chmod(0o500)
    tree.chmod(0)
    files.remove_tree(tree)
    assert not tree.exists()
    tree.symlink_to(tmp_path / "precious")
    files.remove_tree(tree)
    files.remove_tree(tree)
    assert (tmp_path / "precious/x").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
