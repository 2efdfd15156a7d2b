"""What the helper writes into a repository, and the lock files in its way.

Commits are built from objects of our own making, without an index, so nothing the user staged, no
hook and no filter takes part. The user's index is adjusted for named paths only, and never when
somebody else holds it.

Git removes its locks when it ends, but not when it is killed or the machine stops. What is left
keeps every later git out, so whoever tidies up after a kill does what git's own message asks of a
human: makes sure that no git works in the repository, then takes the lock away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import struct
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from autoresearch.core.errors import GitError
from autoresearch.core.snapshot import Entry
from autoresearch.edges import stored
from autoresearch.edges.files import atomic_write, named_errors, sync_folder
from autoresearch.edges.gitrepo import (
    GitRepo,
    failure,
    is_safe_path,
    object_id,
    require_sound,
    to_bytes,
    to_text,
    was_killed,
)
from autoresearch.edges.processes import processes

_PROC = Path("/proc")

PATIENCE_S = 5.0
"""A git whose helper was killed works on to its own end; so long it is waited for."""

_LOOK_S = 0.02


def locks_of(repo: GitRepo, session: str, branch: str) -> Iterator[Path]:
    """The lock files in the way of HEAD, index, branch (full name) and a session's own refs."""
    for path in (
        repo.git_dir / "index.lock",
        repo.git_dir / "HEAD.lock",
        repo.common_dir / "packed-refs.lock",
        repo.common_dir / "packed-refs.new",
        repo.common_dir / f"{branch}.lock",
    ):
        if path.exists():
            yield path
    yield from sorted((repo.common_dir / "refs/autoresearch" / session).rglob("*.lock"))


def outlived_locks(repo: GitRepo, session: str, branch: str) -> list[Path]:
    """The lock files that are there once no git is at work, or after five seconds."""
    until = time.monotonic() + PATIENCE_S
    while True:
        locks = list(locks_of(repo, session, branch))
        if not locks or time.monotonic() > until or not is_git_at_work(repo):
            return locks
        time.sleep(_LOOK_S)


def set_locks_aside(repo: GitRepo, locks: list[Path], folder: Path) -> tuple[Path, ...]:
    """Move locks that nobody holds into a folder; the ones that were moved.

    Nothing is moved while any git works in the repository, or where that cannot be told.
    """
    if not locks or is_git_at_work(repo) or any(map(_is_open, locks)):
        return ()
    for path in locks:
        stored.set_aside(path, folder / path.name)
    return tuple(locks)


def is_git_at_work(repo: GitRepo) -> bool:
    """Whether a git that this process did not start may be working in the repository.

    One of another user's, of which nothing is told, may.
    """
    places = {repo.toplevel, repo.git_dir, repo.common_dir}
    return any(
        (process.name == "git" or process.name.startswith("git-"))
        and process.parent != os.getpid()
        and _is_in(pid, places)
        for pid, process in processes().items()
    )


def _is_in(pid: int, places: set[Path]) -> bool:
    """Whether a process works in one of the places, or was told of one."""
    if not _PROC.joinpath("self/cwd").exists():  # pragma: no cover - Linux has it
        return True
    folder = _PROC / str(pid)
    try:
        here = Path(os.fsdecode((folder / "cwd").readlink()))
        told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
        return False
    except OSError:
        return True
    return any(here.is_relative_to(place) or os.fsencode(place) in told for place in places)


def _is_open(path: Path) -> bool:
    """Whether a process of this user's holds the file open; False where that is not told."""
    for process in _PROC.glob("[0-9]*"):
        descriptors: list[Path] = []
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            descriptors = list((process / "fd").iterdir())
        for descriptor in descriptors:
            with contextlib.suppress(OSError):  # closed meanwhile
                if descriptor.readlink() == path:
                    return True
    return False


_TREE_MODE = "40000"
_PACK_TYPES = {"commit": 1, "tree": 2, "blob": 3}

_FALLBACK_NAME = "autoresearch"
_FALLBACK_EMAIL = "autoresearch@localhost"

_LOCK_WAIT_S = 1.0
_LOCK_STEP_S = 0.1
_PATHS_BY_ARGUMENT = 200  # beyond that the whole index is listed instead


def _sync_object(repo: GitRepo, oids: Sequence[str]) -> None:
    """Make the names of loose objects durable: git syncs what they hold, not their folders."""
    objects = repo.common_dir / "objects"
    for folder in sorted({objects / oid[:2] for oid in oids}):
        with suppress(FileNotFoundError):  # packed long since
            sync_folder(folder)


class Commit(NamedTuple):
    """A commit that was built, and its tree."""

    oid: str
    tree: str


