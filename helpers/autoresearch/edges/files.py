"""The disk: whole files written whole, and failures that name path and remedy."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from autoresearch.core.errors import AutoresearchError

# Names come from scandir or git in bulk; a Path for each would cost more than the call it makes.
# ruff: noqa: PTH101, PTH104, PTH105, PTH106, PTH108, PTH110, PTH112, PTH118, PTH120, PTH211


LONGEST_PATH = 2000
"""Bytes of a path beyond which a folder is moved up before it is emptied; PATH_MAX is 4096."""

OURS = ".autoresearch-"
"""How the names of our temporary files begin."""

_REMEDIES = {
    errno.ENOSPC: ("no_space", "is on a full disk", "Free some space and repeat the command."),
    errno.EDQUOT: ("no_space", "is over its quota", "Free some space and repeat the command."),
    errno.EROFS: (
        "read_only",
        "is read-only here",
        "If your agent's sandbox causes this, `autoresearch doctor` names the setting.",
    ),
    errno.EACCES: ("no_permission", "cannot be accessed", "Check its owner and permissions."),
    errno.EPERM: ("no_permission", "cannot be changed", "Check its owner and attributes."),
}


DISK_ERRORS = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What a disk may say at any call, whatever the program does: never a bug of ours."""


_REFUSALS = frozenset({errno.EACCES, errno.EPERM})


def is_of_the_disk(error: OSError) -> bool:
    """Whether the disk refused something, or a file its access, rather than a bug of ours."""
    return error.errno in DISK_ERRORS or (error.errno in _REFUSALS and error.filename is not None)


def file_error(error: OSError, path: Path | str) -> AutoresearchError:
    """`error` as an expected failure that names the path and what to do."""
    shown = os.fspath(path)
    reason = os.strerror(error.errno) if error.errno else str(error)
    default = ("file", f"cannot be used ({reason})", "Check the path and repeat the command.")
    code, what, hint = _REMEDIES.get(error.errno or 0, default)
    if error.errno in _REFUSALS and (owner := other_owner(shown)):
        what, hint = f"belongs to {owner} and {what}", as_owner(owner)
    return AutoresearchError(f"{shown} {what}", code=code, hint=hint)


def other_owner(path: Path | str) -> str:
    """Who owns a path, or the first folder above it that is there, when it is not us; else empty.

    Of root nobody is another owner.
    """
    import pwd  # noqa: PLC0415 - only where something was refused

    there = os.fspath(path)
    while there != os.path.dirname(there):
        try:
            owner = os.lstat(there).st_uid
        except OSError:  # not there, or not ours to see: whoever owns the folder decides
            there = os.path.dirname(there)
            continue
        if os.geteuid() in {0, owner}:
            return ""
        try:
            return pwd.getpwuid(owner).pw_name
        except KeyError:
            return f"user {owner}"
    return ""


def as_owner(owner: str) -> str:
    """The remedy for what another user owns."""
    return f"Work as {owner}, or let an administrator give it to you with `chown -R`."


@contextlib.contextmanager
def named_errors(path: Path | str) -> Iterator[None]:
    """Turn any OSError of the block into an AutoresearchError that names `path`."""
    try:
        yield
    except OSError as error:
        raise file_error(error, path) from error


def is_folder(path: Path | str) -> bool:
    """Whether a folder is there for us: one that we may not even look at is none."""
    return os.path.isdir(path)


def is_there(path: Path | str) -> bool:
    """Whether something is there for us, as `is_folder`."""
    return os.path.exists(path)


def is_writable(folder: Path) -> bool:
    """Whether a file can be made in the folder, or where it is to be made.

    Found out by making one: a sandbox may forbid what permissions allow.
    """
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    try:
        descriptor, name = tempfile.mkstemp(prefix=OURS, dir=there)
    except OSError:
        return False
    os.close(descriptor)
    os.unlink(name)
    return True


def atomic_write(
    path: Path,
    content: bytes,
    *,
    mode: int = 0o644,
    temporary: Path | None = None,
    sync: bool = True,
) -> None:
    """Make `path` hold `content`, wholly or not at all, also across a power loss.

    A symbolic link at `path` is replaced, not followed. The mode is subject to the umask. Without
    `sync` a power loss may take it: only for what can be made again. `temporary` is as for
    `replace_file`: a name that whoever comes after a kill knows.
    """
    with named_errors(path):
        beside = None if temporary is None else os.fspath(temporary)
        replace_file(os.fspath(path), content, mode=mode, temporary=beside, sync=sync)
        if sync:
            sync_folder(path.parent)