class IndexChange(NamedTuple):
    """An entry for the user's index: set to `entry` (None: removed) where it is as expected.

    `expected` holds the object ids that the path may have now; an absent path is always fine.
    """

    path: str
    expected: frozenset[str]
    entry: Entry | None


class Outdated(NamedTuple):
    """Changes that are still to be made to the user's index, and paths staged otherwise."""

    wanted: tuple[IndexChange, ...]
    left: tuple[str, ...]


class IndexSync(NamedTuple):
    """What became of the user's index: paths set, paths left because they differ, a warning."""

    updated: tuple[str, ...]
    left: tuple[str, ...]
    warning: str | None


def store(repo: GitRepo, objects: Sequence[tuple[str, bytes]]) -> list[str]:
    """Store objects, (type, content), without any filter; their ids, in order. One process."""
    if not objects:
        return []
    body = b"PACK" + struct.pack(">II", 2, len(objects))
    body += b"".join(_packed(kind, content) for kind, content in objects)
    digest = hashlib.new(repo.object_format, body, usedforsecurity=False).digest()
    repo.run("unpack-objects", "-q", stdin=body + digest)
    oids = [object_id(repo.object_format, content, kind) for kind, content in objects]
    _sync_object(repo, oids)
    return oids


def _packed(kind: str, content: bytes) -> bytes:
    """An object as it stands in a pack: type and size by groups of 4, then 7 bits; its bytes."""
    first, size = _PACK_TYPES[kind] << 4 | len(content) & 15, len(content) >> 4
    header = bytearray()
    while size:
        header.append(first | 128)
        first, size = size & 127, size >> 7
    header.append(first)
    return bytes(header) + zlib.compress(content, 1)


def write_blobs(repo: GitRepo, contents: Sequence[bytes]) -> list[str]:
    """Store each content as a blob; raises as `store`."""
    return store(repo, [("blob", content) for content in contents])


def commit_changes(
    repo: GitRepo,
    *,
    parents: Sequence[str],
    base: str | None,
    changes: Mapping[str, Entry | None],
    contents: Iterable[bytes] = (),
    message: str,
    sign: bool = False,
) -> Commit:
    """A commit of a tree with `changes` made to it; no ref is moved, no index takes part.

    Args:
        repo: where it is stored.
        parents: of the commit; none for a root commit.
        base: id of the tree that is changed; None for an empty one.
        changes: new entry of each path, None to delete.
        contents: of the changes' blobs that may not be stored yet.
        message: written as it is, but for NUL.
        sign: see `commit_tree`.
    """
    for path in changes:
        if not is_safe_path(path):
            raise GitError(f"no commit can hold the path {path!r}", code="unsafe_path")
    objects = [("blob", content) for content in contents]
    tree = _edited(repo, base, changes, objects)
    if tree is None:
        objects.append(("tree", b""))
        tree = object_id(repo.object_format, b"", "tree")
    store(repo, objects)
    return Commit(commit_tree(repo, tree, parents, message, sign=sign), tree)


def _edited(
    repo: GitRepo,
    base: str | None,
    changes: Mapping[str, Entry | None],
    made: list[tuple[str, bytes]],
) -> str | None:
    """Id of a tree with changes made to it, None for an empty one; new trees go to `made`."""
    entries = {} if base is None else _entries(repo, base)
    inside: dict[str, dict[str, Entry | None]] = {}
    for path, entry in changes.items():
        name, _, rest = path.partition("/")
        if rest:
            inside.setdefault(name, {})[rest] = entry
        elif entry is not None:
            entries[name] = entry
        elif name in entries and entries[name].mode != _TREE_MODE:
            del entries[name]
    for name, below in inside.items():
        there = entries.get(name)
        folder = there.oid if there is not None and there.mode == _TREE_MODE else None
        oid = _edited(repo, folder, below, made)
        if oid is not None:
            entries[name] = Entry(_TREE_MODE, oid)
        elif folder is not None:
            del entries[name]
    if not entries:
        return None
    content = _tree_content(entries)
    made.append(("tree", content))
    return object_id(repo.object_format, content, "tree")


def _tree_content(entries: Mapping[str, Entry]) -> bytes:
    """A tree as git stores it: names in git's order, folders as trees."""
    lines = sorted(
        (to_bytes(name + "/" * (entry.mode == _TREE_MODE)), to_bytes(name), entry)
        for name, entry in entries.items()
    )
    return b"".join(
        b"%s %s\0%s" % (entry.mode.encode("ascii"), name, bytes.fromhex(entry.oid))
        for _, name, entry in lines
    )


def tree_id(object_format: str, files: Mapping[str, Entry]) -> str:
    """The id of the tree that holds these files by path, without any repository."""
    entries: dict[str, Entry] = {}
    inside: dict[str, dict[str, Entry]] = {}
    for path, entry in files.items():
        name, _, rest = path.partition("/")
        if rest:
            inside.setdefault(name, {})[rest] = entry
        else:
            entries[name] = entry
    for name, below in inside.items():
        entries[name] = Entry(_TREE_MODE, tree_id(object_format, below))
    return object_id(object_format, _tree_content(entries), "tree")


def _entries(repo: GitRepo, tree: str) -> dict[str, Entry]:
    """What a tree holds by its names, folders as trees."""
    found = repo.object_at(tree)
    if found is None or found.type != "tree":
        raise GitError(f"there is no tree {tree} here", code="no_revision", hint="Run `git fsck`.")
    require_sound(repo.object_format, found, tree)
    size = len(tree) // 2
    entries, rest = {}, found.content
    while rest:
        facts, _, rest = rest.partition(b"\0")
        mode, _, name = facts.partition(b" ")
        entries[to_text(name)] = Entry(mode.decode("ascii").lstrip("0"), rest[:size].hex())
        rest = rest[size:]
    return entries


def is_signed(repo: GitRepo, commit: str) -> bool:
    """Whether a commit carries a signature."""
    found = repo.object_at(commit)
    return found is not None and b"\ngpgsig" in found.content.split(b"\n\n", 1)[0]


def wants_signatures(repo: GitRepo) -> bool:
    """Whether the user signs commits."""
    return repo.flag("commit.gpgSign", default=False)


@contextlib.contextmanager
def _unasked(repo: GitRepo) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Variables and settings under which signing fails where it would ask somebody."""

    def setting(name: str) -> str:
        return to_text(repo.run("config", "--get", name, check=False).out).strip()

    kind = setting("gpg.format") or "openpgp"
    default = {"openpgp": "gpg", "x509": "gpgsm"}.get(kind, "")
    program = setting(f"gpg.{kind}.program") or (setting("gpg.program") if default else "")
    quiet = {"SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"}
    if not default:
        yield quiet, []
        return
    with tempfile.TemporaryDirectory(prefix="autoresearch-") as folder:
        script = Path(folder) / "sign"
        words = f"exec {shlex.quote(program or default)} --batch --no-tty --pinentry-mode error"
        script.write_text(f'#!/bin/sh\n{words} "$@"\n', "utf-8")
        script.chmod(0o700)
        yield quiet, [f"gpg.{kind}.program={script}"]


def commit_tree(
    repo: GitRepo, tree: str, parents: Sequence[str], message: str, *, sign: bool = False
) -> str:
    """A commit of `tree`, by whom git is set up for, or in our name where it is not.

    With `sign` it is signed where the user signs commits and that takes no question, as of a
    passphrase: nobody is there at night to answer it.
    """
    args = [
        "commit-tree",
        tree,
        *(part for parent in parents for part in ("-p", parent)),
        "-F",
        "-",
    ]
    stdin = to_bytes(message.replace("\0", ""))
    done = None
    if sign and wants_signatures(repo):
        with _unasked(repo) as (env, settings):
            signing = ("commit-tree", "-S", *args[1:])
            done = repo.run(*signing, stdin=stdin, env=env, settings=settings, check=False)
    if done is None or done.code != 0:
        done = repo.run(*args, stdin=stdin, check=False)
    if done.code != 0:
        # Asked only now: nearly everywhere an identity is set, and asking costs two processes.
        env = {
            variable: os.environ.get(variable) or value
            for role in ("AUTHOR", "COMMITTER")
            for variable, value in (
                (f"GIT_{role}_NAME", _FALLBACK_NAME),
                (f"GIT_{role}_EMAIL", _FALLBACK_EMAIL),
            )
        }
        done = repo.run(*args, stdin=stdin, env=env)
    oid = to_text(done.out).strip()
    _sync_object(repo, [oid, tree])
    return oid


def sync_index(repo: GitRepo, changes: Sequence[IndexChange]) -> IndexSync:
    """Set chosen entries of the user's index, where they are as expected; never raises for a lock.

    Entries that are staged otherwise, in conflict, or marked (assume-unchanged, skip-worktree) are
    left. A lock held for longer than a second, or left behind by a killed git, is not touched:
    the warning says so, and nothing depends on the index.
    """
    wanted, left = outdated(repo, changes)
    if not wanted:
        return IndexSync((), left, None)
    warning = _update_index(
        repo, _index_info(repo, {change.path: change.entry for change in wanted})
    )
    updated = () if warning else tuple(sorted(change.path for change in wanted))
    return IndexSync(updated, left, warning)


def outdated(repo: GitRepo, changes: Sequence[IndexChange]) -> Outdated:
    """Which of the changes the user's index lacks, and where it is otherwise than expected."""
    if not changes:
        return Outdated((), ())
    present = _staged(repo, [change.path for change in changes])
    fits = [
        change
        for change in changes
        if change.path not in present or present[change.path].oid in change.expected
    ]
    left = {change.path for change in changes} - {change.path for change in fits}
    wanted = [change for change in fits if present.get(change.path) != change.entry]
    return Outdated(tuple(wanted), tuple(sorted(left)))