def replace_file(
    path: str, content: bytes, *, mode: int, temporary: str | None = None, sync: bool = True
) -> None:
    """Write `content` beside `path` and move it over; after an OSError nothing is left beside it.

    It is written to `temporary` first, in the same folder: a fresh name when not given. With `sync`
    a power loss leaves one of the two, whole. The mode is subject to the umask.
    """
    if temporary is None:
        temporary = _beside(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, mode)
    try:
        try:
            _write_all(descriptor, content)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):  # moved already, or never made
            os.unlink(temporary)
        raise


def replace_link(path: str, target: bytes, *, temporary: str | None = None) -> None:
    """Make `path` a symbolic link to `target`, in one step, as `replace_file` does."""
    if temporary is None:
        temporary = _beside(path)
    os.symlink(target, os.fsencode(temporary))
    try:
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def append_once(path: Path, content: bytes, *, sync: bool = True) -> int:
    """Add `content` to the end of `path` by one synced write; the offset where it starts.

    Without `sync` a power loss may take it: only for what can be made again.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with named_errors(path):
        descriptor = os.open(path, flags, 0o644)
        try:
            start = os.fstat(descriptor).st_size
            try:
                _write_once(descriptor, content)
                if sync:
                    os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, start)
                raise
        finally:
            os.close(descriptor)
        if sync and start == 0:
            sync_folder(path.parent)
    return start


def read_bytes_limited(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises AutoresearchError: `too_large`, `not_a_file`, or as the disk refuses.
    """
    with named_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            content = b""
            while regular and len(content) <= limit:
                part = os.read(descriptor, limit + 1 - len(content))
                content += part
                if not part:
                    break
        finally:
            os.close(descriptor)
    if not regular:
        raise AutoresearchError(
            f"{path} is not a regular file", code="not_a_file", hint="Name a regular file."
        )
    if len(content) > limit:
        raise AutoresearchError(
            f"{path} is larger than {limit} bytes", code="too_large", hint="Use a smaller file."
        )
    return content


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove whatever lies at `path`; no link is followed, and nothing there is no failure.

    Folders without permissions are opened up first. Chains of folders deeper than a path may be
    long are cut into pieces that are moved up, so depth is limited by nothing.
    """
    with named_errors(path):
        top = os.fspath(path)
        try:
            mode = os.lstat(top).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(mode):
            os.unlink(top)
            return
        _empty(top)
        os.rmdir(top)


def _empty(top: str) -> None:
    """Remove everything below `top`, whose own path is short."""
    waiting = [top]
    emptied: list[str] = []
    moved = 0
    while waiting:
        folder = waiting.pop()
        emptied.append(folder)
        for entry in _listing(folder):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
            elif len(os.fsencode(entry.path)) > LONGEST_PATH:
                moved += 1
                shorter = os.path.join(top, f".{secrets.token_hex(8)}-{moved}")
                os.chmod(entry.path, stat.S_IRWXU)  # moving a folder rewrites its `..`
                os.rename(entry.path, shorter)
                waiting.append(shorter)
            else:
                waiting.append(entry.path)
    for folder in reversed(emptied[1:]):
        os.rmdir(folder)


def _listing(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a real folder, after making sure that it can be read and emptied."""
    if os.lstat(folder).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(folder, stat.S_IRWXU)
    with os.scandir(folder) as entries:
        return list(entries)


def _beside(path: str) -> str:
    """A fresh hidden name in the folder of `path`; short, for `path` may be as long as allowed."""
    return os.path.join(os.path.dirname(path), f"{OURS}{secrets.token_hex(8)}")


def _write_once(descriptor: int, content: bytes) -> None:
    if os.write(descriptor, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


MOST_FILES = 1000
MOST_BYTES = 64 * 1024 * 1024


def keep_newest(
    folder: Path, *, files: int = MOST_FILES, size: int = MOST_BYTES, pattern: str = "*.txt"
) -> int:
    """Remove the oldest files of a folder whose names match `pattern`; how many went.

    So many `files` may stay, and `size` bytes together; the newest stays whatever its size.
    """
    with named_errors(folder):
        found = [(path.lstat(), path) for path in folder.glob(pattern)] if folder.is_dir() else []
        found.sort(key=lambda item: (item[0].st_mtime_ns, item[1].name), reverse=True)
        total, gone = 0, 0
        for number, (status, path) in enumerate(found):
            total += status.st_size
            if number and (number >= files or total > size):
                path.unlink(missing_ok=True)
                gone += 1
    return gone