def exclude(repo: GitRepo, patterns: Sequence[str]) -> bool:
    """Add the missing ones of `patterns` to `info/exclude`; whether there were any."""
    path = repo.common_dir / "info" / "exclude"
    with named_errors(path):
        path.parent.mkdir(exist_ok=True)
        path = path.resolve()  # some keep it elsewhere, behind a link
        before = path.read_bytes() if path.exists() else b""
    lines = before.split(b"\n")
    missing = [to_bytes(pattern) for pattern in patterns if to_bytes(pattern) not in lines]
    if not missing:
        return False
    start = before if not before or before.endswith(b"\n") else before + b"\n"
    atomic_write(path, start + b"".join(line + b"\n" for line in missing))
    return True


def add_worktree(repo: GitRepo, path: Path, branch: str) -> None:
    """Check the branch (short name) out in a new linked working tree at `path`."""
    repo.run("worktree", "add", "--quiet", str(path), branch)


def require_writable(repo: GitRepo) -> None:
    """Make sure that objects, refs and this working tree's own files can be written.

    Raises as the disk refuses, and names the folder.
    """
    for folder in {repo.git_dir, repo.common_dir, repo.common_dir / "objects"}:
        with named_errors(folder), tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")


def _index_info(repo: GitRepo, changes: Mapping[str, Entry | None]) -> bytes:
    """Lines for `update-index --index-info`: deletions first, so a folder may become a file."""
    zero = "0" * (40 if repo.object_format == "sha1" else 64)
    gone = [f"0 {zero}\t{path}\0" for path, entry in changes.items() if entry is None]
    there = [f"{e.mode} {e.oid}\t{path}\0" for path, e in changes.items() if e is not None]
    return to_bytes("".join((*gone, *there)))


def _staged(repo: GitRepo, paths: list[str]) -> dict[str, Entry]:
    """Each of `paths` in the user's index; its object id is "" where it is not a plain entry."""
    chosen = ["--", *paths] if len(paths) <= _PATHS_BY_ARGUMENT else []
    out = repo.run("ls-files", "-v", "-s", "-z", *chosen).out
    wanted = set(paths)
    found: dict[str, Entry] = {}
    for line in to_text(out).split("\0")[:-1]:
        facts, path = line.split("\t", 1)
        if path in wanted:
            tag, mode, oid, stage = facts.split(" ")
            found[path] = Entry(mode, oid if tag == "H" and stage == "0" else "")
    return found


def _update_index(repo: GitRepo, stdin: bytes) -> str | None:
    lock = repo.git_dir / "index.lock"
    env = _filters_off(repo)
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        if not lock.exists():
            done = repo.run("update-index", "-z", "--index-info", stdin=stdin, env=env, check=False)
            if done.code == 0:
                return None
            if was_killed(done) and not is_git_at_work(repo):
                lock.unlink(missing_ok=True)  # our own git was killed and left it
            if not lock.exists():
                raise failure("update-index", done)
        if time.monotonic() > deadline:
            return f"{lock} is locked, so git's index was not brought up to date"
        time.sleep(_LOCK_STEP_S)


def _filters_off(repo: GitRepo) -> dict[str, str]:
    """Variables that switch every configured filter off.

    Writing an index, git (2.39) looks again at files as young as the index, through their filter.
    Without one it takes them for edited until the user's next `git status`, which is harmless.
    """
    listing = repo.run("config", "-z", "--name-only", "--get-regexp", r"^filter\.", check=False)
    names = to_text(listing.out).split("\0")[:-1]
    drivers = sorted({name.rpartition(".")[0] for name in names})
    keys = [
        (f"{driver}.{key}", value)
        for driver in drivers
        for key, value in (("clean", ""), ("process", ""), ("required", "false"))
    ]
    env = {"GIT_CONFIG_COUNT": str(len(keys))}
    for number, (key, value) in enumerate(keys):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env
